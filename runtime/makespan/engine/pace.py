"""How quick the runs of one program are, and so when helpers are called for: at once, or only when it drags.

Waking a helper costs more than a few short nodes, and helpers that are awake contend for the run's lock and
for the interpreter. What nodes take is not always known beforehand; what earlier runs took is.
"""

from __future__ import annotations

from makespan.engine.solo import POSSIBLE

RUN_S = 2e-4
NODE_S = 5e-6
"""A run is brief when it takes less than `RUN_S`, and `NODE_S` for each node."""

LOOK_S = 0.0005
"""Seconds between two looks at the runs that began without help."""

_MOST_NEEDED = 64
_SLOW = 8


class Pace:
    """What is known of earlier runs of one program, in one process.

    Runs may end in several threads at once; a count that is lost does no harm.

    Parameters
    ----------
    n : int
        Nodes.

    Attributes
    ----------
    brief : bool
        Runs begin without help.
    looks : int
        For so many looks a brief run may go on without help, even if it gets on.
    """

    __slots__ = ("_needed", "_quick", "_slow", "brief", "limit_s", "looks")

    def __init__(self, n: int) -> None:
        self.brief = False
        self.limit_s = RUN_S + n * NODE_S
        self.looks = 1 + int(self.limit_s / LOOK_S)
        self._needed = 1
        self._quick = 0
        self._slow = 0

    def ended(self, seconds: float, *, crowded: bool) -> None:
        """Note what a run took.

        Parameters
        ----------
        seconds : float
            By the wall clock.
        crowded : bool
            Other threads kept it from running: that it took long says nothing.
        """
        if seconds < self.limit_s:
            self._slow = 0
            if not self.brief:
                self._quick += 1
                self.brief = POSSIBLE and self._quick >= self._needed
        elif not crowded:
            self._quick = 0
            self._slow += 1
            if self._slow >= _SLOW:
                self.brief = False

    def helped(self) -> None:
        """Note that a run that began without help needed it: the next ones get it at once for a while."""
        self.brief = False
        self._quick = 0
        self._needed = min(2 * self._needed, _MOST_NEEDED)
