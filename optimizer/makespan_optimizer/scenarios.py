"""Durations as they may come: scenarios drawn from what was measured, and what an order takes over them.

Runs that measured all nodes are drawn as whole rows, each about equally often, so that nodes that are long
together (a large input) stay so. Few runs are few values: what remains of each node's spread once a row's
common part is taken out is drawn anew and mixed in, without widening it (a smoothed bootstrap).
A node without joint rows is drawn by itself: from its samples, or log-normal with the spread that p10, p90 or
the coefficient of variation tell; a hint says nothing of its spread and gets `HINT_SPREAD`.

Draws go by what nodes are (durations, demands, place among the others), not by name or number. The first
scenarios of a longer list are those of a shorter one.

Source: Silverman and Young, "The bootstrap: to smooth or not to smooth?", Biometrika 74 (1987).
"""

from __future__ import annotations

import math
import random
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from makespan.dispatch import Rules
from makespan.preparing.order import bottom_levels
from makespan_optimizer.simulate import replay

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from makespan.profile import NodeProfile, Profile
    from makespan_optimizer.instance import Instance

HINT_SPREAD = 0.25  # standard deviation of the logarithm for what was only said, or read from a table
LEAST_SPREAD = 0.02  # the same for a node that took the same time in each run, or was measured once
_MOST_SPREAD = 1.5
_ROWS = 3  # so many runs tell something of a spread
_TAILS = 2.563  # standard deviations from p10 to p90
_PERCENT = 0.9


class Expected(NamedTuple):
    """What an order takes over scenarios, in ticks.

    Attributes
    ----------
    mean, p90 : float
    makespans : tuple of float, shape (scenarios,)
        In the order of the scenarios: two orders are compared pair by pair.
    """

    mean: float
    p90: float
    makespans: tuple[float, ...]


def scenarios(profile: Profile, instance: Instance, count: int, seed: int) -> list[tuple[int, ...]]:
    """Return durations of all nodes, in ticks, for so many scenarios.

    What is drawn is a factor on the median call, so the instance may be that of first calls, or of fewer
    cores.

    Parameters
    ----------
    profile : Profile
    instance : Instance
        Of this profile.
    count : int
    seed : int
    """
    nodes = {node.name: node for node in profile.nodes}
    spreads = [_Spread(nodes[name]) for name in instance.structure.names]
    rows = _joint(profile, spreads)
    for spread, column in zip(spreads, zip(*rows, strict=True), strict=bool(rows)):
        spread.joint.extend(column)
    common = [_common(row, instance.wall) for row in rows]
    for spread in spreads:
        spread.settle(common)
    typical = instance.typical or instance.wall
    order = _nameless(instance)
    source = random.Random(seed)  # noqa: S311 (not for secrets)
    picks = _balanced(len(rows), source)
    found = []
    for _ in range(count):
        picked = next(picks, 0)
        wall = [0] * len(instance)
        for i in order:
            wall[i] = round(typical[i] * math.exp(spreads[i].draw(picked, source)))
        found.append(tuple(wall))
    return found


