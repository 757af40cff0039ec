"""Trying what single runs cannot tell: nodes side by side, fewer native threads, other switch intervals."""
