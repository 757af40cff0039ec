"""Bars as paths: all parts of one colour are one path, so that ten thousand bars are a handful of elements.

A bar is filled from the bottom by its shares. Where bars are thinner than the eye can tell, neighbours are
drawn as one bar with the mean of their shares, so that a row of short nodes is not the colour of the last.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from makespan.showing.figures import BROKEN, PARTS, Shares
from makespan.showing.page.paths import Box, boxes, number, outline

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from makespan.showing.figures import Bar
    from makespan.showing.page.shape import Band

SLIM = 1.0
"""A bar is drawn at least this wide, so that it never vanishes."""
NARROW = 4.0
"""Narrower bars of the critical path are lined above and below only: else only their sides are seen."""
LETTERS = {"gil": "g", "native": "n", "blocked": "b", "gil_wait": "w", "delay": "d", "longer": "l"}
"""The class of each part of a bar."""


class Drawn(NamedTuple):
    """A bar, or several that are too thin to be told apart."""

    left: float
    width: float
    row: int
    shares: tuple[float, ...] | None
    """As `PARTS`; None: not profiled."""


def bars(
    some: Sequence[Bar],
    band: Band,
    pitch: float,
    left: float,
    per_s: float,
    *,
    faint: bool,
    slim: float = SLIM,
) -> list[str]:
    """Draw bars within a band of their rows; `left` is second 0, rows begin at 0.

    Bars thinner than `slim` pixels are drawn together with their neighbours.
    """
    parts: dict[str, list[Box]] = {}
    lines: dict[str, list[str]] = {}
    for bar in merged(some, left, per_s, slim):
        y = pitch * bar.row + band[0]
        for letter, box in _filled(bar, y, band[1]):
            parts.setdefault(letter, []).append(box)
        if bar.width > NARROW and not faint:
            # A hairline in the colour of the paper keeps neighbours apart.
            parts.setdefault("gap", []).append(Box(bar.left + bar.width, y, None, band[1]))
    for one in some:
        x, y = left + one.start_s * per_s, pitch * one.row + band[0]
        width = max(SLIM, (one.end_s - one.start_s) * per_s)
        if one.critical:
            shape = outline(x, y, width, band[1]) if width > NARROW else _lined(x, y, width, band[1])
            lines.setdefault("pcrit" if faint else "crit", []).append(shape)
        if not faint and one.status in BROKEN:
            lines.setdefault("bad", []).append(outline(x, y - 2, width, band[1] + 4))
    paths = {name: boxes(several) for name, several in parts.items()}
    paths |= {name: "".join(several) for name, several in lines.items()}
    fills = LETTERS.values()
    order = ("u", *fills, *(f"{letter}s" for letter in fills), "gap", "crit", "pcrit", "bad")
    drawn = [(name, f'<path class="{name}" d="{paths[name]}"/>') for name in order if name in paths]
    inside = [line for name, line in drawn if name != "pcrit"]
    if not faint or not inside:
        return [line for _, line in drawn]
    return ['<g class="p">', *inside, "</g>", *(line for name, line in drawn if name == "pcrit")]


def _lined(left: float, top: float, width: float, height: float) -> str:
    wide = number(width)
    return f"M{number(left)} {number(top)}h{wide}m-{wide} {number(height)}h{wide}"


def merged(some: Iterable[Bar], left: float, per_s: float, slim: float = SLIM) -> Iterator[Drawn]:
    """Yield the bars, those thinner than `slim` together with their neighbours within it."""
    ordered = sorted(some, key=lambda bar: (bar.row, bar.start_s, bar.end_s))
    for row, group in groupby(ordered, key=lambda bar: bar.row):
        begin, end = 0.0, 0.0
        few: list[tuple[float, Shares]] = []
        for bar in group:
            x, width = left + bar.start_s * per_s, (bar.end_s - bar.start_s) * per_s
            thin = width < slim and bar.shares is not None
            if few and not (thin and x + width - begin < 1.5 * slim):
                yield _mean(begin, end, row, few)
                few = []
            if not thin or bar.shares is None:
                its = None if bar.shares is None else tuple(getattr(bar.shares, part) for part in PARTS)
                yield Drawn(x, max(SLIM, width), row, its)
                continue
            if not few:
                begin = x
            end = x + width
            few.append((max(width, 1e-9), bar.shares))
        if few:
            yield _mean(begin, end, row, few)


def _mean(begin: float, end: float, row: int, few: Sequence[tuple[float, Shares]]) -> Drawn:
    whole = sum(width for width, _ in few)
    shares = tuple(sum(width * getattr(its, part) for width, its in few) / whole for part in PARTS)
    return Drawn(begin, max(SLIM, end - begin), row, shares)


def _filled(bar: Drawn, y: float, height: float) -> Iterator[tuple[str, Box]]:
    if bar.shares is None:
        yield "u", Box(bar.left, y, bar.width, height)
        return
    filled, low = 0.0, y + height
    for share, letter in zip(bar.shares, LETTERS.values(), strict=True):
        # Whole pixels, rounded so that they add up: crisp, and few characters.
        filled += height * share
        upto = y + height - round(filled)
        if upto < low:
            if bar.width <= SLIM:
                yield f"{letter}s", Box(bar.left + SLIM / 2, upto, None, low - upto)
            else:
                yield letter, Box(bar.left, upto, bar.width, low - upto)
            low = upto
