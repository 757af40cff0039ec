"""DAGs, profiles, plans and runs in the form that other programs take: tables, graphs, drawings."""
