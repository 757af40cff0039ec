"""The tables of ``pipelines.py``, from its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.pipeline_rows import OURS
from benchmarks.pipeline_scores import finals, holdings, ratio, scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.pipeline_rows import Row
    from benchmarks.pipeline_scores import Ratio


def table(rows: Sequence[Row]) -> str:
    """Return a line for each pipeline, then what is to hold of all, then a line for each way of each."""
    some = scores(rows)
    names = list(dict.fromkeys(row.pipeline for row in rows))
    lines = [
        f"{'pipeline':20}{'tuned':>9}  {'to best peer':24}{'Tawazi*':>8}{'dask*':>8}{'bound':>8}{'pred.':>8}"
    ]
    for its in some:
        lines.append(
            f"{its.pipeline[:19]:20}{its.tuned_s:8.3f}s  {_wide(its.to_best_peer):24}"
            f"{_short(its.to_tawazi_default):>8}{_short(its.to_dask_default):>8}"
            f"{_number(its.to_bound):>8}{_number(its.predicted):>8}"
        )
        peer = f"best peer: {its.best_peer}, {its.best_peer_s:.3f} s" if its.best_peer_s else "no peer ran"
        lines.append(f"{'':20}{peer}; the tuned plan is: {its.tuned or 'as planned'} (n = {its.runs})")
    lines += [
        f"{name[:19]:20}no finals of a tuned plan" for name in names if name not in {s.pipeline for s in some}
    ]
    lines += ["* at its default. Ratios of medians, 95 % intervals; pred.: predicted / measured.", ""]
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
    lines = [f"{name:52}{'median':>9}{'95 % interval':>18}{'n':>4}{'tuned/it':>10}{'orders':>16}"]
    for row in some:
        beside = f"{ratio(tuned, row).value:10.2f}" if tuned else f"{'':10}"
        spread = "" if row.low_s is None else f"{row.low_s:.3f} – {row.high_s:.3f}"
        lines.append(
            f"  {row.way.text():50}{row.median_s:8.3f}s{spread:>18}{row.runs:4}{beside}"
            f"{_orders(rows, row):>16}"
        )
    lines += [f"  {row.way.text():50}{row.error}" for row in rows if row.pipeline == name and row.error]
    return lines


def _orders(rows: Sequence[Row], final: Row) -> str:
    """Return the range over orders of declaration, from stage 2."""
    if final.order:
        return ""
    medians = [
        row.median_s
        for row in rows
        if (row.pipeline, row.engine, row.threads, row.native, row.default)
        == (final.pipeline, final.engine, final.threads, final.native, final.default)
        and row.stage == 2
        and row.median_s is not None
    ]
    return f"{min(medians):.3f} – {max(medians):.3f}" if len(medians) > 1 else ""


def _wide(its: Ratio | None) -> str:
    if its is None:
        return "–"
    return f"{its.value:.3f}" + (f" ({its.low:.3f} – {its.high:.3f})" if its.low is not None else "")


def _short(its: Ratio | None) -> str:
    return "–" if its is None else f"{its.value:.2f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
