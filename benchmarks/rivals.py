"""What schedules in `optimizer.py`: makespan's own methods and its rivals, all by one signature.

=================  =======================================================================================
``makespan``       all of it: `makespan_optimizer.rigid.solve.solve` under the time limit
``multistart``     its search without a solver, under the same limit, with its energetic bound
``list``           the best of its priority rules alone, each scheduled once, with the same bound
``critical-path``  longest path to the end first, in measured durations
``fifo``           in the order of becoming ready: a thread pool that is fed as nodes become ready
``dask.order``     `dask.order`, or the order that dask itself gave when the graph was recorded
``ninja``          longest path to the end first, every node counted as 1
``tawazi``         Tawazi 0.6.2's compound priority
``pyjobshop``      PyJobShop on CP-SAT, in a process of its own
``cp-sat``         the textbook model on CP-SAT with the critical path as a hint, in a process of its own
=================  =======================================================================================
"""

from __future__ import annotations

import importlib.util
import time
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import rival_rules
from benchmarks.rival_solvers import Answer, Process, Request
from benchmarks.rival_solvers import missing as solver_missing
from makespan_optimizer.rigid.energy import bounds
from makespan_optimizer.rigid.lists import Lists, list_schedule, makespan_of
from makespan_optimizer.rigid.multistart import multistart
from makespan_optimizer.rigid.rules import bottleneck_share, rules
from makespan_optimizer.rigid.solve import solve

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.cases import Case
    from makespan_optimizer.model.solve import SolverProcess
    from makespan_optimizer.rigid.problem import Problem


MOST_DASK = 20_000
"""Nodes of a DAG that `dask.order` is asked about: it takes minutes for more."""


class Task(NamedTuple):
    """What a method is given."""

    case: Case
    threads: int | None
    problem: Problem
    time_limit_s: float
    seed: int
    workers: int


class Method(NamedTuple):
    """A name, what it does, and why it may be impossible here."""

    name: str
    run: Callable[[Task], Answer]
    missing: Callable[[], str | None]


def methods(process: Process, solver: SolverProcess) -> dict[str, Method]:
    """Return all methods; rivals share a process that stays alive, and makespan has one of its own."""

    def always() -> None:
        return None

    def dask_missing() -> str | None:
        return None if importlib.util.find_spec("dask") else "dask is not installed"

    def by(name: str) -> Method:
        return Method(name, lambda task: ask(process, name, task), lambda: solver_missing(name))

    found = [
        Method("makespan", lambda task: _makespan(task, solver), lambda: solver_missing("cp-sat")),
        Method("multistart", _multistart, always),
        Method("list", _list, always),
        Method("critical-path", _ranked(rival_rules.critical_path), always),
        Method("fifo", _fifo, always),
        Method("dask.order", _dask, dask_missing),
        Method("ninja", _ranked(rival_rules.ninja), always),
        Method("tawazi", _ranked(rival_rules.tawazi), always),
        by("pyjobshop"),
        by("cp-sat"),
    ]
    return {method.name: method for method in found}


def ask(process: Process, solver: str, task: Task, hint: tuple[int, ...] = ()) -> Answer:
    """Ask a solver in its process; the critical path's schedule is the hint if none is given."""
    problem = task.problem
    resources = tuple((its.capacity, its.demand) for its in problem.resources)
    starts = hint or tuple(list_schedule(problem, rival_rules.critical_path(problem)))
    limits = (task.time_limit_s, task.workers, task.seed)
    return process.ask(Request(solver, problem.wall, problem.preds, resources, starts, *limits))


def elementary_bound(problem: Problem) -> int:
    """Return the longest path, or the work of a resource divided by its capacity, whichever is more.

    Written apart from makespan's bounds, which are to be checked.
    """
    end: dict[int, int] = {}
    for i in problem.order:
        end[i] = problem.wall[i] + max((end[p] for p in problem.preds[i]), default=0)
    found = max(end.values(), default=0)
    for resource in problem.resources:
        work = sum(wall * d for wall, d in zip(problem.wall, resource.demand, strict=True))
        found = max(found, -(-work // resource.capacity))
    return found


# -- makespan's own ----------------------------------------------------------------------------------------


def _makespan(task: Task, solver: SolverProcess) -> Answer:
    begun = time.perf_counter()
    found = solve(
        task.problem, time_limit_s=task.time_limit_s, seed=task.seed, workers=task.workers, solver=solver
    )
    return Answer(found.start, found.bound, time.perf_counter() - begun, f"{found.method}, {found.stopped}")


def _list(task: Task) -> Answer:
    begun = time.perf_counter()
    problem, lists = task.problem, Lists(task.problem)
    bound = bounds(problem, lambda: time.perf_counter() > begun + task.time_limit_s / 2)[0]
    best: list[int] = []
    by = ""
    for name, ranks in rules(problem, bottleneck_share(problem, bound.name)):
        start = lists.parallel(ranks)
        if not best or makespan_of(problem, start) < makespan_of(problem, best):
            best, by = start, name
        if makespan_of(problem, best) <= bound.ticks or time.perf_counter() > begun + task.time_limit_s:
            break
    return Answer(tuple(best), bound.ticks, time.perf_counter() - begun, by)


def _multistart(task: Task) -> Answer:
    begun = time.perf_counter()

    def over() -> bool:
        return time.perf_counter() > begun + task.time_limit_s

    bound = bounds(task.problem, over)[0]
    found = multistart(
        task.problem, seed=task.seed, bound=bound.ticks, binding=bound.name, work=1e12, over=over
    )
    return Answer(found.start, bound.ticks, time.perf_counter() - begun, found.method)


# -- rules of others ---------------------------------------------------------------------------------------


def _ranked(rule: Callable[[Problem], list[int]]) -> Callable[[Task], Answer]:
    def run(task: Task) -> Answer:
        begun = time.perf_counter()
        start = list_schedule(task.problem, rule(task.problem))
        return Answer(tuple(start), None, time.perf_counter() - begun)

    return run


def _fifo(task: Task) -> Answer:
    begun = time.perf_counter()
    return Answer(tuple(rival_rules.fifo(task.problem)), None, time.perf_counter() - begun)


def _dask(task: Task) -> Answer:
    if len(task.case) > MOST_DASK and not task.case.order:
        return Answer(None, None, 0.0, f"left out beyond {MOST_DASK:,} nodes: it takes minutes")
    begun = time.perf_counter()
    start = list_schedule(task.problem, rival_rules.dask(task.problem, task.case.order))
    return Answer(tuple(start), None, time.perf_counter() - begun)
