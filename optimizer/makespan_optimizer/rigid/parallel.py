"""The parallel scheme of list scheduling, in three ways that give the same schedule.

At each moment the best-ranked ready node that fits starts. Which way is fastest depends on how many different
demands there are: one of a single resource, a few (a heap for each), or many (sets of nodes as bits).
"""

from __future__ import annotations

from bisect import bisect_right
from heapq import heapify, heappop, heappush
from itertools import repeat
from operator import lshift, or_
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan_optimizer.rigid.problem import Problem


class Fields(NamedTuple):
    """All resources packed into one integer, a field each with a guard bit above it; fields are equally wide.

    Attributes
    ----------
    base : int
        What counts as in use when nothing is: fields are filled up to their capacity.
    guards : int
        A demand fits when adding it to what is in use sets none of these bits.
    demand : list of int, shape (n,)
    """

    base: int
    guards: int
    demand: list[int]


def fields_of(problem: Problem) -> Fields:
    """Pack the resources of a problem.

    >>> from makespan_optimizer.rigid.problem import Resource, problem_from
    >>> fields_of(problem_from([1, 1], [[], []], [Resource("lock", 1, (1, 1))]))
    Fields(base=0, guards=2, demand=[1, 1])
    """
    base, guards, shift = 0, 0, 0
    packed = [0] * len(problem)
    width = max((r.capacity for r in problem.resources), default=0).bit_length()
    for _, capacity, demand in problem.resources:
        base |= ((1 << width) - 1 - capacity) << shift
        guards |= 1 << (shift + width)
        packed = list(map(or_, packed, map(lshift, demand, repeat(shift))))
        shift += width + 1
    return Fields(base, guards, packed)


def threads_alone(problem: Problem, capacity: int, ranks: Sequence[int]) -> list[int]:
    """Schedule nodes that demand one thread each: two heaps of plain integers."""
    wall, succs = problem.wall, problem.succs
    n = len(wall)
    bits = n.bit_length()
    mask = (1 << bits) - 1
    size = 1 << bits
    key = [rank * size + i for i, rank in enumerate(ranks)]
    last = [w * size + i for i, w in enumerate(wall)]
    waiting = list(map(len, problem.preds))
    start = [0] * n  # shifted, as are the ends and the moment
    ends: list[int] = []
    ready = [key[i] for i in range(n) if not waiting[i] and wall[i]]
    heapify(ready)
    at_once = [i for i in range(n) if not waiting[i] and not wall[i]]
    for i in at_once:  # grows
        for j in succs[i]:
            waiting[j] -= 1
            if not waiting[j]:
                if wall[j]:
                    heappush(ready, key[j])
                else:
                    at_once.append(j)
    free = capacity
    now = 0
    while True:
        while free and ready:
            i = heappop(ready) & mask
            start[i] = now
            heappush(ends, now + last[i])
            free -= 1
        if not ends:
            return [at >> bits for at in start]
        end = heappop(ends)
        i = end & mask
        now = end ^ i
        until = end | mask
        while True:  # all that end at this moment
            free += 1
            for j in succs[i]:
                left = waiting[j] - 1
                if left:
                    waiting[j] = left
                elif wall[j]:
                    heappush(ready, key[j])
                else:
                    start[j] = now
                    heappush(ends, now | j)
                    free -= 1
            if not ends or ends[0] > until:
                break
            i = heappop(ends) & mask


