"""Orders for large DAGs from the rigid half: list schedules in milliseconds, windows of CP-SAT.

The rigid problem of an instance knows threads, locks and nodes that run alone. Where nodes do not slow each
other, it is the instance itself; else it is a relaxation, and its bound is a bound all the same, and the GIL
and the cores come in as if they could not be shared: such schedules count only for the order they suggest.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from makespan_optimizer.bounds import Bound
from makespan_optimizer.rigid.check import violations
from makespan_optimizer.rigid.energy import bounds
from makespan_optimizer.rigid.multistart import multistart
from makespan_optimizer.rigid.problem import Solution
from makespan_optimizer.rigid.solve import solve
from makespan_optimizer.schedule import rigid_problem, rigid_schedule, start_ranks

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan_optimizer.choice.search import Search
    from makespan_optimizer.instance import Instance
    from makespan_optimizer.rigid.problem import Problem
    from makespan_optimizer.solver import SolverOptions

_LEAST_S = 0.3
_MOST_WINDOWS = 12_000  # nodes: beyond, moving a schedule to the right takes longer than it can win
_PASSES = 10  # list schedules of a still larger problem, where work is counted
_JUDGE_S = 20e-6  # for each node: what it takes to judge the order at the end


def ask_rigid(
    search: Search, options: SolverOptions, now: Callable[[], float], hear: Callable[[], None]
) -> str:
    """Solve the rigid problem, judge the order that follows from it, and say why it stopped.

    Parameters
    ----------
    search : Search
        With a best candidate; its bound is raised where the rigid problem proves a better one.
    options : SolverOptions
        Their deadline is on the clock of `now`.
    hear : callable
        Called after each step forward, for progress.
    """
    instance, budget = search.instance, search.budget
    left = options.deadline - now() - len(instance) * _JUDGE_S
    if left < _LEAST_S:
        return "time limit reached"
    contended = instance.fluid.may_contend(budget)
    problem = rigid_problem(instance, budget, contended=contended)
    hint = rigid_schedule(instance, search.found.ranks, budget) if contended else None
    if hint is None:
        start = [int(at) for at in search.found.schedule.start]
        hint = None if violations(problem, start) else start
    found = _solved(problem, left, options, hint, hear)
    if not contended and found.bound > search.bound.ticks:
        search.bound = Bound(found.binding, float(found.bound))
    # Nothing is believed that is not checked: the process may lie.
    if len(found.start) == len(instance) and not violations(problem, found.start):
        schedule = search.judge(found.method, start_ranks([float(at) for at in found.start]))
        if not search.over():
            search.improve(f"{found.method}, forward-backward", schedule)
    if found.makespan * (1 - options.gap) <= found.bound:
        return "the rigid problem is solved; the simulator finds no better order"
    return found.stopped


def rigid_order(instance: Instance, budget: int, seed: int, work: float) -> list[int]:
    """Return ranks from a good schedule in which neither the GIL nor a core is ever shared.

    Dispatch alone does not keep to such a schedule; together with limits on GIL holders it nearly does.

    Parameters
    ----------
    work : float
        Nodes to place.
    """
    problem = rigid_problem(instance, budget, contended=True)
    bound = bounds(problem)[0]
    best = multistart(problem, seed=seed, bound=bound.ticks, binding=bound.name, work=work)
    return start_ranks([float(at) for at in best.start])


def _solved(
    problem: Problem, left_s: float, options: SolverOptions, hint: list[int] | None, hear: Callable[[], None]
) -> Solution:
    if len(problem) <= _MOST_WINDOWS:
        return solve(
            problem,
            time_limit_s=left_s,
            seed=options.seed,
            workers=options.workers,
            gap=options.gap,
            deterministic=options.deterministic,
            hint=hint,
            progress=lambda _: hear(),
        )
    until = time.monotonic() + left_s
    bound = bounds(problem, lambda: time.monotonic() >= until)[0]
    best = multistart(
        problem,
        seed=options.seed,
        bound=bound.ticks,
        binding=bound.name,
        work=_PASSES * len(problem) if options.deterministic else math.inf,
        over=lambda: time.monotonic() >= until,
        hint=hint,
    )
    hear()
    note = "the work for this time limit is done" if options.deterministic else "time limit reached"
    return Solution(best.start, best.makespan, bound.ticks, bound.name, best.method, note)
