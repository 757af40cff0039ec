"""Native threads: figures of the trials, the choice under the simulator, brute force."""

from __future__ import annotations

from itertools import product

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import OptionError
from makespan.measurement import PairTrial
from makespan.profile import Call
from makespan_optimizer.instance import instance_of
from makespan_optimizer.modes.bound import bounds_over_modes
from makespan_optimizer.modes.choose import Wanted, apply, choose_modes
from makespan_optimizer.modes.judge import Judge
from makespan_optimizer.modes.native import apply_native, choices, descend, oversubscribes, with_threads
from makespan_optimizer.optimize import optimize
from tests.builders import make_profile
from tests.mode_profiles import with_trials

# With 2 threads a node is hardly faster than with 1, and burns the second core.
WASTEFUL = {1: (1.0, 1.0), 2: (0.9, 1.8)}


def two(trials=WASTEFUL, **more):
    profile = make_profile(
        {"a": [], "b": []}, 0.9, splits={"a": (0, 0.9, 0.9, 0), "b": (0, 0.9, 0.9, 0)}, **more
    )
    return with_trials(profile, {"a": trials, "b": trials})


def test_only_what_was_measured_can_be_had():
    node = two().nodes[0]
    assert choices(node) == (1,)
    with pytest.raises(OptionError, match=r"3 native threads of node 'a': measured were 1"):
        with_threads(node, 3)
    with pytest.raises(OptionError, match="no number of threads was measured"):
        with_threads(make_profile({"a": []}).nodes[0], 1)


def test_figures_are_scaled_by_ratios_of_one_session():
    # In the trials' session all was twice as slow as in the counted runs.
    profile = two({1: (2.0, 2.0), 2: (1.8, 3.6)})
    node = with_threads(profile.nodes[0], 1)
    assert node.wall_net_s.median == pytest.approx(1.0)
    assert node.wall_net_s.samples == pytest.approx((1.0,) * 5)
    assert node.cpu_s == pytest.approx(1.0)
    assert node.other_cpu_s == pytest.approx(0.0)
    instance = instance_of(apply_native(profile, {"a": 1}))
    assert instance.core == (1000, 2000)


def test_calls_and_first_calls_follow():
    profile = two()
    call = Call("made", 1.8, 1.0, run_delay_s=0.9)
    node = msgspec.structs.replace(profile.nodes[0], calls=(call,), first_s=1.5)
    its = with_threads(node, 1)
    assert its.calls[0].wall_s == pytest.approx(1.0)
    assert its.calls[0].run_delay_s == 0
    assert its.first_s == pytest.approx(1.6)


def test_child_processes_keep_their_cpu_time():
    profile = make_profile({"a": []}, 1.0, splits={"a": (0, 0.1, 1.6, 0.9)})
    profile = with_trials(profile, {"a": {1: (1.4, 1.4), 2: (1.0, 1.7)}})
    trials = profile.nodes[0].native_threads
    limited = msgspec.structs.replace(trials, limited=("environment",))
    node = msgspec.structs.replace(profile.nodes[0], native_threads=limited, blocked_s={"child": 0.9})
    its = with_threads(node, 1)
    assert its.cpu_s + its.other_cpu_s == pytest.approx(1.4)
    assert its.other_cpu_s > 1.2
    assert its.blocked_s["child"] == pytest.approx(1.26)


def test_pairs_with_other_threads_are_dropped():
    pair = PairTrial(nodes=("a", "b"), alone_s=(0.9, 0.9), together_s=(1.8, 1.8), repeats=3)
    profile = msgspec.structs.replace(two(), pairs=(pair,))
    assert apply_native(profile, {"a": 1}).pairs == ()
    assert apply_native(profile, {}).pairs == (pair,)


def test_oversubscription_in_words():
    node = two().nodes[0]
    assert oversubscribes(node, 4.0).startswith("by default it takes 2 threads on 4 cores and 1.8 s")
    assert "with 1 thread 1 s" in oversubscribes(node, 1.0)
    frugal = two({1: (1.8, 1.8), 2: (0.9, 1.8)}).nodes[0]
    assert oversubscribes(frugal, 2.0) == ""
    assert oversubscribes(frugal, 1.0) != ""


