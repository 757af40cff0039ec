"""Which nodes are worth running beside each other, and what one pair tells about its like. Pure.

Two nodes can overlap when no path leads from one to the other, they share no lock and neither is exclusive.
Of those, only some can disturb each other:

- both hold the GIL for some of their time;
- one takes the GIL anew very often, and the other is a Python node: each return waits a switch interval;
- both are native, and together they want more cores than there are.

The rest overlaps freely (measured: 1.00 to 1.02 times). Pairs are ordered by the seconds that knowing them
may save, pairs of a kind not seen yet first: the kind of a pair is that of its nodes' appetites, coarsely
rounded. What is left when the time is over is taken over from the pair of its kind that was measured.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from makespan.measurement import NodeProfile
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


class Appetite(NamedTuple):
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
        """Return the appetite coarsely: nodes with the same one behave alike."""
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
    """The kind of each node's appetite."""

    @property
    def like(self) -> tuple[object, ...]:
        """The kind of the pair."""
        return tuple(sorted(self.likes, key=repr))


def appetite_of(node: NodeProfile) -> Appetite:
    """Return a node's appetite."""
    wall_s = node.wall_net_s.median
    if wall_s <= 0:
        return Appetite(0.0, 0.0, 0.0, 0.0)
    return Appetite(
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
    appetites = {
        number[node.name]: appetite_of(node)
        for node in profile.nodes
        if node.origin == "measured" and number[node.name] in able
    }
    walls_s = [appetite.wall_s for appetite in appetites.values()]
    least_s = max(LEAST_S, min(LEAST_SHARE * sum(walls_s), LEAST_OF_LONGEST * max(walls_s, default=0.0)))
    long = [
        i for i, appetite in appetites.items() if appetite.wall_s >= least_s and not structure.exclusive[i]
    ]
    chosen = sorted(sorted(long, key=lambda i: (-appetites[i].wall_s, i))[:MAX_NODES])
    reaches = reachable(structure, chosen)
    found = []
    for a, b in combinations(chosen, 2):
        if b in reaches[a] or a in reaches[b] or set(structure.locks[a]) & set(structure.locks[b]):
            continue
        benefit_s = at_stake_s(appetites[a], appetites[b], profile.machine.cores)
        if benefit_s > 0:
            found.append(Candidate((a, b), benefit_s, (appetites[a].like(), appetites[b].like())))
    found.sort(key=lambda pair: (-pair.benefit_s, pair.nodes))
    seen: set[tuple[object, ...]] = set()
    first: list[Candidate] = []
    rest: list[Candidate] = []
    for pair in found:
        (rest if pair.like in seen else first).append(pair)
        seen.add(pair.like)
    return (first + rest)[:MAX_PAIRS]


def at_stake_s(a: Appetite, b: Appetite, cores: float, switch_interval_s: float = 0.005) -> float:
    """Return the seconds of overlap that two nodes may lose by disturbing each other; 0: they do not.

    >>> loop, wait = Appetite(1.0, 1.0, 0.0, 0.0), Appetite(2.0, 0.0, 0.0, 1.0)
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
    appetites = {number[node.name]: appetite_of(node) for node in profile.nodes}
    best: tuple[float, Pair] | None = None
    for pair in found:
        a, b = pair.nodes
        for one, other in ((appetites[a], appetites[b]), (appetites[b], appetites[a])):
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


def _number(structure: Structure) -> dict[str, int]:
    return {name: i for i, name in enumerate(structure.names)}
