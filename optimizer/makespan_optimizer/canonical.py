"""One numbering for all profiles that differ in names and in the order of declaration alone.

A search breaks ties by node number: two profiles of one DAG, its nodes declared in another order, would get
different plans. Here nodes are numbered by what they are: how deep they lie, how long the path to the end
is, and a fingerprint of durations, demands and surroundings. Fingerprints are refined along edges, locks
and measured pairs (Weisfeiler and Leman 1968), over all predecessors and all successors at once, because a
DAG can be walked in order::

    up(i) = mix(figures(i), Σ mix(up(p)) over predecessors p)        and down(i) the same over successors

Nodes with equal fingerprints are equal for all that a plan can do, or nearly so (the refinement is not a full
test of isomorphism); they are told apart by declaration, but together with their neighbours, so that of two
equal chains none is crossed with the other. Integers of 64 bits throughout: nothing here depends on a hash
seed. Figures are taken as shares of the longest duration, so that other units give the same numbers.
"""

from __future__ import annotations

import math
import struct
from collections import deque
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from makespan.measured_pairs import sorted_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.measurement import NodeProfile, PairTrial
    from makespan.profile import Profile
    from makespan.structure import Structure

_MASK = (1 << 64) - 1
_ROUNDS = 2
_LARGE = 5_000  # nodes: beyond, one round
_DIGITS = 12  # of a share: two roundings of one figure in different units agree to so many


class Canonical(NamedTuple):
    """A profile in canonical order.

    Attributes
    ----------
    profile : Profile
        Its nodes in canonical order, its locks renamed.
    declared : list of int, shape (n,)
        The number by declaration of each node.
    locks : dict of str to str
        The names that the user gave to the locks.
    """

    profile: Profile
    declared: list[int]
    locks: dict[str, str]

    def here(self, values: Sequence[int]) -> list[int]:
        """Return values of the declared nodes (ranks, say) in canonical order."""
        return [values[i] for i in self.declared]

    def bound_name(self, name: str) -> str:
        """Return the name of a bound as the user knows it."""
        return f"lock {self.locks[name[5:]]}" if name[:5] == "lock " and name[5:] in self.locks else name


def canonical(profile: Profile, structure: Structure) -> Canonical:
    """Return the profile in canonical order; as it is when a node has no usable measurement.

    Parameters
    ----------
    structure : Structure
        That of the profile.
    """
    known = {node.name: node for node in profile.nodes}
    nodes = [known.get(name) for name in structure.names]
    measured = [node for node in nodes if node is not None and _finite(node)]
    if len(measured) < len(nodes):
        return Canonical(profile, list(range(len(nodes))), {})
    order = numbering(structure, measured, _pairs(profile, structure))
    return _reordered(profile, structure, order)


def numbering(
    structure: Structure,
    nodes: Sequence[NodeProfile],
    pairs: Sequence[tuple[int, int, int]] = (),
) -> list[int]:
    """Return the nodes in canonical order.

    Parameters
    ----------
    nodes : sequence of NodeProfile, shape (n,)
    pairs : sequence of (node, node, label)
        Further relations that tell nodes apart.
    """
    n = len(structure)
    longest = max((node.wall_net_s.median for node in nodes), default=0.0) or 1.0
    wall = [round(node.wall_net_s.median / longest, _DIGITS) for node in nodes]
    depth, levels = [0] * n, [0.0] * n
    for i in structure.order:
        depth[i] = max((depth[p] + 1 for p in structure.preds[i]), default=0)
    for i in reversed(structure.order):
        levels[i] = wall[i] + max((levels[j] for j in structure.succs[i]), default=0.0)
    marks = [
        _figures(node, longest, len(some), alone=alone)
        for node, some, alone in zip(nodes, structure.locks, structure.exclusive, strict=True)
    ]
    for _ in range(_ROUNDS if n <= _LARGE else 1):
        marks = _along_edges(structure, _beside(structure, pairs, marks))
    near = _walk(structure, marks) if len(set(marks)) < n else marks
    return sorted(range(n), key=lambda i: (depth[i], -levels[i], marks[i], near[i]))


def _finite(node: NodeProfile) -> bool:
    figures = (node.wall_net_s.median, node.wall_net_s.p90, node.gil_s, node.cpu_s, node.other_cpu_s)
    return all(math.isfinite(x) for x in (*figures, node.first_s or 0.0, *node.wall_net_s.samples))


def _figures(node: NodeProfile, longest: float, locks: int, *, alone: bool) -> int:
    spread = node.wall_net_s
    seconds = (
        spread.median,
        spread.p90,
        -longest if node.first_s is None else node.first_s,
        node.gil_s,
        node.cpu_s,
        node.other_cpu_s,
        node.blocked_total_s,
        sum(spread.samples),
    )
    shares = [round(value / longest, _DIGITS) for value in seconds]
    sure = node.quality.gil_share_half_width is not None
    text = struct.pack(f"<{len(shares)}d3q", *shares, locks, alone, sure)
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


