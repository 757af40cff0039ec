"""How nodes run: native threads, worker processes. Each choice is a function from a profile to a profile."""
