"""Lower bounds: no schedule, however clever, ends sooner.

- *critical path*: the longest chain of nodes;
- *each resource*: work / capacity, sharpened by heads and tails. The nodes that cannot start before r
  (head ≥ r) and have at least t to go after them (tail ≥ t) must do all their work inside [r, C − t], so
  C ≥ r + t + work / capacity, for every r and t (Carlier & Pinson 1989 for one machine);
- *unit demands*: of the h·k + 1 longest nodes, some unit of the resource gets h + 1;
- *all resources together*: redundant resources (`redundant`), and what the assumption of an end contradicts
  (`destructive`).

Schedules whose nodes start as early as they can end at a sum of durations, so bounds are rounded up to what
divides all durations.
"""

from __future__ import annotations

from itertools import accumulate, compress
from math import gcd
from operator import add
from typing import TYPE_CHECKING, NamedTuple

from makespan.preparing.order import ranks_by
from makespan_optimizer.rigid.destructive import contradicted, least_end, packed
from makespan_optimizer.rigid.lists import list_schedule, makespan_of
from makespan_optimizer.rigid.problem import Resource
from makespan_optimizer.rigid.redundant import (
    excluding,
    machines,
    machines_of_kinds,
    rounded,
    staircases,
    ways,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan_optimizer.rigid.problem import Problem

# Steps spent on one bound: with many nodes fewer values of r are tried (any subset of them is valid).
_STEPS = 500_000
_MOST_NODES = 400  # for the strongest bounds: all pairs of nodes are looked at
_MACHINES = 12
_PROMISING = 3  # redundant resources that are looked at with more nodes than that

TOGETHER = "resources together"


class Bound(NamedTuple):
    """A lower bound, and what it comes from: ``critical path``, ``GIL``, ``lock db`` and so on."""

    name: str
    ticks: int


def bounds(problem: Problem, over: Callable[[], bool] | None = None) -> list[Bound]:
    """Return all bounds, the largest first; among equals the critical path, then resources in their order.

    Parameters
    ----------
    problem : Problem
    over : callable, optional
        Whether to leave out what takes longer; asked as it goes on.

    >>> from makespan_optimizer.rigid.problem import Resource, problem_from
    >>> bounds(problem_from([1, 2, 2, 2, 2], [[], [0], [0], [0], [0]], [Resource("threads", 2, (1,) * 5)]))[0]
    Bound(name='threads', ticks=5)
    """
    heads, tails = heads_of(problem), tails_of(problem)
    unit = gcd(*problem.wall) or 1
    found = _simple(problem, heads, tails, unit)
    best = max(found, key=lambda bound: bound.ticks).ticks
    over = over or _never
    if len(found) > 1 and not over():
        if len(problem) <= _MOST_NODES:
            together = _together(problem, heads, tails, best, unit, over)
        else:
            together = -(-_promising(problem, heads, tails, over) // unit) * unit
        if together > best:
            found.append(Bound(TOGETHER, together))
    return sorted(found, key=lambda bound: -bound.ticks)


def simple_bounds(problem: Problem) -> list[Bound]:
    """Return the bounds that take no time, the largest first."""
    unit = gcd(*problem.wall) or 1
    found = _simple(problem, heads_of(problem), tails_of(problem), unit)
    return sorted(found, key=lambda bound: -bound.ticks)


def _simple(problem: Problem, heads: list[int], tails: list[int], unit: int) -> list[Bound]:
    wall = problem.wall
    longest = max((h + w + t for h, w, t in zip(heads, wall, tails, strict=True)), default=0)
    found = [Bound("critical path", longest)]
    for name, capacity, demand in problem.resources:
        work = [w * d for w, d in zip(wall, demand, strict=True)]
        least = -(-energy(heads, tails, work, capacity) // unit) * unit
        users = [(w, d) for w, d in zip(wall, demand, strict=True) if w and d]
        if all(d == 1 for _, d in users):
            least = max(least, pigeonholes([w for w, _ in users], capacity))
        found.append(Bound(name, least))
    return found


def _together(
    problem: Problem, heads: list[int], tails: list[int], low: int, unit: int, over: Callable[[], bool]
) -> int:
    """Return what follows from all resources at once; never less than `low`."""
    wall, n = problem.wall, len(problem)
    high = makespan_of(problem, list_schedule(problem, ranks_by(tails)))
    if low >= high:
        return low
    exclusive = excluding(problem)
    sets = []
    for members in machines(wall, exclusive):
        one = [wall[i] if i in members else 0 for i in range(n)]
        sets.append((energy(heads, tails, one, 1), members))
    sets.sort(reverse=True)
    resources = [*problem.resources, *[more for r in problem.resources for more in rounded(r)]]
    for least, members in sets[:_MACHINES]:
        low = max(low, least)
        resources.append(Resource("", 1, tuple(int(i in members) for i in range(n))))
    pairs = [(i, j) for i in range(n) for j in range(i) if exclusive[i] >> j & 1 and wall[i] and wall[j]]
    fields = packed(resources, high, n)

    def impossible(end: int) -> bool:
        return contradicted(problem, fields, pairs, heads, tails, end * unit)

    return least_end(impossible, -(-low // unit), high // unit, over) * unit


def _promising(problem: Problem, heads: list[int], tails: list[int], over: Callable[[], bool]) -> int:
    """Return the best bound of the redundant resources that have most to do."""
    wall = problem.wall
    candidates: list[tuple[float, int, list[int]]] = []
    for resource in problem.resources:
        weight: dict[int, int] = {}
        for w, d in zip(wall, resource.demand, strict=True):
            weight[d] = weight.get(d, 0) + w
        maps = [*ways(resource), *staircases(resource)]
        rated = [(sum(weight[d] * x for d, x in it.items()) / size, size, it) for size, it in maps]
        for busy, size, it in sorted(rated, key=lambda row: -row[0])[:_PROMISING]:
            candidates.append((busy, size, [w * it[d] for w, d in zip(wall, resource.demand, strict=True)]))
    for machine in machines_of_kinds(problem):
        work = [w if d else 0 for w, d in zip(wall, machine.demand, strict=True)]
        candidates.append((sum(work), 1, work))
    candidates.sort(key=lambda row: -row[0])
    best = 0
    for _, size, work in candidates[:_PROMISING]:
        if not over():
            best = max(best, energy(heads, tails, work, size))
    return best


def _never() -> bool:
    return False


def heads_of(problem: Problem) -> list[int]:
    """Return the earliest start of each node when nothing is short."""
    wall, preds = problem.wall, problem.preds
    heads = [0] * len(wall)
    for i in problem.order:
        if preds[i]:
            heads[i] = max([heads[p] + wall[p] for p in preds[i]])
    return heads


def tails_of(problem: Problem) -> list[int]:
    """Return the least time between the end of each node and the end of all."""
    wall, succs = problem.wall, problem.succs
    tails = [0] * len(wall)
    for i in reversed(problem.order):
        if succs[i]:
            tails[i] = max([tails[s] + wall[s] for s in succs[i]])
    return tails


def energy(heads: Sequence[int], tails: Sequence[int], work: Sequence[int], capacity: int) -> int:
    """Return the largest r + t + (work of nodes with head ≥ r and tail ≥ t) / capacity, rounded up.

    Parameters
    ----------
    heads, tails : sequences of int, shape (n,)
    work : sequence of int, shape (n,)
        Duration times demand.
    """
    return -(-scaled_energy(heads, tails, work, capacity) // capacity)


def scaled_energy(heads: Sequence[int], tails: Sequence[int], work: Sequence[int], capacity: int) -> int:
    """Return the same, exactly, times the capacity."""
    rows = sorted(((tails[i], heads[i], work[i]) for i in range(len(work)) if work[i]), reverse=True)
    # Times the capacity, so that the loop adds whole numbers only.
    scaled = [tail * capacity for tail, _, _ in rows]
    at = [head for _, head, _ in rows]
    amounts = [amount for _, _, amount in rows]
    starts = sorted(set(at))
    most = max(8, _STEPS // (len(rows) + 1))
    if len(starts) > most:
        starts = [starts[i * len(starts) // most] for i in range(most)]
    # All work that cannot start before r, and the longest tail: where they are too little, r is left out.
    left = dict.fromkeys(at, 0)
    for head, amount in zip(at, amounts, strict=True):
        left[head] += amount
    total = 0
    for head in sorted(left, reverse=True):
        left[head] = total = total + left[head]
    best = 0
    for r in starts:
        if r * capacity + scaled[0] + left[r] <= best:
            continue
        late = [head >= r for head in at]
        totals = accumulate(compress(amounts, late))
        best = max(best, r * capacity + max(map(add, compress(scaled, late), totals)))
    return best


def pigeonholes(wall: Sequence[int], capacity: int) -> int:
    """Of the h·k + 1 longest nodes some thread gets h + 1: at least the h + 1 shortest of them."""
    longest = sorted(wall, reverse=True)
    best = 0
    for h in range(1, min(50, (len(longest) - 1) // capacity) + 1):
        best = max(best, sum(longest[h * capacity - h : h * capacity + 1]))
    return best
