"""Clusters contracted: a profile in which each set of nodes that shares a worker is one node.

Its duration is what it takes from end to end: pickling, the pipe, its nodes one after the other, and back. In
this process it holds the GIL only to pickle and unpickle; what its nodes compute is CPU time of a child. The
worker's own GIL is never waited for: one node runs there at a time. Parts of one worker share a lock.

A node that is declared to run in a worker process, and is in no cluster, is there by itself: it keeps its
name and place, and takes what it takes from end to end. There are enough workers for these.
"""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from makespan.measurement import Call, NodeProfile, Quality, Spread
from makespan.profile import Shape
from makespan_optimizer.modes.crowded import with_crowding
from makespan_optimizer.modes.cuts import Crossing, Cuts, Part, bits
from makespan_optimizer.modes.process import HAND_OVER_S, START_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.profile import Profile


class Contracted(NamedTuple):
    """A profile with clusters contracted.

    Attributes
    ----------
    profile : Profile
    names : tuple of str, shape (parts,)
        The node that stands for each part.
    locks : tuple of str, shape (parts,)
        The lock that stands for its worker; empty when no other part has it.
    """

    profile: Profile
    names: tuple[str, ...]
    locks: tuple[str, ...]


def contract(cuts: Cuts, parts: Sequence[Part], *, calls: bool = True) -> Contracted:
    """Return the profile with each part as one node, in the place of its first node by declaration.

    Parameters
    ----------
    cuts : Cuts
    parts : sequence of Part
        Allowed together (`Cuts.allowed`).
    calls : bool
        Join the single calls of the members too; only scenarios need them.
    """
    profile = cuts.profile
    if not parts and not cuts.declared:
        return Contracted(profile, (), ())
    names = cuts.structure.names
    fresh = _fresh(set(names), "cluster", len(parts))
    known_locks = {lock for some in cuts.structure.locks for lock in some}
    workers = [part.worker for part in parts]
    worker_locks = _fresh(known_locks, "worker", max(workers, default=-1) + 1)
    locks = tuple(worker_locks[w] if workers.count(w) > 1 else "" for w in workers)
    owner: dict[int, int] = {}
    for k, part in enumerate(parts):
        for i in bits(part.members):
            owner[i] = k

    def stands(i: int) -> str:
        return fresh[owner[i]] if i in owner else names[i]

    shapes: list[Shape] = []
    nodes: list[NodeProfile] = []
    for i, shape in enumerate(profile.shape):
        k = owner.get(i, -1)
        if k < 0:
            after = tuple(dict.fromkeys(stands(p) for p in cuts.structure.preds[i]))
            moved = any(p in owner for p in cuts.structure.preds[i])
            apart = bool(cuts.declared >> i & 1)
            if moved or apart:
                shape = msgspec.structs.replace(shape, after=after, process=False)  # noqa: PLW2901
            shapes.append(shape)
            nodes.append(_by_itself(cuts, i, calls=calls) if apart else cuts.nodes[i])
            continue
        part = parts[k]
        if i == (part.members & -part.members).bit_length() - 1:
            after = tuple(stands(p) for p in cuts.feeds(part.members) if not part.again >> p & 1)
            held = {lock for j in bits(part.members) for lock in cuts.structure.locks[j]}
            if locks[k]:
                held.add(locks[k])
            shapes.append(Shape(name=fresh[k], after=tuple(dict.fromkeys(after)), locks=tuple(sorted(held))))
            nodes.append(joined(cuts, part, fresh[k], calls=calls))
    kept = {names[i] for i in range(len(names)) if i not in owner and not cuts.declared >> i & 1}
    changed = msgspec.structs.replace(
        with_crowding(profile),
        shape=tuple(shapes),
        nodes=tuple(nodes),
        pairs=tuple(pair for pair in profile.pairs if kept.issuperset(pair.nodes)),
    )
    return Contracted(changed, tuple(fresh), locks)


def as_declared(profile: Profile) -> Profile:
    """Return a profile in which nodes that are declared to run in worker processes do; they keep their names.

    It is as it was where none is, or where a node was not measured.
    """
    if not any(shape.process for shape in profile.shape) or len(profile.nodes) < len(profile.shape):
        return profile
    return contract(Cuts(profile), ()).profile


def joined(cuts: Cuts, part: Part, name: str, *, calls: bool = True) -> NodeProfile:
    """Return the one node that a part is, as if measured in this process."""
    members = [cuts.nodes[i] for i in (*cuts.sorted(part.again), *cuts.sorted(part.members))]
    crossing = cuts.crossing(part.members, part.again)
    return _joined(cuts, members, crossing, name, start_s=_start_s(cuts, part), calls=calls)


