"""The tables of ``pipelines.py``, from its rows."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from benchmarks.pipeline_rows import OURS
from benchmarks.pipeline_scores import finals, holdings, ratio, scores
from makespan_optimizer.measure.load import LOAD_LIMIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.pipeline_rows import Row
    from benchmarks.pipeline_scores import Ratio

_NO_ROOM = 1.10


def table(rows: Sequence[Row]) -> str:
    """Return a line for each pipeline, then what is to hold of all, then a line for each way of each."""
    some = scores(rows)
    names = list(dict.fromkeys(row.pipeline for row in rows))
    words = f"{'Tawazi*':>8}{'dask*':>8}{'bound':>8}{'pred.':>8}{'drift':>8}"
    lines = [f"{'pipeline':20}{'tuned':>9}  {'to best peer':24}{words}"]
    for its in some:
        lines.append(
            f"{its.pipeline[:19]:20}{its.tuned_s:8.3f}s  {_wide(its.to_best_peer):24}"
            f"{_short(its.to_tawazi_default):>8}{_short(its.to_dask_default):>8}"
            f"{_number(its.to_bound):>8}{_number(its.predicted):>8}{_number(its.drift):>8}"
        )
        peer = f"best peer: {its.best_peer}, {its.best_peer_s:.3f} s" if its.best_peer_s else "no peer ran"
        if its.room is not None and its.room <= _NO_ROOM:
            peer += f", no room: {its.room:.2f} × lower bound"
        lines.append(f"{'':20}{peer}; the tuned plan is: {its.tuned or 'as planned'} (n = {its.runs})")
    lines += [
        f"{name[:19]:20}no finals of a tuned plan" for name in names if name not in {s.pipeline for s in some}
    ]
    lines += [
        "* at its default. Ratios of medians, 95 % intervals. drift: one after the other, measured /",
        "promised by the profile. bound: tuned / (lower bound × drift). pred.: predicted × drift / measured.",
        "",
    ]
    for held in holdings(some):
        lines.append(f"{'holds' if held.holds else 'FAILS':6} {held.what}: {held.found} ({held.wanted})")
    for name in names:
        lines += ["", *_ways(rows, name)]
    return "\n".join(lines) + "\n"


def _ways(rows: Sequence[Row], name: str) -> list[str]:
    some = finals(rows, name)
    if not some:
        return [f"{name}: nothing reached the finals"]
    tuned = next((row for row in some if row.engine == OURS[-1] and not row.order), None)
    lines = [f"{name:60}{'median':>9}{'95 % interval':>18}{'n':>4}{'tuned/it':>10}{'other orders':>16}"]
    shown: set[str] = set()
    for row in some:
        beside = f"{ratio(tuned, row).value:10.2f}" if tuned else f"{'':10}"
        spread = "" if row.low_s is None else f"{row.low_s:.3f} – {row.high_s:.3f}"
        lines.append(
            f"  {row.way.text():58}{row.median_s:8.3f}s{spread:>18}{row.runs:4}{beside}"
            f"{_orders(rows, row) if row.engine not in shown else '':>16}"
        )
        shown.add(row.engine)
    lines += [f"  {row.way.text():58}{row.error}" for row in rows if row.pipeline == name and row.error]
    loads = [load for row in some for load in row.loads if load is not None]
    if loads and (loud := sum(load > LOAD_LIMIT for load in loads)):
        lines.append(
            f"  others took more than {LOAD_LIMIT:.0%} of the cores beside {loud} of {len(loads)} runs "
            f"(median {median(loads):.0%}): measure again on a quiet machine"
        )
    return lines


def _orders(rows: Sequence[Row], final: Row) -> str:
    """Return the range over other orders of declaration of its engine's best way, from stage 2."""
    medians = [
        row.median_s
        for row in rows
        if (row.pipeline, row.engine, row.stage) == (final.pipeline, final.engine, 2)
        and row.order
        and row.median_s is not None
    ]
    return f"{min(medians):.3f} – {max(medians):.3f}" if medians else ""


def _wide(its: Ratio | None) -> str:
    if its is None:
        return "–"
    return f"{its.value:.3f}" + (f" ({its.low:.3f} – {its.high:.3f})" if its.low is not None else "")


def _short(its: Ratio | None) -> str:
    return "–" if its is None else f"{its.value:.2f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
