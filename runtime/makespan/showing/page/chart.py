"""The Gantt and the curves below it as SVG of our own, static: it is whole without JavaScript.

All parts of one kind are one path (``M x y h w v h h -w z`` for each bar), so that a bar costs some twenty
bytes a colour, and ten thousand of them are a handful of elements. Colours are classes: the style sheet
knows them.
"""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from makespan.showing.axis import bar_labels, label_rows, ticks
from makespan.showing.figures import BROKEN
from makespan.showing.observed import coarse
from makespan.showing.page.paths import Box, boxes, number, outline
from makespan.showing.words import clean, columns, percent, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.showing.figures import Bar, Report

WIDTH, LEFT, RIGHT = 1116.0, 92.0, 1100.0
THIN, THICK, LABEL_Y, PITCH = (0.0, 8.0), (10.0, 24.0), 45.0, 60.0
LABEL_ROW, TICKS = 15.0, 20.0
CURVE, CURVE_GAP = 46.0, 26.0
COLUMN = 6.6
"""Width of a text column at 11 px, on the safe side."""
SLIM = 1.0
"""A bar is drawn at least this wide, so that it never vanishes."""
MOST_STEPS = 500
PATTERN = (
    '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect class="hb" width="6" height="6"/>'
    '<path class="hs" d="M0 0v6"/></pattern>'
    '<pattern id="wait" width="5" height="5" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(-45)"><rect class="wb" width="5" height="5"/>'
    '<path class="wl" d="M0 0v5"/></pattern>'
    '<pattern id="dots" width="4" height="4" patternUnits="userSpaceOnUse">'
    '<rect class="db" width="4" height="4"/>'
    '<rect class="dd" x="1" y="1" width="1.5" height="1.5"/></pattern></defs>'
)
LETTERS = {"gil": "g", "native": "n", "blocked": "b", "gil_wait": "w", "delay": "d", "longer": "l"}
"""The class of each part of a bar."""


class Chart(NamedTuple):
    """The picture, and where in it the bars lie (for the hover card)."""

    svg: str
    top: float
    per_s: float


def draw(report: Report) -> Chart:
    """Draw lanes, verticals and curves on one time axis."""
    extent_s = report.extent_s or 1.0
    per_s = (RIGHT - LEFT) / extent_s
    labels, label_space = _verticals(report, per_s)
    top = label_space + TICKS + 6
    thick = report.actual_bars or report.planned_bars
    thin = report.planned_bars if report.actual_bars else ()
    bottom = top + PITCH * max(1, report.rows)
    curves, height = _curves(report, per_s, bottom)
    box = f"0 0 {number(WIDTH)} {number(height)}"
    lines = [
        f'<svg class="gantt" viewBox="{box}" role="img" tabindex="0" aria-label="{_aria(report)}">',
        PATTERN,
        _grid(report, per_s, label_space, top, height),
        *_lane_names(report, top),
        *_bars(thin, THIN, top, per_s, "p"),
        *_bars(thick, THICK, top, per_s, ""),
        _links(report, top, per_s),
        *labels_below(thick, top, per_s),
        *curves,
        *_marks(report, per_s, label_space, bottom),
        *labels,
        "</svg>",
    ]
    if not thick:
        lines.insert(-1, _text((LEFT + RIGHT) / 2, top + 30, "no node ran", "q", anchor="middle"))
    return Chart("\n".join(line for line in lines if line), top, per_s)


def _aria(report: Report) -> str:
    bars = len(report.actual_bars) or len(report.planned_bars)
    return f"Gantt chart of {bars} nodes in {report.rows} lanes; the same figures are in the table of nodes"


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "") -> str:
    more = f' class="{kind}"' if kind else ""
    if anchor:
        more += f' text-anchor="{anchor}"'
    return f'<text x="{number(x)}" y="{number(y)}"{more}>{escape(clean(words))}</text>'


def _grid(report: Report, per_s: float, label_space: float, top: float, height: float) -> str:
    places = ticks(report.extent_s)
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


