"""The Gantt chart in matplotlib.

In each lane the plan is the thin bar, what happened the thick one below. A bar is filled from the bottom
by what its node does with its time: the *height* of a colour is its share, so that a share is not mistaken
for a moment. Below the lanes, a strip for each lock and group shows when it was held::

    lane 0   ▂▂▂▂▂▂ ▂▂▂▂▂▂▂▂▂        planned
             ██████  █████████       what happened
    lock db        ▬▬▬▬    ▬▬▬       held
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.showing.axis import bar_labels, label_rows
from makespan.showing.colours import FILL, HATCH, HATCH_INK, INK, PAPER, QUIET, WORDS
from makespan.showing.figures import BROKEN, PARTS
from makespan.showing.plots.bands import draw_bands, kept_bands, strips_pt
from makespan.showing.plots.bars import ACTUAL, LABEL, PLANNED, fill, parts
from makespan.showing.plots.canvas import (
    COLUMN_EM,
    check_axes,
    has_room,
    legend,
    name_rows,
    new_axes,
    plain,
    set_title,
    shown,
    size_pt,
    text_in,
    time_axis,
)
from makespan.showing.words import TIMES, clean, columns, percent, plural, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from makespan.plan import Plan
    from makespan.record import RunRecord
    from makespan.run import Run
    from makespan.showing.figures import Bar, Report

LABEL_PT = 7.0
MOST_LABELLED_LANES = 40
LEAST_LANE_PT = 8.0
"""Lanes would have to be lower than this for the strips of locks: these are left out."""
MOST_CUT_LABELS = 60
"""With more bars than this, a name is drawn whole or not at all."""


def plot_gantt(
    thing: Report | RunRecord | Run | Plan,
    ax: Axes | None = None,
    *,
    planned: bool = True,
    labels: bool = True,
    legend: bool | None = None,
    title: bool = True,
    bands: bool = True,
) -> Axes:
    """Draw the Gantt of a run or a plan.

    Parameters
    ----------
    thing : Run, RunRecord, Plan or Report
    ax : matplotlib Axes, optional
        Where to draw; a new `Figure` (without pyplot) when omitted.
    planned, labels, title, bands : bool
        Whether to draw the planned bars above the actual ones, the names, the figures on top, and (where
        there is room) when locks and groups were held.
    legend : bool, optional
        Whether to draw the key below; when omitted, in axes that are at least 5 inches wide.

    Returns
    -------
    matplotlib.axes.Axes
        ``ax.figure.savefig("gantt.png")`` writes it.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    OptionError
        `thing` is nothing that can be drawn, or `ax` no Axes.

    """
    report = shown(thing, "plot_gantt")
    check_axes(ax, "plot_gantt")
    kept = kept_bands(report) if bands else []
    names = _lane_names(report)
    if ax is None:
        ax = _new_axes(report, names, kept)
    extent_s = report.extent_s or 1.0
    rows = max(1, report.rows)
    time_axis(ax, report.extent_s)
    width_pt, height_pt = size_pt(ax)
    lane_pt = (height_pt - strips_pt(kept)) / rows
    if lane_pt < LEAST_LANE_PT:
        kept, lane_pt = [], height_pt / rows
    ax.set_ylim(height_pt / lane_pt, 0.0)
    thick, thin = (
        (report.actual_bars, report.planned_bars) if report.actual_bars else (report.planned_bars, ())
    )
    _name_lanes(ax, names, lane_pt)
    fill(ax, thick, ACTUAL, extent_s / width_pt)
    if planned and thin:
        fill(ax, thin, PLANNED, extent_s / width_pt)
    if labels and rows <= MOST_LABELLED_LANES and lane_pt > 3.2 * LABEL_PT:
        _label(ax, thick, width_pt / extent_s, width_pt)
    if not thick:
        ax.text(0.5, 0.5, "no node ran", transform=ax.transAxes, color=QUIET, ha="center", va="center")
    if kept:
        draw_bands(ax, kept, rows, lane_pt)
    used = _verticals(ax, report, width_pt / extent_s, width_pt)
    if title:
        set_title(ax, _title(report), 8 + 11 * used)
    if has_room(ax) if legend is None else legend:
        _legend(ax, [*thick, *(thin if planned else ())], thin=bool(planned and thin))
    return ax


def _new_axes(report: Report, names: Sequence[str], kept: Sequence[tuple[str, object]]) -> Axes:
    rows = max(1, report.rows)
    lane_in = 0.62 if rows <= 16 else 0.34 if rows <= MOST_LABELLED_LANES else 0.16
    words = [*names, *(word for word, _ in kept)]
    left_in = max(0.5, 0.15 + max((text_in(word, 8) for word in words), default=0))
    height_in = min(160.0, lane_in * rows + strips_pt(kept) / 72)
    return new_axes(height_in + 1.62, left_in=min(3.0, left_in), bottom_in=1.0, what="plot_gantt")


def _lane_names(report: Report) -> list[str]:
    """Return what stands left of the lanes: what they are, and how busy."""
    said = [lane.name for lane in report.lanes]
    names = [said[row] if row < len(said) else f"lane {row}" for row in range(report.rows)]
    busy = [f"{percent(share)} busy" for share in report.row_busy]
    return [f"{clean(name, 24)}\n{share}" for name, share in zip(names, busy, strict=True)]


def _name_lanes(ax: Axes, names: Sequence[str], lane_pt: float) -> None:
    """Name each lane; where lanes are low on one line, and where they are very low every tenth."""
    middle = (PLANNED[0] + ACTUAL[1]) / 2
    lines = 2 if lane_pt >= 21 else 1
    step = 1 if lane_pt >= 10 else 10
    some = range(0, len(names), step)
    words = [names[row] if lines == 2 else names[row].split("\n")[0] for row in some]
    name_rows(ax, [row + middle for row in some], words)


def _label(ax: Axes, bars: Sequence[Bar], per_second: float, width_pt: float) -> None:
    for bar, text in bar_labels(bars, per_second, COLUMN_EM * LABEL_PT, width_pt):
        if len(bars) > MOST_CUT_LABELS and columns(text) < columns(clean(bar.name, 200)):
            continue
        ax.text(
            bar.start_s,
            bar.row + LABEL,
            text,
            size=LABEL_PT,
            color=INK,
            va="top",
            ha="left",
            parse_math=False,
            zorder=6,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.4},
        )


def _verticals(ax: Axes, report: Report, per_second: float, width_pt: float) -> int:
    """Draw the lower bound and the planned end; return how many rows their labels take."""
    lines = []
    if report.bound_s:
        lines.append(
            (report.bound_s, f"lower bound {seconds(report.bound_s)} ({clean(report.binding, 30)})", "--")
        )
    if report.planned_s:
        lines.append((report.planned_s, f"planned end {seconds(report.planned_s)}", "-"))
    intervals, sides = [], []
    for moment, words, _ in lines:
        at, wide = moment * per_second, columns(words) * COLUMN_EM * 8 + 6
        side = "left" if at + wide <= width_pt else "right"
        sides.append(side)
        intervals.append((at, at + wide) if side == "left" else (at - wide, at))
    rows = label_rows(intervals)
    for (moment, words, dash), side, row in zip(lines, sides, rows, strict=True):
        ax.axvline(moment, color=INK, linewidth=1.0, linestyle=dash, zorder=3)
        text = ax.annotate(
            words,
            (moment, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3 + 11 * row),
            textcoords="offset points",
            ha=side,
            va="bottom",
            size=8,
            color=INK,
            annotation_clip=False,
        )
        plain(text)
    return max(rows, default=-1) + 1


def _title(report: Report) -> list[str]:
    words = [clean(report.title, 50)]
    threads = plural(report.threads, "thread")
    if report.actual_s is None:
        words.append(f"planned {seconds(report.planned_s or 0.0)} with {threads}")
    else:
        outcome = "" if report.status == "ok" else f"{report.status} after "
        error = "" if report.error_share is None else f", {percent(report.error_share, signed=True)}"
        words.append(f"{outcome}{seconds(report.actual_s)} with {threads}")
        if report.planned_s is not None:
            words.append(f"(planned {seconds(report.planned_s)}{error})")
    if report.speedup is not None and report.default_s is not None:
        between = ""
        if report.speedup_range is not None:
            between = f" ({report.speedup_range[0]:.2f} to {report.speedup_range[1]:.2f})"
        words.append(f"{report.speedup:.2f}{TIMES}{between} over the default order, {report.default_source}")
    return words


def _legend(ax: Axes, bars: Sequence[Bar], *, thin: bool) -> None:
    from matplotlib.patches import Patch

    present = {part for bar in bars for part, _ in parts(bar)}
    keys = [
        Patch(
            facecolor=FILL[part],
            edgecolor=HATCH_INK.get(part, PAPER),
            linewidth=0.0,
            hatch=HATCH.get(part),
            label=WORDS[part],
        )
        for part in (*PARTS, "unknown")
        if part in present
    ]
    if any(bar.critical for bar in bars):
        keys.append(Patch(facecolor="none", edgecolor=INK, linewidth=1.3, label="critical path"))
    if any(bar.status in BROKEN for bar in bars):
        keys.append(
            Patch(facecolor="none", edgecolor=INK, linewidth=0.8, hatch="xxx", label="failed or unfinished")
        )
    notes = ["thin: planned", "thick: actual"] if thin else []
    notes += ["height = share of the bar, not order in time"] if present - {"unknown"} else []
    legend(ax, keys, title=" · ".join(notes) or None)
