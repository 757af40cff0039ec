"""The stages of one optimization, and what they share: the search, the time, the answers.

Two judges follow each other. The first replays the median durations: it has the lower bound, and ends as
soon as the bound is met. The second replays scenarios: it chooses among the best orders of all methods,
searches on from there, and tries admission limits. Where nothing was seen to vary, its only scenario is the
median. In a large DAG the orders come from the rigid half, and few of them are replayed.
"""

from __future__ import annotations

import time
from itertools import chain, islice
from typing import TYPE_CHECKING

from makespan.errors import NoPlanError
from makespan_optimizer.bounds import lower_bounds
from makespan_optimizer.choice.chains import Fused, fuse
from makespan_optimizer.choice.other_budgets import LARGE, other_budgets, with_plan
from makespan_optimizer.choice.result import Result
from makespan_optimizer.choice.rigid_half import ask_rigid
from makespan_optimizer.choice.search import SAME, Candidate, Progress, Search
from makespan_optimizer.choice.second import Second
from makespan_optimizer.choice.watch import Watch
from makespan_optimizer.priorities import DEFAULT, rules
from makespan_optimizer.simulate import simulate
from makespan_optimizer.solver import MOST_NODES, SolverOptions, ask_solver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan.plan import WhatIf
    from makespan.profile import Profile
    from makespan_optimizer.instance import Instance
    from makespan_optimizer.simulate import Schedule

# Nodes to simulate for each second of the time limit; one takes 2 to 10 µs.
_RULES_WORK = 8_000
_VARY_WORK = 2_000
_MOVE_WORK = 10_000
_EXPECTED_WORK = 50_000
_GATE_WORK = 15_000
# Seconds for each node, kept for the step that is under way at the end and for the plan itself.
_END_S = 60e-6
# Share of the time that the solver leaves to the scenarios.
_AFTER_SOLVER = 0.3
_SOLVER_WORK = 0.6  # of the work that the solver does for such a time limit, where scenarios follow


