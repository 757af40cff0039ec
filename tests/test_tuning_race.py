"""Races by hand and by dice: who runs, who leaves, who wins, and how often that is wrong."""

from __future__ import annotations

import math
import random
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan_optimizer.tuning.confidence import MARGIN, level, looks, t_point, t_tail, verdict
from makespan_optimizer.tuning.race import NO_TIME, TIME_UP, Entrant, Race
from makespan_optimizer.tuning.standings import LEAST


def entrants(count):
    return [Entrant(f"way {i}", (0, i)) for i in range(count)]


def played(race, true_s, *, budget_s=math.inf, noise=0.0, drift=0.0, seed=0, most=100_000):
    """Play a race with known durations; returns the ways as they ran, the time used, the longest run."""
    dice = random.Random(seed)
    ran, used_s, longest_s = [], 0.0, 0.0
    while len(ran) < most and (way := race.next(budget_s - used_s)) is not None:
        slow = 1 + drift * math.sin(used_s / 17)
        seconds = true_s[way] * slow * math.exp(dice.gauss(0, noise))
        race.record(way, seconds)
        ran.append(way)
        used_s += seconds
        longest_s = max(longest_s, seconds)
    return ran, used_s, longest_s


# -- Student's t
@pytest.mark.parametrize(
    ("tail", "freedom", "point"),
    [(0.05, 1, 6.3138), (0.025, 4, 2.7764), (0.005, 9, 3.2498), (0.0005, 4, 8.6103), (0.001, 120, 3.1595)],
)
def test_points_of_t_are_those_of_printed_tables(tail, freedom, point):
    assert t_point(tail, freedom) == pytest.approx(point, abs=1e-4)


@given(st.floats(0, 40), st.integers(1, 200))
@settings(deadline=None, max_examples=60)
def test_the_tail_of_t_is_its_density_summed_up(t, freedom):
    front = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    steps = 4000
    inside = sum(
        front * (1 + ((k + 0.5) * t / steps) ** 2 / freedom) ** (-(freedom + 1) / 2) * t / steps
        for k in range(steps)
    )
    assert t_tail(t, freedom) == pytest.approx(0.5 - inside, abs=1e-5)


def test_looking_again_and_again_at_equal_ways_seldom_finds_a_difference():
    wrong = 0
    error = level(0.90, 2)
    for seed in range(150):
        dice = random.Random(seed)
        a = [math.exp(dice.gauss(0, 0.05)) for _ in range(looks(5)[-1])]
        b = [math.exp(dice.gauss(0, 0.05)) for _ in a]
        wrong += any(verdict(a[:n], b[:n], error).slower for n in looks(5))
    # At most 5 % are allowed (half of 10 %): of 150 races more than 15 would be 1 in 600.
    assert wrong <= 15


def test_a_way_that_is_slower_by_a_tenth_is_found_out():
    dice = random.Random(1)
    a = [1.1 * math.exp(dice.gauss(0, 0.02)) for _ in range(27)]
    b = [math.exp(dice.gauss(0, 0.02)) for _ in a]
    found = verdict(a, b, level(0.95, 8))
    assert found.slower
    assert found.low < 1.1 < found.high
    assert not verdict(b, a, level(0.95, 8)).slower
    assert verdict(b, a, level(0.95, 8)).as_fast


def test_equal_times_are_as_fast_and_nothing_divides_by_zero():
    found = verdict([1.0] * 5, [1.0] * 5, 1e-4)
    assert found.as_fast
    assert not found.slower
    assert found.high < 1 + MARGIN


# -- the order of the runs
def test_first_runs_come_in_the_given_order_and_do_not_count():
    race = Race(entrants(3))
    ran, _, _ = played(race, [1.0, 2.0, 1.0], most=3)
    assert ran == [0, 1, 2]
    assert race.turns == 0
    assert race.first_s == {0: 1.0, 1: 2.0, 2: 1.0}


def test_a_turn_runs_each_way_once_in_an_order_that_changes():
    race = Race(entrants(5), seed=3)
    ran, _, _ = played(race, [1.0] * 5, noise=0.1, most=5 + 4 * 5)
    turns = [ran[k : k + 5] for k in range(5, 25, 5)]
    assert all(sorted(turn) == [0, 1, 2, 3, 4] for turn in turns)
    assert len({tuple(turn) for turn in turns}) > 1
    assert ran == played(Race(entrants(5), seed=3), [1.0] * 5, noise=0.1, most=25)[0]


