"""The replay of dispatch on a virtual clock."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.structure import build
from makespan_optimizer.instance import instance_from
from makespan_optimizer.schedule import order_ranks
from makespan_optimizer.simulate import simulate
from tests.oracles import dispatched
from tests.strategies import cases, demands

PYTHON, NATIVE, IO = (1000, 1000), (0, 1000), (0, 0)


def run(after, walls, kinds, budget, groups=(), cores=2.0):
    structure = build(list(after), [list(after[name]) for name in after])
    instance = instance_from(
        structure, walls, gil=[g for g, _ in kinds], core=[c for _, c in kinds], cores=cores
    )
    return simulate(instance, list(range(len(walls))), budget, groups)


def test_two_loops_take_turns_until_one_is_done():
    # 4 + 4 units together take 8; then 2 are left of the second, alone.
    assert run({"a": "", "b": ""}, [4, 6], [PYTHON, PYTHON], 2).finish == [8, 10]


def test_a_loop_beside_a_product_and_a_request_is_not_slowed():
    assert run({"a": "", "b": "", "c": ""}, [4, 6, 9], [PYTHON, NATIVE, IO], 3).finish == [4, 6, 9]


def test_three_products_on_two_cores():
    assert run({"a": "", "b": "", "c": ""}, [4, 4, 4], [NATIVE] * 3, 3).finish == pytest.approx([6, 6, 6])


def test_a_group_keeps_its_nodes_apart():
    schedule = run({"a": "", "b": "", "c": ""}, [4, 4, 4], [IO] * 3, 3, groups=[((0, 1), 1)])
    assert schedule.start == [0, 4, 0]


def test_equal_ends_are_handled_in_the_order_of_the_starts():
    # a and b end together: a's worker takes c before b's end is seen, though d is the more urgent one.
    structure = build("abdc", ["", "", "b", ""])
    schedule = simulate(instance_from(structure, [2, 2, 2, 2]), [0, 1, 2, 3], 2)
    assert schedule.order == [0, 1, 3, 2]


def test_no_node_at_all():
    assert simulate(instance_from(build([], []), []), [], 3).makespan == 0


@settings(deadline=None, max_examples=200)
@given(cases(7), st.randoms(use_true_random=False))
def test_equals_an_independent_replay(case, random):
    order = list(range(len(case.wall)))
    random.shuffle(order)
    schedule = simulate(case.instance(), order_ranks(order), case.budget)
    assert schedule.makespan == dispatched(
        case.wall, case.preds, case.budget, order, case.locks, case.exclusive
    )


@st.composite
def contended(draw):
    case = draw(cases(9))
    gil, core = draw(demands(len(case.wall)))
    ranks = draw(st.permutations(range(len(case.wall))))
    return case, case.instance(gil, core), ranks


@settings(deadline=None, max_examples=200)
@given(contended())
def test_every_schedule_is_legal(drawn):
    case, instance, ranks = drawn
    schedule = simulate(instance, ranks, case.budget)
    start, finish = schedule.start, schedule.finish
    n = len(case.wall)
    assert sorted(schedule.order) == list(range(n))
    assert schedule.makespan == max(finish)
    for i in range(n):
        assert finish[i] - start[i] >= case.wall[i] - 1e-6  # never faster than alone
        assert all(finish[p] <= start[i] for p in case.preds[i])
        beside = [j for j in range(n) if j != i and start[j] <= start[i] < finish[j]]
        assert len(beside) < case.budget
        for j in beside:
            assert not set(case.locks[i]) & set(case.locks[j])
            assert not case.exclusive[i]
            assert not case.exclusive[j]


@settings(deadline=None, max_examples=100)
@given(contended())
def test_twice_the_work_takes_twice_as_long(drawn):
    case, instance, ranks = drawn
    double = instance_from(
        instance.structure, [2 * w for w in case.wall], gil=instance.gil, core=instance.core
    )
    once, twice = simulate(instance, ranks, case.budget), simulate(double, ranks, case.budget)
    assert twice.makespan == pytest.approx(2 * once.makespan)
    assert twice.order == once.order


@settings(deadline=None, max_examples=100)
@given(contended())
def test_on_one_thread_everything_takes_the_sum(drawn):
    case, instance, ranks = drawn
    assert simulate(instance, ranks, 1).makespan == sum(case.wall)