class Pipeline:
    """One optimization.

    Parameters
    ----------
    profile : Profile
        In canonical order.
    instance : Instance
        Of this profile.
    default : sequence of int, shape (n,)
        Ranks of the default order, as the runtime would have it.
    budget : int
        Threads.
    begun : float
        On the clock of `time.monotonic`.
    options : SolverOptions
        Their deadline is set here.
    varies : bool
        Durations were seen to vary: scenarios tell something.
    progress : callable, optional
    """

    def __init__(
        self,
        profile: Profile,
        instance: Instance,
        default: Sequence[int],
        budget: int,
        begun: float,
        options: SolverOptions,
        *,
        varies: bool,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.profile = profile
        self.instance = instance
        self.budget = budget
        self.begun = begun
        self.options = options
        self.progress = progress
        self.varies = varies
        limit_s = options.time_limit_s
        self.deadline = begun + limit_s - min(limit_s / 2, len(instance) * _END_S)
        self.bounds = lower_bounds(instance, budget)
        self.search = Search(instance, budget, self.bounds[0], self.over, options.gap)
        self.default = default
        self.answers: list[WhatIf] = []
        self.expected: float | None = None
        self.cut = False

    def over(self, ahead_s: float = 0.0) -> bool:
        """Say whether the time is up, or will be in so many seconds."""
        return time.monotonic() + ahead_s >= self.deadline

    def run(self, asked: Sequence[int] | None) -> Result:
        """Run all stages.

        Parameters
        ----------
        asked : sequence of int, optional
            Thread budgets to answer.

        Raises
        ------
        NoPlanError
            The time was up before the first order was judged.
        """
        stopped = self._nominal(asked)
        default = simulate(self.instance, self.default, self.budget)
        search = self.search
        best, second = search.found, None
        contended = self.instance.fluid.may_contend(self.budget)
        if self.varies or (contended and not search.good):
            second = self._second()
            best = best if second is None else second.candidate
        # Last, because it depends on the order of declaration, which is to matter only where it must.
        if (second is None or not self.varies) and default.makespan < best.schedule.makespan * (1 - SAME):
            best, second = Candidate(DEFAULT, self.default, (), default), None
        fused = self._fused(best, second)
        best = best._replace(ranks=fused.ranks, schedule=fused.schedule)
        bounds = self.bounds if search.bound in self.bounds else [search.bound, *self.bounds]
        result = Result(
            best,
            default.makespan,
            bounds,
            second.final(fused.ranks) if second is not None and self.varies else None,
            [] if second is None else second.gained,
            fused.chains,
            [],
            stopped,
            max(1, search.tried),
        )
        stopped = self._why(result)
        self._say("done", best, stopped)
        seconds = self.instance.seconds
        bound_s, makespan_s = seconds(bounds[0].ticks), seconds(best.schedule.makespan)
        return result._replace(
            stopped=stopped, answers=with_plan(self.answers, self.budget, makespan_s, bound_s)
        )

    def _nominal(self, asked: Sequence[int] | None) -> str:
        """Search for the median durations; return why it ended."""
        search, instance, options = self.search, self.instance, self.options
        work = options.time_limit_s
        if time.monotonic() >= self.begun + work:
            raise NoPlanError(
                f"{len(instance):,} nodes take more than the time limit of {work:g} s to read and bound",
                where="no plan in time",
                hint="raise the time limit (--time-limit, time_limit_s)",
            )
        large = len(instance) > LARGE
        known = rules(instance, self.budget, search.bound.name)
        first = next(known)  # the default order, but its ties by canonical number: no better than others
        if large:
            search.judge(*next(known))
        else:
            search.try_rules(chain(islice(known, 1), [first], known), _RULES_WORK * work)
        self._say("priority rules")
        self._answer(asked)
        exhausted = not search.good and search.try_all()
        if not exhausted and not large:
            search.vary(options.seed, _VARY_WORK * work)
            self._say("multistart")
            search.anneal(options.seed, _MOVE_WORK * work)
            self._say("local search")
        if search.good:
            return ""
        limited = options
        if self.varies:
            until = self.begun + work * (1 - _AFTER_SOLVER)
            limited = options._replace(deadline=until, time_limit_s=work * _SOLVER_WORK)
        limited = limited._replace(deadline=min(self.deadline, limited.deadline))
        if len(instance) > MOST_NODES:
            return ask_rigid(search, limited, time.monotonic, lambda: self._say("windows"))
        note = ask_solver(search, limited, time.monotonic, lambda: self._say("solver"), bound_only=exhausted)
        return "every order was tried" if exhausted else note

    def _second(self) -> Second | None:
        """Choose by the expected makespan, as far as time and work go."""
        options = self.options
        work = _EXPECTED_WORK * options.time_limit_s * (1 if options.deterministic else 2)
        if self.over():
            return None
        second = Second(
            self.search, self.profile, self.default, options.seed, work, self.over, varies=self.varies
        )
        if not second.possible:
            return None
        second.choose()
        self.expected = second.mean if self.varies else None
        self._say("expected makespan")
        if not self.over():
            second.limit(_GATE_WORK * options.time_limit_s)
            self.expected = second.mean if self.varies else None
            self._say("sequential groups")
        self.cut = self.cut or second.cut
        return second

    def _fused(self, best: Candidate, second: Second | None) -> Fused:
        """Fuse the chains that cost nothing, for the median durations nor over the fresh scenarios."""
        search, most = self.search, best.schedule.makespan * (1 + SAME)
        if self.over():
            return Fused(best.ranks, best.schedule, ())

        def worsens(ranks: Sequence[int]) -> Schedule | None:
            schedule = simulate(self.instance, ranks, self.budget, best.groups)
            search.tried += 1
            if schedule.makespan > most or self.over():
                return None
            if second is not None and second.worse(ranks):
                return None
            return schedule

        return fuse(self.instance, best.ranks, best.groups, best.schedule, worsens)

    def _answer(self, asked: Sequence[int] | None) -> None:
        """Answer the thread budgets, in a part of the time unless they were asked for."""
        until = self.deadline
        if asked is None:
            share = 0.1 if len(self.instance) > LARGE else 0.5
            until = min(until, time.monotonic() + share * self.options.time_limit_s)
        ranks = self.search.found.ranks
        over = Watch(lambda: time.monotonic() >= until)
        self.answers = other_budgets(self.instance, ranks, asked, self.options.seed, over)
        self.cut = over.late
        self._say("other thread budgets")

    def _why(self, result: Result) -> str:
        """Say why the search ended, and whether the time cut short what is counted in work."""
        why = self._reason(result)
        cut = (self.cut or self.over()) and "time limit" not in why
        return f"{why}; time limit reached" if cut else why

    def _reason(self, result: Result) -> str:
        makespan, gap = result.best.schedule.makespan, self.options.gap
        if result.proven:
            return "proven: the plan meets its lower bound"
        if makespan * (1 - gap) <= result.bounds[0].ticks:
            return f"the gap is within the {gap:g} that was asked for"
        if self.search.good:
            return "for the median durations the search was done; this order is shorter in expectation"
        return result.stopped

    def _say(self, stage: str, best: Candidate | None = None, stopped: str | None = None) -> None:
        """Report progress."""
        if self.progress is None:
            return
        makespan = (best or self.search.found).schedule.makespan
        bound = min(self.search.bound.ticks, makespan)
        gap = (makespan - bound) / makespan if makespan else 0.0
        seconds = self.instance.seconds
        elapsed_s = time.monotonic() - self.begun
        expected_s = None if self.expected is None else seconds(self.expected)
        self.progress(Progress(stage, elapsed_s, seconds(makespan), seconds(bound), gap, stopped, expected_s))
