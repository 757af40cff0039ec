"""Profiles whose durations vary, for tests of choices over scenarios."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import msgspec

from makespan.profile import Spread
from makespan.testing import random_edges
from tests.builders import make_profile

if TYPE_CHECKING:
    from makespan.profile import Profile
    from makespan_optimizer.instance import Instance


def varying(
    n: int,
    seed: int,
    spread: float = 0.3,
    kinds: tuple[str, ...] = ("python", "native", "io", "mixed"),
    *,
    samples: int = 7,
) -> Profile:
    """Return a random profile; `spread` is the standard deviation of the logarithm of a duration."""
    source = random.Random(seed)
    preds = random_edges(n, 1.6, seed=seed, layers=max(3, n // 8))
    profile = make_profile(
        {f"n{i:03}": [f"n{p:03}" for p in some] for i, some in enumerate(preds)},
        [source.lognormvariate(-2, 1) for _ in preds],
        [source.choice(kinds) for _ in preds],
    )
    return varied(profile, source, spread, samples)


def varied(profile: Profile, source: random.Random, spread: float = 0.3, samples: int = 7) -> Profile:
    """Return a profile with samples around its durations."""
    nodes = []
    for node in profile.nodes:
        median = node.wall_net_s.median
        values = sorted(math.exp(spread * source.gauss(0.0, 1.0)) for _ in range(samples))
        found = tuple(value * median / values[samples // 2] for value in values)
        nodes.append(msgspec.structs.replace(node, wall_net_s=Spread(median, found[0], found[-1], found)))
    return msgspec.structs.replace(profile, nodes=tuple(nodes))


def noisy(instance: Instance, count: int, seed: int, spread: float) -> list[tuple[int, ...]]:
    """Return durations for so many scenarios: log-normal around the instance's, each node by itself.

    Parameters
    ----------
    spread : float
        Standard deviation of the logarithm.
    """
    source = random.Random(seed)
    return [
        tuple(round(w * math.exp(spread * source.gauss(0.0, 1.0))) for w in instance.wall)
        for _ in range(count)
    ]
