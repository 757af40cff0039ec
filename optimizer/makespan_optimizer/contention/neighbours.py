"""What a profile tells of nodes beside each other: speeds of measured pairs, and how much computing crowds.

A trial holds for the machine it was made on. With another number of cores it is still used when both nodes
together want no more cores than there are, here or there; with another switch interval, the model says by how
much the speeds change.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from makespan_optimizer.contention.sharing import Machine, Sharing, Trial, fluid_pair
from makespan_optimizer.contention.together import WAKE_S, demand_of, modelled_speeds, pair_speeds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.measurement import PairTrial
    from makespan.profile import Profile
    from makespan_optimizer.contention.together import Demand

_LEAST_HAND_OFF_S, _MOST_HAND_OFF_S = 10e-6, 100e-6
_DOUBTFUL = 0.1  # spread of a trial's repeats at which it is believed as much as the model
_LIKE = 0.5  # the same for what was measured on nodes alike
_CALM = 0.06  # spread up to which a trial tells of crowding
_BUSY = 0.7  # cores: a node that computes most of its time
_WIDE = 1.5  # cores: a node that crowds itself
_MOST_CROWDED = (
    0.25  # more than that was seen for a quarter of pairs of workloads, and never for all of a DAG
)
_LEAST_OVERLAP = 0.3  # of two nodes' time on cores
_DOUBTED = 6  # pairs that stand for the usual crowding beside those that were measured
# With all cores busy. Between the medians over pairs of 24 workloads on two cores: 0 where both are native,
# 0.1 to 0.17 where one or both are Python for a part; single pairs that wait for memory had 0.3 and more.
USUAL_CROWDING = 0.1
CROWDING = "crowding"
"""In `RunHeader.calibration`: worked out already, from pairs that the profile may no longer have."""


def sharing_of(
    profile: Profile,
    *,
    gil: Sequence[int],
    core: Sequence[int],
    capacity: int,
    stretch: Sequence[float],
    switch_interval_s: float,
) -> Sharing:
    """Return how the nodes of a profile share the machine.

    Parameters
    ----------
    profile : Profile
        All nodes measured.
    gil, core : sequences of int, shape (n,)
        Thousandths; in the order of the profile's structure.
    capacity : int
        Thousandths of a core.
    stretch : sequence of float, shape (n,)
        By how much a node alone takes longer because it wants more cores than there are.
    switch_interval_s : float
        Of the interpreter that will run the plan.
    """
    cores = capacity / 1000
    node_of = {node.name: node for node in profile.nodes}
    demands = [
        _stretched(_usual(demand_of(node_of[shape.name])), factor, gil=profile.machine.gil)
        for shape, factor in zip(profile.shape, stretch, strict=True)
    ]
    number = {shape.name: i for i, shape in enumerate(profile.shape)}
    least = min(capacity, round(1000 * profile.machine.cores))
    here = capacity == round(1000 * profile.machine.cores)
    usual_s = profile.machine.switch_interval_s
    measured: dict[tuple[int, int], Trial] = {}
    tried: list[tuple[Demand, Demand, tuple[float, float]]] = []
    for pair in profile.pairs:
        i, j = (number[name] for name in pair.nodes)
        if pair.limited or min(pair.alone_s) <= 0 or not (here or core[i] + core[j] <= least):
            continue
        speeds = pair_speeds(pair.alone_s, pair.together_s)
        if pair.switch_interval_s == switch_interval_s or (
            pair.switch_interval_s == usual_s and (i, j) not in measured
        ):
            measured[i, j] = Trial(speeds, pair.switch_interval_s, _weight(pair))
        if pair.switch_interval_s == usual_s and pair.like is None and pair.spread <= _CALM:
            tried.append((demands[i], demands[j], speeds))
    machine = Machine(cores, switch_interval_s, hand_off_s(profile) or WAKE_S)
    there = max(2.0, profile.machine.cores)
    told = [run.calibration[CROWDING] for run in profile.runs if CROWDING in run.calibration]
    crowding = (
        told[-1]
        if told
        else crowding_of(tried, machine._replace(cores=there, switch_interval_s=usual_s or switch_interval_s))
    )
    # What more cores than were seen do to each other is not known; not less than those that were, all in all.
    crowding *= min(1.0, (there - 1) / max(1.0, cores - 1))
    return Sharing(gil, core, capacity, demands, measured, machine._replace(crowding=crowding))


def tells_of_neighbours(profile: Profile) -> bool:
    """Say whether anything is known of nodes beside each other.

    Of a profile made by hand, or read from a table, it is not: nodes then share without loss.
    """
    known = any(CROWDING in run.calibration for run in profile.runs)
    return bool(profile.pairs) or known or hand_off_s(profile) is not None


def hand_off_s(profile: Profile) -> float | None:
    """Return the seconds until a sleeping worker runs, as the latest run of the profiler measured it."""
    found = [run.calibration["hand_off_s"] for run in profile.runs if "hand_off_s" in run.calibration]
    return min(_MOST_HAND_OFF_S, max(_LEAST_HAND_OFF_S, found[-1])) if found else None


def _weight(pair: PairTrial) -> float:
    """Return how far a trial is believed: other processes only ever make two nodes look slower together.

    Repeats of a pair on a quiet machine differ by a few percent; the model of the GIL is off by six, as a
    median.
    """
    return (1.0 if pair.like is None else _LIKE) / (1 + (pair.spread / _DOUBTFUL) ** 2)


def _usual(node: Demand) -> Demand:
    """Return the demand with a usual hold without a safe point: what was measured is the longest of many."""
    return node if node.burst_s >= node.hold_s else node._replace(burst_s=node.burst_s / 2)


def _stretched(node: Demand, factor: float, *, gil: bool) -> Demand:
    """Return a node on fewer cores than it wants; without a GIL nothing is held."""
    if not gil:
        node = node._replace(hold_s=0.0, native_s=node.native_s + node.hold_s, burst_s=0.0)
    if factor == 1:
        return node
    hold_s, blocked_s = node.hold_s * factor, node.blocked_s * factor
    native_s, width = node.native_s * factor, max(1.0, node.width / factor)
    return node._replace(hold_s=hold_s, native_s=native_s, blocked_s=blocked_s, width=width)


def crowding_of(pairs: Sequence[tuple[Demand, Demand, tuple[float, float]]], machine: Machine) -> float:
    """Return by how much work takes longer for each further busy core, from pairs that were measured.

    Only nodes tell it that compute nearly all the time on one core each, as far as they can do so at once
    although they share the GIL. The median counts, drawn towards what is usual where there are few.
    """
    found = []
    for a, b, speeds in pairs:
        if machine.cores < 2 or not (_computes(a) and _computes(b)):
            continue
        fluid = fluid_pair(a, b, machine.cores)
        busy = sum(s * (its.hold_s + its.native_s) / its.wall_s for s, its in zip(fluid, (a, b), strict=True))
        if busy < 1 + _LEAST_OVERLAP:
            continue
        expected = modelled_speeds(a, b, machine.cores, machine.switch_interval_s, wake_s=machine.wake_s)
        slower = sum(said / took for said, took in zip(expected, speeds, strict=True)) / 2 - 1
        found.append(slower / (busy - 1))
    typical: float = median(found) if found else 0.0
    known = len(found) / (len(found) + _DOUBTED)
    return min(
        _MOST_CROWDED, max(0.0, known * typical + (1 - known) * USUAL_CROWDING / max(1.0, machine.cores - 1))
    )


def _computes(node: Demand) -> bool:
    used = (node.hold_s + node.native_s) / node.wall_s if node.wall_s > 0 else 0.0
    return used > _BUSY and used * node.width < _WIDE
