"""What holds nodes together or apart on the time axis: locks, groups, exclusive nodes, chains, clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from makespan.showing.idle import Limit
from makespan.showing.shapes import Band

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from makespan.plan import Plan
    from makespan.profile import Profile
    from makespan.showing.figures import NodeRow

BandKind = Literal["lock", "group", "exclusive", "chain", "cluster"]
_KINDS: dict[str, BandKind] = {"lock": "lock", "exclusive": "exclusive"}


class Member(NamedTuple):
    """A band before it is known when its nodes ran."""

    name: str
    kind: BandKind
    limit: int
    nodes: tuple[str, ...]
    gil: bool = False
    """It keeps nodes apart that hold the GIL."""
    evidence: str = ""


def members(plan: Plan | None, profile: Profile | None) -> tuple[Member, ...]:
    """Return all bands of a plan, and what the profile's DAG declares beside it."""
    found: list[Member] = []
    if plan is not None:
        found += [
            Member(
                group.name,
                _KINDS.get(group.reason, "group"),
                group.limit,
                group.nodes,
                group.reason == "gil",
                group.evidence,
            )
            for group in plan.groups
        ]
    told = {(member.kind, frozenset(member.nodes)) for member in found}
    for member in _declared(plan, profile):
        if (member.kind, frozenset(member.nodes)) not in told and (
            member.kind != "exclusive" or not _has_exclusive(found)
        ):
            found.append(member)
    if plan is not None:
        found += [Member(f"{chain[0]} … {chain[-1]}", "chain", 1, chain) for chain in plan.chains if chain]
        found += [Member(its.name, "cluster", 1, its.nodes, evidence=its.evidence) for its in plan.clusters]
    return tuple(found)


def _has_exclusive(found: Iterable[Member]) -> bool:
    return any(member.kind == "exclusive" for member in found)


def _declared(plan: Plan | None, profile: Profile | None) -> Iterable[Member]:
    """Yield locks and exclusive nodes as they were declared."""
    nodes: Sequence[tuple[str, tuple[str, ...], bool]] = ()
    if plan is not None:
        nodes = [(node.name, node.locks, node.exclusive) for node in plan.nodes]
    elif profile is not None:
        nodes = [(shape.name, shape.locks, shape.exclusive) for shape in profile.shape]
    for lock in sorted({lock for _, locks, _ in nodes for lock in locks}):
        its = tuple(sorted(name for name, locks, _ in nodes if lock in locks))
        if len(its) > 1:
            yield Member(f"lock {lock}", "lock", 1, its)
    alone = tuple(sorted(name for name, _, only in nodes if only))
    if alone:
        yield Member("exclusive", "exclusive", 1, alone)


def limits(found: Sequence[Member]) -> tuple[list[Limit], dict[str, tuple[int, ...]]]:
    """Return what limits nodes that run at once, and of each node its places in that list."""
    its = [member for member in found if member.kind in ("lock", "group")]
    of: dict[str, list[int]] = {}
    for k, member in enumerate(its):
        for name in member.nodes:
            of.setdefault(name, []).append(k)
    return (
        [Limit(member.name, member.limit, "GIL" if member.gil else "lock") for member in its],
        {name: tuple(places) for name, places in of.items()},
    )


def bands_of(found: Sequence[Member], nodes: Mapping[str, NodeRow], *, ran: bool) -> tuple[Band, ...]:
    """Return the bands with the time in which each node was in them: as it ran, or as it is planned."""
    bands = []
    for member in found:
        spans = []
        for name in member.nodes:
            node = nodes.get(name)
            if node is None:
                continue
            if ran and node.start_s is not None and node.end_s is not None and node.row is not None:
                spans.append((node.start_s, node.end_s, node.row))
            elif not ran and node.planned_start_s is not None and node.planned_row is not None:
                start_s = node.planned_start_s
                spans.append((start_s, start_s + (node.planned_s or 0.0), node.planned_row))
        bands.append(Band(member.name, member.kind, member.limit, tuple(sorted(spans))))
    return tuple(bands)
