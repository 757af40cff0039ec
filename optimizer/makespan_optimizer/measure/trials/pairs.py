"""Which nodes are worth running beside each other, and what one pair tells about its like. Pure.

Two nodes can overlap when no path leads from one to the other, they share no lock and neither is exclusive.
Of those, only some can disturb each other:

- both hold the GIL for some of their time;
- one takes the GIL anew very often, and the other is a Python node: each return waits a switch interval;
- both are native, and together they want more cores than there are.

The rest overlaps freely (measured: 1.00 to 1.02 times). Pairs are ordered by the seconds that knowing them
may save, pairs of a kind not seen yet first: the kind of a pair is that of its nodes' demands, coarsely
rounded. What is left when the time is over is taken over from the pair of its kind that was measured.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from makespan.words import some

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from makespan.measurement import NodeProfile, PairTrial
    from makespan.profile import Profile
    from makespan.structure import Structure

LEAST_S = 0.002
LEAST_SHARE = 0.005  # of the sum of all nodes; where all are short beside that,
LEAST_OF_LONGEST = 0.1
GIL_SHARE = 0.05
PYTHON_SHARE = 0.3
RETAKES_PER_S = 200.0
NATIVE_SHARE = 0.3
MAX_NODES = 200
MAX_PAIRS = 400

Pair = tuple[int, int]


class Demand(NamedTuple):
    """What a node wants of the machine while it runs, as shares of its wall."""

    wall_s: float
    gil: float
    native: float
    """Cores that it keeps busy without the GIL; above 1 with a native pool."""
    blocked: float
    retakes_per_s: float = 0.0
    burst_s: float = 0.0
    kind: str = "unknown"

    @property
    def chatty(self) -> bool:
        """It takes the GIL anew so often that waiting for it counts."""
        return self.retakes_per_s > RETAKES_PER_S

    def like(self) -> tuple[object, ...]:
        """Return the demand coarsely: nodes with the same one behave alike."""
        return (
            self.kind,
            round(4 * min(1.0, self.gil)),
            round(2 * self.native),
            round(4 * min(1.0, self.blocked)),
            round(math.log2(self.retakes_per_s)) if self.chatty else 0,
            round(math.log2(self.burst_s)) if self.burst_s > 0.002 else 0,
        )


class Candidate(NamedTuple):
    """Two nodes (numbers of the structure, ascending) that may disturb each other."""

    nodes: Pair
    benefit_s: float
    """Seconds of overlap that may be lost, at most."""
    likes: tuple[tuple[object, ...], tuple[object, ...]]
    """The kind of each node's demand."""

    @property
    def like(self) -> tuple[object, ...]:
        """The kind of the pair."""
        return tuple(sorted(self.likes, key=repr))


def demand_of(node: NodeProfile) -> Demand:
    """Return a node's demand."""
    wall_s = node.wall_net_s.median
    if wall_s <= 0:
        return Demand(0.0, 0.0, 0.0, 0.0)
    return Demand(
        wall_s,
        min(1.0, node.gil_s / wall_s),
        node.native_s / wall_s,
        min(1.0, node.blocked_total_s / wall_s),
        max(node.gil_retakes or 0, _wakes(node)) / wall_s,
        node.gil_burst_max_s or 0.0,
        node.kind,
    )


def _wakes(node: NodeProfile) -> int:
    """Return how often a call came back from sleep or IO, if that is what it mostly waits for."""
    returns_s = node.blocked_s.get("io", 0.0) + node.blocked_s.get("sleep", 0.0)
    return node.nvcsw if returns_s > 0.5 * node.blocked_total_s else 0


def candidates(
    profile: Profile, structure: Structure | None = None, walked: Collection[int] | None = None
) -> list[Candidate]:
    """Return the pairs that are worth a trial, in the order in which they should be tried.

    Parameters
    ----------
    profile : Profile
        Only nodes that were measured count; of many the longest.
    structure : Structure, optional
        The profile's.
    walked : collection of int, optional
        Nodes that may be run; `runnable`.
    """
    structure = profile.structure() if structure is None else structure
    able = runnable(profile, structure) if walked is None else walked
    number = _number(structure)
    demands = {
        number[node.name]: demand_of(node)
        for node in profile.nodes
        if node.origin == "measured" and number[node.name] in able
    }
    walls_s = [demand.wall_s for demand in demands.values()]
    least_s = max(LEAST_S, min(LEAST_SHARE * sum(walls_s), LEAST_OF_LONGEST * max(walls_s, default=0.0)))
    long = [i for i, demand in demands.items() if demand.wall_s >= least_s and not structure.exclusive[i]]
    chosen = sorted(sorted(long, key=lambda i: (-demands[i].wall_s, i))[:MAX_NODES])
    reaches = reachable(structure, chosen)
    found = []
    for a, b in combinations(chosen, 2):
        if b in reaches[a] or a in reaches[b] or set(structure.locks[a]) & set(structure.locks[b]):
            continue
        benefit_s = at_stake_s(demands[a], demands[b], profile.machine.cores)
        if benefit_s > 0:
            found.append(Candidate((a, b), benefit_s, (demands[a].like(), demands[b].like())))
    found.sort(key=lambda pair: (-pair.benefit_s, pair.nodes))
    seen: set[tuple[object, ...]] = set()
    first: list[Candidate] = []
    rest: list[Candidate] = []
    for pair in found:
        (rest if pair.like in seen else first).append(pair)
        seen.add(pair.like)
    return (first + rest)[:MAX_PAIRS]


