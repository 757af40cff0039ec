"""Locks and groups under the lanes of a Gantt: a strip each, filled while a node held it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from makespan.showing.colours import INK, LINE, QUIET
from makespan.showing.plots.canvas import name_rows
from makespan.showing.words import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from makespan.showing.figures import Band, Report

HEIGHT_PT: Final = 15.0
GAP_PT: Final = 7.0
MOST: Final = 8
_ORDER: Final = ("lock", "exclusive", "group", "cluster", "chain")


def kept_bands(report: Report) -> list[tuple[str, Band | None]]:
    """Return the strips with their words: exclusions first; what has no room is counted in a last one."""
    bands = [band for band in report.bands if band.spans]
    bands.sort(key=lambda band: (_ORDER.index(band.kind), -len(band.spans), band.name))
    kept: list[tuple[str, Band | None]] = [(_words(band), band) for band in bands[:MOST]]
    if len(bands) > MOST:
        kept.append((f"and {len(bands) - MOST:,} more", None))
    return kept


def _words(band: Band) -> str:
    name = clean(band.name, 24)
    words = name if name.startswith(band.kind) else f"{band.kind} {name}"
    return words if band.limit == 1 else f"{words} ≤ {band.limit}"


def strips_pt(kept: Sequence[object]) -> float:
    """Return how much room the strips take."""
    return GAP_PT + HEIGHT_PT * len(kept) if kept else 0.0


def draw_bands(ax: Axes, kept: Sequence[tuple[str, Band | None]], rows: int, lane_pt: float) -> None:
    """Draw the strips below the lanes, each with its words on the left."""
    from matplotlib.collections import PolyCollection

    gap, height = GAP_PT / lane_pt, HEIGHT_PT / lane_pt
    shapes = []
    places, words = list(ax.get_yticks()), [label.get_text() for label in ax.get_yticklabels()]
    for number, (said, band) in enumerate(kept):
        top = rows + gap + height * number
        places.append(top + height / 2)
        words.append(said)
        ax.axhline(top + height / 2, color=LINE, linewidth=0.6, zorder=1)
        for start_s, end_s, _ in band.spans if band is not None else ():
            low, high = top + 0.7 * height, top + 0.3 * height
            shapes.append([(start_s, low), (end_s, low), (end_s, high), (start_s, high)])
    name_rows(ax, places, words)
    ax.add_collection(
        PolyCollection(shapes, facecolor=QUIET, edgecolor=INK, linewidth=0.5, alpha=0.75, zorder=2),
        autolim=False,
    )