def test_a_hopeless_way_runs_once_unless_worker_processes_start_in_that_run():
    ways = [Entrant("default"), Entrant("plan"), Entrant("slow"), Entrant("workers", slow_start=True)]
    race = Race(ways)
    played(race, [1.0, 0.9, 2.0, 2.0], noise=0.01, most=8)
    assert list(race.left) == [2]
    assert "2.2 times as long" in race.left[2]
    assert race.seconds(2) == []
    assert race.seconds(3)


def test_the_last_rival_is_never_given_up_for_one_run():
    race = Race(entrants(2))
    ran, _, _ = played(race, [1.0, 5.0], noise=0.01)
    assert ran.count(1) >= 5
    assert race.winner == 0
    assert race.clear


def test_slower_ways_leave_by_the_test_and_the_default_stays():
    race = Race(entrants(3))
    ran, _, _ = played(race, [1.0, 0.8, 1.2], noise=0.01)
    assert race.winner == 1
    assert race.clear
    assert race.why == "it is clear"
    assert "times as long as way 1" in race.left[2]
    assert ran.count(0) == ran.count(1)  # the default is run to the end
    assert 0 not in race.left


def test_ways_that_are_equal_end_as_equal_and_the_smaller_is_taken():
    ways = [Entrant("default", (0, 4)), Entrant("processes", (2, 2)), Entrant("two threads", (0, 2))]
    race = Race(ways)
    played(race, [1.0, 0.999, 1.0], noise=0.004)
    assert race.clear
    assert race.ways[race.winner].name in {"two threads", "default"}
    by_hand = Race(ways)
    by_hand.restore({0: 1.0, 1: 1.0, 2: 1.0}, [{0: 1.0, 1: 0.995, 2: 0.999}] * 5, {})
    assert by_hand.ways[by_hand.winner].name == "two threads"
    assert by_hand.ways[by_hand.leader].name == "processes"


def test_a_way_with_a_median_above_the_defaults_never_wins():
    race = Race(entrants(2))
    # It is faster in most turns, but its median is above the default's.
    race.restore(
        {0: 1.0, 1: 1.0},
        [{0: 1.0, 1: 0.9}, {0: 1.02, 1: 1.01}, {0: 5.0, 1: 4.0}, {0: 0.9, 1: 1.02}, {0: 0.9, 1: 0.9}],
        {},
    )
    assert race.over_default(1) < 1
    assert median(race.seconds(1)) > median(race.seconds(0))
    assert race.winner == 0


def test_when_time_is_short_the_slower_half_is_left_behind_again_and_again():
    race = Race(entrants(9))
    true_s = [1.0, *(0.8 + 0.05 * k for k in range(8))]
    ran, used_s, longest_s = played(race, true_s, budget_s=60, noise=0.01)
    assert race.winner == 1
    assert sum("slower half" in why for why in race.left.values()) >= 3
    assert used_s <= 60 + longest_s
    assert ran.count(1) > ran.count(8)


def test_without_any_time_the_default_and_one_way_are_run_once():
    race = Race(entrants(4))
    ran, _, _ = played(race, [1.0] * 4, budget_s=0.0)
    assert ran == [0, 1]
    assert race.why == TIME_UP
    assert not race.clear
    assert race.seconds(0) == [1.0]
    assert set(race.left) == {2, 3}


def test_ways_for_which_no_turn_is_left_do_not_even_begin():
    """All take twice as long as was expected, which the first two runs tell; a turn counts beside others."""
    ways = [Entrant(f"way {i}", (0, i), expected_s=1.0) for i in range(6)]
    race = Race(ways)
    ran, used_s, _ = played(race, [2.0] * 6, budget_s=40.0)
    assert set(ran) == {0, 1, 2, 3, 4}
    assert race.left[5] == "no time was left to run it"
    assert race.turns >= LEAST
    assert used_s == 40.0


