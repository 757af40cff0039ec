"""Measuring what each node of a DAG does with its time; the result is a `makespan.Profile`."""
