"""Durations drawn from what was measured."""

from __future__ import annotations

import math
from statistics import fmean, median, pstdev

import msgspec
import pytest

from makespan.profile import Call, Spread
from makespan_optimizer.instance import instance_of
from makespan_optimizer.scenarios import HINT_SPREAD, LEAST_SPREAD, expected, percentile, scenarios
from makespan_optimizer.simulate import simulate
from tests.builders import make_profile

AFTER = {"a": [], "b": [], "c": ["a", "b"], "d": ["a"]}


def with_calls(profile, walls_s):
    """Replace what was measured: a list of walls for each node, a run each."""
    nodes = []
    for node in profile.nodes:
        walls = walls_s[node.name]
        calls = tuple(Call(run="made", wall_s=w, cpu_s=w) for w in walls)
        ordered = sorted(walls)
        spread = Spread(median(walls), ordered[0], ordered[-1], tuple(walls))
        nodes.append(msgspec.structs.replace(node, wall_net_s=spread, calls=calls))
    return msgspec.structs.replace(profile, nodes=tuple(nodes))


def all_of(walls_s):
    return dict.fromkeys(AFTER, walls_s)


def changed(profile, **fields):
    return msgspec.structs.replace(
        profile, nodes=tuple(msgspec.structs.replace(node, **fields) for node in profile.nodes)
    )


def logs(found, instance, i):
    return [math.log(wall[i] / instance.wall[i]) for wall in found]


def test_the_same_seed_draws_the_same_and_a_longer_list_begins_with_the_shorter():
    profile = make_profile(AFTER, 1.0)
    instance = instance_of(profile)
    long = scenarios(profile, instance, 20, 3)
    assert scenarios(profile, instance, 7, 3) == long[:7]
    assert scenarios(profile, instance, 20, 4) != long
    assert all(len(wall) == 4 for wall in long)


def test_names_and_the_order_of_declaration_change_nothing_but_places():
    walls = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 5.0}
    profile = make_profile(AFTER, walls)
    plain = scenarios(profile, instance_of(profile), 5, 0)
    turned = {name: AFTER[name] for name in "bdac"}
    other = make_profile(turned, walls)
    found = scenarios(other, instance_of(other), 5, 0)
    assert [[wall["bdac".index(name)] for name in "abcd"] for wall in found] == [list(w) for w in plain]
    new = {"a": "z", "b": "y", "c": "x", "d": "w"}
    renamed = make_profile(
        {new[name]: [new[its] for its in some] for name, some in AFTER.items()}, list(walls.values())
    )
    assert scenarios(renamed, instance_of(renamed), 5, 0) == plain


def test_nodes_that_are_long_together_stay_so():
    profile = with_calls(make_profile(AFTER, 1.0), all_of([1.0, 1.1, 4.0, 0.9, 1.0, 3.9, 1.2, 1.0]))
    instance = instance_of(profile)
    found = scenarios(profile, instance, 200, 0)
    a, d = logs(found, instance, 0), logs(found, instance, 3)
    ma, md = fmean(a), fmean(d)
    together = fmean((x - ma) * (y - md) for x, y in zip(a, d, strict=True)) / (pstdev(a) * pstdev(d))
    assert together > 0.95
    # Each row is drawn equally often, so a quarter of them are long.
    assert sum(x > math.log(2) for x in a) == pytest.approx(50, abs=8)


def test_mixing_leaves_mean_and_spread():
    walls = [1.0, 1.3, 0.8, 1.1, 0.9, 1.0, 1.6, 0.7]
    each = {name: walls[k:] + walls[:k] for k, name in enumerate("abcd")}
    profile = with_calls(make_profile(AFTER, 1.0), each)
    instance = instance_of(profile)
    found = scenarios(profile, instance, 2000, 0)
    measured = [math.log(w / median(walls)) for w in walls]
    for i in range(4):
        drawn = logs(found, instance, i)
        assert fmean(drawn) == pytest.approx(fmean(measured), abs=0.02)
        assert pstdev(drawn) == pytest.approx(pstdev(measured), rel=0.12)
    assert len({wall[0] for wall in found}) > 1000  # not eight values over and over


@pytest.mark.parametrize(
    ("fields", "spread"),
    [
        ({"origin": "hint"}, HINT_SPREAD),
        ({"origin": "measured"}, LEAST_SPREAD),
        ({"wall_net_s": Spread(1.0, 0.8, 1.25)}, math.log(1.25 / 0.8) / 2.563),
    ],
)
def test_without_samples_the_summary_tells_the_spread(fields, spread):
    profile = changed(make_profile(AFTER, 1.0), **{"wall_net_s": Spread(1.0, 1.0, 1.0)} | fields)
    instance = instance_of(profile)
    drawn = logs(scenarios(profile, instance, 1500, 0), instance, 0)
    assert pstdev(drawn) == pytest.approx(spread, rel=0.1)
    assert fmean(drawn) == pytest.approx(0, abs=0.2 * spread)


def test_a_node_of_no_length_stays_so():
    profile = make_profile(AFTER, {"a": 0.0, "b": 1.0, "c": 1.0, "d": 0.0})
    assert {(wall[0], wall[3]) for wall in scenarios(profile, instance_of(profile), 20, 0)} == {(0, 0)}


def test_scenarios_are_of_calls_whatever_the_instance_plans_for():
    profile = with_calls(make_profile(AFTER, 1.0), all_of([1.0, 1.0, 1.0, 1.0, 9.0]))
    plain, late = instance_of(profile), instance_of(profile, statistic="p90")
    assert late.wall[0] > 3 * plain.wall[0]
    drawn, same = (scenarios(profile, its, 50, 0) for its in (plain, late))
    assert drawn == same


def test_expected_is_the_mean_over_replays():
    profile = make_profile(AFTER, 1.0, "python")
    instance = instance_of(profile)
    drawn = scenarios(profile, instance, 9, 0)
    found = expected(instance, [0, 1, 2, 3], 2, (), drawn)
    each = [simulate(instance.with_wall(wall), [0, 1, 2, 3], 2).makespan for wall in drawn]
    assert list(found.makespans) == each
    assert found.mean == pytest.approx(fmean(each))
    assert found.p90 == percentile(each, 0.9)


def test_a_scenario_shares_what_is_known_of_demands():
    instance = instance_of(make_profile(AFTER, 1.0, "python"))
    other = instance.with_wall([1, 2, 3, 4])
    assert other.fluid is instance.fluid
    assert other.wall == (1, 2, 3, 4)
