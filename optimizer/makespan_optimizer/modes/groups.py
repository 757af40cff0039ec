"""Where to begin with groups: Python nodes joined along edges that are dear to cut, dealt to workers whole.

Steps from single nodes seldom get this far: half a group in a worker costs more than it gains, for its
dearest edges are then cut. How dear is too dear depends on the DAG, so groups are made at several levels: at
multiples of what a call of a worker costs by itself, and at quantiles of what its edges cost. What a group
saves is the GIL that its nodes hold, less what its border takes of it.

The groups that save most are dealt in every way while these are few, the most even ways first; of more, the
longest first, each to the interpreter that has the least to do (Graham's LPT rule, 1969).
"""

from __future__ import annotations

import math
from itertools import islice, zip_longest
from typing import TYPE_CHECKING

from makespan_optimizer.modes.contract import beside
from makespan_optimizer.modes.cuts import Part, bits
from makespan_optimizer.modes.exact import normal
from makespan_optimizer.modes.process import HAND_OVER_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from makespan_optimizer.modes.cuts import Cuts

State = tuple[Part, ...]
_CALLS = (0.0, 1.0, 3.0, 10.0, 30.0)  # levels in calls of a worker that does nothing
_QUANTILES = (0.25, 0.5, 0.75, 0.9)  # levels by the edges there are
_PYTHON = (0.5, 0.8)  # share of its time for which a node of a group holds the GIL at least
_PAYS = 2.0  # a group must save so many times what its border costs
_MOST_WAYS = 4_000  # so many ways to deal are all counted


def groupings(cuts: Cuts, usable: int) -> list[tuple[int, ...]]:
    """Return different ways to make groups; of each the groups that pay, those that save most first."""
    found: dict[tuple[int, ...], None] = {}
    for share in _PYTHON:
        python = sum(
            1 << i
            for i in bits(usable & ~cuts.declared)
            if cuts.nodes[i].gil_s > share * cuts.nodes[i].wall_net_s.median
        )
        edges = _edges(cuts, python)
        for level in _levels([cost for cost, _, _ in edges]):
            groups = _joined(cuts, python, [edge for edge in edges if edge[0] >= level])
            saved = {some: saved_s(cuts, some) for some in groups}
            paying = [some for some in groups if saved[some] > 0]
            if paying:
                found[tuple(sorted(paying, key=lambda some: (-saved[some], some)))] = None
    return list(found)


def dealt(cuts: Cuts, usable: int, workers: int) -> Iterator[State]:
    """Yield states, in turn one of each way to make groups: the most even ones first."""
    rows = [_ways(cuts, groups, workers) for groups in groupings(cuts, usable)]
    known: set[State] = set()
    for some in zip_longest(*rows):
        for state in some:
            if state is not None and state not in known:
                known.add(state)
                yield state


def saved_s(cuts: Cuts, members: int) -> float:
    """Return the seconds of the GIL that a group saves; 0 when it does not pay, or cannot be sent."""
    crossing = cuts.crossing(members, 0)
    held_s = math.fsum(cuts.nodes[i].gil_s for i in bits(members))
    if crossing.fault or held_s <= _PAYS * beside(crossing):
        return 0.0
    return held_s - crossing.inputs.pickle_s - crossing.outputs.unpickle_s


def _edges(cuts: Cuts, python: int) -> list[tuple[float, int, int]]:
    """Return what it costs to cut each edge between two nodes, the dearest first: what cannot be sent."""
    found = []
    for i in bits(python):
        its = cuts.result(i)
        cost = math.inf if its is None else its.total_s
        found += [(cost, i, j) for j in cuts.structure.succs[i] if python >> j & 1]
    return sorted(found, key=lambda edge: (-edge[0], edge[1:]))


def _levels(costs: list[float]) -> list[float]:
    """Return the costs from which edges are not cut, ascending; beyond all of them none is joined."""
    known = sorted(cost for cost in costs if cost < math.inf)
    found = {calls * HAND_OVER_S for calls in _CALLS}
    found.update(known[int(q * (len(known) - 1))] for q in _QUANTILES if known)
    return sorted(found)


def _joined(cuts: Cuts, python: int, edges: list[tuple[float, int, int]]) -> list[int]:
    """Return the convex sets that come of joining along edges; an edge is left out that would need others."""
    group = {i: 1 << i for i in bits(python)}
    for _, i, j in edges:
        if group[i] == group[j]:
            continue
        both = before = 0
        members = group[i] | group[j]
        while members != before and not members & ~python:
            before = members
            both = cuts.closure(members)
            if both & ~python:
                break
            for k in bits(both):
                members |= group[k]
        if both & ~python or members & ~python:
            continue
        for k in bits(members):
            group[k] = members
    return sorted(set(group.values()))


def _ways(cuts: Cuts, groups: tuple[int, ...], workers: int) -> Iterator[State]:
    """Yield ways to deal groups to this process (not in a part) and to workers."""
    most = 0
    while most < len(groups) and (workers + 1) ** (most + 1) <= _MOST_WAYS:
        most += 1
    work = {some: math.fsum(cuts.nodes[i].wall_net_s.median for i in bits(some)) for some in groups}
    saved = {some: saved_s(cuts, some) for some in groups}
    total_s = math.fsum(node.gil_s for i, node in enumerate(cuts.nodes) if not cuts.declared >> i & 1)
    ways: list[tuple[float, tuple[int, ...]]] = []
    few = groups[:most]
    for where in _growth(len(few), workers):
        loads = [0.0] * (workers + 1)
        loads[0] = total_s
        for some, w in zip(few, where, strict=True):
            if w:
                loads[w] += work[some]
                loads[0] -= saved[some]
        if any(where):
            ways.append((float(f"{max(loads):.9g}"), where))
    ways.sort()
    if len(groups) > most:
        yield from _longest_first(cuts, groups, workers, total_s)
    for _, where in ways:
        yield normal(cuts, tuple(Part(some, 0, w - 1) for some, w in zip(few, where, strict=True) if w))


def _longest_first(cuts: Cuts, groups: tuple[int, ...], workers: int, total_s: float) -> Iterator[State]:
    """Yield all groups dealt, with this process's share as it is; then only those that save most."""
    for count in sorted({len(groups), len(groups) // 2, len(groups) // 4} - {0}, reverse=True):
        left_s, loads = total_s, [0.0] * workers
        parts = []
        for some in islice(groups, count):
            saved = saved_s(cuts, some)
            least = loads.index(min(loads))
            if left_s - saved < min(loads):
                continue  # this process has the least to do
            left_s -= saved
            loads[least] += math.fsum(cuts.nodes[i].wall_net_s.median for i in bits(some))
            parts.append(Part(some, 0, least))
        yield normal(cuts, tuple(parts))


def _growth(groups: int, workers: int) -> Iterator[tuple[int, ...]]:
    """Yield where each group goes: 0 stays here, workers are alike."""

    def deal(where: tuple[int, ...], used: int) -> Iterator[tuple[int, ...]]:
        if len(where) == groups:
            yield where
            return
        for worker in range(min(used + 1, workers) + 1):
            yield from deal((*where, worker), max(used, worker))

    yield from deal((), 0)
