"""A Gantt in characters: a line a lane, each bar filled by what its node does with its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.showing.figures import PARTS
from makespan.showing.words import seconds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from makespan.showing.figures import Bar, Report

WIDTH = 64
MARKS = {"gil": "█", "native": "▒", "blocked": "░", "gil_wait": "▚", "delay": ":", "longer": "·"}
UNKNOWN = "■"
_ALWAYS = f"{MARKS['gil']} holds the GIL  {MARKS['native']} native  {MARKS['blocked']} blocked"
_MORE = {"gil_wait": "waits for the GIL", "delay": "waits for a core", "longer": "longer than alone"}


def fill(parts: Sequence[float], width: int) -> str:
    """Fill `width` characters by shares in the order of `PARTS`, so that the rounding adds up.

    >>> fill((1.0, 1.0, 2.0), 8)
    '██▒▒░░░░'
    """
    whole = sum(parts)
    if whole <= 0:
        return "?" * width
    text, before, filled = "", 0.0, 0
    for part, mark in zip(parts, MARKS.values(), strict=False):
        before += part
        upto = round(width * before / whole)
        text += mark * (upto - filled)
        filled = upto
    return text


def key(parts: Collection[str]) -> str:
    """Return the key of bars in which these parts occur (the first three are always told)."""
    more = "".join(f"{MARKS[part]} {words}  " for part, words in _MORE.items() if part in parts)
    return f"{more}{_ALWAYS} (shares, not order)"


def small_gantt(report: Report, *, extent_s: float | None = None) -> Iterable[str]:
    """Draw the lanes of what happened, else of what is planned, with a time axis and a key.

    With `extent_s` the axis ends there, so that two can stand under one another.
    """
    extent_s = report.extent_s if extent_s is None else extent_s
    bars = report.actual_bars or report.planned_bars
    if extent_s <= 0:
        return
    names = [lane.name for lane in report.lanes] or [f"lane {row}" for row in range(report.rows)]
    margin = max(map(len, names), default=0)
    for row, name in enumerate(names):
        cells = [" "] * WIDTH
        for bar in (bar for bar in bars if bar.row == row):
            # Clocks that went backwards may give times before the start.
            start, end = (min(1.0, max(0.0, its_s / extent_s)) for its_s in (bar.start_s, bar.end_s))
            first = min(WIDTH - 1, int(WIDTH * start))
            last = max(first + 1, round(WIDTH * end))
            # The last cell of a bar stays thin, so that neighbours can be told apart.
            cells[first:last] = _cells(bar, last - first)
        yield f"{name:{margin}} {''.join(cells).rstrip()}"
    yield f"{'':{margin}} {f'0{seconds(extent_s):>{WIDTH - 1}}'}"
    yield f"{'':{margin}} {_key(bars)}"


def _key(bars: Sequence[Bar]) -> str:
    shares = [bar.shares for bar in bars if bar.shares is not None]
    if not shares:
        return f"{UNKNOWN} a node ran"
    return key([part for part in PARTS if any(getattr(share, part) > 0 for share in shares)])


def _cells(bar: Bar, width: int) -> str:
    shares = bar.shares
    body = UNKNOWN * width if shares is None else fill([getattr(shares, part) for part in PARTS], width)
    return body if width == 1 else f"{body[:-1]}▏"
