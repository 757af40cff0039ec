"""Scenarios that borrow from other nodes' samples."""

from __future__ import annotations

from statistics import fmean, median

import msgspec
import pytest

from makespan.profile import Spread
from makespan_optimizer.choice.pooled import mixed, pooled
from makespan_optimizer.instance import instance_of
from tests.builders import make_profile
from tests.varying import varying


def sampled(*samples):
    """Return a profile of loose nodes with these samples."""
    names = [f"n{i}" for i in range(len(samples))]
    profile = make_profile({name: [] for name in names}, [median(its) for its in samples])
    nodes = [
        msgspec.structs.replace(node, wall_net_s=Spread(median(its), min(its), max(its), tuple(its)))
        for node, its in zip(profile.nodes, samples, strict=True)
    ]
    return msgspec.structs.replace(profile, nodes=tuple(nodes))


STEADY = [0.9, 1.0, 1.1, 1.0, 0.95]
ONCE_LONG = [0.9, 1.0, 1.1, 1.0, 10.0]


def test_a_rare_long_call_is_shared_by_all():
    profile = sampled(ONCE_LONG, *[STEADY] * 9)
    walls = pooled(profile, instance_of(profile), 400, seed=3)
    long_calls = [sum(wall[i] > 5e6 for wall in walls) / len(walls) for i in range(10)]
    assert all(0 < share < 0.07 for share in long_calls)  # one call in fifty, not one in five


def test_each_node_keeps_its_own_scale():
    profile = sampled(*[STEADY] * 5, *[[1 + 5 * (s - 1) for s in STEADY]] * 5)
    walls = pooled(profile, instance_of(profile), 300, seed=3)
    spread = [fmean(abs(wall[i] / 1e6 - 1) for wall in walls) for i in range(10)]
    assert min(spread[5:]) > 3 * max(spread[:5])


def test_the_same_seed_the_same_scenarios():
    profile = varying(8, 1)
    instance = instance_of(profile)
    assert mixed(profile, instance, 5, 2) == mixed(profile, instance, 5, 2)
    assert mixed(profile, instance, 5, 2) != mixed(profile, instance, 5, 3)
    assert [len(mixed(profile, instance, count, 2)) for count in (1, 2, 5)] == [1, 2, 5]


def test_without_samples_nodes_vary_by_what_is_told_of_them():
    profile = make_profile({"a": [], "b": []}, 1.0)
    bare = [
        msgspec.structs.replace(node, wall_net_s=Spread(1.0, 1.0, 1.0), origin=origin)
        for node, origin in zip(profile.nodes, ("hint", "measured"), strict=True)
    ]
    profile = msgspec.structs.replace(profile, nodes=tuple(bare))
    walls = pooled(profile, instance_of(profile), 300, seed=1)
    said, measured = (fmean(abs(wall[i] / 1e6 - 1) for wall in walls) for i in range(2))
    assert said == pytest.approx(0.2, abs=0.05)
    assert measured < 0.03
