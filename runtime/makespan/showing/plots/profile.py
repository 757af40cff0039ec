"""What each node does with its time: a bar a node, as long as it takes, filled by shares.

The segments of a bar stand in the order of the key, not of time. The line at a bar's end reaches from the
10th to the 90th percentile of its calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from makespan.errors import OptionError
from makespan.profile import Profile
from makespan.showing.axis import ticks
from makespan.showing.colours import FILL, HATCH, HATCH_INK, INK, LINE, PAPER, QUIET, WORDS
from makespan.showing.plots.canvas import (
    check_axes,
    frame,
    has_room,
    name_rows,
    new_axes,
    set_title,
    size_pt,
    text_in,
)
from makespan.showing.plots.canvas import legend as draw_legend
from makespan.showing.profile_rows import by, is_bound, shares
from makespan.showing.words import clean, percent, plural, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from makespan.measurement import NodeProfile

MOST: Final = 40
_PARTS: Final = ("gil", "native", "blocked", "gil_wait", "unknown")


def plot_profile(
    profile: Profile,
    ax: Axes | None = None,
    *,
    sort: str = "wall",
    most: int | None = MOST,
    legend: bool | None = None,
    title: bool = True,
) -> Axes:
    """Draw what each node does with its time.

    Parameters
    ----------
    profile : Profile
    ax : matplotlib Axes, optional
        Where to draw; a new `Figure` (without pyplot) when omitted.
    sort : {"wall", "gil", "native", "blocked", "name"}
        The order, the most first.
    most : int or None
        Draw so many nodes, and say in a last row what the others take together; None: all.
    title : bool
        Whether to draw the words on top.
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
        `profile` is none, `ax` no Axes, or there is no such order.
    """
    if not isinstance(profile, Profile):
        raise OptionError(
            f"draws a profile, not {type(profile).__name__}",
            where="plot_profile",
            hint="dag.profile(...), load_profile(...)",
        )
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise OptionError(f"is a whole number from 1, or None, not {most!r}", where="plot_profile: most")
    check_axes(ax, "plot_profile")
    ordered = by(profile.nodes, sort)
    drawn = ordered if most is None else ordered[:most]
    left_out = ordered[len(drawn) :]
    names = [clean(node.name, 32) for node in drawn]
    names += [f"and {len(left_out):,} more"] if left_out else []
    rows = max(1, len(names))
    if ax is None:
        left_in = 0.2 + max((text_in(name, 8) for name in names), default=0.3)
        ax = new_axes(1.53 + 0.21 * min(rows, 700), left_in=left_in, bottom_in=0.9, what="plot_profile")
    frame(ax)
    ax.set_ylim(rows, 0)
    longest_s = max((max(_end_s(node), node.wall_net_s.p90) for node in drawn), default=0.0)
    width_pt, height_pt = size_pt(ax)
    ax.set_xlim(0.0, 1.0 if longest_s <= 0 else longest_s * (1 + 90 / max(180, width_pt)))
    places = ticks(longest_s, most=max(2, min(10, int(width_pt / 60))))
    ax.set_xticks([moment for moment, _ in places], [word for _, word in places])
    ax.grid(visible=True, axis="x", color=LINE, linewidth=0.6, zorder=0)
    step = max(1, -(-int(7 * rows) // int(height_pt))) if height_pt < 7 * rows else 1
    name_rows(ax, [row + 0.5 for row in range(0, len(names), step)], names[::step])
    used = _bars(ax, drawn, min(2.6, 0.18 * height_pt / rows))
    if step == 1:
        _say(ax, drawn, left_out)
    if not ordered:
        ax.text(0.5, 0.5, "no node was measured", transform=ax.transAxes, color=QUIET, ha="center")
    if title:
        set_title(ax, _title(profile, ordered))
    if has_room(ax) if legend is None else legend:
        note = "length = seconds alone; colours are shares, not order in time; line: 10th to 90th percentile"
        draw_legend(ax, _keys(used, drawn), title=note)
    return ax


def _end_s(node: NodeProfile) -> float:
    return node.wall_net_s.median


def _parts(node: NodeProfile) -> dict[str, float]:
    """Return seconds by part, adding up to the median."""
    known = shares(node)
    if not any(known.values()):
        return {"unknown": _end_s(node)}
    return {part: share * _end_s(node) for part, share in known.items()}


def _bars(ax: Axes, drawn: Sequence[NodeProfile], halo_pt: float) -> set[str]:
    """Draw the bars, one collection a colour, and the spreads; return the parts that occur."""
    from matplotlib.collections import LineCollection, PolyCollection

    shapes: dict[str, list[list[tuple[float, float]]]] = {}
    spreads = []
    for row, node in enumerate(drawn):
        left, low, top = 0.0, row + 0.82, row + 0.18
        for part, its_s in _parts(node).items():
            if its_s > 0:
                shapes.setdefault(part, []).append(
                    [(left, low), (left + its_s, low), (left + its_s, top), (left, top)]
                )
                left += its_s
        spread = node.wall_net_s
        if spread.p90 > spread.p10:
            spreads.append([(spread.p10, row + 0.5), (spread.p90, row + 0.5)])
    for part in _PARTS:
        if part in shapes:
            collection = PolyCollection(
                shapes[part],
                facecolor=FILL[part],
                edgecolor=HATCH_INK.get(part, PAPER),
                linewidth=0.0,
                hatch=HATCH.get(part),
                zorder=2,
            )
            ax.add_collection(collection, autolim=False)
    ax.add_collection(LineCollection(spreads, colors=PAPER, linewidths=halo_pt, zorder=3), autolim=False)
    ax.add_collection(LineCollection(spreads, colors=INK, linewidths=1.0, zorder=4), autolim=False)
    return set(shapes)


def _say(ax: Axes, drawn: Sequence[NodeProfile], left_out: Sequence[NodeProfile]) -> None:
    """Write right of each bar how long the node takes, and its class; in the last row what is left."""
    for row, node in enumerate(drawn):
        kind = "" if node.kind == "unknown" else f" {node.kind}{' (at most)' if is_bound(node) else ''}"
        end_s = max(_end_s(node), node.wall_net_s.p90)
        _beside(ax, end_s, row, f"{seconds(_end_s(node))}{kind}")
    if left_out:
        rest_s = sum(_end_s(node) for node in left_out)
        share = rest_s / (rest_s + sum(_end_s(node) for node in drawn) or 1.0)
        words = f"{seconds(rest_s)} together, {percent(share)} of all"
        _beside(ax, 0.0, len(drawn), words)


def _beside(ax: Axes, at_s: float, row: int, words: str) -> None:
    ax.annotate(
        words,
        (at_s, row + 0.5),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        size=7.5,
        color=QUIET,
        parse_math=False,
        annotation_clip=True,
    )


def _title(profile: Profile, ordered: Sequence[NodeProfile]) -> list[str]:
    total_s = sum(_end_s(node) for node in ordered)
    size = f"{plural(len(profile.shape), 'node')}, {seconds(total_s)} one after the other"
    words = [clean(profile.dag.name, 50), size]
    if total_s > 0:
        gil_s = sum(_parts(node).get("gil", 0.0) for node in ordered)
        words.append(f"{percent(gil_s / total_s)} of it holding the GIL")
    missing = len(profile.shape) - len(ordered)
    if missing:
        words.append(f"{missing:,} not measured")
    return words


def _keys(used: set[str], drawn: Sequence[NodeProfile]) -> list[Artist]:
    from matplotlib.patches import Patch

    bound = any(is_bound(node) for node in drawn)
    return [
        Patch(
            facecolor=FILL[part],
            edgecolor=HATCH_INK.get(part, PAPER),
            linewidth=0.0,
            hatch=HATCH.get(part),
            label=WORDS[part] + (" (or at most)" if part == "gil" and bound else ""),
        )
        for part in _PARTS
        if part in used
    ]
