"""A Gantt in SVG that needs no script: thin planned bars above thick actual ones, filled by shares.

Up to `MOST_TOLD` bars tell their names to the pointer. With more, bars of a colour are one path, and bars
thinner than a pixel are joined with those beside them, so that the drawing stays small.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from makespan.showing.axis import bar_labels, label_rows, ticks
from makespan.showing.colours import FILL, INK, LINE, PAPER, QUIET
from makespan.showing.figures import BROKEN, PARTS, Shares
from makespan.showing.reprs.card import patterns, svg, word
from makespan.showing.words import clean, columns, percent, plural, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from makespan.showing.figures import Bar, Report

WIDTH: Final = 940.0
MOST_TOLD: Final = 300
_COLUMN: Final = 6.5


class _Lane(NamedTuple):
    """Where things lie in a lane, in pixels."""

    pitch: float
    thin: tuple[float, float]
    thick: tuple[float, float]
    label: float


_HIGH = _Lane(48, (2, 9), (11, 31), 42)
_LOW = _Lane(22, (1, 5), (6, 19), 0)
_FLAT = _Lane(9, (0, 2), (2.5, 8), 0)


def draw_gantt(report: Report) -> str:
    """Return the drawing of what happened beside what was planned; of the plan alone when it has not run."""
    thick, thin = (
        (report.actual_bars, report.planned_bars) if report.actual_bars else (report.planned_bars, ())
    )
    if not thick:
        return ""
    lane = _HIGH if report.rows <= 12 else _LOW if report.rows <= 40 else _FLAT
    names = _names(report)
    left = 12 + _COLUMN * max(map(columns, names)) if lane is not _FLAT else 60.0
    per_s = (WIDTH - left - 6) / (report.extent_s or 1.0)
    verticals, above = _verticals(report, left, per_s)
    top = above + 6
    bottom = top + lane.pitch * report.rows
    many = len(thick) + len(thin) > MOST_TOLD
    if many:
        thick, thin = joined(thick, 1 / per_s, 1 / per_s), joined(thin, 1 / per_s, 1 / per_s)
    used = {part for bar in (*thick, *thin) for part, _ in parts(bar)}
    definitions, stripes = patterns(repr((report.title, report.rows, thick, report.actual_s)), used)
    fills = {**FILL, **stripes}
    paint = _paths if many else _told
    inner = [
        definitions,
        _axis(report, left, per_s, top, bottom),
        *(_lane_name(name, row, lane, left, top) for row, name in enumerate(names)),
        f'<g opacity=".7">{paint(thin, lane, lane.thin, fills, left, per_s, top)}</g>' if thin else "",
        paint(thick, lane, lane.thick, fills, left, per_s, top),
        _labels(thick, lane, left, per_s, top) if lane.label and not many else "",
        _lines(report, left, per_s, top - 4, bottom),
        verticals,
    ]
    words = f"Gantt of {plural(len(report.actual_bars or report.planned_bars), 'node')}"
    return svg(WIDTH, bottom + 20, words, "\n".join(part for part in inner if part), fluid=True)


def joined(bars: Sequence[Bar], thin_s: float, apart_s: float) -> tuple[Bar, ...]:
    """Join bars thinner than `thin_s` with such bars nearby; shares are means over their time."""
    found: list[Bar] = []
    ordered = sorted(bars, key=lambda bar: (bar.row, bar.start_s, bar.end_s))
    for _, group in groupby(ordered, key=lambda bar: bar.row):
        crumbs: list[Bar] = []
        for bar in group:
            if bar.end_s - bar.start_s >= thin_s:
                found += [*_joined(crumbs), bar]
                crumbs = []
            elif crumbs and bar.start_s - crumbs[-1].end_s > apart_s:
                found += _joined(crumbs)
                crumbs = [bar]
            else:
                crumbs.append(bar)
        found += _joined(crumbs)
    return tuple(found)


def _joined(crumbs: Sequence[Bar]) -> list[Bar]:
    if len(crumbs) < 2:
        return list(crumbs)
    known = [bar for bar in crumbs if bar.shares is not None]
    whole_s = sum(bar.end_s - bar.start_s for bar in known)
    shares = None
    if known and whole_s > 0:
        shares = Shares(
            **{
                part: sum((bar.end_s - bar.start_s) * getattr(bar.shares, part) for bar in known) / whole_s
                for part in PARTS
            }
        )
    broken = next((bar.status for bar in crumbs if bar.status in BROKEN), crumbs[0].status)
    return [
        msgspec.structs.replace(
            crumbs[0],
            end_s=max(bar.end_s for bar in crumbs),
            shares=shares,
            critical=any(bar.critical for bar in crumbs),
            status=broken,
        )
    ]


def parts(bar: Bar) -> list[tuple[str, float]]:
    """Return what fills a bar, from the bottom: names of `FILL` with their shares."""
    if bar.shares is None:
        return [("unknown", 1.0)]
    shares = [(part, float(getattr(bar.shares, part))) for part in PARTS]
    return [(part, share) for part, share in shares if share > 0]


def _names(report: Report) -> list[str]:
    said = [lane.name for lane in report.lanes]
    return [
        f"{clean(said[row] if row < len(said) else f'lane {row}', 24)} {percent(share)}"
        for row, share in enumerate(report.row_busy)
    ]


def _lane_name(name: str, row: int, lane: _Lane, left: float, top: float) -> str:
    if lane is _FLAT and row % 10:
        return ""
    middle = top + lane.pitch * row + (lane.thin[0] + lane.thick[1]) / 2 + 4
    shown = name.rsplit(" ", 2)[0] if lane is _FLAT else name
    return f'<text x="{left - 8:.1f}" y="{middle:.1f}" text-anchor="end" fill="{QUIET}">{word(shown)}</text>'


def _axis(report: Report, left: float, per_s: float, top: float, bottom: float) -> str:
    drawn = []
    for moment, said in ticks(report.extent_s):
        at = left + moment * per_s
        drawn.append(f'<path d="M{at:.1f} {top:.1f}V{bottom:.1f}" stroke="{LINE}"/>')
        anchor, x = ("end", WIDTH) if at + 0.5 * _COLUMN * len(said) > WIDTH else ("middle", at)
        drawn.append(
            f'<text x="{x:.1f}" y="{bottom + 14:.1f}" text-anchor="{anchor}" fill="{QUIET}">{said}</text>'
        )
    return "".join(drawn)


def _shapes(
    bar: Bar, lane: _Lane, band: tuple[float, float], left: float, per_s: float, top: float
) -> Iterable[tuple[str, str]]:
    """Yield what a bar consists of as (part, path), the whole as part ``""``."""
    start = left + bar.start_s * per_s
    wide = max(0.6, (bar.end_s - bar.start_s) * per_s)
    low = top + lane.pitch * bar.row + band[1]
    tall = band[1] - band[0]
    yield "", f"M{start:.1f} {low:.1f}h{wide:.1f}v{-tall:.1f}h{-wide:.1f}z"
    for part, share in parts(bar):
        yield part, f"M{start:.1f} {low:.1f}h{wide:.1f}v{-tall * share:.1f}h{-wide:.1f}z"
        low -= tall * share


def _told(
    bars: Sequence[Bar],
    lane: _Lane,
    band: tuple[float, float],
    fills: Mapping[str, str],
    left: float,
    per_s: float,
    top: float,
) -> str:
    """Draw each bar by itself, with its name for the pointer."""
    drawn, last = [], []
    for bar in bars:
        inner, outline = "", ""
        for part, path in _shapes(bar, lane, band, left, per_s, top):
            if part:
                inner += f'<path d="{path}" fill="{fills[part]}"/>'
            elif bar.critical or bar.status in BROKEN:
                dash = ' stroke-dasharray="3 2"' if bar.status in BROKEN else ""
                last.append(
                    f'<path d="{path}" fill="none" stroke="{INK}" stroke-width="1.4"{dash} '
                    'pointer-events="none"/>'
                )
            else:
                outline = f'<path d="{path}" fill="none" stroke="{PAPER}" stroke-width=".7"/>'
        lasted = seconds(bar.end_s - bar.start_s)
        status = "" if bar.status == "ok" else f", {bar.status}"
        told = f"{word(bar.name, 200)}, {lasted} from {seconds(bar.start_s)}{status}"
        drawn.append(f"<g><title>{told}</title>{inner}{outline}</g>")
    return "\n".join([*drawn, *last])


def _paths(
    bars: Sequence[Bar],
    lane: _Lane,
    band: tuple[float, float],
    fills: Mapping[str, str],
    left: float,
    per_s: float,
    top: float,
) -> str:
    """Draw all bars of a colour as one path."""
    by_part: dict[str, list[str]] = {}
    for bar in bars:
        for part, path in _shapes(bar, lane, band, left, per_s, top):
            if part:
                by_part.setdefault(part, []).append(path)
            elif bar.status in BROKEN:
                by_part.setdefault("broken", []).append(path)
    # Outlines of the critical path that touch are drawn as one: many in a row would be black.
    for bar in joined([bar for bar in bars if bar.critical], 6 / per_s, 1 / per_s):
        _, path = next(iter(_shapes(bar, lane, band, left, per_s, top)))
        by_part.setdefault("critical", []).append(path)
    drawn = [
        f'<path d="{"".join(by_part[part])}" fill="{fills[part]}"/>'
        for part in (*PARTS, "unknown")
        if part in by_part
    ]
    for which, dash in (("critical", ""), ("broken", ' stroke-dasharray="3 2"')):
        if which in by_part:
            path = "".join(by_part[which])
            drawn.append(f'<path d="{path}" fill="none" stroke="{INK}" stroke-width=".8"{dash}/>')
    return "\n".join(drawn)


def _labels(bars: Sequence[Bar], lane: _Lane, left: float, per_s: float, top: float) -> str:
    return "".join(
        f'<text x="{left + bar.start_s * per_s:.1f}" y="{top + lane.pitch * bar.row + lane.label:.1f}" '
        f'fill="{INK}" stroke="{PAPER}" stroke-width="3" paint-order="stroke">{word(text, 400)}</text>'
        for bar, text in bar_labels(bars, per_s, _COLUMN, WIDTH - left)
    )


def _marked(report: Report) -> list[tuple[float, str, str]]:
    marked = []
    if report.bound_s:
        words = f"lower bound {seconds(report.bound_s)} ({clean(report.binding, 30)})"
        marked.append((report.bound_s, words, ' stroke-dasharray="5 3"'))
    if report.planned_s and report.actual_bars:
        marked.append((report.planned_s, f"planned end {seconds(report.planned_s)}", ""))
    return marked


def _lines(report: Report, left: float, per_s: float, top: float, bottom: float) -> str:
    return "".join(
        f'<path d="M{left + moment * per_s:.1f} {top:.1f}V{bottom:.1f}" stroke="{INK}"{dash}/>'
        for moment, _, dash in _marked(report)
    )


def _verticals(report: Report, left: float, per_s: float) -> tuple[str, float]:
    """Return the words of the lines, and how much room they take above the lanes."""
    marked, drawn = _marked(report), []
    spans, anchors = [], []
    for moment, words, _ in marked:
        at, wide = left + moment * per_s, columns(words) * _COLUMN + 8
        fits = at + wide <= WIDTH
        anchors.append("start" if fits else "end")
        spans.append((at, at + wide) if fits else (at - wide, at))
    rows = label_rows(spans)
    above = 14.0 * (max(rows, default=-1) + 1)
    for (moment, words, _), anchor, row in zip(marked, anchors, rows, strict=True):
        at = left + moment * per_s
        drawn.append(
            f'<text x="{at:.1f}" y="{above - 14 * row - 2:.1f}" text-anchor="{anchor}" fill="{INK}">'
            f"{word(words, 80)}</text>"
        )
    return "".join(drawn), above
