"""Where ticks and labels of a Gantt go, in any medium: round times, labels that never collide.

Widths are estimated from columns of text (a wide character takes two), so that page and picture place labels
by the same rule and without measuring fonts.
"""

from __future__ import annotations

from itertools import groupby
from math import floor, log10
from typing import TYPE_CHECKING

from makespan.showing.words import clean, columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.showing.figures import Bar

LEAST_LABEL = 6
"""A label cut to fewer columns says nothing."""


def unit_of(extent_s: float) -> tuple[str, float]:
    """Return the unit of an axis and how many of it make a second.

    >>> unit_of(0.25)
    ('ms', 1000.0)
    """
    if extent_s >= 1 or extent_s <= 0:
        return "s", 1.0
    return ("ms", 1e3) if extent_s >= 1e-3 else ("µs", 1e6)


def ticks(extent_s: float, most: int = 10) -> list[tuple[float, str]]:
    """Return round moments from 0 up to `extent_s`, at most `most` + 1; the last label says the unit.

    >>> [label for _, label in ticks(3.2)]
    ['0', '0.5', '1', '1.5', '2', '2.5', '3 s']
    """
    if extent_s <= 0:
        return [(0.0, "0 s")]
    unit, factor = unit_of(extent_s)
    span = extent_s * factor
    raw = span / most
    power = 10.0 ** floor(log10(raw))
    step = next(round(m * power, 12) for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9))
    last = floor(span / step + 1e-9)
    return [(i * step / factor, f"{i * step:.10g}{f' {unit}' if i == last else ''}") for i in range(last + 1)]


def label_rows(intervals: Sequence[tuple[float, float]]) -> list[int]:
    """Give each label (left, right) the lowest row in which it touches no other.

    >>> label_rows([(0, 10), (5, 15), (12, 20)])
    [0, 1, 0]
    """
    rows: list[int] = []
    for i, (left, right) in enumerate(intervals):
        taken = {
            rows[j]
            for j, (other_left, other_right) in enumerate(intervals[:i])
            if left < other_right and other_left < right
        }
        rows.append(next(row for row in range(len(intervals)) if row not in taken))
    return rows


def bar_labels(bars: Sequence[Bar], per_second: float, column: float, end: float) -> list[tuple[Bar, str]]:
    """Choose the labels that fit: from a bar's start up to the next bar of its row.

    Parameters
    ----------
    bars : sequence of Bar
    per_second, column, end : float
        Length of a second, width of a text column and right edge, all in the medium's own unit.

    Returns
    -------
    list of (Bar, str)
        Names that are cleaned, and cut with an ellipsis if need be; bars without room are left out.
    """
    chosen = []
    ordered = sorted(bars, key=lambda bar: (bar.row, bar.start_s, bar.end_s))
    for _, group in groupby(ordered, key=lambda bar: bar.row):
        row = list(group)
        for i, bar in enumerate(row):
            until = row[i + 1].start_s * per_second if i + 1 < len(row) else end
            room = int((until - bar.start_s * per_second) / column) - 1
            text = clean(bar.name, max(room, LEAST_LABEL))
            if columns(text) <= room:
                chosen.append((bar, text))
    return chosen
