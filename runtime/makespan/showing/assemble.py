"""The last step to a `Report`: rows are numbered, bars drawn, lanes, idle time and demand added up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from makespan.plan import PlanBound
from makespan.showing.bands import bands_of, limits
from makespan.showing.demand import demand
from makespan.showing.figures import Bar, Lane, Report
from makespan.showing.idle import Task, Verdict, idle_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from makespan.plan import Plan
    from makespan.showing.figures import LaneKind, NodeRow
    from makespan.showing.node_rows import Known

Ran = tuple[float, float, int, tuple[str, ...]]
"""Start, end, row, and what it waited for."""


def assemble(
    nodes: tuple[NodeRow, ...],
    known: Known,
    *,
    tasks: Mapping[str, Ran],
    **figures: Any,
) -> Report:
    """Close the ranks of the rows that are used, draw the bars, add up lanes, idle time and demand.

    Parameters
    ----------
    nodes : tuple of NodeRow
    known : Known
    tasks : mapping of str to Ran
        What ran, else what is planned.
    **figures
        The other fields of `Report`.
    """
    plan = known.whole_plan
    ran = figures["actual_s"] is not None
    used = sorted({row for node in nodes for row in (node.row, node.planned_row) if row is not None})
    number = {row: i for i, row in enumerate(used)}
    nodes = tuple(
        msgspec.structs.replace(
            node,
            row=None if node.row is None else number[node.row],
            planned_row=None if node.planned_row is None else number[node.planned_row],
        )
        for node in nodes
    )
    actual = tuple(_actual_bar(node) for node in nodes if node.row is not None)
    planned = tuple(_planned_bar(node) for node in nodes if node.planned_row is not None)
    makespan_s = figures["actual_s"] if ran else plan.makespan_s if plan else 0.0
    row_s = [0.0] * len(used)
    for bar in actual if ran else planned:
        row_s[bar.row] += bar.end_s - bar.start_s
    row_busy = tuple(_share(one_s, makespan_s) for one_s in row_s)
    names = [known.rows.names[row] for row in used]
    idle = _idle(known, tasks, number, figures["threads"], makespan_s)
    lanes = tuple(
        Lane(
            name.name,
            name.kind,
            row_busy[row],
            tuple(sorted(idle.sums_s[row].items(), key=lambda item: (-item[1], item[0]))),
            max(0.0, makespan_s - row_s[row] - sum(idle.sums_s[row].values())),
        )
        for row, name in enumerate(names)
    )
    cores_used, gil_demand = demand(nodes)
    return Report(
        planned_s=plan.makespan_s if plan else None,
        bound_s=plan.lower_bound_s if plan else None,
        binding=plan.binding if plan else "",
        what_if=plan.what_if if plan else (),
        evidence=plan.evidence if plan else None,
        busy=_share(sum(row_s), figures["threads"] * makespan_s),
        row_busy=row_busy,
        planned_bars=planned,
        actual_bars=actual,
        nodes=nodes,
        cores_used=cores_used,
        gil_demand=gil_demand,
        lanes=lanes,
        idle=idle.idle,
        bands=bands_of(known.members, {node.name: node for node in nodes}, ran=ran),
        bounds=_bounds(plan),
        **figures,
    )


def _idle(
    known: Known, tasks: Mapping[str, Ran], number: Mapping[int, int], places: int, until_s: float
) -> Verdict:
    all_limits, limits_of = limits(known.members)
    alone = {name for member in known.members if member.kind == "exclusive" for name in member.nodes}
    done = [
        Task(
            name,
            start_s,
            end_s,
            number[row],
            after,
            limits_of.get(name, ()),
            name in alone,
            number.get(known.rows.waits_in.get(name, -1)),
        )
        for name, (start_s, end_s, row, after) in tasks.items()
    ]
    kinds: list[LaneKind] = [known.rows.names[row].kind for row in number]
    return idle_of(done, kinds, places, until_s, all_limits)


def _bounds(plan: Plan | None) -> tuple[PlanBound, ...]:
    if plan is None:
        return ()
    found = plan.bounds or (PlanBound(plan.binding, plan.lower_bound_s),)
    return tuple(sorted(found, key=lambda its: -its.seconds))


def _share(part: float, whole: float) -> float:
    return min(1.0, part / whole) if whole > 0 else 0.0


def _actual_bar(node: NodeRow) -> Bar:
    start_s, end_s = node.start_s or 0.0, node.end_s or 0.0
    shares = node.measured_shares or node.shares(end_s - start_s)
    return Bar(node.name, node.row or 0, start_s, end_s, shares, node.critical, node.status)


def _planned_bar(node: NodeRow) -> Bar:
    start_s, duration_s = node.planned_start_s or 0.0, node.planned_s or 0.0
    return Bar(
        node.name,
        node.planned_row or 0,
        start_s,
        start_s + duration_s,
        node.shares(duration_s),
        node.planned_critical,
        "planned",
    )
