"""A plan from the best candidate: times, lanes, slack and groups as they are written to plan.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan._version import __version__
from makespan.plan import Plan, PlanBound, PlanNode
from makespan_optimizer.groups import declared_groups
from makespan_optimizer.lanes import hand_overs, lanes_of, slacks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.plan import PlanGroup, Solver, WhatIf
    from makespan.profile import Profile
    from makespan.structure import Structure
    from makespan_optimizer.bounds import Bound
    from makespan_optimizer.canonical import Canonical
    from makespan_optimizer.instance import Instance
    from makespan_optimizer.search import Candidate


def assemble(
    profile: Profile,
    structure: Structure,
    known: Canonical,
    instance: Instance,
    budget: int,
    best: Candidate,
    default_ticks: float,
    bounds: Sequence[Bound],
    solver: Solver,
    computed: Sequence[PlanGroup] = (),
    what_if: Sequence[WhatIf] = (),
) -> Plan:
    """Return the plan; nodes sorted by name, times rounded to a billionth of a second.

    Parameters
    ----------
    structure : Structure
        The DAG as declared.
    known : Canonical
        How the nodes of the instance are numbered.
    default_ticks : float
        Makespan of the default order in the same simulator.
    bounds : sequence of Bound
        The largest first.
    """
    makespan_s = instance.seconds(best.schedule.makespan)
    # Contention is computed in floating point: a bound never passes the makespan it bounds.
    found = tuple(
        PlanBound(known.bound_name(bound.name), min(instance.seconds(bound.ticks), makespan_s))
        for bound in bounds
    )
    bound_s = found[0].seconds
    return Plan(
        makespan_version=__version__,
        dag=profile.dag,
        machine=profile.machine,
        threads=budget,
        cores=instance.capacity / 1000,
        makespan_s=makespan_s,
        default_makespan_s=instance.seconds(default_ticks),
        lower_bound_s=bound_s,
        binding=found[0].name,
        bounds=found,
        gap=round((makespan_s - bound_s) / makespan_s, 9) if makespan_s else 0.0,
        solver=solver,
        what_if=tuple(what_if),
        groups=(*declared_groups(structure), *computed),
        nodes=_nodes(profile, structure, known, instance, best),
    )


def _nodes(
    profile: Profile, declared: Structure, known: Canonical, instance: Instance, best: Candidate
) -> tuple[PlanNode, ...]:
    s, schedule = instance.structure, best.schedule
    lanes = lanes_of(schedule)
    slack = slacks(s, schedule, hand_overs(s, schedule, lanes, best.groups))
    measured = {node.name: node for node in profile.nodes}
    nodes = []
    for i, name in enumerate(s.names):
        of = measured[name]
        own = known.declared[i]
        nodes.append(
            PlanNode(
                name=name,
                rank=best.ranks[i],
                start_s=instance.seconds(schedule.start[i]),
                duration_s=instance.seconds(schedule.finish[i] - schedule.start[i]),
                lane=lanes[i],
                alone_s=instance.seconds(instance.wall[i]),
                gil_s=round(of.gil_s, 9) if profile.machine.gil else 0.0,
                native_s=round(of.native_s, 9),
                blocked_s=round(of.blocked_total_s, 9),
                slack_s=instance.seconds(slack[i]),
                critical=not slack[i],
                kind=of.kind,
                after=tuple(declared.names[p] for p in declared.preds[own]),
                locks=declared.locks[own],
                exclusive=s.exclusive[i],
            )
        )
    return tuple(sorted(nodes, key=lambda node: node.name))
