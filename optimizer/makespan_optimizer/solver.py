"""CP-SAT's part of the search: which models to solve, what its answers mean in the simulator.

Two models. ``threads`` (threads, locks, exclusive nodes) is a relaxation of what the simulator does: its
bound is a bound. ``resources`` adds the GIL and the cores as if they could not be shared: what it finds are
orders that keep GIL holders apart, worth trying, no more. Either way a schedule counts only for the order
that it suggests.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

from makespan_optimizer.bounds import Bound, lower_bounds
from makespan_optimizer.model.request import (
    Event,
    Model,
    contended_resources,
    request_of,
    thread_resource,
    unit_of,
)
from makespan_optimizer.model.solve import solve
from makespan_optimizer.schedule import rigid_schedule
from makespan_optimizer.simulate import simulate

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan_optimizer.model.request import Resource
    from makespan_optimizer.search import Search

MOST_NODES = 300  # beyond, the solver only returns its hint
LEAST_S = 0.3  # less than that and the child is not even up
_ADOPTED = 6  # incumbents of each model that are judged

# Deterministic time for each second of the time limit. A unit of it takes one to ten seconds of wall time, so
# that the wall limit, which could cut off a different amount each time, is seldom reached.
_UNITS = {"threads": 0.02, "resources": 0.01}


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
    models = _models(search, options, left, bound_only=bound_only)
    if not models:
        return "no model of the solver can prove more"
    unit = unit_of(search.instance)
    request = request_of(search.instance, models, seed=options.seed, workers=options.workers, gap=options.gap)

    def on_event(event: Event) -> bool:
        if event.model == "threads" and event.bound is not None and not options.deterministic:
            _raise_bound(search, event.bound * unit)
        if event.kind == "done":
            _take_over(search, [*_incumbents(heard, event.model), event], unit)
            if event.model == "threads" and event.bound is not None:
                _raise_bound(search, event.bound * unit)
        heard.append(event)
        hear()
        return search.good

    heard: list[Event] = []
    outcome = solve(request, deadline=options.deadline, hear=on_event)
    finished = {event.model for event in heard if event.kind == "done"}
    for model in models:
        if model.name not in finished:
            _take_over(search, _incumbents(heard, model.name), unit)
            bounds = [e.bound for e in heard if e.model == "threads" and e.bound is not None]
            if model.name == "threads" and bounds:
                _raise_bound(search, max(bounds) * unit)
    return _why(heard, outcome.killed, outcome.trouble, len(models))


def _models(search: Search, options: SolverOptions, left: float, *, bound_only: bool) -> list[Model]:
    instance, budget, best = search.instance, search.budget, search.found
    unit = unit_of(instance)
    plain = instance.without_contention()
    threads = thread_resource(instance, budget)
    found: list[tuple[Literal["threads", "resources"], tuple[Resource, ...], int, list[int]]] = []
    free = simulate(plain, best.ranks, budget)
    contended = instance.fluid.may_contend(budget)
    # A relaxation whose optimum is no more than the bound we have proves nothing.
    if free.makespan > search.bound.ticks:
        least = lower_bounds(plain, budget)[0].ticks
        found.append(("threads", (threads,), math.ceil(least / unit - 1e-9), [int(t) for t in free.start]))
    if contended and not bound_only:
        start = rigid_schedule(instance, best.ranks, budget)
        found.append(("resources", (threads, *contended_resources(instance)), 0, start))
    share = [0.6, 0.4] if len(found) > 1 else [1.0]
    return [
        Model(
            name,
            resources,
            at_least,
            tuple(value // unit for value in start),
            (left - 0.2) * part,
            options.time_limit_s * _UNITS[name] if options.deterministic else None,
        )
        for (name, resources, at_least, start), part in zip(found, share, strict=False)
    ]


def _incumbents(heard: list[Event], model: str) -> list[Event]:
    return [event for event in heard if event.kind == "solution" and event.model == model][-_ADOPTED:]


def _take_over(search: Search, events: list[Event], unit: int) -> None:
    """Judge the schedules of some events, the last (best) first."""
    wall = search.instance.wall
    seen = set()
    for event in reversed(events):
        if len(event.start) == len(wall) and event.start not in seen:
            seen.add(event.start)
            start = [float(value * unit) for value in event.start]
            search.adopt("cp-sat", start, [s + w for s, w in zip(start, wall, strict=True)])


def _raise_bound(search: Search, ticks: float) -> None:
    if ticks > search.bound.ticks:
        search.bound = Bound("solver", float(ticks))


def _why(heard: list[Event], killed: bool, trouble: str | None, models: int) -> str:
    if trouble is not None:
        return f"no result from the solver: {trouble}"
    done = [event for event in heard if event.kind == "done"]
    if killed or len(done) < models:
        return "time limit reached"
    if all(event.status == "OPTIMAL" for event in done):
        return "the solver solved its model; the simulator finds no better order"
    return "the solver's share of the time was used up"