def _lane_names(report: Report, top: float) -> list[str]:
    found = []
    for row, busy in enumerate(report.row_busy):
        y = top + PITCH * row
        found += [_text(0, y + 16, f"lane {row}"), _text(0, y + 31, f"{percent(busy)} busy", "q")]
    return found


def _bars(bars: Sequence[Bar], band: tuple[float, float], top: float, per_s: float, group: str) -> list[str]:
    parts: dict[str, list[Box]] = {}
    lines: dict[str, list[str]] = {}
    thick = band == THICK
    for bar in bars:
        left, width = LEFT + bar.start_s * per_s, max(SLIM, (bar.end_s - bar.start_s) * per_s)
        y, height = top + PITCH * bar.row + band[0], band[1]
        low = y + height
        if bar.shares is None:
            parts.setdefault("u", []).append(Box(left, y, width, height))
        else:
            filled = 0.0
            for part, letter in LETTERS.items():
                # Whole pixels, rounded so that they add up: crisp, and few characters.
                filled += height * getattr(bar.shares, part)
                upto = y + height - round(filled)
                if upto < low:
                    if width <= SLIM:
                        parts.setdefault(f"{letter}s", []).append(
                            Box(left + SLIM / 2, upto, None, low - upto)
                        )
                    else:
                        parts.setdefault(letter, []).append(Box(left, upto, width, low - upto))
                    low = upto
        if bar.critical:
            lines.setdefault("crit" if thick else "pcrit", []).append(outline(left, y, width, height))
        elif width > 4 and thick:
            # A hairline in the colour of the paper keeps neighbours apart.
            parts.setdefault("gap", []).append(Box(left + width, y, None, height))
        if thick and bar.status in BROKEN:
            lines.setdefault("bad", []).append(outline(left, y - 2, width, height + 4))
    paths = {name: boxes(some) for name, some in parts.items()}
    paths |= {name: "".join(some) for name, some in lines.items()}
    fills = LETTERS.values()
    order = ("u", *fills, *(f"{letter}s" for letter in fills), "gap", "crit", "pcrit", "bad")
    drawn = [f'<path class="{name}" d="{paths[name]}"/>' for name in order if name in paths]
    filled_in = [line for line in drawn if 'crit"' not in line]
    if group and filled_in:
        return [f'<g class="{group}">', *filled_in, "</g>", *(line for line in drawn if 'crit"' in line)]
    return drawn


def _links(report: Report, top: float, per_s: float) -> str:
    """Join the bars of the chain that decided the end, from lane to lane."""
    place = {bar.name: bar for bar in report.actual_bars if bar.critical}
    path = []
    for before, after in pairwise(report.chain):
        a, b = place[before.name], place[after.name]
        if a.row != b.row:
            down = b.row > a.row
            y1 = top + PITCH * a.row + (THICK[0] + THICK[1] if down else THICK[0])
            y2 = top + PITCH * b.row + (THICK[0] if down else THICK[0] + THICK[1])
            x1, x2 = LEFT + a.end_s * per_s, LEFT + b.start_s * per_s
            path.append(f"M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}")
    return f'<path class="link" d="{"".join(path)}"/>' if path else ""


def labels_below(bars: Sequence[Bar], top: float, per_s: float) -> list[str]:
    """Write the names that fit, each below its bar."""
    placed = bar_labels(bars, per_s, COLUMN, RIGHT - LEFT)
    return [
        _text(LEFT + bar.start_s * per_s, top + PITCH * bar.row + LABEL_Y, words, "halo")
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
        return [], top
    found = []
    y = top + 14
    limit = f"{report.cores:g} core{'' if report.cores == 1 else 's'}"
    reach = min(report.cores, float(report.threads))
    found += _curve(report.cores_used, (reach, report.cores), limit, ("cores", "in use"), "cores", y, per_s)
    y += CURVE + CURVE_GAP
    if report.gil:
        found += _curve(report.gil_demand, (1, 1), "1 = saturated", ("GIL", "demand"), "demand", y, per_s)
        y += CURVE + CURVE_GAP
    return found, y - CURVE_GAP + 10


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