def _start_s(cuts: Cuts, part: Part) -> float:
    """Return how long a first call waits for its worker, which starts when the run does."""
    feeds = (p for p in cuts.feeds(part.members) if not part.again >> p & 1)
    ready_s = max((cuts.heads_s[p] + cuts.nodes[p].wall_net_s.median for p in feeds), default=0.0)
    return max(0.0, START_S - ready_s)


def _by_itself(cuts: Cuts, i: int, *, calls: bool) -> NodeProfile:
    known = cuts.by_itself.get((i, calls))
    if known is None:
        node = cuts.nodes[i]
        known = _joined(
            cuts,
            [node],
            cuts.known_crossing(i)[0],
            node.name,
            start_s=_start_s(cuts, Part(1 << i)),
            calls=calls,
        )
        cuts.by_itself[i, calls] = known
    return known


def _joined(
    cuts: Cuts, members: Sequence[NodeProfile], crossing: Crossing, name: str, *, start_s: float, calls: bool
) -> NodeProfile:
    inputs, outputs = crossing.inputs, crossing.outputs
    beside_s = beside(crossing)
    gil_s = inputs.pickle_s + outputs.unpickle_s
    wall_s = beside_s + math.fsum(node.wall_net_s.median for node in members)
    worker_s = (
        inputs.pipe_s
        + outputs.pipe_s
        + inputs.unpickle_s
        + outputs.pickle_s
        + math.fsum(max(node.gil_s, node.cpu_s) + node.other_cpu_s for node in members)
    )
    # Shares are rounded to hundredths later: upwards, so that no work is lost and bounds stay bounds.
    share = math.ceil(round(100 * (gil_s + worker_s) / wall_s, 6)) / 100 if wall_s else 0.0
    other_s = share * wall_s - gil_s
    first = [node.wall_net_s.median if node.first_s is None else node.first_s for node in members]
    bursts = [x for x in (inputs.pickle_s, outputs.unpickle_s) if x]
    return NodeProfile(
        name=name,
        runs=min(node.runs for node in members),
        wall_net_s=_spread(members, wall_s, beside_s),
        cpu_s=gil_s,
        gil_s=gil_s,
        native_s=max(0.0, other_s),
        blocked_s={"child": max(0.0, wall_s - gil_s)},
        first_s=math.fsum(first) + beside_s + start_s,
        other_cpu_s=max(0.0, other_s),
        gil_retakes=2,
        gil_burst_max_s=max(bursts, default=0.0),
        kind="io",
        quality=Quality(
            cv=max(node.quality.cv for node in members),
            samples=min(node.quality.samples for node in members),
            gil_share_half_width=0.0,
        ),
        calls=_calls(cuts.profile, members, beside_s) if calls else (),
    )


def beside(crossing: Crossing) -> float:
    """Return the seconds that a part takes beside its nodes."""
    return HAND_OVER_S + crossing.inputs.total_s + crossing.outputs.total_s


def _spread(members: Sequence[NodeProfile], wall_s: float, beside_s: float) -> Spread:
    """Return the spread of a sum: samples of the same calls are added, percentiles as if they coincided."""
    spreads = [node.wall_net_s for node in members]
    count = len(spreads[0].samples)
    if all(len(its.samples) == count for its in spreads):
        rows = zip(*(its.samples for its in spreads), strict=True)
        samples = tuple(math.fsum(row) + beside_s for row in rows)
    else:  # of different numbers of calls: one that has the mean
        samples = (beside_s + math.fsum(fmean(its.samples or (its.median,)) for its in spreads),)
    return Spread(
        wall_s,
        math.fsum(its.p10 for its in spreads) + beside_s,
        math.fsum(its.p90 for its in spreads) + beside_s,
        samples,
    )


def _calls(profile: Profile, members: Sequence[NodeProfile], beside_s: float) -> tuple[Call, ...]:
    """Join the calls of one run, the latest with the latest, so that scenarios stay whole rows."""
    found = []
    for run in profile.runs:
        rows = [[call for call in node.calls if call.run == run.id] for node in members]
        for k in range(-min(map(len, rows)), 0):
            its = [row[k] for row in rows]
            seconds = math.fsum(max(0.0, call.wall_s - call.run_delay_s) for call in its) + beside_s
            found.append(Call(run.id, seconds, 0.0, inputs=its[0].inputs))
    return tuple(found)


def _fresh(taken: set[str], word: str, count: int) -> list[str]:
    """Return names that no node has.

    >>> _fresh({"cluster 0"}, "cluster", 2)
    ['cluster 0 ', 'cluster 1']
    """
    found = []
    for k in range(count):
        name = f"{word} {k}"
        while name in taken:
            name += " "
        found.append(name)
    return found
