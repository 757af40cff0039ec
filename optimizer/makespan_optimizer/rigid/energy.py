"""Lower bounds: no schedule, however clever, ends sooner.

- *critical path*: the longest chain of nodes;
- *each resource*: work / capacity, sharpened by heads and tails. The nodes that cannot start before r (head ≥ r)
  and have at least t to go after them (tail ≥ t) must do all their work inside [r, C − t], so
  C ≥ r + t + work / capacity, for every r and t (Carlier & Pinson 1989 for one machine);
- *unit demands*: of the h·k + 1 longest nodes, some unit of the resource gets h + 1.
"""

from __future__ import annotations

from itertools import accumulate, compress
from operator import add
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan_optimizer.rigid.problem import Problem

# Steps spent on one bound: with many nodes fewer values of r are tried (any subset of them is valid).
_STEPS = 500_000


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
        Whether to leave out what has not been computed yet; the first ones are always there.

    >>> from makespan_optimizer.rigid.problem import Resource, problem_from
    >>> bounds(problem_from([1, 2, 2, 2, 2], [[], [0], [0], [0], [0]], [Resource("threads", 2, (1,) * 5)]))[0]
    Bound(name='threads', ticks=5)
    """
    heads, tails = heads_of(problem), tails_of(problem)
    longest = max((h + w + t for h, w, t in zip(heads, problem.wall, tails, strict=True)), default=0)
    found = [Bound("critical path", longest)]
    for resource in problem.resources:
        work = [w * d for w, d in zip(problem.wall, resource.demand, strict=True)]
        least = energy(heads, tails, work, resource.capacity)
        if max(resource.demand, default=0) == 1:
            users = [w for w, d in zip(problem.wall, resource.demand, strict=True) if d]
            least = max(least, pigeonholes(users, resource.capacity))
        found.append(Bound(resource.name, least))
        if over is not None and over():
            break
    return sorted(found, key=lambda bound: -bound.ticks)


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
    rows = sorted(((tails[i], heads[i], work[i]) for i in range(len(work)) if work[i]), reverse=True)
    # Times the capacity, so that the loop adds whole numbers only.
    scaled = [tail * capacity for tail, _, _ in rows]
    at = [head for _, head, _ in rows]
    amounts = [amount for _, _, amount in rows]
    starts = sorted(set(at))
    most = max(8, _STEPS // (len(rows) + 1))
    if len(starts) > most:
        starts = [starts[i * len(starts) // most] for i in range(most)]
    best = 0
    for r in starts:
        late = [head >= r for head in at]
        totals = accumulate(compress(amounts, late))
        best = max(best, r * capacity + max(map(add, compress(scaled, late), totals)))
    return -(-best // capacity)


def pigeonholes(wall: Sequence[int], capacity: int) -> int:
    """Of the h·k + 1 longest nodes some thread gets h + 1: at least the h + 1 shortest of them."""
    longest = sorted(wall, reverse=True)
    best = 0
    for h in range(1, min(50, (len(longest) - 1) // capacity) + 1):
        best = max(best, sum(longest[h * capacity - h : h * capacity + 1]))
    return best
