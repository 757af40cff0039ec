"""Why a plan is as it is: what binds, what is critical, what a node waits for.

Everything is read off the plan itself, so a plan can be explained where the profile and the code are not at
hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from makespan.plan import Plan, PlanNode

_SAME_S = 2e-9  # times in a plan are rounded to a billionth of a second
_SHOWN = 8


class GroupNote(msgspec.Struct, frozen=True):
    """A sequential group, and why it is there."""

    name: str
    nodes: tuple[str, ...]
    reason: str
    evidence: str


class NodeNote(msgspec.Struct, frozen=True):
    """What the plan says of one node; seconds."""

    name: str
    rank: int
    start_s: float
    duration_s: float
    alone_s: float
    slack_s: float
    critical: bool
    kind: str
    lane: int
    waits_for: tuple[str, ...]
    """Its inputs."""
    waited_for_by: tuple[str, ...]
    """The nodes that take its result."""
    started_by: tuple[str, ...]
    """Whose end let it start: the input that came last, or who held its worker, lock or group."""
    groups: tuple[str, ...]
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
    groups: tuple[GroupNote, ...]
    node: NodeNote | None = None

    def text(self) -> str:
        """Return the explanation in words, a line each."""
        return "\n".join(_plan_lines(self) if self.node is None else _node_lines(self, self.node)) + "\n"


def explain(plan: Plan, node: str | None = None) -> Explanation:
    """Explain a plan, or one node of it.

    Raises
    ------
    PlanError
        The plan has no such node.
    """
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
        groups=tuple(GroupNote(g.name, g.nodes, g.reason, g.evidence) for g in plan.groups),
        node=None if node is None else _explain_node(plan, plan.node(node)),
    )


def _explain_node(plan: Plan, node: PlanNode) -> NodeNote:
    end_s = node.start_s + node.duration_s
    groups = [group for group in plan.groups if node.name in group.nodes]
    others = [other for other in plan.nodes if other.name != node.name]
    just_ended = [
        other for other in others if abs(other.start_s + other.duration_s - node.start_s) <= _SAME_S
    ]
    # Of what ended at that moment: an input first, else a fellow of a group, else whoever freed a worker.
    fellows = {name for group in groups for name in group.nodes}
    started_by = (
        [other for other in just_ended if other.name in node.after]
        or [other for other in just_ended if other.name in fellows]
        or [other for other in just_ended if other.lane == node.lane or node.exclusive or other.exclusive]
    )
    if node.start_s <= _SAME_S and not node.after:
        started_by = []
    return NodeNote(
        name=node.name,
        rank=node.rank,
        start_s=node.start_s,
        duration_s=node.duration_s,
        alone_s=node.alone_s,
        slack_s=node.slack_s,
        critical=node.critical,
        kind=node.kind,
        lane=node.lane,
        waits_for=node.after,
        waited_for_by=tuple(other.name for other in others if node.name in other.after),
        started_by=tuple(other.name for other in started_by),
        groups=tuple(group.name for group in groups),
        beside=tuple(
            other.name
            for other in sorted(others, key=lambda other: (other.start_s, other.rank))
            if other.start_s < end_s - _SAME_S and other.start_s + other.duration_s > node.start_s + _SAME_S
        ),
    )


def _plan_lines(e: Explanation) -> list[str]:
    gain = 1 - e.makespan_s / e.default_makespan_s if e.default_makespan_s else 0.0
    budget = f"{e.threads} {'threads' if e.threads > 1 else 'thread'}"
    usual = f"the default order takes {e.default_makespan_s:.4g} s ({_signed(-gain)})"
    lines = [
        f"{e.dag}: {e.makespan_s:.4g} s with {budget}; {usual}",
        f"lower bound {e.lower_bound_s:.4g} s, set by: {e.binding}; gap {e.gap:.1%}"
        + (", proven optimal" if e.status == "optimal" else ""),
        f"found by: {e.winner}; stopped: {e.stopped}",
        f"critical: {_some(e.critical_path)}",
    ]
    lines += [f"group {g.name} ({g.reason}): {_some(g.nodes)}: {g.evidence}" for g in e.groups]
    if not e.groups:
        lines.append("no sequential groups")
    return lines


def _node_lines(e: Explanation, n: NodeNote) -> list[str]:
    slower = n.duration_s - n.alone_s
    took = f"{n.duration_s:.4g} s" + (
        f" ({n.alone_s:.4g} s alone, the rest is waiting for the GIL or a core)"
        if slower > 0.005 * n.alone_s and slower > _SAME_S
        else ""
    )
    place = "critical: a delay of it delays the end" if n.critical else f"slack {n.slack_s:.4g} s"
    return [
        f"{n.name} ({n.kind}): rank {n.rank}, starts at {n.start_s:.4g} s, takes {took}, worker {n.lane + 1}",
        place,
        f"waits for: {_some(n.waits_for)}",
        f"starts when this ends: {_some(n.started_by)}" if n.started_by else "starts at once",
        f"waited for by: {_some(n.waited_for_by)}",
        f"groups: {_some(n.groups)}",
        f"beside it: {_some(n.beside)}",
        f"plan: {e.makespan_s:.4g} s, bound {e.lower_bound_s:.4g} s ({e.binding})",
    ]


def _some(names: tuple[str, ...]) -> str:
    if not names:
        return "nothing"
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def _signed(share: float) -> str:
    return f"{share:+.1%}".replace("-", "−")
