"""Window squeeze: a long schedule is shortened piece by piece, each by an exact solver.

    before   fixed ████▌ free nodes ▐████ moves with the end
    after    fixed ████▌ free  ▐████ moves with the end

A sweep goes through a schedule from left to right. What starts before the window stands still; what starts
after it was pushed to the right as far as it goes, and moves as one piece with the makespan; the nodes
between are free. Whatever a window gains, the whole schedule gains, and what is right of it keeps its shape.

Invariant: fixed nodes at their starts and all others counted back from the makespan are a feasible schedule.
A window may shorten it only so far that no moving node passes its origin, and that no fixed node which
reaches beyond its right edge comes into conflict there.

Large neighbourhood search on time windows: Palpant, Artigues & Michelon 2004; justification: Valls,
Ballestín & Quintanilla 2005.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from makespan_optimizer.model.request import Block, Request, request_of
from makespan_optimizer.rigid.check import violations
from makespan_optimizer.rigid.lists import makespan_of
from makespan_optimizer.rigid.problem import Problem, Resource, problem_from

if TYPE_CHECKING:
    from collections.abc import Sequence

# A node is free when it ends no later than this many widths of the window after its right edge.
_OVERHANG = 1.0
# How much of its width a window may be shortened by at once: beyond, more of what moves had to be looked at.
_SQUEEZE = 0.5


class Window(NamedTuple):
    """Free nodes, and the problem of placing them; its times count from `origin`.

    Attributes
    ----------
    nodes : tuple of int
    problem : Problem
        Of these nodes, numbered from 0.
    hint, earliest, tail : list of int, shape (nodes,)
    blocks : list of Block
    origin : int
        The left edge.
    end, at_least : int
        The window's makespan now, and what it can be at least.
    """

    nodes: tuple[int, ...]
    problem: Problem
    hint: list[int]
    earliest: list[int]
    tail: list[int]
    blocks: list[Block]
    origin: int
    end: int
    at_least: int

    def request(
        self, wall_s: float, *, deterministic_s: float | None = None, seed: int = 0, workers: int = 2
    ) -> Request:
        """Return what the solver is to be asked."""
        return request_of(
            self.problem,
            self.hint,
            wall_s=wall_s,
            at_least=self.at_least,
            horizon=self.end,
            earliest=self.earliest,
            tail=self.tail,
            deterministic_s=deterministic_s,
            seed=seed,
            workers=workers,
            blocks=self.blocks,
        )

    def holds(self, start: Sequence[int], end: int) -> bool:
        """Say whether an answer is one: with it, the whole is a schedule."""
        wall = self.problem.wall
        if len(start) != len(wall) or not self.at_least <= end <= self.end:
            return False
        rows = zip(start, wall, self.earliest, self.tail, strict=True)
        if any(s < first or s + w + tail > end for s, w, first, tail in rows):
            return False
        blocks = self.blocks
        at = [end - block.start if block.moves else block.start for block in blocks]
        first = min([0, *at, *start])  # a moving block may begin before the window: then it is shifted
        resources = [
            Resource(r.name, r.capacity, (*r.demand, *(b.demand * (b.resource == k) for b in blocks)))
            for k, r in enumerate(self.problem.resources)
        ]
        together = problem_from(
            [*wall, *(block.wall for block in blocks)],
            [*self.problem.preds, *[()] * len(blocks)],
            resources,
        )
        return not violations(together, [s - first for s in (*start, *at)])


class Sweep:
    """One passage over a schedule.

    Parameters
    ----------
    problem : Problem
    start : sequence of int, shape (n,)
        A feasible schedule, best pushed to the right.
    bound : int
        A lower bound of the makespan.

    Attributes
    ----------
    makespan : int
        Of the schedule as it is now.
    """

    def __init__(self, problem: Problem, start: Sequence[int], bound: int = 0) -> None:
        self.problem = problem
        self.bound = bound
        self.makespan = makespan_of(problem, start)
        self._place = [0] * len(problem)
        for place, i in enumerate(problem.order):
            self._place[i] = place
        self._fixed = [False] * len(problem)
        self._at = list(start)  # of moving nodes: before all gains, so that their order never changes
        self._gained = 0
        self._moving = sorted((s, self._place[i], i) for i, s in enumerate(start))  # a heap
        self._taken: list[int] = []  # out of the heap for the window that is under way
        self._reaching: list[int] = []  # fixed nodes that end after the origin of the next window
        self._origin = 0

    @property
    def start(self) -> list[int]:
        """The schedule as it is now."""
        gained = self._gained
        return [at if fixed else at - gained for at, fixed in zip(self._at, self._fixed, strict=True)]

    def window(self, size: int) -> Window | None:
        """Return the next window of at most `size` nodes; None at the end of the sweep."""
        while len(self._taken) < size and self._moving:
            self._taken.append(heappop(self._moving)[2])
        if not self._taken:
            return None
        taken, wall = self._taken, self.problem.wall
        left = self._start(taken[0])
        right = self._moving[0][0] - self._gained if self._moving else self.makespan
        reach = right + round(_OVERHANG * (right - left))
        found = self._window([i for i in taken if self._start(i) + wall[i] <= reach], left)
        self._origin = left
        return found

    def advance(self, window: Window, start: Sequence[int] | None = None, end: int = 0) -> None:
        """Take over what the solver found for a window, fix its first half, and go on.

        Parameters
        ----------
        start : sequence of int or None
            Of the window's nodes, in the window's time; None: nothing was found.
        end : int
            The window's makespan in that solution.
        """
        if start is not None:
            gain = window.end - end
            self._gained += gain
            self.makespan -= gain
            for i, s in zip(window.nodes, start, strict=True):
                self._at[i] = window.origin + s + self._gained
        taken = sorted((self._at[i], self._place[i], i) for i in self._taken)
        edge = taken[len(taken) // 2][0]
        self._taken = []
        for row in taken:
            heappush(self._moving, row)
        first = True
        while self._moving and (first or self._moving[0][0] < edge):
            i = heappop(self._moving)[2]
            self._at[i] -= self._gained
            self._fixed[i] = True
            self._reaching.append(i)
            first = False
        if self._moving:  # the solver may have moved what comes next before the left edge
            self._origin = min(self._origin, self._moving[0][0] - self._gained)
        origin, wall = self._origin, self.problem.wall
        self._reaching = [i for i in self._reaching if self._at[i] + wall[i] > origin]

    def _start(self, i: int) -> int:
        return self._at[i] if self._fixed[i] else self._at[i] - self._gained

    def _window(self, free: list[int], left: int) -> Window:
        """Return the window of these nodes; without any, one that can gain nothing."""
        problem, wall, origin = self.problem, self.problem.wall, self._origin
        inside = {i: k for k, i in enumerate(free)}
        hint = [self._start(i) for i in free]
        right = max((s + wall[i] for i, s in zip(free, hint, strict=True)), default=origin)
        most = min(self.makespan - self.bound, round(_SQUEEZE * (right - left)))
        moving = [i for i in self._taken if i not in inside] + self._coming(right + most)
        most = max(0, min(most, self._room(moving, inside, right, most)))
        blocks = []
        for r, resource in enumerate(problem.resources):
            for i in self._reaching:
                start, end = max(self._at[i], origin), min(self._at[i] + wall[i], right)
                if resource.demand[i] and start < end:
                    blocks.append(Block(r, resource.demand[i], start - origin, end - start, moves=False))
            for i in moving:
                start = self._start(i)
                if resource.demand[i] and wall[i] and start < right + most:
                    blocks.append(Block(r, resource.demand[i], right - start, wall[i], moves=True))
        earliest, tail = [], []
        for i in free:
            ended = [self._at[p] + wall[p] for p in problem.preds[i] if self._fixed[p]]
            earliest.append(max(0, max(ended, default=0) - origin))
            begun = [self._start(s) for s in problem.succs[i] if s not in inside]
            tail.append(max(0, right - min(begun, default=right)))
        own = Problem(
            tuple(wall[i] for i in free),
            tuple(tuple(inside[p] for p in problem.preds[i] if p in inside) for i in free),
            tuple(tuple(inside[s] for s in problem.succs[i] if s in inside) for i in free),
            tuple(inside[i] for i in sorted(free, key=self._place.__getitem__)),
            tuple(Resource(r.name, r.capacity, tuple(r.demand[i] for i in free)) for r in problem.resources),
        )
        hint = [s - origin for s in hint]
        end = right - origin
        return Window(tuple(free), own, hint, earliest, tail, blocks, origin, end, end - most)

    def _coming(self, until: int) -> list[int]:
        """Return the nodes of the heap that start before a moment."""
        rows = []
        while self._moving and self._moving[0][0] - self._gained < until:
            rows.append(heappop(self._moving))
        for row in rows:
            heappush(self._moving, row)
        return [i for _, _, i in rows]

    def _room(self, moving: list[int], inside: dict[int, int], right: int, most: int) -> int:
        """Return by how much all that moves may come closer to what is fixed, as far as no window sees it."""
        wall, succs = self.problem.wall, self.problem.succs
        room = min((self._start(i) for i in moving), default=self.makespan) - self._origin
        room = min(room, most)
        beyond = []
        for i in self._reaching:
            end = self._at[i] + wall[i]
            room = min(room, self.makespan - end)
            starts = [self._start(s) for s in succs[i] if not self._fixed[s] and s not in inside]
            room = min(room, min(starts, default=end + room) - end)
            if end > right:
                beyond.append((end, i))
        if room <= 0 or not beyond:
            return room
        beyond.sort(reverse=True)
        seen = [*(i for i in self._taken if i not in inside), *self._coming(beyond[0][0] + room)]
        for resource in self.problem.resources:
            room = min(room, self._room_of(resource, beyond, seen, room))
        return room

    def _room_of(
        self, resource: Resource, beyond: list[tuple[int, int]], moving: list[int], room: int
    ) -> int:
        """Return how long after each end what moves leaves room for all that is fixed till then."""
        wall, demand = self.problem.wall, resource.demand
        events = []
        for i in moving:
            if demand[i] and wall[i]:
                start = self._start(i)
                events += [(start, demand[i]), (start + wall[i], -demand[i])]
        events.sort()
        fixed = 0
        for end, i in beyond:  # the last to end first: all before it are longer
            fixed += demand[i]
            used = 0
            for k, (at, change) in enumerate(events):
                used += change
                if at >= end + room:
                    break
                till = events[k + 1][0] if k + 1 < len(events) else at
                if till > max(at, end) and used + fixed > resource.capacity:
                    room = max(0, at - end)
                    break
        return room
