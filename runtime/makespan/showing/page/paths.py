"""SVG paths in few characters: ten thousand bars are a handful of elements of some twenty bytes a bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


def number(value: float) -> str:
    """Write a coordinate in as few characters as a tenth of a pixel needs.

    >>> number(12.04), number(0.25), number(-0.04)
    ('12', '.2', '0')
    """
    text = f"{value:.1f}".removesuffix(".0")
    if text in {"-0", "0"}:
        return "0"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


class Box(NamedTuple):
    """A rectangle; without a width a line downwards, for what is thinner than a pixel: half the bytes."""

    left: float
    top: float
    width: float | None
    height: float


def boxes(several: Sequence[Box]) -> str:
    """Draw boxes as one path; each begins absolutely or relative to where the last one ended, as is shorter.

    >>> boxes([Box(100, 2, 10, 8), Box(110, 2, 10.5, 4), Box(1, 1, None, 3)])
    'M100 2h10v8h-10m10-8h10.5v4h-10.5M1 1v3'
    """
    drawn = []
    x = y = 0.0
    for box in several:
        left, top = round(box.left, 1), round(box.top, 1)
        across, down = number(left - x), number(top - y)
        begin = f"M{number(left)} {number(top)}"
        relative = f"m{across}{'' if down.startswith('-') else ' '}{down}"
        drawn.append(relative if len(relative) < len(begin) else begin)
        high = number(box.height)
        if box.width is None:
            drawn.append(f"v{high}")
        else:
            wide = number(box.width)
            drawn.append(f"h{wide}v{high}h-{wide}")
        x, y = left, top + float(high)
    return "".join(drawn)


def outline(left: float, top: float, width: float, height: float) -> str:
    """Draw a closed rectangle."""
    wide = number(width)
    return f"M{number(left)} {number(top)}h{wide}v{number(height)}h-{wide}z"