def _mix(x: int) -> int:
    """Return a well-spread 64-bit number (the finalizer of SplitMix64, Steele and others 2014)."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & _MASK
    return x ^ (x >> 31)


def _along_edges(structure: Structure, marks: Sequence[int]) -> list[int]:
    """Refine by all that comes before, and by all that comes after."""
    up, down = [0] * len(marks), [0] * len(marks)
    for i in structure.order:
        up[i] = _mix(marks[i] + sum(up[p] for p in structure.preds[i]) * 3 + 1 & _MASK)
    for i in reversed(structure.order):
        down[i] = _mix(marks[i] + sum(down[j] for j in structure.succs[i]) * 5 + 2 & _MASK)
    return [_mix(u + 7 * d & _MASK) for u, d in zip(up, down, strict=True)]


def _beside(structure: Structure, pairs: Sequence[tuple[int, int, int]], marks: Sequence[int]) -> list[int]:
    """Refine by those that share a lock, and by measured pairs."""
    sums: dict[str, int] = {}
    for i, some in enumerate(structure.locks):
        for lock in some:
            sums[lock] = sums.get(lock, 0) + marks[i] & _MASK
    found = [
        _mix(mark + sum(_mix(sums[lock]) for lock in some) & _MASK) if some else mark
        for mark, some in zip(marks, structure.locks, strict=True)
    ]
    for a, b, label in pairs:
        found[a] = found[a] + _mix(marks[b] ^ label) & _MASK
        found[b] = found[b] + _mix(marks[a] ^ label) & _MASK
    return found


def _walk(structure: Structure, marks: Sequence[int]) -> list[int]:
    """Return when a walk over the neighbours, the smallest mark first, comes to each node."""
    n = len(marks)
    at = [-1] * n
    count = 0
    for root in sorted(range(n), key=lambda i: (marks[i], i)):
        if at[root] >= 0:
            continue
        queue = deque([root])
        at[root] = count
        count += 1
        while queue:
            i = queue.popleft()
            beside = [j for some in (structure.preds[i], structure.succs[i]) for j in some if at[j] < 0]
            for j in sorted(beside, key=lambda j: (marks[j], j)) if len(beside) > 1 else beside:
                at[j] = count
                count += 1
                queue.append(j)
    return at


def _pairs(profile: Profile, structure: Structure) -> list[tuple[int, int, int]]:
    found = [(i, i, 0) for i, shape in enumerate(profile.shape) if shape.process]  # marks them
    if not profile.pairs:
        return found
    number = {name: i for i, name in enumerate(structure.names)}
    for pair in profile.pairs:
        if pair.limited:
            continue  # it speaks of other plans
        text = struct.pack("<d", round(pair.gain, _DIGITS))
        label = int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
        found.append((number[pair.nodes[0]], number[pair.nodes[1]], label))
    return found


def _reordered(profile: Profile, structure: Structure, order: list[int]) -> Canonical:
    names: dict[str, str] = {}  # by what the user calls them: what they are called here
    for i in order:
        for lock in structure.locks[i]:
            names.setdefault(lock, "")
    holders: dict[str, list[int]] = {lock: [] for lock in names}
    for place, i in enumerate(order):
        for lock in structure.locks[i]:
            holders[lock].append(place)
    for k, lock in enumerate(sorted(names, key=lambda lock: holders[lock])):
        names[lock] = f"{k:06}"
    shapes = [profile.shape[i] for i in order]
    if names:
        shapes = [
            msgspec.structs.replace(shape, locks=tuple(names[lock] for lock in shape.locks))
            if shape.locks
            else shape
            for shape in shapes
        ]
    place_of = {profile.shape[i].name: place for place, i in enumerate(order)}
    nodes = sorted(profile.nodes, key=lambda node: place_of[node.name])
    pairs = sorted_pairs((_turned(pair, place_of) for pair in profile.pairs), place_of)
    changed = msgspec.structs.replace(profile, shape=tuple(shapes), nodes=tuple(nodes), pairs=pairs)
    return Canonical(changed, order, {short: lock for lock, short in names.items()})


def _turned(pair: PairTrial, place_of: dict[str, int]) -> PairTrial:
    """Let the first of a pair be the first in the order."""
    a, b = pair.nodes
    if place_of[a] < place_of[b]:
        return pair
    return msgspec.structs.replace(
        pair,
        nodes=(b, a),
        alone_s=pair.alone_s[::-1],
        together_s=pair.together_s[::-1],
        like=pair.like[::-1] if pair.like else None,
        native_threads=pair.native_threads[::-1],
    )
