"""The parts of the page around the Gantt: headline figures, notes, legend.

Every function returns HTML in which each name is escaped; a part that has nothing to say is empty.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from makespan.showing.causes import gil_waits
from makespan.showing.figures import BROKEN, IDLE
from makespan.showing.words import TIMES, clean, percent, plural, seconds, some

if TYPE_CHECKING:
    from makespan.showing.figures import IdleCause, Report
    from makespan.showing.shapes import Band

MOST_NAME = 120
IDLE_KEYS: dict[IdleCause, tuple[str, str]] = {
    "inputs": ("i0", "idle: waits for results"),
    "lock": ("i1", "idle: for a lock or group"),
    "GIL": ("i2", "idle: kept back for the GIL"),
    "budget": ("i3", "idle: a node is ready, no worker took it"),
    "nothing left": ("i4", "idle: nothing left"),
}
"""Class and words of each cause of idle time."""
DASH = "\N{EN DASH}"


def name(text: str, most: int = MOST_NAME) -> str:
    """Write a node's name: cleaned, escaped, its direction of writing kept to itself."""
    return f"<bdi>{escape(clean(text, most))}</bdi>"


def band_name(band: Band) -> str:
    """Return what a row of locks and groups is called; the script calls it the same.

    >>> from makespan.showing.shapes import Band
    >>> [band_name(Band("ast", kind, 1, ())) for kind in ("lock", "group", "exclusive", "chain")]
    ['lock ast', 'ast', 'runs alone', 'chain ast']
    """
    if band.kind == "exclusive":
        return "runs alone"
    name = band.name if band.kind == "group" else f"{band.kind} {band.name}"
    return name if band.limit == 1 else f"{band.limit} of {name}"


def subtitle(report: Report) -> str:
    """Say what was run, on how many threads, when."""
    words = [plural(len(report.nodes), "node"), plural(report.threads, "thread")]
    words.append(f"run of {_moment(report.started_at)}" if report.started_at else "planned, not run")
    return escape(" · ".join(words))


def _moment(text: str) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return clean(text, 40)
    at = at.astimezone(UTC) if at.tzinfo else at
    return f"{at.day} {at:%B %Y, %H:%M}{' UTC' if at.tzinfo else ''}"


def figures(report: Report) -> str:
    """Return the four headline figures."""
    shown = ""
    for value, words in (_time(report), _gain(report), _distance(report), _busy(report)):
        figure = f"<dd>{escape(value)}</dd>" if value else f'<dd class="none">{DASH}</dd>'
        shown += f"<div><dt>{escape(words)}</dt>{figure}</div>\n"
    return f'<dl class="figures">\n{shown}</dl>'


def _time(report: Report) -> tuple[str, str]:
    if report.actual_s is None:
        return seconds(report.planned_s or 0.0), f"planned, with {plural(report.threads, 'thread')}"
    what = {"ok": "actual", "failed": "until it failed", "timed out": "until its time was up"}.get(
        report.status, "until it was interrupted"
    )
    if report.planned_s is None:
        return seconds(report.actual_s), f"{what} · no plan"
    error = "" if report.error_share is None else f" ({percent(report.error_share, signed=True)})"
    return seconds(report.actual_s), f"{what} · planned {seconds(report.planned_s)}{error}"


def _gain(report: Report) -> tuple[str, str]:
    if report.speedup is None or report.default_s is None:
        return "", "over the unplanned order: nothing to compare with"
    how = "predicted"
    if report.default_source == "measured":
        how = f"measured, medians of {report.repeats}" if report.repeats > 1 else "measured once"
    word = "over" if report.speedup >= 0.995 else "slower than"
    between = ""
    if report.speedup_range is not None:
        low, high = report.speedup_range
        between = f" · 95 %: {low:.2f} to {high:.2f}{TIMES}"
    words = f"{word} the unplanned order ({seconds(report.default_s)}, {how}){between}"
    return f"{report.speedup:.2f}{TIMES}", words


