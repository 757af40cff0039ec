"""A plan drawn anew with other durations: same order, same lanes, everything as early as it can be.

Nothing is decided again, as a dispatcher would: it tells what one node's seconds do to the end, all
else being equal. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from makespan.plan import Plan


class Redrawn:
    """The order of a plan as a graph: edges, lanes, locks, groups of one.

    Parameters
    ----------
    plan : Plan
    pace : float
        What all durations are multiplied by.
    """

    def __init__(self, plan: Plan, pace: float = 1.0) -> None:
        self._nodes = sorted(plan.nodes, key=lambda node: (node.start_s, node.rank))
        self._pace = pace
        number = {node.name: k for k, node in enumerate(self._nodes)}
        held: dict[str, list[str]] = {node.name: list(node.locks) for node in self._nodes}
        for group in plan.groups:
            if group.limit == 1:
                for name in group.nodes:
                    held[name].append(f"group {group.name}")
        last: dict[tuple[str, object], int] = {}
        self._before: list[list[int]] = []
        for k, node in enumerate(self._nodes):
            before = [number[name] for name in (*node.after, *node.starts_after)]
            for key in [("lane", node.lane), *(("lock", lock) for lock in held[node.name])]:
                if key in last:
                    before.append(last[key])
                last[key] = k
            self._before.append([p for p in before if p < k])

    def makespan_s(self, more_s: Mapping[str, float]) -> float:
        """Return the end when these nodes take so much longer (or shorter)."""
        ends: list[float] = []
        for node, before in zip(self._nodes, self._before, strict=True):
            start_s = max((ends[p] for p in before), default=0.0)
            ends.append(start_s + max(0.0, node.duration_s * self._pace + more_s.get(node.name, 0.0)))
        return max(ends, default=0.0)
