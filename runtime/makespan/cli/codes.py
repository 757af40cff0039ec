"""Exit codes: what a shell script or a CI job learns from a verb."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How a verb ended."""

    OK = 0
    JUDGED = 1
    """The judged thing failed: a node raised, the plan is stale."""
    USAGE = 2
    """A wrong word on the command line, or an input file that cannot be used."""
    NO_PLAN = 3
    """No plan within the time limit."""
    INTERNAL = 70
    """A fault of makespan itself (EX_SOFTWARE of sysexits.h)."""
    INTERRUPTED = 130
    """Ctrl-C (128 + SIGINT)."""
