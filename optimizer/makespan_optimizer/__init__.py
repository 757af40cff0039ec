"""The heavy half of makespan: measuring a DAG, and computing a plan for it."""
