"""Lower bounds: no schedule, however clever, ends sooner.

- *critical path*: the longest chain of nodes;
- *threads, cores, GIL, each lock*: work / capacity, sharpened by heads and tails. The nodes that cannot start
  before r (head ≥ r) and have at least t to go after them (tail ≥ t) must do all their work inside
  [r, C − t], so C ≥ r + t + work / capacity, for every r and t (Carlier & Pinson 1989 for one machine);
- *threads* again: of the h·k + 1 longest nodes, some thread gets h + 1.

An exclusive node runs alone: cut its time out, and what is left is a schedule of the other nodes. So each
bound is taken for the others, and the time of all exclusive nodes is added.

These hold for the simulator, because there a node is never faster than alone and no capacity is exceeded. The
GIL counts only as far as it was measured.
"""

from __future__ import annotations

from itertools import accumulate, compress
from operator import add
from typing import TYPE_CHECKING, NamedTuple

from makespan.order import bottom_levels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan_optimizer.instance import Instance

# Steps spent on one bound: with many nodes fewer values of r are tried (any subset of them is valid).
_STEPS = 500_000


class Bound(NamedTuple):
    """A lower bound in ticks, and what it comes from: ``critical path``, ``GIL``, ``lock db`` and so on."""

    name: str
    ticks: float


def lower_bounds(instance: Instance, budget: int) -> list[Bound]:
    """Return all bounds, the largest first; among equals the critical path before resources.

    >>> from makespan.structure import build
    >>> from makespan_optimizer.instance import instance_from
    >>> five = build("ABCDE", ["", "A", "A", "A", "CD"])
    >>> lower_bounds(instance_from(five, [1, 1, 1, 1, 1]), budget=2)[0].ticks
    3.0
    """
    if not len(instance):
        return [Bound("critical path", 0.0)]
    s = instance.structure
    alone = sum(w for w, only in zip(instance.wall, s.exclusive, strict=True) if only)
    wall = [0 if only else w for w, only in zip(instance.wall, s.exclusive, strict=True)]
    tails_with = bottom_levels(s, wall)
    heads = heads_of(instance, wall)
    tails = [level - w for level, w in zip(tails_with, wall, strict=True)]
    found = [
        Bound("critical path", max(tails_with)),
        Bound("threads", max(_energy(heads, tails, wall, budget), _pigeonholes(wall, budget))),
        Bound("cores", _energy(heads, tails, _work(wall, instance.core), instance.capacity)),
        Bound("GIL", _energy(heads, tails, _work(wall, instance.gil_sure), 1000)),
    ]
    for lock in sorted({lock for some in s.locks for lock in some}):
        work = [w if lock in some else 0 for w, some in zip(wall, s.locks, strict=True)]
        found.append(Bound(f"lock {lock}", _energy(heads, tails, work, 1)))
    found = [Bound(_name(bound, alone), bound.ticks + alone) for bound in found]
    return sorted(found, key=lambda bound: -bound.ticks)


def heads_of(instance: Instance, wall: Sequence[int]) -> list[int]:
    """Return the earliest start of each node, with threads for all; unit as `wall`."""
    preds = instance.structure.preds
    heads = [0] * len(wall)
    for i in instance.structure.order:
        heads[i] = max((heads[p] + wall[p] for p in preds[i]), default=0)
    return heads


def _name(bound: Bound, alone: int) -> str:
    return "exclusive nodes" if alone > bound.ticks else bound.name


def _work(wall: Sequence[int], demand: Sequence[int]) -> list[int]:
    return [w * d for w, d in zip(wall, demand, strict=True)]


def _energy(heads: Sequence[float], tails: Sequence[float], work: Sequence[int], capacity: int) -> float:
    """Return the largest r + t + (work of nodes with head ≥ r and tail ≥ t) / capacity."""
    rows = sorted(((tails[i], heads[i], work[i]) for i in range(len(work)) if work[i]), reverse=True)
    # Times the capacity, so that the loop adds whole numbers only.
    scaled = [tail * capacity for tail, _, _ in rows]
    at = [head for _, head, _ in rows]
    amounts = [amount for _, _, amount in rows]
    starts = sorted(set(at))
    most = max(8, _STEPS // (len(rows) + 1))
    if len(starts) > most:
        starts = [starts[i * len(starts) // most] for i in range(most)]
    best = 0.0
    for r in starts:
        late = [head >= r for head in at]
        totals = accumulate(compress(amounts, late))
        best = max(best, r + max(map(add, compress(scaled, late), totals)) / capacity)
    return best


def _pigeonholes(wall: Sequence[int], budget: int) -> float:
    """Of the h·k + 1 longest nodes some thread gets h + 1: at least the h + 1 shortest of them."""
    longest = sorted(wall, reverse=True)
    best = 0
    for h in range(1, (len(longest) - 1) // budget + 1):
        best = max(best, sum(longest[h * budget - h : h * budget + 1]))
        if h > 50:
            break
    return float(best)
