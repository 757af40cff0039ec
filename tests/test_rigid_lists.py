"""List scheduling with rigid resources."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan_optimizer.rigid.check import violations
from makespan_optimizer.rigid.lists import Lists, list_schedule, makespan_of, serial_schedule
from makespan_optimizer.rigid.parallel import by_bits, by_class, fields_of
from makespan_optimizer.rigid.problem import Problem, Resource, problem_from
from tests.rigid_cases import optimum, orders, problems, threads_only


@st.composite
def ranked(draw, some=problems):
    problem = draw(some())
    n = len(problem)
    # With repeats: ties are broken by the number of a node.
    ranks = draw(st.lists(st.integers(0, max(0, n - 1)), min_size=n, max_size=n))
    return problem, ranks


def by_hand(problem: Problem, ranks: list[int]) -> list[int]:
    """The parallel scheme, moment by moment."""
    n = len(problem)
    start: list[int | None] = [None] * n
    now = 0
    while None in start:
        changed = True
        while changed:
            changed = False
            for i in sorted(range(n), key=lambda i: (problem.wall[i] > 0, ranks[i], i)):
                ended = all(
                    start[p] is not None and start[p] + problem.wall[p] <= now for p in problem.preds[i]
                )
                running = [
                    j
                    for j in range(n)
                    if start[j] is not None and start[j] <= now < start[j] + problem.wall[j]
                ]
                fits = all(
                    sum(r.demand[j] for j in running) + r.demand[i] <= r.capacity for r in problem.resources
                )
                if start[i] is None and ended and (fits or not problem.wall[i]):
                    start[i] = now
                    changed = True
                    break
        now += 1
    return start


@settings(deadline=None, max_examples=200)
@given(ranked())
def test_nothing_is_violated(drawn):
    problem, ranks = drawn
    assert violations(problem, list_schedule(problem, ranks)) == []
    assert violations(problem, serial_schedule(problem, ranks)) == []


@settings(deadline=None, max_examples=200)
@given(ranked())
def test_parallel_scheme_by_hand(drawn):
    problem, ranks = drawn
    assert list_schedule(problem, ranks) == by_hand(problem, ranks)


@settings(deadline=None, max_examples=200)
@given(ranked())
def test_all_ways_of_the_parallel_scheme_agree(drawn):
    problem, ranks = drawn
    lists = Lists(problem)
    assert by_class(problem, fields_of(problem), ranks) == by_bits(problem, ranks) == lists.parallel(ranks)


@settings(deadline=None, max_examples=200)
@given(ranked(threads_only))
def test_threads_alone_agree_with_the_general_way(drawn):
    problem, ranks = drawn
    lists = Lists(problem)
    assert lists.parallel(ranks) == by_class(problem, fields_of(problem), ranks) == by_bits(problem, ranks)


def larger(seed: int, kinds: int) -> tuple[Problem, list[int]]:
    source = random.Random(seed)
    n = 300
    preds = [
        sorted({source.randrange(i) for _ in range(source.choice((0, 1, 1, 2)))} if i else ())
        for i in range(n)
    ]
    resources = [Resource("threads", 6, (1,) * n)]
    for name in ("GIL", "cores"):
        resources.append(
            Resource(name, 1000, tuple(1000 // kinds * source.randint(0, kinds) for _ in range(n)))
        )
    problem = problem_from([source.randint(0, 50) for _ in range(n)], preds, resources)
    return problem, source.sample(range(n), n)


@pytest.mark.parametrize("kinds", [2, 10, 100])
def test_larger_problems(kinds):
    problem, ranks = larger(kinds, kinds)
    lists = Lists(problem)
    parallel = lists.parallel(ranks)
    assert violations(problem, parallel) == []
    assert parallel == by_class(problem, fields_of(problem), ranks) == by_bits(problem, ranks)
    assert violations(problem, serial_schedule(problem, ranks)) == []


@settings(deadline=None, max_examples=60)
@given(problems(5))
def test_serial_scheme_reaches_the_optimum_and_never_beats_it(problem):
    lists = Lists(problem)
    found = [makespan_of(problem, lists.serial(order)) for order in orders(problem)]
    assert min(found) == optimum(problem)


@settings(deadline=None, max_examples=100)
@given(ranked())
def test_a_schedule_of_reversed_time_is_one(drawn):
    problem, ranks = drawn
    for scheme in (list_schedule, serial_schedule):
        back = scheme(problem.backwards(), ranks)
        end = makespan_of(problem, back)
        turned = [end - at - w for at, w in zip(back, problem.wall, strict=True)]
        assert violations(problem, turned) == []


@settings(deadline=None, max_examples=100)
@given(ranked())
def test_twice_the_durations_is_twice_everything(drawn):
    problem, ranks = drawn
    twice = Problem(
        tuple(2 * w for w in problem.wall), problem.preds, problem.succs, problem.order, problem.resources
    )
    for scheme in (list_schedule, serial_schedule):
        assert scheme(twice, ranks) == [2 * at for at in scheme(problem, ranks)]


def test_a_node_that_cannot_run_lets_others_by():
    three = problem_from([2, 2, 2], [[], [], []], [Resource("lock", 1, (1, 1, 0))])
    assert list_schedule(three, [0, 1, 2]) == [0, 2, 0]


def test_the_serial_scheme_looks_back():
    # The long node is placed last, and goes where it fits: before the pair.
    three = problem_from([1, 2, 1], [[], [0], []], [Resource("lock", 2, (2, 1, 1))])
    assert serial_schedule(three, [0, 1, 2]) == [0, 1, 1]


def test_nodes_of_no_duration_wait_for_no_thread():
    three = problem_from([2, 0, 1], [[], [], [1]], [Resource("threads", 1, (1, 1, 1))])
    assert list_schedule(three, [0, 1, 2]) == [0, 0, 2]
