"""Orders worth trying: priority rules, and seeded variations of them.

A priority rule is an urgency for each node; the most urgent starts first. Nearly all good rules are a longest
path to the end under some weight of the nodes: their duration (critical path), the GIL seconds in it, their
share of the resource that binds. No rule wins everywhere, so several are tried and the simulator judges.
Best single rule where resources bind: bottom level × (1 + 2 × share of the bottleneck).

Sources: Graham 1969; Kolisch 1996 (greatest rank positional weight, latest start); noise on urgencies and
regret-free restarts: Cicirello & Smith 2005.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from makespan.order import bottom_levels, default_ranks, ranks_by
from makespan_optimizer.bounds import heads_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from makespan_optimizer.instance import Instance

DEFAULT = "default order"
CRITICAL = "critical path"


def rules(instance: Instance, budget: int, binding: str) -> Iterator[tuple[str, list[int]]]:
    """Yield (name, ranks) of each rule: the default order first, then the critical path.

    Each rule is computed when it is asked for: with many nodes only the first few ever are.

    Parameters
    ----------
    binding : str
        The lower bound that binds: its resource gets weight.
    """
    s, wall = instance.structure, instance.wall
    n = len(instance)
    yield DEFAULT, default_ranks(s)
    levels = bottom_levels(s, wall)
    yield CRITICAL, ranks_by(levels)
    share = bottleneck_share(instance, budget, binding)
    gil = [g / 1000 for g in instance.gil]
    heads = heads_of(instance, wall)
    following = [sum(wall[j] for j in s.succs[i]) for i in range(n)]
    longest = max(wall, default=0)

    def path(weight: Callable[[int], float]) -> list[float]:
        return bottom_levels(s, [wall[i] * weight(i) for i in range(n)])

    def each(urgency: Callable[[int], float]) -> list[float]:
        return [urgency(i) for i in range(n)]

    later: list[tuple[str, Callable[[], Sequence[float]]]] = [
        ("critical path, bottleneck first", lambda: each(lambda i: levels[i] * (1 + 2 * share[i]))),
        ("critical path weighted by the bottleneck", lambda: path(lambda i: 1 + 2 * share[i])),
        ("critical path weighted by the GIL", lambda: path(lambda i: 1 + 2 * gil[i])),
        ("critical path, bottleneck last", lambda: each(lambda i: levels[i] * (1 - 0.5 * share[i]))),
        ("waiting time first", lambda: each(lambda i: levels[i] + longest * (1 - gil[i]))),
        ("bottleneck path", lambda: path(lambda i: 0.1 + share[i])),
        ("path beside the bottleneck", lambda: path(lambda i: 1 - 0.9 * share[i])),
        ("critical path and followers", lambda: each(lambda i: levels[i] + following[i])),
        ("greatest rank positional weight", lambda: each(lambda i: wall[i] + following[i])),
        ("least slack", lambda: each(lambda i: levels[i] + heads[i])),
        ("earliest start", lambda: each(lambda i: -heads[i])),
        ("longest first", lambda: wall),
        ("shortest first", lambda: each(lambda i: -wall[i])),
        ("most successors", lambda: each(lambda i: len(s.succs[i]))),
        ("as declared", lambda: each(lambda i: -i)),
    ]
    for name, urgency in later:
        yield name, ranks_by(urgency())


def bottleneck_share(instance: Instance, budget: int, binding: str) -> list[float]:
    """Return what share of the binding resource each node takes, from 0 to 1.

    When the critical path or the threads bind, the scarcest of GIL and cores is taken instead.
    """
    s, wall = instance.structure, instance.wall
    if binding.startswith("lock "):
        return [1.0 if binding[5:] in some else 0.0 for some in s.locks]
    if binding == "exclusive nodes":
        return [float(alone) for alone in s.exclusive]
    gil = [g / 1000 for g in instance.gil]
    core = [min(1.0, c / instance.capacity) for c in instance.core]
    if binding == "GIL":
        return gil
    if binding == "cores":
        return core
    load_gil = sum(w * g for w, g in zip(wall, gil, strict=True))
    load_core = sum(w * c for w, c in zip(wall, core, strict=True))
    if max(load_gil, load_core) * budget < sum(wall):
        return [0.0] * len(wall)
    return gil if load_gil >= load_core else core


def variations(instance: Instance, seed: int, best: Sequence[float]) -> Iterator[list[int]]:
    """Yield orders without end: noisy critical paths, and noisy forms of the best latest starts.

    Parameters
    ----------
    seed : int
    best : sequence of float, shape (n,)
        Latest starts of the best schedule so far. The caller may change it in place.
    """
    source = random.Random(seed)  # noqa: S311 (not for secrets)
    s, wall = instance.structure, instance.wall
    n = len(wall)
    while True:
        spread = source.choice((0.05, 0.1, 0.2, 0.4))
        weights = [w * source.uniform(1 - spread, 1 + spread) for w in wall]
        yield ranks_by(bottom_levels(s, weights))
        horizon = max(best, default=0.0) or 1.0
        reach = source.choice((0.01, 0.03, 0.1, 0.25)) * horizon
        yield ranks_by([-best[i] + source.uniform(-reach, reach) for i in range(n)])
