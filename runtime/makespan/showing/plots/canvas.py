"""What all pictures share: where to draw, how much room there is, frames, words, keys."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from makespan.errors import OptionError, missing_extra
from makespan.plan import Plan
from makespan.record import RunRecord
from makespan.showing.account import report_of, report_of_plan
from makespan.showing.axis import ticks
from makespan.showing.colours import INK, LINE, PAPER, QUIET
from makespan.showing.figures import Report
from makespan.showing.words import columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    from makespan.run import Run

COLUMN_EM = 0.62
"""Width of a column of text, of its size."""
WIDTH_IN = 11.0
LEAST_KEY_IN = 5.0
LEAST_TITLE_PT = 7.5


def shown(thing: Report | RunRecord | Run | Plan, what: str) -> Report:
    """Return the report of whatever can be shown.

    Raises
    ------
    OptionError
        It is something else.
    """
    from makespan.run import Run

    if isinstance(thing, Run):
        thing = thing.record
    if isinstance(thing, RunRecord):
        return report_of(thing)
    if isinstance(thing, Plan):
        return report_of_plan(thing)
    if not isinstance(thing, Report):
        raise OptionError(
            f"draws a run or a plan, not {type(thing).__name__}",
            where=what,
            hint="dag.run(...), load_record(...), profile.optimize(...), load_plan(...)",
        )
    return thing


def new_axes(height_in: float, *, left_in: float = 0.8, bottom_in: float = 0.5, what: str = "") -> Axes:
    """Return axes of a new figure without pyplot.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_extra(what, "matplotlib", "report") from error
    figure = Figure(figsize=(WIDTH_IN, height_in), facecolor=PAPER)
    figure.subplots_adjust(
        left=left_in / WIDTH_IN,
        right=1 - 0.17 / WIDTH_IN,
        bottom=bottom_in / height_in,
        top=1 - 0.62 / height_in,
    )
    return figure.add_subplot()


def check_axes(ax: Any, what: str) -> None:
    """Refuse what is no matplotlib Axes, before anything is drawn.

    Raises
    ------
    OptionError
    """
    if ax is not None and not (hasattr(ax, "add_collection") and hasattr(ax, "get_figure")):
        raise OptionError(f"takes matplotlib Axes, not {type(ax).__name__}", where=f"{what}: ax")


def figure_of(ax: Axes) -> Figure:
    """Return the figure that axes stand in."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def size_pt(ax: Axes) -> tuple[float, float]:
    """Return width and height of the axes in points."""
    box = ax.get_position()
    width_in, height_in = figure_of(ax).get_size_inches()
    return max(1.0, 72.0 * box.width * float(width_in)), max(1.0, 72.0 * box.height * float(height_in))


def text_in(words: str, size_pt_: float) -> float:
    """Return how wide the longest line is, in inches, estimated."""
    return max(map(columns, words.split("\n")), default=0) * COLUMN_EM * size_pt_ / 72


def plain(text: Text) -> Text:
    """Take a text as it is, without mathematics, and return it."""
    text.set_parse_math(False)
    return text


def name_rows(ax: Axes, places: Sequence[float], words: Sequence[str]) -> None:
    """Write words left of the axes, without mathematics (also where someone wants them on the right)."""
    ax.set_yticks(places, words)
    for tick in ax.yaxis.get_major_ticks():
        plain(tick.label1)
        plain(tick.label2)


def time_axis(ax: Axes, extent_s: float) -> None:
    """Draw the frame of a picture over time: round seconds below, no other lines."""
    frame(ax)
    ax.set_xlim(0.0, (extent_s or 1.0) * 1.005)
    width_pt, _ = size_pt(ax)
    places = ticks(extent_s, most=max(2, min(10, int(width_pt / 55))))
    ax.set_xticks([moment for moment, _ in places], [word for _, word in places])
    ax.grid(visible=True, axis="x", color=LINE, linewidth=0.6, zorder=0)


def frame(ax: Axes) -> None:
    """Leave only the line below."""
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(LINE)
    ax.set_axisbelow(True)
    ax.tick_params(length=0, labelsize=8, labelcolor=QUIET)


def set_title(ax: Axes, parts: Sequence[str], above_pt: float = 8.0) -> None:
    """Write the title on the left, smaller where there is little room, then without its last parts.

    A part in parentheses belongs to the one before it.
    """
    width_pt, _ = size_pt(ax)
    kept = list(parts)
    words = _joined(kept)
    while len(kept) > 1 and columns(words) * 0.54 * LEAST_TITLE_PT > width_pt:
        kept.pop()
        words = _joined(kept)
    size = max(LEAST_TITLE_PT, min(10.0, width_pt / (max(1, columns(words)) * 0.54)))
    plain(ax.set_title(words, loc="left", size=size, color=INK, pad=above_pt))


def _joined(parts: Sequence[str]) -> str:
    return " · ".join(parts).replace(" · (", " (")


def has_room(ax: Axes) -> bool:
    """Say whether there is room for a key below: where axes are wide, as in a figure of their own."""
    return size_pt(ax)[0] >= LEAST_KEY_IN * 72


def legend(ax: Axes, keys: Sequence[Artist], below_pt: float = 24.0, title: str | None = None) -> None:
    """Draw the key below the axes, in as many columns as there is room for."""
    if not keys:
        return
    width_pt, height_pt = size_pt(ax)
    wide_pt = [columns(str(key.get_label())) * 0.54 * 8 + 32 for key in keys]
    drawn = ax.legend(
        handles=list(keys),
        title=title,
        loc="upper left",
        bbox_to_anchor=(-0.004, -below_pt / height_pt),
        ncols=_side_by_side(wide_pt, width_pt),
        frameon=False,
        fontsize=8,
        title_fontsize=8,
        alignment="left",
        labelcolor=INK,
        borderaxespad=0.0,
        handlelength=1.6,
        columnspacing=1.4,
    )
    for text in drawn.get_texts():
        plain(text)


def _side_by_side(widths: Sequence[float], room: float) -> int:
    """Return how many keys stand side by side; matplotlib fills its columns one after the other.

    >>> _side_by_side([3, 1, 1], 5), _side_by_side([3, 1, 1], 4.5)
    (3, 2)
    """
    for rows in range(1, len(widths) + 1):
        if sum(max(widths[at : at + rows]) for at in range(0, len(widths), rows)) <= room:
            return ceil(len(widths) / rows)
    return 1