def test_two_that_overlap_take_one_thread_each():
    choice = choose_modes(two(), 2, native=True)
    assert choice.native_threads == (("a", 1), ("b", 1))
    assert choice.makespan_s == pytest.approx(1.0)
    assert choice.without_s == pytest.approx(1.8)


def test_a_node_alone_keeps_what_makes_it_fast():
    profile = with_trials(
        make_profile({"a": []}, 0.6, splits={"a": (0, 0.6, 0.6, 0)}), {"a": {1: (1.0, 1.0), 2: (0.6, 1.2)}}
    )
    assert choose_modes(profile, 2, native=True).native_threads == ()


def test_nothing_is_limited_for_a_small_gain():
    profile = two({1: (0.99, 0.99), 2: (0.5, 1.0)})
    assert choose_modes(profile, 2, native=True).native_threads == ()


def test_what_is_given_stays():
    choice = choose_modes(two(), 2, wanted=Wanted(native={"a": 1}))
    assert choice.native_threads == (("a", 1),)
    with pytest.raises(OptionError, match="measured were 1"):
        choose_modes(two(), 2, wanted=Wanted(native={"a": 7}))


@given(
    st.dictionaries(
        st.sampled_from("abc"),
        st.dictionaries(st.integers(1, 3), st.integers(0, 9), min_size=1),
        min_size=1,
    )
)
@settings(deadline=None)
def test_descent_is_exact_where_nodes_do_not_matter_to_each_other(costs):
    candidates = {name: tuple(sorted(its)) for name, its in costs.items()}

    def score(threads):
        return 1 + sum(its[threads[name]] if name in threads else 5 for name, its in costs.items())

    every = [
        {name: m for name, m in zip(candidates, some, strict=True) if m is not None}
        for some in product(*((None, *its) for its in candidates.values()))
    ]
    assert score(descend(candidates, score, lambda: False)) == min(map(score, every))


@st.composite
def pipelines(draw):
    n = draw(st.integers(1, 4))
    names = [f"n{i}" for i in range(n)]
    after = {name: [p for p in names[:i] if draw(st.integers(0, 2)) == 0] for i, name in enumerate(names)}
    trials, splits, seconds = {}, {}, {}
    for name in names:
        work = draw(st.integers(2, 9)) / 10
        overhead = draw(st.sampled_from([1.0, 1.3, 1.9]))
        trials[name] = {1: (work, work), 2: (work * overhead / 2, work * overhead)}
        seconds[name] = work * overhead / 2
        splits[name] = (0, seconds[name], seconds[name], 0)
    return with_trials(make_profile(after, seconds, splits=splits), trials)


@given(pipelines())
@settings(deadline=None, max_examples=20)
def test_the_choice_is_near_brute_force_and_above_the_bound(profile):
    judge = Judge(2, over=lambda: False, work=50_000)
    names = [node.name for node in profile.nodes]
    every = [
        judge.close(apply_native(profile, {name: 1 for name, one in zip(names, some, strict=True) if one}))
        for some in product((False, True), repeat=len(names))
    ]
    choice = choose_modes(profile, 2, native=True)
    assert choice.makespan_s <= choice.without_s * (1 + 1e-9)
    # Coordinate descent from two starts, and gains below 2 % are not taken.
    assert min(every) * (1 - 1e-9) <= choice.makespan_s <= min(every) * 1.12
    relaxed, bounds = bounds_over_modes(profile, 2, native=True)
    assert bounds[0].ticks * relaxed.tick_s <= min(every) * (1 + 1e-5)


def test_the_plan_says_so():
    plan = optimize(two(), 2, native_threads=True, time_limit_s=2.0, what_if=[])
    assert {n.name: n.native_threads for n in plan.nodes} == {"a": 1, "b": 1}
    assert plan.default_makespan_s == pytest.approx(1.8)
    assert plan.makespan_s == pytest.approx(1.0)
    assert "native threads: 1 for a, b" in plan.summary()
    assert plan.lower_bound_s <= plan.makespan_s
    choice = choose_modes(two(), 2, native=True)
    assert instance_of(apply(two(), choice)).core == (1000, 1000)
