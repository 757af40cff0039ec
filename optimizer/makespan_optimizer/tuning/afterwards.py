"""What each node should have taken in a real run, beside those that it met there, by the model of a plan.

A plan says what runs beside what, and runs never keep to that wholly. So the model is asked about the run
that was: who ran at each moment is known, and the speeds of such a set are those by which the plan was
judged::

    real   a ████████▒▒▒▒▒▒▒▒████      beside b at half speed, says the model: 4 of 8 moments are lost,
    run    b         ████████          what is left should be the time that a takes alone

What is left beyond (or short of) the time alone is the *excess*: no model of schedules is in it any more.
Pure.
"""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from makespan.errors import ProfileError
from makespan.showing.words import some
from makespan_optimizer.instance import instance_of
from makespan_optimizer.modes.choose import ModeChoice, applied
from makespan_optimizer.modes.contract import as_declared
from makespan_optimizer.modes.native import choices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from makespan.measurement import Measured
    from makespan.plan import Plan
    from makespan.profile import Profile
    from makespan.record import RunNode, RunRecord
    from makespan_optimizer.instance import Instance

_ALONE = 0.9  # of its time: a node that shares so little with others tells of the machine


class Model(NamedTuple):
    """By what a plan was judged.

    Attributes
    ----------
    instance : Instance
        Of the profile under the plan's modes: a cluster is one node.
    unit : dict of str to int
        The number in the instance of each node of the DAG.
    alone_s : dict of str to float
        Seconds that each node takes alone.
    threads : dict of str to int or None
        Native threads of each node.
    away : frozenset of str
        Nodes in worker processes.
    """

    instance: Instance
    unit: dict[str, int]
    alone_s: dict[str, float]
    threads: dict[str, int | None]
    away: frozenset[str]

    def same(self, other: Model, name: str) -> bool:
        """Say whether a node runs in the same way in both."""
        return self.threads[name] == other.threads[name] and (name in self.away) == (name in other.away)


class Seen(NamedTuple):
    """One node in one run.

    Attributes
    ----------
    wall_s : float
        Net of run delay, as the profile is, if it was measured and met hardly any other node: only then is
        it known to be other processes' doing.
    lost_s : float
        Of that, lost beside others, as the model has it.
    beside_s : dict of str to float
        Seconds beside each other node.
    lost_to_s : dict of str to float
        `lost_s`, divided among those others by the time beside them.
    measured : Measured or None
    """

    wall_s: float
    lost_s: float
    beside_s: dict[str, float]
    lost_to_s: dict[str, float]
    measured: Measured | None


def model_of(profile: Profile, plan: Plan | None) -> Model:
    """Return the model that a plan was judged by; without one, of nodes in threads as they are.

    Numbers of native threads that were not measured (of a plan made by hand) are left out.

    Raises
    ------
    OptionError
        The clusters are not such as this profile can have.
    ProfileError
        A node has no usable measurement.
    """
    declared = {shape.name for shape in profile.shape if shape.process}
    if plan is None:
        instance = instance_of(as_declared(profile))
        names = instance.structure.names
        walls_s = {name: wall * instance.tick_s for name, wall in zip(names, instance.wall, strict=True)}
        number = {name: i for i, name in enumerate(names)}
        return Model(instance, number, walls_s, dict.fromkeys(names), frozenset(declared))
    known = {node.name: choices(node) for node in profile.nodes}
    missing = [name for name in (*(node.name for node in plan.nodes), *_names(profile)) if name not in known]
    strange = {node.name for node in plan.nodes}.symmetric_difference(_names(profile))
    if missing or strange:
        which = some([*dict.fromkeys(missing or sorted(strange))], 5)
        raise ProfileError(f"the plan was not made of this profile: it has no usable measurement of {which}")
    threads = {
        node.name: node.native_threads if node.native_threads in known.get(node.name, ()) else None
        for node in plan.nodes
    }
    native = tuple(sorted((name, m) for name, m in threads.items() if m is not None))
    contracted = applied(profile, ModeChoice(native_threads=native, clusters=plan.clusters))
    instance = instance_of(contracted.profile, cores=plan.cores, switch_interval_s=plan.switch_interval_s)
    number = {name: i for i, name in enumerate(instance.structure.names)}
    stands_for = {
        name: contracted.names[k] for k, cluster in enumerate(plan.clusters) for name in cluster.nodes
    }
    unit = {node.name: number[stands_for.get(node.name, node.name)] for node in plan.nodes}
    alone_s = {node.name: node.alone_s for node in plan.nodes}
    return Model(instance, unit, alone_s, threads, frozenset({*stands_for, *declared}))


