"""Why a plan is as it is: what binds, what is critical, why a node has its rank, group and mode.

Everything is read off the plan itself, so a plan can be explained where the profile and the code are not at
hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from makespan.comparing.plan_spans import SAME_S, spans_of
from makespan.plan import Evidence, PlanBound, PlanCluster, PlanGroup, Robust
from makespan.showing.observed import Cause, critical_chain
from makespan_optimizer.questions.reasons import Paths, Share, shares, to_go_lower

if TYPE_CHECKING:
    from makespan.plan import Plan, PlanNode

Started = Literal["start", "input", "group", "thread"]


class ChainNote(msgspec.Struct, frozen=True):
    """A node of the chain that decides the planned end; seconds."""

    name: str
    start_s: float
    duration_s: float
    alone_s: float
    cause: Cause
    """Why it starts no earlier: the start, an input, a lock or group, a thread."""
    waited_s: float
    """From the end of the node before."""


class BoundNote(msgspec.Struct, frozen=True):
    """A lower bound, and whose seconds it is made of."""

    name: str
    seconds: float
    nodes: tuple[Share, ...]
    """Of ``critical path`` the longest path in order; of a resource its users, the biggest first."""


class NodeNote(msgspec.Struct, frozen=True):
    """What the plan says of one node; seconds."""

    name: str
    rank: int
    of: int
    """How many nodes there are."""
    start_s: float
    duration_s: float
    alone_s: float
    slack_s: float
    critical: bool
    kind: str
    lane: int
    mode: str
    mode_reason: Literal["", "declared", "cluster"]
    """Why it runs in a worker process: it is declared to, or the optimizer put it into a cluster."""
    native_threads: int | None
    ready_s: float
    """When its inputs are there."""
    after_s: float
    """The longest path that comes after it."""
    after_path: tuple[str, ...]
    """That path."""
    before_s: float
    """The longest path that comes before it."""
    path_place: int
    """1: no node has a longer path to the end, itself included."""
    waits_for: tuple[str, ...]
    """Its inputs."""
    starts_after: tuple[str, ...]
    """What it was pinned to come after."""
    waited_for_by: tuple[str, ...]
    """The nodes that take its result."""
    started_by: tuple[str, ...]
    """Whose end let it start: the input that came last, or who held its worker, lock or group."""
    started: Started
    """What of it that was."""
    starts: tuple[str, ...]
    """Nodes that start when it ends, because of it: they would wait if it came later."""
    groups: tuple[str, ...]
    cluster: str | None
    chain: tuple[str, ...]
    """Nodes that its worker runs back to back with it."""
    beside: tuple[str, ...]
    """What else runs while it runs."""


class Explanation(msgspec.Struct, frozen=True):
    """A plan explained; `text` says it in words, `msgspec.to_builtins` gives it as data."""

    dag: str
    threads: int
    makespan_s: float
    default_makespan_s: float
    lower_bound_s: float
    gap: float
    binding: str
    winner: str
    status: str
    stopped: str
    critical_path: tuple[str, ...]
    """Nodes without slack, by their start."""
    groups: tuple[PlanGroup, ...]
    chain: tuple[ChainNote, ...]
    """What decides the planned end, first node first."""
    bounds: tuple[BoundNote, ...]
    """The largest first; the first one binds."""
    lower: tuple[str, ...]
    """What it would take to go lower, in words."""
    clusters: tuple[PlanCluster, ...]
    chains: tuple[tuple[str, ...], ...]
    switch_interval_s: float | None
    robust: Robust | None
    evidence: Evidence | None
    node: NodeNote | None = None

    def text(self) -> str:
        """Return the explanation in words."""
        from makespan_optimizer.questions.explain_text import node_lines, plan_lines

        return "\n".join(plan_lines(self) if self.node is None else node_lines(self, self.node)) + "\n"


def explain(plan: Plan, node: str | None = None) -> Explanation:
    """Explain a plan, or one node of it.

    Raises
    ------
    PlanError
        The plan has no such node.
    """
    asked = None if node is None else plan.node(node)
    paths = Paths(plan)
    bounds = plan.bounds or (PlanBound(plan.binding, plan.lower_bound_s),)
    return Explanation(
        dag=plan.dag.name,
        threads=plan.threads,
        makespan_s=plan.makespan_s,
        default_makespan_s=plan.default_makespan_s,
        lower_bound_s=plan.lower_bound_s,
        gap=plan.gap,
        binding=plan.binding,
        winner=plan.solver.winner,
        status=plan.solver.status,
        stopped=plan.solver.stopped,
        critical_path=tuple(
            n.name for n in sorted(plan.nodes, key=lambda n: (n.start_s, n.rank)) if n.critical
        ),
        groups=plan.groups,
        chain=_chain(plan),
        bounds=tuple(BoundNote(b.name, b.seconds, shares(plan, b.name)) for b in bounds),
        lower=to_go_lower(plan),
        clusters=plan.clusters,
        chains=plan.chains,
        switch_interval_s=plan.switch_interval_s,
        robust=plan.robust,
        evidence=plan.evidence,
        node=None if asked is None else _explain_node(plan, paths, asked),
    )


def _chain(plan: Plan) -> tuple[ChainNote, ...]:
    of = {node.name: node for node in plan.nodes}
    found = []
    for step in critical_chain(spans_of(plan)):
        node = of[step.name]
        waited_s = step.waited_s if step.waited_s > SAME_S else 0.0
        found.append(ChainNote(node.name, node.start_s, node.duration_s, node.alone_s, step.cause, waited_s))
    return tuple(found)


def _explain_node(plan: Plan, paths: Paths, node: PlanNode) -> NodeNote:
    end_s = node.start_s + node.duration_s
    others = [other for other in plan.nodes if other.name != node.name]
    started, started_by = _started(plan, node)
    ends_s = {other.name: other.start_s + other.duration_s for other in others}
    level_s = paths.level_s[node.name]
    fellows = {name for group in plan.groups if node.name in group.nodes for name in group.nodes}
    cluster = next((its.name for its in plan.clusters if node.name in its.nodes), None)
    return NodeNote(
        name=node.name,
        rank=node.rank,
        of=len(plan.nodes),
        start_s=node.start_s,
        duration_s=node.duration_s,
        alone_s=node.alone_s,
        slack_s=node.slack_s,
        critical=node.critical,
        kind=node.kind,
        lane=node.lane,
        mode=node.mode,
        mode_reason="" if node.mode == "thread" else "declared" if cluster is None else "cluster",
        native_threads=node.native_threads,
        ready_s=max((ends_s[name] for name in (*node.after, *node.starts_after)), default=0.0),
        after_s=max(0.0, round(level_s - node.duration_s, 9)),
        after_path=paths.after(node.name),
        before_s=round(paths.head_s[node.name], 9),
        path_place=1 + sum(level > level_s + SAME_S for level in paths.level_s.values()),
        waits_for=node.after,
        starts_after=node.starts_after,
        waited_for_by=tuple(other.name for other in others if node.name in other.after),
        started_by=started_by,
        started=started,
        starts=tuple(
            other.name
            for other in sorted(others, key=lambda other: other.rank)
            if abs(other.start_s - end_s) <= SAME_S
            and _may_start(node, other, fellows)
            and node.name in _started(plan, other)[1]
        ),
        groups=tuple(group.name for group in plan.groups if node.name in group.nodes),
        cluster=cluster,
        chain=next((chain for chain in plan.chains if node.name in chain), ()),
        beside=tuple(
            other.name
            for other in sorted(others, key=lambda other: (other.start_s, other.rank))
            if other.start_s < end_s - SAME_S and ends_s[other.name] > node.start_s + SAME_S
        ),
    )


def _may_start(node: PlanNode, other: PlanNode, fellows: set[str]) -> bool:
    """Say whether the end of a node can be what another waited for; cheap, and never wrongly False."""
    return (
        node.name in other.after
        or node.name in other.starts_after
        or other.name in fellows
        or other.lane == node.lane
        or node.exclusive
        or other.exclusive
    )


def _started(plan: Plan, node: PlanNode) -> tuple[Started, tuple[str, ...]]:
    """Say whose end let a node start: an input first, else a fellow of a group, else who freed a worker."""
    inputs = {*node.after, *node.starts_after}
    if node.start_s <= SAME_S and not inputs:
        return "start", ()
    fellows = {name for group in plan.groups if node.name in group.nodes for name in group.nodes}
    just_ended = [
        other
        for other in plan.nodes
        if other.name != node.name and abs(other.start_s + other.duration_s - node.start_s) <= SAME_S
    ]
    found: tuple[Started, tuple[str, ...]] = "start", ()
    for cause, names in (
        ("input", [other.name for other in just_ended if other.name in inputs]),
        ("group", [other.name for other in just_ended if other.name in fellows]),
        (
            "thread",
            [o.name for o in just_ended if o.lane == node.lane or node.exclusive or o.exclusive],
        ),
    ):
        if names:
            found = cause, tuple(names)  # type: ignore[assignment]
            break
    return found
