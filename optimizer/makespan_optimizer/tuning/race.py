"""Who runs next, and who is left behind: a race of ways to run the same DAG, as a state machine.

::

    first runs      A B C D E F        not counted: caches fill, worker processes start
    turn 1          D A F C B E        every way once, in random order
    turn 2          B E A D C F        … the slower half is left behind when its share of the time is used
    turn 5          A D B              … or a way whenever a test says that it is slower
    turn 6 …        D A                until all that is left is told apart, or as fast, or the time is up

The default is in every turn: it is what all are compared with, turn by turn. Time is a parameter of `next`;
there is no clock here. Successive halving: Karnin, Koren and Somekh, Almost optimal exploration in
multi-armed bandits (ICML 2013); Jamieson and Talwalkar (AISTATS 2016). The tests: `confidence`.

Whatever happens, the winner's median is not above the default's, and what won ran beside it in `LEAST` turns
or more: where the time is too short for that, the default stays.
"""

from __future__ import annotations

import math
from random import Random
from statistics import median
from typing import TYPE_CHECKING

from makespan_optimizer.tuning.standings import LEAST, Entrant, Standings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["HOPELESS", "TIME_UP", "Entrant", "Race"]

HOPELESS = 1.6
"""A way that takes so many times as long as the fastest, in the first run of both, is not run again."""
TIME_UP = "the time was used up"
NO_TIME = "no time was left"
"""Why a way left that is worth another try when there is more time."""


