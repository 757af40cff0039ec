"""The Gantt and the curves below it as SVG of our own, static: it is whole without JavaScript.

The script of the page draws the same picture anew, in the width that there is, and zooms in it. Colours are
classes: the style sheet knows them.
"""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from makespan.showing.axis import bar_labels, label_rows, ticks
from makespan.showing.observed import coarse
from makespan.showing.page import fills
from makespan.showing.page.data import lanes
from makespan.showing.page.parts import band_name
from makespan.showing.page.paths import Box, boxes, number
from makespan.showing.page.shape import shape_of
from makespan.showing.words import clean, columns, percent, plural, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.showing.figures import Bar, IdleCause, Report
    from makespan.showing.page.shape import Shape

WIDTH, LEFT, RIGHT = 1116.0, 104.0, 1100.0
LABEL_ROW, TICKS = 15.0, 20.0
CURVE, CURVE_GAP = 46.0, 26.0
BAND_HEIGHT, BAND_GAP = 14.0, 10.0
COLUMN = 6.6
"""Width of a text column at 11 px, on the safe side."""
MOST_STEPS = 500
MOST_BANDS = 8
MOST_STATIC = 2000
"""Bars that the page holds as SVG; more are drawn on a canvas by its script."""
SLIM_OF_MANY = 12.0
"""Of more bars, those that are thinner are drawn together where scripts do not run."""
IDLE: dict[IdleCause, str] = {"inputs": "i0", "lock": "i1", "GIL": "i2", "budget": "i3", "nothing left": "i4"}
"""The class of each cause of idle time."""


class Chart(NamedTuple):
    """The picture, and where in it the bars lie."""

    svg: str
    top: float
    per_s: float


def draw(report: Report, extent_s: float | None = None) -> Chart:
    """Draw lanes, verticals, bands and curves on one time axis."""
    extent_s = extent_s or report.extent_s or 1.0
    per_s = (RIGHT - LEFT) / extent_s
    shape = shape_of(report.rows)
    many = len(report.actual_bars) + len(report.planned_bars) > MOST_STATIC
    slim = SLIM_OF_MANY if many else fills.SLIM
    labels, label_space = _verticals(report, per_s)
    top = label_space + TICKS + 6
    thick = report.actual_bars or report.planned_bars
    thin = report.planned_bars if report.actual_bars else ()
    lanes_end = top + shape.pitch * max(1, report.rows)
    bands, bottom = _bands(report, per_s, lanes_end)
    curves, height = _curves(report, per_s, bottom)
    box = f"0 0 {number(WIDTH)} {number(height)}"
    lines = [
        f'<svg class="gantt" viewBox="{box}" role="img" tabindex="0" aria-label="{escape(summary(report))}">',
        _grid(extent_s, per_s, label_space, top, height),
        *_lane_names(report, shape, top),
        f'<g transform="translate(0 {number(top)})">',
        *_idle(report, shape, per_s, slim / 2 if many else 0.5),
        *fills.bars(thin, shape.thin, shape.pitch, LEFT, per_s, faint=True, slim=slim),
        *fills.bars(thick, shape.thick, shape.pitch, LEFT, per_s, faint=False, slim=slim),
        "</g>",
        _links(report, shape, top, per_s),
        *_marks(report, per_s, label_space, lanes_end),
        *labels,
        *labels_below(thick, shape, top, per_s),
        *bands,
        *curves,
        "</svg>",
    ]
    if not thick:
        lines.insert(-1, _text((LEFT + RIGHT) / 2, top + 30, "no node ran", "q", anchor="middle"))
    return Chart("\n".join(line for line in lines if line), top, per_s)


def summary(report: Report) -> str:
    """Say in words what the picture shows."""
    bars = len(report.actual_bars) or len(report.planned_bars)
    over = seconds(report.actual_s if report.actual_s is not None else report.planned_s or 0.0)
    size = f"{plural(bars, 'node')} in {plural(report.rows, 'lane')}"
    words = [f"{clean(name, 40)}: {percent(busy)} busy." for name, _, busy in lanes(report)[:20]]
    return " ".join(
        [f"Gantt chart of {size} over {over}; the same figures are in the table of nodes.", *words]
    )


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "") -> str:
    more = f' class="{kind}"' if kind else ""
    if anchor:
        more += f' text-anchor="{anchor}"'
    return f'<text x="{number(x)}" y="{number(y)}"{more}>{escape(clean(words))}</text>'


