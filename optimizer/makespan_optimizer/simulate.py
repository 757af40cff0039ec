"""What a plan would do: a replay of the dispatch core on a virtual clock.

The object that decides here is the one that decides in the executor (`makespan.dispatch.Dispatch`), so a plan
is judged by the rules it will be run by: rank order, work-conserving, budget, locks, exclusive nodes, groups.
Durations follow from what runs at the same time (`makespan_optimizer.contention`: `fluid`, and `sharing`
where a profile tells more). What starts beside the freed worker starts a hand-off later, one after the other.

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
    if instance.fluid.slows(rules.budget):
        return _shared(instance, Dispatch(rules))
    return _independent(instance, Dispatch(rules))


def _independent(instance: Instance, core: Dispatch) -> Schedule:
    """Nodes never slow each other: a heap of ends, O(log k) an event."""
    wall, hand_off = instance.wall, instance.hand_off
    n = len(wall)
    start, finish = [0.0] * n, [0.0] * n
    order: list[int] = []
    ends: list[tuple[float, int, int]] = []
    now = 0.0
    begin, advance, budget = core.next, core.advance, core.budget
    i = begin()
    while True:
        late = 0
        while i is not None:
            start[i] = now
            heappush(ends, (now + (wall[i] + late), len(order), i))
            order.append(i)
            if len(ends) == budget:
                break
            late += hand_off
            i = begin()
        if not ends:
            return Schedule(start, finish, order, now)
        now, _, done = heappop(ends)
        finish[done] = now
        i = advance(done)


def _shared(instance: Instance, core: Dispatch) -> Schedule:
    """Nodes slow each other: O(k) an event, speeds from the set of running nodes.

    The lists are in the order of the starts. An end is where a node comes to at its present speed; it is
    moved only when that speed changes.
    """
    wall, hand_off, kind = instance.wall, instance.hand_off, instance.fluid.kind
    known, speeds_of = instance.fluid.known, instance.fluid.of
    n = len(wall)
    start, finish = [0.0] * n, [0.0] * n
    order: list[int] = []
    running: list[int] = []
    kinds: list[int] = []
    ends: list[float] = []
    speeds: list[float] = []
    now = 0.0
    begin, advance, budget = core.next, core.advance, core.budget
    i = begin()
    while True:
        late = 0
        while i is not None:
            start[i] = now
            order.append(i)
            running.append(i)
            kinds.append(kind[i])
            ends.append(now + (wall[i] + late))
            speeds.append(1.0)
            if len(running) == budget:
                break
            late += hand_off
            i = begin()
        if not running:
            return Schedule(start, finish, order, now)
        key = tuple(kinds)
        new = known.get(key) or speeds_of(key)
        if new != speeds:
            ends = [
                end if after == before else now + (end - now) * (before / after)
                for end, before, after in zip(ends, speeds, new, strict=True)
            ]
            speeds = new.copy()
        soon = min(ends) + _SAME
        k = 0
        while ends[k] > soon:
            k += 1
        now = max(now, ends[k])
        done = running.pop(k)
        del kinds[k], ends[k], speeds[k]
        finish[done] = now
        i = advance(done)
