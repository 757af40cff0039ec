"""The data that every picture of a run is drawn from: bars, nodes, headline figures.

Built by `makespan.showing.report`; drawn by `makespan.showing.page`, `makespan.showing.plots` and
`makespan.showing.text`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from makespan.measurement import Measured, SamplerSource
from makespan.plan import Evidence, PlanBound, WhatIf
from makespan.record import RunFailure
from makespan.showing.observed import Step
from makespan.showing.shapes import (
    PARTS,
    Band,
    Bar,
    Idle,
    IdleCause,
    Lane,
    LaneKind,
    Shares,
    Status,
)

__all__ = [
    "BROKEN",
    "IDLE",
    "NOISE_SHARE",
    "PARTS",
    "Band",
    "Bar",
    "Idle",
    "IdleCause",
    "Lane",
    "LaneKind",
    "NodeRow",
    "Report",
    "Shares",
    "Source",
    "Status",
]

# Less than this share of a bar beyond its profile is noise, not waiting.
NOISE_SHARE = 0.03

Source = Literal["measured", "predicted"]

BROKEN = frozenset({"failed", "timed out", "unfinished"})
"""Ways to end of nodes that are drawn, but did not come to their end."""
IDLE: dict[Status, str] = {
    "unfinished": "unfinished",
    "skipped": "skipped",
    "dropped": "not run, after a failure of what it waits for",
    "not started": "not started",
    "left out": "left out",
}
"""What is told of the nodes that no failure tells of, in words."""


class NodeRow(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known of one node; what is not known is None."""

    name: str
    status: Status
    row: int | None = None
    start_s: float | None = None
    end_s: float | None = None
    planned_row: int | None = None
    planned_start_s: float | None = None
    planned_s: float | None = None
    alone_s: float | None = None
    gil_s: float = 0.0
    native_s: float = 0.0
    blocked_s: float = 0.0
    measured: Measured | None = None
    """What it did in the run; None: not measured, or too short to be seen."""
    slack_s: float | None = None
    kind: str = ""
    locks: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    critical: bool = False
    """On the chain that decided the end of the run."""
    planned_critical: bool = False
    attempts: int = 1
    process: int | None = None
    """The worker process that it ran in, counted from 0, while a thread waited for it."""
    rank: int | None = None
    mode: str = ""
    """``thread``, ``process`` …, and what limits it; empty when it is as usual."""
    groups: tuple[str, ...] = ()
    """Names of the bands that it is part of."""
    why: str = ""
    """Why it has its rank, group and mode, in a sentence or two."""
    profiled: tuple[tuple[str, str], ...] = ()
    """What the profile says of it, as label and words, when there is a profile."""

    @property
    def also(self) -> str:
        """What is to be said of how it ran, in words: where, and how often."""
        found = [] if self.process is None else [f"in worker process {self.process + 1}"]
        if self.attempts > 1:
            found.append(f"{self.attempts} attempts")
        return ", ".join(found)

    @property
    def elsewhere(self) -> bool:
        """Whether it ran (or else is planned) in a worker process."""
        return self.process is not None or (self.status == "planned" and "process" in self.mode)

    @property
    def actual_s(self) -> float | None:
        """Wall seconds in the run."""
        return None if self.start_s is None or self.end_s is None else self.end_s - self.start_s

    @property
    def error_s(self) -> float | None:
        """Actual minus planned duration, of nodes that ran to their end."""
        actual_s = self.actual_s
        if actual_s is None or self.planned_s is None or self.status != "ok":
            return None
        return actual_s - self.planned_s

    @property
    def error_share(self) -> float | None:
        """`error_s` as a share of the planned duration."""
        return None if self.error_s is None or not self.planned_s else self.error_s / self.planned_s

    @property
    def mix(self) -> tuple[float, float, float] | None:
        """Shares of GIL, native and blocked when the node runs alone; None when it was not profiled."""
        known_s = self.gil_s + self.native_s + self.blocked_s
        if known_s <= 0:
            return None
        return self.gil_s / known_s, self.native_s / known_s, self.blocked_s / known_s

    @property
    def measured_shares(self) -> Shares | None:
        """What the node did with its time in the run; None when that was not measured."""
        its = self.measured
        whole_s = its.total_s if its is not None else 0.0
        if its is None or whole_s <= 0:
            return None
        return Shares(
            gil=its.gil_s / whole_s,
            native=its.native_s / whole_s,
            blocked=its.blocked_total_s / whole_s,
            longer=0.0,
            gil_wait=its.gil_wait_s / whole_s,
            delay=its.run_delay_s / whole_s,
        )

    @property
    def thousandths(self) -> list[int] | None:
        """`measured_shares` as the page has them: GIL, native, blocked, GIL wait, core wait."""
        its = self.measured_shares
        if its is None:
            return None
        return [round(1000 * share) for share in (its.gil, its.native, its.blocked, its.gil_wait, its.delay)]

    def shares(self, duration_s: float) -> Shares | None:
        """Split a bar by what the profile knows; None when it knows nothing."""
        known_s = self.gil_s + self.native_s + self.blocked_s
        if known_s <= 0:
            return None
        longer_s = max(0.0, duration_s - known_s)
        if longer_s < NOISE_SHARE * duration_s:
            longer_s = 0.0
        whole_s = known_s + longer_s
        return Shares(
            self.gil_s / whole_s, self.native_s / whole_s, self.blocked_s / whole_s, longer_s / whole_s
        )


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The figures and bars of a run, or of a plan alone; seconds count from the start of the run."""

    title: str
    status: Literal["ok", "failed", "interrupted", "timed out", "planned"]
    started_at: str | None
    threads: int
    cores: float
    gil: bool
    """Whether the interpreter has a GIL."""
    actual_s: float | None
    """None: a plan that has not run."""
    planned_s: float | None
    default_s: float | None
    """The unplanned order on the same budget: measured beside the plan if it was, else predicted."""
    compared_s: float | None
    """What `default_s` is compared with: the plan's median, or this run."""
    default_source: Source | None
    repeats: int
    """How many measured runs of each stand behind the comparison."""
    speedup_range: tuple[float, float] | None = None
    """The 95 % interval of `speedup`, where it was measured often enough."""
    bound_s: float | None
    binding: str
    gap: float | None
    """(makespan − lower bound) / makespan of what happened; of the plan when it has not run."""
    busy: float
    """Share of threads × makespan in which nodes ran."""
    row_busy: tuple[float, ...]
    """The same for each row of the Gantt."""
    planned_bars: tuple[Bar, ...]
    actual_bars: tuple[Bar, ...]
    chain: tuple[Step, ...]
    """What decided the end of the run, first node first."""
    nodes: tuple[NodeRow, ...]
    failures: tuple[RunFailure, ...]
    what_if: tuple[WhatIf, ...]
    cores_used: tuple[tuple[float, float], ...]
    """Steps (second, cores): CPU seconds of the profile spread over the bars."""
    gil_demand: tuple[tuple[float, float], ...]
    """Steps (second, demand): what the nodes would hold if each ran alone; above 1 they wait."""
    sampler: SamplerSource | None = None
    """How `NodeRow.measured` was had; None: the run was not measured."""
    notes: tuple[str, ...]
    lanes: tuple[Lane, ...] = ()
    """The rows of the Gantt, in words."""
    idle: tuple[Idle, ...] = ()
    """Of what happened; of the plan when it has not run."""
    bands: tuple[Band, ...] = ()
    bounds: tuple[PlanBound, ...] = ()
    """All lower bounds, the largest first."""
    evidence: Evidence | None = None
    """What a race of real runs showed of the plan, when there was one."""
    whole: bool = True
    """Whether all nodes ran that there are: otherwise the plan's makespan is not to be compared with."""

    @property
    def measured(self) -> bool:
        """Whether it is known of any node what it did with its time in the run."""
        return any(node.measured is not None for node in self.nodes)

    @property
    def rows(self) -> int:
        """How many rows the Gantt has."""
        return len(self.row_busy)

    @property
    def unused(self) -> int:
        """How many places of the budget no node ever ran in, where any ran: no lane stands for them."""
        return max(0, self.threads - self.rows) if self.rows else 0

    @property
    def extent_s(self) -> float:
        """The last second of anything that is drawn."""
        ends = [bar.end_s for bar in (*self.planned_bars, *self.actual_bars)]
        return max([0.0, self.actual_s or 0.0, self.planned_s or 0.0, self.bound_s or 0.0, *ends])

    @property
    def speedup(self) -> float | None:
        """How many times the unplanned order takes longer."""
        return self.default_s / self.compared_s if self.default_s and self.compared_s else None

    @property
    def error_share(self) -> float | None:
        """Actual against planned makespan, of a run of all nodes that reached its end."""
        if self.status != "ok" or not self.whole or self.actual_s is None or not self.planned_s:
            return None
        return self.actual_s / self.planned_s - 1

    @property
    def wrong(self) -> tuple[NodeRow, ...]:
        """Nodes whose duration was planned and measured, the largest error first."""
        found = [node for node in self.nodes if node.error_s is not None]
        return tuple(sorted(found, key=lambda node: (-abs(node.error_s or 0.0), node.name)))

    def with_status(self, *status: Status) -> tuple[NodeRow, ...]:
        """Return the nodes that ended in one of these ways."""
        return tuple(node for node in self.nodes if node.status in status)