def _grid(extent_s: float, per_s: float, label_space: float, top: float, height: float) -> str:
    places = ticks(extent_s)
    lines = "".join(
        f"M{number(LEFT + moment * per_s)} {number(top - 5)}V{number(height - 4)}" for moment, _ in places
    )
    words = [
        _text(
            LEFT + moment * per_s,
            label_space + 12,
            word,
            "q",
            "end" if LEFT + moment * per_s > RIGHT - 4 and i else "middle",
        )
        for i, (moment, word) in enumerate(places)
    ]
    return f'<path class="grid" d="{lines}"/>\n' + "\n".join(words)


def _lane_names(report: Report, shape: Shape, top: float) -> list[str]:
    found = []
    for row, (name, kind, busy) in enumerate(lanes(report)):
        y = top + shape.pitch * row
        if shape.second:
            also = "" if kind == "thread" or kind in name else f"{kind} · "
            found.append(_text(0, y + shape.name, clean(name, 15)))
            found.append(_text(0, y + shape.second, f"{also}{percent(busy)} busy", "q"))
        else:
            found.append(_text(0, y + shape.name, clean(f"{name} · {percent(busy)}", 16), "q"))
    return found


def _idle(report: Report, shape: Shape, per_s: float, least: float) -> list[str]:
    """Draw a strip where a lane stood idle, in the colour of the cause."""
    parts: dict[str, list[Box]] = {}
    top, height = shape.strip
    for idle in report.idle:
        width = (idle.end_s - idle.start_s) * per_s
        if width >= least:
            y = idle.row * shape.pitch + top
            parts.setdefault(IDLE[idle.cause], []).append(Box(LEFT + idle.start_s * per_s, y, width, height))
    return [f'<path class="{kind}" d="{boxes(parts[kind])}"/>' for kind in sorted(parts)]


def _bands(report: Report, per_s: float, top: float) -> tuple[list[str], float]:
    """Draw who held which lock or group when, a row each, those that were held longest; and their end."""
    if not report.bands:
        return [], top
    held = [(sum(end - start for start, end, _ in band.spans), i) for i, band in enumerate(report.bands)]
    kept = sorted(i for _, i in sorted(held, key=lambda one: (-one[0], one[1]))[:MOST_BANDS])
    found, y = [], top + BAND_GAP
    for i in kept:
        band = report.bands[i]
        found.append(_text(0, y + 9, clean(band_name(band), 15), "q"))
        spans = [
            Box(LEFT + a * per_s, y, max(fills.SLIM, (b - a) * per_s), BAND_HEIGHT - 5)
            for a, b, _ in band.spans
        ]
        found.append(f'<path class="band" d="{boxes(spans)}"/>')
        y += BAND_HEIGHT
    if len(kept) < len(report.bands):
        words = f"{len(kept)} of {len(report.bands):,} locks and groups drawn: those that were held longest"
        found.append(_text(LEFT, y + 9, words, "q"))
        y += BAND_HEIGHT
    return found, y


def _links(report: Report, shape: Shape, top: float, per_s: float) -> str:
    """Join the bars of the chain that decided the end, from lane to lane."""
    place = {bar.name: bar for bar in report.actual_bars if bar.critical}
    path, (high, thick) = [], shape.thick
    for before, after in pairwise(report.chain):
        a, b = place[before.name], place[after.name]
        if a.row != b.row:
            down = b.row > a.row
            y1 = top + shape.pitch * a.row + (high + thick if down else high)
            y2 = top + shape.pitch * b.row + (high if down else high + thick)
            x1, x2 = LEFT + a.end_s * per_s, LEFT + b.start_s * per_s
            path.append(f"M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}")
    return f'<path class="link" d="{"".join(path)}"/>' if path else ""


