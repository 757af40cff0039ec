"""How names, seconds and tables are written for people, the same in terminal, picture and page.

A node's name is the user's text: it may hold escape sequences, line breaks, marks that turn the direction of
writing, half a surrogate pair, or be five thousand characters long. `clean` makes all of that visible, so
that a name can neither steer a terminal nor break a line, and every output can encode it.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MINUS = "\N{MINUS SIGN}"
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
TIMES = "\N{MULTIPLICATION SIGN}"

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"  # part of how Persian, Hindi and many emoji are written


def clean(text: str, most: int | None = None) -> str:
    r"""Return the text on one line, what cannot be seen written as an escape, cut to `most` columns.

    >>> clean("a\x1b[31mb\nc")
    'a\\x1b[31mb\\nc'
    >>> clean("abcdefgh", most=4)
    'abc…'
    """
    if most is not None and len(text) > 8 * most:
        text = text[: 8 * most]  # combining marks take no column, but nobody needs more than this
    if not text.isprintable():
        text = "".join(_visible(mark) for mark in text)
    return text if most is None else _cut(text, most)


def _visible(mark: str) -> str:
    if unicodedata.category(mark) in _HIDDEN and mark not in _JOINERS:
        return mark.encode("unicode_escape").decode("ascii")
    return mark


def columns(text: str) -> int:
    """Return how many columns a terminal gives the text: wide characters take two, marks on top none."""
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(mark: str) -> int:
    if unicodedata.combining(mark) or mark in _JOINERS:
        return 0
    return 2 if unicodedata.east_asian_width(mark) in "WF" else 1


def _cut(text: str, most: int) -> str:
    if columns(text) <= most:
        return text
    taken, kept = 0, []
    for mark in text:
        taken += _width(mark)
        if taken > most - 1:
            break
        kept.append(mark)
    return "".join(kept) + ELLIPSIS


def seconds(value_s: float) -> str:
    """Write a duration with two or three figures that carry meaning.

    >>> [seconds(x) for x in (83.2, 3.456, 0.0413, 0.0041, 0.00012, 0)]
    ['83.2 s', '3.46 s', '41 ms', '4.1 ms', '120 µs', '0 s']
    """
    size = abs(value_s)
    sign = MINUS if value_s < 0 else ""
    if size < 5e-8:
        return "0 s"
    if size < 9.95e-6:
        return f"{sign}{size * 1e6:.1f} µs"
    if size < 9.995e-4:
        return f"{sign}{size * 1e6:.0f} µs"
    if size < 9.95e-3:
        return f"{sign}{size * 1e3:.1f} ms"
    if size < 0.9995:
        return f"{sign}{size * 1e3:.0f} ms"
    digits = 2 if size < 9.995 else 1 if size < 99.95 else 0
    return f"{sign}{size:,.{digits}f} s"


def signed_seconds(value_s: float) -> str:
    """Write a difference of durations, always with its sign."""
    text = seconds(value_s)
    return text if text == "0 s" or value_s < 0 else f"+{text}"


def percent(share: float, *, signed: bool = False) -> str:
    """Write a share: one decimal below 10 %, none above.

    >>> percent(0.0061), percent(-0.131, signed=True)
    ('0.6 %', '−13 %')
    """
    size = abs(share) * 100
    text = f"{size:.1f}" if size < 9.95 else f"{size:,.0f}"
    if float(text.replace(",", "")) == 0:
        return "0 %"
    sign = MINUS if share < 0 else "+" if signed else ""
    return f"{sign}{text} %"


def plural(count: int, noun: str) -> str:
    """Write a count and its noun.

    >>> plural(1, "node"), plural(2500, "node")
    ('1 node', '2,500 nodes')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def some(names: Iterable[str], most: int = 6) -> str:
    """Name the first few and say how many more there are; never cut without saying so."""
    listed = [clean(name, 40) for name in names]
    shown = ", ".join(listed[:most])
    return shown if len(listed) <= most else f"{shown} and {len(listed) - most:,} more"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """Lay out a table for the terminal, two blanks between columns.

    Parameters
    ----------
    header : sequence of str, shape (k,)
    rows : sequence of sequences of str, shape (n, k)
        Cells, already cleaned.
    align : str, shape (k,)
        ``<`` or ``>`` for each column.

    >>> print(table(["node", "s"], [["a", "12"], ["bc", "3"]], "<>"))
    node   s
    a     12
    bc     3
    """
    everything = [list(header), *map(list, rows)]
    width = [max(columns(row[k]) for row in everything) for k in range(len(header))]
    lines = []
    for row in everything:
        cells = []
        for k, cell in enumerate(row):
            blank = " " * (width[k] - columns(cell))
            cells.append(cell + blank if align[k] == "<" else blank + cell)
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
