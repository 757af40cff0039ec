"""A plan of a profile with modes and pins, told of the DAG that the user knows.

A node that stands for a cluster becomes its nodes again: one after the other within its time, after what
comes before them in the worker (inputs that cross, sources that run again). Ranks follow from the contracted
order, a cluster's nodes taking its place. Edges, locks and groups are the DAG's own again; what was pinned is
said where plans say it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from makespan.plan import Plan, PlanBound, PlanGroup, PlanNode
from makespan_optimizer.choice.groups import declared_groups
from makespan_optimizer.modes.cuts import bits
from makespan_optimizer.modes.process import HAND_OVER_S

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from makespan.measurement import NodeProfile
    from makespan.plan import PlanCluster, Solver
    from makespan.profile import Profile
    from makespan_optimizer.instance import Instance
    from makespan_optimizer.modes.contract import Contracted
    from makespan_optimizer.modes.cuts import Cuts
    from makespan_optimizer.pins.pinned import Pinned

_DIGITS = 9
_MEETS = 1e-6  # relative: a makespan this close to its bound meets it


class Modes(NamedTuple):
    """What became of a profile on its way to the optimizer.

    Attributes
    ----------
    profile : Profile
        As it was given: the DAG's own edges and locks.
    cuts : Cuts
        Of the profile with pins and native threads.
    clusters : tuple of PlanCluster
        Their nodes in the order in which the worker runs them.
    contracted : Contracted
    instance : Instance
        Of the profile with pins and native threads, nothing contracted.
    """

    profile: Profile
    cuts: Cuts
    clusters: tuple[PlanCluster, ...]
    contracted: Contracted
    instance: Instance


def expand(
    plan: Plan,
    modes: Modes,
    pinned: Pinned,
    native: Mapping[str, int],
    bounds: Sequence[PlanBound],
    default_makespan_s: float,
) -> Plan:
    """Return the plan with the DAG's own nodes.

    Parameters
    ----------
    plan : Plan
        Of the contracted profile.
    bounds : sequence of PlanBound
        Over all modes that could be chosen, the largest first; empty: those of the plan hold.
    default_makespan_s : float
        The default order without modes.
    """
    structure = modes.profile.structure()
    inside = {
        name: cluster.nodes for name, cluster in zip(modes.contracted.names, modes.clusters, strict=True)
    }
    after = {
        name: tuple(structure.names[p] for p in some)
        for name, some in zip(structure.names, structure.preds, strict=True)
    }
    locks = dict(zip(structure.names, structure.locks, strict=True))
    cuts = modes.cuts
    held = {name for some in inside.values() for name in some}
    apart = {cuts.structure.names[i]: cuts.nodes[i] for i in bits(cuts.declared)}
    apart = {name: of for name, of in apart.items() if name not in held}
    nodes: list[PlanNode] = []
    rank = 0
    for node in sorted(plan.nodes, key=lambda node: node.rank):
        of = [node]
        if node.name in inside:
            of = _unfolded(node, modes)
        elif node.name in apart:
            of = [_measured(node, apart[node.name], gil=modes.profile.machine.gil)]
        for its in of:
            nodes.append(
                msgspec.structs.replace(
                    its,
                    rank=rank,
                    mode="process" if node.name in inside or node.name in apart else "thread",
                    native_threads=native.get(its.name),
                    after=after[its.name],
                    starts_after=pinned.starts_after.get(its.name, ()),
                    locks=locks[its.name],
                )
            )
            rank += 1
    its_bounds = tuple(
        msgspec.structs.replace(bound, seconds=min(round(bound.seconds, _DIGITS), plan.makespan_s))
        for bound in (bounds or plan.bounds)
    )
    bound_s = its_bounds[0].seconds if its_bounds else plan.lower_bound_s
    return msgspec.structs.replace(
        plan,
        nodes=tuple(sorted(nodes, key=lambda node: node.name)),
        default_makespan_s=round(default_makespan_s, _DIGITS),
        bounds=its_bounds,
        lower_bound_s=bound_s,
        binding=its_bounds[0].name if its_bounds else plan.binding,
        gap=round((plan.makespan_s - bound_s) / plan.makespan_s, _DIGITS) if plan.makespan_s else 0.0,
        groups=(
            *declared_groups(structure),
            *_pinned_groups(pinned),
            *(_group(group, inside) for group in plan.groups if group.reason not in ("lock", "exclusive")),
        ),
        chains=tuple(piece for chain in plan.chains for piece in _pieces(chain, {*inside, *apart})),
        solver=_solver(plan, bound_s),
    )


def there_as_declared(plan: Plan, profile: Profile) -> Plan:
    """Return a plan that says which nodes run in worker processes by themselves, and what they do there.

    Parameters
    ----------
    plan : Plan
        Of `makespan_optimizer.modes.contract.as_declared` of the profile.
    profile : Profile
    """
    declared = {shape.name for shape in profile.shape if shape.process}
    if not declared:
        return plan
    of = {node.name: node for node in profile.nodes if node.name in declared}
    gil = profile.machine.gil
    nodes = tuple(
        msgspec.structs.replace(_measured(node, of[node.name], gil=gil), mode="process")
        if node.name in declared
        else node
        for node in plan.nodes
    )
    return msgspec.structs.replace(plan, nodes=nodes)


def _unfolded(node: PlanNode, modes: Modes) -> list[PlanNode]:
    """Return the nodes of a cluster, one after the other within its time."""
    cluster = modes.clusters[modes.contracted.names.index(node.name)]
    instance, cuts = modes.instance, modes.cuts
    number = {name: i for i, name in enumerate(cuts.structure.names)}
    order = [number[name] for name in cluster.nodes]
    again = [number[name] for name in cluster.again]
    crossing = cuts.crossing(sum(1 << i for i in order), sum(1 << i for i in again))
    walls = [instance.wall[i] * instance.tick_s for i in order]
    # What is not theirs is before and after them, as the transfers and the sources that run again tell.
    again_s = sum(instance.wall[i] * instance.tick_s for i in again)
    before_s = crossing.inputs.total_s + HAND_OVER_S / 2 + again_s
    after_s = crossing.outputs.total_s + HAND_OVER_S / 2
    rest_s = max(0.0, node.alone_s - sum(walls))
    stretch = node.duration_s / node.alone_s if node.alone_s else 1.0
    at = node.start_s + rest_s * before_s / (before_s + after_s) * stretch
    end_s = node.start_s + node.duration_s
    found = []
    for i, wall_s in zip(order, walls, strict=True):
        of = cuts.nodes[i]
        start_s = min(round(at, _DIGITS), end_s)
        at += wall_s * stretch
        found.append(
            msgspec.structs.replace(
                node,
                name=of.name,
                start_s=start_s,
                duration_s=round(max(0.0, min(at, end_s) - start_s), _DIGITS),
                alone_s=round(wall_s, _DIGITS),
            )
        )
        found[-1] = _measured(found[-1], of, gil=modes.profile.machine.gil)
    return found


def _measured(node: PlanNode, of: NodeProfile, *, gil: bool) -> PlanNode:
    """Return a node with what it does with its time, wherever that is."""
    return msgspec.structs.replace(
        node,
        gil_s=round(of.gil_s, _DIGITS) if gil else 0.0,
        native_s=round(of.native_s, _DIGITS),
        blocked_s=round(of.blocked_total_s, _DIGITS),
        kind=of.kind,
    )


def _pinned_groups(pinned: Pinned) -> list[PlanGroup]:
    return [
        PlanGroup(
            f"pinned {lock}",
            tuple(sorted(names)),
            1,
            "pinned",
            f"asked for: {len(names)} nodes share lock {lock!r}",
        )
        for lock, names in sorted(pinned.locks.items())
    ]


def _group(group: PlanGroup, inside: Mapping[str, Sequence[str]]) -> PlanGroup:
    """Return a computed group with the nodes of its clusters: of one cluster, one runs at a time anyway."""
    names = [name for node in group.nodes for name in inside.get(node, (node,))]
    return msgspec.structs.replace(group, nodes=tuple(sorted(names)))


def _pieces(chain: Sequence[str], inside: Collection[str]) -> list[tuple[str, ...]]:
    """Return what is left of a chain without clusters and processes: pieces of two nodes or more."""
    pieces: list[list[str]] = [[]]
    for name in chain:
        if name in inside:
            pieces.append([])
        else:
            pieces[-1].append(name)
    return [tuple(piece) for piece in pieces if len(piece) > 1]


def _solver(plan: Plan, bound_s: float) -> Solver:
    """Return how the plan was found: what is proven for some modes is not proven for all."""
    solver = plan.solver
    if solver.status != "optimal" or plan.makespan_s <= bound_s * (1 + _MEETS):
        return solver
    return msgspec.structs.replace(
        solver, status="feasible", stopped=f"for the modes chosen: {solver.stopped}"
    )
