"""From a DAG, a plan and settings to what runs, once."""
