"""What a plan would do: a replay of the dispatch core on a virtual clock.

The object that decides here is the one that decides in the executor (`makespan.dispatch.Dispatch`), so a plan
is judged by the rules it will be run by: rank order, work-conserving, budget, locks, exclusive nodes, groups.
Durations follow from what runs at the same time (`makespan_optimizer.fluid`).

Ends at the same instant are handled one by one, in the order in which the nodes started, and after each the
freed worker takes its next node: so does the executor. Source of the method: discrete-event simulation of
list scheduling (Graham 1969).
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from makespan.dispatch import Dispatch, Rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from makespan_optimizer.instance import Instance

# Two ends closer than this are one instant: a millionth of a tick is rounding, not time.
_SAME = 1e-6


class Schedule(NamedTuple):
    """When each node starts and ends, in ticks of its instance.

    Attributes
    ----------
    start, finish : list of float, shape (n,)
    order : list of int, shape (n,)
        The nodes as they started.
    makespan : float
        End of the last node.
    """

    start: list[float]
    finish: list[float]
    order: list[int]
    makespan: float


def simulate(
    instance: Instance,
    ranks: Sequence[int],
    budget: int,
    groups: Iterable[tuple[Iterable[int], int]] = (),
) -> Schedule:
    """Replay an order on a thread budget.

    Parameters
    ----------
    instance : Instance
    ranks : sequence of int, shape (n,)
        A permutation of 0..n-1; rank 0 starts first among the ready.
    budget : int
        How many nodes may run at once.
    groups : iterable of (nodes, limit)
        Exclusions beside the declared ones.

    >>> from makespan.structure import build
    >>> from makespan_optimizer.instance import instance_from
    >>> two_loops = instance_from(build(["a", "b"], [[], []]), [10, 10], gil=[1000, 1000], core=[1000, 1000])
    >>> simulate(two_loops, [0, 1], budget=2).finish
    [20.0, 20.0]
    """
    return replay(instance, Rules(instance.structure, ranks, budget, groups))


def replay(instance: Instance, rules: Rules) -> Schedule:
    """Replay rules that were made once, as `simulate` does: for the same order over many durations."""
    if instance.fluid.may_contend(rules.budget):
        return _shared(instance, Dispatch(rules))
    return _independent(instance, Dispatch(rules))


def _independent(instance: Instance, core: Dispatch) -> Schedule:
    """Nodes never slow each other: a heap of ends, O(log k) an event."""
    wall = instance.wall
    n = len(wall)
    start, finish = [0.0] * n, [0.0] * n
    order: list[int] = []
    ends: list[tuple[float, int, int]] = []
    now = 0.0
    begin, finished = core.next, core.finish
    while True:
        while (i := begin()) is not None:
            start[i] = now
            heappush(ends, (now + wall[i], len(order), i))
            order.append(i)
        if not ends:
            break
        now, _, i = heappop(ends)
        finish[i] = now
        finished(i)
    return Schedule(start, finish, order, now)


def _shared(instance: Instance, core: Dispatch) -> Schedule:
    """Nodes share the GIL and the cores: O(k) an event, speeds from the set of running nodes."""
    wall, gil, cores, capacity = instance.wall, instance.gil, instance.core, instance.capacity
    speeds = instance.fluid.speeds
    n = len(wall)
    start, finish = [0.0] * n, [0.0] * n
    order: list[int] = []
    running: list[int] = []  # in the order of their starts
    left: list[float] = []  # ticks of work, as if alone
    now = 0.0
    gil_used = core_used = 0
    while True:
        while (i := core.next()) is not None:
            start[i] = now
            order.append(i)
            running.append(i)
            left.append(wall[i])
            gil_used += gil[i]
            core_used += cores[i]
        if not running:
            break
        if gil_used <= 1000 and core_used <= capacity:
            soon = min(left) + _SAME
            k = next(k for k, ticks in enumerate(left) if ticks <= soon)
            passed = left[k]
            left = [ticks - passed if ticks > passed else 0.0 for ticks in left]
        else:
            speed = speeds(running)
            until = [ticks / s for ticks, s in zip(left, speed, strict=True)]
            soon = min(until) + _SAME
            k = next(k for k, ticks in enumerate(until) if ticks <= soon)
            passed = until[k]
            left = [max(0.0, ticks - passed * s) for ticks, s in zip(left, speed, strict=True)]
        now += passed
        i = running.pop(k)
        del left[k]
        gil_used -= gil[i]
        core_used -= cores[i]
        finish[i] = now
        core.finish(i)
    return Schedule(start, finish, order, now)