def labels_below(bars: Sequence[Bar], shape: Shape, top: float, per_s: float) -> list[str]:
    """Write the names that fit, each below its bar."""
    if not shape.label:
        return []
    placed = bar_labels(bars, per_s, COLUMN, RIGHT - LEFT)
    return [
        _text(LEFT + bar.start_s * per_s, top + shape.pitch * bar.row + shape.label, words, "halo")
        for bar, words in placed
    ]


def _lines(report: Report) -> list[tuple[float, str, str]]:
    found = []
    if report.bound_s:
        words = f"lower bound {seconds(report.bound_s)} ({clean(report.binding, 30)})"
        found.append((report.bound_s, words, "mark dash"))
    if report.planned_s:
        found.append((report.planned_s, f"planned end {seconds(report.planned_s)}", "mark"))
    return found


def _verticals(report: Report, per_s: float) -> tuple[list[str], float]:
    """Return the labels of bound and planned end, in as many rows as keep them apart, and their height."""
    intervals, sides = [], []
    lines = _lines(report)
    for moment, words, _ in lines:
        x, wide = LEFT + moment * per_s, columns(words) * COLUMN + 12
        right = x + wide <= WIDTH
        sides.append("start" if right else "end")
        intervals.append((x, x + wide) if right else (x - wide, x))
    rows = label_rows(intervals)
    used = max(rows, default=-1) + 1
    drawn = [
        _text(LEFT + moment * per_s, LABEL_ROW * (used - row) - 3, words, "halo", side)
        for (moment, words, _), side, row in zip(lines, sides, rows, strict=True)
    ]
    return drawn, LABEL_ROW * used


def _marks(report: Report, per_s: float, label_space: float, bottom: float) -> list[str]:
    return [
        f'<path class="{kind}" d="M{number(LEFT + moment * per_s)} {number(label_space + TICKS - 4)}'
        f'V{number(bottom - 6)}"/>'
        for moment, _, kind in _lines(report)
    ]


def _curves(report: Report, per_s: float, top: float) -> tuple[list[str], float]:
    """Draw cores in use and GIL demand; return the lines and the height that is reached."""
    if not report.cores_used:
        return [], top + 6
    found = []
    y = top + 18
    limit = plural_cores(report.cores)
    reach = min(report.cores, float(report.threads))
    found += _curve(report.cores_used, (reach, report.cores), limit, ("cores", "in use"), "cores", y, per_s)
    y += CURVE + CURVE_GAP
    if report.gil:
        found += _curve(report.gil_demand, (1, 1), "1 = saturated", ("GIL", "demand"), "demand", y, per_s)
        y += CURVE + CURVE_GAP
    return found, y - CURVE_GAP + 10


def plural_cores(cores: float) -> str:
    """Write how many cores there are.

    >>> plural_cores(1.0), plural_cores(1.5)
    ('1 core', '1.5 cores')
    """
    return f"{cores:g} core{'' if cores == 1 else 's'}"


def _curve(
    steps: Sequence[tuple[float, float]],
    scale: tuple[float, float],
    words: str,
    names: tuple[str, str],
    kind: str,
    top: float,
    per_s: float,
) -> list[str]:
    """Draw steps as an area; `scale` is the least value at full height and the limit to mark."""
    least, limit = scale
    peak = max([value for _, value in steps], default=0.0)
    per_unit = CURVE / max(peak, least)
    base = top + CURVE
    path = [f"M{number(LEFT)} {number(base)}"]
    path += [
        f"H{number(LEFT + moment * per_s)}V{number(base - value * per_unit)}"
        for moment, value in coarse(steps, MOST_STEPS)
    ]
    found = [
        f'<path class="{kind}" d="{"".join(path)}V{number(base)}z"/>',
        f'<path class="grid" d="M{number(LEFT)} {number(base)}H{number(RIGHT)}"/>',
        _text(0, base - 20, names[0]),
        _text(0, base - 5, names[1], "q"),
    ]
    y = base - limit * per_unit
    if y >= top - 0.5:
        found.append(f'<path class="mark dash" d="M{number(LEFT)} {number(y)}H{number(RIGHT)}"/>')
        found.append(_text(RIGHT, y - 4, words, "halo", "end"))
    else:
        found.append(_text(RIGHT, top - 2, f"peak {peak:.2g} of {words}", "halo q", "end"))
    return found