class Race(Standings):
    """One race.

    Parameters
    ----------
    ways : iterable of Entrant
        The default first; others in the order of hope.
    confidence : float
        Above 0, below 1.
    least_turns : int
        Before the first test, at least 2.
    most_ways : int
        How many may take part in all, for the tests; those that are given, when omitted.
    seed : int
        Of the order within turns.

    Attributes
    ----------
    over : bool
    why : str
        Why it is over, in words.
    """

    def __init__(
        self,
        ways: Iterable[Entrant],
        confidence: float = 0.95,
        *,
        least_turns: int = 5,
        most_ways: int | None = None,
        seed: int = 0,
    ) -> None:
        ways = list(ways)
        super().__init__(ways, confidence, least_turns, most_ways or 0)
        self.over = False
        self.why = ""
        self._draw = Random(seed)  # noqa: S311
        self._queue: list[int] = []
        self._now: dict[int, float] = {}
        self._until_s: float | None = None
        self._rung = 0
        self._patience = 1

    def join(self, ways: Iterable[Entrant]) -> None:
        """Let further ways take part, between turns; they begin with a first run of their own."""
        if self.turn_s:
            self._patience = 2  # one turn of theirs is not to count against many of others
        self.ways.extend(ways)
        self.over, self.why = False, ""
        self._until_s = None

    @property
    def between_turns(self) -> bool:
        """No turn is under way."""
        return not self._queue and not self._now

    # -- what is run
    def next(self, left_s: float = math.inf) -> int | None:
        """Return the way to run now; None when the race is over.

        Parameters
        ----------
        left_s : float
            Seconds that remain. The default and the way after it are run once in any case, others only if
            there is time for `LEAST` turns of all, too.
        """
        while not self.over:
            fresh = [i for i in self.live if i not in self.first_s]
            if fresh and not self._queue:
                if len(self.first_s) < 2 or self._has_room(fresh[0], left_s):
                    return fresh[0]
                for i in fresh:
                    self.left[i] = f"{NO_TIME} to run it"
            if left_s <= 0:
                self.stop(TIME_UP)
            elif self._queue:
                return self._queue[0]
            else:
                self._begin_turn(left_s)
        return None

    def record(self, way: int, seconds: float) -> None:
        """Tell how long the way that `next` returned took."""
        seconds = max(seconds, 1e-9)
        if way not in self.first_s:
            self.first_s[way] = seconds
            return
        self._queue.remove(way)
        self._now[way] = seconds
        if not self._queue:
            self._complete()

    def retake(self) -> None:
        """Forget the last complete turn: it is run again."""
        if self.between_turns and self.turn_s:
            again = self.turn_s.pop()
            self._queue = self._drawn([i for i in self.live if i in again])

    def fail(self, way: int, why: str) -> None:
        """Take out a way that cannot be run; never the default."""
        self.left[way] = why
        self._out.add(way)
        self._now.pop(way, None)
        if way in self._queue:
            self._queue.remove(way)
            if not self._queue and self._now:
                self._complete()

    def restore(
        self, first_s: Mapping[int, float], turn_s: Sequence[Mapping[int, float]], left: Mapping[int, str]
    ) -> None:
        """Go on from complete turns that were made before; ways that only lacked time take part again."""
        self.first_s = dict(first_s)
        self.left = {i: why for i, why in left.items() if i != 0 and not why.startswith(NO_TIME)}
        if turn_s and len(self.left) < len(left):
            self._patience = 2
        self._out = {i for i in self.left if not any(i in turn for turn in turn_s)}
        for turn in turn_s:
            self.turn_s.append(dict(turn))
            self._look()
        self._draw.seed(self.turns)

    def stop(self, why: str) -> None:
        """End it now; the turn under way does not count."""
        self._look()
        self._call_back()
        self.over, self.why = True, why
        self._queue, self._now = [], {}

    def _call_back(self) -> None:
        """Let the best that left stand, where those that stayed joined too late to win."""
        counted = [i for i in range(1, len(self.ways)) if i not in self._out and self._counted(i) >= LEAST]
        if counted and all(i in self.left for i in counted):
            best = min(counted, key=self._standing)
            if (best, 0) not in self._slower:
                del self.left[best]

    # -- between turns
    def _complete(self) -> None:
        self.turn_s.append(self._now)
        self._now = {}

    def _begin_turn(self, left_s: float) -> None:
        """Take stock: leave behind what is slower, end the race, or draw the order of another turn."""
        self._leave_hopeless()
        self._look()
        for i in self.live[1:]:
            faster = [j for j in self.live if (i, j) in self._slower]
            if faster:
                best = min(faster, key=self._standing)
                ratio = self._ratio(i, best)
                self.left[i] = f"{ratio:.2f} times as long as {self.ways[best].name}, after {self._turns(i)}"
        if len(self.live) == 1:
            proven = self.turns > 0 and any(i != 0 for i in self.first_s) and self.clear
            self.stop("every other way is slower than the default" if proven else "no other way can be run")
        elif self.turns >= self._looks[0] and self.clear:
            self.stop("it is clear")
        elif self.turns >= self._looks[-1]:
            self.stop(f"{self.turns} turns are enough: what is left differs by little")
        else:
            self._halve(left_s)
            self._within(left_s)
        if not self.over:
            self._queue = self._drawn(self.live)

    def _has_room(self, way: int, left_s: float) -> bool:
        """Say whether turns enough of all so far would still be possible if this way took part, too."""
        seen = [i for i in self.live if i in self.first_s]
        told = [self.first_s[i] / its for i in seen if (its := self.ways[i].expected_s)]
        its_s = self._cost_s(way) * (median(told) if told else 1.0)
        return its_s + LEAST * (its_s + sum(map(self._cost_s, seen))) <= left_s

    def _leave_hopeless(self) -> None:
        """Drop ways that were run once, and took far longer; the best rival of the default stays."""
        once = [i for i in self.live[1:] if i in self.first_s and not any(i in its for its in self.turn_s)]
        if not once:
            return
        now_s = self.turn_s[-1] if self.turn_s else {}  # the machine may have changed since their first runs
        fastest_s = min(now_s.get(i, self.first_s[i]) for i in self.live if i in self.first_s)
        by_hope = sorted(once, key=lambda i: self.first_s[i])
        spared = by_hope[:1] if len(once) == len(self.live) - 1 else []
        for i in by_hope:
            ratio = self.first_s[i] / fastest_s
            if ratio > HOPELESS and not self.ways[i].slow_start and i not in spared:
                self.left[i] = f"its first run took {ratio:.1f} times as long as the fastest"
                self._out.add(i)

    def _halve(self, left_s: float) -> None:
        """Leave the slower half of the default's rivals behind when their share of the time is used."""
        rivals = sorted(self.live[1:], key=self._standing)
        if len(rivals) < 2 or math.isinf(left_s):
            return
        if (
            self._until_s is not None
            and left_s <= self._until_s
            and self.turns >= self._rung + self._patience
        ):
            for i in rivals[(len(rivals) + 1) // 2 :]:
                self.left[i] = f"in the slower half after {self._turns(i)}"
            self._until_s = None
            rivals = rivals[: (len(rivals) + 1) // 2]
        if self._until_s is None:
            rungs = math.ceil(math.log2(len(rivals))) + 1
            self._until_s, self._rung = left_s * (1 - 1 / rungs), self.turns

    def _within(self, left_s: float) -> None:
        """Where not all can be run once more, or as often as counts, run those that can, or end."""
        missing = max(1, LEAST - self.turns)
        if missing * sum(map(self._cost_s, self.live)) <= left_s:
            return
        first, *others = sorted(self.live[1:], key=self._standing)
        turn_s = self._cost_s(0) + self._cost_s(first)
        if turn_s > left_s:
            self.stop(TIME_UP)
            return
        for i in others:
            if missing * (turn_s + self._cost_s(i)) <= left_s:
                turn_s += self._cost_s(i)
            else:
                self.left[i] = f"{NO_TIME} for more than {self._turns(i)}"

    def _drawn(self, some: Sequence[int]) -> list[int]:
        return self._draw.sample(some, len(some))
