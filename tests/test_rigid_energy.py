"""Lower bounds of rigid problems."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan_optimizer.rigid.destructive import least_end
from makespan_optimizer.rigid.energy import TOGETHER, _promising, bounds, heads_of, simple_bounds, tails_of
from makespan_optimizer.rigid.problem import Problem, Resource, problem_from
from makespan_optimizer.rigid.redundant import excluding, machines, machines_of_kinds, rounded, staircases
from tests.rigid_cases import optimum, problems

DRAWN = [
    # walls, preds, resources -> name, ticks
    ([3, 4, 5], [[], [0], [1]], [("threads", 2, (1, 1, 1))], "critical path", 12),
    ([3, 3, 3, 3], [[]] * 4, [("threads", 2, (1,) * 4)], "threads", 6),
    ([4, 4, 4], [[]] * 3, [("threads", 2, (1,) * 3)], "threads", 8),
    ([3, 4, 5], [[], [0], [0]], [("lock db", 1, (0, 1, 1))], "lock db", 12),
    # Work says 9; but no two of them fit beside each other.
    ([5, 5, 5], [[]] * 3, [("cores", 10, (6, 6, 6))], TOGETHER, 15),
    # Each pair of nodes shares one of three locks.
    ([2, 3, 4], [[]] * 3, [("x", 1, (1, 1, 0)), ("y", 1, (0, 1, 1)), ("z", 1, (1, 0, 1))], TOGETHER, 9),
]


@pytest.mark.parametrize(("wall", "preds", "resources", "name", "ticks"), DRAWN)
def test_drawn(wall, preds, resources, name, ticks):
    assert bounds(problem_from(wall, preds, [Resource(*some) for some in resources]))[0] == (name, ticks)


def test_no_node_at_all():
    assert bounds(problem_from([], []))[0] == ("critical path", 0)


@settings(deadline=None, max_examples=120)
@given(problems(6))
def test_never_above_the_optimum(problem):
    least = optimum(problem)
    assert all(ticks <= least for _, ticks in bounds(problem))


@settings(deadline=None, max_examples=100)
@given(problems(6, least=1))
def test_bounds_of_large_problems_hold_as_well(problem):
    if problem.resources:
        heads, tails = heads_of(problem), tails_of(problem)
        assert _promising(problem, heads, tails, lambda: False) <= optimum(problem)


def test_kinds_that_never_fit_beside_each_other():
    gil = Resource("GIL", 10, (6, 0, 0, 4, 0))
    cores = Resource("cores", 10, (0, 7, 6, 4, 0))
    lock = Resource("lock", 1, (1, 1, 0, 0, 0))
    (one, *_) = machines_of_kinds(problem_from([3, 3, 2, 2, 9], [[]] * 5, [gil, cores, lock]))
    assert one.demand == (1, 1, 0, 0, 0)


@settings(deadline=None, max_examples=100)
@given(problems(6))
def test_never_below_the_simple_ones_and_sorted(problem):
    found = bounds(problem)
    assert found[0].ticks >= simple_bounds(problem)[0].ticks
    assert [b.ticks for b in found] == sorted((b.ticks for b in found), reverse=True)
    assert bounds(problem, lambda: True) == simple_bounds(problem)


@settings(deadline=None, max_examples=100)
@given(problems(6))
def test_twice_the_durations_is_twice_the_bound(problem):
    twice = Problem(
        tuple(2 * w for w in problem.wall), problem.preds, problem.succs, problem.order, problem.resources
    )
    assert bounds(twice)[0].ticks == 2 * bounds(problem)[0].ticks


@settings(deadline=None, max_examples=100)
@given(problems(6))
def test_simple_bounds_are_the_same_in_reversed_time(problem):
    assert simple_bounds(problem.backwards()) == simple_bounds(problem)
    assert heads_of(problem.backwards()) == tails_of(problem)


@settings(deadline=None, max_examples=120)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=6))
def test_what_fits_together_fits_in_every_redundant_resource(demand):
    resource = Resource("r", 12, tuple(demand))
    stairs = [Resource("r", size, tuple(it[d] for d in demand)) for size, it in staircases(resource)]
    for other in [*rounded(resource), *stairs]:
        for size in range(1, len(demand) + 1):
            for some in combinations(range(len(demand)), size):
                if sum(demand[i] for i in some) <= 12:
                    assert sum(other.demand[i] for i in some) <= other.capacity


@settings(deadline=None, max_examples=120)
@given(problems(6, least=2))
def test_nodes_exclude_each_other_where_a_path_or_a_capacity_says_so(problem):
    before = {(p, i) for i, some in enumerate(problem.preds) for p in some}
    for _ in problem.wall:
        before |= {(a, d) for a, b in before for c, d in before if b == c}
    expected = {
        (i, j)
        for i in range(len(problem))
        for j in range(len(problem))
        if i != j
        and (
            {(i, j), (j, i)} & before
            or any(r.demand[i] + r.demand[j] > r.capacity for r in problem.resources)
        )
    }
    exclusive = excluding(problem)
    assert {
        (i, j) for i in range(len(problem)) for j in range(len(problem)) if exclusive[i] >> j & 1
    } == expected
    for members in machines(problem.wall, exclusive):
        assert all(pair in expected for pair in combinations(members, 2))


def test_the_least_end_is_found_and_time_is_kept():
    assert least_end(lambda end: end < 23, 10, 60, lambda: False) == 23
    assert least_end(lambda end: end < 23, 10, 60, lambda: True) == 10
    # Coarse in between, exact at the makespan that is possible.
    assert least_end(lambda end: end < 1_000_000, 900_000, 1_000_000, lambda: False) == 1_000_000
