"""List scheduling: from a ranking of the nodes to a schedule.

- *parallel*: time runs forward; at each moment the best-ranked ready node that fits starts. No schedule of it
  idles while something could start, which is what a dispatcher does.
- *serial*: the nodes are placed one after the other, best-ranked first, each at its earliest feasible time,
  also before what is placed already. Some order of the nodes gives an optimal schedule, which is not so for
  the parallel scheme (Kolisch 1996).

Nodes of no duration demand nothing, and start as soon as their predecessors have ended.
"""

from __future__ import annotations

from bisect import bisect_right
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from makespan_optimizer.rigid.parallel import by_bits, by_class, fields_of, threads_alone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan_optimizer.rigid.problem import Problem

# With more distinct demands than this, and some for every 1,000 nodes, sets of nodes are bits of an integer.
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

    __slots__ = ("_fields", "parallel", "problem")

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._fields = fields_of(problem)
        self.parallel: Callable[[Sequence[int]], list[int]] = self._choose()

    def _choose(self) -> Callable[[Sequence[int]], list[int]]:
        problem, fields = self.problem, self._fields
        n = len(problem)
        if not problem.resources:
            return lambda ranks: threads_alone(problem, n, ranks)
        if len(problem.resources) == 1 and problem.resources[0].demand.count(1) == n:
            capacity = problem.resources[0].capacity
            return lambda ranks: threads_alone(problem, capacity, ranks)
        if len(set(fields.demand)) <= _CLASSES + _CLASSES_PER_1000 * n // 1000:
            return lambda ranks: by_class(problem, fields, ranks)
        return lambda ranks: by_bits(problem, ranks)

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
        wall, preds = self.problem.wall, self.problem.preds
        base, guards, demand = self._fields
        start = [0] * len(wall)
        end = [0] * len(wall)
        # In use from times[k] to times[k + 1]; after the last node nothing is.
        times = [0, sum(wall) + 1]
        used = [base, base]
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
