"""A picture as the bytes of a file: the same data give the same file."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

from makespan.showing.colours import PAPER
from makespan.showing.plots.canvas import figure_of
from makespan.showing.plots.gantt import plot_gantt

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from makespan.showing.figures import Report


def picture(report: Report, kind: str) -> bytes:
    """Return the Gantt as the bytes of a png, svg or pdf file; the same report gives the same svg."""
    return saved(plot_gantt(report), kind)


def saved(ax: Axes, kind: str) -> bytes:
    """Return the figure of these axes as the bytes of a png, svg or pdf file."""
    from matplotlib import rc_context

    stream = io.BytesIO()
    fixed = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    with rc_context({"svg.hashsalt": "makespan", "svg.fonttype": "path"}), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; that is no reason to fail.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure_of(ax).savefig(
            stream,
            format=kind,
            dpi=150,
            bbox_inches="tight",
            pad_inches=0.15,
            facecolor=PAPER,
            metadata=fixed,
        )
    return stream.getvalue()
