"""What the user wants fixed: precedence, order, priority, locks, modes.

`pins`: the data; `words`: how it is written; `pinned`, `order`, `circle`: what it does to a profile and to
ranks, and why some wishes cannot be had together.
"""
