"""What a choice of modes is worth: the simulator over a few orders, quickly, or over many, more closely.

The quick look lets nodes share the GIL and the cores without loss: what two nodes cost each other would have
to be worked out anew for every choice. It ranks choices badly where that is what they differ in, so it is
only for many choices, or many nodes. The fair look knows it, over the same orders and their improvement; the
close look goes on from there, and decides.

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
_PASSES = 6.0  # simulations to improve the orders of a fair look
RESERVED = 0.3  # of the work is for what is left when the search is over
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
        Says whether the time of the search is up.
    late : callable, optional
        Says whether the time that is reserved for what comes after it is up too.
    work : float
        Nodes to simulate in all; a part of them is reserved.
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
        late: Callable[[], bool] | None = None,
        say: Callable[[float], None] | None = None,
    ) -> None:
        self.budget = budget
        self.seed = seed
        self.work = work
        self.simulated = 0
        self.late = False
        """The time was up at some point."""
        self._over = over
        self._late = _never if late is None else late
        self._up = False
        self._most = (1 - RESERVED) * work
        self._say = say
        self._best_s = math.inf
        self._how = (cores, first_call, statistic)

    @property
    def left(self) -> float:
        """Nodes that may still be simulated."""
        return max(0.0, self._most - self.simulated)

    def over(self) -> bool:
        """Say whether time or work is used up."""
        return self.time_is_up() or self.simulated >= self._most

    def time_is_up(self) -> bool:
        """Say whether the time is up, and remember it."""
        self._up = self._up or self._over()
        self.late = self.late or self._up
        return self._up

    def use_reserve(self) -> None:
        """Let what was reserved, of time and of work, be used from now on."""
        self._over, self._up = self._late, False
        self._most = max(self.work, self.simulated + RESERVED * self.work)

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

    def fair(self, profile: Profile) -> tuple[float, float]:
        """Return makespan and score as `quick` does, but with what nodes cost each other.

        With so many nodes that this takes long it is the quick look.
        """
        if len(profile.shape) > _BOUNDED:
            return self.quick(profile)
        instance = self.instance(profile)
        search = Search(instance, self.budget, Bound("none", 0.0), _never)
        few = islice(rules(instance, self.budget, "GIL"), _RULES)
        search.try_rules(few, (2 * _RULES + _PASSES) * len(instance))
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
