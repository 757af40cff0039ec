"""What really happened, from starts and ends: the chain that decided the end, lanes, demand.

The critical path of a plan is a promise. After a run the chain is found again on the measured times::

    thread 0   [ a ]···[ d       ]          d waited for its input b, b for its thread,
    thread 1   [ c  ][ b ]                  c for nothing: the chain is c → b → d

From the node that ended last, step back to whatever ended last among what it may have waited for: its inputs,
the node before it on its thread, the node that held its lock.
"""

from __future__ import annotations

from bisect import bisect_right
from heapq import heappop, heappush
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Cause = Literal["start", "input", "lock", "thread"]

SAME_MOMENT_S = 1e-9
"""Ends and starts are sums of floats: less than this apart is the same moment."""


class Span(NamedTuple):
    """A node on a time axis."""

    name: str
    start_s: float
    end_s: float
    lane: int
    after: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()
    """What only one node holds at a time: locks, groups."""
    alone: bool = False
    """Runs beside nothing."""


class Step(NamedTuple):
    """A node of a critical chain, and why it started no earlier."""

    name: str
    cause: Cause
    waited_s: float
    """From the end of the step before (or the start of the run) to its own start."""


def critical_chain(spans: Sequence[Span]) -> tuple[Step, ...]:
    """Return the chain that decided the end, first node first.

    Ties go to the input, then to the lock, then to the thread. Costs O(n log n).

    >>> a, b = Span("a", 0.0, 1.0, 0), Span("b", 1.0, 3.0, 0, after=("a",))
    >>> [step.name for step in critical_chain([a, b])]
    ['a', 'b']
    """
    if not spans:
        return ()
    by_name = {span.name: i for i, span in enumerate(spans)}
    holders = _ends_by_key(spans)
    at = max(range(len(spans)), key=lambda i: (spans[i].end_s, i))
    chain: list[Step] = []
    seen = {at}
    while True:
        span = spans[at]
        found: tuple[float, int, int, Cause] | None = None
        inputs = [by_name[name] for name in span.after if name in by_name]
        candidates: list[tuple[int, Cause, int]] = [(i, "input", 3) for i in inputs]
        candidates.extend((i, "lock", 2) for i in _held_before(span, holders))
        before = _latest(holders.get(("thread", span.lane), ()), span.start_s)
        candidates.extend((i, "thread", 1) for i in before)
        for i, cause, weight in candidates:
            end = spans[i].end_s
            if (
                i not in seen
                and end <= span.start_s + SAME_MOMENT_S
                and (found is None or (end, weight) > found[:2])
            ):
                found = (end, weight, i, cause)
        if found is None:
            chain.append(Step(span.name, "start", max(0.0, span.start_s)))
            return tuple(reversed(chain))
        chain.append(Step(span.name, found[3], max(0.0, span.start_s - found[0])))
        at = found[2]
        seen.add(at)


_Ends = list[tuple[float, int]]


def _ends_by_key(spans: Sequence[Span]) -> dict[tuple[str, object], _Ends]:
    found: dict[tuple[str, object], _Ends] = {}
    for i, span in enumerate(spans):
        keys: list[tuple[str, object]] = [("thread", span.lane), ("all", None)]
        keys += [("lock", held) for held in span.holds]
        if span.alone:
            keys.append(("alone", None))
        for key in keys:
            found.setdefault(key, []).append((span.end_s, i))
    for ends in found.values():
        ends.sort()
    return found


def _held_before(span: Span, holders: Mapping[tuple[str, object], _Ends]) -> list[int]:
    keys: list[tuple[str, object]] = [("lock", held) for held in span.holds]
    keys.append(("all", None) if span.alone else ("alone", None))
    return [i for key in keys for i in _latest(holders.get(key, ()), span.start_s)]


def _latest(ends: Sequence[tuple[float, int]], start_s: float) -> list[int]:
    """Return what ended last before `start_s`, and the one before it: the node itself may be among them."""
    cut = bisect_right(ends, (start_s + SAME_MOMENT_S, len(ends) + 2**40))
    return [i for _, i in ends[max(0, cut - 2) : cut]]


