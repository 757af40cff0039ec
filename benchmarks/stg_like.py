"""Random task graphs as the Standard Task Graph Set has them, by seed.

Tobita & Kasahara (2002), "A standard task graph set for fair evaluation of multiprocessor scheduling
algorithms", Journal of Scheduling 5: four ways to draw edges, each with its own distributions of durations.

* ``sameprob``: task i precedes task j > i with one probability.
* ``samepred``: tasks have the same number of predecessors on average, however many come before them.
* ``layrprob``: tasks are in layers; one of an earlier layer precedes one of a later with one probability.
* ``layrpred``: the same layers, and the same number of predecessors on average.

As there, an entry precedes the tasks that have no predecessor, and the tasks without a successor precede an
exit; both have no duration. Durations are whole numbers from 1.
"""

from __future__ import annotations

import math
import random
from itertools import product
from typing import TYPE_CHECKING

from benchmarks.cases import Case

if TYPE_CHECKING:
    from collections.abc import Callable

EDGES = ("sameprob", "samepred", "layrprob", "layrpred")
DURATIONS = ("uniform", "normal", "exponential", "bimodal")
CELLS = tuple(product(EDGES, DURATIONS))

_MEAN_PREDS = (1.5, 3.0, 5.0)
_MEAN = 10


def stg_like(n: int, cell: int, seed: int, group: str) -> Case:
    """Return a task graph of n tasks besides entry and exit.

    Parameters
    ----------
    cell : int
        Which of `CELLS`: how edges and durations are drawn.
    """
    edges, durations = CELLS[cell]
    rng = random.Random(f"stg {n} {edges} {durations} {seed}")
    density = rng.choice(_MEAN_PREDS)
    before = _EDGES[edges](n, density, rng)
    wall = [0, *(_DURATIONS[durations](rng) for _ in range(n)), 0]
    preds: list[tuple[int, ...]] = [(), *(tuple(p + 1 for p in some) or (0,) for some in before)]
    followed = {p for some in preds for p in some}
    preds.append(tuple(i for i in range(1, n + 1) if i not in followed))
    return Case(group, f"{edges}-{durations}-{seed}", tuple(wall), tuple(preds))


# -- durations ---------------------------------------------------------------------------------------------


def _uniform(rng: random.Random) -> int:
    return rng.randint(1, 2 * _MEAN - 1)


def _normal(rng: random.Random) -> int:
    return max(1, round(rng.gauss(_MEAN, _MEAN / 3)))


def _exponential(rng: random.Random) -> int:
    return max(1, round(rng.expovariate(1 / _MEAN)))


def _bimodal(rng: random.Random) -> int:
    """Draw mostly short tasks, and a few that are ten times as long."""
    mean = _MEAN / 2 if rng.random() < 0.9 else 5 * _MEAN
    return max(1, round(rng.gauss(mean, mean / 4)))


_DURATIONS: dict[str, Callable[[random.Random], int]] = {
    "uniform": _uniform,
    "normal": _normal,
    "exponential": _exponential,
    "bimodal": _bimodal,
}

# -- edges -------------------------------------------------------------------------------------------------


def _some(before: range, p: float, rng: random.Random) -> list[int]:
    """Return those of a range that are drawn with probability p each; what lies between is leapt over."""
    if p >= 1:
        return list(before)
    found: list[int] = []
    i = -1
    while True:
        i += 1 + int(math.log(1 - rng.random()) / math.log1p(-p))
        if i >= len(before):
            return found
        found.append(before[i])


def _sameprob(n: int, density: float, rng: random.Random) -> list[list[int]]:
    p = min(1.0, 2 * density / max(1, n - 1))
    return [_some(range(i), p, rng) for i in range(n)]


def _samepred(n: int, density: float, rng: random.Random) -> list[list[int]]:
    return [_some(range(i), min(1.0, density / i), rng) if i else [] for i in range(n)]


def _layers(n: int, rng: random.Random) -> list[int]:
    """Return for each task where its layer begins."""
    count = max(2, round(rng.uniform(0.5, 2.0) * math.sqrt(n)))
    begins = sorted({0, *(rng.randrange(1, n) for _ in range(count - 1))}) if n > 1 else [0]
    ends = [*begins[1:], n]
    return [begin for begin, end in zip(begins, ends, strict=True) for _ in range(begin, end)]


def _layrprob(n: int, density: float, rng: random.Random) -> list[list[int]]:
    layers = _layers(n, rng)
    p = min(1.0, density * n / max(1, sum(layers)))  # a task may follow all that its layer begins after
    return [_some(range(begin), p, rng) if begin else [] for begin in layers]


def _layrpred(n: int, density: float, rng: random.Random) -> list[list[int]]:
    return [_some(range(begin), min(1.0, density / begin), rng) if begin else [] for begin in _layers(n, rng)]


_EDGES: dict[str, Callable[[int, float, random.Random], list[list[int]]]] = {
    "sameprob": _sameprob,
    "samepred": _samepred,
    "layrprob": _layrprob,
    "layrpred": _layrpred,
}
