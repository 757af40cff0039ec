"""What differs between two plans beside their times: order, modes, groups, clusters.

Ranks are a permutation: one node that moves shifts all others. So the nodes that moved are those outside a
longest part of the order that is the same in both.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from makespan.comparing.differences import ModeChange, Moved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.plan import Plan, PlanCluster, PlanGroup


class PlanChanges(NamedTuple):
    """From a to b."""

    moved: tuple[Moved, ...]
    modes: tuple[ModeChange, ...]
    groups_gone: tuple[PlanGroup, ...]
    groups_new: tuple[PlanGroup, ...]
    clusters_gone: tuple[PlanCluster, ...]
    clusters_new: tuple[PlanCluster, ...]


def plan_changes(a: Plan, b: Plan) -> PlanChanges:
    """Return what changed from one plan to another."""
    of_a = {node.name: node for node in a.nodes}
    both = sorted((node for node in b.nodes if node.name in of_a), key=lambda node: node.rank)
    kept = longest_rising([of_a[node.name].rank for node in both])
    modes = []
    for node in both:
        was, now = (_mode(its.mode, its.native_threads) for its in (of_a[node.name], node))
        if was != now:
            modes.append(ModeChange(node.name, was, now))
    groups = [{_group(group): group for group in plan.groups} for plan in (a, b)]
    clusters = [{(c.nodes, c.worker, c.again): c for c in plan.clusters} for plan in (a, b)]
    return PlanChanges(
        tuple(
            Moved(node.name, of_a[node.name].rank, node.rank) for i, node in enumerate(both) if i not in kept
        ),
        tuple(sorted(modes, key=lambda its: its.name)),
        tuple(group for key, group in groups[0].items() if key not in groups[1]),
        tuple(group for key, group in groups[1].items() if key not in groups[0]),
        tuple(cluster for key, cluster in clusters[0].items() if key not in clusters[1]),
        tuple(cluster for key, cluster in clusters[1].items() if key not in clusters[0]),
    )


def _mode(mode: str, native_threads: int | None) -> str:
    if native_threads is None:
        return mode
    return f"{mode}, {native_threads} native thread{'s' if native_threads > 1 else ''}"


def _group(group: PlanGroup) -> tuple[object, ...]:
    return group.name, group.nodes, group.limit, group.reason


def longest_rising(values: Sequence[int]) -> set[int]:
    """Return the places of a longest rising subsequence (patience sorting: Fredman 1975).

    >>> sorted(longest_rising([0, 3, 1, 2]))
    [0, 2, 3]
    """
    ends: list[int] = []
    at: list[int] = []
    before: list[int] = []
    for i, value in enumerate(values):
        k = bisect_left(ends, value)
        before.append(at[k - 1] if k else -1)
        ends[k : k + 1] = [value]
        at[k : k + 1] = [i]
    found: set[int] = set()
    i = at[-1] if at else -1
    while i >= 0:
        found.add(i)
        i = before[i]
    return found
