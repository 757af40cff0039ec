"""Three models of what two nodes take together, and how far each is off; for `pairs.py`.

*none*: they do not disturb each other. *sharing*: GIL and cores are shared without loss
(`makespan_optimizer.contention.fluid`). *events*: `makespan_optimizer.contention.together`.
"""

from __future__ import annotations

import hashlib
import statistics
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from makespan.measurement import NodeProfile
from makespan_optimizer.contention.fluid import shared_speeds
from makespan_optimizer.contention.together import COLLIDE_S, demand_of, together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan_optimizer.contention.phases import Demand

MODELS = ("none", "sharing", "events")


class Measured(msgspec.Struct, frozen=True):
    """A pair that was run: medians."""

    names: tuple[str, str]
    alone_s: tuple[float, float]
    together_s: tuple[float, float]
    spread: float
    repeats: int

    @property
    def held_out(self) -> bool:
        """Whether nothing may be tuned by this pair."""
        return hashlib.sha256(" ".join(sorted(self.names)).encode()).digest()[0] % 2 == 1


class Session(msgspec.Struct, frozen=True):
    """All that was measured; predictions follow from it."""

    cores: float
    hand_off_s: float
    switch_interval_s: float
    python: str
    nodes: tuple[NodeProfile, ...]
    pairs: tuple[Measured, ...]


class Constants(NamedTuple):
    """What may be chosen by the tuned half; see `makespan_optimizer.contention.together.together`."""

    wake_s: float
    collide_s: float = COLLIDE_S
    crowding: float = 0.0


Rows = list[tuple[Measured, dict[str, list[float]]]]


def predict(model: str, nodes: Sequence[Demand], session: Session, constants: Constants) -> list[float]:
    """Return the seconds that each node takes from the common start."""
    if model == "none":
        return [node.wall_s for node in nodes]
    if model == "sharing":
        return _shared(nodes, session.cores)
    return together(
        nodes,
        round(session.cores),
        session.switch_interval_s,
        **constants._asdict(),
    )


def _shared(nodes: Sequence[Demand], cores: float) -> list[float]:
    """Return the ends under capacity sharing, phase after phase."""
    left = [max(node.wall_s, 1e-9) for node in nodes]
    gil = [node.hold_s / wall_s for node, wall_s in zip(nodes, left, strict=True)]
    core = [
        (node.hold_s + node.native_s * node.width) / wall_s for node, wall_s in zip(nodes, left, strict=True)
    ]
    ends = [0.0] * len(nodes)
    running = list(range(len(nodes)))
    now = 0.0
    while running:
        speeds = shared_speeds([gil[i] for i in running], [min(cores, core[i]) for i in running], cores)
        until = [left[i] / speed for i, speed in zip(running, speeds, strict=True)]
        passed = min(until)
        first = running[until.index(passed)]
        for i, speed in zip(running, speeds, strict=True):
            left[i] -= passed * speed
        now += passed
        ends[first] = now
        running.remove(first)
    return ends


def scaled(node: Demand, factor: float) -> Demand:
    """Return a node on a machine that is slower by a factor."""
    return node._replace(
        hold_s=node.hold_s * factor,
        native_s=node.native_s * factor,
        blocked_s=node.blocked_s * factor,
        burst_s=node.burst_s * factor,
    )


def errors(
    session: Session, constants: Constants, *, as_profiled: bool = False, models: Sequence[str] = MODELS
) -> Rows:
    """Return for each pair what each model predicts."""
    alone = {node.name: demand_of(node) for node in session.nodes}
    rows = []
    for pair in session.pairs:
        nodes = [
            alone[name] if as_profiled else scaled(alone[name], alone_s / alone[name].wall_s)
            for name, alone_s in zip(pair.names, pair.alone_s, strict=True)
        ]
        rows.append((pair, {model: predict(model, nodes, session, constants) for model in models}))
    return rows


def fitted(session: Session) -> Constants:
    """Return the constants with the least mean error in the tuned half; the other half is not looked at."""
    tuned = msgspec.structs.replace(session, pairs=tuple(p for p in session.pairs if not p.held_out))
    choices = [
        Constants(wake_us / 1e6, collide_us / 1e6, crowding)
        for wake_us, collide_us, crowding in product((15, 30, 50, 80), (8, 12, 20), (0.0, 0.03, 0.08, 0.15))
    ]

    def mean_error(constants: Constants) -> float:
        rows = errors(tuned, constants, models=("events",))
        return statistics.fmean([*makespan_errors(rows, "events"), 0.0])

    return min([Constants(session.hand_off_s), *choices], key=mean_error)


# -- telling -----------------------------------------------------------------------------------------------


def makespan_errors(rows: Rows, model: str) -> list[float]:
    """Return the relative errors of the later end."""
    return [abs(max(found[model]) / max(pair.together_s) - 1) for pair, found in rows]


def end_errors(rows: Rows, model: str) -> list[float]:
    """Return the relative errors of both ends."""
    return [
        abs(said / took - 1)
        for pair, found in rows
        for said, took in zip(found[model], pair.together_s, strict=True)
    ]


def describe(values: Sequence[float]) -> dict[str, float]:
    """Return median, mean and 90th percentile."""
    if not values:
        return {}
    ordered = sorted(values)
    return {
        "median": statistics.median(ordered),
        "mean": statistics.fmean(ordered),
        "p90": ordered[min(len(ordered) - 1, round(0.9 * (len(ordered) - 1)))],
        "n": len(ordered),
    }


def overall(session: Session, constants: Constants) -> list[dict[str, Any]]:
    """Return the errors of each model in each half."""
    found: list[dict[str, Any]] = []
    plain, raw = errors(session, constants), errors(session, constants, as_profiled=True)
    for half in ("tuned", "held out"):
        here = [row for row in plain if row[0].held_out == (half == "held out")]
        there = [row for row in raw if row[0].held_out == (half == "held out")]
        found.extend(
            {"half": half, "model": model, "of": of, **describe(values)}
            for model in MODELS
            for of, values in (
                ("later end", makespan_errors(here, model)),
                ("each end", end_errors(here, model)),
                ("later end, as profiled", makespan_errors(there, model)),
            )
        )
    return found


def table(session: Session, constants: Constants) -> str:
    """Return pairs and errors as text."""
    head = f"{'pair':<38}{'half':<9}{'alone ms':>15}{'together ms':>15}{'none':>7}{'sharing':>9}{'events':>8}"
    lines = [f"{head}   (error of the later end)"]
    for pair, found in errors(session, constants):
        later = max(pair.together_s)
        shown = {model: f"{max(found[model]) / later - 1:+.0%}" for model in MODELS}
        alone, both = (
            " ".join(f"{1e3 * s:.0f}" for s in figures) for figures in (pair.alone_s, pair.together_s)
        )
        lines.append(
            f"{' + '.join(pair.names):<38}{'held out' if pair.held_out else 'tuned':<9}{alone:>15}{both:>15}"
            f"{shown['none']:>7}{shown['sharing']:>9}{shown['events']:>8}"
        )
    lines.append(f"\n{'half':<10}{'model':<9}{'of':<24}{'median':>8}{'mean':>8}{'p90':>8}{'n':>6}")
    lines.extend(
        f"{row['half']:<10}{row['model']:<9}{row['of']:<24}"
        f"{row['median']:>8.3f}{row['mean']:>8.3f}{row['p90']:>8.3f}{row['n']:>6}"
        for row in overall(session, constants)
        if "median" in row
    )
    return "\n".join(lines)
