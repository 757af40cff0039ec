"""Pictures in matplotlib: of runs and plans, of profiles, of what-if answers; for files and notebooks.

Only `matplotlib.figure.Figure` is used: no pyplot, no backend is chosen, no global state is left changed.
Names are the user's: drawn without mathematics, control characters made visible.
"""
