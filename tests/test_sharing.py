"""Nodes beside each other: measured pairs, a model for the others, and larger sets."""

from __future__ import annotations

from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.measurement import PairTrial
from makespan.structure import build
from makespan_optimizer.bounds import lower_bounds
from makespan_optimizer.contention import neighbours, sharing
from makespan_optimizer.contention.fluid import shared_speeds
from makespan_optimizer.contention.neighbours import USUAL_CROWDING, crowding_of
from makespan_optimizer.contention.sharing import MOST_CLASSES, Machine, Sharing, Trial, classes
from makespan_optimizer.contention.together import Demand, modelled_speeds, pair_speeds, together
from makespan_optimizer.instance import Instance, instance_from, instance_of
from makespan_optimizer.simulate import simulate
from tests.builders import make_profile
from tests.strategies import cases

remembered = cache(modelled_speeds)


@pytest.fixture(autouse=True, scope="module")
def _pairs_simulated_once():
    """Simulate each pair once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharing, "modelled_speeds", remembered)
        patch.setattr(neighbours, "modelled_speeds", remembered)
        yield


MACHINE = Machine(2.0, 0.005, 50e-6)
LOOP, NATIVE, SLEEP = Demand(0.2), Demand(0.0, native_s=0.2), Demand(0.0, blocked_s=0.2)
CHATTY = Demand(0.01, blocked_s=0.19, cycles=100)
MIXED = Demand(0.05, native_s=0.1, blocked_s=0.05, cycles=4)


def shares_of(demands, cores=2.0):
    gil = [round(1000 * d.hold_s / d.wall_s) for d in demands]
    core = [round(1000 * min(cores, (d.hold_s + d.native_s * d.width) / d.wall_s)) for d in demands]
    return gil, core


def sharing_for(demands, measured=None, machine=MACHINE):
    trials = {pair: Trial(speeds, 0.005) for pair, speeds in (measured or {}).items()}
    return Sharing(*shares_of(demands), 2000, demands, trials, machine)


def with_pairs(profile, *pairs, hand_off_s=None):
    """Add trials, as (a, b, alone, together); with a calibration if wanted."""
    trials = tuple(
        PairTrial(nodes=(a, b), alone_s=alone, together_s=both, repeats=3) for a, b, alone, both in pairs
    )
    runs = profile.runs
    if hand_off_s is not None:
        figures = {"hand_off_s": hand_off_s}
        runs = tuple(msgspec.structs.replace(run, calibration=figures) for run in runs)
    return msgspec.structs.replace(profile, pairs=trials, runs=runs)


# -- pairs -------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(
    st.tuples(st.sampled_from([0.1, 1.0]), st.floats(0.05, 2)),
    st.tuples(st.floats(1, 1.9), st.floats(1, 1.9)),
    st.sampled_from([("io", "io"), ("native", "native"), ("mixed", "io")]),
)
def test_a_measured_pair_is_reproduced(alone_s, slower, kinds):
    # As two threads can be: both slow each other until one ends.
    first_s = min(alone * slow for alone, slow in zip(alone_s, slower, strict=True))
    both_s = tuple(
        first_s if alone * slow == first_s else first_s + (alone - first_s / slow)
        for alone, slow in zip(alone_s, slower, strict=True)
    )
    profile = with_pairs(make_profile({"a": [], "b": []}, list(alone_s), kinds), ("a", "b", alone_s, both_s))
    instance = instance_of(profile)
    assert [t * instance.tick_s for t in simulate(instance, [0, 1], 2).finish] == pytest.approx(
        both_s, abs=3e-6
    )


def test_a_measured_pair_never_beats_a_capacity():
    # Two loops cannot be at full speed together, whatever a trial said.
    profile = with_pairs(make_profile({"a": [], "b": []}, 1.0, "python"), ("a", "b", (1.0, 1.0), (1.0, 1.0)))
    instance = instance_of(profile)
    assert simulate(instance, [0, 1], 2).makespan * instance.tick_s == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("cores", "interval_s", "used"),
    [(None, None, True), (2.0, 0.005, True), (1.0, None, False), (8.0, None, True), (None, 0.001, True)],
)
def test_a_trial_holds_for_the_machine_it_was_made_on(cores, interval_s, used):
    profile = with_pairs(make_profile({"a": [], "b": []}, 1.0, "native"), ("a", "b", (1.0, 1.0), (1.3, 1.3)))
    instance = instance_of(profile, cores=cores, switch_interval_s=interval_s)
    makespan_s = simulate(instance, [0, 1], 2).makespan * instance.tick_s
    assert makespan_s == pytest.approx(1.3 if used else 2.0, rel=0.02)


@pytest.mark.parametrize("demands", [(LOOP, CHATTY), (LOOP, LOOP), (NATIVE, MIXED), (SLEEP, LOOP)])
def test_pairs_that_were_not_measured_are_modelled(demands):
    found = sharing_for(demands).speeds([0, 1])
    assert found == pytest.approx(modelled_speeds(*demands, 2.0), abs=0.01)


def test_a_chatty_node_waits_for_the_loop_beside_it():
    assert sharing_for([LOOP, CHATTY]).speeds([0, 1])[1] < 0.5
    assert sharing_for([SLEEP, CHATTY]).speeds([0, 1])[1] > 0.98
    quick = sharing_for([LOOP, CHATTY], machine=MACHINE._replace(switch_interval_s=0.0002))
    assert quick.speeds([0, 1])[1] > 0.8


def test_another_switch_interval_changes_a_trial_as_it_changes_the_model():
    there = sharing_for([LOOP, CHATTY], {(0, 1): (0.9, 0.4)}).speeds([0, 1])[1]
    quick = MACHINE._replace(switch_interval_s=0.0002)
    here = sharing_for([LOOP, CHATTY], {(0, 1): (0.9, 0.4)}, quick).speeds([0, 1])[1]
    assert there == pytest.approx(0.4)
    assert here > 0.7
    # A trial with this very interval is taken as it is.
    profile = make_profile({"a": [], "b": []}, 0.2, ["python", "io"])
    both = [
        PairTrial(
            nodes=("a", "b"), alone_s=(0.2, 0.2), together_s=ends, repeats=3, switch_interval_s=interval
        )
        for interval, ends in ((0.005, (0.2, 0.5)), (0.001, (0.2, 0.3)))
    ]
    for pairs in (both, both[::-1]):
        instance = instance_of(msgspec.structs.replace(profile, pairs=tuple(pairs)), switch_interval_s=0.001)
        assert simulate(instance, [0, 1], 2).makespan * instance.tick_s == pytest.approx(0.3)


def test_a_trial_whose_repeats_differ_is_believed_less():
    profile = make_profile({"a": [], "b": []}, 0.2, ["native", "native"])

    def takes(spread, like=None):
        pair = PairTrial(
            nodes=("a", "b"), alone_s=(0.2, 0.2), together_s=(0.4, 0.4), repeats=5, spread=spread, like=like
        )
        instance = instance_of(msgspec.structs.replace(profile, pairs=(pair,)))
        return simulate(instance, [0, 1], 2).makespan * instance.tick_s

    calm, usual, wild = takes(0.0), takes(0.1), takes(0.9)
    assert calm == pytest.approx(0.4)
    assert wild == pytest.approx(0.2 * (1 + USUAL_CROWDING), rel=0.02)
    assert wild + 0.05 < usual < calm - 0.05
    assert wild < takes(0.0, like=("b", "a")) < calm


def test_ends_become_speeds():
    assert pair_speeds((1.0, 1.0), (2.0, 2.0)) == (0.5, 0.5)
    assert pair_speeds((1.0, 4.0), (1.25, 4.0)) == (0.8, 1.0)
    assert pair_speeds((1.0, 4.0), (0.9, 4.5)) == (1.0, pytest.approx(4 / 9))
    assert pair_speeds((0.0, 1.0), (0.0, 1.0)) == (1.0, 1.0)


# -- larger sets -------------------------------------------------------------------------------------------

kinds = st.sampled_from([LOOP, NATIVE, SLEEP, CHATTY, MIXED, Demand(0.1, 0.1), Demand(0.02, 0.3, width=2.0)])
speeds = st.floats(0.02, 1)


@st.composite
def crowds(draw):
    demands = draw(st.lists(kinds, min_size=2, max_size=6))
    n = len(demands)
    pairs = st.sampled_from([(i, j) for i in range(n) for j in range(i + 1, n)])
    measured = draw(st.dictionaries(pairs, st.tuples(speeds, speeds), max_size=4))
    return demands, measured, draw(st.sampled_from([0.0, 0.2]))


@settings(deadline=None, max_examples=120)
@given(crowds(), st.randoms(use_true_random=False))
def test_nobody_is_faster_than_alone_and_no_capacity_is_exceeded(drawn, random):
    demands, measured, crowding = drawn
    there = sharing_for(demands, measured, MACHINE._replace(crowding=crowding))
    running = list(range(len(demands)))
    found = there.speeds(running)
    gil, core = shares_of(demands)
    assert all(0 < speed <= 1 for speed in found)
    assert sum(s * g for s, g in zip(found, gil, strict=True)) <= 1000 * (1 + 1e-9)
    assert sum(s * c for s, c in zip(found, core, strict=True)) <= 2000 * (1 + 1e-9)
    random.shuffle(running)
    assert there.speeds(running) == [found[i] for i in running]
    again = sharing_for(demands, measured, MACHINE._replace(crowding=crowding))
    assert again.speeds(running) == [found[i] for i in running]


@settings(deadline=None, max_examples=60)
@given(crowds(), st.randoms(use_true_random=False))
def test_the_order_of_declaration_changes_nothing(drawn, random):
    demands, measured, _ = drawn
    order = list(range(len(demands)))
    random.shuffle(order)  # new place k has the old node order[k]
    place = {old: new for new, old in enumerate(order)}
    turned = {}
    for (i, j), (a, b) in measured.items():
        key = place[i], place[j]
        turned[min(key), max(key)] = (a, b) if key[0] < key[1] else (b, a)
    plain = sharing_for(demands, measured).speeds(range(len(demands)))
    other = sharing_for([demands[old] for old in order], turned).speeds(range(len(demands)))
    assert [plain[old] for old in order] == pytest.approx(other, rel=1e-12)


@pytest.mark.parametrize(
    "demands",
    [
        (LOOP, NATIVE, CHATTY),
        (LOOP, LOOP, CHATTY),
        (NATIVE, NATIVE, NATIVE),
        (CHATTY, CHATTY, LOOP, SLEEP),
        (MIXED, MIXED, LOOP),
        (MIXED, NATIVE, LOOP, SLEEP),
    ],
)
def test_sets_of_three_and_four_are_near_their_simulation(demands):
    crowded = MACHINE._replace(crowding=0.15)
    n = len(demands)
    structure = build([str(i) for i in range(n)], [()] * n)
    wall = [round(d.wall_s * 1e6) for d in demands]
    gil, core = map(tuple, shares_of(demands))
    there = sharing_for(demands, machine=crowded)
    instance = Instance(structure, tuple(wall), gil, gil, core, 2000, fluid=there)
    plain = instance_from(structure, wall, gil=gil, core=core)
    predicted, lossless = (simulate(its, range(n), n).makespan for its in (instance, plain))
    forth = together(demands, 2, crowding=0.15)
    back = together(demands[::-1], 2, crowding=0.15)
    true = 1e6 * (max(forth) + max(back)) / 2
    assert predicted == pytest.approx(true, rel=0.12)
    assert abs(predicted - true) <= abs(lossless - true) + 0.05 * true


# -- classes, crowding -------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.builds(
            Demand,
            st.floats(0, 3),
            st.floats(0, 3),
            st.floats(0, 3),
            st.integers(1, 10_000),
            st.floats(0, 0.1),
            st.floats(1, 8),
        ),
        max_size=150,
    )
)
def test_there_are_never_too_many_classes(demands):
    numbers, means = classes(demands)
    assert len(numbers) == len(demands)
    assert len(means) == len(set(numbers)) <= MOST_CLASSES
    backwards, same = classes(demands[::-1])
    assert backwards[::-1] == numbers
    assert same == means


def test_few_nodes_are_classes_of_their_own():
    numbers, means = classes([LOOP, CHATTY, LOOP])
    assert numbers[0] == numbers[2] != numbers[1]
    assert LOOP in means


def test_pairs_that_compute_tell_the_crowding():
    slowed = (1 / 1.2, 1 / 1.2)
    one = crowding_of([(NATIVE, NATIVE, slowed)], MACHINE)
    assert crowding_of([], MACHINE) == USUAL_CROWDING
    assert USUAL_CROWDING < one < crowding_of([(NATIVE, LOOP, slowed)] * 20, MACHINE) < 0.2
    # Who shares the GIL, or waits, says nothing of it; nor is anybody faster beside others.
    assert crowding_of([(LOOP, LOOP, (0.4, 0.4)), (SLEEP, NATIVE, slowed)], MACHINE) == USUAL_CROWDING
    assert 0 <= crowding_of([(NATIVE, LOOP, (1.0, 1.0))] * 5, MACHINE) < USUAL_CROWDING
    # Who can compute at once for a part of the time only is slowed in that part.
    half = Demand(0.1, 0.1, cycles=50)
    told = crowding_of([(half, half, (0.8, 0.8))] * 50, MACHINE)
    assert told > crowding_of([(NATIVE, NATIVE, (0.9, 0.9))] * 50, MACHINE)


def test_many_cores_crowd_no_more_in_all_than_few():
    profile = with_pairs(make_profile({name: [] for name in "abcdefgh"}, 0.1, "native"), hand_off_s=1e-5)
    assert instance_of(profile, cores=2).fluid.machine.crowding == pytest.approx(USUAL_CROWDING)
    many = instance_of(profile, cores=8)
    assert many.fluid.machine.crowding == pytest.approx(USUAL_CROWDING / 7)
    assert simulate(many, range(8), 8).makespan * many.tick_s == pytest.approx(0.11, rel=0.03)


# -- instances ---------------------------------------------------------------------------------------------


def test_a_profile_that_tells_nothing_of_neighbours_shares_without_loss():
    profile = make_profile({"a": [], "b": []}, 0.1, ["python", "io"])
    plain = instance_of(profile)
    assert not isinstance(plain.fluid, Sharing)
    assert plain.hand_off == 0
    told = instance_of(with_pairs(profile, hand_off_s=40e-6))
    assert isinstance(told.fluid, Sharing)
    assert told.hand_off * told.tick_s == pytest.approx(40e-6)
    assert instance_of(with_pairs(profile, hand_off_s=40e-6), lossless=True) == plain


def test_who_is_started_by_another_worker_is_late():
    structure = build("abc", ["", "", "ab"])
    instance = Instance(structure, (10, 10, 10), (0,) * 3, (0,) * 3, (0,) * 3, 2000, hand_off=1)
    assert simulate(instance, [0, 1, 2], 2).finish == [10, 11, 21]
    assert simulate(instance, [0, 1, 2], 1).finish == [10, 20, 30]


@settings(deadline=None, max_examples=40)
@given(cases(8), st.data())
def test_bounds_hold(case, data):
    n = len(case.wall)
    drawn = data.draw(st.lists(kinds, min_size=n, max_size=n))
    pairs = st.sampled_from([(i, j) for i in range(n) for j in range(i + 1, n)] or [(0, 0)])
    measured = data.draw(st.dictionaries(pairs, st.tuples(speeds, speeds), max_size=4)) if n > 1 else {}
    gil, core = map(tuple, shares_of(drawn))
    plain = case.instance(list(gil), list(core))
    wall = tuple(1000 * w for w in case.wall)
    instance = Instance(
        plain.structure, wall, gil, gil, core, 2000, hand_off=3, fluid=sharing_for(drawn, measured)
    )
    schedule = simulate(instance, data.draw(st.permutations(range(n))), case.budget)
    best = max(bound.ticks for bound in lower_bounds(instance, case.budget))
    assert best <= schedule.makespan * (1 + 1e-9)
    for i in range(n):
        assert schedule.finish[i] - schedule.start[i] >= wall[i] * (1 - 1e-9)
        assert all(schedule.finish[p] <= schedule.start[i] for p in case.preds[i])


def test_without_a_gil_nobody_waits_for_it():
    profile = with_pairs(make_profile({"a": [], "b": []}, 0.1, "python", gil=False), hand_off_s=1e-5)
    instance = instance_of(profile)
    assert simulate(instance, [0, 1], 2).makespan * instance.tick_s == pytest.approx(
        0.1 * (1 + USUAL_CROWDING), rel=0.01
    )


def test_speeds_are_those_of_capacities_where_nothing_is_lost():
    demands = [NATIVE, NATIVE, NATIVE]
    assert sharing_for(demands).speeds([0, 1, 2]) == pytest.approx(
        shared_speeds([0] * 3, [1] * 3, 2.0), rel=0.02
    )


def test_a_pair_is_simulated_once_and_only_when_it_meets(monkeypatch):
    seen = []
    real = modelled_speeds
    sharing._modelled.cache_clear()  # other tests may have asked for the same pairs
    monkeypatch.setattr(sharing, "modelled_speeds", lambda *a, **k: seen.append(a[:2]) or real(*a, **k))
    there = sharing_for([LOOP, CHATTY, NATIVE, LOOP])
    assert not seen
    for _ in range(3):
        there.speeds([0, 1])
        there.speeds([1, 3])  # a node like the first
    assert len(seen) == 1