def _distance(report: Report) -> tuple[str, str]:
    if report.bound_s is None:
        return "", "from the lower bound: no plan, no bound"
    bound = f"the lower bound {seconds(report.bound_s)} (binding: {clean(report.binding, 40)})"
    if report.gap is None:
        why = "; the run did not reach its end" if report.status != "ok" else ""
        return "", f"from {bound}{why if report.whole or why else '; not all nodes ran'}"
    if report.gap < -0.0005:
        return percent(-report.gap), f"below {bound}; nodes ran faster than profiled"
    return percent(report.gap), f"from {bound}"


def _busy(report: Report) -> tuple[str, str]:
    unused = f" · {report.unused} of {report.threads} had no work" if report.unused else ""
    return percent(report.busy), f"lanes busy{unused}"


def notes(report: Report) -> str:
    """Return what went wrong, and what the reader should know before trusting the figures."""
    lines = []
    for failure in report.failures:
        place = f" at {escape(clean(failure.place, 120))}" if failure.place else ""
        lines.append(f"{name(failure.node)} raised <b>{escape(clean(failure.type, 80))}</b>{place}")
    bad = bool(lines) or report.status in {"interrupted", "timed out"}
    if report.status == "interrupted":
        lines.append("the run was interrupted")
    elif report.status == "timed out":
        lines.append("the time of the run was up")
    for status, words in IDLE.items():
        found = report.with_status(status)
        if found:
            names = some((node.name for node in found), 12)
            lines.append(f"{plural(len(found), 'node')} {words}: {escape(names)}")
    waits = gil_waits(report)
    lines += [escape(line) for line in (waits, *report.notes) if line]
    if not lines:
        return ""
    items = "\n".join(f"<li>{line}</li>" for line in lines)
    return f'<ul class="notes{" bad" if bad else ""}">\n{items}\n</ul>'


def keys(*reports: Report) -> str:
    """Return the legend of one Gantt or several."""

    def swatch(inside: str) -> str:
        return f'<svg viewBox="0 0 13 13" aria-hidden="true">{inside}</svg>'

    bars = [bar for report in reports for bar in (*report.actual_bars, *report.planned_bars)]
    shares = [bar.shares for bar in bars if bar.shares is not None]
    found = []
    for words, letter, there in (
        ("holds the GIL", "g", any(share.gil > 0 for share in shares)),
        ("native, GIL released", "n", any(share.native > 0 for share in shares)),
        ("blocked / IO", "b", any(share.blocked > 0 for share in shares)),
        ("waits for the GIL", "w", any(share.gil_wait > 0 for share in shares)),
        ("waits for a core", "d", any(share.delay > 0 for share in shares)),
        ("longer than alone (waiting, or slower)", "l", any(share.longer > 0 for share in shares)),
        ("not profiled", "u", any(bar.shares is None for bar in bars)),
    ):
        if there:
            found.append(swatch(f'<path class="{letter}" d="M0 0h13v13h-13z"/>') + words)
    if any(bar.critical for bar in bars):
        found.append(swatch('<path class="crit" d="M1 1h11v11h-11z"/>') + "critical path")
    if any(bar.status in BROKEN for bar in bars):
        found.append(swatch('<path class="bad" d="M1 1h11v11h-11z"/>') + "failed or unfinished")
    if any(report.actual_bars and report.planned_bars for report in reports):
        found.append("thin: planned, thick: actual")
    if any(report.bands for report in reports):
        found.append(swatch('<path class="band" d="M0 2h13v9h-13z"/>') + "held: lock, group or chain")
    idle = {one.cause for report in reports for one in report.idle}
    for cause, (kind, words) in IDLE_KEYS.items():
        if cause in idle:
            found.append(swatch(f'<path class="{kind}" d="M0 4h13v5h-13z"/>') + words)
    if any(report.measured for report in reports):
        drawn = [node for report in reports for node in report.nodes if node.row is not None]
        known = sum(node.measured_shares is not None for node in drawn)
        some_of = f": {known:,} of {plural(len(drawn), 'node')}" if known < len(drawn) else " are filled"
        found.append(f"thick bars{some_of} as measured in this run")
    if shares:
        found.append("<b>height = share of the bar, not order in time</b>")
    return '<ul class="keys">' + "".join(f"<li>{words}</li>" for words in found) + "</ul>" if found else ""
