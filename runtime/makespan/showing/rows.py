"""Which row of the Gantt each node lies in, and what the rows are called.

A row is a thread as long as there are no more of them than the budget (and the calling thread, which may
stand beside its helpers); nodes of worker processes have rows of their own, and the thread that waited for
one is marked as waiting::

    caller     [ a ]      [ gui ]
    thread 1   [ b    ]┄┄┄┄┄┄┄┄┄┄[ d ]      ┄ waits for c
    process 1          [ c      ]

With more threads than that (helpers that take the places of stuck ones), and in a plan, rows are places in
the budget: as few as hold all nodes without an overlap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from makespan.showing.observed import colour, fit_lanes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from makespan.plan import Plan
    from makespan.record import RunNode, RunRecord
    from makespan.showing.shapes import LaneKind

OVERLAP_SHARE = 0.01
"""Of the shorter of two nodes: clocks that are read one after the other may be off by this."""
UNUSED = "unused lane"


class RowName(NamedTuple):
    """What a row is called, and what it is."""

    name: str
    kind: LaneKind


class Rows(NamedTuple):
    """Rows of a run and its plan."""

    names: tuple[RowName, ...]
    row: Mapping[str, int]
    """Of each node that ran."""
    place: Mapping[str, int]
    """Its thread (or its place in the budget): what it had to wait for, whichever row it is drawn in."""
    planned: Mapping[str, int]
    """Of each node of the plan."""
    waits_in: Mapping[str, int]
    """Of nodes in worker processes: the row of the thread that waited."""


def rows_of(record: RunRecord, drawn: Sequence[RunNode]) -> Rows:
    """Return the rows of a run, and of its plan beside it."""
    place = {node.name: node.thread for node in drawn}
    inside = [node for node in drawn if node.process is not None]
    outside = [node for node in drawn if node.process is None]
    threads = set(place.values())
    most = record.threads + (0 in threads)
    real = not threads or (min(threads) >= 0 and len(threads) <= most)
    if not real:
        lanes = colour([(node.start_s, node.end_s) for node in drawn])
        place = {node.name: lane for node, lane in zip(drawn, lanes, strict=True)}
    names: list[RowName] = []
    row: dict[str, int] = {}
    row_of_place: dict[int, int] = {}
    for number in sorted({place[node.name] for node in outside}):
        row_of_place[number] = len(names)
        its = [node for node in outside if place[node.name] == number]
        name = RowName(f"lane {number}", "thread")
        if real:
            name = RowName("caller", "caller") if number == 0 else RowName(f"thread {number}", "thread")
        _apart(its, name, names, row)
    own = {name: row[name] for name in row}
    lanes_of_plan = _lanes(record.plan) if record.plan else ({}, {})
    planned = _fitted(
        lanes_of_plan[0], own, names, lambda k: RowName(UNUSED if row else f"lane {k}", "thread")
    )
    first = len(names)
    for number in sorted({node.process for node in inside if node.process is not None}):
        its = [node for node in inside if node.process == number]
        _apart(its, RowName(f"process {number + 1}", "process"), names, row)
    theirs = {node.name: row[node.name] - first for node in inside}
    processes = names[first:]
    far = _fitted(lanes_of_plan[1], theirs, processes, lambda k: RowName(f"process {k + 1}", "process"))
    names[first:] = processes
    planned |= {name: first + k for name, k in far.items()}
    waits_in = {
        node.name: row_of_place[place[node.name]] for node in inside if place[node.name] in row_of_place
    }
    return Rows(tuple(names), row, place, planned, waits_in)


def rows_of_plan(plan: Plan) -> Rows:
    """Return the rows of a plan that has not run."""
    near, far = _lanes(plan)
    names = [RowName(f"lane {lane}", "thread") for lane in sorted({lane for lane, _ in near.values()})]
    number = {lane: i for i, lane in enumerate(sorted({lane for lane, _ in near.values()}))}
    planned = {name: number[lane] for name, (lane, _) in near.items()}
    first = len(names)
    workers = sorted({worker for worker, _ in far.values()})
    names += [RowName(f"process {worker + 1}", "process") for worker in workers]
    planned |= {name: first + workers.index(worker) for name, (worker, _) in far.items()}
    return Rows(tuple(names), {}, {}, planned, {})


def _apart(its: Sequence[RunNode], name: RowName, names: list[RowName], row: dict[str, int]) -> None:
    """Give the nodes of one thread or process a row; where they overlap, as many as it takes."""
    lanes = colour([(node.start_s, node.end_s) for node in its])
    count = max(lanes, default=0) + 1
    for node, lane in zip(its, lanes, strict=True):
        row[node.name] = len(names) + lane
    if count == 1:
        names.append(name)
        return
    kind: LaneKind = "loop" if name.kind != "process" and _overlaps(its) else name.kind
    names += [RowName(f"{name.name}, {k + 1} of {count}", kind) for k in range(count)]


def _overlaps(its: Iterable[RunNode]) -> bool:
    """Say whether nodes of one thread overlap by more than clocks are off: only a loop can do that."""
    until_s, shorter_s = 0.0, 0.0
    for node in sorted(its, key=lambda node: (node.start_s, node.end_s)):
        duration_s = node.end_s - node.start_s
        common_s = min(until_s, node.end_s) - node.start_s
        if common_s > OVERLAP_SHARE * min(duration_s, shorter_s) and common_s > 0:
            return True
        if node.end_s > until_s:
            until_s, shorter_s = node.end_s, duration_s
    return False


Lanes = dict[str, tuple[int, float]]


def _lanes(plan: Plan) -> tuple[Lanes, Lanes]:
    """Return lane and seconds of the nodes that a plan has in threads, and of those in worker processes."""
    worker = {name: cluster.worker for cluster in plan.clusters for name in cluster.nodes}
    far = [node for node in plan.nodes if node.mode == "process" or node.name in worker]
    if any(node.name not in worker for node in far):
        lanes = colour([(node.start_s, node.start_s + node.duration_s) for node in far])
        worker = {node.name: lane for node, lane in zip(far, lanes, strict=True)}
    inside = {node.name for node in far}
    return (
        {node.name: (node.lane, node.duration_s) for node in plan.nodes if node.name not in inside},
        {node.name: (worker[node.name], node.duration_s) for node in far},
    )


def _fitted(
    lanes: Lanes, rows: Mapping[str, int], names: list[RowName], called: Callable[[int], RowName]
) -> dict[str, int]:
    """Return the row of each planned node beside those that ran, adding rows where it takes more."""
    fitted = fit_lanes(lanes, rows)
    names += [called(k) for k in range(len(names), max(fitted.values(), default=-1) + 1)]
    return {name: fitted[lane] for name, (lane, _) in lanes.items()}
