"""Lower bounds of large problems from how demands fit together, beyond work divided by capacity.

Dual feasible functions change each demand such that whatever fitted together still fits; then work by the
new demands bounds the makespan as well. Of a capacity 10, two nodes of demand 6 never overlap: counting each
as 10 (and what is below 5 as nothing) says so, work does not. (Fekete & Schepers 2001; for projects Carlier &
Néron 2003.) For each resource the function that promises most is sharpened by heads and tails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from makespan_optimizer.rigid.energy import Bound, energy, heads_of, tails_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from makespan_optimizer.rigid.problem import Problem, Resource

_STEPS = 5  # of the staircase functions
_THRESHOLDS = 8


class Packing(NamedTuple):
    """Changed demands, and the capacity in the same measure."""

    demand: list[int]
    capacity: int


def packing_bounds(problem: Problem, over: Callable[[], bool] | None = None) -> list[Bound]:
    """Return bounds that packing gives, the largest first; none where it can give nothing.

    >>> from makespan_optimizer.rigid.problem import Resource, problem_from
    >>> three = problem_from([5, 5, 5], [[], [], []], [Resource("cores", 10, (6, 6, 6))])
    >>> packing_bounds(three)[0]
    Bound(name='cores', ticks=15)
    """
    if all(max(r.demand, default=0) == 1 < r.capacity for r in problem.resources):
        return []  # threads alone: unit demands fit as they come
    heads, tails = heads_of(problem), tails_of(problem)
    found = []
    for resource in problem.resources:
        packing = max(_packings(resource), key=lambda its: _total(problem, its))
        if over is not None and over():
            break
        work = list(map(int.__mul__, problem.wall, packing.demand))
        found.append(Bound(resource.name, energy(heads, tails, work, packing.capacity)))
    return sorted(found, key=lambda bound: -bound.ticks)


def _total(problem: Problem, packing: Packing) -> float:
    return sum(map(int.__mul__, problem.wall, packing.demand)) / packing.capacity


def _packings(resource: Resource) -> Iterator[Packing]:
    """Yield what dual feasible functions make of the demands of a resource."""
    demand, capacity = resource.demand, resource.capacity
    # More than half counts as all of it, half as half.
    yield Packing([2 * (2 * d > capacity) + (2 * d == capacity) for d in demand], 2)
    for k in range(2, _STEPS + 1):
        # x ↦ ⌊(k + 1) x⌋ / k, and x itself where (k + 1) x is whole.
        changed = []
        for d in demand:
            whole, rest = divmod((k + 1) * d, capacity)
            changed.append(whole * capacity if rest else k * d)
        yield Packing(changed, k * capacity)
    # Nothing below a threshold, all of it where only less than that is left.
    small = sorted({d for d in demand if 0 < 2 * d <= capacity})
    step = max(1, len(small) // _THRESHOLDS)
    for least in small[::step]:
        changed = [capacity if d > capacity - least else d if d >= least else 0 for d in demand]
        yield Packing(changed, capacity)
