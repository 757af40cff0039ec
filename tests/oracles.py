"""Brute force, written without any of the code that it judges.

>>> best_order([2, 3, 2], [[], [], []], budget=2), best_schedule([2, 3, 2], [[], [], []], budget=2)
(4, 4)
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def best_order(
    wall: Sequence[int],
    preds: Sequence[Sequence[int]],
    budget: int,
    locks: Sequence[Sequence[str]] = (),
    exclusive: Sequence[bool] = (),
) -> int:
    """Return the least makespan of any rank order under work-conserving dispatch, n ≤ 8."""
    return min(dispatched(wall, preds, budget, order, locks, exclusive) for order in topological(preds))


def best_schedule(
    wall: Sequence[int],
    preds: Sequence[Sequence[int]],
    budget: int,
    locks: Sequence[Sequence[str]] = (),
    exclusive: Sequence[bool] = (),
) -> int:
    """Return the least makespan of any schedule at all, idling included, n ≤ 7.

    Some optimal schedule is active, and each active schedule is made by putting the nodes, in some order, at
    their earliest feasible time.
    """
    return min(_placed(wall, preds, budget, order, locks, exclusive) for order in topological(preds))


def topological(preds: Sequence[Sequence[int]]) -> Iterator[tuple[int, ...]]:
    """Yield every topological order."""
    for order in permutations(range(len(preds))):
        place = {i: k for k, i in enumerate(order)}
        if all(place[p] < place[i] for i in range(len(preds)) for p in preds[i]):
            yield order


def dispatched(
    wall: Sequence[int],
    preds: Sequence[Sequence[int]],
    budget: int,
    order: Sequence[int],
    locks: Sequence[Sequence[str]] = (),
    exclusive: Sequence[bool] = (),
) -> int:
    """Return the makespan when, at each moment, the first permitted node of `order` starts."""
    n = len(wall)
    held = [frozenset(locks[i]) if locks else frozenset() for i in range(n)]
    alone = [bool(exclusive[i]) if exclusive else False for i in range(n)]
    done: set[int] = set()
    running: list[tuple[int, int, int]] = []  # (end, start number, node)
    started: list[int] = []
    now = 0
    while len(done) < n:
        progress = True
        while progress and len(running) < budget and not any(alone[i] for *_, i in running):
            progress = False
            for i in order:
                if i in started or any(p not in done for p in preds[i]):
                    continue
                if alone[i] and running:
                    break  # the others drain first
                if any(held[i] & held[j] for *_, j in running):
                    continue
                running.append((now + wall[i], len(started), i))
                started.append(i)
                progress = True
                break
        running.sort()
        now, _, i = running.pop(0)
        done.add(i)
    return now


def _placed(
    wall: Sequence[int],
    preds: Sequence[Sequence[int]],
    budget: int,
    order: Sequence[int],
    locks: Sequence[Sequence[str]],
    exclusive: Sequence[bool],
) -> int:
    placed: dict[int, tuple[int, int]] = {}

    def clash(i: int, j: int) -> bool:
        return bool(
            (locks and set(locks[i]) & set(locks[j])) or (exclusive and (exclusive[i] or exclusive[j]))
        )

    def fits(i: int, start: int) -> bool:
        end = start + wall[i]
        beside = [j for j, (s, e) in placed.items() if s < end and e > start]
        if any(clash(i, j) for j in beside):
            return False
        # The most nodes at once is reached where something starts.
        moments = [start, *(placed[j][0] for j in beside if placed[j][0] >= start)]
        return all(sum(placed[j][0] <= t < placed[j][1] for j in beside) < budget for t in moments)

    for i in order:
        earliest = max((placed[p][1] for p in preds[i]), default=0)
        times = sorted({earliest, *(end for _, end in placed.values() if end > earliest)})
        start = next(t for t in times if fits(i, t)) if wall[i] else earliest
        placed[i] = (start, start + wall[i])
    return max((end for _, end in placed.values()), default=0)
