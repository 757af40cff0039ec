"""Pushing a schedule to and fro: it stays one, and never gets longer."""

from __future__ import annotations

import random
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan_optimizer.rigid import push as push_module
from makespan_optimizer.rigid.check import violations
from makespan_optimizer.rigid.lists import list_schedule, makespan_of
from makespan_optimizer.rigid.problem import Resource, problem_from
from makespan_optimizer.rigid.push import Pusher, mirrored
from tests.test_rigid_windows import drawn


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 40), st.sampled_from([0, 3, None]), st.sampled_from([2, 5, 64]))
def test_a_push_moves_each_node_its_way_and_lengthens_nothing(seed, n, reach, block):
    problem = drawn(seed, n)
    order = list(range(n))
    random.Random(seed).shuffle(order)
    start = list_schedule(problem, order)
    pusher = Pusher(problem, reach)
    for push in (pusher.left, pusher.right, pusher.left):
        with mock.patch.object(push_module, "_BLOCK", block):
            after = push(start)
        assert violations(problem, after) == []
        assert makespan_of(problem, after) <= makespan_of(problem, start)
        if push == pusher.left:
            assert all(a <= b for a, b in zip(after, start, strict=True))
        start = after


def test_a_node_finds_a_gap_as_far_ahead_as_it_may_look():
    # Two locks: the first node is followed by a gap of the second lock, at the very beginning.
    n = 300
    first = Resource("first", 1, (*(1,) * n, 0))
    second = Resource("second", 1, (0, *(1,) * (n - 1), 1))
    problem = problem_from([2] * (n + 1), [[]] * (n + 1), [first, second])
    start = [*range(0, 2 * n, 2), 2 * n]
    assert Pusher(problem).left(start)[-1] == 0
    assert Pusher(problem, reach=3).left(start)[-1] == 2 * n


def test_a_push_that_takes_too_long_changes_nothing():
    problem = drawn(1, 30)
    start = list_schedule(problem, list(range(30)))
    assert Pusher(problem).left(start, lambda: True) == start
    right = Pusher(problem).right(start, lambda: True)
    assert violations(problem, right) == []
    assert makespan_of(problem, right) <= makespan_of(problem, start)


@pytest.mark.parametrize("seed", range(5))
def test_mirrored_twice_is_the_same(seed):
    problem = drawn(seed, 20)
    start = list_schedule(problem, list(range(20)))
    there = mirrored(problem, start)
    assert violations(problem.backwards(), there) == []
    first = min(start)
    assert mirrored(problem, there) == [s - first for s in start]