def expected(
    instance: Instance,
    ranks: Sequence[int],
    budget: int,
    groups: Iterable[tuple[Iterable[int], int]],
    scenarios: Sequence[Sequence[int]],
) -> Expected:
    """Replay an order over scenarios.

    Raises
    ------
    ValueError
        There is no scenario.
    """
    rules = Rules(instance.structure, ranks, budget, groups)
    makespans = [replay(instance.with_wall(wall), rules).makespan for wall in scenarios]
    return Expected(fmean(makespans), percentile(makespans, _PERCENT), tuple(makespans))


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value below which that share of the values lies, interpolated.

    >>> percentile([1.0, 2.0, 3.0], 0.75)
    2.5
    """
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


class _Spread:
    """How one node's duration varies: logarithms of factors on its median."""

    __slots__ = ("_mean", "_mix", "_noise", "_scale", "_values", "joint", "node")

    def __init__(self, node: NodeProfile) -> None:
        self.node = node
        self.joint: list[float] = []
        """One for each joint row."""

    def settle(self, common: Sequence[float]) -> None:
        """Decide how to draw, once the joint rows are known; `common` is what the nodes of a row share."""
        self._values: list[float] = self.joint
        rest = [value - shared for value, shared in zip(self.joint, common, strict=True)]
        if not self.joint:
            median_s = self.node.wall_net_s.median
            samples = [s for s in self.node.wall_net_s.samples if s > 0]
            if len(samples) >= _ROWS and median_s > 0:
                self._values = rest = [math.log(s / median_s) for s in samples]
        if len(self._values) >= _ROWS:
            n = len(self._values)
            width = math.pow(n, -0.2)  # of the kernel, in standard deviations: Silverman's rule
            self._mean = fmean(self._values)
            spread = max(_deviation(rest) * math.sqrt(n / (n - 1)), LEAST_SPREAD)
            self._noise = min(spread, _MOST_SPREAD) * width
            # Mixing widens: what was drawn is pulled towards its mean, so that the spread stays as it was.
            total = _deviation(self._values)
            self._mix = math.sqrt(max(0.0, 1 - (self._noise / total) ** 2)) if total else 0.0
        else:
            self._values, self._mean, self._mix = [], 0.0, 0.0
            self._noise = _told(self.node)
            if self.joint:  # too few rows: their mean is all they tell
                self._mean = fmean(self.joint)

    def draw(self, row: int, source: random.Random) -> float:
        """Return the logarithm of a factor on the median."""
        error = source.gauss(0.0, 1.0) * self._noise
        if not self._values:
            return self._mean + error
        k = row if self.joint else int(source.random() * len(self._values))
        return self._mean + (self._values[k] - self._mean) * self._mix + error


def _deviation(values: Sequence[float]) -> float:
    """Return the standard deviation; `statistics` takes ten times as long to be exact."""
    mean = fmean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))


def _told(node: NodeProfile) -> float:
    """Return the spread that summary figures tell; standard deviation of the logarithm."""
    spread = node.wall_net_s
    if node.origin != "measured" and not spread.samples and spread.p10 == spread.p90:
        return HINT_SPREAD
    if 0 < spread.p10 < spread.p90:
        found = math.log(spread.p90 / spread.p10) / _TAILS
    else:
        found = math.sqrt(math.log(1 + node.quality.cv**2))
    return min(max(found, LEAST_SPREAD), _MOST_SPREAD)


def _joint(profile: Profile, spreads: Sequence[_Spread]) -> list[list[float]]:
    """Return logarithms of factors on the medians, a row a run; none when there are too few runs."""
    rows = profile.scenarios()
    if len(rows) < _ROWS:
        return []
    medians = [(its.node.name, its.node.wall_net_s.median) for its in spreads]
    return [
        [math.log(row[name] / median) if median > 0 and row[name] > 0 else 0.0 for name, median in medians]
        for row in rows
    ]


def _common(row: Sequence[float], wall: Sequence[int]) -> float:
    """Return what the nodes of a row share: the mean of their factors, long nodes counting more."""
    total = sum(wall)
    return sum(value * w for value, w in zip(row, wall, strict=True)) / total if total else 0.0


def _nameless(instance: Instance) -> list[int]:
    """Return the nodes in an order that leans on what they are; only equals are left in declaration order."""
    s, wall = instance.structure, instance.wall
    tails = bottom_levels(s, wall)
    heads = [0] * len(wall)
    for i in s.order:
        heads[i] = max((heads[p] + wall[p] for p in s.preds[i]), default=0)

    def key(i: int) -> tuple[float, ...]:
        demands = instance.gil[i], instance.core[i]
        return tails[i], heads[i], wall[i], *demands, len(s.preds[i]), len(s.succs[i]), len(s.locks[i])

    return sorted(range(len(wall)), key=key)


def _balanced(rows: int, source: random.Random) -> Iterator[int]:
    """Yield row numbers at random, each once before any comes again."""
    numbers = list(range(rows))
    while rows:
        source.shuffle(numbers)
        yield from numbers
