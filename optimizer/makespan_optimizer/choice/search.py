"""The judge: every candidate goes through the simulator, the best is kept, and the bound says when to stop.

Candidate 0 is the default order, candidate 1 the critical path; ties go to the earlier candidate, so the
result is never worse than the default and never changes without a gain. How much is tried is counted in
simulated nodes, not in seconds: the same input and seed give the same plan on a slow machine. Only when the
time limit comes first is the search cut short, and it says so.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from makespan_optimizer.priorities import variations
from makespan_optimizer.schedule import all_orders, latest_starts, order_ranks, start_ranks
from makespan_optimizer.simulate import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from makespan_optimizer.bounds import Bound
    from makespan_optimizer.instance import Instance
    from makespan_optimizer.schedule import Groups
    from makespan_optimizer.simulate import Schedule

SAME = 1e-9  # relative: a candidate must be better by more than this
PROVEN = 1e-6  # relative: a makespan this close to its bound meets it
_PASSES = 4  # forward-backward passes of one candidate at most
_HEAT = 0.002  # an order worse by this share is taken on with probability 1/e at first
_ORDERS = 5040  # 7! : so many topological orders are all tried


class Progress(msgspec.Struct, frozen=True):
    """Where the optimizer is; seconds."""

    stage: str
    elapsed_s: float
    best_s: float
    bound_s: float
    gap: float
    stopped: str | None = None
    """At the end: why it stopped."""
    expected_s: float | None = None
    """The mean over scenarios, once there is one."""


class Candidate(NamedTuple):
    """An order with what the simulator says of it."""

    name: str
    ranks: Sequence[int]
    groups: Groups
    schedule: Schedule


class Search:
    """The best candidate so far.

    Parameters
    ----------
    instance : Instance
    budget : int
        Threads.
    bound : Bound
        The largest lower bound.
    over : callable
        Says whether the time is up.
    gap : float
        A gap that is good enough.
    """

    def __init__(
        self, instance: Instance, budget: int, bound: Bound, over: Callable[[], bool], gap: float = 0.0
    ) -> None:
        self.instance = instance
        self.budget = budget
        self.bound = bound
        self.over = over
        self.gap = gap
        self.best: Candidate | None = None
        self.default: Schedule | None = None
        self.pool: dict[str, tuple[float, Sequence[int]]] = {}
        """The best of each method that had no groups: its makespan and ranks."""
        self.tried = 0
        self.simulated = 0
        """Nodes simulated so far: the work done."""

    @property
    def found(self) -> Candidate:
        """The best candidate; there is one as soon as one was judged."""
        assert self.best is not None
        return self.best

    @property
    def proven(self) -> bool:
        """The best makespan meets the bound."""
        return self.found.schedule.makespan <= self.bound.ticks * (1 + PROVEN)

    @property
    def good(self) -> bool:
        """The best is as near to the bound as was asked."""
        return self.proven or self.found.schedule.makespan * (1 - self.gap) <= self.bound.ticks

    def judge(self, name: str, ranks: Sequence[int], groups: Groups = ()) -> Schedule:
        """Simulate a candidate, and keep it when it is better."""
        ranks = self.instance.pinned(ranks)
        schedule = simulate(self.instance, ranks, self.budget, groups)
        self.tried += 1
        self.simulated += len(self.instance)
        if self.default is None:
            self.default = schedule
        if not groups and (name not in self.pool or schedule.makespan < self.pool[name][0] * (1 - SAME)):
            self.pool[name] = schedule.makespan, ranks
        if self.best is None or schedule.makespan < self.best.schedule.makespan * (1 - SAME):
            self.best = Candidate(name, ranks, groups, schedule)
        return schedule

    def improve(self, name: str, schedule: Schedule, groups: Groups = ()) -> None:
        """Forward-backward passes from a schedule, as long as they shorten it."""
        for _ in range(_PASSES):
            if self.good or self.over():
                return
            ranks = start_ranks(latest_starts(self.instance, schedule.finish, self.budget, groups))
            self.simulated += len(self.instance)
            after = self.judge(name, ranks, groups)
            if after.makespan >= schedule.makespan * (1 - SAME):
                return
            schedule = after

    def try_rules(self, rules: Iterable[tuple[str, list[int]]], work: float) -> None:
        """Judge priority rules, then improve them, the best first; the first two rules whatever the time.

        Parameters
        ----------
        rules : iterable of (name, ranks)
        work : float
            Nodes to simulate at most.
        """
        limit = self.simulated + work
        seen: set[tuple[int, ...]] = set()
        schedules: list[tuple[str, Schedule]] = []
        for number, (name, ranks) in enumerate(rules):
            key = tuple(ranks)
            if key not in seen:
                seen.add(key)
                schedules.append((name, self.judge(name, ranks)))
            if number >= 1 and (self.good or self.over() or self.simulated >= limit / 2):
                break
        for name, schedule in sorted(schedules, key=lambda pair: pair[1].makespan):
            if self.good or self.over() or self.simulated >= limit:
                return
            self.improve(f"{name}, forward-backward", schedule)

    def vary(self, seed: int, work: float) -> None:
        """Judge seeded variations; `work` is the number of nodes to simulate."""
        limit = self.simulated + work
        if self.good or self.over() or self.simulated + 2 * len(self.instance) >= limit:
            return
        best = self._latest()
        record = self.found.schedule.makespan
        for ranks in variations(self.instance, seed, best):
            if self.good or self.over() or self.simulated >= limit:
                return
            schedule = self.judge("multistart", ranks)
            if schedule.makespan < record * 1.01:
                self.improve("multistart, forward-backward", schedule)
            if self.found.schedule.makespan < record:
                record = self.found.schedule.makespan
                best[:] = self._latest()

    def anneal(self, seed: int, work: float) -> None:
        """Move nodes to other places of the best order; `work` is the number of nodes to simulate.

        A worse order is taken on with a probability that falls to nothing (Kirkpatrick, Gelatt and Vecchi
        1983). A step starts from the order in which nodes really started, so a move is seldom without effect.
        """
        source = random.Random(seed)  # noqa: S311 (not for secrets)
        n = len(self.instance)
        if n < 2 or self.good:
            return
        order, current = self.found.schedule.order, self.found.schedule.makespan
        begun = self.simulated
        while not (self.good or self.over() or self.simulated >= begun + work):
            moved = order.copy()
            for _ in range(source.choice((1, 1, 2, 3))):
                moved.insert(source.randrange(n), moved.pop(source.randrange(n)))
            schedule = self.judge("local search", order_ranks(moved))
            worse = schedule.makespan / current - 1 if current else 0.0
            heat = _HEAT * (1 - (self.simulated - begun) / work)
            if worse <= 0 or (heat > 0 and source.random() < math.exp(-worse / heat)):
                order, current = schedule.order, schedule.makespan

    def try_all(self) -> bool:
        """Judge every order there is, when there are few; return whether it was done."""
        if len(self.instance) > 10:
            return False
        orders = all_orders(self.instance, _ORDERS)
        if orders is None:
            return False
        for order in orders:
            if self.good or self.over():
                return False
            self.judge("exhaustive search", order_ranks(order))
        return True

    def adopt(self, name: str, start: Sequence[float], finish: Sequence[float]) -> None:
        """Judge the orders that follow from a schedule of the solver: latest start, start, end."""
        late = latest_starts(self.instance, finish, self.budget)
        for ranks in (start_ranks(late), start_ranks(start), start_ranks(finish)):
            if self.good or self.over():
                return
            self.improve(name, self.judge(name, ranks))

    def _latest(self) -> list[float]:
        self.simulated += len(self.instance)
        best = self.found
        return latest_starts(self.instance, best.schedule.finish, self.budget, best.groups)
