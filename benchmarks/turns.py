"""What the profiler takes: calls with it and calls without it, in blocks that take turns.

::

    without ██     ████     ██        nothing of the profiler is there: no process, no callback
    with      ████      ████          one sampler and one meter for each block

The blocks stand in mirrored order (A B B A), so that a machine that drifts is unfair to neither. The calls
without it are also what clocks alone are asked about.
"""

from __future__ import annotations

import time
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.scores import Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.workloads import Ready

_BLOCK = 3  # calls: to open a sampler takes as long as one of them


class Turns(NamedTuple):
    """What the profiler takes, and what clocks say without it."""

    ratios: dict[str, float]
    """By workload: median wall with it to median wall without."""
    walls_s: dict[str, float]
    """By workload: median wall without it."""
    sampler_share: float
    """CPU of the sampler, as a share of one core, while calls are measured."""
    clocked: dict[str, list[Seen]]
    """By workload: CPU time by wall, of each call without it."""


class _Walls(NamedTuple):
    with_s: list[float]
    without_s: list[float]


def blocks(repeats: int) -> list[tuple[bool, int]]:
    """Return how many calls to make with the profiler (True) and without it, in which order.

    >>> blocks(5)
    [(False, 3), (True, 5), (False, 2)]
    """
    order: list[bool] = []
    for made in range(0, repeats, _BLOCK):
        both = [False, True] if made // _BLOCK % 2 == 0 else [True, False]
        order += [profiled for profiled in both for _ in range(min(_BLOCK, repeats - made))]
    return [(profiled, len(list(some))) for profiled, some in groupby(order)]


def taking_turns(ready: Mapping[str, Ready], repeats: int, say: Callable[[str], None]) -> Turns:
    """Call each workload as often with the profiler as without it."""
    walls: dict[str, _Walls] = {}
    clocked: dict[str, list[Seen]] = {}
    sampler_s = 0.0
    for name, its in ready.items():
        say(f"{name}: with and without the profiler")
        walls[name], clocked[name] = _Walls([], []), []
        its.fn()  # other workloads had the caches
        for profiled, count in blocks(repeats):
            if profiled:
                walls_s, cpu_s = _with(its.fn, count)
                walls[name].with_s.extend(walls_s)
                sampler_s += cpu_s
            else:
                for _ in range(count):
                    wall_s, share = _without(its.fn)
                    walls[name].without_s.append(wall_s)
                    clocked[name].append(Seen(gil=share, blocked=1 - share, cpu=share))
    all_s = sum(sum(both.with_s) for both in walls.values())
    return Turns(
        ratios={name: median(both.with_s) / median(both.without_s) for name, both in walls.items()},
        walls_s={name: median(both.without_s) for name, both in walls.items()},
        sampler_share=sampler_s / all_s if all_s else 0.0,
        clocked=clocked,
    )


def _with(fn: Callable[[], object], count: int) -> tuple[list[float], float]:
    """Return the walls of calls with the profiler, and the sampler's CPU seconds meanwhile."""
    from makespan_optimizer.measure.meter import Meter
    from makespan_optimizer.measure.sampling.sampler import open_sampler

    walls_s: list[float] = []
    sampler_s = 0.0
    sampler, _ = open_sampler("auto")
    try:
        with Meter(sampler) as meter:
            for _ in range(count):
                cpu_s, began_s = sampler.cpu_s(), time.perf_counter()
                meter.call("benchmark", fn)
                walls_s.append(time.perf_counter() - began_s)
                sampler_s += sampler.cpu_s() - cpu_s
    finally:
        sampler.close()
    return walls_s, sampler_s


def _without(fn: Callable[[], object]) -> tuple[float, float]:
    """Return the wall of a call without the profiler, and its CPU time as a share of that."""
    cpu_s, began_s = time.thread_time(), time.perf_counter()
    fn()
    wall_s = time.perf_counter() - began_s
    return wall_s, min(1.0, (time.thread_time() - cpu_s) / wall_s)
