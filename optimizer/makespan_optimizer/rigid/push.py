"""Push a schedule to the left or to the right: each node as far as it goes from where it is.

Nodes are taken by rising start, and each is placed at the earliest moment from which it fits among those
already placed. Where it is now it always fits: what was placed before has only moved away from there. So no
push lengthens a schedule, and pushing to and fro usually shortens it (double justification: Valls,
Ballestín & Quintanilla 2005). A node looks no further than `reach` changes of the profile ahead of itself,
which keeps the work linear in the number of nodes.

All resources are packed into one integer, as in `makespan_optimizer.rigid.lists`.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import repeat
from operator import lshift, or_
from typing import TYPE_CHECKING

from makespan_optimizer.rigid.lists import makespan_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan_optimizer.rigid.problem import Problem

_STEPS = 20_000_000  # changes looked at by all nodes together in a push, at most; about two seconds
_LEAST_REACH = 40
_PULSE = 256  # nodes placed between two looks at the clock


def _never() -> bool:
    return False


class Pusher:
    """A problem made ready for pushes in both directions.

    Parameters
    ----------
    problem : Problem
    reach : int, optional
        How many changes of the profile a node looks ahead of itself; by the number of nodes when omitted.

    >>> from makespan_optimizer.rigid.problem import problem_from
    >>> Pusher(problem_from([2, 1, 4], [[], [0], []])).right([0, 2, 0])
    [1, 3, 0]
    """

    __slots__ = ("_after", "_back", "_base", "_before", "_demand", "_guards", "_places", "_reach", "problem")

    def __init__(self, problem: Problem, reach: int | None = None) -> None:
        self.problem = problem
        n = len(problem)
        self._reach = max(_LEAST_REACH, _STEPS // (n + 1)) if reach is None else reach
        self._base, self._guards, self._demand = 0, 0, [0] * n
        shift = 0
        for _, capacity, demand in problem.resources:
            width = capacity.bit_length()
            self._base |= ((1 << width) - 1 - capacity) << shift
            self._guards |= 1 << (shift + width)
            self._demand = list(map(or_, self._demand, map(lshift, demand, repeat(shift))))
            shift += width + 1
        place = [0] * n
        for k, i in enumerate(problem.order):
            place[i] = k
        self._places = place, [n - k for k in place]

    def left(self, start: Sequence[int], over: Callable[[], bool] = _never) -> list[int]:
        """Return the schedule pushed to the left; it begins at 0. When it is over before: as it was."""
        return self._push(start, self.problem.preds, self._places[0], over)

    def right(self, start: Sequence[int], over: Callable[[], bool] = _never) -> list[int]:
        """Return the schedule pushed to the right, and then begun at 0. When it is over before: as it was."""
        turned = mirrored(self.problem, start)
        return mirrored(self.problem, self._push(turned, self.problem.succs, self._places[1], over))

    def _push(
        self,
        start: Sequence[int],
        preds: Sequence[Sequence[int]],
        place: Sequence[int],
        over: Callable[[], bool],
    ) -> list[int]:
        wall, demand, guards = self.problem.wall, self._demand, self._guards
        n, reach = len(wall), self._reach
        found = [0] * n
        end = [0] * n
        # In use from times[k] to times[k + 1]; after the last nothing is.
        times = [0, max(map(int.__add__, start, wall), default=0) + 1]
        used = [self._base, self._base]
        for number, i in enumerate(sorted(range(n), key=lambda i: (start[i], place[i]))):
            if not number % _PULSE and over():
                return list(start)
            at = max([end[p] for p in preds[i]]) if preds[i] else 0
            length, wanted = wall[i], demand[i]
            till = at + length
            if length and wanted:
                first = bisect_right(times, at) - 1
                if first + reach < len(times):
                    near = bisect_right(times, start[i]) - 1 - reach
                    if near > first:
                        first = near
                        at = times[first]
                        till = at + length
                k = first
                while times[k] < till:
                    if used[k] + wanted & guards:
                        first = k = k + 1
                        at = times[k]
                        till = at + length
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
            found[i] = at
            end[i] = till
        return found


def mirrored(problem: Problem, start: Sequence[int]) -> list[int]:
    """Return a schedule with time reversed."""
    makespan = makespan_of(problem, start)
    return [makespan - s - w for s, w in zip(start, problem.wall, strict=True)]
