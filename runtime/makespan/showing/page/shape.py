"""Where things lie in a lane of the Gantt: the more lanes, the flatter; the script draws by this, too."""

from __future__ import annotations

from typing import NamedTuple

Band = tuple[float, float]
"""(top, height) within the lane, in pixels."""


class Shape(NamedTuple):
    """Of one lane: a thin planned bar above the thick actual one, the strip of its idle time, the names."""

    thin: Band
    thick: Band
    strip: Band
    label: float
    """Baseline of the names below the bars; 0: there is no room for them."""
    name: float
    """Baseline of the lane's own name."""
    second: float
    """Baseline of what is said below it; 0: it stands beside it."""
    pitch: float


ROOMY = Shape((0.0, 8.0), (10.0, 24.0), (29.0, 5.0), 45.0, 16.0, 31.0, 60.0)
FLAT = Shape((0.0, 5.0), (6.0, 16.0), (18.0, 4.0), 32.0, 11.0, 24.0, 42.0)
DENSE = Shape((0.0, 3.0), (4.0, 11.0), (12.0, 3.0), 0.0, 12.0, 0.0, 19.0)


def shape_of(rows: int) -> Shape:
    """Return how flat the lanes are when there are so many.

    >>> shape_of(4).pitch, shape_of(16).pitch, shape_of(64).pitch
    (60.0, 42.0, 19.0)
    """
    return ROOMY if rows <= 8 else FLAT if rows <= 20 else DENSE
