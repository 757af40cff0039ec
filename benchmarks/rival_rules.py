"""Orders that other tools give the nodes of a DAG: a rank for each node, the smallest first.

All are scheduled by the same list scheduler, so only the order differs; first-in-first-out has no ranks, as
it follows from the schedule itself. A tool's own runtime is measured elsewhere (`benchmarks/runtime.py`).
"""

from __future__ import annotations

import importlib
from heapq import heappop, heappush
from operator import add, gt, sub
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan_optimizer.rigid.problem import Problem


def critical_path(problem: Problem) -> list[int]:
    """Rank by the longest path to the end, in durations: HLFET (Adam, Chandy & Dickson 1974)."""
    return falling(_levels(problem, problem.wall))


def ninja(problem: Problem) -> list[int]:
    """Rank by the longest path to the end with every node counted as 1, as Ninja's build plan does."""
    return falling(_levels(problem, (1,) * len(problem)))


def tawazi(problem: Problem) -> list[int]:
    """Rank by Tawazi 0.6.2's compound priority, the durations being the priorities that a user gives.

    Its priorities spread in epochs: first the leaves add theirs to their predecessors, then those whose
    successors just did add what they have by then, and so on. So a node counts once for each path, and more
    if paths are of different lengths. Nodes of an epoch are in no order there (a set), and in ours here.
    """
    compound = list(problem.wall)
    leaves = [i for i, some in enumerate(problem.succs) if not some]
    while leaves:
        following: dict[int, None] = {}
        for leaf in leaves:
            for p in problem.preds[leaf]:
                compound[p] += compound[leaf]
                following[p] = None
        leaves = sorted(following)
    return falling(compound)


def dask(problem: Problem, told: Sequence[int] = ()) -> list[int]:
    """Rank as `dask.order` does, or as it did when the graph was recorded."""
    if told:
        return list(told)
    module: Any = importlib.import_module("dask.order")
    ranks = module.order({i: (_nothing, *some) for i, some in enumerate(problem.preds)})
    return [ranks[i] for i in range(len(problem))]


def _nothing(*_: object) -> None:
    """Stand for the function of a node."""


def falling(values: Sequence[int]) -> list[int]:
    """Rank by falling value; the earlier of two equals first.

    >>> falling([1, 3, 3])
    [2, 0, 1]
    """
    ranks = [0] * len(values)
    for rank, i in enumerate(sorted(range(len(values)), key=lambda i: -values[i])):
        ranks[i] = rank
    return ranks


def _levels(problem: Problem, weight: Sequence[int]) -> list[int]:
    """Return for each node the heaviest path from its start to the end."""
    level = list(weight)
    for i in reversed(problem.order):
        level[i] += max((level[j] for j in problem.succs[i]), default=0)
    return level


def fifo(problem: Problem) -> list[int]:
    """Return starts: nodes start in the order in which they became ready, a later one where none fits."""
    wall, succs = problem.wall, problem.succs
    waiting = list(map(len, problem.preds))
    queue = [i for i, count in enumerate(waiting) if not count]
    free = [resource.capacity for resource in problem.resources]
    demand = list(zip(*(resource.demand for resource in problem.resources), strict=True)) or [()] * len(wall)
    # Demands of which every node has some: when less than the least of them is free, nothing fits.
    least = [min(resource.demand) if all(problem.wall) else 0 for resource in problem.resources]
    start = [0] * len(wall)
    ends: list[tuple[int, int]] = []
    now = 0
    while queue or ends:
        left: list[int] = []
        for k, i in enumerate(queue):
            if wall[i] and any(map(gt, demand[i], free)):
                left.append(i)
                continue
            start[i] = now
            heappush(ends, (now + wall[i], i))
            if wall[i]:
                free = list(map(sub, free, demand[i]))
                if any(map(gt, least, free)):
                    left += queue[k + 1 :]
                    break
        queue = left
        now = ends[0][0]
        while ends and ends[0][0] == now:
            i = heappop(ends)[1]
            if wall[i]:
                free = list(map(add, free, demand[i]))
            for j in succs[i]:
                waiting[j] -= 1
                if not waiting[j]:
                    queue.append(j)
    return start
