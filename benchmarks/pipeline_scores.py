"""What the rows of `pipelines.py` say: the tuned plan beside the best of the others, the bound, its promise.

Ratios are of medians, with the 95 % interval of runs of the same turn drawn together. Of the others the best
is taken by the same finals, whatever its setting and the order that suited it: its luck counts for it.

A machine is not as fast while it races as it was while it profiled. How much is told by one node after the
other, whose time the profile promises too: *drift* is measured / promised. Bounds and promises are held
against measured times with the drift taken out; as they are, they stand beside.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import msgspec

from benchmarks.pipeline_rows import DEFAULT, OURS, PLANNED, SEQUENTIAL, TUNED, Row
from makespan.showing.interval import interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FINALS = 3


class Ratio(msgspec.Struct, frozen=True):
    """Of two medians."""

    value: float
    low: float | None = None
    """With `high` the 95 % interval; None: too few runs."""
    high: float | None = None


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One pipeline, from its finals."""

    pipeline: str
    runs: int
    """Of the tuned plan."""
    tuned_s: float
    tuned: str
    """Which way the tuned plan is."""
    best_peer: str | None
    best_peer_s: float | None
    to_best_peer: Ratio | None
    to_tawazi_default: Ratio | None
    to_dask_default: Ratio | None
    to_own_default: Ratio | None
    """A call of the DAG without a plan."""
    drift: float | None
    """One after the other: measured / promised; None: it did not run, and is taken for 1."""
    to_bound: float | None
    """To the lower bound × drift."""
    room: float | None
    """Best peer / (lower bound × drift): what any plan could win."""
    predicted: float | None
    """Predicted × drift / measured."""
    predicted_as_is: float | None
    """Predicted / measured."""
    misses: tuple[float, ...] = ()
    """|predicted × drift / measured − 1| of the tuned plan and the plans for each number of threads."""


class Holding(msgspec.Struct, frozen=True):
    """Something that is to hold of all pipelines together."""

    what: str
    found: str
    wanted: str
    holds: bool


def scores(rows: Sequence[Row]) -> list[Score]:
    """Return a score for each pipeline that has finals of a tuned plan."""
    found = (_score(name, [row for row in rows if row.pipeline == name]) for name in _names(rows))
    return [its for its in found if its is not None]


def finals(rows: Sequence[Row], pipeline: str) -> list[Row]:
    """Return the finals of a pipeline, the fastest first."""
    some = [
        row for row in rows if row.pipeline == pipeline and row.stage == FINALS and row.median_s is not None
    ]
    return sorted(some, key=lambda row: (row.median_s or 0.0, row.way))


def _names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.pipeline for row in rows))


def _score(name: str, rows: Sequence[Row]) -> Score | None:
    last = finals(rows, name)
    ours = next((row for row in last if row.engine == TUNED and row.order == 0), None)
    if ours is None or ours.median_s is None:
        return None
    peer = next((row for row in last if row.engine not in OURS), None)
    drift = drift_of(rows)
    bound_s = None if ours.bound_s is None else ours.bound_s * (drift or 1.0)
    predicted = None if ours.predicted_s is None else ours.predicted_s / ours.median_s

    def default_of(engine: str) -> Ratio | None:
        fits = (r for r in last if r.engine == engine and r.default and r.native == "default" and not r.order)
        row = next(fits, None)
        return None if row is None else ratio(ours, row)

    return Score(
        pipeline=name,
        runs=ours.runs,
        tuned_s=ours.median_s,
        tuned=ours.plan,
        best_peer=peer.way.text() if peer else None,
        best_peer_s=peer.median_s if peer else None,
        to_best_peer=ratio(ours, peer) if peer else None,
        to_tawazi_default=default_of("Tawazi"),
        to_dask_default=default_of("dask.threaded"),
        to_own_default=default_of(DEFAULT),
        drift=drift,
        room=peer.median_s / bound_s if peer and peer.median_s and bound_s else None,
        to_bound=ours.median_s / bound_s if bound_s else None,
        predicted=None if predicted is None else predicted * (drift or 1.0),
        predicted_as_is=predicted,
        misses=tuple(misses(rows, drift or 1.0)),
    )


