"""A run in the terminal while it goes on: lanes, what runs, what is next, when it will be over."""
