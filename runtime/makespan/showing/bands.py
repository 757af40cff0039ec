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
ALONE = "alone"


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
    """Return all bands of a plan, and what the profile's DAG declares beside it.

    Names do not repeat the kind: the lock ``db`` is called ``db``.
    """
    found: dict[tuple[str, str], Member] = {}
    for group in plan.groups if plan is not None else ():
        kind = _KINDS.get(group.reason, "group")
        name = ALONE if kind == "exclusive" else group.name.removeprefix(f"{kind} ")
        gil = group.reason == "gil"
        found[kind, name] = Member(name, kind, group.limit, group.nodes, gil, group.evidence)
    for member in _declared(plan, profile):
        found.setdefault((member.kind, member.name), member)
    bands = list(found.values())
    if plan is not None:
        bands += [Member(_ends(chain), "chain", 1, chain) for chain in plan.chains if chain]
        bands += [
            Member(_ends(its.nodes), "cluster", 1, its.nodes, evidence=its.evidence) for its in plan.clusters
        ]
    return tuple(bands)


def _ends(nodes: Sequence[str]) -> str:
    return nodes[0] if len(nodes) == 1 else f"{nodes[0]} … {nodes[-1]}"


def _declared(plan: Plan | None, profile: Profile | None) -> Iterable[Member]:
    """Yield locks and exclusive nodes as they were declared."""
    nodes: Sequence[tuple[str, tuple[str, ...], bool]] = ()
    if plan is not None:
        nodes = [(node.name, node.locks, node.exclusive) for node in plan.nodes]
    elif profile is not None:
        nodes = [(shape.name, shape.locks, shape.exclusive) for shape in profile.shape]
    holders: dict[str, list[str]] = {}
    for name, locks, _ in nodes:
        for lock in locks:
            holders.setdefault(lock, []).append(name)
    for lock, names in sorted(holders.items()):
        if len(names) > 1:
            yield Member(lock, "lock", 1, tuple(sorted(names)))
    alone = tuple(sorted(name for name, _, only in nodes if only))
    if alone:
        yield Member(ALONE, "exclusive", 1, alone)


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
