"""Lower bounds by contradiction: when nothing can end by time T, every schedule takes at least T + 1.

To assume an end gives each node a window, from its head to T − tail. Then

- of two nodes that exclude each other, one may be unable to go first: the other does, and windows shrink;
- within any interval [a, b) a node must do at least what is left when it is pushed out to the left, or to the
  right, as far as its window allows. When that is more than the resource can give, T is impossible
  (energetic reasoning: Fernandez & Bussell 1973; Baptiste, Le Pape & Nuijten 1999; as a bound, Klein & Scholl
  1999).

All resources, and those that follow from them, are packed into one integer, a field each: an interval is
checked for all of them at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan_optimizer.rigid.problem import Problem, Resource

_ROUNDS = 6
_STEPS = 40_000  # nodes looked at in one check: with many nodes fewer intervals are tried
_FINE = 4096  # the bound is searched to this fraction of itself


class Packed(NamedTuple):
    """Resources packed into integers: a field for each, with a guard bit above it."""

    demand: list[int]
    capacity: int
    guards: int


def packed(resources: Sequence[Resource], horizon: int, n: int) -> Packed:
    """Return resources as fields that are wide enough for all work until the horizon."""
    demand, total, guards, shift = [0] * n, 0, 0, 0
    for _, capacity, wanted in resources:
        width = (4 * capacity * (horizon + 1)).bit_length()
        for i, d in enumerate(wanted):
            if d:
                demand[i] |= d << shift
        total |= capacity << shift
        guards |= 1 << (shift + width)
        shift += width + 1
    return Packed(demand, total, guards)


def contradicted(
    problem: Problem,
    resources: Packed,
    pairs: Sequence[tuple[int, int]],
    heads: Sequence[int],
    tails: Sequence[int],
    end: int,
) -> bool:
    """Say whether no schedule ends by `end`; False when that could not be shown."""
    windows = _tightened(problem, pairs, list(heads), list(tails), end)
    return windows is None or _overloaded(problem.wall, resources, *windows, end)


def least_end(impossible: Callable[[int], bool], low: int, high: int, over: Callable[[], bool]) -> int:
    """Return a bound between `low`, which holds, and `high`, a makespan that is possible.

    >>> least_end(lambda end: end < 17, 10, 40, lambda: False)
    17
    """
    fine = max(1, low // _FINE)
    while low < high - fine and not over():
        middle = (low + high) // 2
        if impossible(middle):
            low = middle + 1
        else:
            high = middle
    # What is left is less than anyone can see, unless all of it goes and the schedule is proven.
    if low < high and not over() and impossible(high - 1):
        return high
    return low


def _tightened(
    problem: Problem, pairs: Sequence[tuple[int, int]], heads: list[int], tails: list[int], end: int
) -> tuple[list[int], list[int]] | None:
    """Return heads and tails after what follows from pairs; None when a pair cannot go either way."""
    wall, preds, succs = problem.wall, problem.preds, problem.succs
    if any(h + w + t > end for h, w, t in zip(heads, wall, tails, strict=True)):
        return None
    for _ in range(_ROUNDS):
        changed = False
        for i, j in pairs:
            both = wall[i] + wall[j]
            if heads[i] + both + tails[j] > end:
                if heads[j] + both + tails[i] > end:
                    return None
                first, second = j, i
            elif heads[j] + both + tails[i] > end:
                first, second = i, j
            else:
                continue
            if heads[first] + wall[first] > heads[second]:
                heads[second] = heads[first] + wall[first]
                changed = True
            if tails[second] + wall[second] > tails[first]:
                tails[first] = tails[second] + wall[second]
                changed = True
        if not changed:
            break
        for i in problem.order:
            for p in preds[i]:
                heads[i] = max(heads[i], heads[p] + wall[p])
        for i in reversed(problem.order):
            for s in succs[i]:
                tails[i] = max(tails[i], tails[s] + wall[s])
        if any(h + w + t > end for h, w, t in zip(heads, wall, tails, strict=True)):
            return None
    return heads, tails


def _overloaded(
    wall: Sequence[int], resources: Packed, heads: Sequence[int], tails: Sequence[int], end: int
) -> bool:
    """Say whether some interval must hold more work than a resource can give."""
    demand, capacity, guards = resources
    rows = [
        (heads[i], heads[i] + wall[i], end - tails[i] - wall[i], demand[i])
        for i in range(len(wall))
        if wall[i] and demand[i]
    ]
    begins = sorted({head for head, _, _, _ in rows} | {late for _, _, late, _ in rows})
    most = max(8, _STEPS // (len(rows) + 1))
    if len(begins) > most:
        begins = [begins[i * len(begins) // most] for i in range(most)]
    for a in begins:
        # From its latest start on (or from a), a node adds its demand, until its share is done.
        change: dict[int, int] = {}
        for head, early, late, wanted in rows:
            if early > a:
                since = late if late > a else a  # noqa: FURB136 (max takes twice as long)
                till = since + early - (head if head > a else a)  # noqa: FURB136
                change[since] = change.get(since, 0) + wanted
                change[till] = change.get(till, 0) - wanted
        room, slope, last = guards, capacity, a
        for b in sorted(change):
            room += slope * (b - last)
            if room & guards != guards:
                return True
            slope -= change[b]
            last = b
    return False
