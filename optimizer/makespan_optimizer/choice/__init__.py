"""Which of many orders becomes the plan.

`pipeline` runs the stages. First judge, for the median durations: `search`, `rigid_half`. Second judge, over
scenarios: `second` (with `trial`, `pooled`, `robust`). Limits and chains: `groups`, `gates`, `chains`. Thread
budgets: `auto_threads`, `other_budgets`.
"""
