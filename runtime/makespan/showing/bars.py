"""How bars are filled in matplotlib: one collection a colour, the height of a colour its share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan.showing.figures import BROKEN, PARTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from makespan.showing.figures import Bar

# Three steps of lightness, so that they can be told apart by the colour-blind and in grey print.
INK, QUIET, LINE, PAPER = "#1d1c1a", "#6b6862", "#dedad2", "#ffffff"
FILL = {
    "gil": "#b5402f",
    "native": "#4a86b8",
    "blocked": "#d8d2c4",
    "gil_wait": "#f3cdc3",
    "delay": "#f3e3b3",
    "longer": "#f3e3b3",
    "unknown": "#a9a59c",
}
WORDS = {
    "gil": "holds the GIL",
    "native": "native, GIL released",
    "blocked": "blocked / IO",
    "gil_wait": "waits for the GIL",
    "delay": "waits for a core",
    "longer": "longer than alone",
    "unknown": "not profiled",
}
# A wait has the colour of what is waited for, as stripes the other way than those of blocked time.
HATCH = {"blocked": "////", "gil_wait": "\\\\\\\\", "delay": "...."}
HATCH_INK = {"gil_wait": FILL["gil"], "delay": QUIET}

Shape = list[tuple[float, float]]

# Where things lie in a lane of height 1, downwards.
PLANNED, ACTUAL, LABEL = (0.06, 0.20), (0.24, 0.70), 0.73


def fill(ax: Axes, bars: Sequence[Bar], band: tuple[float, float], least_s: float) -> None:
    """Draw all bars of a band, one collection a colour; no bar is thinner than half a point."""
    shapes: dict[str, list[Shape]] = {}
    thick = band == ACTUAL
    for bar in bars:
        left, right = bar.start_s, max(bar.end_s, bar.start_s + 0.5 * least_s)
        top, low = bar.row + band[0], bar.row + band[1]
        whole = _box(left, right, low, top)
        for part, share in parts(bar):
            upto = low - (band[1] - band[0]) * share
            shapes.setdefault(part, []).append(_box(left, right, low, upto))
            low = upto
        if bar.critical:
            shapes.setdefault("critical", []).append(whole)
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
