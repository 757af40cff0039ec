"""A plan from the best candidate: times, lanes, slack and groups as they are written to plan.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan._version import __version__
from makespan.plan import Plan, PlanBound, PlanNode, Robust
from makespan_optimizer.choice.groups import computed_group, declared_groups
from makespan_optimizer.lanes import hand_overs, lanes_of, slacks
from makespan_optimizer.scenarios import percentile

if TYPE_CHECKING:
    from makespan.plan import Solver
    from makespan.profile import Profile
    from makespan.structure import Structure
    from makespan_optimizer.canonical import Canonical
    from makespan_optimizer.choice.result import Result
    from makespan_optimizer.choice.robust import Choice
    from makespan_optimizer.choice.search import Candidate
    from makespan_optimizer.instance import Instance


def assemble(
    profile: Profile,
    structure: Structure,
    known: Canonical,
    instance: Instance,
    budget: int,
    found: Result,
    solver: Solver,
) -> Plan:
    """Return the plan; nodes sorted by name, times rounded to a billionth of a second.

    Parameters
    ----------
    structure : Structure
        The DAG as declared.
    known : Canonical
        How the nodes of the instance are numbered.
    """
    best, seconds = found.best, instance.seconds
    makespan_s = seconds(best.schedule.makespan)
    # Contention is computed in floating point: a bound never passes the makespan it bounds.
    bounds = tuple(
        PlanBound(known.bound_name(bound.name), min(seconds(bound.ticks), makespan_s))
        for bound in found.bounds
    )
    bound_s = bounds[0].seconds
    groups = [
        computed_group(
            instance, its.gate.reason, its.gate.nodes, its.gate.limit, its.with_it, its.without, its.scenarios
        )
        for its in found.gained
    ]
    return Plan(
        makespan_version=__version__,
        dag=profile.dag,
        machine=profile.machine,
        threads=budget,
        cores=instance.capacity / 1000,
        makespan_s=makespan_s,
        default_makespan_s=seconds(found.default),
        lower_bound_s=bound_s,
        binding=bounds[0].name,
        gap=round((makespan_s - bound_s) / makespan_s, 9) if makespan_s else 0.0,
        solver=solver,
        bounds=bounds,
        robust=None if found.choice is None else _robust(instance, found.choice),
        what_if=tuple(found.answers),
        groups=(*declared_groups(structure), *groups),
        chains=tuple(sorted(tuple(instance.structure.names[i] for i in chain) for chain in found.chains)),
        nodes=_nodes(profile, structure, known, instance, best),
    )


def _robust(instance: Instance, choice: Choice) -> Robust:
    seconds, makespans = instance.seconds, choice.best.makespans
    return Robust(
        scenarios=len(makespans),
        mean_s=seconds(choice.best.mean),
        p90_s=seconds(percentile(makespans, 0.9)),
        default_mean_s=seconds(choice.default.mean),
        critical_path_mean_s=seconds(choice.critical.mean),
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
