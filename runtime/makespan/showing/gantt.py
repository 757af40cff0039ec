"""The Gantt chart in matplotlib: PNG, SVG, PDF and notebook figures.

In each lane the plan is the thin bar, what happened the thick one below. A bar is filled from the bottom
by what its node does with its time: the *height* of a colour is its share, so that a share is not mistaken
for a moment. Colour never tells nodes apart. Names are the user's: drawn without mathematics, control
characters made visible.

Only `matplotlib.figure.Figure` is used: no pyplot, no backend is chosen, no global state is left changed.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

from makespan.errors import missing_extra
from makespan.showing.axis import bar_labels, label_rows, ticks
from makespan.showing.bars import (
    ACTUAL,
    FILL,
    HATCH,
    HATCH_INK,
    INK,
    LABEL,
    LINE,
    PAPER,
    PLANNED,
    QUIET,
    WORDS,
    fill,
    parts,
)
from makespan.showing.figures import BROKEN, PARTS
from makespan.showing.report import as_report
from makespan.showing.words import TIMES, clean, columns, percent, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from makespan.plan import Plan
    from makespan.record import RunRecord
    from makespan.showing.figures import Bar, Report

LABEL_PT = 7.0
COLUMN_EM = 0.62
MOST_LABELLED_LANES = 40


def plot_gantt(
    thing: Report | RunRecord | Plan,
    ax: Axes | None = None,
    *,
    planned: bool = True,
    labels: bool = True,
    legend: bool = True,
    title: bool = True,
) -> Axes:
    """Draw the Gantt of a run or a plan.

    Parameters
    ----------
    thing : Report, RunRecord or Plan
    ax : matplotlib Axes, optional
        Where to draw; a new `Figure` (without pyplot) when omitted.
    planned, labels, legend, title : bool
        Whether to draw the planned bars above the actual ones, the names, the key, the figures on top.

    Returns
    -------
    matplotlib.axes.Axes
        ``ax.figure.savefig("gantt.png")`` writes it.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    report = as_report(thing)
    if ax is None:
        ax = _new_axes(report)
    extent_s = report.extent_s or 1.0
    rows = max(1, report.rows)
    ax.set_xlim(0.0, extent_s * 1.005)
    ax.set_ylim(rows, 0.0)
    width_pt, height_pt = _size_pt(ax)
    thick, thin = (
        (report.actual_bars, report.planned_bars) if report.actual_bars else (report.planned_bars, ())
    )
    _frame(ax, report)
    fill(ax, thick, ACTUAL, extent_s / width_pt)
    if planned and thin:
        fill(ax, thin, PLANNED, extent_s / width_pt)
    if labels and rows <= MOST_LABELLED_LANES and height_pt / rows > 3.2 * LABEL_PT:
        for bar, text in bar_labels(thick, width_pt / extent_s, COLUMN_EM * LABEL_PT, width_pt):
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
    if not thick:
        ax.text(0.5, 0.5, "no node ran", transform=ax.transAxes, color=QUIET, ha="center", va="center")
    used = _verticals(ax, report, width_pt / extent_s, width_pt)
    if title:
        words = ax.set_title(_title(report), loc="left", size=10, color=INK, pad=8 + 11 * used)
        words.set_parse_math(False)
    if legend:
        _legend(ax, [*thick, *(thin if planned else ())], height_pt, thin=bool(planned and thin))
    return ax


def picture(report: Report, kind: str) -> bytes:
    """Return the Gantt as the bytes of a png, svg or pdf file; the same report gives the same svg."""
    ax = plot_gantt(report)
    from matplotlib import rc_context

    stream = io.BytesIO()
    fixed = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    with rc_context({"svg.hashsalt": "makespan", "svg.fonttype": "path"}), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; that is no reason to fail.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        _figure(ax).savefig(
            stream,
            format=kind,
            dpi=150,
            bbox_inches="tight",
            pad_inches=0.15,
            facecolor=PAPER,
            metadata=fixed,
        )
    return stream.getvalue()


def _new_axes(report: Report) -> Axes:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_extra("the Gantt picture", "matplotlib", "report") from error
    lane_in = 0.62 if report.rows <= 16 else 0.34 if report.rows <= MOST_LABELLED_LANES else 0.16
    figure = Figure(figsize=(11.0, 1.1 + min(160.0, lane_in * max(1, report.rows))))
    figure.subplots_adjust(left=0.07, right=0.985, bottom=0.5 / figure.get_figheight(), top=0.97)
    return figure.add_subplot()


def _figure(ax: Axes) -> Figure:
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def _size_pt(ax: Axes) -> tuple[float, float]:
    box = ax.get_position()
    width_in, height_in = _figure(ax).get_size_inches()
    return max(1.0, 72.0 * box.width * float(width_in)), max(1.0, 72.0 * box.height * float(height_in))


def _frame(ax: Axes, report: Report) -> None:
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(LINE)
    places = ticks(report.extent_s)
    ax.set_xticks([moment for moment, _ in places], [word for _, word in places])
    ax.grid(visible=True, axis="x", color=LINE, linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)
    middle = (PLANNED[0] + ACTUAL[1]) / 2
    step = 1 if report.rows <= MOST_LABELLED_LANES else 10
    named = range(0, report.rows, step)
    ax.set_yticks(
        [row + middle for row in named],
        [
            f"lane {row}\n{percent(report.row_busy[row])} busy" if step == 1 else f"lane {row}"
            for row in named
        ],
    )
    ax.tick_params(length=0, labelsize=8, labelcolor=QUIET)


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
        text.set_parse_math(False)
    return max(rows, default=-1) + 1


def _title(report: Report) -> str:
    threads = f"{report.threads} thread" + ("" if report.threads == 1 else "s")
    words = [clean(report.title, 50)]
    if report.actual_s is None:
        words.append(f"planned {seconds(report.planned_s or 0.0)} with {threads}")
    else:
        outcome = "" if report.status == "ok" else f"{report.status} after "
        error = "" if report.error_share is None else f", {percent(report.error_share, signed=True)}"
        against = "" if report.planned_s is None else f" (planned {seconds(report.planned_s)}{error})"
        words.append(f"{outcome}{seconds(report.actual_s)} with {threads}{against}")
    if report.speedup is not None and report.default_s is not None:
        words.append(f"{report.speedup:.2f}{TIMES} over the default order, {report.default_source}")
    return " · ".join(words)


def _legend(ax: Axes, bars: Sequence[Bar], height_pt: float, *, thin: bool) -> None:
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
    if not keys:
        return
    note = "height = share of the bar, not order in time"
    ax.legend(
        handles=keys,
        title=f"thin: planned · thick: actual · {note}" if thin else note,
        loc="upper left",
        bbox_to_anchor=(-0.004, -24.0 / height_pt),
        ncols=len(keys),
        frameon=False,
        fontsize=8,
        title_fontsize=8,
        alignment="left",
        labelcolor=INK,
        borderaxespad=0.0,
        handlelength=1.2,
        columnspacing=1.4,
    )
