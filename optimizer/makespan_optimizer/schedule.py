"""From a schedule to a better order: forward and backward passes, and rigid schedules for the solver.

A schedule pushed to the right shows for each node the latest start that keeps the end: nodes that must start
early are urgent, however short they are. Scheduling forwards by latest start, backwards by latest end, and
forwards again never needs more than a few passes, and is the cheapest improvement there is
(Li & Willis 1992; Valls, Ballestín & Quintanilla 2005 for forward-backward improvement).

A backward pass is a forward pass on the instance with time reversed, in the same simulator.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from makespan.preparing.order import ranks_by
from makespan_optimizer.rigid.lists import list_schedule
from makespan_optimizer.rigid.problem import THREADS, Resource, problem_of
from makespan_optimizer.simulate import simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan_optimizer.instance import Instance
    from makespan_optimizer.rigid.problem import Problem
    from makespan_optimizer.simulate import Schedule

Groups = tuple[tuple[tuple[int, ...], int], ...]


def latest_starts(
    instance: Instance, finish: Sequence[float], budget: int, groups: Groups = ()
) -> list[float]:
    """Return the start of each node when the schedule is pushed to the right.

    Parameters
    ----------
    finish : sequence of float, shape (n,)
        Ends of a forward schedule; the last to end is placed first.
    """
    back = simulate(instance.backwards(), ranks_by(finish), budget, groups)
    return [back.makespan - end for end in back.finish]


def start_ranks(start: Sequence[float]) -> list[int]:
    """Rank nodes by rising start; among equals the smaller number first.

    >>> start_ranks([4.0, 0.0, 4.0])
    [1, 0, 2]
    """
    return ranks_by([-value for value in start])


def order_ranks(order: Sequence[int]) -> list[int]:
    """Rank nodes by their place in an order.

    >>> order_ranks([2, 0, 1])
    [1, 2, 0]
    """
    ranks = [0] * len(order)
    for rank, i in enumerate(order):
        ranks[i] = rank
    return ranks


def rigid_problem(
    instance: Instance, budget: int, *, contended: bool, wall: Sequence[int] | None = None
) -> Problem:
    """Return an instance as a problem whose resources are rigid.

    Threads, and a resource ``lock NAME`` for each lock that two nodes share; an exclusive node demands all
    threads. Whatever the simulator does without contention satisfies that, so its bounds hold.

    Parameters
    ----------
    instance : Instance
    budget : int
        Threads.
    contended : bool
        Also forbid to share the GIL and the cores beyond their capacity, which reality does allow: schedules
        of that are candidates, its bounds are worth nothing.
    wall : sequence of int, shape (n,), optional
        Durations instead of the instance's.
    """
    s = instance.structure
    found = [Resource(THREADS, budget, tuple(budget if alone else 1 for alone in s.exclusive))]
    if contended:
        found.append(Resource("GIL", 1000, instance.gil))
        found.append(Resource("cores", instance.capacity, instance.core))
    found += [
        Resource(f"lock {lock}", 1, tuple(int(lock in some) for some in s.locks))
        for lock in sorted({lock for some in s.locks for lock in some})
    ]
    return problem_of(s, instance.wall if wall is None else wall, found)


def rigid_schedule(instance: Instance, ranks: Sequence[int], budget: int) -> list[int]:
    """Return starts of a list schedule in which demands are rigid: nothing is shared beyond its capacity.

    Nodes that hold the GIL for more than half of their time together never overlap, and so on.
    """
    return list_schedule(rigid_problem(instance, budget, contended=True), ranks)


def all_orders(instance: Instance, most: int) -> list[list[int]] | None:
    """Return every topological order, or None when there are more than `most`.

    Each schedule that dispatch can produce is produced by the order in which its nodes start, and that order
    is topological: trying them all is an exhaustive search.

    >>> from makespan.structure import build
    >>> from makespan_optimizer.instance import instance_from
    >>> all_orders(instance_from(build("abc", ["", "a", "a"]), [1, 1, 1]), most=10)
    [[0, 1, 2], [0, 2, 1]]
    """
    succs = instance.structure.succs
    waiting = [len(p) for p in instance.structure.preds]
    n = len(waiting)
    found: list[list[int]] = []
    # (order so far, how many predecessors each node still waits for, nodes that may come next)
    stack: list[tuple[list[int], list[int], list[int]]]
    stack = [([], waiting, [i for i, count in enumerate(waiting) if not count])]
    while stack:
        done, counts, ready = stack.pop()
        if len(done) == n:
            found.append(done)
            if len(found) > most:
                return None
            continue
        for i in sorted(ready, reverse=True):
            left = counts.copy()
            after = [j for j in ready if j != i]
            for successor in succs[i]:
                left[successor] -= 1
                if not left[successor]:
                    after.append(successor)
            stack.append(([*done, i], left, after))
    return found


def width(instance: Instance) -> int:
    """Return how many nodes run at once when each starts as early as its inputs allow.

    More threads than that change nothing, as long as nodes do not slow each other down.
    """
    n = len(instance)
    ends: list[float] = []
    heapify(ends)
    most = 0
    schedule: Schedule = simulate(instance.without_contention(), list(range(n)), max(1, n))
    for i in sorted(range(n), key=schedule.start.__getitem__):
        while ends and ends[0] <= schedule.start[i]:
            heappop(ends)
        heappush(ends, schedule.finish[i])
        most = max(most, len(ends))
    return most