def by_class(problem: Problem, fields: Fields, ranks: Sequence[int]) -> list[int]:
    """Keep a heap of ready nodes for each distinct demand; of those that fit, take the best top."""
    used, guards, demand = fields
    wall, succs = problem.wall, problem.succs
    n = len(wall)
    bits = n.bit_length()
    mask = (1 << bits) - 1
    key = list(map(or_, map(lshift, ranks, repeat(bits)), range(n)))
    distinct = sorted(set(demand))
    numbers = {wanted: c for c, wanted in enumerate(distinct)}
    which = [numbers[wanted] for wanted in demand]
    heaps: list[list[int]] = [[] for _ in distinct]
    fitting: dict[int, list[tuple[list[int], int]]] = {}
    waiting = list(map(len, problem.preds))
    start = [0] * n
    ends: list[int] = []
    now = 0
    done = [i for i in range(n) if not waiting[i]]
    fresh = [i for i in done if wall[i]]
    done = [i for i in done if not wall[i]]
    while True:
        for i in done:  # grows while nodes of no duration come up
            for j in succs[i]:
                waiting[j] -= 1
                if not waiting[j]:
                    if wall[j]:
                        fresh.append(j)
                    else:
                        start[j] = now
                        done.append(j)
        for i in fresh:
            heappush(heaps[which[i]], key[i])
        fresh.clear()
        while True:
            some = fitting.get(used)
            if some is None:
                fitting[used] = some = [
                    (heaps[c], wanted) for c, wanted in enumerate(distinct) if not used + wanted & guards
                ]
            tops = [(heap[0], wanted, heap) for heap, wanted in some if heap]
            if not tops:
                break
            _, wanted, heap = min(tops) if len(tops) > 1 else tops[0]
            i = heappop(heap) & mask
            start[i] = now
            heappush(ends, (now + wall[i]) << bits | i)
            used += wanted
        if not ends:
            return start
        now = ends[0] >> bits
        done = []
        while ends and ends[0] >> bits == now:
            i = heappop(ends) & mask
            used -= demand[i]
            done.append(i)


def by_bits(problem: Problem, ranks: Sequence[int]) -> list[int]:
    """Let a bit stand for a node, the best-ranked highest: of the ready that fit, the highest starts."""
    wall, succs = problem.wall, problem.succs
    n = len(wall)
    by_bit = sorted(range(n), key=ranks.__getitem__)[::-1]
    if n and len(set(ranks)) < n:
        by_bit = sorted(range(n), key=lambda i: (-ranks[i], -i))
    place = [0] * n
    for bit, i in enumerate(by_bit):
        place[i] = bit
    tables = [(*_fitting(r.demand, by_bit), r.demand) for r in problem.resources]
    free = [resource.capacity for resource in problem.resources]
    count = range(len(free))
    shift = n.bit_length()
    mask = (1 << shift) - 1
    waiting = list(map(len, problem.preds))
    start = [0] * n
    ends: list[int] = []
    ready = now = 0
    done = []
    for i in range(n):
        if not waiting[i]:
            if wall[i]:
                ready |= 1 << place[i]
            else:
                done.append(i)
    while True:
        for i in done:  # grows while nodes of no duration come up
            for j in succs[i]:
                waiting[j] -= 1
                if not waiting[j]:
                    if wall[j]:
                        ready |= 1 << place[j]
                    else:
                        start[j] = now
                        done.append(j)
        fit = ready
        while fit:
            for (levels, masks, _), left in zip(tables, free, strict=True):
                fit &= masks[bisect_right(levels, left)]
            if not fit:
                break
            bit = fit.bit_length() - 1
            i = by_bit[bit]
            ready ^= 1 << bit
            fit ^= 1 << bit
            start[i] = now
            heappush(ends, (now + wall[i]) << shift | i)
            for r in count:
                free[r] -= tables[r][2][i]
        if not ends:
            return start
        now = ends[0] >> shift
        done = []
        while ends and ends[0] >> shift == now:
            i = heappop(ends) & mask
            for r in count:
                free[r] += tables[r][2][i]
            done.append(i)


def _fitting(demand: Sequence[int], by_bit: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return sorted distinct demands, and for each count of them the set of nodes that demand no more."""
    levels = sorted(set(demand))
    size = len(by_bit) // 8 + 1
    rows = {level: bytearray(size) for level in levels}
    for bit, i in enumerate(by_bit):
        rows[demand[i]][bit >> 3] |= 1 << (bit & 7)
    masks = [0]
    for level in levels:
        masks.append(masks[-1] | int.from_bytes(rows[level], "little"))
    return levels, masks
