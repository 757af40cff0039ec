"""When a run will be over, by its plan and by what has happened so far.

::

    plan    lane 0  [ a ][   c   ][ e ]        now ┆  a took longer: c, then e begin later;
            lane 1  [    b   ][ d ]                ┆  d waits for c too, so it comes later as well

What runs takes its planned time, or until now if that is over. What has not begun begins when what it waits
for is over: its inputs, and what the plan has before it in its lane, its locks and its groups of one. That is
the longest way through the DAG with the plan's own order as further edges, in one pass.

Invariant: nothing is forecast to be over before now, and while everything goes as planned the forecast is
the plan. Pure; seconds count from the start of the run.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from makespan.plan import Plan, PlanNode
    from makespan.structure import Structure


class Step(NamedTuple):
    """A node as the plan has it, by number."""

    node: int
    duration_s: float
    after: tuple[int, ...]
    """Nodes that are over when it begins."""


def steps_of(plan: Plan, structure: Structure, running: Collection[int]) -> tuple[Step, ...]:
    """Return the steps of a plan in an order in which each comes after those that it waits for.

    Parameters
    ----------
    plan : Plan
    structure : Structure
        Of the DAG; nodes that the plan does not know are taken to need no time.
    running : collection of int
        The nodes that run at all.
    """
    place = {i: at for at, i in enumerate(structure.order)}
    planned = {node.name: node for node in plan.nodes}
    its = {i: planned.get(structure.names[i]) for i in running}
    after = {i: {p for p in structure.preds[i] if p in its} for i in running}
    for line in _lines(plan, its):
        line.sort(key=lambda i: (_start_s(its[i]), place[i]))
        for before, i in pairwise(line):
            after[i].add(before)
    order = _ordered(after, lambda i: (_start_s(its[i]), place[i]))
    return tuple(Step(i, 0.0 if (one := its[i]) is None else one.duration_s, tuple(after[i])) for i in order)


def _lines(plan: Plan, its: Mapping[int, PlanNode | None]) -> Iterable[list[int]]:
    """Return nodes that the plan has one after the other: lanes, locks, groups of one."""
    lines: dict[tuple[str, object], list[int]] = {}
    for i, node in its.items():
        if node is not None:
            for key in (("lane", node.lane), *(("lock", lock) for lock in node.locks)):
                lines.setdefault(key, []).append(i)
    number = {node.name: i for i, node in its.items() if node is not None}
    for group in plan.groups:
        if group.limit == 1:
            lines["group", group.name] = [number[name] for name in group.nodes if name in number]
    return lines.values()


def _start_s(node: PlanNode | None) -> float:
    return 0.0 if node is None else node.start_s


def _ordered(after: Mapping[int, set[int]], key: Callable[[int], tuple[float, int]]) -> list[int]:
    """Sort topologically, earliest planned start first.

    A plan for another state of the DAG may want an order that the DAG does not allow: where edges go round in
    a circle, the earliest planned start goes first all the same.
    """
    left = {i: len(waits) for i, waits in after.items()}
    takers: dict[int, list[int]] = {i: [] for i in after}
    for i, waits in after.items():
        for p in waits:
            takers[p].append(i)
    free = [(key(i), i) for i, many in left.items() if not many]
    heapify(free)
    order: list[int] = []
    rest = sorted(after, key=key, reverse=True)
    seen: set[int] = set()
    while len(order) < len(after):
        if free:
            _, i = heappop(free)
        else:
            while rest[-1] in seen:
                rest.pop()
            i = rest.pop()
        if i in seen:
            continue
        seen.add(i)
        order.append(i)
        for taker in takers[i]:
            left[taker] -= 1
            if not left[taker]:
                heappush(free, (key(taker), taker))
    return order


def forecast(
    steps: Sequence[Step], started_s: Mapping[int, float], ended: Collection[int], now_s: float
) -> float:
    """Return the second in which the last node will be over; `now_s` when all are.

    Parameters
    ----------
    steps : sequence of Step
        As `steps_of` returns them.
    started_s : mapping of int to float
        When nodes began, of those that did.
    ended : collection of int
        Nodes that are over, skipped ones included.
    now_s : float

    >>> steps = (Step(0, 1.0, ()), Step(1, 2.0, (0,)))
    >>> forecast(steps, {}, (), 0.0), forecast(steps, {0: 0.0}, (), 1.5)
    (3.0, 3.5)
    """
    over_s: dict[int, float] = {}
    last_s = now_s
    for i, duration_s, after in steps:
        if i in ended:
            continue
        if i in started_s:
            end_s = max(now_s, started_s[i] + duration_s)
        else:
            begin_s = now_s
            for p in after:
                if p in over_s and over_s[p] > begin_s:
                    begin_s = over_s[p]
            end_s = begin_s + duration_s
        over_s[i] = end_s
        last_s = max(last_s, end_s)
    return last_s
