"""Orders judged over scenarios: the same scenarios for all, so that a difference is due to the orders.

Source of the method: common random numbers (Law 2015, "Simulation Modeling and Analysis", ch. 11).
"""

from __future__ import annotations

import math
from statistics import fmean, stdev
from typing import TYPE_CHECKING, NamedTuple

from makespan.dispatch import Rules
from makespan_optimizer.simulate import replay

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan_optimizer.instance import Instance
    from makespan_optimizer.schedule import Groups

_GIVEN_UP = 1.0  # standard errors behind: the rest of the scenarios would hardly turn it
_SAME = 1e-9  # relative: a gain below that is rounding
_LEAST = 3  # scenarios before anything is given up


class Option(NamedTuple):
    """An order to judge, with computed groups."""

    name: str
    ranks: Sequence[int]
    groups: Groups = ()


class Judged(NamedTuple):
    """An order with its makespan in each scenario, in ticks."""

    option: Option
    makespans: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The expected makespan."""
        return fmean(self.makespans)

    def ahead(self, other: Judged) -> tuple[float, float]:
        """Return by how much this order is shorter in the mean, and the standard error of that."""
        gains = [theirs - mine for mine, theirs in zip(self.makespans, other.makespans, strict=True)]
        error = stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else 0.0
        return fmean(gains), error


class Trial:
    """Scenarios on which orders are compared.

    Parameters
    ----------
    instance : Instance
    budget : int
        Threads.
    walls : sequence of sequence of int, shape (scenarios, n)
        Durations in ticks.
    over : callable
        Says whether the time is up.
    """

    def __init__(
        self, instance: Instance, budget: int, walls: Sequence[Sequence[int]], over: Callable[[], bool]
    ) -> None:
        self.instance = instance
        self.budget = budget
        self.worlds = [instance.with_wall(wall) for wall in walls]
        self.over = over
        self.simulated = 0
        """Nodes simulated so far: the work done."""
        self.judged = 0
        """Orders judged so far."""

    def judge(self, option: Option, *, first: int | None = None) -> Judged:
        """Replay an order in all scenarios, or in the first few."""
        option = option._replace(ranks=self.instance.pinned(option.ranks))
        rules = Rules(self.instance.structure, option.ranks, self.budget, option.groups)
        worlds = self.worlds[:first]
        self.simulated += len(worlds) * len(self.instance)
        self.judged += 1
        return Judged(option, tuple(replay(world, rules).makespan for world in worlds))

    def beats(self, option: Option, best: Judged) -> Judged | None:
        """Return the judged order when it is shorter in the mean; given up once that is unlikely."""
        option = option._replace(ranks=self.instance.pinned(option.ranks))
        rules = Rules(self.instance.structure, option.ranks, self.budget, option.groups)
        n = len(self.instance)
        self.judged += 1
        found: list[float] = []
        total = squares = 0.0  # of how far it is behind
        for world, other in zip(self.worlds, best.makespans, strict=True):
            self.simulated += n
            makespan = replay(world, rules).makespan
            found.append(makespan)
            behind = makespan - other
            total += behind
            squares += behind * behind
            k = len(found)
            if k >= _LEAST and total > 0 and total * total > _GIVEN_UP**2 * (squares - total * total / k):
                return None
        return Judged(option, tuple(found)) if total < -_SAME * sum(found) else None
