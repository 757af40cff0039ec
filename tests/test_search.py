"""The judge of candidates."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from makespan.structure import build
from makespan_optimizer.bounds import Bound, lower_bounds
from makespan_optimizer.choice.search import Search
from makespan_optimizer.instance import instance_from
from makespan_optimizer.priorities import rules
from tests.oracles import best_order
from tests.strategies import cases
from tests.test_simulate import contended


def search_of(instance, budget, over=lambda: False, gap=0.0):
    return Search(instance, budget, lower_bounds(instance, budget)[0], over, gap)


def test_ties_go_to_the_earlier_candidate():
    search = search_of(instance_from(build("ab", ["", ""]), [1, 1]), 1)
    search.judge("first", [0, 1])
    search.judge("second", [1, 0])
    assert search.found.name == "first"
    assert search.tried == 2


@settings(deadline=None, max_examples=60)
@given(cases(7))
def test_trying_all_orders_equals_brute_force(case):
    search = search_of(case.instance(), case.budget)
    search.judge("start", list(range(len(case.wall))))
    search.try_all()
    assert search.found.schedule.makespan == best_order(
        case.wall, case.preds, case.budget, case.locks, case.exclusive
    )


@settings(deadline=None, max_examples=60)
@given(contended())
def test_no_step_loses_what_was_found(drawn):
    case, instance, _ = drawn
    search = search_of(instance, case.budget)
    search.try_rules(rules(instance, case.budget, "GIL"), 200)
    assert search.default is not None
    found = [search.default.makespan, search.found.schedule.makespan]
    search.vary(0, 100)
    found.append(search.found.schedule.makespan)
    search.anneal(0, 100)
    found.append(search.found.schedule.makespan)
    search.adopt("solver", search.default.start, search.default.finish)
    found.append(search.found.schedule.makespan)
    assert found == sorted(found, reverse=True)
    assert found[-1] >= search.bound.ticks * (1 - 1e-9)


@pytest.mark.parametrize("step", ["vary", "anneal"])
def test_work_is_counted_and_limited(step):
    instance = instance_from(build("abcdef", [""] * 6), [5, 4, 3, 3, 3, 2], gil=[900] * 6, core=[900] * 6)
    search = Search(instance, 2, Bound("none", 0.0), lambda: False)
    search.judge("start", list(range(6)))
    before = search.simulated
    getattr(search, step)(0, 600)
    # A step may end a few forward-backward passes later than asked.
    assert 600 <= search.simulated - before <= 600 + 6 * 10


def test_out_of_time_the_first_two_rules_are_judged_all_the_same():
    search = search_of(instance_from(build("abc", ["", "", ""]), [1, 2, 4]), 2, over=lambda: True)
    search.try_rules(rules(search.instance, 2, "threads"), 1e9)
    search.vary(0, 1e9)
    search.anneal(0, 1e9)
    assert search.tried == 2
    assert search.found.name == "critical path"


def test_a_gap_that_is_good_enough_ends_the_search():
    instance = instance_from(build("abc", ["", "", ""]), [4, 4, 5])
    search = Search(instance, 2, Bound("threads", 8.5), lambda: False, gap=0.1)
    search.judge("start", [0, 1, 2])  # 9: 5.6 % above the bound
    assert search.good
    assert not search.proven


def test_the_pool_keeps_the_best_of_each_method():
    search = search_of(instance_from(build("abc", ["", "", ""]), [1, 2, 4]), 2)
    search.judge("short", [0, 1, 2])
    search.judge("long", [2, 1, 0])
    search.judge("long", [1, 2, 0])
    assert {name: makespan for name, (makespan, _) in search.pool.items()} == {"short": 5.0, "long": 4.0}
