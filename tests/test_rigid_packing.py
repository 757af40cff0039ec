"""Bounds from how demands fit together: never above the optimum, and sharper where they should be."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from makespan_optimizer.model.request import request_of
from makespan_optimizer.model.worker import solve_request
from makespan_optimizer.rigid.lists import list_schedule
from makespan_optimizer.rigid.packing import packing_bounds
from makespan_optimizer.rigid.problem import THREADS, Resource, problem_from


@st.composite
def problems(draw):
    n = draw(st.integers(1, 7))
    resources = []
    for name in "xyz"[: draw(st.integers(1, 3))]:
        capacity = draw(st.integers(1, 12))
        demand = draw(st.lists(st.integers(0, capacity), min_size=n, max_size=n))
        resources.append(Resource(name, capacity, tuple(demand)))
    preds = [[p for p in range(i) if draw(st.integers(0, 4)) == 0] for i in range(n)]
    return problem_from(draw(st.lists(st.integers(0, 9), min_size=n, max_size=n)), preds, resources)


@settings(deadline=None, max_examples=80)
@given(problems())
def test_no_bound_is_above_the_optimum(problem):
    events = []
    start = list_schedule(problem, list(range(len(problem))))
    solve_request(request_of(problem, start, wall_s=10, workers=1), events.append)
    assert events[-1].status == "OPTIMAL"
    assert all(0 <= bound.ticks <= events[-1].makespan for bound in packing_bounds(problem))


def test_large_demands_never_overlap():
    three = problem_from([5, 6, 7, 1], [[], [], [], []], [Resource("GIL", 100, (51, 60, 90, 9))])
    assert packing_bounds(three)[0] == ("GIL", 18)


def test_threads_alone_have_no_such_bounds():
    assert packing_bounds(problem_from([1, 2, 3], [[]] * 3, [Resource(THREADS, 2, (1, 1, 1))])) == []
