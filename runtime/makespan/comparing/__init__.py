"""Two plans, two runs, or a plan and a run: what differs."""
