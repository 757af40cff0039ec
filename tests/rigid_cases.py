"""Small problems with rigid resources, and their optimum by brute force.

>>> from makespan_optimizer.rigid.problem import Resource, problem_from
>>> optimum(problem_from([2, 3, 2], [[], [], []], [Resource("threads", 2, (1, 1, 1))]))
4
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from makespan_optimizer.rigid.problem import Resource, problem_from
from tests.oracles import topological

if TYPE_CHECKING:
    from makespan_optimizer.rigid.problem import Problem


@st.composite
def problems(draw: st.DrawFn, most: int = 6, *, least: int = 0, longest: int = 6) -> Problem:
    """Draw a DAG of a few nodes, some of no duration, with up to three resources."""
    n = draw(st.integers(least, most))
    wall = draw(st.lists(st.integers(0, longest), min_size=n, max_size=n))
    # Edges go from later to earlier numbers as often as not, so that the order is not that of the numbers.
    turned = draw(st.booleans())
    preds = [[p for p in range(i) if draw(st.integers(0, 3)) == 0] for i in range(n)]
    if turned:
        wall = wall[::-1]
        preds = [[n - 1 - p for p in some] for some in preds[::-1]]
    resources = []
    for number in range(draw(st.integers(0, 3))):
        capacity = draw(st.sampled_from([1, 2, 3, 10]))
        demand = draw(st.lists(st.integers(0, capacity), min_size=n, max_size=n))
        if draw(st.booleans()):
            demand = [1] * n
        resources.append(Resource(f"r{number}", capacity, tuple(demand)))
    return problem_from(wall, preds, resources)


@st.composite
def threads_only(draw: st.DrawFn, most: int = 12) -> Problem:
    """Draw a problem in which each node demands one thread."""
    n = draw(st.integers(1, most))
    wall = draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))
    preds = [[p for p in range(i) if draw(st.integers(0, 3)) == 0] for i in range(n)]
    return problem_from(wall, preds, [Resource("threads", draw(st.integers(1, 3)), (1,) * n)])


def orders(problem: Problem) -> list[tuple[int, ...]]:
    """Return every topological order."""
    return list(topological(problem.preds))


def optimum(problem: Problem) -> int:
    """Return the least makespan: some order makes it, each node at its earliest moment that is free."""
    return min(_placed(problem, order) for order in orders(problem))


def _placed(problem: Problem, order: tuple[int, ...]) -> int:
    """Place nodes one after the other, moment by moment."""
    use: list[dict[int, int]] = [{} for _ in problem.resources]
    end: dict[int, int] = {}
    for i in order:
        start = max((end[p] for p in problem.preds[i]), default=0)
        while any(
            used.get(t, 0) + resource.demand[i] > resource.capacity
            for used, resource in zip(use, problem.resources, strict=True)
            for t in range(start, start + problem.wall[i])
        ):
            start += 1
        end[i] = start + problem.wall[i]
        for used, resource in zip(use, problem.resources, strict=True):
            for t in range(start, end[i]):
                used[t] = used.get(t, 0) + resource.demand[i]
    return max(end.values(), default=0)
