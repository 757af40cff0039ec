"""Projects with scarce resources as the PSPLIB has them, by seed and by ProGen's parameters.

Kolisch, Sprecher & Drexl (1995), "Characterization and generation of a general class of resource-constrained
project scheduling problems", Management Science 41. A project has a source, J jobs and a sink.

* Network complexity NC: arcs that no longer path makes redundant, for each node (source and sink included).
* Resource factor RF: how many of the resources a job demands on average, as a share of all.
* Resource strength RS: the capacity of a resource is K_min + round(RS × (K_max − K_min)), where K_min is the
  largest demand of a job and K_max the peak of demands when every job starts as early as its predecessors
  allow: RS = 1 limits nothing, RS = 0 as much as can be.

The network is made as ProGen makes it: the first jobs follow the source, the last precede the sink; each
other job gets a predecessor, then each without a successor gets one, then arcs are added until NC is reached,
none of them redundant and none making another so, with at most three predecessors and successors a job.
"""

from __future__ import annotations

import random
from itertools import product
from typing import NamedTuple

from benchmarks.cases import Case, InstanceError
from makespan_optimizer.rigid.problem import Resource

COMPLEXITY = (1.5, 1.8, 2.1)
FACTOR = (0.25, 0.5, 0.75, 1.0)
STRENGTH = (0.2, 0.5, 0.7, 1.0)
STRENGTH_LARGE = (0.1, 0.2, 0.3, 0.4, 0.5)  # of 120 jobs and more
LARGE = 120

_RESOURCES = 4
_LONGEST = 10
_LARGEST_DEMAND = 10
_ENDS = 3  # jobs that follow the source, and that precede the sink
_DEGREE = 3
_TRIES = 200


class Cell(NamedTuple):
    """The parameters of some projects."""

    complexity: float
    factor: float
    strength: float


def cells(jobs: int) -> list[Cell]:
    """Return the parameters that the PSPLIB combines for projects of this size, in its order."""
    return [Cell(*its) for its in product(COMPLEXITY, FACTOR, STRENGTH_LARGE if jobs >= LARGE else STRENGTH)]


def psplib_like(jobs: int, cell: int, seed: int, group: str) -> Case:
    """Return a project of the PSPLIB's kind; `cell` is one of `cells`."""
    parameters = cells(jobs)[cell]
    rng = random.Random(f"psplib {jobs} {parameters} {seed}")
    preds = network(jobs, parameters.complexity, rng)
    wall = [0, *(rng.randint(1, _LONGEST) for _ in range(jobs)), 0]
    demands = _demands(jobs, parameters.factor, rng)
    resources = tuple(
        Resource(f"R{r + 1}", capacity(demand, wall, preds, parameters.strength), tuple(demand))
        for r, demand in enumerate(demands)
    )
    name = f"j{jobs}{cell + 1}_{seed + 1}"
    return Case(group, name, tuple(wall), tuple(map(tuple, preds)), resources, threaded=False)


def network(jobs: int, complexity: float, rng: random.Random) -> list[list[int]]:
    """Return the predecessors of each node: source 0, jobs, sink.

    Raises
    ------
    InstanceError
        The complexity cannot be reached with so few predecessors and successors a job.
    """
    wanted = round(complexity * (jobs + 2))
    for _ in range(_TRIES):
        made = _Network(jobs)
        if made.connect(rng) and made.arcs <= wanted and made.fill(wanted, rng):
            return [sorted(some) for some in made.preds]
    raise InstanceError(f"no network of {jobs} jobs has {complexity} arcs a node")


