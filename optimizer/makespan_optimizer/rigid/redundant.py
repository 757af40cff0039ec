"""Resources that follow from others: no schedule breaks them, yet bounds on them are stronger.

- *rounded demands*: of a capacity of 10, nodes that demand 6 can never run two at a time, so each of them
  takes all of it. Functions that keep sums of at most one at most one (dual feasible functions; Lueker 1983,
  Carlier & Néron 2007) say what else follows.
- *nodes that exclude each other*: pairs that demand more than there is of something, or that a path joins,
  never run together. A set of nodes of which each pair is such a pair is a machine for one node at a time.
"""

from __future__ import annotations

from itertools import starmap
from typing import TYPE_CHECKING

from makespan_optimizer.rigid.problem import Resource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from makespan_optimizer.rigid.problem import Problem

_MOST_SHARES = 6
_MOST_STEPS = 5
_KINDS = 150
_FIRST = 20


def rounded(resource: Resource) -> list[Resource]:
    """Return resources that follow from one, without those that say the same.

    >>> [r.demand for r in rounded(Resource("cores", 10, (6, 5, 3)))]
    [(10, 5, 0), (1, 0, 0), (1, 1, 0), (2, 1, 1), (2, 2, 1), (3, 2, 1), (4, 3, 2)]
    """
    found: dict[tuple[int, ...], int] = {}
    for size, turned in ways(resource):
        there = tuple([turned[d] for d in resource.demand])
        if there != resource.demand:
            found.setdefault(there, size)
    return [Resource(resource.name, size, there) for there, size in found.items()]


def ways(resource: Resource) -> list[tuple[int, dict[int, int]]]:
    """Return capacities, and what each demand becomes with them; no such map leaves nothing to do."""
    _, capacity, demand = resource
    distinct = sorted(set(demand))
    cuts = {d for d in distinct if 0 < 2 * d <= capacity}
    cuts |= {capacity - d + 1 for d in distinct if 0 < 2 * (capacity - d + 1) <= capacity}
    found = [(capacity, {d: _cut(d, capacity, least) for d in distinct}) for least in sorted(cuts)]
    found += [(k, {d: _share(d, capacity, k) for d in distinct}) for k in range(1, _MOST_SHARES + 1)]
    return [(size, turned) for size, turned in found if any(turned.values())]


def staircases(resource: Resource) -> list[tuple[int, dict[int, int]]]:
    """Return more such capacities and maps; they leave no demand out, and seldom say more than `ways`.

    More than half counts as all, half as half; and x ↦ ⌊(k + 1) x⌋ / k, but x itself where (k + 1) x is whole
    (Fekete & Schepers 2001).
    """
    _, capacity, demand = resource
    distinct = sorted(set(demand))
    halves = {d: 2 * (2 * d > capacity) + (2 * d == capacity) for d in distinct}
    steps = range(2, _MOST_STEPS + 1)
    return [(2, halves), *[(k * capacity, {d: _staircase(d, capacity, k) for d in distinct}) for k in steps]]


def _staircase(demand: int, capacity: int, k: int) -> int:
    whole, rest = divmod((k + 1) * demand, capacity)
    return whole * capacity if rest else k * demand


def _cut(demand: int, capacity: int, least: int) -> int:
    """Demands below `least` count nothing; those that leave less than `least` count all there is."""
    if demand > capacity - least:
        return capacity
    return 0 if demand < least else demand


def _share(demand: int, capacity: int, k: int) -> int:
    """Of k units, the most that are sure: each counts less than (k + 1) × demand / capacity."""
    return -(-(k + 1) * demand // capacity) - 1 if demand else 0


def excluding(problem: Problem) -> list[int]:
    """Return for each node the set of nodes, as bits, that never run together with it."""
    n = len(problem)
    after = [0] * n
    for i in reversed(problem.order):
        for s in problem.succs[i]:
            after[i] |= after[s] | 1 << s
    found = after.copy()
    for i, some in enumerate(after):
        for j in _members(some):
            found[j] |= 1 << i
    for _, capacity, demand in problem.resources:
        users = sorted((d, i) for i, d in enumerate(demand) if d)
        if len(users) < 2 or users[-1][0] + users[-2][0] <= capacity:
            continue
        # As the demand grows, more nodes are too large to go beside it.
        large, k = 0, len(users)
        for d, i in users:
            while k and users[k - 1][0] + d > capacity:
                k -= 1
                large |= 1 << users[k][1]
            found[i] |= large & ~(1 << i)
    return found


def _members(some: int) -> Iterator[int]:
    while some:
        yield some.bit_length() - 1
        some ^= 1 << (some.bit_length() - 1)


def machines(wall: Sequence[int], exclusive: Sequence[int]) -> list[tuple[int, ...]]:
    """Return sets of nodes that exclude each other, grown from each node by the longest that goes with all.

    Parameters
    ----------
    wall : sequence of int, shape (n,)
    exclusive : sequence of int, shape (n,)
        Of `excluding`.
    """
    longest = sorted(starmap(lambda i, w: (-w, i), enumerate(wall)))
    by_length = [i for w, i in longest if w]
    found: dict[tuple[int, ...], None] = {}
    for first in by_length:
        members, left = [first], exclusive[first]
        for j in by_length:
            if left >> j & 1:
                members.append(j)
                left &= exclusive[j]
        if len(members) > 1:
            found[tuple(sorted(members))] = None
    return list(found)


def machines_of_kinds(problem: Problem) -> list[Resource]:
    """Return resources for sets of demands of which no two, the same included, fit beside each other.

    The same as `machines` for problems with too many nodes to look at all pairs; paths are not looked at.
    """
    capacities = [r.capacity for r in problem.resources]
    demands = list(zip(*[r.demand for r in problem.resources], strict=True))
    weight: dict[tuple[int, ...], int] = {}
    for demand, w in zip(demands, problem.wall, strict=True):
        weight[demand] = weight.get(demand, 0) + w

    def apart(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
        return any(x + y > most for x, y, most in zip(one, other, capacities, strict=True))

    kinds = sorted((kind for kind in weight if apart(kind, kind)), key=lambda kind: (-weight[kind], kind))
    kinds = kinds[:_KINDS]
    exclusive = [sum(1 << k for k, other in enumerate(kinds) if apart(kind, other)) for kind in kinds]
    found: dict[int, Resource] = {}
    for first in range(min(_FIRST, len(kinds))):
        members, left = 1 << first, exclusive[first]
        for k in range(len(kinds)):
            if k != first and left >> k & 1:
                members |= 1 << k
                left &= exclusive[k]
        if members not in found:
            inside = {kind for k, kind in enumerate(kinds) if members >> k & 1}
            found[members] = Resource("", 1, tuple([int(demand in inside) for demand in demands]))
    return list(found.values())
