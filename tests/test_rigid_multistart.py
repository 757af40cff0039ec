"""Rules, passes, restarts and generations on rigid problems."""

from __future__ import annotations

import random
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.preparing.order import ranks_by
from makespan_optimizer.rigid import multistart as multistart_module
from makespan_optimizer.rigid.check import violations
from makespan_optimizer.rigid.energy import bounds
from makespan_optimizer.rigid.genetic import generations
from makespan_optimizer.rigid.improve import Passes, improve
from makespan_optimizer.rigid.lists import list_schedule, makespan_of, serial_schedule
from makespan_optimizer.rigid.multistart import multistart
from makespan_optimizer.rigid.problem import Problem, Resource, problem_from
from makespan_optimizer.rigid.rules import CRITICAL, bottleneck_share, levels_of, rules
from tests.rigid_cases import optimum, problems
from tests.test_rigid_lists import larger


@settings(deadline=None, max_examples=60)
@given(problems(6))
def test_every_rule_ranks_every_node_once(problem):
    found = list(rules(problem, bottleneck_share(problem, "")))
    assert found[0][0] == CRITICAL
    assert len({name for name, _ in found}) == len(found) == 15
    for _, ranks in found:
        assert sorted(ranks) == list(range(len(problem)))


@pytest.mark.parametrize(
    ("binding", "share"),
    [
        ("GIL", [1, 0, 0.5]),
        ("cores", [0.5, 1, 0.25]),
        ("critical path", [1, 0, 0.5]),
        ("threads", [1, 0, 0.5]),
    ],
)
def test_bottleneck_share(binding, share):
    resources = [
        Resource("threads", 2, (1, 1, 1)),
        Resource("GIL", 1000, (1000, 0, 500)),
        Resource("cores", 2000, (1000, 2000, 500)),
    ]
    assert bottleneck_share(problem_from([90, 10, 10], [[]] * 3, resources), binding) == share


def test_no_bottleneck_where_threads_are_scarcer():
    threads = Resource("threads", 2, (1,) * 4)
    lock = Resource("lock", 1, (1, 1, 0, 0))
    assert bottleneck_share(problem_from([1, 1, 9, 9], [[]] * 4, [threads, lock]), "critical path") == [0] * 4


@settings(deadline=None, max_examples=150)
@given(problems(7, least=1), st.randoms(use_true_random=False))
def test_passes_keep_schedules_and_the_serial_ones_never_lengthen_them(problem, source):
    ranks = source.sample(range(len(problem)), len(problem))
    passes = Passes(problem)
    for scheme in (list_schedule, serial_schedule):
        start = scheme(problem, ranks)
        before = makespan_of(problem, start)
        for serial in (False, True):
            late = passes.latest(start, serial=serial)
            lift = -min(0, *late)
            assert violations(problem, [at + lift for at in late]) == []
            assert violations(problem, passes.again(start, serial=serial)) == []
        assert makespan_of(problem, passes.again(start, serial=True)) <= before
        assert violations(problem, improve(problem, start)) == []
        assert makespan_of(problem, improve(problem, start)) <= before


@settings(deadline=None, max_examples=60)
@given(problems(6, least=1))
def test_generations_are_schedules(problem):
    passes = Passes(problem)
    first = [list_schedule(problem, list(range(len(problem))))]
    for start in islice(generations(passes, first, random.Random(1)), 120):
        assert violations(problem, start) == []


@settings(deadline=None, max_examples=60)
@given(problems(6))
def test_multistart_finds_schedules_between_bound_and_rules(problem):
    bound = bounds(problem)[0]
    found = multistart(problem, seed=1, bound=bound.ticks, binding=bound.name, work=600)
    assert violations(problem, found.start) == []
    assert makespan_of(problem, found.start) == found.makespan >= optimum(problem)
    critical = next(iter(rules(problem, [0.0] * len(problem))))[1]
    assert found.makespan <= makespan_of(problem, list_schedule(problem, critical))


@settings(deadline=None, max_examples=25)
@given(problems(5, least=1))
def test_multistart_finds_small_optima(problem):
    assert multistart(problem, bound=optimum(problem), work=20_000).makespan == optimum(problem)


@pytest.mark.parametrize("kinds", [2, 100])
def test_multistart_follows_the_seed_and_counts_its_work(kinds):
    problem, _ = larger(kinds, kinds)
    once, again = (multistart(problem, seed=3, work=60_000) for _ in range(2))
    assert once == again
    assert 60_000 <= once.tried <= 60_000 + 20 * len(problem)
    assert violations(problem, once.start) == []


def test_multistart_scales_with_the_durations():
    problem, _ = larger(5, 10)
    tenfold = Problem(
        tuple(10 * w for w in problem.wall), problem.preds, problem.succs, problem.order, problem.resources
    )
    some, more = (multistart(it, seed=3, work=40_000) for it in (problem, tenfold))
    assert more.makespan == 10 * some.makespan


def test_multistart_stops_at_once_but_has_a_schedule():
    problem, _ = larger(1, 10)
    found = multistart(problem, over=lambda: True)
    assert violations(problem, found.start) == []
    assert found.tried <= 4 * len(problem)


def test_multistart_never_falls_behind_its_hint_and_says_what_is_new():
    problem, _ = larger(4, 10)
    hint = list(multistart(problem, seed=9, work=60_000).start)
    heard = []
    found = multistart(problem, hint=hint, work=1, hear=heard.append)
    assert found.makespan <= makespan_of(problem, hint)
    assert heard[0].method == "hint"
    assert [one.makespan for one in heard] == sorted({one.makespan for one in heard}, reverse=True)


def test_large_problems_are_drawn_and_no_worse_than_the_critical_path(monkeypatch):
    monkeypatch.setattr(multistart_module, "_MOST_BRED", 5)
    source = random.Random(1)
    resources = [Resource(name, 10, tuple(source.randint(0, 9) for _ in range(30))) for name in "xy"]
    wall = [source.randint(0, 9) for _ in range(30)]
    problem = problem_from(wall, [[i // 2] if i else [] for i in range(30)], resources)
    found = multistart(problem, seed=3, work=3_000)
    assert violations(problem, found.start) == []
    assert found.makespan <= makespan_of(problem, list_schedule(problem, ranks_by(levels_of(problem, wall))))
    assert found == multistart(problem, seed=3, work=3_000)
    assert found.tried == 3_000
