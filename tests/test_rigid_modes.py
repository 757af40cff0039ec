"""Modes: the solver chooses one for each node as well as trying them all would."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan_optimizer.model.solve import SolverProcess
from makespan_optimizer.rigid.check import violations
from makespan_optimizer.rigid.modes import Mode, chosen, solve_modes
from makespan_optimizer.rigid.problem import Problem, Resource, problem_from
from makespan_optimizer.rigid.solve import solve


@pytest.fixture(scope="module")
def shared():
    with SolverProcess() as process:
        process.start()
        yield process


def two_resources(preds: list[list[int]]) -> Problem:
    n = len(preds)
    bare = problem_from([1] * n, preds)
    resources = (Resource("threads", 2, (1,) * n), Resource("GIL", 10, (0,) * n))
    return Problem(bare.wall, bare.preds, bare.succs, bare.order, resources)


@st.composite
def drawn(draw):
    n = draw(st.integers(1, 5))
    preds = [[p for p in range(i) if draw(st.integers(0, 3)) == 0] for i in range(n)]
    mode = st.builds(
        Mode, st.integers(0, 9), st.tuples(st.sampled_from([0, 1, 2]), st.sampled_from([0, 4, 6, 10]))
    )
    modes = [draw(st.lists(mode, min_size=1, max_size=2)) for _ in range(n)]
    return two_resources(preds), modes


@settings(deadline=None, max_examples=15)
@given(case=drawn())
def test_no_choice_of_modes_is_better(shared, case):
    problem, modes = case
    found = solve_modes(problem, modes, time_limit_s=20, solver=shared)
    best = min(
        solve(chosen(problem, modes, choice), time_limit_s=20, solver=shared).makespan
        for choice in product(*(range(len(some)) for some in modes))
    )
    assert violations(chosen(problem, modes, found.mode), found.solution.start) == []
    assert found.solution.makespan == found.solution.bound == best
    assert found.solution.proven


def test_one_of_two_loops_goes_to_a_process():
    modes = [[Mode(10, (1, 10)), Mode(13, (1, 0))]] * 2
    found = solve_modes(two_resources([[], []]), modes, time_limit_s=20)
    assert sorted(found.mode) == [0, 1]
    assert found.solution.makespan == 13


@pytest.mark.parametrize(
    ("modes", "told"),
    [
        ([[]], "each node has at least one mode"),
        ([[Mode(1, (1,))]], "a demand for each resource"),
        ([[Mode(1, (3, 0))]], "a mode demands 3 of 2 threads"),
    ],
)
def test_modes_that_cannot_be(modes, told):
    with pytest.raises(ValueError, match=told):
        solve_modes(two_resources([[]]), modes, time_limit_s=1)
