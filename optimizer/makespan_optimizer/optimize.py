"""From a profile to a plan: the best order found, its lower bound, and why the search ended.

Bounds, then the default order and the critical path, then more rules with forward-backward passes, seeded
variations, every order when there are few, CP-SAT in a child process, and sequential groups. Every candidate
is judged by the same simulator; the search ends as soon as the best meets the bound.
"""

from __future__ import annotations

import time
from itertools import chain, islice
from typing import TYPE_CHECKING

from makespan.errors import NoPlanError
from makespan.options import MAX_THREADS
from makespan.order import default_ranks
from makespan.plan import Solver, WhatIf
from makespan_optimizer.assemble import assemble
from makespan_optimizer.bounds import lower_bounds
from makespan_optimizer.canonical import canonical
from makespan_optimizer.groups import WORTH, gil_group, gil_holders
from makespan_optimizer.instance import instance_of
from makespan_optimizer.model.solve import ensure_solver
from makespan_optimizer.options import (
    check_budget,
    check_cores,
    check_gap,
    check_statistic,
    positive,
    whole,
)
from makespan_optimizer.priorities import DEFAULT, rules
from makespan_optimizer.search import PROVEN, SAME, Candidate, Progress, Search
from makespan_optimizer.simulate import simulate
from makespan_optimizer.solver import SolverOptions, ask_solver
from makespan_optimizer.what_if import answer, default_budgets, quick, up_to

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan.plan import Plan, PlanGroup
    from makespan.profile import Profile
    from makespan_optimizer.bounds import Bound
    from makespan_optimizer.instance import Instance, Statistic

# Nodes to simulate for each second of the time limit; one takes 3 to 30 µs.
_RULES_WORK = 8_000
_VARY_WORK = 2_000
_MOVE_WORK = 10_000
_GROUP_WORK = 2_000
# Seconds for each node, kept for the step that is under way at the end and for the plan itself.
_END_S = 100e-6


def optimize(
    profile: Profile,
    threads: int | None = None,
    *,
    cores: float | None = None,
    time_limit_s: float = 10.0,
    seed: int = 0,
    workers: int = 2,
    gap: float = 0.001,
    deterministic: bool = True,
    what_if: Sequence[int] | None = None,
    first_call: bool = False,
    statistic: Statistic = "median",
    progress: Callable[[Progress], None] | None = None,
) -> Plan:
    """Compute a plan.

    Parameters
    ----------
    profile : Profile
    threads : int, optional
        The thread budget; the cores of the profile's machine, at least 2, when omitted.
    cores : float, optional
        Cores to plan for; those of the profile's machine when omitted.
    time_limit_s : float
        Wall seconds for everything.
    seed, workers : int
        Of the solver and the multistart; how many threads the solver uses.
    gap : float
        A gap that is good enough: the search ends there. A tenth of a percent is less than any clock shows
        between two runs; 0 searches on for a proof.
    deterministic : bool
        Same profile, options and seed, same plan, byte by byte (unless the wall limit comes first, which the
        plan says). Otherwise the solver uses all the time there is.
    what_if : sequence of int, optional
        Thread budgets to answer in the plan; 1 to min(8, width of the DAG) when omitted.
    first_call : bool
        Plan for a process that runs the DAG once: durations of first calls.
    statistic : {"median", "mean", "p90"}
        Which duration of a node's calls to plan for.
    progress : callable, optional
        Called with a `Progress` after each step; the last one says why the search stopped.

    Raises
    ------
    OptionError
        An option has a value that it cannot have.
    ProfileError
        A node has no usable measurement.
    MissingExtraError
        OR-Tools is not installed.
    NoPlanError
        The time limit ended before the first order was judged.
    """
    begun = time.monotonic()
    budget = check_budget(threads, profile)
    cores = check_cores(cores)
    limit_s = positive("time_limit_s", time_limit_s, 1e9)
    whole("seed", seed, 0, 2**31 - 1)
    whole("workers", workers, 1, 1024)
    gap = check_gap(gap)
    asked = None if what_if is None else [whole("what_if", k, 1, MAX_THREADS) for k in what_if]
    ensure_solver()
    statistic = check_statistic(statistic)
    structure = profile.structure()
    known = canonical(profile, structure)
    instance = instance_of(known.profile, cores=cores, first_call=first_call, statistic=statistic)
    run = _Run(instance, budget, begun, limit_s, gap, progress)
    search = run.search
    stopped = _search(run, SolverOptions(limit_s, run.deadline, seed, workers, gap, deterministic), asked)
    default = simulate(instance, known.here(default_ranks(structure)), budget)
    best, computed = run.best
    if default.makespan < best.schedule.makespan * (1 - SAME):
        best, computed = Candidate(DEFAULT, known.here(default_ranks(structure)), (), default), ()
    run.say("done", stopped=stopped)
    proven = best.schedule.makespan <= search.bound.ticks * (1 + PROVEN)
    return assemble(
        profile,
        structure,
        known,
        instance,
        budget,
        best,
        default.makespan,
        run.bounds,
        Solver(
            winner=best.name,
            status="optimal" if proven else "feasible",
            stopped=stopped,
            seed=seed,
            time_limit_s=limit_s,
            deterministic=deterministic,
            candidates=max(1, search.tried),
            used_s=None if deterministic else round(time.monotonic() - begun, 6),
        ),
        computed,
        run.answers,
    )


