"""From a run (and the plan that it followed) to the one `Report` that every picture is drawn from.

It accepts whatever a run can be: without a plan, with a plan for other nodes, failed, interrupted, with one
node or none, with more helper threads than the budget (rows are then coloured anew).
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from makespan.comparing.plan_spans import spans_of
from makespan.errors import ProfileError
from makespan.record import waited_for
from makespan.showing.assemble import assemble
from makespan.showing.caveats import caveats, caveats_of_profile
from makespan.showing.evidence import speedup
from makespan.showing.interval import interval
from makespan.showing.node_rows import Known, node_row
from makespan.showing.observed import Span, critical_chain
from makespan.showing.rows import rows_of, rows_of_plan
from makespan.showing.words import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from makespan.plan import Plan
    from makespan.profile import Profile
    from makespan.record import RunNode, RunRecord
    from makespan.showing.bands import Member
    from makespan.showing.figures import Report, Source, Status

MOST_MOMENT = 40
"""Columns of a moment of time."""


def report_of(record: RunRecord, *, profile: Profile | None = None) -> Report:
    """Compute everything that is shown of a run.

    Parameters
    ----------
    record : RunRecord
        A run; its plan may be missing or speak of other nodes.
    profile : Profile, optional
        What is known of the nodes alone; fills bars where there is no plan, and is shown with each node.

    Raises
    ------
    ProfileError
        The profile has no node in common with the run.
    """
    plan = record.plan
    drawn = [node for node in record.nodes if node.status != "skipped"]
    rows = rows_of(record, drawn)
    known = Known(plan, profile, rows)
    if profile is not None and record.nodes:
        _ensure_common(profile, {node.name for node in record.nodes})
    chain = critical_chain(_spans(record, drawn, rows.place, known.members))
    on_chain = {step.name for step in chain}
    ran = [node_row(known, record, node, node.name in on_chain) for node in drawn]
    idle: dict[str, Status] = {node.name: "skipped" for node in record.nodes if node.status == "skipped"}
    idle |= dict.fromkeys(record.dropped, "dropped")
    idle |= dict.fromkeys(record.not_started, "not started")
    idle |= dict.fromkeys(record.left_out, "left out")
    idle |= dict.fromkeys(sorted(known.plan.keys() - rows.row.keys() - idle.keys()), "not started")
    nodes = (*ran, *(known.row(name, status) for name, status in idle.items()))
    whole = len(drawn) == len(record.nodes) and not record.dropped and not record.left_out
    ok = record.status == "ok" and whole
    default_s, compared_s, source, repeats, between = _comparison(record, whole)
    waited = waited_for(record)
    return assemble(
        nodes,
        known,
        tasks={
            node.name: (node.start_s, node.end_s, rows.row[node.name], waited[node.name]) for node in drawn
        },
        title=(plan.dag if plan and not record.dag.name else record.dag).name,
        status=record.status,
        started_at=clean(record.started_at, MOST_MOMENT),
        threads=record.threads,
        cores=record.machine.cores,
        gil=record.machine.gil,
        actual_s=record.makespan_s,
        default_s=default_s,
        compared_s=compared_s,
        default_source=source,
        repeats=repeats,
        speedup_range=between,
        gap=1 - plan.lower_bound_s / record.makespan_s if plan and ok and record.makespan_s > 0 else None,
        chain=chain,
        failures=record.failures,
        sampler=record.sampler,
        notes=_notes(*caveats(record, profile), *caveats_of_profile(record.machine, rows.row, profile)),
        whole=whole,
    )


def report_of_plan(plan: Plan, *, profile: Profile | None = None) -> Report:
    """Compute everything that is shown of a plan that has not run.

    Raises
    ------
    ProfileError
        The profile has no node in common with the plan.
    """
    known = Known(plan, profile, rows_of_plan(plan))
    if profile is not None and plan.nodes:
        _ensure_common(profile, known.plan)
    default_s, compared_s, source, repeats, between = _of_plan(plan, plan.makespan_s)
    nodes = [
        known.row(node.name, "planned")
        for node in sorted(plan.nodes, key=lambda node: (node.start_s, node.rank))
    ]
    return assemble(
        tuple(nodes),
        known,
        tasks={
            span.name: (span.start_s, span.end_s, known.rows.planned[span.name], span.after)
            for span in spans_of(plan)
        },
        title=plan.dag.name,
        status="planned",
        started_at=None,
        threads=plan.threads,
        cores=plan.cores,
        gil=plan.machine.gil,
        actual_s=None,
        default_s=default_s,
        compared_s=compared_s,
        default_source=source,
        repeats=repeats,
        speedup_range=between,
        gap=plan.gap,
        chain=(),
        failures=(),
        notes=_notes(*caveats_of_profile(plan.machine, known.plan, profile)),
    )


def _notes(*notes: str) -> tuple[str, ...]:
    """Return sentences fit to be shown: a record may be anyone's, and hold what steers a terminal."""
    return tuple(map(clean, notes))


def _ensure_common(profile: Profile, names: Mapping[str, object] | set[str]) -> None:
    if not any(shape.name in names for shape in profile.shape):
        raise ProfileError(
            f"is of another DAG ({profile.dag.name!r}): it has no node in common with what is shown",
            hint="give the profile that the plan was made of",
        )


def _spans(
    record: RunRecord, drawn: Sequence[RunNode], places: Mapping[str, int], found: Sequence[Member]
) -> list[Span]:
    """Return what the critical chain is read off: of groups, those that hold one node at a time."""
    held: dict[str, list[str]] = {}
    alone: set[str] = set()
    for number, member in enumerate(found):
        for name in member.nodes:
            if member.kind == "exclusive":
                alone.add(name)
            elif member.kind in ("lock", "group") and member.limit == 1:
                held.setdefault(name, []).append(f"{number}")
    waited = waited_for(record)
    return [
        Span(
            node.name,
            node.start_s,
            node.end_s,
            places[node.name],
            waited[node.name],
            tuple(held.get(node.name, ())),
            node.name in alone,
        )
        for node in drawn
    ]


_Compared = tuple[float | None, float | None, "Source | None", int, "tuple[float, float] | None"]
"""Default, plan, how that is known, runs of each, the interval of the speed-up."""


def _comparison(record: RunRecord, whole: bool) -> _Compared:
    measured = record.comparison
    if measured is not None and measured.default_s and measured.planned_s:
        repeats = min(len(measured.default_s), len(measured.planned_s))
        # The repeats of both orders ran in turns.
        between = interval(measured.default_s, measured.planned_s, together=True)
        return median(measured.default_s), median(measured.planned_s), "measured", repeats, between
    if record.plan is not None and whole and record.status == "ok":
        return _of_plan(record.plan, record.makespan_s)
    return None, None, None, 0, None


def _of_plan(plan: Plan, compared_s: float) -> _Compared:
    """Return what the race that chose the plan showed; without one, what is predicted."""
    raced = speedup(plan.evidence)
    if raced is not None:
        return raced.default_s, raced.plan_s, "measured", raced.runs, raced.interval
    return plan.default_makespan_s, compared_s, "predicted", 0, None
