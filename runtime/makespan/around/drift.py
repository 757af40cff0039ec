"""Nodes that do not take the planned time any more.

A node has drifted when it takes more than `FACTOR` times as long as planned, or less than that part of it,
and the difference is more than `LEAST_S` as well: times of a few milliseconds vary by such factors by
themselves, and do not matter in what takes seconds. Where the whole plan is short, 2 % of it is enough, but
never less than what a first call or a clock adds by chance.

A plan says what a node takes beside what runs at the same time, and that is what runs are compared with; a
profile measures one node at a time, and is compared with what the plan was made of (`PlanNode.alone_s`).
Pure.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from makespan.plan import Plan
    from makespan.record import RunRecord

FACTOR = 1.5
LEAST_S = 0.005
_LEAST_SHARE = 0.02
_CHANCE_S = 0.0002


class Drift(msgspec.Struct, frozen=True):
    """A node that does not take the planned time."""

    name: str
    planned_s: float
    actual_s: float
    ratio: float | None
    """Actual over planned; None where nothing was planned."""


class Band(NamedTuple):
    """What counts as planned, in seconds."""

    low_s: float
    high_s: float

    def __contains__(self, actual_s: object) -> bool:
        """Whether a node that takes so long takes the planned time."""
        return isinstance(actual_s, float | int) and self.low_s <= actual_s <= self.high_s


def band(planned_s: float, least_s: float = LEAST_S, factor: float = FACTOR) -> Band:
    """Return what counts as planned.

    >>> 0.013 in band(0.01), 0.016 in band(0.01), 0.004 in band(0.01)
    (True, False, False)
    """
    return Band(min(planned_s / factor, planned_s - least_s), max(planned_s * factor, planned_s + least_s))


def least_s(plan: Plan) -> float:
    """Return the smallest difference that matters in a plan."""
    return max(_CHANCE_S, min(LEAST_S, _LEAST_SHARE * plan.makespan_s))


def drift_of(name: str, planned_s: float, actual_s: float) -> Drift:
    """Return how far a node is from what was planned.

    >>> drift_of("a", 0.5, 1.0).ratio
    2.0
    """
    return Drift(name, planned_s, actual_s, actual_s / planned_s if planned_s > 0 else None)


def drift_of_runs(plan: Plan, records: Sequence[RunRecord]) -> list[Drift]:
    """Return the nodes whose median over runs is not what was planned, in the plan's order.

    Nodes that failed, were skipped, did not end or had to be tried again do not count.
    """
    least = least_s(plan)
    taken = durations_s(records)
    return [
        drift_of(node.name, node.duration_s, actual)
        for node in plan.nodes
        if node.name in taken and (actual := median(taken[node.name])) not in band(node.duration_s, least)
    ]


def durations_s(records: Iterable[RunRecord]) -> dict[str, list[float]]:
    """Return what each node took in runs in which it ended well at the first try."""
    taken: dict[str, list[float]] = {}
    for record in records:
        for node in record.nodes:
            if node.status == "ok" and node.attempts == 1:
                taken.setdefault(node.name, []).append(node.duration_s)
    return taken
