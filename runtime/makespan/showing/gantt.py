"""The Gantt picture under the name that it had; see `makespan.showing.plots`."""

from makespan.showing.plots.gantt import plot_gantt
from makespan.showing.plots.picture import picture

__all__ = ["picture", "plot_gantt"]