class _Run:
    """What the steps of one optimization share."""

    def __init__(
        self,
        instance: Instance,
        budget: int,
        begun: float,
        limit_s: float,
        gap: float,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.instance = instance
        self.budget = budget
        self.begun = begun
        self.limit_s = limit_s
        self.deadline = begun + limit_s - min(limit_s / 2, len(instance) * _END_S)
        self.progress = progress
        self.known = lower_bounds(instance, budget)
        self.search = Search(instance, budget, self.known[0], self.over, gap)
        self.group: tuple[Candidate, PlanGroup] | None = None
        self.answers: list[WhatIf] = []

    def over(self) -> bool:
        return time.monotonic() >= self.deadline

    @property
    def bounds(self) -> list[Bound]:
        """All bounds, the largest first."""
        found = self.search.bound
        return self.known if found in self.known else [found, *self.known]

    @property
    def best(self) -> tuple[Candidate, tuple[PlanGroup, ...]]:
        """The winner, and its computed groups."""
        if self.group is not None:
            return self.group[0], (self.group[1],)
        return self.search.found, ()

    def say(self, stage: str, stopped: str | None = None) -> None:
        """Report progress."""
        if self.progress is None:
            return
        best = self.best[0].schedule.makespan
        bound = min(self.search.bound.ticks, best)
        gap = (best - bound) / best if best else 0.0
        seconds = self.instance.seconds
        self.progress(
            Progress(stage, time.monotonic() - self.begun, seconds(best), seconds(bound), gap, stopped)
        )


def _search(run: _Run, options: SolverOptions, asked: Sequence[int] | None) -> str:
    """Run all steps; return why the search stopped."""
    search, instance = run.search, run.instance
    work = options.time_limit_s
    if time.monotonic() >= run.begun + run.limit_s:
        raise NoPlanError(
            f"{len(instance):,} nodes take more than the time limit of {run.limit_s:g} s to read and bound",
            where="no plan in time",
            hint="raise the time limit (--time-limit, time_limit_s)",
        )
    search.try_rules(rules(instance, run.budget, search.bound.name), _RULES_WORK * work)
    run.say("priority rules")
    _answer(run, options.seed, asked)
    exhausted = not search.good and search.try_all()
    if not exhausted:
        search.vary(options.seed, _VARY_WORK * work)
        run.say("multistart")
        search.anneal(options.seed, _MOVE_WORK * work)
        run.say("local search")
    stopped = ""
    if not search.good:
        note = ask_solver(search, options, time.monotonic, lambda: run.say("solver"), bound_only=exhausted)
        stopped = "every order was tried" if exhausted else note
    if not search.good:
        _try_gil_group(run)
        run.say("sequential groups")
    _finish_answers(run)
    best = run.best[0].schedule.makespan
    if best <= search.bound.ticks * (1 + PROVEN):
        return "proven: the plan meets its lower bound"
    if search.good:
        return f"the gap is within the {options.gap:g} that was asked for"
    return stopped


def _try_gil_group(run: _Run) -> None:
    """Keep the nodes that hold the GIL apart, if the simulator says that it helps."""
    nodes = gil_holders(run.instance)
    if len(nodes) < 2 or run.over():
        return
    best = run.search.found
    known = rules(run.instance, run.budget, "GIL")
    orders = chain([best.ranks], (ranks for _, ranks in islice(known, 1, 6)))
    found = run.search.try_group(nodes, orders, _GROUP_WORK * run.limit_s)
    without = best.schedule.makespan
    if found is not None and found.schedule.makespan < without * (1 - WORTH):
        run.group = (found, gil_group(run.instance, nodes, found.schedule.makespan, without))


def _answer(run: _Run, seed: int, asked: Sequence[int] | None) -> None:
    """Answer the thread budgets, in half of the time at most unless they were asked for."""
    until = run.deadline if asked is not None else min(run.deadline, time.monotonic() + run.limit_s / 2)
    budgets = default_budgets(run.instance) if asked is None else asked
    for budget in dict.fromkeys(budgets):
        if asked is None and time.monotonic() >= until:
            break
        run.answers.append(answer(quick(run.instance, budget, seed, lambda: time.monotonic() >= until)))
    run.say("other thread budgets")


def _finish_answers(run: _Run) -> None:
    """Answer the budget of the plan by the plan itself, and each with what fewer threads reach."""
    best = run.instance.seconds(run.best[0].schedule.makespan)
    bound = min(run.instance.seconds(run.search.bound.ticks), best)
    run.answers = up_to(
        WhatIf(run.budget, best, bound) if given.threads == run.budget else given for given in run.answers
    )
