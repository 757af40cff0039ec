"""How the machine was used over time: lanes that ran nodes or stood idle, cores in use, demand for the GIL.

Filled, from the bottom: how many lanes ran a node, then how many stood idle, by cause; so the filling is as
high as there are lanes. Lines on the same scale: cores in use, and how many nodes wanted the GIL at once
(each for the share of its time in which it holds it when alone). Above 1 they waited for each other.

With more changes than there is room for, means over equal stretches of time are drawn; the key says of
which length.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Final

from makespan.showing.colours import (
    FILL,
    IDLE_FILL,
    IDLE_HATCH,
    IDLE_WORDS,
    INK,
    PAPER,
    QUIET,
    RUNNING,
)
from makespan.showing.observed import stack
from makespan.showing.plots.canvas import check_axes, has_room, new_axes, set_title, shown, size_pt, time_axis
from makespan.showing.plots.canvas import legend as draw_legend
from makespan.showing.words import clean, percent, plural, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from makespan.plan import Plan
    from makespan.record import RunRecord
    from makespan.run import Run
    from makespan.showing.figures import Report

Steps = tuple[tuple[float, float], ...]
LEAST_PT: Final = 5.0
"""The shortest stretch of time that is drawn by itself, where there are many."""


def plot_utilisation(
    thing: Report | RunRecord | Run | Plan,
    ax: Axes | None = None,
    *,
    idle: bool = True,
    legend: bool | None = None,
    title: bool = True,
) -> Axes:
    """Draw how many lanes, cores and GIL holders there are at each moment of a run, or of a plan.

    Parameters
    ----------
    thing : Run, RunRecord, Plan or Report
    ax : matplotlib Axes, optional
        Where to draw; a new `Figure` (without pyplot) when omitted.
    idle, title : bool
        Whether to draw why lanes stood idle, the words on top.
    legend : bool, optional
        Whether to draw the key below; when omitted, in axes that are at least 5 inches wide.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    OptionError
        `thing` is nothing that can be drawn, or `ax` no Axes.
    """
    report = shown(thing, "plot_utilisation")
    check_axes(ax, "plot_utilisation")
    if ax is None:
        ax = new_axes(3.9, left_in=0.5, bottom_in=1.2, what="plot_utilisation")
    bars = report.actual_bars or report.planned_bars
    end_s = max([report.actual_s or 0.0, *(bar.end_s for bar in bars)])
    time_axis(ax, end_s)
    running = stack([(bar.start_s, bar.end_s, 1.0) for bar in bars])
    causes = [cause for cause in IDLE_FILL if any(gap.cause == cause for gap in report.idle)] if idle else []
    layers = [running]
    layers += [
        stack([(gap.start_s, gap.end_s, 1.0) for gap in report.idle if gap.cause == cause])
        for cause in causes
    ]
    width_pt, _ = size_pt(ax)
    edges, mean_s = grid([*layers, report.cores_used, report.gil_demand], end_s, width_pt)
    tall = _fill(ax, layers, causes, edges)
    cores, demand = means(report.cores_used, edges), means(report.gil_demand, edges)
    lines = [("cores in use", cores, FILL["native"], "-")] if any(cores) else []
    lines += [("wanting the GIL", demand, FILL["gil"], "-")] if report.gil and any(demand) else []
    for _, values, colour, dash in lines:
        ax.stairs(values, edges, color=PAPER, linewidth=3.4, zorder=4, baseline=None)
        ax.stairs(values, edges, color=colour, linewidth=1.6, linestyle=dash, zorder=5, baseline=None)
    top = max([tall, 1.0, *cores, *demand])
    ax.set_ylim(0.0, 1.06 * max(top, 1.2))
    if any(demand) and report.gil:
        ax.axhline(1.0, color=FILL["gil"], linewidth=1.0, linestyle=(0, (4, 3)), zorder=3)
    if report.cores <= 1.3 * top:
        ax.axhline(report.cores, color=FILL["native"], linewidth=1.0, linestyle=(0, (1, 2)), zorder=3)
    step = max(1, ceil(top / 8))
    ax.set_yticks(range(step, int(top) + 1, step))
    if not bars:
        ax.text(0.5, 0.5, "no node ran", transform=ax.transAxes, color=QUIET, ha="center", va="center")
    if title:
        set_title(ax, _title(report))
    if has_room(ax) if legend is None else legend:
        draw_legend(ax, _keys(report, causes, lines, top), title=_note(mean_s))
    return ax


def grid(layers: Sequence[Steps], end_s: float, width_pt: float) -> tuple[list[float], float | None]:
    """Return the moments between which all is constant, or equal stretches (and their length) if too many.

    Moments that cannot be told apart in the picture count as one.
    """
    if end_s <= 0:
        return [0.0, 1.0], None
    edges = [0.0]
    for moment in sorted({moment for steps in layers for moment, _ in steps}):
        if edges[-1] + end_s / width_pt <= moment <= end_s * (1 - 1 / width_pt):
            edges.append(moment)
    edges.append(end_s)
    most = max(8, int(width_pt / LEAST_PT))
    if len(edges) <= most + 1:
        return edges, None
    return [end_s * i / most for i in range(most + 1)], end_s / most


def means(steps: Steps, edges: Sequence[float]) -> list[float]:
    """Return the mean of steps between each two edges.

    >>> means(((0.0, 2.0), (1.0, 4.0), (2.0, 0.0)), [0.0, 2.0, 3.0])
    [3.0, 0.0]
    """
    found, at = [], 0
    for left, right in pairwise(edges):
        while at + 1 < len(steps) and steps[at + 1][0] <= left:
            at += 1
        area, i = 0.0, at
        while i < len(steps) and steps[i][0] < right:
            until = steps[i + 1][0] if i + 1 < len(steps) else right
            area += steps[i][1] * max(0.0, min(right, until) - max(left, steps[i][0]))
            i += 1
        found.append(area / (right - left))
    return found


def _fill(ax: Axes, layers: Sequence[Steps], causes: Sequence[str], edges: Sequence[float]) -> float:
    """Stack the lanes that ran nodes and those that stood idle; return how high that is."""
    low = [0.0] * (len(edges) - 1)
    styles = [(RUNNING, None), *((IDLE_FILL[cause], IDLE_HATCH.get(cause)) for cause in causes)]
    for steps, (colour, hatch) in zip(layers, styles, strict=True):
        high = [a + b for a, b in zip(low, means(steps, edges), strict=True)]
        ax.stairs(
            high,
            edges,
            baseline=low,
            fill=True,
            facecolor=colour,
            edgecolor="#c3c6c9",
            linewidth=0.0,
            hatch=hatch,
            zorder=2,
        )
        low = high
    return max(low, default=0.0)


def _title(report: Report) -> list[str]:
    words = [
        clean(report.title, 50),
        f"lanes {percent(report.busy)} busy with {plural(report.threads, 'thread')}",
    ]
    if report.idle:
        total_s: dict[str, float] = {}
        for gap in report.idle:
            total_s[gap.cause] = total_s.get(gap.cause, 0.0) + gap.end_s - gap.start_s
        cause = max(total_s, key=lambda cause: total_s[cause])
        words.append(f"{IDLE_WORDS[cause].replace('idle:', 'most idle time:')}, {seconds(total_s[cause])}")
    return words


def _note(mean_s: float | None) -> str | None:
    return None if mean_s is None else f"means over {seconds(mean_s)}"


def _keys(
    report: Report,
    causes: Sequence[str],
    lines: Sequence[tuple[str, Sequence[float], str, str]],
    top: float,
) -> list[Artist]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    keys: list[Artist] = [
        Line2D([], [], color=colour, linewidth=1.8, label=words) for words, _, colour, _ in lines
    ]
    if any(words == "wanting the GIL" for words, *_ in lines):
        keys.append(
            Line2D([], [], color=FILL["gil"], linestyle=(0, (4, 3)), label="above 1, nodes wait for the GIL")
        )
    if report.cores <= 1.3 * top:
        words = f"{report.cores:g} cores there are"
        keys.append(Line2D([], [], color=FILL["native"], linestyle=(0, (1, 2)), label=words))
    keys.append(Patch(facecolor=RUNNING, edgecolor=INK, linewidth=0.0, label="lanes that run a node"))
    keys += [
        Patch(
            facecolor=IDLE_FILL[cause],
            edgecolor="#c3c6c9",
            linewidth=0.4,
            hatch=IDLE_HATCH.get(cause),
            label=IDLE_WORDS[cause],
        )
        for cause in causes
    ]
    return keys
