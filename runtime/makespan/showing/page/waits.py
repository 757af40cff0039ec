"""Why lanes stood idle, and how good it can get at all: tables of lanes and of lower bounds.

Every function returns HTML in which each name is escaped; a part that has nothing to say is empty.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, get_args

from makespan.showing.figures import IdleCause
from makespan.showing.page.parts import DASH, name
from makespan.showing.page.tables import cells, table
from makespan.showing.words import clean, percent, plural, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.showing.figures import Lane, Report

CAUSES: tuple[IdleCause, ...] = get_args(IdleCause)
HEADS = {
    "inputs": "results",
    "lock": "a lock or group",
    "GIL": "the GIL",
    "budget": "a worker",
    "nothing left": "nothing left",
}
"""What idle time is called in the head of its column."""


def lanes(report: Report) -> str:
    """Return the table of lanes: how busy each was, and what it waited for."""
    if not any(lane.idle_s for lane in report.lanes):
        return ""
    whole_s = (report.actual_s if report.actual_s is not None else report.planned_s) or 0.0
    causes = [
        cause for cause in CAUSES if any(cause == its for lane in report.lanes for its, _ in lane.idle_s)
    ]
    rows = [_lane(lane, causes, whole_s) for lane in report.lanes]
    total = {
        cause: sum(idle_s for lane in report.lanes for its, idle_s in lane.idle_s if its == cause)
        for cause in causes
    }
    if len(report.lanes) > 1:
        # Of the budget, as in the headline: there may be more lanes than places, or fewer.
        places_s = whole_s * report.threads
        idle = (_idle(total[cause], places_s) for cause in causes)
        rows.append(cells(f"all, of {plural(report.threads, 'thread')}", "", percent(report.busy), *idle))
    return table(
        "What lanes waited for",
        "Idle time by what was waited for; a worker: a node was ready, and none took it yet.",
        ("lane", "kind", "busy", *(HEADS[cause] for cause in causes)),
        rows,
        more=' id="lanes"',
    )


def _lane(lane: Lane, causes: Sequence[str], whole_s: float) -> str:
    idle_s: dict[str, float] = dict(lane.idle_s)
    return cells(
        name(lane.name, 60),
        lane.kind,
        percent(lane.busy),
        *(_idle(idle_s.get(cause, 0.0), whole_s) for cause in causes),
    )


def _idle(idle_s: float, whole_s: float) -> str:
    if idle_s <= 0:
        return DASH
    share = f" <small>{percent(idle_s / whole_s)}</small>" if whole_s > 0 else ""
    return f"{seconds(idle_s)}{share}"


def bounds(report: Report) -> str:
    """Return the table of lower bounds, the largest first: no order of these nodes can be faster."""
    if len(report.bounds) < 2:
        return ""
    made_s = report.actual_s if report.actual_s is not None else report.planned_s
    rows = [
        cells(
            escape(clean(bound.name, 80)),
            seconds(bound.seconds),
            percent(bound.seconds / made_s) if made_s else DASH,
            "binds" if i == 0 else "",
        )
        for i, bound in enumerate(report.bounds)
    ]
    of = "of what it took" if report.actual_s is not None else "of the plan"
    return table(
        "How good can it get?",
        "Lower bounds: no order of these nodes ends earlier on this budget. The largest binds.",
        ("bound", "seconds", of, ""),
        rows,
        more=' class="short"',
    )
