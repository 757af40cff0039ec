"""Questions about profiles and plans.

`what_if` (with `answers`, `changes`, `variants`): other budgets, other nodes; `sensitivity`: what to optimise
next; `explain` (with `reasons`, `explain_text`): why a plan is as it is.
"""
