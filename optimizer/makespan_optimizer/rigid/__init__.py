"""Scheduling with rigid resources: what running nodes demand together never exceeds a capacity.

Resource-constrained project scheduling, usable alone: `problem` (the data), `lists` (list scheduling),
`energy` (lower bounds), `multistart` (schedules without a solver), `solve` (all of it under one time limit),
`check` (an independent checker).
"""