def drift_of(rows: Sequence[Row]) -> float | None:
    """Return how much longer one node after the other took than its profile promises; None: not known."""
    promised = next(
        (r.predicted_s for r in rows if r.engine == DEFAULT and r.threads == 1 and not r.order), None
    )
    alone = (r for r in rows if r.engine == SEQUENTIAL and r.native == "default" and r.stage == FINALS)
    took_s = next((r.median_s for r in alone if r.median_s), None)
    return took_s / promised if took_s and promised else None


def ratio(a: Row, b: Row) -> Ratio:
    """Return the ratio of two rows, over the turns that both ran in.

    Raises
    ------
    ValueError
        They have no turn in common.
    """
    beside = dict(zip(b.turns, b.seconds, strict=True))
    both = [(s, beside[turn]) for turn, s in zip(a.turns, a.seconds, strict=True) if turn in beside]
    if not both:
        raise ValueError(f"{a.way.text()} and {b.way.text()} never ran in the same turn")
    ours, theirs = [s for s, _ in both], [s for _, s in both]
    spread = interval(ours, theirs, together=True)
    value = median(ours) / median(theirs)
    return Ratio(value, *spread) if spread else Ratio(value)


def misses(rows: Sequence[Row], drift: float = 1.0) -> list[float]:
    """Return by how much plans missed: each as written, by its finals, else by other runs, two at least."""
    promised: dict[tuple[str, int, bool], list[Row]] = {}
    for row in rows:
        if row.engine in (PLANNED, TUNED) and not row.order and row.predicted_s is not None and row.runs:
            promised.setdefault((row.engine, row.threads, row.default), []).append(row)
    found = []
    for some in promised.values():
        last = [row for row in some if row.stage == FINALS]
        seconds = [s for row in last or some for s in row.seconds]
        if len(seconds) > 1:
            found.append(abs((some[0].predicted_s or 0.0) * drift / median(seconds) - 1))
    return found


def holdings(some: Sequence[Score]) -> list[Holding]:
    """Return what is to hold of all pipelines, and whether it does."""
    if not some:
        return []
    least = min(2, len(some))
    high = [_upper(its.to_best_peer) for its in some]
    worst = max((x for x in high if x is not None), default=None)
    defaults = [
        max(r.value for r in both)
        for its in some
        if len(both := [r for r in (its.to_tawazi_default, its.to_dask_default) if r is not None]) == 2
    ]
    every = [miss for its in some for miss in its.misses]
    slower = [its.pipeline for its in some if its.to_own_default and (its.to_own_default.low or 0.0) > 1.0]
    return [
        Holding(
            "tuned / best peer, upper end of the 95 % interval, on every pipeline",
            "no interval" if worst is None or None in high else f"{worst:.3f} at worst",
            "≤ 1.03",
            None not in high and worst is not None and worst <= 1.03,
        ),
        _counted("tuned / best peer", [r.value for its in some if (r := its.to_best_peer)], 0.80, least),
        _counted("tuned / the defaults of Tawazi and dask, both", defaults, 0.60, least),
        _counted("tuned / lower bound", [its.to_bound for its in some if its.to_bound], 1.10, least),
        _missed("median of |predicted × drift / measured − 1|", every, median, 0.05),
        _missed("worst of |predicted × drift / measured − 1|", every, max, 0.15),
        Holding(
            "tuned slower than the default, beyond the 95 % interval",
            ", ".join(slower) or "none",
            "none",
            not slower,
        ),
    ]


def _upper(its: Ratio | None) -> float | None:
    return its.high if its else None


def _counted(what: str, values: Sequence[float], most: float, least: int) -> Holding:
    count = sum(value <= most for value in values)
    return Holding(f"{what} ≤ {most:.2f}", f"{count} pipelines", f"at least {least}", count >= least)


def _missed(
    what: str, values: Sequence[float], of: Callable[[Sequence[float]], float], most: float
) -> Holding:
    if not values:
        return Holding(what, "nothing was predicted", f"≤ {most:.0%}", holds=False)
    return Holding(what, f"{of(values):.1%}", f"≤ {most:.0%}", of(values) <= most)
