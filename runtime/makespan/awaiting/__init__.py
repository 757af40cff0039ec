"""Runs that are awaited, and coroutine functions as nodes."""
