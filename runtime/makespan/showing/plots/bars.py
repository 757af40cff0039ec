"""How bars are filled in matplotlib: one collection a colour, the height of a colour its share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan.showing.colours import FILL, HATCH, HATCH_INK, INK, PAPER
from makespan.showing.figures import BROKEN, PARTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from makespan.showing.figures import Bar

Shape = list[tuple[float, float]]

OWN_OUTLINE_PT = 5.0
"""A bar of the critical path that is thinner is outlined together with its neighbours."""

# Where things lie in a lane of height 1, downwards.
PLANNED, ACTUAL, LABEL = (0.06, 0.20), (0.24, 0.70), 0.73


def fill(ax: Axes, bars: Sequence[Bar], band: tuple[float, float], least_s: float) -> None:
    """Draw all bars of a band, one collection a colour; no bar is thinner than half a point."""
    shapes: dict[str, list[Shape]] = {}
    thick = band == ACTUAL
    for bar in sorted(bars, key=lambda bar: (bar.row, bar.start_s, bar.end_s)):
        left, right = bar.start_s, max(bar.end_s, bar.start_s + 0.5 * least_s)
        top, low = bar.row + band[0], bar.row + band[1]
        whole = _box(left, right, low, top)
        for part, share in parts(bar):
            upto = low - (band[1] - band[0]) * share
            shapes.setdefault(part, []).append(_box(left, right, low, upto))
            low = upto
        if bar.critical:
            _outline(shapes.setdefault("critical", []), whole, least_s)
        elif right - left > 3 * least_s:
            shapes.setdefault("edge", []).append(whole)
        if bar.status in BROKEN:
            shapes.setdefault("broken", []).append(whole)
    faint = 1.0 if thick else 0.65
    for part in (*PARTS, "unknown"):
        hatch = HATCH.get(part) if thick else None
        _collect(
            ax,
            shapes.get(part),
            facecolor=FILL[part],
            edgecolor=HATCH_INK.get(part, PAPER),
            linewidth=0.0,
            alpha=faint,
            hatch=hatch,
        )
    _collect(ax, shapes.get("edge"), facecolor="none", edgecolor=PAPER, linewidth=0.6)
    _collect(ax, shapes.get("critical"), facecolor="none", edgecolor=INK, linewidth=1.3 if thick else 0.7)
    _collect(ax, shapes.get("broken"), facecolor="none", edgecolor=INK, linewidth=0.8, hatch="xxx")


def _outline(outlines: list[Shape], whole: Shape, least_s: float) -> None:
    """Add an outline; bars too thin for one of their own share it with the one that they follow."""
    if outlines:
        (begin, low), (end, _), *_ = outlines[-1]
        (left, own), (right, _), (_, top), _ = whole
        thin = right - left < OWN_OUTLINE_PT * least_s
        if own == low and thin and -least_s < left - end < least_s:
            outlines[-1] = _box(begin, right, low, top)
            return
    outlines.append(whole)


def _box(left: float, right: float, low: float, top: float) -> Shape:
    return [(left, low), (right, low), (right, top), (left, top)]


def _collect(ax: Axes, shapes: list[Shape] | None, **style: Any) -> None:
    from matplotlib.collections import PolyCollection

    if shapes:
        ax.add_collection(
            PolyCollection(shapes, zorder=2 + 0.01 * len(ax.collections), **style), autolim=False
        )


def parts(bar: Bar) -> list[tuple[str, float]]:
    """Return what fills a bar, from the bottom: names of `FILL` with their shares."""
    if bar.shares is None:
        return [("unknown", 1.0)]
    shares = [(part, float(getattr(bar.shares, part))) for part in PARTS]
    return [(part, share) for part, share in shares if share > 0]
