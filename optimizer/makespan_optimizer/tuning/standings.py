"""How a race of ways to run the same DAG stands: what was measured, who leads, what is sure of it.

Every way is compared with the default of the same turn, so that a machine that drifts is unfair to none and
ways that joined later are comparable too. Pure.
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from makespan_optimizer.tuning.confidence import level, looks, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

SAME = 0.01
"""Ways whose medians differ by less are equal: the simpler one is taken."""
LEAST = 3
"""Turns of a winner beside the default: fewer may be luck, and first runs, with cold caches, tell nothing."""


def midmean(ordered: Sequence[float]) -> float:
    """Return the geometric mean without the lowest and the highest quarter.

    As deaf to outliers as the median where it counts, and steadier: of normal noise it needs a sixth more
    values than the mean, the median half as many again.

    >>> round(midmean([1.0, 2.0, 2.0, 9.0]), 6)
    2.0
    """
    cut = len(ordered) // 4
    middle = ordered[cut : len(ordered) - cut]
    return math.exp(math.fsum(map(math.log, middle)) / len(middle))


class Entrant(NamedTuple):
    """What the race has to know of a way.

    Attributes
    ----------
    name : str
    size : tuple of int
        Worker processes, then threads: of equal ways the smaller is taken.
    slow_start : bool
        Its first run tells nothing: worker processes start in it.
    expected_s : float or None
        Predicted: used until it was run.
    """

    name: str
    size: tuple[int, ...] = ()
    slow_start: bool = False
    expected_s: float | None = None


class Standings:
    """What is known of some ways; the first one is the default.

    Attributes
    ----------
    ways : list of Entrant
    left : dict of int to str
        Ways that are run no further, and why.
    turns : int
        Complete ones.
    first_s : dict of int to float
        First runs, which do not count.
    turn_s : list of dict of int to float
        Complete turns.
    """

    def __init__(self, ways: Sequence[Entrant], confidence: float, least_turns: int, most_ways: int) -> None:
        self.ways = list(ways)
        self.left: dict[int, str] = {}
        self.first_s: dict[int, float] = {}
        self.turn_s: list[dict[int, float]] = []
        self._looks = looks(max(2, least_turns))
        self._error = level(confidence, max(len(self.ways), most_ways))
        self._looked = 0
        self._slower: set[tuple[int, int]] = set()
        self._as_fast: set[tuple[int, int]] = set()
        self._out: set[int] = set()
        """Ways that left for good: they failed, or their first run was hopeless."""

    @property
    def turns(self) -> int:
        """Complete ones."""
        return len(self.turn_s)

    @property
    def live(self) -> list[int]:
        """Ways that still take part; the default is one of them."""
        return [i for i in range(len(self.ways)) if i not in self.left]

    def seconds(self, way: int) -> list[float]:
        """Return the seconds of a way's counted runs, in the order of the turns.

        Where the time ended before any turn was complete, its first run stands for them; nothing wins by it.
        """
        found = [turn[way] for turn in self.turn_s if way in turn]
        return found if found or self.turn_s or way not in self.first_s else [self.first_s[way]]

    def in_common(self, way: int) -> tuple[list[float], list[float]]:
        """Return the seconds of a way and of the default, in the turns in which both were run."""
        turns = [turn for turn in self.turn_s if way in turn]
        if not self.turn_s and way in self.first_s:
            turns = [self.first_s]
        return [turn[way] for turn in turns], [turn[0] for turn in turns]

    def over_default(self, way: int) -> float | None:
        """Return its seconds / the default's, in the middle of the turns; None before it was run."""
        pairs = zip(*self.in_common(way), strict=True)
        ratios = sorted(its / default for its, default in pairs)
        return midmean(ratios) if ratios else None

    @property
    def leader(self) -> int:
        """The fastest of those that still take part."""
        return min(self.live, key=self._standing)

    @property
    def winner(self) -> int:
        """The way to take: the simplest of the fastest; see `LEAST`.

        Never one whose median is above the default's.
        """
        order = [i for i in sorted(self.live, key=self._standing) if i == 0 or self._counted(i) >= LEAST]
        best = self._standing(order[0])[0]
        equal = [i for i in order if self._standing(i)[0] <= best * (1 + SAME)]
        equal.sort(key=lambda i: (self.ways[i].size, i != 0, self._standing(i)))
        for i in (*equal, *order):
            its, default = self.in_common(i)
            if i == 0 or median(its) <= min(median(default), median(self.seconds(0))):
                return i
        return 0

    @property
    def short_s(self) -> float:
        """Seconds that the default and its best rival still take until one of them may win; 0: none."""
        rivals = sorted((i for i in self.live[1:] if i in self.first_s), key=self._standing)
        if not rivals or any(self._counted(i) >= LEAST for i in self.first_s if i != 0):
            return 0.0
        return (LEAST - self._counted(rivals[0])) * (self._cost_s(0) + self._cost_s(rivals[0]))

    @property
    def clear(self) -> bool:
        """Every other way is slower than the winner, or the winner as fast: at the stated confidence."""
        winner = self.winner
        if all(i in self._out for i in range(len(self.ways)) if i != winner):
            return True
        return bool(self.turn_s) and all(
            i in self._out or (i, winner) in self._slower or (winner, i) in self._as_fast
            for i in self.first_s
            if i != winner
        )

    def _look(self) -> None:
        """Test every two ways of the last turn that have as many turns in common as a look is due after."""
        if self.turns <= self._looked:
            return
        self._looked = self.turns
        last = sorted(self.turn_s[-1])
        for i in last:
            for j in last:
                both = [turn for turn in self.turn_s if i in turn and j in turn] if i != j else []
                if len(both) in self._looks:
                    found = verdict([turn[i] for turn in both], [turn[j] for turn in both], self._error)
                    if found.slower:
                        self._slower.add((i, j))
                    if found.as_fast:
                        self._as_fast.add((i, j))

    def _cost_s(self, way: int) -> float:
        its = self.seconds(way) or [self.first_s.get(way, self.ways[way].expected_s or 0.0)]
        return median(its)

    def _ratio(self, one: int, other: int) -> float:
        return median(turn[one] / turn[other] for turn in self.turn_s if one in turn and other in turn)

    def _standing(self, way: int) -> tuple[float, float, int]:
        ratio = self.over_default(way)
        expected, default_s = self.ways[way].expected_s, self.ways[0].expected_s
        if self.ways[way].slow_start and not self._counted(way) and expected and default_s:
            ratio = expected / default_s
        return (math.inf if ratio is None else ratio, math.inf if expected is None else expected, way)

    def _counted(self, way: int) -> int:
        return sum(way in turn for turn in self.turn_s)

    def _turns(self, way: int) -> str:
        turns = self._counted(way)
        return "one turn" if turns == 1 else f"{turns} turns" if turns else "its first run"
