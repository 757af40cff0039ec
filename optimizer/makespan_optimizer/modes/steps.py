"""Steps from one state of clusters to a neighbour: grow, shrink, merge, split, drop, again, move.

Each takes a state and returns a list of parts, not yet checked; an empty one when the step leads nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan_optimizer.modes.cuts import Part, bits
from makespan_optimizer.modes.exact import normal

if TYPE_CHECKING:
    import random

    from makespan_optimizer.modes.cuts import Cuts

_MOVES = ("grow", "grow", "grow", "shrink", "shrink", "merge", "split", "drop", "again", "worker")
_NEW = 0.1  # how often a part is added


def step(
    cuts: Cuts, state: tuple[Part, ...], usable: int, workers: int, source: random.Random
) -> tuple[Part, ...] | None:
    """Return a neighbour of a state at random, or None when the step drawn leads nowhere."""
    taken = 0
    for part in state:
        taken |= part.members
    free = list(bits(usable & ~taken))
    if not state or source.random() < _NEW:
        if not free:
            return None
        return normal(cuts, (*state, Part(1 << source.choice(free), 0, source.randrange(workers))))
    k = source.randrange(len(state))
    move = source.choice(_MOVES)
    parts = list(state)
    if move == "grow":
        moved = _grow(cuts, parts, k, usable, source)
    elif move == "shrink":
        moved = _shrink(cuts, parts, k, source)
    elif move == "merge":
        moved = _merge(cuts, parts, k, source)
    elif move == "split":
        moved = _split(cuts, parts, k, workers, source)
    elif move == "again":
        moved = _again(cuts, parts, k, source)
    elif move == "worker":
        parts[k] = parts[k]._replace(worker=source.randrange(workers))
        moved = True
    else:
        del parts[k]
        moved = True
    return normal(cuts, tuple(parts)) if moved else None


def _grow(cuts: Cuts, parts: list[Part], k: int, usable: int, source: random.Random) -> bool:
    """Take a node beside the part, and what lies between; from other parts too."""
    part = parts[k]
    near = 0
    for i in bits(part.members):
        near |= cuts.beside(i)
    some = list(bits(near & usable & ~part.members))
    if not some:
        return False
    members = cuts.closure(part.members | 1 << source.choice(some))
    for j, other in enumerate(parts):
        parts[j] = other._replace(members=other.members & ~members)
    parts[k] = part._replace(members=members)
    return True


def _shrink(cuts: Cuts, parts: list[Part], k: int, source: random.Random) -> bool:
    """Leave out a node that nothing in the part comes before, or after."""
    members = parts[k].members
    edge = [i for i in bits(members) if not cuts.before[i] & members or not cuts.after[i] & members]
    parts[k] = parts[k]._replace(members=members & ~(1 << source.choice(edge)))
    return True


def _merge(cuts: Cuts, parts: list[Part], k: int, source: random.Random) -> bool:
    j = source.randrange(len(parts))
    if j == k:
        return False
    members = cuts.closure(parts[k].members | parts[j].members)
    parts[k] = Part(members, parts[k].again | parts[j].again, parts[k].worker)
    del parts[j]
    return True


def _split(cuts: Cuts, parts: list[Part], k: int, workers: int, source: random.Random) -> bool:
    """Cut a topological order in two: both halves of a convex set are convex."""
    order = cuts.sorted(parts[k].members)
    if len(order) < 2:
        return False
    at = source.randrange(1, len(order))
    first, second = sum(1 << i for i in order[:at]), sum(1 << i for i in order[at:])
    parts.append(Part(second, parts[k].again, source.randrange(workers)))
    parts[k] = parts[k]._replace(members=first)
    return True


def _again(cuts: Cuts, parts: list[Part], k: int, source: random.Random) -> bool:
    some = [p for p in cuts.feeds(parts[k].members) if cuts.sources >> p & 1]
    if not some:
        return False
    parts[k] = parts[k]._replace(again=parts[k].again ^ 1 << source.choice(some))
    return True
