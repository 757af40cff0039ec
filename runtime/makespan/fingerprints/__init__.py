"""Which DAG a file speaks of, and whether the code of a node changed."""
