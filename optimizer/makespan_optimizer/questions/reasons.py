"""Paths through a plan, whose seconds a lower bound is made of, and what it would take to go lower. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from makespan.plan import PlanBound
from makespan.showing.words import clean, seconds
from makespan.structure import build

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from makespan.plan import Plan, PlanNode

CRITICAL = "critical path"
SOLVER = "solver"
_NAMED = 5
_NO_GAIN = 0.01


class Share(msgspec.Struct, frozen=True):
    """What a node contributes to a bound; of ``GIL`` and ``cores`` seconds of that resource."""

    name: str
    seconds: float


class Paths:
    """Longest paths to each node and from it, in planned seconds.

    Attributes
    ----------
    level_s, head_s : dict of str to float
        The longest path from the node to the end, itself included; and from the start to it.
    """

    def __init__(self, plan: Plan, *, alone: bool = False) -> None:
        nodes = plan.nodes
        s = build([node.name for node in nodes], [(*node.after, *node.starts_after) for node in nodes])
        takes = [node.alone_s if alone else node.duration_s for node in nodes]
        level, head = [0.0] * len(nodes), [0.0] * len(nodes)
        self._next: dict[str, str] = {}
        for i in s.order:
            head[i] = max((head[p] + takes[p] for p in s.preds[i]), default=0.0)
        for i in reversed(s.order):
            after = max(s.succs[i], key=lambda j: (level[j], -nodes[j].rank), default=None)
            level[i] = takes[i] + (0.0 if after is None else level[after])
            if after is not None:
                self._next[s.names[i]] = s.names[after]
        self.level_s = dict(zip(s.names, level, strict=True))
        self.head_s = dict(zip(s.names, head, strict=True))

    def after(self, name: str) -> tuple[str, ...]:
        """Return the longest path that comes after a node."""
        found = []
        while name in self._next:
            name = self._next[name]
            found.append(name)
        return tuple(found)

    def longest(self) -> tuple[str, ...]:
        """Return the longest path of all."""
        if not self.level_s:
            return ()
        first = max(self.level_s, key=lambda name: self.level_s[name])
        return (first, *self.after(first))


def shares(plan: Plan, bound: str) -> tuple[Share, ...]:
    """Return whose seconds a bound is made of: the critical path in order, a resource's users by size."""
    of = {node.name: node for node in plan.nodes}
    if bound == CRITICAL:
        return tuple(Share(name, of[name].alone_s) for name in Paths(plan, alone=True).longest())
    used = [Share(node.name, _used_s(node, bound)) for node in plan.nodes]
    users = [its for its in used if its.seconds > 0]
    return tuple(sorted(users, key=lambda its: (-its.seconds, of[its.name].rank)))


def _used_s(node: PlanNode, bound: str) -> float:
    match bound:
        case "threads":
            return node.alone_s
        case "GIL":
            return 0.0 if node.mode == "process" else node.gil_s
        case "cores":
            return round(node.gil_s + node.native_s, 9)
        case "exclusive nodes":
            return node.alone_s if node.exclusive else 0.0
        case _:
            held = bound.removeprefix("lock ") in node.locks and bound.startswith("lock ")
            return node.alone_s if held else 0.0


def to_go_lower(plan: Plan) -> tuple[str, ...]:
    """Say what would shorten the plan, the nearest first."""
    if not plan.nodes:
        return ()
    lines = []
    left_s = plan.makespan_s - plan.lower_bound_s
    if plan.solver.status != "optimal" and left_s > 0:
        lines.append(f"another order can gain {seconds(left_s)} at most: so much lies between plan and bound")
    # What the solver proves has no cause of its own: behind it stands the largest bound that has one.
    caused = [its for its in plan.bounds if its.name != SOLVER] or [
        PlanBound(plan.binding, plan.lower_bound_s)
    ]
    if plan.binding == SOLVER:
        lines.append(f"no order is shorter, by the solver's proof; with a cause: {_bound(caused[0])}")
    users = sorted(shares(plan, caused[0].name), key=lambda its: -its.seconds)
    lines.append(_below(plan, caused[0].name, _named(users)))
    if len(caused) > 1:
        gain_s = caused[0].seconds - caused[1].seconds
        near = caused[1].seconds >= caused[0].seconds * (1 - _NO_GAIN)
        lines.append(
            f"little by that alone: next is {_bound(caused[1])}"
            if near
            else f"{seconds(gain_s)} by that at most: next is {_bound(caused[1])}"
        )
    return tuple(lines)


def _bound(bound: PlanBound) -> str:
    return f"{clean(bound.name, 40)}, {seconds(bound.seconds)}"


def _below(plan: Plan, bound: str, named: str) -> str:
    """Say what would lower a bound."""
    nodes = f": {named}" if named else ""
    match bound:
        case "critical path":
            return f"no thread helps, only faster nodes on the critical path{nodes}"
        case "threads":
            return f"more threads{_more_threads(plan)}, or less work{nodes}"
        case "GIL":
            return f"less Python under the GIL, or Python in processes{nodes}"
        case "cores":
            return f"more cores, or less computing{nodes}"
        case "exclusive nodes":
            return f"shorter exclusive nodes{nodes}"
        case lock if lock.startswith("lock "):
            return f"less time under {clean(lock, 40)}{nodes}"
        case other:
            return f"what {clean(other, 40)} counts{nodes}"


def _more_threads(plan: Plan) -> str:
    better = [
        case
        for case in sorted(plan.what_if, key=lambda case: case.threads)
        if case.threads > plan.threads and case.makespan_s < plan.makespan_s * (1 - _NO_GAIN)
    ]
    return f" ({better[0].threads} → {seconds(better[0].makespan_s)})" if better else ""


def _named(users: Sequence[Share], most: int = _NAMED) -> str:
    shown = ", ".join(f"{clean(its.name, 40)} {seconds(its.seconds)}" for its in users[:most])
    return shown if len(users) <= most else f"{shown} and {len(users) - most:,} more"


def listed(names: Iterable[str]) -> str:
    """Return names for people; ``nothing`` when there are none."""
    from makespan.showing.words import some

    return some(names, 8) or "nothing"