def colour(times: Sequence[tuple[float, float]]) -> list[int]:
    """Give each interval a lane such that none overlap in a lane, with as few lanes as there can be.

    Interval graphs: by start, the lowest free lane.

    >>> colour([(0.0, 2.0), (1.0, 3.0), (2.0, 4.0)])
    [0, 1, 0]
    """
    lane = [0] * len(times)
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    used = 0
    for i in sorted(range(len(times)), key=lambda i: (*times[i], i)):
        start, end = times[i]
        while busy and busy[0][0] <= start + SAME_MOMENT_S:
            heappush(free, heappop(busy)[1])
        if free:
            lane[i] = heappop(free)
        else:
            lane[i] = used
            used += 1
        heappush(busy, (end, lane[i]))
    return lane


def fit_lanes(planned: Mapping[str, tuple[int, float]], actual: Mapping[str, int]) -> dict[int, int]:
    """Find rows for the plan's lanes, beside the threads that ran the same nodes.

    Lanes of a plan are interchangeable, and so are threads: the runtime dispatches by rank. Pairs with most
    planned seconds in common are matched first.

    Parameters
    ----------
    planned : mapping of name to (lane, seconds)
    actual : mapping of name to thread

    Returns
    -------
    dict of int to int
        The row in which each planned lane is drawn.
    """
    common: dict[tuple[int, int], float] = {}
    for name, (lane, duration_s) in planned.items():
        if name in actual:
            pair = (lane, actual[name])
            common[pair] = common.get(pair, 0.0) + duration_s
    row: dict[int, int] = {}
    taken: set[int] = set()
    for (lane, thread), _ in sorted(common.items(), key=lambda item: (-item[1], item[0])):
        if lane not in row and thread not in taken:
            row[lane] = thread
            taken.add(thread)
    left = iter(i for i in range(len(planned) + len(taken) + 1) if i not in taken)
    for lane in sorted({lane for lane, _ in planned.values()}):
        if lane not in row:
            row[lane] = next(left)
    return row


def stack(rates: Sequence[tuple[float, float, float]]) -> tuple[tuple[float, float], ...]:
    """Add up what runs at each moment: (start, end, rate) → steps (time, sum from there on).

    >>> stack([(0.0, 2.0, 1.0), (1.0, 2.0, 0.5)])
    ((0.0, 1.0), (1.0, 1.5), (2.0, 0.0))
    """
    change: dict[float, float] = {}
    for start, end, rate in rates:
        if rate > 0 and end > start:
            change[start] = change.get(start, 0.0) + rate
            change[end] = change.get(end, 0.0) - rate
    level, steps = 0.0, []
    for moment in sorted(change):
        if abs(change[moment]) > 1e-9:
            level += change[moment]
            steps.append((moment, max(0.0, round(level, 6))))
    return tuple(steps)


def coarse(steps: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """Average steps over `most` equal stretches of time when there are more; the area stays the same.

    >>> coarse([(0.0, 2.0), (1.0, 4.0), (2.0, 0.0)], 1)
    [(0.0, 3.0), (2.0, 0.0)]
    """
    if len(steps) <= most + 1:
        return list(steps)
    begin, end = steps[0][0], steps[-1][0]
    wide = (end - begin) / most
    area = [0.0] * most
    for (start, value), (until, _) in pairwise(steps):
        at = start
        cell = min(most - 1, int((start - begin) / wide))
        while at < until and cell < most:
            edge = until if cell == most - 1 else min(until, begin + (cell + 1) * wide)
            area[cell] += value * max(0.0, edge - at)
            at = max(at, edge)
            cell += 1
    return [*((begin + i * wide, round(part / wide, 6)) for i, part in enumerate(area)), (end, 0.0)]


def stretch_s(curves: Iterable[Sequence[tuple[float, float]]], most: int) -> float:
    """Return over how many seconds `coarse` averages, of the longest of some curves; 0: none is averaged.

    >>> steps = [(0.0, 2.0), (1.0, 4.0), (2.0, 0.0)]
    >>> stretch_s([steps], 1), stretch_s([steps], 2)
    (2.0, 0.0)
    """
    spans_s = [steps[-1][0] - steps[0][0] for steps in curves if len(steps) > most + 1]
    return max(spans_s, default=0.0) / most