def test_nothing_wins_by_fewer_turns_than_count_and_what_is_missing_is_told():
    race = Race(entrants(2))
    race.restore({0: 4.0, 1: 1.0}, [], {})
    assert race.winner == 0
    assert not race.clear
    assert race.short_s == LEAST * 5.0
    for turn in range(1, LEAST):
        race.turn_s.append({0: 1.0, 1: 0.5})
        assert race.winner == 0
        assert race.short_s == (LEAST - turn) * 1.5
    race.turn_s.append({0: 1.0, 1: 0.5})
    assert race.winner == 1
    assert race.short_s == 0


def test_short_time_is_spent_on_ways_that_can_still_win():
    race = Race(entrants(5))
    race.restore(dict.fromkeys(range(5), 1.0), [], {})
    ran, _, _ = played(race, [1.0, 0.9, 0.8, 0.7, 0.6], budget_s=9.0)
    assert race.turns == LEAST
    assert len(set(ran)) == 3
    assert race.winner != 0


def test_a_slow_first_run_of_worker_processes_does_not_count_against_their_plan():
    ways = [Entrant("default", expected_s=1.0), Entrant("a", expected_s=0.9)]
    race = Race([*ways, Entrant("workers", (1, 2), slow_start=True, expected_s=0.5)])
    race.restore({0: 1.0, 1: 0.9, 2: 3.0}, [], {})
    assert race.leader == 2


def test_ways_that_only_lacked_time_take_part_again():
    race = Race(entrants(4))
    turns = [{0: 1.0, 1: 0.9, 2: 0.9, 3: 0.5}, *[{0: 1.0, 1: 0.9}] * 2]
    why = f"{NO_TIME} for more than one turn"
    race.restore(dict.fromkeys(range(4), 1.0), turns, {2: "in the slower half after one turn", 3: why})
    assert race.live == [0, 1, 3]
    played(race, [1.0, 0.9, 0.9, 0.5], noise=0.01)
    assert race.winner == 3


def test_a_race_with_nothing_to_run_beside_the_default_does_not_call_others_slower():
    race = Race(entrants(2))
    race.record(race.next(), 1.0)
    race.fail(race.next(), "it cannot be run: no such thing")
    assert race.next() is None
    assert race.why == "no other way can be run"
    assert race.clear


def test_a_turn_that_was_disturbed_is_run_again():
    race = Race(entrants(2))
    played(race, [1.0, 0.9], most=4)
    assert race.turns == 1
    race.retake()
    assert race.turns == 0
    assert not race.between_turns
    played(race, [2.0, 1.8], most=2)
    assert race.turn_s == [{0: 2.0, 1: 1.8}]


def test_a_way_that_fails_leaves_and_the_turn_goes_on():
    race = Race(entrants(3))
    played(race, [1.0] * 3, most=3)
    first = race.next()
    race.record(first, 1.0)
    broken = next(i for i in (1, 2) if i != first)
    race.fail(broken, "it cannot be run: no such thing")
    while race.turns == 0:
        race.record(race.next(), 1.0)
    assert broken not in race.turn_s[0]
    assert race.left == {broken: "it cannot be run: no such thing"}


def test_ways_that_join_have_a_first_run_and_are_compared_on_common_turns():
    race = Race(entrants(2), most_ways=3)
    played(race, [1.0, 0.9], noise=0.01, most=2 + 2 * 5)
    race.join([Entrant("learnt", (0, 2))])
    ran, _, _ = played(race, [0.8, 0.72, 0.4], noise=0.01)  # the machine has become faster
    assert ran[0] == 2
    assert race.winner == 2
    assert race.over_default(2) == pytest.approx(0.5, rel=0.02)
    assert len(race.in_common(2)[0]) < len(race.seconds(0))


def test_one_lucky_turn_does_not_win_against_many():
    race = Race(entrants(2), most_ways=3)
    turns = [{0: 1.0, 1: 0.9}] * 6
    race.restore({0: 1.0, 1: 0.9}, turns, {})
    race.join([Entrant("learnt")])
    for winner in (1, 1, 2):
        race.turn_s.append({0: 1.0, 1: 0.9, 2: 0.5})
        assert race.leader == 2
        assert race.winner == winner


