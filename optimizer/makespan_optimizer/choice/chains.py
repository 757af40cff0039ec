"""Fused chains: nodes that one worker runs back to back, because handing over costs more than it can win.

::

    a ─ b ─ c ─┬─ d        a, b, c is a chain: each has one successor, which has one predecessor
               └─ e

Between two nodes of a chain nothing can be won by another worker, only by another node that is more urgent at
that moment; what is lost is a hand-over of some ten microseconds and, beside a thread that holds the GIL, up
to a switch interval. So where one of the two is so short that the hand-over counts, they are fused, if the
simulator says that running them back to back costs nothing.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan_optimizer.instance import Instance
    from makespan_optimizer.schedule import Groups
    from makespan_optimizer.simulate import Schedule

HAND_OFF_S = 30e-6  # where the instance does not know it
COUNTS = 0.02  # a hand-over of this share of the shorter node counts
_SAME = 1e-9
_TRIED = 10  # chains that are tried one by one when not all go together
_WORK = 50_000  # nodes to simulate for these
_LARGE = 20_000  # nodes: beyond, only what runs back to back anyway is fused


class Fused(NamedTuple):
    """An order in which the nodes of each chain follow each other, and the chains."""

    ranks: Sequence[int]
    schedule: Schedule
    chains: tuple[tuple[int, ...], ...]


def candidates(instance: Instance) -> list[tuple[int, ...]]:
    """Return the maximal chains of which each link joins nodes worth fusing, by their first node.

    >>> from makespan.structure import build
    >>> from makespan_optimizer.instance import instance_from
    >>> candidates(instance_from(build("abcd", ["", "a", "b", "b"]), [5, 5, 5, 5]))
    [(0, 1)]
    """
    s, wall = instance.structure, instance.wall
    hand_off = instance.hand_off or HAND_OFF_S / instance.tick_s
    longest = hand_off / COUNTS
    after: dict[int, int] = {}
    for i, succs in enumerate(s.succs):
        if len(succs) != 1:
            continue
        j = succs[0]
        if len(s.preds[j]) != 1 or s.exclusive[i] or s.exclusive[j] or s.locks[i] != s.locks[j]:
            continue
        if min(wall[i], wall[j]) <= longest:
            after[i] = j
    inner = set(after.values())
    found = []
    for i in sorted(after.keys() - inner):
        chain = [i]
        while chain[-1] in after:
            chain.append(after[chain[-1]])
        found.append(tuple(chain))
    return found


def fuse(
    instance: Instance,
    ranks: Sequence[int],
    groups: Groups,
    schedule: Schedule,
    worsens: Callable[[Sequence[int]], Schedule | None],
) -> Fused:
    """Return the chains that cost nothing, and the order in which their nodes follow each other.

    Parameters
    ----------
    schedule : Schedule
        Of these ranks.
    worsens : callable
        From ranks to their schedule; None when it takes longer than the plan.
    """
    wanted = candidates(instance)
    held = {i for nodes, _ in groups for i in nodes}
    wanted = [chain for chain in wanted if held.isdisjoint(chain)]
    best = Fused(ranks, schedule, tuple(chain for chain in wanted if back_to_back(schedule, chain)))
    if len(best.chains) == len(wanted) or len(instance) > _LARGE:
        return best
    whole = _followed(instance, best, wanted, worsens)
    if whole is not None and len(whole.chains) > len(best.chains):
        best = whole
    tried = min(_TRIED, _WORK // len(instance))
    for chain in [chain for chain in wanted if chain not in best.chains][:tried]:
        more = _followed(instance, best, [*best.chains, chain], worsens)
        if more is not None and len(more.chains) > len(best.chains):
            best = more
    return best


def back_to_back(schedule: Schedule, chain: Sequence[int]) -> bool:
    """Say whether each node of a chain starts when the one before it ends."""
    start, finish = schedule.start, schedule.finish
    return all(start[b] - finish[a] <= _SAME * schedule.makespan for a, b in pairwise(chain))


def consecutive(ranks: Sequence[int], chains: Sequence[Sequence[int]]) -> list[int]:
    """Rank the nodes of each chain right after its first node; else the order stays.

    >>> consecutive([0, 1, 2, 3], [(0, 3)])
    [0, 2, 3, 1]
    """
    order = sorted(range(len(ranks)), key=ranks.__getitem__)
    rest = {chain[0]: chain[1:] for chain in chains}
    moved = {i for chain in chains for i in chain[1:]}
    found = [0] * len(ranks)
    rank = 0
    for i in order:
        if i in moved:
            continue
        for j in (i, *rest.get(i, ())):
            found[j] = rank
            rank += 1
    return found


def _followed(
    instance: Instance,
    best: Fused,
    chains: Sequence[tuple[int, ...]],
    worsens: Callable[[Sequence[int]], Schedule | None],
) -> Fused | None:
    ranks = instance.pinned(consecutive(best.ranks, chains))
    schedule = worsens(ranks)
    if schedule is None:
        return None
    return Fused(ranks, schedule, tuple(chain for chain in chains if back_to_back(schedule, chain)))
