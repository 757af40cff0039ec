"""Every way to cut a DAG into clusters, for DAGs that have few; and every single cluster, for larger ones.

Nodes go, in topological order, to a thread, to a part that exists or to a new one (restricted growth, so that
no way comes twice); then the parts are dealt to workers in the same manner, and for each part every set of
sources that could run again is tried. What is not convex, does not hang together or has a cycle is left out.
"""

from __future__ import annotations

from itertools import islice, product
from typing import TYPE_CHECKING

from makespan_optimizer.modes.cuts import Part, bits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from makespan_optimizer.modes.cuts import Cuts

_MOST_AGAIN = 4  # sources of one part: all subsets of so many
_LEAVES = 10  # so many partitions are looked at for each state that is wanted


def every_state(
    cuts: Cuts, workers: int, usable: int, given: int, most: int
) -> list[tuple[Part, ...]] | None:
    """Return all states that are allowed, the one without parts first; None when there are more than `most`.

    Parameters
    ----------
    cuts : Cuts
    workers : int
        How many worker processes there are.
    usable, given : sets of bits
        Nodes that may be in a part, and those that have to be.
    """
    if 1 << (usable & ~given).bit_count() > most * _LEAVES:
        return None
    found: list[tuple[Part, ...]] = []
    leaves = list(islice(_partitions(cuts, cuts.sorted(usable), 0, (), given), most * _LEAVES + 1))
    if len(leaves) > most * _LEAVES:
        return None
    for members in leaves:
        if not all(map(cuts.connected, members)):
            continue
        for dealt in _growth(len(members), workers):
            for again in product(*(_subsets(cuts, some) for some in members)):
                rows = zip(members, again, dealt, strict=True)
                state = normal(cuts, tuple(Part(*row) for row in rows))
                if not cuts.allowed(state):
                    found.append(state)
                    if len(found) > most:
                        return None
    return list(dict.fromkeys(found))


def every_part(cuts: Cuts, usable: int, most: int) -> list[int]:
    """Return the convex sets that hang together, small ones first, up to `most`."""
    found: dict[int, None] = {1 << i: None for i in bits(usable)}
    todo = list(found)
    for members in todo:  # it grows meanwhile
        near = 0
        for i in bits(members):
            near |= cuts.beside(i)
        for i in bits(near & usable & ~members):
            larger = cuts.closure(members | 1 << i)
            if larger not in found and not larger & ~usable:
                if len(found) >= most:
                    return list(found)
                found[larger] = None
                todo.append(larger)
    return list(found)


def normal(cuts: Cuts, state: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return the one form of a state: no empty part, no source that no node takes, workers from 0 up."""
    kept = []
    for part in state:
        if part.members:
            feeds = sum(1 << p for p in cuts.feeds(part.members))
            kept.append(part._replace(again=part.again & feeds & cuts.sources))
    kept.sort(key=lambda part: part.members & -part.members)
    number: dict[int, int] = {}
    for part in kept:
        number.setdefault(part.worker, len(number))
    return tuple(part._replace(worker=number[part.worker]) for part in kept)


def _partitions(
    cuts: Cuts, order: list[int], at: int, parts: tuple[int, ...], given: int
) -> Iterator[tuple[int, ...]]:
    if at == len(order):
        yield parts
        return
    bit = 1 << order[at]
    if not bit & given:
        yield from _partitions(cuts, order, at + 1, parts, given)
    for k, some in enumerate(parts):
        members = some | bit
        if cuts.convex(members):  # what lies between comes before in the order: it is decided already
            yield from _partitions(cuts, order, at + 1, (*parts[:k], members, *parts[k + 1 :]), given)
    yield from _partitions(cuts, order, at + 1, (*parts, bit), given)


def _growth(parts: int, workers: int) -> Iterator[tuple[int, ...]]:
    """Yield all ways to deal parts to workers that are alike."""

    def deal(dealt: tuple[int, ...], used: int) -> Iterator[tuple[int, ...]]:
        if len(dealt) == parts:
            yield dealt
            return
        for worker in range(min(used + 1, workers)):
            yield from deal((*dealt, worker), max(used, worker + 1))

    yield from deal((), 0)


def _subsets(cuts: Cuts, members: int) -> list[int]:
    """Return the sets of sources that a part could run again; of many, none or all."""
    some = [p for p in cuts.feeds(members) if cuts.sources >> p & 1]
    if len(some) > _MOST_AGAIN:
        return [0, sum(1 << p for p in some)]
    return [sum(1 << p for k, p in enumerate(some) if pick >> k & 1) for pick in range(1 << len(some))]