def test_a_late_way_without_time_to_win_does_not_cost_the_race_what_was_won():
    race = Race(entrants(2), most_ways=3)
    race.restore({0: 1.0, 1: 0.5}, [{0: 1.0, 1: 0.5}] * 4, {1: "in the slower half after 4 turns"})
    race.join([Entrant("learnt")])
    race.first_s[2] = 0.4
    race.turn_s += [{0: 1.0, 2: 0.4}] * 2
    race.stop(TIME_UP)
    assert race.winner == 1
    assert race.left == {}
    assert race.short_s == 0


def test_a_way_that_was_slower_than_the_default_is_not_called_back():
    race = Race(entrants(2))
    played(race, [1.0, 1.5], noise=0.01)
    assert race.left[1].startswith("1.5")
    assert race.winner == 0


def test_a_race_that_was_over_goes_on_when_a_way_joins():
    race = Race(entrants(2))
    played(race, [1.0, 0.5], noise=0.01)
    assert race.over
    race.join([Entrant("learnt")])
    played(race, [1.0, 0.5, 0.25], noise=0.01)
    assert race.winner == 2
    assert race.clear


def test_a_default_without_rivals_is_the_winner():
    race = Race(entrants(1))
    played(race, [1.0])
    assert race.over
    assert race.winner == 0


# -- how often it is wrong
def test_with_enough_time_the_winner_is_seldom_worse_than_the_best():
    """Eight ways, 5 % of noise, a machine that drifts by a tenth; time for a hundred and twenty runs."""
    wrong = clear_and_wrong = 0
    races = 80
    for seed in range(races):
        dice = random.Random(1000 + seed)
        true_s = [1.0, *(dice.choice([0.8, 0.9, 0.95, 0.97, 1.0, 1.05, 1.2, 1.5]) for _ in range(7))]
        race = Race(entrants(8), 0.95, seed=seed)
        played(race, true_s, budget_s=120, noise=0.05, drift=0.1, seed=seed)
        bad = true_s[race.winner] > 1.03 * min(true_s)
        wrong += bad
        clear_and_wrong += bad and race.clear
        assert median(race.seconds(race.winner)) <= median(race.seconds(0))
    assert clear_and_wrong == 0
    assert wrong / races <= 0.05


# -- what holds in any race
@given(
    true_s=st.lists(st.floats(0.01, 3.0), min_size=1, max_size=9),
    budget_s=st.floats(-1, 60),
    noise=st.sampled_from([0.0, 0.02, 0.3]),
    seed=st.integers(0, 999),
    cut=st.integers(0, 40),
)
@settings(deadline=None, max_examples=120)
def test_whatever_happens(true_s, budget_s, noise, seed, cut):
    count = len(true_s)
    race = Race(entrants(count), seed=seed)
    ran, used_s, longest_s = played(race, true_s, budget_s=budget_s, noise=noise, seed=seed, most=cut)
    again = Race(entrants(count), seed=seed)
    again.restore(race.first_s, race.turn_s, race.left)
    assert (again.left, again.turns, again._slower, again._as_fast) == (
        {i: why for i, why in race.left.items() if NO_TIME not in why},
        race.turns,
        *_looked(race),
    )
    for its in (race, again):
        more, further_s, longer_s = played(its, true_s, budget_s=budget_s - used_s, noise=noise, seed=seed)
        assert its.over
        assert its.why
        assert its.next(100.0) is None
        at_least = 2 if count > 1 else 1
        if len(ran) + len(more) > at_least:
            assert used_s + further_s <= budget_s + max(longest_s, longer_s) + 1e-6
        assert set(its.first_s) | set(its.left) == set(range(count))
        assert all(0 in turn for turn in its.turn_s)
        assert 0 not in its.left
        for i in range(count) if its is race else ():  # a way is in the first turns, or in none
            part = [i in turn for turn in its.turn_s]
            assert part == sorted(part, reverse=True)
        assert its.winner not in its.left
        if its.winner:
            assert len(its.in_common(its.winner)[0]) >= LEAST
            assert median(its.seconds(its.winner)) <= median(its.seconds(0))
        if its.clear:
            assert its.turn_s or count == 1


def _looked(race):
    """What a race knows by its tests, those of its last turn included."""
    race._look()
    return race._slower, race._as_fast
