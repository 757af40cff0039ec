"""What a plan is made of: nodes, groups, clusters, bounds; see `makespan.plan`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from makespan.describing.options import MAX_THREADS

Seconds = Annotated[float, Meta(ge=0, le=1e9)]
Name = Annotated[str, Meta(min_length=1)]
Threads = Annotated[int, Meta(ge=1, le=MAX_THREADS)]


class DagId(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which DAG a file speaks of."""

    name: str
    fingerprint: str
    target: str | None = None
    """``module:attribute``, when it was named on the command line."""


class PlanNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One node in the plan; seconds count from the start of the run."""

    name: Name
    rank: Annotated[int, Meta(ge=0)]
    """0 is dispatched first among the ready."""
    start_s: Seconds
    duration_s: Seconds
    """Planned, beside what runs at the same time."""
    lane: Annotated[int, Meta(ge=0)]
    """Where the picture draws it; the runtime does not enforce lanes."""
    alone_s: Seconds
    """Measured, one node at a time."""
    gil_s: Seconds = 0.0
    native_s: Seconds = 0.0
    blocked_s: Seconds = 0.0
    slack_s: Seconds = 0.0
    """How much later it could start without delaying the planned end."""
    critical: bool = False
    kind: str = "unknown"
    """The class of the profile: python, native, io, mixed …"""
    mode: Literal["thread", "process"] = "thread"
    native_threads: Threads | None = None
    """How many threads its native libraries may use; None: as many as they like."""
    after: tuple[str, ...] = ()
    starts_after: tuple[str, ...] = ()
    """Nodes that the user wants finished first, beside those whose results it takes."""
    locks: tuple[str, ...] = ()
    exclusive: bool = False


class PlanGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nodes of which at most `limit` run at once, and why."""

    name: str
    nodes: Annotated[tuple[Name, ...], Meta(min_length=1)]
    limit: Annotated[int, Meta(ge=1)] = 1
    reason: Literal["lock", "exclusive", "pinned", "gil", "cores", "measured"] = "lock"
    """``lock`` and ``exclusive`` are declared by the user and hold without a plan; ``pinned``: asked for when
    the plan was made; the others were computed."""
    evidence: str = ""


class PlanCluster(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nodes that one worker process runs one after the other; what they pass on among them stays there."""

    name: str
    nodes: Annotated[tuple[Name, ...], Meta(min_length=1)]
    worker: Annotated[int, Meta(ge=0)] = 0
    again: tuple[Name, ...] = ()
    """Nodes that run in the worker again, because that costs less than to send their results."""
    evidence: str = ""


class PlanBound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A lower bound of the makespan, and what it comes from."""

    name: str
    seconds: Seconds


class Robust(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The plan over scenarios: durations drawn from what was measured, the same for all orders."""

    scenarios: Annotated[int, Meta(ge=1)]
    mean_s: Seconds
    p90_s: Seconds
    default_mean_s: Seconds
    """The default order over the same scenarios."""
    critical_path_mean_s: Seconds


class WhatIf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The makespan to expect with another thread budget."""

    threads: Threads
    makespan_s: Seconds
    lower_bound_s: Seconds


class Solver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the plan was found."""

    winner: str
    """The candidate that won: ``default order``, ``critical path``, ``cp-sat`` …"""
    status: Literal["optimal", "feasible"]
    stopped: str
    """Why the search ended, in words."""
    seed: int
    time_limit_s: Seconds
    deterministic: bool = True
    candidates: int = 1
    used_s: Seconds | None = None
    """Wall seconds; None in a deterministic plan, so that the file repeats byte by byte."""


class Raced(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A way to run the DAG that was run for real, in turns with others."""

    name: Name
    """``plan, 2 threads, 2 processes``, ``default order, 4 threads``, ``one after the other`` …"""
    threads: Threads
    runs: Annotated[int, Meta(ge=1)]
    median_s: Seconds
    low_s: Seconds | None = None
    """With `high_s` the 95 % interval of the median; None: too few runs to tell."""
    high_s: Seconds | None = None
    predicted_s: Seconds | None = None
    """By the simulator, before it was run."""
    left: str = ""
    """Why it was run no further, in words; empty: it was in the race to its end."""


class Misjudged(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nodes that took another time than the model of the profile said."""

    nodes: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=2)]
    """One node: by itself. Two: the first beside the second."""
    planned_s: Seconds
    actual_s: Seconds
    why: str
    remeasured: bool = False
    """It was measured again, and the plan is made of the new figures."""


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a race of real runs showed; see `makespan tune`."""

    winner: Name
    """The way that this plan is."""
    default: Name
    """The way that a call of the DAG without a plan takes."""
    confidence: Annotated[float, Meta(gt=0, lt=1)]
    """At which others were left behind."""
    clear: bool
    """Every other way was left behind, or is as fast as the winner as far as can be told."""
    stopped: str
    """Why the race ended, in words."""
    used_s: Seconds
    ways: Annotated[tuple[Raced, ...], Meta(min_length=1)]
    """The fastest first."""
    over_default: Annotated[float, Meta(gt=0)]
    """Median of the winner / median of the default."""
    over_default_low: Annotated[float, Meta(gt=0)] | None = None
    """With `over_default_high` its 95 % interval, runs of the same turn drawn together."""
    over_default_high: Annotated[float, Meta(gt=0)] | None = None
    foreign_load: Annotated[float, Meta(ge=0)] | None = None
    """Share of the cores that other processes took meanwhile; None: not known."""
    misjudged: tuple[Misjudged, ...] = ()
