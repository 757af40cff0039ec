"""Priority rules: orders worth trying.

A priority rule is an urgency for each node; the most urgent starts first. Nearly all good rules are a longest
path to the end under some weight of the nodes: their duration (critical path), their share of the resource
that binds. No rule wins everywhere, so several are tried. Best single rule where resources bind:
bottom level × (1 + 2 × share of the bottleneck).

Sources: Graham 1969; Kolisch 1996 (greatest rank positional weight, latest start); noise on urgencies and
regret-free restarts: Cicirello & Smith 2005.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.preparing.order import ranks_by
from makespan_optimizer.rigid.energy import heads_of
from makespan_optimizer.rigid.problem import THREADS

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence

    from makespan_optimizer.rigid.problem import Problem

CRITICAL = "critical path"


def rules(
    problem: Problem, share: Sequence[float], extra: Sequence[float] | None = None
) -> Iterator[tuple[str, list[int]]]:
    """Yield (name, ranks) of each rule, the critical path first; each is computed when it is asked for.

    Parameters
    ----------
    problem : Problem
        Only its durations and edges are looked at.
    share : sequence of float, shape (n,)
        How much each node takes of the bottleneck, from 0 to 1; `bottleneck_share`.
    extra : sequence of float, shape (n,), optional
        How much each node takes of another scarce resource (the GIL), for rules of its own.
    """
    wall, succs = problem.wall, problem.succs
    n = len(wall)
    levels = levels_of(problem, wall)
    yield CRITICAL, ranks_by(levels)
    heads = heads_of(problem)
    following = [sum([wall[j] for j in succs[i]]) for i in range(n)]
    longest = max(wall, default=0)
    other = share if extra is None else extra

    def path(weight: Callable[[int], float]) -> list[float]:
        return levels_of(problem, [wall[i] * weight(i) for i in range(n)])

    def each(urgency: Callable[[int], float]) -> list[float]:
        return [urgency(i) for i in range(n)]

    later: list[tuple[str, Callable[[], Sequence[float]]]] = [
        ("critical path, bottleneck first", lambda: each(lambda i: levels[i] * (1 + 2 * share[i]))),
        ("critical path weighted by the bottleneck", lambda: path(lambda i: 1 + 2 * share[i])),
        ("critical path, bottleneck last", lambda: each(lambda i: levels[i] * (1 - 0.5 * share[i]))),
        ("waiting time first", lambda: each(lambda i: levels[i] + longest * (1 - other[i]))),
        ("bottleneck path", lambda: path(lambda i: 0.1 + share[i])),
        ("path beside the bottleneck", lambda: path(lambda i: 1 - 0.9 * share[i])),
        ("critical path and followers", lambda: each(lambda i: levels[i] + following[i])),
        ("greatest rank positional weight", lambda: each(lambda i: wall[i] + following[i])),
        ("least slack", lambda: each(lambda i: levels[i] + heads[i])),
        ("earliest start", lambda: each(lambda i: -heads[i])),
        ("longest first", lambda: wall),
        ("shortest first", lambda: each(lambda i: -wall[i])),
        ("most successors", lambda: each(lambda i: len(succs[i]))),
        ("as declared", lambda: each(lambda i: -i)),
    ]
    if extra is not None:
        later.insert(2, ("critical path weighted by the GIL", lambda: path(lambda i: 1 + 2 * extra[i])))
    for name, urgency in later:
        yield name, ranks_by(urgency())


def levels_of(problem: Problem, weight: Sequence[float]) -> list[float]:
    """Return for each node the heaviest path to the end, itself included."""
    succs = problem.succs
    levels = list(weight)
    for i in reversed(problem.order):
        if succs[i]:
            levels[i] += max([levels[s] for s in succs[i]])
    return levels


def variations(problem: Problem, source: random.Random, latest: Sequence[float]) -> Iterator[list[float]]:
    """Yield urgencies without end: noisy critical paths, and noisy forms of the best latest starts, in turn.

    Parameters
    ----------
    problem : Problem
        Only its durations and edges are looked at.
    source : random.Random
    latest : sequence of float, shape (n,)
        Latest starts of the best schedule so far. The caller may change it in place.
    """
    while True:
        spread = source.choice((0.05, 0.1, 0.2, 0.4))
        yield levels_of(problem, [w * source.uniform(1 - spread, 1 + spread) for w in problem.wall])
        horizon = max(latest, default=0) or 1
        reach = source.choice((0.01, 0.03, 0.1, 0.25)) * horizon
        yield [source.uniform(-reach, reach) - at for at in latest]


def weighted(problem: Problem, source: random.Random) -> Iterator[list[float]]:
    """Yield urgencies without end: heaviest path times own weight, by random shares of the resources.

    Where several resources are scarce, which of them a path should be measured by, and how much a node that
    demands them goes before others, differs from DAG to DAG: many draws of both beat any one rule.
    """
    wall, n = problem.wall, len(problem)
    load = [_work(problem, r.demand) / r.capacity for r in problem.resources]
    scarcest = max(load, default=0) or 1

    def mixed() -> list[float]:
        weight = [0.0] * n
        for (_, capacity, demand), its in zip(problem.resources, load, strict=True):
            factor = source.choice((0.0, 0.3, 1.0, 1.0)) * (its / scarcest) ** 2 / capacity
            if factor:
                weight = [w + factor * d for w, d in zip(weight, demand, strict=True)]
        return weight

    while True:
        time_alone = source.choice((0.0, 0.03, 0.1, 0.3))
        levels = levels_of(problem, [w * (time_alone + x) for w, x in zip(wall, mixed(), strict=True)])
        alone, power = source.choice((0.03, 0.1, 0.3, 1.0)), source.choice((0.3, 1.0, 1.0))
        yield [level**power * (alone + x) for level, x in zip(levels, mixed(), strict=True)]


def bottleneck_share(problem: Problem, binding: str) -> list[float]:
    """Return what share of the binding resource each node takes, from 0 to 1.

    When the critical path or the threads bind, the scarcest other resource is taken, if it is scarcer than
    the threads are.
    """
    load = {r.name: _work(problem, r.demand) / r.capacity for r in problem.resources}
    if binding == THREADS or binding not in load:
        floor = load.pop(THREADS, 0.0)
        binding = max(load, key=lambda name: load[name], default="")
        if not binding or load[binding] < floor:
            return [0.0] * len(problem)
    resource = next(r for r in problem.resources if r.name == binding)
    return [d / resource.capacity for d in resource.demand]


def _work(problem: Problem, demand: Sequence[int]) -> int:
    return sum([w * d for w, d in zip(problem.wall, demand, strict=True)])
