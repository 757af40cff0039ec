"""What a choice of modes is worth: the simulator over a few orders, quickly, or over many, more closely.

The quick look lets nodes share the GIL and the cores without loss: what two nodes cost each other would have
to be worked out anew for every choice. The close look knows it, and decides.

Work is counted in simulated nodes, not in seconds, so that the same profile and seed give the same choice on
a slow machine.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING

from makespan_optimizer.bounds import Bound, lower_bounds
from makespan_optimizer.choice.search import Search
from makespan_optimizer.instance import instance_of
from makespan_optimizer.priorities import rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan.profile import Profile
    from makespan_optimizer.instance import Instance, Statistic

_RULES = 4  # orders of a quick look: the default order, the critical path, two with regard to the GIL
_FEW = 64  # nodes: beyond, the default order is left out
_BOUNDED = 300
_CLOSE = 0.03  # share of the work for each stage of one close look
_ORDERS = 100  # so many in each stage are enough for a DAG of few nodes
_GUIDE = 0.02  # weight of what is not yet the bottleneck


class Judge:
    """Judges profiles for one thread budget.

    Parameters
    ----------
    budget : int
    cores, first_call, statistic : as for `instance_of`
    seed : int
    over : callable
        Says whether the time is up.
    work : float
        Nodes to simulate in all.
    say : callable, optional
        Told the best makespan so far, in seconds, whenever there is a better one.
    """

    def __init__(
        self,
        budget: int,
        *,
        cores: float | None = None,
        first_call: bool = False,
        statistic: Statistic = "median",
        seed: int = 0,
        over: Callable[[], bool],
        work: float,
        say: Callable[[float], None] | None = None,
    ) -> None:
        self.budget = budget
        self.seed = seed
        self.work = work
        self.simulated = 0
        self.late = False
        """The time was up at some point."""
        self._over = over
        self._say = say
        self._best_s = math.inf
        self._how = (cores, first_call, statistic)

    @property
    def left(self) -> float:
        """Nodes that may still be simulated."""
        return max(0.0, self.work - self.simulated)

    def over(self) -> bool:
        """Say whether time or work is used up."""
        return self.time_is_up() or self.simulated >= self.work

    def time_is_up(self) -> bool:
        """Say whether the time is up, and remember it."""
        self.late = self.late or self._over()
        return self.late

    def instance(self, profile: Profile, *, lossless: bool = False) -> Instance:
        """Return the instance of a profile as it is judged here."""
        cores, first_call, statistic = self._how
        return instance_of(
            profile, cores=cores, first_call=first_call, statistic=statistic, lossless=lossless
        )

    def quick(self, profile: Profile) -> tuple[float, float]:
        """Return the makespan in seconds by a few orders, and a score that also counts what it uses.

        The score tells apart choices of one makespan: the GIL, the cores and the threads that they leave free
        may be worth something to the next choice.
        """
        instance = self.instance(profile, lossless=True)
        search = Search(instance, self.budget, Bound("none", 0.0), _never)
        few = _RULES if len(instance) <= _FEW else _RULES - 1
        for name, ranks in islice(rules(instance, self.budget, "GIL"), _RULES - few, _RULES):
            search.judge(name, ranks)
        self.simulated += search.simulated
        makespan_s = self._told(search.found.schedule.makespan * instance.tick_s)
        return makespan_s, makespan_s + _GUIDE * used_s(instance, self.budget)

    def close(self, profile: Profile) -> float:
        """Return the makespan in seconds by rules, their improvement and a short multistart."""
        instance = self.instance(profile)
        bound = Bound("GIL", 0.0)  # a large DAG hardly meets its bound, which takes long to work out
        if len(instance) <= _BOUNDED:
            bound = lower_bounds(instance, self.budget)[0]
        search = Search(instance, self.budget, bound, self.time_is_up)
        work = min(_CLOSE * self.work, _ORDERS * len(instance))
        search.try_rules(rules(instance, self.budget, bound.name), work)
        search.vary(self.seed, work)
        self.simulated += search.simulated
        return self._told(search.found.schedule.makespan * instance.tick_s)

    def _told(self, makespan_s: float) -> float:
        if makespan_s < self._best_s:
            self._best_s = makespan_s
            if self._say is not None:
                self._say(makespan_s)
        return makespan_s


def used_s(instance: Instance, budget: int) -> float:
    """Return seconds of the GIL, of all cores and of all threads that an instance takes, added up."""
    wall = instance.wall
    gil = sum(w * g for w, g in zip(wall, instance.gil, strict=True)) / 1000
    cores = sum(w * c for w, c in zip(wall, instance.core, strict=True)) / instance.capacity
    return (gil + cores + sum(wall) / budget) * instance.tick_s


def _never() -> bool:
    return False
