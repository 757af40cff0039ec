"""What of the static picture is not drawn one by one, in words: nothing is left out silently."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.showing.observed import stretch_s
from makespan.showing.page import chart, fills
from makespan.showing.words import seconds

if TYPE_CHECKING:
    from makespan.showing.figures import Report


def told(report: Report, extent_s: float | None = None) -> str:
    """Say what of the static picture is drawn together, empty if all is drawn as it is."""
    extent_s = extent_s or report.extent_s or 1.0
    many = len(report.actual_bars) + len(report.planned_bars) > chart.MOST_STATIC
    slim = chart.SLIM_OF_MANY if many else fills.SLIM
    per_s = (chart.RIGHT - chart.LEFT) / extent_s
    together = sum(
        len(bars) - sum(1 for _ in fills.merged(bars, chart.LEFT, per_s, slim))
        for bars in (report.actual_bars, report.planned_bars)
    )
    said = []
    if together:
        thin = "a pixel" if slim == 1 else f"{slim:g} pixels"
        said.append(f"Bars thinner than {thin} are drawn together with their neighbours.")
    mean_s = stretch_s((report.cores_used, report.gil_demand), chart.MOST_STEPS)
    if mean_s:
        said.append(f"The curves are means over {seconds(mean_s)} each.")
    return " ".join(said)