def at_stake_s(a: Demand, b: Demand, cores: float, switch_interval_s: float = 0.005) -> float:
    """Return the seconds of overlap that two nodes may lose by disturbing each other; 0: they do not.

    >>> loop, wait = Demand(1.0, 1.0, 0.0, 0.0), Demand(2.0, 0.0, 0.0, 1.0)
    >>> at_stake_s(loop, loop, 2), at_stake_s(loop, wait, 2)
    (1.0, 0.0)
    """
    at_risk = 0.0
    if min(a.gil, b.gil) > GIL_SHARE:
        at_risk = min(a.gil, b.gil)
    for one, other in ((a, b), (b, a)):
        if one.chatty and other.gil > PYTHON_SHARE:
            at_risk = max(at_risk, min(1.0, one.retakes_per_s * switch_interval_s * other.gil))
    if min(a.native, b.native) > NATIVE_SHARE:
        wanted = a.native + b.native + min(1.0, a.gil + b.gil)
        if wanted > 1.05 * cores:
            at_risk = max(at_risk, min(1.0, wanted / cores - 1))
    return at_risk * min(a.wall_s, b.wall_s)


def chattiest(profile: Profile, found: Iterable[Candidate], structure: Structure) -> Pair | None:
    """Return the pair for the trial of switch intervals: the most chatty node beside the most Python one."""
    number = _number(structure)
    demands = {number[node.name]: demand_of(node) for node in profile.nodes}
    best: tuple[float, Pair] | None = None
    for pair in found:
        a, b = pair.nodes
        for one, other in ((demands[a], demands[b]), (demands[b], demands[a])):
            if one.chatty and other.gil > PYTHON_SHARE:
                worth = min(one.wall_s, other.wall_s) * min(1.0, one.retakes_per_s / 1000) * other.gil
                if best is None or worth > best[0]:
                    best = worth, pair.nodes
    return best[1] if best is not None else None


def runnable(profile: Profile, structure: Structure) -> frozenset[int]:
    """Return the nodes that may be run: neither they nor anything that they need is only hinted at."""
    said = {node.name for node in profile.nodes if node.origin != "measured"}
    said |= {shape.name for shape in profile.shape if not shape.measure}
    able: set[int] = set()
    for i in structure.order:
        if structure.names[i] not in said and able.issuperset(structure.preds[i]):
            able.add(i)
    return frozenset(able)


def reachable(structure: Structure, chosen: Sequence[int]) -> dict[int, frozenset[int]]:
    """Return for each chosen node the chosen ones that a path leads to."""
    bit = {i: 1 << k for k, i in enumerate(chosen)}
    below = [0] * len(structure)
    for i in reversed(structure.order):
        mask = 0
        for s in structure.succs[i]:
            mask |= below[s] | bit.get(s, 0)
        below[i] = mask
    return {i: frozenset(j for j in chosen if below[i] & bit[j]) for i in chosen}


# -- pairs of a profile ------------------------------------------------------------------------------------


def merged_pairs(
    old: Sequence[PairTrial],
    new: Sequence[PairTrial],
    order: Mapping[str, int],
    stale: Collection[str] = (),
) -> tuple[PairTrial, ...]:
    """Unite the pairs of two profiles: the later trial wins, but nothing measured gives way to a likeness.

    Parameters
    ----------
    old, new : sequences of PairTrial
    order : mapping of str to int
        Place of each node in the DAG; pairs of other nodes are dropped.
    stale : collection of str
        Nodes whose code has changed since the old trials: those say nothing any more.
    """
    kept: dict[tuple[tuple[str, str], float], PairTrial] = {}
    stood = [pair for pair in old if not {*pair.nodes, *(pair.like or ())} & set(stale)]
    for pair in (*stood, *new):
        key = pair.nodes, pair.switch_interval_s
        if fault_of(pair, order) is not None:
            continue  # of a node that is gone
        if pair.like is not None and key in kept and kept[key].like is None:
            continue
        kept[key] = pair
    return sorted_pairs(kept.values(), order)


def sorted_pairs(pairs: Iterable[PairTrial], order: Mapping[str, int]) -> tuple[PairTrial, ...]:
    """Return pairs in the DAG's order, the longest switch interval first."""
    return tuple(
        sorted(pairs, key=lambda its: (order[its.nodes[0]], order[its.nodes[1]], -its.switch_interval_s))
    )


def fault_of(pair: PairTrial, order: Mapping[str, int]) -> str | None:
    """Return what is wrong with a pair that was read from a file, or None."""
    a, b = pair.nodes
    unknown = [name for name in (*pair.nodes, *(pair.like or ())) if name not in order]
    if unknown:
        return f"{some(unknown)} is not in the DAG"
    if a == b:
        return f"{a!r} stands twice"
    if order[a] > order[b]:
        return f"{a!r} comes after {b!r} in the DAG"
    if not pair.repeats or not pair.switch_interval_s > 0:
        return "it was not measured"
    return None


def _number(structure: Structure) -> dict[str, int]:
    return {name: i for i, name in enumerate(structure.names)}
