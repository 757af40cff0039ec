"""List scheduling: from a ranking of the nodes to a schedule.

- *parallel*: time runs forward; at each moment the best-ranked ready node that fits starts. No schedule of it
  idles while something could start, which is what a dispatcher does.
- *serial*: the nodes are placed one after the other, best-ranked first, each at its earliest feasible time,
  also before what is placed already. Some order of the nodes gives an optimal schedule, which is not so for
  the parallel scheme (Kolisch 1996).

Nodes of no duration demand nothing, and start as soon as their predecessors have ended.

All resources are packed into one integer, a field each with a guard bit above it: a demand fits when adding
it to what is in use sets no guard.
"""

from __future__ import annotations

from bisect import bisect_right
from heapq import heapify, heappop, heappush
from itertools import repeat
from operator import lshift, or_
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan_optimizer.rigid.problem import Problem

# With more distinct demands than this (and some for every 1,000 nodes), sets of nodes are bits of an integer.
_CLASSES = 8
_CLASSES_PER_1000 = 2


def list_schedule(problem: Problem, ranks: Sequence[int]) -> list[int]:
    """Return the starts of the parallel scheme.

    Parameters
    ----------
    problem : Problem
    ranks : sequence of int, shape (n,)
        The smallest starts first; among equals the smaller node.

    >>> from makespan_optimizer.rigid.problem import Resource, problem_from
    >>> list_schedule(problem_from([1, 2, 2], [[], [], []], [Resource("threads", 2, (1, 1, 1))]), [2, 0, 1])
    [2, 0, 0]
    """
    return Lists(problem).parallel(ranks)


def serial_schedule(problem: Problem, ranks: Sequence[int]) -> list[int]:
    """Return the starts of the serial scheme; of the nodes that may be next, the best-ranked is.

    >>> from makespan_optimizer.rigid.problem import Resource, problem_from
    >>> serial_schedule(problem_from([1, 2, 2], [[], [], []], [Resource("threads", 2, (1, 1, 1))]), [2, 0, 1])
    [2, 0, 0]
    """
    lists = Lists(problem)
    return lists.serial(lists.topological(ranks))


def makespan_of(problem: Problem, start: Sequence[int]) -> int:
    """Return when the last node ends."""
    return max(map(int.__add__, start, problem.wall), default=0)


class Lists:
    """A problem made ready for many list schedules.

    Attributes
    ----------
    problem : Problem
    parallel : callable
        From ranks to starts, by the parallel scheme.
    """

    __slots__ = ("_base", "_demand", "_guards", "parallel", "problem")

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        n = len(problem)
        self._base, self._guards, self._demand = 0, 0, [0] * n
        shift = 0
        for _, capacity, demand in problem.resources:
            width = capacity.bit_length()
            self._base |= ((1 << width) - 1 - capacity) << shift
            self._guards |= 1 << (shift + width)
            self._demand = list(map(or_, self._demand, map(lshift, demand, repeat(shift))))
            shift += width + 1
        self.parallel: Callable[[Sequence[int]], list[int]] = self._choose()

    def _choose(self) -> Callable[[Sequence[int]], list[int]]:
        problem = self.problem
        n = len(problem)
        if not problem.resources:
            return lambda _: _threads(problem, n, [0] * n)
        if len(problem.resources) == 1 and problem.resources[0].demand.count(1) == n:
            capacity = problem.resources[0].capacity
            return lambda ranks: _threads(problem, capacity, ranks)
        if len(set(self._demand)) <= _CLASSES + _CLASSES_PER_1000 * n // 1000:
            return self._by_class
        return self._by_bits

    def topological(self, ranks: Sequence[int]) -> list[int]:
        """Return the nodes by rank, as far as precedence allows."""
        problem = self.problem
        waiting = list(map(len, problem.preds))
        ready = [(ranks[i], i) for i, count in enumerate(waiting) if not count]
        heapify(ready)
        order = []
        while ready:
            i = heappop(ready)[1]
            order.append(i)
            for j in problem.succs[i]:
                waiting[j] -= 1
                if not waiting[j]:
                    heappush(ready, (ranks[j], j))
        return order

    def serial(self, order: Sequence[int]) -> list[int]:
        """Return the starts when nodes are placed in a topological order, each as early as it fits."""
        wall, preds, demand, guards = self.problem.wall, self.problem.preds, self._demand, self._guards
        start = [0] * len(wall)
        end = [0] * len(wall)
        # In use from times[k] to times[k + 1]; after the last node nothing is.
        times = [0, sum(wall) + 1]
        used = [self._base, self._base]
        for i in order:
            at = 0
            for p in preds[i]:
                if end[p] > at:  # noqa: PLR1730 (max takes twice as long)
                    at = end[p]
            till = at + wall[i]
            wanted = demand[i]
            if wanted and till > at:
                first = k = bisect_right(times, at) - 1
                while times[k] < till:
                    if used[k] + wanted & guards:
                        first = k = k + 1
                        at = times[k]
                        till = at + wall[i]
                    else:
                        k += 1
                if times[first] < at:
                    first += 1
                    k += 1
                    times.insert(first, at)
                    used.insert(first, used[first - 1])
                if times[k] > till:
                    times.insert(k, till)
                    used.insert(k, used[k - 1])
                for j in range(first, k):
                    used[j] += wanted
            start[i] = at
            end[i] = till
        return start

    def _by_class(self, ranks: Sequence[int]) -> list[int]:
        """Keep a heap of ready nodes for each distinct demand; of those that fit, take the best top."""
        problem, guards = self.problem, self._guards
        wall, succs = problem.wall, problem.succs
        n = len(wall)
        bits = n.bit_length()
        mask = (1 << bits) - 1
        key = list(map(or_, map(lshift, ranks, repeat(bits)), range(n)))
        distinct = sorted(set(self._demand))
        numbers = {wanted: c for c, wanted in enumerate(distinct)}
        which = [numbers[wanted] for wanted in self._demand]
        heaps: list[list[int]] = [[] for _ in distinct]
        fitting: dict[int, list[tuple[list[int], int]]] = {}
        waiting = list(map(len, problem.preds))
        start = [0] * n
        ends: list[int] = []
        used, now = self._base, 0
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
                used -= self._demand[i]
                done.append(i)

    def _by_bits(self, ranks: Sequence[int]) -> list[int]:
        """Let a bit stand for a node, the best-ranked highest: of the ready that fit, the highest starts."""
        problem = self.problem
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


def _threads(problem: Problem, capacity: int, ranks: Sequence[int]) -> list[int]:
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
