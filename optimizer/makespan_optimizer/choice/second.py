"""The second judge: of the best orders of all methods, the one that is best in expectation.

It searches on some scenarios and decides on others that no search has seen. Where nothing varies the only
scenario is the plan's own durations: then it looks for admission limits alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan_optimizer.choice.gates import gates, try_gates
from makespan_optimizer.choice.other_budgets import LARGE
from makespan_optimizer.choice.pooled import mixed
from makespan_optimizer.choice.rigid_half import rigid_order
from makespan_optimizer.choice.robust import FRESH_SEED, Choice, choose, counts, search_orders
from makespan_optimizer.choice.search import SAME, Candidate
from makespan_optimizer.choice.trial import Option, Trial
from makespan_optimizer.priorities import DEFAULT, rules
from makespan_optimizer.simulate import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan.profile import Profile
    from makespan_optimizer.choice.gates import Gained
    from makespan_optimizer.choice.search import Search
    from makespan_optimizer.choice.trial import Judged

_POOL = 12  # orders of the first judge that it looks at
_PLACED = 20_000  # nodes, for a schedule in which nothing is shared
_NODE_S = 8e-6  # seconds to replay a node
_JUDGED = 5  # orders on the fresh scenarios
_GATED = 4  # of these, tried with each limit


class Second:
    """A choice over scenarios.

    Parameters
    ----------
    search : Search
        What the first judge found.
    profile : Profile
        That of the instance.
    default : sequence of int, shape (n,)
        Ranks of the default order.
    work : float
        Nodes to simulate, more or less.
    over : callable
        Says whether the time will be up in so many seconds.
    varies : bool
        Durations were seen to vary.
    """

    def __init__(
        self,
        search: Search,
        profile: Profile,
        default: Sequence[int],
        seed: int,
        work: float,
        over: Callable[[float], bool],
        *,
        varies: bool,
    ) -> None:
        self.search = search
        self.profile = profile
        self.seed = seed
        self.work = work
        self.varies = varies
        self.gained: list[Gained] = []
        self.cut = False
        """The time was up before the work was done."""
        instance, budget = search.instance, search.budget
        some, many = counts(len(instance), work) if varies else (1, 1)
        self.possible = some > 0
        """There is time for a few scenarios."""
        if not self.possible:
            return
        walls, unseen = [instance.wall], [instance.wall]
        if varies:
            walls = mixed(profile, instance, some, seed)
            unseen = mixed(profile, instance, many, seed + FRESH_SEED)
        # The search leaves the time that the judgement takes.
        last_s = _JUDGED * many * len(instance) * _NODE_S
        self._trial = Trial(instance, budget, walls, lambda: over(last_s))
        self._fresh = Trial(instance, budget, unseen, search.over)
        ranked = sorted(search.pool.items(), key=lambda its: its[1][0])
        pool = [Option(name, ranks) for name, (_, ranks) in ranked[:_POOL]]
        known = rules(instance, budget, search.bound.name)
        next(known)
        self._declared, self._critical = Option(DEFAULT, default), Option(*next(known))
        self._pool = [self._critical, *pool]
        self._rigid: list[Option] = []
        if instance.fluid.may_contend(budget) and len(instance) <= LARGE and not self._trial.over():
            ranks = rigid_order(instance, budget, seed, _PLACED)
            self._rigid = [Option("rigid schedule", ranks)]

    def choose(self) -> None:
        """Search over scenarios, and decide on fresh ones."""
        nominal = Option(self.search.found.name, self.search.found.ranks)
        others = [nominal]
        if self.varies:
            beginnings = [*self._pool, *self._rigid]
            others.append(search_orders(self._trial, beginnings, self.seed, self.work).option)
            self.cut = self._trial.over()
        self._choice = choose(self._fresh, self._declared, self._critical, others)
        # Where nothing varies, the first judge has decided.
        self._best = self._choice.best if self.varies else self._fresh.judge(nominal)

    def limit(self, work: float) -> None:
        """Try admission limits; `work` is the number of nodes to simulate."""
        orders = [*self._rigid, *self._pool[: 1 + _GATED]]
        options = gates(self.search.instance, self.search.budget, self.profile)
        self._best, self.gained = try_gates(self._trial, self._fresh, self._best, orders, options, work)
        self.cut = self.cut or self._trial.over()

    @property
    def mean(self) -> float:
        """The expected makespan of the best order, in ticks."""
        return self._best.mean

    @property
    def candidate(self) -> Candidate:
        """The best order, with its schedule for the plan's own durations."""
        self.search.tried += self._trial.judged + self._fresh.judged
        self._trial.judged = self._fresh.judged = 0
        option = self._best.option
        schedule = simulate(self.search.instance, option.ranks, self.search.budget, option.groups)
        return Candidate(option.name, option.ranks, option.groups, schedule)

    def worse(self, ranks: Sequence[int]) -> bool:
        """Say whether other ranks with the same groups take longer in expectation."""
        return self._judged(ranks).mean > self._best.mean * (1 + SAME)

    def final(self, ranks: Sequence[int]) -> Choice:
        """Return the makespans of the chosen order, its nodes ranked like this."""
        return self._choice._replace(best=self._judged(ranks))

    def _judged(self, ranks: Sequence[int]) -> Judged:
        if list(ranks) == list(self._best.option.ranks):
            return self._best
        return self._fresh.judge(self._best.option._replace(ranks=ranks))
