"""Would more threads help? The expected makespan of each thread budget above its lower bound."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, runtime_checkable

from makespan.errors import OptionError
from makespan.plan import Plan
from makespan.record import RunRecord
from makespan.showing.axis import ticks
from makespan.showing.colours import FILL, INK, LINE, PAPER, QUIET
from makespan.showing.figures import Report
from makespan.showing.plots.canvas import check_axes, frame, has_room, new_axes, set_title, shown
from makespan.showing.plots.canvas import legend as draw_legend
from makespan.showing.words import clean, percent, plural, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from makespan.run import Run

# By Okabe and Ito: told apart by the colour-blind; and each line has a mark of its own.
STYLES: Final = (
    (INK, "o"),
    ("#0072b2", "s"),
    ("#d55e00", "^"),
    ("#009e73", "D"),
    ("#cc79a7", "v"),
    ("#56b4e9", "P"),
    ("#e69f00", "X"),
)


@runtime_checkable
class _Case(Protocol):
    """What is drawn: `makespan.plan.WhatIf`, or an answer of `makespan.Profile.what_if`."""

    @property
    def threads(self) -> int: ...

    @property
    def makespan_s(self) -> float: ...

    @property
    def lower_bound_s(self) -> float: ...


class _Curve(NamedTuple):
    name: str
    cases: list[_Case]


def plot_what_if(
    thing: Report | RunRecord | Run | Plan | Iterable[_Case],
    ax: Axes | None = None,
    *,
    legend: bool | None = None,
    title: bool = True,
) -> Axes:
    """Draw the makespan to expect over the thread budget, with the lower bounds.

    Parameters
    ----------
    thing : Run, RunRecord, Plan, Report, or what `Profile.what_if` returned
        Of a run or plan, the budget that it has is marked. Of answers with changes, each change is a line.
    ax : matplotlib Axes, optional
        Where to draw; a new `Figure` (without pyplot) when omitted.
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
        `thing` holds no answers, or `ax` is no Axes.
    """
    check_axes(ax, "plot_what_if")
    curves, report = _curves(thing)
    if ax is None:
        ax = new_axes(3.8, left_in=0.75, bottom_in=1.0, what="plot_what_if")
    frame(ax)
    top_s = max((case.makespan_s for curve in curves for case in curve.cases), default=0.0)
    if report is not None and curves:
        top_s = max([top_s, report.actual_s or 0.0, report.planned_s or 0.0])
    for number, (_, cases) in enumerate(curves):
        colour, mark = STYLES[number % len(STYLES)]
        budgets = [case.threads for case in cases]
        bounds = [case.lower_bound_s for case in cases]
        if number == 0:
            ax.fill_between(budgets, bounds, color="#eeece6", linewidth=0.0, zorder=1)
        ax.plot(budgets, bounds, color=colour, linewidth=0.9, linestyle=(0, (4, 3)), zorder=2)
        ax.plot(
            budgets,
            [case.makespan_s for case in cases],
            color=colour,
            linewidth=1.6,
            marker=mark,
            markersize=5,
            markeredgecolor=PAPER,
            zorder=3,
        )
    budgets = sorted({case.threads for curve in curves for case in curve.cases})
    marks = _mark(ax, report) if curves else []
    _scales(ax, [*budgets, report.threads] if report is not None else budgets, top_s)
    if not curves:
        words = "no other thread budgets were asked about"
        ax.text(0.5, 0.5, words, transform=ax.transAxes, color=QUIET, ha="center", va="center")
    if title:
        set_title(ax, _title(curves, report))
    if has_room(ax) if legend is None else legend:
        draw_legend(ax, [*_keys(curves), *marks], below_pt=34)
    return ax


def _curves(thing: Any) -> tuple[list[_Curve], Report | None]:
    from makespan.run import Run

    report = None
    if isinstance(thing, Report | RunRecord | Run | Plan) or not isinstance(thing, Iterable):
        report = shown(thing, "plot_what_if")
        cases: list[Any] = list(report.what_if)
    else:
        cases = list(thing)
        for case in cases:
            if not isinstance(case, _Case):
                raise OptionError(
                    f"draws answers, not {type(case).__name__}",
                    where="plot_what_if",
                    hint="profile.what_if(range(1, 9))",
                )
    by_name: dict[str, list[_Case]] = {}
    for case in cases:
        change = getattr(case, "change", None)
        by_name.setdefault("as it is" if change is None else str(change.name), []).append(case)
    return [
        _Curve(name, sorted(some, key=lambda case: case.threads)) for name, some in by_name.items()
    ], report


def _mark(ax: Axes, report: Report | None) -> list[Artist]:
    """Mark the budget of the plan or the run, and what the run took; return their keys."""
    if report is None:
        return []
    from matplotlib.lines import Line2D

    marks = []
    for value_s, words, mark in (
        (report.planned_s, "this plan", "o"),
        (report.actual_s, "this run", "x"),
    ):
        if value_s is None:
            continue
        style: dict[str, Any] = {
            "linestyle": "none",
            "marker": mark,
            "markersize": 12 if mark == "o" else 8,
            "markerfacecolor": "none",
            "markeredgecolor": FILL["gil"],
            "markeredgewidth": 1.8,
        }
        ax.plot([report.threads], [value_s], zorder=5, clip_on=False, **style)
        label = f"{words}: {plural(report.threads, 'thread')}, {seconds(value_s)}"
        marks.append(Line2D([], [], label=label, **{**style, "markersize": 8}))
    return [*marks]


def _scales(ax: Axes, budgets: Sequence[int], top_s: float) -> None:
    ax.set_ylim(0.0, 1.12 * top_s or 1.0)
    places = ticks(1.12 * top_s, most=6)
    ax.set_yticks([moment for moment, _ in places], [word for _, word in places])
    ax.grid(visible=True, axis="y", color=LINE, linewidth=0.6, zorder=0)
    if not budgets:
        ax.set_xticks([])
        return
    low, high = min(budgets), max(budgets)
    ax.set_xlim(low - 0.03 * (high - low) - 0.2, high + 0.03 * (high - low) + 0.2)
    step = max(1, -(-(high - low) // 16))
    ax.set_xticks(range(low, high + 1, step))
    ax.set_xlabel("threads", size=8, color=QUIET)


def _title(curves: Sequence[_Curve], report: Report | None) -> list[str]:
    words = [clean(report.title, 50)] if report is not None else []
    if not curves:
        return [*words, "what if"]
    cases = curves[0].cases
    best = min(cases, key=lambda case: (case.makespan_s, case.threads))
    own = report.threads if report is not None else cases[0].threads
    here = next((case for case in cases if case.threads == own), None)
    if here is not None and here.makespan_s > 0:
        if best.threads == own:
            words.append(f"no other budget up to {cases[-1].threads} is expected to be faster")
        else:
            gain = percent(best.makespan_s / here.makespan_s - 1, signed=True)
            words.append(
                f"{plural(best.threads, 'thread')}: {seconds(best.makespan_s)} instead of "
                f"{seconds(here.makespan_s)} with {own} ({gain})"
            )
    return words


def _keys(curves: Sequence[_Curve]) -> list[Artist]:
    from matplotlib.lines import Line2D

    keys: list[Artist] = []
    for number, (name, _) in enumerate(curves):
        colour, mark = STYLES[number % len(STYLES)]
        words = "expected makespan" if len(curves) == 1 else clean(name, 60)
        keys.append(Line2D([], [], color=colour, marker=mark, markersize=5, label=words))
    if curves:
        keys.append(Line2D([], [], color=INK, linewidth=0.9, linestyle=(0, (4, 3)), label="lower bound"))
    return keys
