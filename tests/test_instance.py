"""From a profile to integers."""

import math

import msgspec
import pytest

from makespan.errors import ProfileError
from makespan.profile import PairTrial, Quality, Spread
from makespan.structure import build
from makespan_optimizer.instance import instance_from, instance_of
from tests.builders import make_profile


def test_kinds_become_demands():
    profile = make_profile(
        {name: [] for name in "pnixm"},
        2.0,
        {"p": "python", "n": "native", "i": "io", "x": "parallel", "m": "mixed"},
    )
    instance = instance_of(profile)
    assert instance.wall == (2_000_000,) * 5
    assert instance.gil == (1000, 0, 0, 0, 500)
    assert instance.core == (1000, 1000, 0, 2000, 500)
    assert instance.gil_sure == instance.gil
    assert instance.capacity == 2000
    assert instance.tick_s == 1e-6


def test_clocks_alone_prove_nothing_about_the_gil():
    profile = make_profile({"a": []}, 1.0, "python", sampler="clocks")
    node = profile.nodes[0]
    unsure = msgspec.structs.replace(
        node, quality=msgspec.structs.replace(node.quality, gil_share_half_width=None)
    )
    instance = instance_of(msgspec.structs.replace(profile, nodes=(unsure,)))
    assert instance.gil == (1000,)
    assert instance.gil_sure == (0,)


def test_without_a_gil_there_is_none():
    assert instance_of(make_profile({"a": []}, 1.0, "python", gil=False)).gil == (0,)


def test_fewer_cores_stretch_what_wants_more():
    instance = instance_of(make_profile({"a": [], "b": []}, 1.0, {"a": "parallel"}), cores=0.5)
    assert instance.wall == (4_000_000, 1_000_000)
    assert instance.core == (500, 0)


def test_more_cores_stretch_nothing():
    assert instance_of(make_profile({"a": []}, 1.0, "parallel"), cores=64).wall == (1_000_000,)


def test_clocks_that_disagree_are_cut_to_what_is_possible():
    profile = make_profile({"a": []}, 1.0, splits={"a": (1.2, 1.1, 5.0, 0.0)})
    instance = instance_of(profile)
    assert (instance.gil, instance.core, instance.wall) == ((1000,), (2000,), (1_000_000,))


@pytest.mark.parametrize(("seconds", "tick_s"), [(3e-6, 1e-9), (0.2, 1e-6), (1e5, 1e-6), (9e7, 1e-4)])
def test_ticks_fit_the_durations(seconds, tick_s):
    instance = instance_of(make_profile({"a": []}, seconds))
    assert instance.tick_s == pytest.approx(tick_s)
    assert instance.wall[0] * instance.tick_s == pytest.approx(seconds)
    assert instance.wall[0] <= 10**12


@pytest.mark.parametrize("seconds", [0.0, 1e-300, 1e-12])
def test_what_no_clock_can_tell_from_zero_is_zero(seconds):
    assert instance_of(make_profile({"a": [], "b": []}, [seconds, 1.0])).wall == (0, 1_000_000)


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf, 1e308, 1.1e8])
def test_impossible_durations_are_refused_by_name(seconds):
    with pytest.raises(ProfileError, match=r"wall_net_s.median of node 'b' is .*profile again"):
        instance_of(make_profile({"a": [], "b": []}, [1.0, seconds]))


def test_unmeasured_nodes_are_named():
    profile = make_profile({name: [] for name in "abcdefgh"}, missing="bcdefg")
    with pytest.raises(
        ProfileError, match=r"these nodes .* 'b', 'c', 'd', 'e', 'f' and 1 more \(profile again\)"
    ):
        instance_of(profile)


def test_first_call_takes_the_warm_up():
    profile = make_profile({"a": [], "b": []}, 1.0, first_s={"a": 3.0})
    assert instance_of(profile, first_call=True).wall == (3_000_000, 1_000_000)
    assert instance_of(profile).wall == (1_000_000, 1_000_000)