def _names(profile: Profile) -> list[str]:
    return [shape.name for shape in profile.shape]


def seen_in(record: RunRecord, model: Model) -> dict[str, Seen]:
    """Return what each node did in a run; those that failed, were skipped or tried again are left out.

    They are neighbours of the others all the same.
    """
    nodes = [node for node in record.nodes if node.name in model.unit and node.end_s > node.start_s]
    lost: dict[str, float] = defaultdict(float)
    beside: dict[str, dict[str, float]] = {node.name: defaultdict(float) for node in nodes}
    lost_to: dict[str, dict[str, float]] = {node.name: defaultdict(float) for node in nodes}
    events = sorted(
        [(node.start_s, 1, k) for k, node in enumerate(nodes)]
        + [(node.end_s, 0, k) for k, node in enumerate(nodes)]
    )
    running: list[int] = []
    before_s = 0.0
    for now_s, begins, k in events:
        passed_s = now_s - before_s
        if passed_s > 0 and len(running) > 1:
            _account(passed_s, [nodes[i].name for i in running], model, lost, beside, lost_to)
        before_s = now_s
        if begins:
            running.append(k)
        else:
            running.remove(k)
    return {
        node.name: Seen(
            _wall_s(node, beside[node.name]),
            lost[node.name],
            dict(beside[node.name]),
            dict(lost_to[node.name]),
            node.measured,
        )
        for node in nodes
        if _counts(node)
    }


def _wall_s(node: RunNode, beside_s: Mapping[str, float]) -> float:
    """Return what a node took; of one that met hardly any other, without what other processes took."""
    wall_s = node.duration_s
    if node.measured is None or max(beside_s.values(), default=0.0) > (1 - _ALONE) * wall_s:
        return wall_s
    return max(0.0, wall_s - node.measured.run_delay_s)


def _counts(node: RunNode) -> bool:
    return node.status == "ok" and node.attempts == 1


def _account(
    passed_s: float,
    names: Sequence[str],
    model: Model,
    lost: dict[str, float],
    beside: Mapping[str, dict[str, float]],
    lost_to: Mapping[str, dict[str, float]],
) -> None:
    units = sorted({model.unit[name] for name in names})
    speed_of = dict(zip(units, model.instance.fluid.speeds(units), strict=True))
    for name in names:
        mine = model.unit[name]
        rest_s = passed_s * (1 - speed_of[mine])
        others = [other for other in names if model.unit[other] != mine]
        lost[name] += rest_s
        for other in others:
            beside[name][other] += passed_s
            lost_to[name][other] += rest_s / len(others)


def pace_of(runs: Sequence[Mapping[str, Seen]], alone_s: Mapping[str, float]) -> float:
    """Return by how much the machine is slower than when it was profiled: 1 where nobody can tell.

    Told by nodes that met hardly any others. The median over them, long ones counting more: a few that take
    another time by themselves do not move it.

    Parameters
    ----------
    runs : sequence of mapping of name to Seen
        Of this plan and of other ways; those one after the other tell most.
    alone_s : mapping of name to float
    """
    ratios: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        for name, seen in run.items():
            met_s = max(seen.beside_s.values(), default=0.0)
            if alone_s[name] > 0 and met_s <= (1 - _ALONE) * seen.wall_s:
                ratios[name].append(seen.wall_s / alone_s[name])
    told = sorted((median(its), alone_s[name]) for name, its in ratios.items())
    total_s = sum(weight for _, weight in told)
    if total_s < 0.3 * sum(alone_s.values()):
        return 1.0
    at = 0.0
    for ratio, weight in told:
        at += weight
        if at >= total_s / 2:
            return ratio
    return 1.0
