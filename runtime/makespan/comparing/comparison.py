"""Two plans, two runs, or a plan and a run: what differs, and what makes the one take longer than the other.

Everything is b − a; a plan beside a run is always a. The difference of the makespans is accounted for along
the critical chain of the one that took longer, exactly::

    longer   [ x      ][ y  ]···[ z   ]      x and z took longer: in nodes
    other    [ x   ][ y  ][ z  ]             z waited: in waits and order

*In nodes* is the sum of the differences of the chain's nodes; the rest is *waits and order*: gaps on the
chain, and nodes that go one after the other here and overlapped there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from makespan.comparing.differences import SAME_S, Account, ChainStep, Comparison, NodeChange, Side
from makespan.comparing.plan_changes import plan_changes
from makespan.comparing.plan_spans import spans_of
from makespan.errors import PlanError, RecordError
from makespan.plan import Plan
from makespan.record import RunRecord
from makespan.showing.account import report_of
from makespan.showing.causes import SHARE, cause
from makespan.showing.observed import Step, critical_chain
from makespan.showing.words import signed_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from makespan.measurement import Measured


class _View(NamedTuple):
    """What a plan and a run have in common."""

    side: Side
    times: Mapping[str, tuple[float, float]]
    """Start and end of each node that ran to its end."""
    names: frozenset[str]
    chain: Sequence[Step]
    fingerprint: str


def compare(a: Plan | RunRecord, b: Plan | RunRecord, *, labels: tuple[str, str] = ("a", "b")) -> Comparison:
    """Compare two plans, two runs, or a plan and a run (the plan is then a, whichever comes first).

    Raises
    ------
    PlanError, RecordError
        They speak of different DAGs, or are neither.
    """
    for thing, label in zip((a, b), labels, strict=True):
        if not isinstance(thing, Plan | RunRecord):
            raise RecordError(
                f"is neither a plan nor a run's record but {type(thing).__name__}",
                where=label,
                hint="load_plan and load_record read files; a Run has its .record",
            )
    if isinstance(b, Plan) and not isinstance(a, Plan):
        a, b, labels = b, a, (labels[1], labels[0])
    one, other = _view(a, labels[0]), _view(b, labels[1])
    notes = [*_dag_notes(one, other), *_notes(a, b)]
    whys = _whys(a, b)
    account = _account(one, other)
    on_chain = {step.name for step in account.chain}
    nodes = []
    for name in sorted(one.times.keys() & other.times.keys()):
        (a_start_s, a_end_s), (b_start_s, b_end_s) = one.times[name], other.times[name]
        a_s, b_s = a_end_s - a_start_s, b_end_s - b_start_s
        differs = abs(b_s - a_s) > SAME_S or abs(b_start_s - a_start_s) > SAME_S
        if differs:
            change = NodeChange(
                name, a_start_s, b_start_s, a_s, b_s, b_s - a_s, name in on_chain, whys.get(name, "")
            )
            nodes.append(change)
    known = Comparison(
        kind="plans" if isinstance(b, Plan) else "plan and run" if isinstance(a, Plan) else "runs",
        a=one.side,
        b=other.side,
        difference_s=other.side.makespan_s - one.side.makespan_s,
        account=account,
        nodes=tuple(sorted(nodes, key=lambda its: (not its.on_chain, -abs(its.difference_s), its.name))),
        error_s=sum(abs(its.difference_s) for its in nodes),
        only_a=tuple(sorted(one.names - other.names)),
        only_b=tuple(sorted(other.names - one.names)),
        notes=tuple(notes),
    )
    if isinstance(a, Plan) and isinstance(b, Plan):
        return msgspec.structs.replace(known, **plan_changes(a, b)._asdict())
    return known


def _view(thing: Plan | RunRecord, label: str) -> _View:
    if isinstance(thing, Plan):
        times = {node.name: (node.start_s, node.start_s + node.duration_s) for node in thing.nodes}
        side = Side(
            label,
            "plan",
            thing.dag.name,
            thing.threads,
            len(times),
            thing.makespan_s,
            thing.solver.status,
            thing.lower_bound_s,
            thing.binding,
            thing.default_makespan_s,
            evidence=thing.evidence,
        )
        return _View(side, times, frozenset(times), critical_chain(spans_of(thing)), thing.dag.fingerprint)
    times = {node.name: (node.start_s, node.end_s) for node in thing.nodes if node.status == "ok"}
    side = Side(label, "run", thing.dag.name, thing.threads, len(times), thing.makespan_s, thing.status)
    seen = [node.measured for node in thing.nodes if node.measured is not None]
    if seen:
        waits = sum(its.gil_wait_s for its in seen), sum(its.run_delay_s for its in seen)
        side = msgspec.structs.replace(side, gil_wait_s=waits[0], core_wait_s=waits[1])
    return _View(side, times, frozenset(times), report_of(thing).chain, thing.dag.fingerprint)


def _account(a: _View, b: _View) -> Account:
    """Split the difference along the chain of the longer one; see the module."""
    of: Literal["a", "b"] = "a" if a.side.makespan_s > b.side.makespan_s else "b"
    longer = a if of == "a" else b

    def taken_s(view: _View, name: str) -> float | None:
        times = view.times.get(name)
        return None if times is None else times[1] - times[0]

    chain = tuple(
        ChainStep(step.name, step.cause, step.waited_s, taken_s(a, step.name), taken_s(b, step.name))
        for step in longer.chain
    )
    nodes_s = sum((step.b_s or 0.0) - (step.a_s or 0.0) for step in chain)
    return Account(of, chain, nodes_s, b.side.makespan_s - a.side.makespan_s - nodes_s)


def _dag_notes(a: _View, b: _View) -> list[str]:
    """Refuse what cannot be compared; say when the DAG has changed."""
    if a.fingerprint == b.fingerprint:
        return []
    kind = PlanError if b.side.what == "plan" else RecordError
    if a.side.dag != b.side.dag:
        raise kind(
            f"is of another DAG ({b.side.dag!r}) than {a.side.label} ({a.side.dag!r})",
            where=b.side.label,
            hint="compare plans and runs of one DAG",
        )
    if not a.names & b.names:
        raise kind(f"has no node in common with {a.side.label}", where=b.side.label)
    return [f"the DAG {a.side.dag!r} has changed between the two"]


def _notes(a: Plan | RunRecord, b: Plan | RunRecord) -> list[str]:
    """Say what makes the two less comparable."""
    notes = [f"another machine: {text}" for text in a.machine.differences(b.machine)]
    if isinstance(b, Plan):
        return notes
    if isinstance(a, Plan):
        if b.plan is None:
            notes.append("the run followed no plan")
        elif b.plan.nodes != a.nodes or b.plan.groups != a.groups:
            notes.append("the run followed another plan")
    elif (a.plan is None) != (b.plan is None):
        notes.append(f"{'a' if a.plan is None else 'b'} followed no plan")
    elif a.plan is not None and b.plan is not None and a.plan.nodes != b.plan.nodes:
        notes.append("they followed different plans")
    for word, its in (("a", a), ("b", b)):
        if not isinstance(its, Plan) and its.status != "ok":
            notes.append(f"{word} did not reach its end: {its.status}")
    return notes


def _whys(a: Plan | RunRecord, b: Plan | RunRecord) -> dict[str, str]:
    """Say what explains the difference of each node, where it was measured."""
    if isinstance(b, Plan):
        return {}
    if isinstance(a, Plan):
        planned = report_of(msgspec.structs.replace(b, plan=a))
        return {node.name: cause(node) for node in planned.nodes}
    before = {node.name: node for node in a.nodes if node.process is None}
    return {  # in a worker process not the node was measured, but the thread that waited for it
        node.name: _part(
            before[node.name].measured, node.measured, node.duration_s - before[node.name].duration_s
        )
        for node in b.nodes
        if node.name in before and node.process is None
    }


def _part(before: Measured | None, now: Measured | None, difference_s: float) -> str:
    """Name the part of a node's time that explains most of a difference between two measured runs."""
    if before is None or now is None or not before.samples or not now.samples:
        return ""
    parts = [
        (now.gil_wait_s - before.gil_wait_s, "GIL wait"),
        (now.run_delay_s - before.run_delay_s, "core wait"),
        (now.blocked_total_s - before.blocked_total_s, "blocked"),
        (now.gil_s + now.native_s - before.gil_s - before.native_s, "CPU"),
    ]
    part_s, word = max(parts, key=lambda part: part[0] if difference_s > 0 else -part[0])
    explains = part_s * difference_s > 0 and abs(part_s) >= SHARE * abs(difference_s)
    return f"{word} {signed_seconds(part_s)}" if explains else ""
