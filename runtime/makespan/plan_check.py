"""What the types of a plan cannot say: names that must be known, orders that must not contradict each other.

The signature of a plan says that it is what was written; this says that it can be followed. Everything here
is linear in the size of the plan. Pure.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from makespan.errors import DescribeError, PlanError, did_you_mean
from makespan.structure import build

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from makespan.plan import Plan


def check_plan(plan: Plan, where: str) -> None:
    """Refuse what types cannot express.

    Repeated names, ranks that are no permutation, unknown members, a node in two clusters or chains, nodes
    that would wait for each other.

    Raises
    ------
    PlanError
        With the JSON pointer of the fault.
    """
    names = {node.name for node in plan.nodes}
    if len(names) < len(plan.nodes):
        twice = _first_repeat(node.name for node in plan.nodes)
        raise PlanError(f"a node stands twice: {twice!r}", where=f"{where}#/nodes")
    if sorted(node.rank for node in plan.nodes) != list(range(len(plan.nodes))):
        raise PlanError(f"ranks are not 0..{len(plan.nodes) - 1}, each once", where=f"{where}#/nodes")
    for what, some, pointer in _members(plan):
        if not names.issuperset(some):
            missing = next(name for name in some if name not in names)
            raise PlanError(
                f"{what} {missing!r}, which is not in the plan",
                where=f"{where}#{pointer}",
                hint=did_you_mean(missing, sorted(names)),
            )
    for i, group in enumerate(plan.groups):
        if len(set(group.nodes)) < len(group.nodes):
            raise PlanError(
                f"the group {group.name!r} holds a node twice", where=f"{where}#/groups/{i}/nodes"
            )
    _each_once([cluster.nodes for cluster in plan.clusters], "cluster", f"{where}#/clusters")
    _each_once(plan.chains, "chain", f"{where}#/chains")
    for i, node in enumerate(plan.nodes):
        if not math.isfinite(node.start_s + node.duration_s):
            raise PlanError(f"{node.name!r} has no finite end", where=f"{where}#/nodes/{i}")
    _refuse_circles(plan, where)


def _members(plan: Plan) -> Iterator[tuple[str, Collection[str], str]]:
    """Yield what names nodes: in words, the names, the JSON pointer."""
    for i, group in enumerate(plan.groups):
        yield f"the group {group.name!r} holds", group.nodes, f"/groups/{i}/nodes"
    for i, cluster in enumerate(plan.clusters):
        yield f"the cluster {cluster.name!r} holds", cluster.nodes, f"/clusters/{i}/nodes"
        yield f"the cluster {cluster.name!r} runs again", cluster.again, f"/clusters/{i}/again"
    for i, chain in enumerate(plan.chains):
        yield "a chain holds", chain, f"/chains/{i}"
    for i, node in enumerate(plan.nodes):
        yield f"{node.name!r} waits for", node.after, f"/nodes/{i}/after"
        yield f"{node.name!r} starts after", node.starts_after, f"/nodes/{i}/starts_after"


def _each_once(parts: Sequence[Sequence[str]], what: str, where: str) -> None:
    """Refuse a node that stands in two parts, or twice in one."""
    name = _first_repeat(name for part in parts for name in part)
    if name is not None:
        among = sum(name in part for part in parts)
        told = f"stands in {among} {what}s" if among > 1 else f"stands twice in a {what}"
        raise PlanError(f"node {name!r} {told}", where=where)


def _refuse_circles(plan: Plan, where: str) -> None:
    """Refuse nodes that wait for each other, by their inputs, what they start after, and who runs them."""
    before = {node.name: [*node.after, *node.starts_after] for node in plan.nodes}
    for part in (*plan.chains, *(cluster.nodes for cluster in plan.clusters)):
        for earlier, later in pairwise(part):
            before[later].append(earlier)
    try:
        build(list(before), list(before.values()))
    except DescribeError as error:
        raise PlanError(
            f"{error.problem}, by inputs, starts_after, chains and clusters together", where=f"{where}#/nodes"
        ) from error


def _first_repeat(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
