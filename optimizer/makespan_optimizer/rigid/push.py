"""Push a schedule to the left or to the right: each node as far as it goes from where it is.

Nodes are taken by rising start, and each is placed at the earliest moment from which it fits among those
already placed. Where it is now it always fits: what was placed before has only moved away from there. So no
push lengthens a schedule, and pushing to and fro usually shortens it (double justification: Valls,
Ballestín & Quintanilla 2005). A node looks no further than `reach` changes of the profile ahead of itself,
which keeps the work linear in the number of nodes.

All resources are packed into one integer (`makespan_optimizer.rigid.parallel.Fields`). Nine tenths of the
moments that a node looks at have no room for it, so the profile is kept in blocks with the least use of each
resource in them: where that leaves no room, the block is passed over.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from makespan_optimizer.rigid.lists import makespan_of
from makespan_optimizer.rigid.parallel import fields_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan_optimizer.rigid.parallel import Fields
    from makespan_optimizer.rigid.problem import Problem

_STEPS = 20_000_000  # changes looked at by all nodes together in a push, at most; about two seconds
_LEAST_REACH = 40
_PULSE = 256  # nodes placed between two looks at the clock
_BLOCK = 64  # changes in a block at most; then it is halved
_STALE = 8  # a block that changed more often is looked at again before it is searched


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

    __slots__ = ("_fields", "_places", "_reach", "problem")

    def __init__(self, problem: Problem, reach: int | None = None) -> None:
        self.problem = problem
        n = len(problem)
        self._reach = max(_LEAST_REACH, _STEPS // (n + 1)) if reach is None else reach
        self._fields = fields_of(problem)
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
        wall, demand = self.problem.wall, self._fields.demand
        n = len(wall)
        found = [0] * n
        end = [0] * n
        profile = Profile(self._fields, makespan_of(self.problem, start) + 1, self._reach)
        put = profile.put
        for number, i in enumerate(sorted(range(n), key=lambda i: (start[i], place[i]))):
            if not number % _PULSE and over():
                return list(start)
            at = max([end[p] for p in preds[i]]) if preds[i] else 0
            if wall[i] and demand[i]:
                at = put(at, wall[i], demand[i], start[i])
            found[i] = at
            end[i] = at + wall[i]
        return found


class Profile:
    """How much of each resource is in use over time, in blocks.

    Attributes
    ----------
    first : list of int, shape (blocks,)
        When each block begins.
    times, used : list of list of int
        For each block, in use from times[k] to times[k + 1] or the beginning of the next block.
    least : list of int, shape (blocks,)
        No more of any resource than is in use anywhere in the block: use only ever grows.
    stale : list of int, shape (blocks,)
        Changes since `least` was exact.
    """

    __slots__ = ("first", "guards", "least", "reach", "stale", "times", "used", "width")

    def __init__(self, fields: Fields, horizon: int, reach: int) -> None:
        self.guards = fields.guards
        self.width = (fields.guards & -fields.guards).bit_length() - 1
        self.reach = -(-reach // _BLOCK)
        self.first = [0]
        self.times = [[0, horizon]]
        self.used = [[fields.base, fields.base]]
        self.least = [fields.base]
        self.stale = [0]

    def put(self, at: int, length: int, wanted: int, latest: int) -> int:
        """Use so much from the first moment from which it fits, `at` or later; return that moment.

        Parameters
        ----------
        at, length, wanted : int
        latest : int
            A moment from which it fits.
        """
        first, all_times, all_used, guards = self.first, self.times, self.used, self.guards
        b = bisect_right(first, at) - 1
        if b + self.reach + 1 < len(first):
            near = bisect_right(first, latest) - 1 - self.reach
            if near > b:
                b, at = near, first[near]
        k = bisect_right(all_times[b], at) - 1
        while True:
            # The first piece that has room, from here on.
            times, used = all_times[b], all_used[b]
            size = len(used)
            while k < size and used[k] + wanted & guards:
                k += 1
            if k == size:
                b, k = self._roomy(b + 1, wanted), 0
                at = first[b]
                continue
            if times[k] > at:  # noqa: PLR1730 (max takes twice as long)
                at = times[k]
            # It should last.
            till = at + length
            c, m = b, k
            while True:
                m += 1
                if m == size:
                    c, m = c + 1, 0
                    times, used = all_times[c], all_used[c]
                    size = len(used)
                if times[m] >= till:
                    self._use(b, k, at, c, m, till, wanted)
                    return at
                if used[m] + wanted & guards:
                    break
            b, k = c, m

    def _roomy(self, b: int, wanted: int) -> int:
        """Return the first block from b on that may have room."""
        least, stale, guards = self.least, self.stale, self.guards
        while True:
            while least[b] + wanted & guards:
                b += 1
            if stale[b] <= _STALE:
                return b
            self._refresh(b)

    def _refresh(self, b: int) -> None:
        """Make the least of a block exact: field by field, the smaller of two."""
        guards, width = self.guards, self.width
        least, *others = self.used[b]
        for used in others:
            not_less = (least | guards) - used & guards
            least ^= (least ^ used) & (not_less - (not_less >> width))
        self.least[b], self.stale[b] = least, 0

    def _use(self, b: int, k: int, at: int, c: int, m: int, till: int, wanted: int) -> None:
        """Add to what is in use from `at`, in piece k of block b, to `till`, no later than piece m of c."""
        if self.times[c][m] > till:
            if not m:
                c -= 1
                m = len(self.times[c])
            self.times[c].insert(m, till)
            self.used[c].insert(m, self.used[c][m - 1])
        if self.times[b][k] < at:
            k += 1
            self.times[b].insert(k, at)
            self.used[b].insert(k, self.used[b][k - 1])
            m += b == c
        for d in range(b, c + 1):
            used = self.used[d]
            self.stale[d] += 1
            for j in range(k if d == b else 0, m if d == c else len(used)):
                used[j] += wanted
        for d in range(c, b - 1, -1):
            if len(self.times[d]) > _BLOCK:
                self._halve(d)

    def _halve(self, d: int) -> None:
        times, used, half = self.times[d], self.used[d], len(self.times[d]) // 2
        self.times[d : d + 1] = times[:half], times[half:]
        self.used[d : d + 1] = used[:half], used[half:]
        self.first.insert(d + 1, times[half])
        self.least.insert(d + 1, self.least[d])
        self.stale[d] = _BLOCK
        self.stale.insert(d + 1, _BLOCK)


def mirrored(problem: Problem, start: Sequence[int]) -> list[int]:
    """Return a schedule with time reversed."""
    makespan = makespan_of(problem, start)
    return [makespan - s - w for s, w in zip(start, problem.wall, strict=True)]