def test_backwards_turns_every_edge_and_turns_back():
    instance = instance_from(build("abc", ["", "a", "a"]), [1, 2, 3])
    assert instance.backwards().structure.preds == ((1, 2), (), ())
    assert instance.backwards().backwards() == instance


def test_without_contention_demands_nothing():
    instance = instance_from(build("ab", ["", ""]), [1, 2], gil=[1000, 1000], core=[1000, 1000])
    assert not instance.without_contention().fluid.may_contend(2)
    assert instance.fluid.may_contend(2)


def with_samples(*samples_s):
    made = make_profile({"a": []}, 2.0, "python")
    walls = sorted(samples_s)
    spread = Spread(walls[len(walls) // 2], walls[0], walls[-1], samples_s)
    return msgspec.structs.replace(
        made, nodes=tuple(msgspec.structs.replace(its, wall_net_s=spread) for its in made.nodes)
    )


def test_the_statistic_says_which_duration_to_plan_for():
    profile = with_samples(1.0, 2.0, 6.0)
    walls = [instance_of(profile, statistic=name).wall for name in ("median", "mean", "p90")]
    assert walls == [(2_000_000,), (3_000_000,), (6_000_000,)]
    assert instance_of(profile, first_call=True, statistic="p90").wall == (2_000_000,)
    assert instance_of(make_profile({"a": []}, 2.0), statistic="mean").wall == (2_000_000,)


def test_the_shares_of_another_statistic_are_those_of_the_median():
    assert instance_of(with_samples(1.0, 2.0, 6.0), statistic="p90").gil == (1000,)


def test_a_share_that_is_an_upper_bound_is_not_sure_whatever_other_runs_had():
    made = make_profile({"a": [], "b": []}, 1.0, "python")
    first, second = made.nodes
    unsure = msgspec.structs.replace(first, quality=Quality(gil_share_half_width=None))
    instance = instance_of(msgspec.structs.replace(made, nodes=(unsure, second)))
    assert instance.gil == (1000, 1000)
    assert instance.gil_sure == (0, 1000)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"native_s": -1.0}, r"native_s of node 'b' is -1.0"),
        ({"blocked_s": {"io": math.nan}}, r"blocked_s.io of node 'b' is nan"),
        ({"gil_burst_max_s": math.inf}, r"gil_burst_max_s of node 'b' is inf"),
        ({"wall_net_s": Spread(1.0, 1.0, 1.0, (1.0, -2.0))}, r"samples\[1\] of node 'b' is -2.0"),
    ],
)
def test_whatever_cannot_be_is_refused_by_name(fields, named):
    made = make_profile({"a": [], "b": []}, 1.0)
    first, second = made.nodes
    odd = msgspec.structs.replace(second, **fields)
    with pytest.raises(ProfileError, match=named):
        instance_of(msgspec.structs.replace(made, nodes=(first, odd)))


def test_a_trial_that_cannot_be_is_refused_by_the_names_of_its_nodes():
    made = make_profile({"a": [], "b": []}, 1.0)
    pair = PairTrial(nodes=("a", "b"), alone_s=(1.0, 1.0), together_s=(1.0, math.nan), repeats=3)
    with pytest.raises(ProfileError, match=r"the trial of 'a' beside 'b' says nan"):
        instance_of(msgspec.structs.replace(made, pairs=(pair,)))


def test_many_different_shares_are_rounded_so_that_mixtures_come_again():
    n = 300
    splits = {f"n{i}": (i / n, (i + n) / (2 * n), 0.0, 0.5 - i / (2 * n)) for i in range(n)}
    few = {name: splits[name] for name in list(splits)[::10]}
    exact = instance_of(make_profile({name: [] for name in few}, 1.0, splits=few))
    assert exact.gil[3] == 100
    rounded = instance_of(make_profile({name: [] for name in splits}, 1.0, splits=splits))
    assert len(set(zip(rounded.gil, rounded.core, strict=True))) <= 24
    assert all(abs(share - 1000 * i / n) <= 110 for i, share in enumerate(rounded.gil))
    assert sum(rounded.gil) == pytest.approx(sum(1000 * i / n for i in range(n)), rel=0.002)
