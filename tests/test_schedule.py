"""Forward and backward passes, rigid schedules, enumeration."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings

from makespan.structure import build
from makespan_optimizer.instance import instance_from
from makespan_optimizer.schedule import (
    all_orders,
    latest_starts,
    order_ranks,
    rigid_schedule,
    start_ranks,
    width,
)
from makespan_optimizer.simulate import simulate
from tests.oracles import topological
from tests.strategies import cases
from tests.test_simulate import contended


def test_latest_starts_of_a_chain_and_a_loose_node():
    instance = instance_from(build("abc", ["", "a", ""]), [2, 3, 1])
    schedule = simulate(instance, [0, 1, 2], 2)
    assert latest_starts(instance, schedule.finish, 2) == [0, 2, 4]


@settings(deadline=None, max_examples=100)
@given(contended())
def test_latest_starts_keep_every_edge(drawn):
    case, instance, ranks = drawn
    late = latest_starts(instance, simulate(instance, ranks, case.budget).finish, case.budget)
    for i, some in enumerate(case.preds):
        assert all(late[p] + case.wall[p] <= late[i] + 1e-6 for p in some)


def test_ranks():
    assert order_ranks([2, 0, 1]) == [1, 2, 0]
    assert start_ranks([5, 0, 5]) == [1, 0, 2]


@settings(deadline=None, max_examples=100)
@given(contended())
def test_rigid_schedules_share_nothing_beyond_capacity(drawn):
    case, instance, ranks = drawn
    start = rigid_schedule(instance, ranks, case.budget)
    for t in start:
        now = [i for i, s in enumerate(start) if s <= t < s + case.wall[i]]
        assert len(now) <= case.budget
        assert sum(instance.gil[i] for i in now) <= 1000
        assert sum(instance.core[i] for i in now) <= instance.capacity
        held = [lock for i in now for lock in case.locks[i]]
        assert len(held) == len(set(held))
        assert len(now) == 1 or not any(case.exclusive[i] for i in now)
    for i, some in enumerate(case.preds):
        assert all(start[p] + case.wall[p] <= start[i] for p in some)


@settings(deadline=None, max_examples=50)
@given(cases(5))
def test_all_orders_are_all_orders(case):
    orders = all_orders(case.instance(), 1000)
    assert orders is not None
    assert sorted(map(tuple, orders)) == sorted(topological(case.preds))


def test_too_many_orders_are_not_listed():
    loose = instance_from(build("abcdefghij", [""] * 10), [1] * 10)
    assert all_orders(loose, 100) is None
    assert math.factorial(10) > 100


@pytest.mark.parametrize(
    ("after", "wide"), [(["", "", ""], 3), (["", "a", "b"], 1), (["", "a", "a"], 2), ([], 0)]
)
def test_width(after, wide):
    assert width(instance_from(build("abc"[: len(after)], after), [2] * len(after))) == wide
