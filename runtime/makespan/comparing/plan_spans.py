"""A plan's nodes on its time axis, with what each may have waited for; its critical chain is read off them.

Seconds in a plan are rounded to a billionth, so the end of a node and the start of the next may differ by
that: an end next to a start is moved onto it.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from makespan.showing.observed import Span

if TYPE_CHECKING:
    from makespan.plan import Plan

SAME_S = 2e-9


def spans_of(plan: Plan) -> list[Span]:
    """Return the nodes of a plan as spans."""
    held: dict[str, list[str]] = {}
    for number, group in enumerate(plan.groups):
        for name in group.nodes if group.limit == 1 else ():
            held.setdefault(name, []).append(f"group {number}")
    starts = sorted({node.start_s for node in plan.nodes})

    def snapped(end_s: float) -> float:
        k = bisect_left(starts, end_s - SAME_S)
        return starts[k] if k < len(starts) and starts[k] <= end_s + SAME_S else end_s

    return [
        Span(
            node.name,
            node.start_s,
            max(node.start_s, snapped(node.start_s + node.duration_s)),
            node.lane,
            (*node.after, *node.starts_after),
            (*node.locks, *held.get(node.name, ())),
            node.exclusive,
        )
        for node in plan.nodes
    ]
