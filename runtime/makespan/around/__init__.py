"""What stands round a node's function or call, only where it is used."""
