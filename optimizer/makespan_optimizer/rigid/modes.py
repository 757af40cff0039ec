"""Several ways to run each node: the solver chooses one for each, together with the schedule.

A mode is a duration and what it demands of each resource: on a thread, in a process, with m native threads.
Exact for small problems. The bound is that of the relaxation in which each node takes the shortest of its
durations and the least of its demands, until the solver proves more.
"""

from __future__ import annotations

import time
from math import gcd
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from makespan_optimizer.model.request import Mode, request_of
from makespan_optimizer.model.solve import SolverProcess
from makespan_optimizer.rigid.check import violations
from makespan_optimizer.rigid.energy import bounds
from makespan_optimizer.rigid.lists import makespan_of
from makespan_optimizer.rigid.multistart import multistart
from makespan_optimizer.rigid.problem import Problem, Resource, Solution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan_optimizer.model.request import Event, Request

_PLACED = 20_000  # nodes placed for the first schedule
_UNITS = 0.1  # deterministic time for each second of the time limit
_GRACE_S = 0.3  # after the time limit the solver is killed

__all__ = ["Modal", "Mode", "solve_modes"]


class Modal(NamedTuple):
    """A schedule, and the mode of each node in it."""

    solution: Solution
    mode: tuple[int, ...]


def solve_modes(
    problem: Problem,
    modes: Sequence[Sequence[Mode]],
    *,
    time_limit_s: float,
    seed: int = 0,
    workers: int = 2,
    gap: float = 0.0,
    deterministic: bool = False,
    solver: SolverProcess | None = None,
) -> Modal:
    """Return the best schedule and the modes that it takes.

    Parameters
    ----------
    problem : Problem
        Its edges and capacities; durations and demands are those of the modes.
    modes : sequence of sequences of Mode, shape (n, *)
        At least one for each node, with a demand for each of the problem's resources. The first of each is
        where the search begins.
    time_limit_s, seed, workers, gap, deterministic, solver
        As for `makespan_optimizer.rigid.solve.solve`.

    Raises
    ------
    ValueError
        A node without a mode, or a mode that can never run.
    """
    begun = time.monotonic()
    _check(problem, modes)
    first = chosen(problem, modes, [0] * len(problem))
    easiest = _easiest(problem, modes)
    bound = max(bounds(easiest), key=lambda its: its.ticks)
    hint = multistart(first, seed=seed, bound=bound.ticks, binding=bound.name, work=_PLACED)
    best = Modal(
        Solution(hint.start, hint.makespan, bound.ticks, bound.name, hint.method, ""), (0,) * len(problem)
    )
    left = time_limit_s - (time.monotonic() - begun)
    trouble = None
    if hint.makespan > bound.ticks and left > 0:
        request = _request(easiest, modes, hint.start, hint.makespan, bound.ticks)
        request = msgspec.structs.replace(
            request,
            wall_s=left,
            deterministic_s=_UNITS * time_limit_s if deterministic else None,
            seed=seed,
            workers=workers,
            gap=gap,
        )

        def hear(event: Event) -> bool:
            nonlocal best
            best = _better(problem, modes, best, event)
            return False

        until = time.monotonic() + left + _GRACE_S
        if solver is not None:
            trouble = solver.solve(request, deadline=until, hear=hear).trouble
        else:
            with SolverProcess() as process:
                trouble = process.solve(request, deadline=until, hear=hear).trouble
    return best._replace(solution=best.solution._replace(stopped=_why(best.solution, gap, trouble)))


def chosen(problem: Problem, modes: Sequence[Sequence[Mode]], mode: Sequence[int]) -> Problem:
    """Return the problem in which each node runs in its mode."""
    picked = [some[k] for some, k in zip(modes, mode, strict=True)]
    return _with(problem, [its.wall for its in picked], [its.demand for its in picked])


def _easiest(problem: Problem, modes: Sequence[Sequence[Mode]]) -> Problem:
    wall = [min(mode.wall for mode in some) for some in modes]
    # A mode of no duration demands nothing.
    least = [
        tuple(min(mode.demand[r] if mode.wall else 0 for mode in some) for r in range(len(problem.resources)))
        for some in modes
    ]
    return _with(problem, wall, least)


def _with(problem: Problem, wall: Sequence[int], demand: Sequence[Sequence[int]]) -> Problem:
    resources = tuple(
        Resource(its.name, its.capacity, tuple(some[r] for some in demand))
        for r, its in enumerate(problem.resources)
    )
    return Problem(tuple(wall), problem.preds, problem.succs, problem.order, resources)


def _request(
    easiest: Problem, modes: Sequence[Sequence[Mode]], hint: Sequence[int], makespan: int, bound: int
) -> Request:
    request = request_of(easiest, hint, wall_s=0.0, at_least=bound, horizon=makespan)
    return msgspec.structs.replace(
        request,
        modes=tuple(tuple(some) for some in modes),
        hint_modes=(0,) * len(modes),
        unit=gcd(*(mode.wall for some in modes for mode in some)) or 1,
    )


def _better(problem: Problem, modes: Sequence[Sequence[Mode]], best: Modal, event: Event) -> Modal:
    """Return the best after an event; what does not hold is passed over."""
    old = best.solution
    if event.bound is not None and old.bound < event.bound <= old.makespan:
        old = old._replace(bound=event.bound, binding="solver")
    n = len(problem)
    if len(event.start) == len(event.mode) == n and all(
        0 <= k < len(some) for k, some in zip(event.mode, modes, strict=True)
    ):
        it = chosen(problem, modes, event.mode)
        makespan = makespan_of(it, event.start)
        if makespan < old.makespan and not violations(it, event.start):
            new = old._replace(start=event.start, makespan=makespan, method="solver")
            return Modal(new, event.mode)
    return Modal(old, best.mode)


def _check(problem: Problem, modes: Sequence[Sequence[Mode]]) -> None:
    if len(modes) != len(problem) or not all(modes):
        raise ValueError("each node has at least one mode")
    for i, some in enumerate(modes):
        for mode in some:
            if mode.wall < 0 or len(mode.demand) != len(problem.resources):
                raise ValueError(f"node {i}: a mode has a duration and a demand for each resource")
            for its, demand in zip(problem.resources, mode.demand, strict=True):
                if not 0 <= demand <= its.capacity:
                    raise ValueError(f"node {i}: a mode demands {demand} of {its.capacity} {its.name}")


def _why(solution: Solution, gap: float, trouble: str | None) -> str:
    if solution.makespan <= solution.bound:
        return "proven: the schedule meets its lower bound"
    if trouble is not None:
        return f"no result from the solver: {trouble}"
    if solution.makespan * (1 - gap) <= solution.bound:
        return f"the gap is within the {gap:g} that was asked for"
    return "time limit reached"
