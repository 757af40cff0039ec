"""CP-SAT's part of the search: which models to solve, what its answers mean in the simulator.

Two models. ``threads`` (threads, locks, exclusive nodes) is a relaxation of what the simulator does: its
bound is a bound. ``resources`` adds the GIL and the cores as if they could not be shared: what it finds are
orders that keep GIL holders apart, worth trying, no more. Either way a schedule counts only for the order
that it suggests.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from makespan_optimizer.bounds import Bound, lower_bounds
from makespan_optimizer.model.request import request_of
from makespan_optimizer.model.solve import SolverProcess
from makespan_optimizer.rigid.problem import THREADS
from makespan_optimizer.schedule import rigid_problem, rigid_schedule
from makespan_optimizer.simulate import simulate

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan_optimizer.choice.search import Search
    from makespan_optimizer.model.request import Event, Request
    from makespan_optimizer.model.solve import Outcome

MOST_NODES = 300  # beyond, the solver only returns its hint
LEAST_S = 0.3  # less than that and the child is not even up
_ADOPTED = 6  # incumbents of each model that are judged

# Deterministic time for each second of the time limit. A unit of it takes one to ten seconds of wall time, so
# that the wall limit, which could cut off a different amount each time, is seldom reached.
_UNITS = {"threads": 0.02, "resources": 0.01}

# What the parent keeps of the time that it has, for hearing and judging the answer.
_SLACK_S = 0.2
_EARLY_S = 0.05  # so much before its wall limit the solver may end by it
_FIRST_SHARE = 0.6  # of the time, for the first of two models


class SolverOptions(NamedTuple):
    """How to run the solver; seconds."""

    time_limit_s: float
    deadline: float
    """On the clock of `now`."""
    seed: int
    workers: int
    gap: float
    deterministic: bool


def ask_solver(
    search: Search,
    options: SolverOptions,
    now: Callable[[], float],
    hear: Callable[[], None],
    *,
    bound_only: bool = False,
) -> str:
    """Run CP-SAT in its child process, judge what it finds, and say why it stopped.

    Parameters
    ----------
    search : Search
        With a best candidate; its bound is raised when the solver proves a better one.
    options : SolverOptions
    now : callable
        The clock of the deadline (`time.monotonic`).
    hear : callable
        Called after each event, for progress.
    bound_only : bool
        Every order was tried already: only a better bound is wanted.
    """
    n = len(search.instance)
    if n > MOST_NODES:
        return f"the solver was skipped: {n} nodes, more than {MOST_NODES}"
    left = options.deadline - now()
    if left < LEAST_S:
        return "time limit reached"
    requests = _requests(search, options, left, bound_only=bound_only)
    if not requests:
        return "no model of the solver can prove more"
    statuses = []
    hurried = False
    with SolverProcess() as process:
        for number, (model, request) in enumerate(requests):
            left = options.deadline - now()
            if left < LEAST_S / 2:
                return "time limit reached"
            share = _FIRST_SHARE if number < len(requests) - 1 else 1.0
            limited = msgspec.structs.replace(request, wall_s=max(0.05, (left - _SLACK_S) * share))
            begun = now()
            outcome = _ask(search, process, model, limited, options, hear)
            if outcome.trouble is not None:
                return f"no result from the solver: {outcome.trouble}"
            if outcome.killed:
                return "time limit reached"
            if search.good:
                return "the plan is good enough"
            statuses.append(outcome.events[-1].status)
            hurried = hurried or now() - begun >= limited.wall_s - _EARLY_S
    if all(status == "OPTIMAL" for status in statuses):
        return "the solver solved its model; the simulator finds no better order"
    # Where work is counted, what the clock has ended may end elsewhere on another machine.
    if hurried and options.deterministic:
        return "time limit reached"
    return "the solver's share of the time was used up"


def _ask(
    search: Search,
    process: SolverProcess,
    model: str,
    request: Request,
    options: SolverOptions,
    hear: Callable[[], None],
) -> Outcome:
    """Have one model solved, and judge what comes of it."""

    def on_event(event: Event) -> bool:
        if model == THREADS and event.bound is not None and not options.deterministic:
            _raise_bound(search, event.bound)
        hear()
        return search.good

    outcome = process.solve(request, deadline=options.deadline, hear=on_event)
    bounds = [event.bound for event in outcome.events if event.bound is not None]
    if model == THREADS and bounds:
        _raise_bound(search, max(bounds))
    _take_over(search, outcome.events)
    return outcome


def _requests(
    search: Search, options: SolverOptions, left: float, *, bound_only: bool
) -> list[tuple[str, Request]]:
    instance, budget, best = search.instance, search.budget, search.found
    plain = instance.without_contention()
    found = []
    free = simulate(plain, best.ranks, budget)

    def add(model: str, at_least: int, start: list[int], *, contended: bool) -> None:
        request = request_of(
            rigid_problem(instance, budget, contended=contended),
            start,
            wall_s=left,
            at_least=at_least,
            deterministic_s=options.time_limit_s * _UNITS[model] if options.deterministic else None,
            seed=options.seed,
            workers=options.workers,
            gap=options.gap,
        )
        found.append((model, request))

    # A relaxation whose optimum is no more than the bound we have proves nothing.
    if free.makespan > search.bound.ticks:
        least = math.ceil(lower_bounds(plain, budget)[0].ticks - 1e-6)
        add(THREADS, least, [int(t) for t in free.start], contended=False)
    if instance.fluid.may_contend(budget) and not bound_only:
        add("resources", 0, rigid_schedule(instance, best.ranks, budget), contended=True)
    return found


def _take_over(search: Search, heard: list[Event]) -> None:
    """Judge the schedules of some events, the last (best) first."""
    wall = search.instance.wall
    incumbents = [event for event in heard if event.kind == "solution"][-_ADOPTED:]
    seen = set()
    for event in reversed([*incumbents, *(event for event in heard if event.kind == "done")]):
        if len(event.start) == len(wall) and event.start not in seen:
            seen.add(event.start)
            start = [float(value) for value in event.start]
            search.adopt("cp-sat", start, [s + w for s, w in zip(start, wall, strict=True)])


def _raise_bound(search: Search, ticks: float) -> None:
    if ticks > search.bound.ticks:
        search.bound = Bound("solver", float(ticks))
