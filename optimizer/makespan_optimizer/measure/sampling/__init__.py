"""Watching threads while they make calls: who holds the GIL, and what the others wait for."""