class _Network:
    """Arcs, and as bits of an integer which nodes come before and after each (itself included)."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self.ends = min(_ENDS, max(1, jobs // 3))
        self.preds: list[list[int]] = [[] for _ in range(jobs + 2)]
        self.succs: list[list[int]] = [[] for _ in range(jobs + 2)]
        self.direct = [0] * (jobs + 2)  # bits of `succs`
        self.before = [1 << i for i in range(jobs + 2)]
        self.after = [1 << i for i in range(jobs + 2)]
        self.arcs = 0

    def add(self, i: int, j: int) -> None:
        self.preds[j].append(i)
        self.succs[i].append(j)
        self.direct[i] |= 1 << j
        self.arcs += 1
        ahead, behind = self.before[i], self.after[j]
        for k in range(self.jobs + 2):
            if ahead >> k & 1:
                self.after[k] |= behind
            if behind >> k & 1:
                self.before[k] |= ahead

    def may(self, i: int, j: int) -> bool:
        """Say whether an arc would be redundant, make another so, or be one too many."""
        if len(self.succs[i]) >= _DEGREE or len(self.preds[j]) >= _DEGREE or self.after[i] >> j & 1:
            return False
        ahead, behind = self.before[i], self.after[j]
        return not any(ahead >> k & 1 and self.direct[k] & behind for k in range(self.jobs + 2))

    def connect(self, rng: random.Random) -> bool:
        """Give every node a way from the source and to the sink; say whether it worked."""
        first, last = range(1, self.ends + 1), range(self.jobs - self.ends + 1, self.jobs + 1)
        sink = self.jobs + 1
        for j in first:
            self.add(0, j)
        for j in range(self.ends + 1, self.jobs + 1):
            ahead = [i for i in range(1, min(j, last.start)) if self.may(i, j)]
            if not ahead:
                return False
            self.add(rng.choice(ahead), j)
        for i in reversed(range(1, last.start)):
            if not self.succs[i]:
                behind = [j for j in range(max(i + 1, self.ends + 1), sink) if self.may(i, j)]
                if not behind:
                    return False
                self.add(i, rng.choice(behind))
        for i in last:
            self.add(i, sink)
        return True

    def fill(self, wanted: int, rng: random.Random) -> bool:
        """Add arcs at random until there are as many as wanted; say whether it worked."""
        last = self.jobs - self.ends + 1
        pairs = [(i, j) for i in range(1, last) for j in range(max(i, self.ends) + 1, self.jobs + 1)]
        rng.shuffle(pairs)
        for i, j in pairs:
            if self.arcs == wanted:
                break
            if self.may(i, j):
                self.add(i, j)
        return self.arcs == wanted


def _demands(jobs: int, factor: float, rng: random.Random) -> list[list[int]]:
    """Return what each node demands of each resource: every job of one at least, `factor` on average."""
    wanted = max(jobs, round(factor * jobs * _RESOURCES))
    some = {(rng.randrange(_RESOURCES), i) for i in range(1, jobs + 1)}
    others = [(r, i) for r in range(_RESOURCES) for i in range(1, jobs + 1) if (r, i) not in some]
    some |= set(rng.sample(others, wanted - len(some)))
    return [
        [rng.randint(1, _LARGEST_DEMAND) if (r, i) in some else 0 for i in range(jobs + 2)]
        for r in range(_RESOURCES)
    ]


def capacity(demand: list[int], wall: list[int], preds: list[list[int]], strength: float) -> int:
    """Return the capacity that a resource strength means: 1 at least.

    >>> capacity([2, 3, 1], [4, 4, 4], [[], [], [1]], 0.5)
    4
    """
    start: list[int] = []
    for some in preds:  # nodes are numbered so that predecessors come first
        start.append(max((start[p] + wall[p] for p in some), default=0))
    users = [i for i, length in enumerate(wall) if length]
    events = sorted(
        [(start[i] + wall[i], 0, -demand[i]) for i in users] + [(start[i], 1, demand[i]) for i in users]
    )
    used = peak = 0
    for _, _, change in events:  # ends come before starts of the same moment
        used += change
        peak = max(peak, used)
    least = max(demand)
    return max(1, least + round(strength * (max(peak, least) - least)))
