"""What is recorded while a DAG is described: names, options, arguments, places."""
