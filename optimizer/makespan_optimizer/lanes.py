"""Which worker each node is drawn on, how much slack it has, and what held it back.

*Lanes* colour the intervals of a schedule: a node takes the lane that became free last before it starts (in
the executor the worker that has just become free takes the next node), a new one if there is none. Greedy
colouring in order of the starts needs no more lanes than nodes overlap.

*Hand-overs* are the orders that the schedule adds to the DAG's edges: the next node of a lane, of a lock or
group of limit 1, and before and after an exclusive node. *Slack* is how much later a node could start, with
all durations and hand-overs as planned, without moving the end. A node without slack is *critical*: it lies
on a chain of edges and hand-overs that reaches to the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from makespan.structure import Structure
    from makespan_optimizer.simulate import Schedule

# Relative to the makespan: less slack than this is none.
_NONE = 1e-9


def lanes_of(schedule: Schedule) -> list[int]:
    """Return the lane of each node, 0 first.

    >>> from makespan_optimizer.simulate import Schedule
    >>> lanes_of(Schedule([0.0, 0.0, 2.0], [2.0, 3.0, 4.0], [0, 1, 2], 4.0))
    [0, 1, 0]
    """
    lanes = [0] * len(schedule.start)
    free_at: list[float] = []
    for i in schedule.order:
        start = schedule.start[i]
        fit = [(-free, lane) for lane, free in enumerate(free_at) if free <= start]
        if fit:
            lane = min(fit)[1]
        else:
            lane = len(free_at)
            free_at.append(0.0)
        lanes[i] = lane
        free_at[lane] = schedule.finish[i]
    return lanes


def hand_overs(
    structure: Structure,
    schedule: Schedule,
    lanes: list[int],
    groups: Iterable[tuple[Iterable[int], int]] = (),
) -> list[list[int]]:
    """Return for each node those that the schedule starts after it in its lane, lock or group."""
    after: list[list[int]] = [[] for _ in lanes]
    keys: list[list[object]] = [[lane] for lane in lanes]
    for i, some in enumerate(structure.locks):
        keys[i].extend(some)
    for number, (nodes, limit) in enumerate(groups):
        if limit == 1:
            for i in nodes:
                keys[i].append(("group", number))
    last: dict[object, int] = {}
    since: list[int] = []  # nodes that started after the last exclusive one
    alone: int | None = None
    for i in schedule.order:
        for key in keys[i]:
            if key in last:
                after[last[key]].append(i)
            last[key] = i
        if structure.exclusive[i]:
            for j in since if since or alone is None else [alone]:
                after[j].append(i)
            since, alone = [], i
        else:
            if alone is not None:
                after[alone].append(i)
            since.append(i)
    return after


def slacks(structure: Structure, schedule: Schedule, after: list[list[int]]) -> list[float]:
    """Return how much later each node could start without moving the end; unit of the schedule.

    Parameters
    ----------
    after : list of lists of int, shape (n, *)
        From `hand_overs`.
    """
    latest = [0.0] * len(schedule.start)
    # In order of the starts every edge and hand-over points forward.
    for i in reversed(schedule.order):
        end = min(
            (latest[j] for some in (structure.succs[i], after[i]) for j in some), default=schedule.makespan
        )
        latest[i] = end - (schedule.finish[i] - schedule.start[i])
    none = _NONE * schedule.makespan
    found = [late - start for late, start in zip(latest, schedule.start, strict=True)]
    return [slack if slack > none else 0.0 for slack in found]
