"""Two runs put beside one another: `pair_of` makes the `Pair`.

What differs is computed by `makespan.comparing`; here come the two reports, the headline with its interval
where either was run several times, and a row for every node of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from makespan.comparing.comparison import compare
from makespan.errors import RecordError
from makespan.plan import Plan
from makespan.record import RunRecord
from makespan.showing.account import report_of, report_of_plan
from makespan.showing.beside import Headline, Pair, PairNode
from makespan.showing.interval import difference, interval, ratio
from makespan.showing.words import plural

if TYPE_CHECKING:
    from makespan.comparing.differences import Comparison
    from makespan.profile import Profile
    from makespan.showing.figures import NodeRow, Report

Shown = Plan | RunRecord | Sequence[RunRecord]


class _Side(NamedTuple):
    """One of the two: what is drawn, and all makespans that are known of it."""

    drawn: Plan | RunRecord
    makespans_s: tuple[float, ...]
    label: str
    notes: tuple[str, ...] = ()


def pair_of(
    a: Shown, b: Shown, *, labels: tuple[str, str] = ("a", "b"), profile: Profile | None = None
) -> Pair:
    """Lay two runs, a plan and a run, or two plans on one time axis; everything is b − a.

    Parameters
    ----------
    a, b : Plan, RunRecord or sequence of RunRecord
        Of several runs the one with the median makespan is drawn, and all count in the headline; of one run
        the repeats that it was compared with (`RunRecord.comparison`). A plan beside a run is always a.
    labels : tuple of two str
    profile : Profile, optional
        What is known of the nodes alone.

    Raises
    ------
    PlanError, RecordError, ProfileError
        They speak of different DAGs, or are neither plan nor run.
    """
    one, other = _side(a, labels[0]), _side(b, labels[1])
    if isinstance(other.drawn, Plan) and not isinstance(one.drawn, Plan):
        one, other = other, one
    compared = compare(one.drawn, other.drawn, labels=(one.label, other.label))
    before, after = _report(one.drawn, profile), _report(other.drawn, profile)
    return Pair(
        labels=(one.label, other.label),
        a=before,
        b=after,
        headline=_headline(one, other),
        comparison=compared,
        nodes=_nodes(before, after, compared),
        notes=(*compared.notes, *one.notes, *other.notes),
    )


def _side(shown: Shown, label: str) -> _Side:
    if isinstance(shown, Plan):
        return _Side(shown, (), label)
    if isinstance(shown, RunRecord):
        repeats = shown.comparison.planned_s if shown.comparison is not None and shown.plan else ()
        return _Side(shown, repeats or (shown.makespan_s,), label)
    runs = list(shown) if isinstance(shown, Sequence) and not isinstance(shown, str | bytes) else []
    if not runs or not all(isinstance(run, RunRecord) for run in runs):
        raise RecordError(
            f"is neither a plan nor a run's record nor several of these but {type(shown).__name__}",
            where=label,
            hint="load_plan and load_record read files; a Run has its .record",
        )
    return _of_several(runs, label)


def _of_several(runs: Sequence[RunRecord], label: str) -> _Side:
    """Draw the run of median makespan; of an even number the shorter of the two in the middle."""
    ok = [run for run in runs if run.status == "ok"]
    counted = sorted(ok or runs, key=lambda run: run.makespan_s)
    drawn = counted[(len(counted) - 1) // 2]
    notes = []
    if ok and len(ok) < len(runs):
        left = plural(len(runs) - len(ok), "run")
        notes.append(f"{label}: {left} that did not reach the end left out")
    others = {(run.dag.name, run.dag.fingerprint, run.threads) for run in runs}
    if len({name for name, _, _ in others}) > 1:
        raise RecordError("are runs of different DAGs", where=label, hint="compare runs of one DAG")
    if len(others) > 1:
        notes.append(f"{label}: its runs differ in threads or in the DAG")
    return _Side(drawn, tuple(run.makespan_s for run in ok or (drawn,)), label, tuple(notes))


def _report(thing: Plan | RunRecord, profile: Profile | None) -> Report:
    if isinstance(thing, Plan):
        return report_of_plan(thing, profile=profile)
    return report_of(thing, profile=profile)


def _headline(one: _Side, other: _Side) -> Headline:
    a, b = one.makespans_s, other.makespans_s
    range_s = interval(b, a, difference) if a and b else None
    share = interval(b, a, ratio) if a and b else None
    return Headline(
        a_s=median(a) if a else one.drawn.makespan_s,
        b_s=median(b) if b else other.drawn.makespan_s,
        a_repeats=len(a),
        b_repeats=len(b),
        range_s=range_s,
        range_share=None if share is None else (share[0] - 1, share[1] - 1),
    )


def _nodes(a: Report, b: Report, compared: Comparison) -> tuple[PairNode, ...]:
    of_a, of_b = ({node.name: node for node in report.nodes} for report in (a, b))
    whys = {change.name: change.why for change in compared.nodes}
    chain = {step.name for step in compared.account.chain}
    nodes = [
        _node(name, of_a.get(name), of_b.get(name), name in chain, whys.get(name, ""))
        for name in of_a.keys() | of_b.keys()
    ]
    return tuple(
        sorted(
            nodes,
            key=lambda node: (
                not node.on_chain,
                node.difference_s is None,
                -abs(node.difference_s or 0.0),
                node.name,
            ),
        )
    )


def _node(name: str, a: NodeRow | None, b: NodeRow | None, on_chain: bool, why: str) -> PairNode:
    (a_start_s, a_s), (b_start_s, b_s) = _times(a), _times(b)
    return PairNode(
        name=name,
        a_status=None if a is None else a.status,
        b_status=None if b is None else b.status,
        a_start_s=a_start_s,
        b_start_s=b_start_s,
        a_s=a_s,
        b_s=b_s,
        a_critical=_critical(a),
        b_critical=_critical(b),
        on_chain=on_chain,
        why=why,
    )


def _times(node: NodeRow | None) -> tuple[float | None, float | None]:
    """Return start and duration, as it ran or (in a plan alone) as it is planned."""
    if node is None:
        return None, None
    if node.status == "planned":
        return node.planned_start_s, node.planned_s
    return node.start_s, node.actual_s


def _critical(node: NodeRow | None) -> bool:
    return node is not None and (node.planned_critical if node.status == "planned" else node.critical)
