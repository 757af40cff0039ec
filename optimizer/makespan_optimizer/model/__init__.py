"""The CP-SAT model: variables, constraints, objective, and the process in which it is solved.

The parent (`solve`) never imports OR-Tools; the child (`worker`) does, and can be killed.
"""
