"""Windows of a long schedule: whatever the solver answers, the whole stays a schedule and gets no longer."""

from __future__ import annotations

import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from makespan_optimizer.model.worker import solve_request
from makespan_optimizer.rigid.check import violations
from makespan_optimizer.rigid.lists import list_schedule, makespan_of
from makespan_optimizer.rigid.problem import Problem, Resource, problem_from
from makespan_optimizer.rigid.push import Pusher
from makespan_optimizer.rigid.windows import Sweep


def drawn(seed: int, n: int) -> Problem:
    """Return a problem with long nodes, nodes of no duration, and three kinds of resources."""
    source = random.Random(seed)
    return problem_from(
        [source.choice([0, 1, 2, 3, 5, 8, 40]) for _ in range(n)],
        [[j for j in range(i) if source.random() < 2.5 / n] for i in range(n)],
        [
            Resource("threads", 3, (1,) * n),
            Resource("GIL", 1000, tuple(source.choice([0, 300, 700, 1000]) for _ in range(n))),
            Resource("lock", 1, tuple(int(source.random() < 0.2) for _ in range(n))),
        ],
    )


def answer(window):
    """Solve a window in this process."""
    events = []
    solve_request(window.request(5.0, workers=1), events.append)
    return events[-1]


@settings(deadline=None, max_examples=25)
@example(239, 18, 5)  # the solver moves nodes before the left edge of a window, and they stay free
@given(st.integers(0, 10_000), st.integers(1, 50), st.integers(1, 12))
def test_a_sweep_never_worsens_a_schedule_and_each_gain_is_real(seed, n, size):
    problem = drawn(seed, n)
    order = list(range(n))
    random.Random(seed).shuffle(order)
    begin = list_schedule(problem, order)
    right = Pusher(problem).right(begin)
    assert violations(problem, right) == []
    assert makespan_of(problem, right) <= makespan_of(problem, begin)
    sweep = Sweep(problem, right)
    seen: set[int] = set()
    for _ in range(n + 1):
        window = sweep.window(size)
        if window is None:
            break
        assert len(window.nodes) <= size
        seen.update(window.nodes)
        before = sweep.makespan
        if window.at_least < window.end:
            last = answer(window)
            assert last.status == "OPTIMAL"  # the hint is one: so the window's model holds what is there
            sweep.advance(window, last.start, last.makespan)
            assert window.holds(last.start, last.makespan)
            assert before - sweep.makespan == window.end - last.makespan >= 0
        else:
            sweep.advance(window)
            assert sweep.makespan == before
        assert violations(problem, sweep.start) == []
        assert makespan_of(problem, sweep.start) <= sweep.makespan
    assert sweep.window(size) is None


def test_a_window_of_all_nodes_is_the_whole_problem():
    problem = problem_from([3, 3, 2, 2, 2], [[]] * 5, [Resource("threads", 2, (1,) * 5)])
    sweep = Sweep(problem, Pusher(problem).right([0, 2, 0, 5, 5]))
    assert sweep.makespan == 7
    window = sweep.window(9)
    assert window is not None
    assert answer(window).makespan == 6
    sweep.advance(window, answer(window).start, 6)
    assert sweep.makespan == makespan_of(problem, sweep.start) == 6


def test_a_wrong_answer_is_seen():
    problem = problem_from([3, 3, 2], [[], [0], []], [Resource("lock", 1, (1, 0, 1))])
    window = Sweep(problem, [0, 3, 3]).window(3)
    assert window is not None
    assert window.holds((0, 3, 3), 6)
    for start, end in [
        ((0, 3, 2), 6),  # the lock
        ((0, 2, 3), 6),  # the edge
        ((-1, 3, 3), 6),  # before time begins
        ((0, 3, 3), 5),  # it ends later
        ((0, 4, 3), 7),  # worse
        ((0, 3), 6),
    ]:
        assert not window.holds(start, end)


def test_a_window_that_cannot_gain_says_so():
    chain = problem_from([1, 1, 1], [[], [0], [1]])
    window = Sweep(chain, [0, 1, 2], bound=3).window(2)
    assert window is not None
    assert window.at_least == window.end
