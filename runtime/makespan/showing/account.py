"""From a run (and the plan that it followed) to the one `Report` that every picture is drawn from.

It accepts whatever a run can be: without a plan, with a plan for other nodes, failed, interrupted, with one
node or none, with more helper threads than the budget (rows are then coloured anew).
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import msgspec

from makespan.record import waited_for
from makespan.showing.caveats import caveats
from makespan.showing.figures import Bar, NodeRow, Report, Source, Status
from makespan.showing.observed import Span, colour, critical_chain, fit_lanes, stack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from makespan.measurement import Measured
    from makespan.plan import Plan, PlanNode
    from makespan.record import RunNode, RunRecord


def report_of(record: RunRecord) -> Report:
    """Compute everything that is shown of a run.

    Parameters
    ----------
    record : RunRecord
        A run; its plan may be missing or speak of other nodes.
    """
    plan = record.plan
    of_plan = {node.name: node for node in plan.nodes} if plan else {}
    drawn = [node for node in record.nodes if node.status != "skipped"]
    threads = _threads(record, drawn)
    fitted = fit_lanes({name: (node.lane, node.duration_s) for name, node in of_plan.items()}, threads)
    chain = critical_chain(_spans(record, drawn, threads))
    on_chain = {step.name for step in chain}
    ran = [
        _row(
            of_plan.get(node.name),
            fitted,
            node.name,
            node.status,
            node,
            threads[node.name],
            node.name in on_chain,
            _measured(record, node, of_plan.get(node.name)),
        )
        for node in drawn
    ]
    idle: dict[str, Status] = {node.name: "skipped" for node in record.nodes if node.status == "skipped"}
    idle |= dict.fromkeys(record.dropped, "dropped")
    idle |= dict.fromkeys(record.not_started, "not started")
    idle |= dict.fromkeys(record.left_out, "left out")
    idle |= dict.fromkeys(sorted(of_plan.keys() - threads.keys() - idle.keys()), "not started")
    nodes = (*ran, *(_row(of_plan.get(name), fitted, name, status) for name, status in idle.items()))
    whole = len(drawn) == len(record.nodes) and not record.dropped and not record.left_out
    ok = record.status == "ok" and whole
    default_s, compared_s, source, repeats = _comparison(record, whole)
    return _assemble(
        nodes,
        plan,
        title=(plan.dag if plan and not record.dag.name else record.dag).name,
        status=record.status,
        started_at=record.started_at,
        threads=record.threads,
        cores=record.machine.cores,
        gil=record.machine.gil,
        actual_s=record.makespan_s,
        default_s=default_s,
        compared_s=compared_s,
        default_source=source,
        repeats=repeats,
        gap=1 - plan.lower_bound_s / record.makespan_s if plan and ok and record.makespan_s > 0 else None,
        chain=chain,
        failures=record.failures,
        sampler=record.sampler,
        notes=caveats(record),
        whole=whole,
    )


def report_of_plan(plan: Plan) -> Report:
    """Compute everything that is shown of a plan that has not run."""
    lanes = {node.lane: node.lane for node in plan.nodes}
    nodes = [
        _row(node, lanes, node.name, "planned")
        for node in sorted(plan.nodes, key=lambda node: (node.start_s, node.rank))
    ]
    return _assemble(
        tuple(nodes),
        plan,
        title=plan.dag.name,
        status="planned",
        started_at=None,
        threads=plan.threads,
        cores=plan.cores,
        gil=plan.machine.gil,
        actual_s=None,
        default_s=plan.default_makespan_s,
        compared_s=plan.makespan_s,
        default_source="predicted",
        repeats=0,
        gap=plan.gap,
        chain=(),
        failures=(),
        notes=(),
    )


def _threads(record: RunRecord, drawn: Sequence[RunNode]) -> dict[str, int]:
    """Row of each node that ran: its thread, or lanes coloured anew when helpers outnumber the budget."""
    threads = {node.name: node.thread for node in drawn}
    numbers = set(threads.values())
    if numbers and (min(numbers) < 0 or max(numbers) >= record.threads):
        rows = colour([(node.start_s, node.end_s) for node in drawn])
        return {node.name: row for node, row in zip(drawn, rows, strict=True)}
    return threads


def _spans(record: RunRecord, drawn: Sequence[RunNode], rows: Mapping[str, int]) -> list[Span]:
    held: dict[str, tuple[str, ...]] = {}
    alone: set[str] = set()
    if record.plan is not None:
        for node in record.plan.nodes:
            held[node.name] = node.locks
            if node.exclusive:
                alone.add(node.name)
        for number, group in enumerate(record.plan.groups):
            for name in group.nodes:
                held[name] = (*held.get(name, ()), f"group {number}")
    waited = waited_for(record)
    return [
        Span(
            node.name,
            node.start_s,
            node.end_s,
            rows[node.name],
            waited[node.name],
            held.get(node.name, ()),
            node.name in alone,
        )
        for node in drawn
    ]


def _row(
    plan: PlanNode | None,
    fitted: Mapping[int, int],
    name: str,
    status: Status,
    ran: RunNode | None = None,
    row: int | None = None,
    critical: bool = False,
    measured: Measured | None = None,
) -> NodeRow:
    if plan is None:
        known = NodeRow(name=name, status=status, after=ran.after if ran else ())
    else:
        known = NodeRow(
            name=name,
            status=status,
            planned_row=fitted[plan.lane],
            planned_start_s=plan.start_s,
            planned_s=plan.duration_s,
            alone_s=plan.alone_s,
            gil_s=plan.gil_s,
            native_s=plan.native_s,
            blocked_s=plan.blocked_s,
            slack_s=plan.slack_s,
            kind=plan.kind,
            locks=plan.locks,
            after=ran.after if ran else plan.after,
            planned_critical=plan.critical,
        )
    if ran is None:
        return known
    return msgspec.structs.replace(
        known,
        row=row,
        start_s=ran.start_s,
        end_s=ran.end_s,
        critical=critical,
        measured=measured,
        attempts=ran.attempts,
        process=ran.process,
    )


def _measured(record: RunRecord, node: RunNode, plan: PlanNode | None) -> Measured | None:
    """Return what a node did in the run, if that is known.

    Without a sample (a short node, or clocks alone) the clocks do not tell the GIL from native code, nor a
    wait for the GIL from another. The profile's shares are the better picture then; and where there is no
    profile, what clocks alone say is shown as the upper bound that it is.
    """
    its = node.measured
    if its is None or its.samples or not record.machine.gil:
        return its
    profiled = plan is not None and plan.gil_s + plan.native_s + plan.blocked_s > 0
    return its if record.sampler == "clocks" and not profiled else None


def _comparison(record: RunRecord, whole: bool) -> tuple[float | None, float | None, Source | None, int]:
    measured = record.comparison
    if measured is not None and measured.default_s and measured.planned_s:
        repeats = min(len(measured.default_s), len(measured.planned_s))
        return median(measured.default_s), median(measured.planned_s), "measured", repeats
    if record.plan is not None and whole and record.status == "ok":
        return record.plan.default_makespan_s, record.makespan_s, "predicted", 0
    return None, None, None, 0


def _assemble(nodes: tuple[NodeRow, ...], plan: Plan | None, **known: Any) -> Report:
    """Close the ranks of the rows that are used, draw the bars, add up lanes and demand."""
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
    ran = known["actual_s"] is not None
    makespan_s = known["actual_s"] if ran else plan.makespan_s if plan else 0.0
    row_s = [0.0] * len(used)
    for bar in actual if ran else planned:
        row_s[bar.row] += bar.end_s - bar.start_s
    cores_used, gil_demand = _demand(nodes)
    return Report(
        planned_s=plan.makespan_s if plan else None,
        bound_s=plan.lower_bound_s if plan else None,
        binding=plan.binding if plan else "",
        what_if=plan.what_if if plan else (),
        busy=_share(sum(row_s), known["threads"] * makespan_s),
        row_busy=tuple(_share(one_s, makespan_s) for one_s in row_s),
        planned_bars=planned,
        actual_bars=actual,
        nodes=nodes,
        cores_used=cores_used,
        gil_demand=gil_demand,
        **known,
    )


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


def _demand(nodes: tuple[NodeRow, ...]) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Return the steps of cores in use and of GIL demand, over what happened (else over what is planned)."""
    cores, gil = [], []
    for node in nodes:
        if node.start_s is not None and node.end_s is not None:
            start_s, end_s = node.start_s, node.end_s
        elif node.planned_start_s is not None and node.status == "planned":
            start_s, end_s = node.planned_start_s, node.planned_start_s + (node.planned_s or 0.0)
        else:
            continue
        if end_s > start_s:
            its, cpu_s = node.measured, node.gil_s + node.native_s
            wanted = min(1.0, _share(node.gil_s, node.alone_s or 0.0))
            if its is not None:  # what it held and what it waited for: that is what it demanded
                wanted = min(1.0, (its.gil_s + its.gil_wait_s) / (end_s - start_s))
                cpu_s = cpu_s or its.gil_s + its.native_s  # the profile knows of other threads, too
            # A node that was shorter than profiled did not use more cores for it: it did less.
            cores.append((start_s, end_s, cpu_s / max(end_s - start_s, node.alone_s or 0.0)))
            gil.append((start_s, end_s, wanted))
    return stack(cores), stack(gil)
