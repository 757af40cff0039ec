"""Scenarios that lean on all nodes' samples, beside those that take each node's own samples for all there is.

A few runs show a rare long call for some nodes and none for the others. An order that is searched on samples
as they are avoids just those nodes, and gains nothing when it is run: it fits the runs, not the DAG. So half
of the scenarios borrow: a node keeps its own scale of variation, and how deviations of that scale are
distributed is pooled over all nodes, rare long calls as the factors that they were (shrinkage as in empirical
Bayes, Efron and Morris 1975).
"""

from __future__ import annotations

import math
import random
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING

from makespan_optimizer.scenarios import HINT_SPREAD, LEAST_SPREAD, scenarios

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.profile import NodeProfile, Profile
    from makespan_optimizer.instance import Instance

_SAMPLES = 3  # so many tell something of a scale
_NORMAL = 1.4826  # standard deviations in a median absolute deviation
_USUAL = 3.0  # scales: beyond, a call was held up by something that does not go by the node's scale


def mixed(profile: Profile, instance: Instance, count: int, seed: int) -> list[tuple[int, ...]]:
    """Return durations in ticks for so many scenarios: own samples and pooled ones by turns.

    Parameters
    ----------
    profile : Profile
    instance : Instance
        Of this profile.
    """
    own = scenarios(profile, instance, count - count // 2, seed)
    borrowed = pooled(profile, instance, count // 2, seed)
    turns = chain.from_iterable(zip(own, borrowed, strict=False))
    return [*turns, *own[len(borrowed) :]]


def pooled(profile: Profile, instance: Instance, count: int, seed: int) -> list[tuple[int, ...]]:
    """Return durations in ticks: the median, times a deviation of the node's scale drawn from all nodes'.

    >>> from tests.builders import make_profile
    >>> from makespan_optimizer.instance import instance_of
    >>> profile = make_profile({"a": [], "b": []}, 1.0)
    >>> len(pooled(profile, instance_of(profile), 3, seed=1))
    3
    """
    nodes = {node.name: node for node in profile.nodes}
    logs = [_logs(nodes[name]) for name in instance.structure.names]
    scales = [_scale(nodes[name], its) for name, its in zip(instance.structure.names, logs, strict=True)]
    deviations = sorted(
        (value / scale, value)
        for its, scale in zip(logs, scales, strict=True)
        if len(its) >= _SAMPLES
        for value in its
    )
    source = random.Random(seed)  # noqa: S311 (not for secrets)
    typical = instance.typical or instance.wall
    found = []
    for _ in range(count):
        wall = []
        for ticks, scale in zip(typical, scales, strict=True):
            if deviations:
                deviation, value = source.choice(deviations)
                factor = deviation * scale if abs(deviation) <= _USUAL else value
            else:
                factor = source.gauss(0.0, scale)
            wall.append(round(ticks * math.exp(factor)))
        found.append(tuple(wall))
    return found


def _logs(node: NodeProfile) -> list[float]:
    """Return logarithms of factors on the median, a call each."""
    typical_s = node.wall_net_s.median
    return [math.log(s / typical_s) for s in node.wall_net_s.samples if s > 0 and typical_s > 0]


def _scale(node: NodeProfile, logs: Sequence[float]) -> float:
    if len(logs) >= _SAMPLES:
        return max(LEAST_SPREAD, _NORMAL * median(map(abs, logs)))
    if node.origin != "measured":
        return HINT_SPREAD
    return max(LEAST_SPREAD, math.sqrt(math.log(1 + node.quality.cv**2)))
