"""A plan that was made for another state of a DAG, followed node by node where it still speaks of it.

::

    plan   a  b  c  d       ranks: b d x a e, where e and x are new: each stands where its path to the end
    DAG    a  b  x  d  e    puts it among those that are known; what was said of c is left out

What would make nodes wait for each other now is left out too, and everything that is left out is said in a
sentence. Whatever comes of it, a plan is advice: results are the same. Pure.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from makespan.preparing.order import bottom_levels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.plan import Plan, PlanCluster, PlanGroup, PlanNode
    from makespan.structure import Structure


class PlanWarning(UserWarning):
    """A plan for another state of the DAG is followed only in part; the message says what is left out."""


class Followed(NamedTuple):
    """What of a plan is followed.

    Attributes
    ----------
    ranks : sequence of int, shape (n,)
        A permutation, for all nodes of the DAG.
    threads : int
    nodes, groups, clusters, chains
        As in the plan, with nodes of the DAG alone.
    notes : tuple of str
        What is not followed, in sentences.
    """

    ranks: Sequence[int]
    threads: int
    nodes: Sequence[PlanNode]
    groups: Sequence[PlanGroup]
    clusters: Sequence[PlanCluster]
    chains: Sequence[tuple[str, ...]]
    notes: tuple[str, ...] = ()


def followed(
    plan: Plan,
    structure: Structure,
    fingerprint: str,
    hints_s: Sequence[float | None],
    threads: int | None,
) -> Followed:
    """Return what of a plan can be followed.

    Parameters
    ----------
    plan : Plan
        Consistent in itself (see `makespan.plan_check`).
    structure, fingerprint
        Of the DAG as it is now.
    hints_s : sequence of float or None, shape (n,)
        How long nodes are expected to take that the plan does not know.
    threads : int or None
        The most that is allowed.
    """
    notes = []
    budget = plan.threads
    if threads is not None and budget > threads:
        notes.append(f"the plan is for {budget} threads; {threads} {'is' if threads == 1 else 'are'} allowed")
        budget = threads
    here = set(structure.names)
    rank_of = {node.name: node.rank for node in plan.nodes}
    if here == rank_of.keys() and fingerprint == plan.dag.fingerprint:
        ranks = [rank_of[name] for name in structure.names]
        return Followed(ranks, budget, plan.nodes, plan.groups, plan.clusters, plan.chains, tuple(notes))
    notes += _differences(plan, structure, here, rank_of)
    groups = [its for group in plan.groups if len((its := _within(group, here)).nodes) > its.limit]
    kept, dropped = _consistent(_wants(plan, here), structure)
    notes += [f"{want.text}: nodes would wait for each other now" for want in dropped]
    after: dict[str, list[str]] = {}
    for want in kept:
        if want.edge is not None:
            after.setdefault(want.edge[1], []).append(want.edge[0])
    nodes = [
        msgspec.structs.replace(node, starts_after=tuple(after.get(node.name, ())))
        if node.starts_after
        else node
        for node in plan.nodes
        if node.name in here
    ]
    return Followed(
        _ranks(plan, structure, hints_s),
        budget,
        nodes,
        groups,
        [want.cluster for want in kept if want.cluster is not None],
        [want.chain for want in kept if want.chain],
        tuple(notes),
    )


def _differences(plan: Plan, structure: Structure, here: set[str], rank_of: dict[str, int]) -> list[str]:
    notes = []
    new = [name for name in structure.names if name not in rank_of]
    gone = sorted(rank_of.keys() - here)
    if new:
        notes.append(
            f"the plan does not know {some(new)}: new nodes start where their way to the end puts them"
        )
    if gone:
        notes.append(f"the plan has {some(gone)}, which the DAG has not: what it says of them is left out")
    planned = {node.name: set(node.after) for node in plan.nodes}
    moved = []
    for name, preds in zip(structure.names, structure.preds, strict=True):
        if name in planned and {structure.names[p] for p in preds} != planned[name]:
            moved.append(name)
    if moved:
        notes.append(f"{some(moved)} waited for other nodes in the plan than now")
    return notes or ["the plan is for other functions of the same names"]


def _within(group: PlanGroup, here: set[str]) -> PlanGroup:
    left = tuple(name for name in group.nodes if name in here)
    return msgspec.structs.replace(group, nodes=left) if left else group


# -- the order -----------------------------------------------------------------------------------------------


def _ranks(plan: Plan, structure: Structure, hints_s: Sequence[float | None]) -> list[int]:
    """Return ranks: those of the plan, and among them new nodes where as many are more urgent as by path."""
    of_plan = {node.name: node for node in plan.nodes}
    known = [name in of_plan for name in structure.names]
    told = [
        of_plan[name].duration_s if name in of_plan else hint
        for name, hint in zip(structure.names, hints_s, strict=True)
    ]
    had = [taken for taken in told if taken is not None]
    typical = sum(had) / len(had) if had else 1.0
    levels = bottom_levels(structure, [typical if taken is None else taken for taken in told])
    order = sorted(
        (i for i in range(len(structure)) if known[i]), key=lambda i: of_plan[structure.names[i]].rank
    )
    urgent = sorted(-levels[i] for i in order)
    places: list[tuple[int, int, float, int]] = [(at, 1, 0.0, i) for at, i in enumerate(order)]
    places += [
        (bisect_left(urgent, -levels[i]), 0, -levels[i], i) for i in range(len(structure)) if not known[i]
    ]
    ranks = [0] * len(structure)
    for rank, (*_, i) in enumerate(sorted(places)):
        ranks[i] = rank
    return ranks


# -- what may contradict the DAG -----------------------------------------------------------------------------


class _Want(NamedTuple):
    """One thing that a plan wants of the order: a chain, a cluster, or one node before another."""

    text: str
    edge: tuple[str, str] | None = None
    chain: tuple[str, ...] = ()
    cluster: PlanCluster | None = None


def _wants(plan: Plan, here: set[str]) -> list[_Want]:
    """Return what the plan wants of nodes that are here; what the user asked for comes first."""
    found = [
        _Want(f"{node.name!r} does not start after {name!r}", (name, node.name))
        for node in plan.nodes
        for name in node.starts_after
        if node.name in here and name in here
    ]
    for cluster in plan.clusters:
        nodes = tuple(name for name in cluster.nodes if name in here)
        again = tuple(name for name in cluster.again if name in here)
        if nodes:
            its = msgspec.structs.replace(cluster, nodes=nodes, again=again)
            found.append(_Want(f"the cluster {cluster.name!r} is left out", cluster=its))
    for chain in plan.chains:
        nodes = tuple(name for name in chain if name in here)
        if len(nodes) > 1:
            found.append(_Want(f"the chain {some(nodes)} is left out", chain=nodes))
    return found


def _consistent(wants: Sequence[_Want], structure: Structure) -> tuple[list[_Want], list[_Want]]:
    """Return what can be had together, and what cannot; of two that exclude each other the first is had.

    What cannot be had by itself is found by a look at its surroundings. Of the m others, halving finds k
    that cannot be had beside those before them in about k log(m) looks at the whole DAG.
    """
    number = {name: i for i, name in enumerate(structure.names)}
    at = [0] * len(structure)
    for position, i in enumerate(structure.order):
        at[i] = position
    kept: list[_Want] = []
    dropped = {k for k, want in enumerate(wants) if not _possible_alone(want, structure, number, at)}
    left = [[k for k in range(len(wants)) if k not in dropped]]
    while left:
        batch = left.pop()
        if _possible([*kept, *(wants[k] for k in batch)], structure):
            kept += [wants[k] for k in batch]
        elif len(batch) == 1:
            dropped.update(batch)
        else:
            half = len(batch) // 2
            left += [batch[half:], batch[:half]]
    return kept, [wants[k] for k in sorted(dropped)]


def _possible_alone(want: _Want, structure: Structure, number: dict[str, int], at: Sequence[int]) -> bool:
    """Say whether no path of the DAG contradicts it: leads out of a part and back, or against its order."""
    if want.edge is not None:
        first, then = (number[name] for name in want.edge)
        return first != then and not _reaches(structure, [then], {first}, at)
    nodes = [number[name] for name in (want.cluster.nodes if want.cluster else want.chain)]
    place = {i: k for k, i in enumerate(nodes)}
    if any(place.get(p, -1) >= k for i, k in place.items() for p in structure.preds[i]):
        return False
    outside = [s for i in nodes for s in structure.succs[i] if s not in place]
    return not _reaches(structure, outside, set(nodes), at)


def _reaches(structure: Structure, starts: Sequence[int], ends: set[int], at: Sequence[int]) -> bool:
    """Say whether a path leads from one of some nodes to one of others; only nodes between are looked at."""
    last = max(at[i] for i in ends)
    seen = {i for i in starts if at[i] <= last}
    left = list(seen)
    while left:
        i = left.pop()
        if i in ends:
            return True
        for s in structure.succs[i]:
            if at[s] <= last and s not in seen:
                seen.add(s)
                left.append(s)
    return False


def _possible(wants: Sequence[_Want], structure: Structure) -> bool:
    """Say whether a DAG has an order in which each chain and each cluster runs as one."""
    number = {name: i for i, name in enumerate(structure.names)}
    before = list(map(list, structure.preds))
    part_of = list(range(len(structure)))
    place: dict[int, int] = {}
    for want in sorted(wants, key=lambda its: its.cluster is None):  # nodes of a cluster chain within it
        if want.edge is not None:
            before[number[want.edge[1]]].append(number[want.edge[0]])
            continue
        nodes = [number[name] for name in (want.cluster.nodes if want.cluster else want.chain)]
        if any(i in place for i in nodes):
            for earlier, later in pairwise(nodes):
                before[later].append(earlier)
            continue
        for at, i in enumerate(nodes):
            part_of[i], place[i] = nodes[0], at
        again = {number[name] for name in want.cluster.again} if want.cluster else set()
        for i in again:
            before[nodes[0]] += [p for p in before[i] if p not in again]
    succs: list[set[int]] = [set() for _ in before]
    for i, wanted in enumerate(before):
        for p in wanted:
            if part_of[p] != part_of[i]:
                succs[part_of[p]].add(part_of[i])
            elif place[p] >= place[i]:
                return False
    waiting = [0] * len(before)
    for after in succs:
        for s in after:
            waiting[s] += 1
    ready = [i for i, count in enumerate(waiting) if not count]
    for i in ready:  # it grows
        for s in succs[i]:
            waiting[s] -= 1
            if not waiting[s]:
                ready.append(s)
    return len(ready) == len(before)


def some(names: Sequence[str], most: int = 3) -> str:
    """Name the first few, and say how many more there are.

    >>> some(["a", "b", "c", "d"])
    "'a', 'b', 'c' and 1 more"
    """
    shown = ", ".join(map(repr, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
