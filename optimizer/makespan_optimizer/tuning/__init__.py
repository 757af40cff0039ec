"""Racing ways to run a DAG for real, and learning from the runs where the model was wrong."""
