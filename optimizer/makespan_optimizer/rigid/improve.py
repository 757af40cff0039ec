"""Forward and backward passes over a schedule.

A schedule pushed to the right shows for each node the latest start that keeps the end: nodes that must start
early are urgent, however short they are. Scheduling backwards by latest end, and forwards again by latest
start, is the cheapest improvement there is (Li & Willis 1992; Valls, Ballestín & Quintanilla 2005). With the
serial scheme a pass never lengthens the schedule; with the parallel one it may.

A backward pass is a forward pass on the problem with time reversed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.preparing.order import ranks_by
from makespan_optimizer.rigid.lists import Lists, makespan_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan_optimizer.rigid.problem import Problem


class Passes:
    """A problem made ready for passes in both directions.

    Attributes
    ----------
    forward, backward : Lists
        Of the problem, and of the problem with time reversed.
    done : int
        Nodes placed so far, a measure of work.
    """

    __slots__ = ("backward", "done", "forward", "wall")

    def __init__(self, problem: Problem) -> None:
        self.wall = problem.wall
        self.forward = Lists(problem)
        self.backward = Lists(problem.backwards())
        self.done = 0

    def parallel(self, ranks: Sequence[int]) -> list[int]:
        """Return starts of the parallel scheme."""
        self.done += len(self.wall)
        return self.forward.parallel(ranks)

    def serial(self, order: Sequence[int]) -> list[int]:
        """Return starts of the serial scheme for a topological order."""
        self.done += len(self.wall)
        return self.forward.serial(order)

    def makespan(self, start: Sequence[int]) -> int:
        """Return when the last node ends."""
        return makespan_of(self.forward.problem, start)

    def order(self, start: Sequence[int]) -> list[int]:
        """Return the nodes by their starts, in a topological order also where some take no time."""
        return sorted(self.forward.problem.order, key=start.__getitem__)

    def latest(self, start: Sequence[int], *, serial: bool = False) -> list[int]:
        """Return the starts when the schedule is pushed to the right; the first may be above or below 0."""
        self.done += len(start)
        wall = self.wall
        n = len(start)
        if serial:
            end = [at + w for at, w in zip(start, wall, strict=True)]
            back = self.backward.serial(
                sorted(self.backward.problem.order, key=end.__getitem__, reverse=True)
            )
        else:
            back = self.backward.parallel(ranks_by([start[i] + wall[i] for i in range(n)]))
        length = self.makespan(back)
        return [length - at - w for at, w in zip(back, wall, strict=True)]

    def again(self, start: Sequence[int], *, serial: bool = False) -> list[int]:
        """Return the schedule after a pass to the right and one to the left."""
        late = self.latest(start, serial=serial)
        self.done += len(start)
        if serial:
            return self.forward.serial(self.order(late))
        return self.forward.parallel(ranks_by([-at for at in late]))

    def until_stuck(self, start: list[int], *, serial: bool = False, most: int = 10) -> list[int]:
        """Return the best of passes that are repeated as long as they shorten the schedule."""
        best = self.makespan(start)
        for _ in range(most):
            after = self.again(start, serial=serial)
            makespan = self.makespan(after)
            if makespan >= best:
                break
            start, best = after, makespan
        return start


def improve(problem: Problem, start: Sequence[int]) -> list[int]:
    """Return a schedule that is no longer, after passes with both schemes.

    >>> from makespan_optimizer.rigid.problem import Resource, problem_from
    >>> four = problem_from([1, 1, 1, 3], [[], [], [], []], [Resource("threads", 2, (1,) * 4)])
    >>> max(improve(four, [0, 0, 1, 1]))
    2
    """
    passes = Passes(problem)
    best = list(start)
    for serial in (False, True):
        after = passes.again(best, serial=serial)
        after = passes.until_stuck(after, serial=serial)
        if passes.makespan(after) < passes.makespan(best):
            best = after
    return best
