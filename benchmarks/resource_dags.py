"""Pipelines of Python functions as problems, by seed: threads, the GIL, cores, locks, heavy-tailed durations.

No public set has such resources, so these are made by hand, after what profiles of pipelines look like:

* Edges: stages of a random width. A stage fans out (each node follows one or two of the stage before), or
  pairs up (a chain for each node), or gathers (a few nodes that follow many); one edge in ten reaches back
  over several stages.
* Kinds of nodes, one for each function of a stage in nine of ten cases: a loop in Python (the GIL nearly all
  the time), a mix of Python and native code, native code (a core, hardly the GIL), a native pool (several
  cores), and waiting (neither).
* Durations: log-normal around the function's own median, which is log-normal itself (sigma 1 and 1.2); one
  node in fifty is ten times as long.
* Locks: up to three, each of about one node in twelve.

The GIL and cores are counted in thousandths; a node demands its average. Small DAGs have 2, 4 or 8 cores.
"""

from __future__ import annotations

import random
from itertools import pairwise
from typing import NamedTuple

from benchmarks.cases import Case
from makespan_optimizer.rigid.problem import Resource

FULL = 1000
_CORES = (2, 4, 8)
_LOCKS = ("database", "device", "log")
_LONGEST_TICKS = 10**8


class _Kind(NamedTuple):
    """Ranges of demands, in thousandths; a pool's cores are drawn apart."""

    gil: tuple[int, int]
    cores: tuple[int, int]
    weight: int


_KINDS = (
    _Kind((800, 1000), (950, 1000), 3),  # Python
    _Kind((250, 700), (700, 1000), 3),  # mixed
    _Kind((5, 80), (950, 1000), 4),  # native
    _Kind((5, 80), (0, 0), 1),  # a native pool
    _Kind((5, 60), (10, 150), 3),  # waiting
)
_POOL = 3


def resource_dag(n: int, index: int, seed: int, group: str) -> Case:
    """Return a DAG of n nodes; ticks are microseconds."""
    rng = random.Random(f"resources {n} {index} {seed}")
    cores = rng.choice(_CORES)
    stages = _stages(n, rng)
    wall: list[int] = []
    gil: list[int] = []
    core: list[int] = []
    for nodes in stages:
        median, kind = _function(rng)
        for _ in nodes:
            own_median, own_kind = (median, kind) if rng.random() < 0.9 else _function(rng)
            factor = 10.0 if rng.random() < 0.02 else 1.0
            wall.append(min(_LONGEST_TICKS, max(1, round(own_median * factor * rng.lognormvariate(0, 1.0)))))
            its_gil, its_core = _demand(own_kind, cores, rng)
            gil.append(its_gil)
            core.append(its_core)
    resources = [Resource("gil", FULL, tuple(gil)), Resource("cores", FULL * cores, tuple(core))]
    for name in _LOCKS[: rng.randint(0, len(_LOCKS))]:
        demand = tuple(int(rng.random() < 1 / 12) for _ in range(n))
        resources.append(Resource(name, 1, demand))
    return Case(group, f"n{n}-c{cores}-{index}", tuple(wall), _edges(stages, rng), tuple(resources))


def _function(rng: random.Random) -> tuple[float, int]:
    """Return the median duration in microseconds and the kind of a function."""
    kind = rng.choices(range(len(_KINDS)), [its.weight for its in _KINDS])[0]
    return 10_000 * rng.lognormvariate(0, 1.2), kind


def _demand(kind: int, cores: int, rng: random.Random) -> tuple[int, int]:
    its = _KINDS[kind]
    gil = rng.randint(*its.gil)
    if kind == _POOL:
        return gil, rng.randint(min(1500, FULL * cores), FULL * cores)
    return gil, max(gil, rng.randint(*its.cores))


def _stages(n: int, rng: random.Random) -> list[range]:
    """Return the nodes of each stage: widths around the square root of n, with narrow ones between."""
    found = []
    begin = 0
    while begin < n:
        typical = n**0.5 * rng.lognormvariate(0, 0.7)
        width = max(1, round(typical if rng.random() < 0.8 else rng.randint(1, 3)))
        found.append(range(begin, min(n, begin + width)))
        begin = found[-1].stop
    return found


def _edges(stages: list[range], rng: random.Random) -> tuple[tuple[int, ...], ...]:
    preds: list[tuple[int, ...]] = [() for _ in stages[0]]
    for before, nodes in pairwise(stages):
        shape = rng.choice(("fan", "fan", "pair", "gather"))
        share = len(before) / len(nodes)
        for k, _ in enumerate(nodes):
            if shape == "fan":
                some = {rng.choice(before) for _ in range(rng.randint(1, 2))}
            elif shape == "pair" or len(nodes) > len(before):
                some = {before[int(k * share)]}
            else:
                some = set(before[int(k * share) : max(int(k * share) + 1, int((k + 1) * share))])
            if before.start and rng.random() < 0.1:
                some.add(rng.randrange(before.start))
            preds.append(tuple(sorted(some)))
    return tuple(preds)
