"""The whole rigid search: optimal where it says so, within its time, the same twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan_optimizer.model import solve as parent
from makespan_optimizer.model.request import Event
from makespan_optimizer.model.solve import SolverProcess
from makespan_optimizer.rigid.check import violations
from makespan_optimizer.rigid.problem import THREADS, Problem, Resource, problem_from
from makespan_optimizer.rigid.solve import Progress, solve
from tests.oracles import best_schedule
from tests.strategies import Case, cases


def problem_of(case: Case) -> Problem:
    threads = Resource(THREADS, case.budget, tuple(case.budget if alone else 1 for alone in case.exclusive))
    locks = [Resource(name, 1, tuple(int(name in some) for some in case.locks)) for name in "xy"]
    return problem_from(case.wall, case.preds, [threads, *locks])


def project(n: int, seed: int = 0) -> Problem:
    """Return a project that no bound and no list schedule settles."""
    source = random.Random(seed)
    return problem_from(
        [source.randint(1, 30) for _ in range(n)],
        [
            sorted(source.sample(range(max(0, i - 15), i), min(i, 2))) if source.random() < 0.7 else []
            for i in range(n)
        ],
        [Resource(f"r{k}", 12, tuple(source.choice((0, 1, 2, 3, 5, 7)) for _ in range(n))) for k in range(4)],
    )


@pytest.fixture(scope="module")
def shared():
    with SolverProcess() as process:
        process.start()
        yield process


@settings(deadline=None, max_examples=50)
@given(case=cases(6))
def test_it_finds_the_optimum_and_proves_it(shared, case):
    problem = problem_of(case)
    found = solve(problem, time_limit_s=20, solver=shared)
    best = best_schedule(case.wall, case.preds, case.budget, case.locks, case.exclusive)
    assert violations(problem, found.start) == []
    assert found.makespan == found.bound == best
    assert found.proven
    assert found.stopped.startswith("proven")


def test_nothing_to_schedule():
    found = solve(problem_from([], []), time_limit_s=1)
    assert (found.makespan, found.bound, found.proven) == (0, 0, True)


@settings(deadline=None, max_examples=15)
@given(n=st.integers(1, 40), seed=st.integers(0, 99))
def test_any_time_limit_gives_a_schedule_that_holds(shared, n, seed):
    problem = project(n, seed)
    found = solve(problem, time_limit_s=0.05, seed=seed, solver=shared)
    assert violations(problem, found.start) == []
    assert found.bound <= found.makespan


def test_one_process_serves_many_problems():
    with SolverProcess() as process:
        for seed in range(3):
            solve(project(30, seed), time_limit_s=0.4, solver=process)
        assert process.starts == 1


def test_the_result_is_no_longer_than_the_hint(shared):
    problem = project(40)
    first = solve(problem, time_limit_s=0.3, solver=shared)
    again = solve(problem, time_limit_s=0.01, hint=first.start, solver=shared)
    assert again.makespan <= first.makespan
    with pytest.raises(ValueError, match="the hint is no schedule: "):
        solve(problem, time_limit_s=1, hint=[0] * 40)


def test_progress_only_ever_gets_better(shared):
    told: list[Progress] = []
    found = solve(project(60), time_limit_s=1, progress=told.append, solver=shared)
    after = told[1:]
    assert [step.stage for step in told[:2]] == ["bounds", "starts"]
    assert [step.makespan for step in after] == sorted((step.makespan for step in after), reverse=True)
    assert [step.bound for step in told] == sorted(step.bound for step in told)
    assert (after[-1].makespan, after[-1].bound) == (found.makespan, found.bound)


def test_a_gap_that_is_good_enough(shared):
    found = solve(project(60), time_limit_s=20, gap=0.5, solver=shared)
    assert not found.proven
    assert found.stopped == "the gap is within the 0.5 that was asked for"


def python(code: str) -> SolverProcess:
    return SolverProcess([sys.executable, "-c", code])


@pytest.mark.parametrize("nodes", [60, 700])
@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(600)",
        "import os, time; os.close(1); time.sleep(600)",
        "while True: print('warning: something')",
    ],
)
def test_the_time_limit_holds_whatever_the_solver_does(code, nodes):
    begun = time.monotonic()
    problem = project(nodes)
    with python(code) as process:
        found = solve(problem, time_limit_s=0.4, solver=process)
    assert time.monotonic() - begun < 6
    assert violations(problem, found.start) == []
    assert found.stopped == "time limit reached"


@pytest.mark.parametrize("nodes", [60, 700])
def test_a_solver_that_crashes_costs_nothing_but_its_result(nodes):
    with python("raise SystemExit('no licence to solve')") as process:
        found = solve(project(nodes), time_limit_s=2, solver=process)
    assert found.stopped == "no result from the solver: its process failed: no licence to solve"
    assert violations(project(nodes), found.start) == []


@pytest.mark.parametrize(
    "event",
    [
        Event("solution", (0,), 1, 1),
        Event("solution", (0,) * 60, 1),
        Event("done", (-5,) * 60, 3, 10**9, "OPTIMAL"),
        Event("bound", bound=10**9),
    ],
)
def test_nonsense_from_the_solver_does_no_harm(event):
    problem = project(60)
    with python(f"print({msgspec.json.encode(event).decode()!r})") as process:
        found = solve(problem, time_limit_s=1, solver=process)
    assert violations(problem, found.start) == []
    assert found.bound <= found.makespan
    assert found.method != "solver"


def begun_elsewhere(hash_seed: str, nodes: int) -> subprocess.Popen[str]:
    code = (
        "from tests.test_rigid_solve import project; from makespan_optimizer.rigid.solve import solve; "
        # A clock that stands still: what is counted ends the search, on a busy machine as well.
        f"print(solve(project({nodes}), time_limit_s=5, seed=3, deterministic=True, now=lambda: 0.0))"
    )
    env = {**parent._environment(), "PYTHONHASHSEED": hash_seed}
    return subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("nodes", [60, 400])
def test_deterministic_is_the_same_in_any_process(nodes):
    with begun_elsewhere("0", nodes) as one, begun_elsewhere("12345", nodes) as other:
        here, there = one.communicate()[0], other.communicate()[0]
    assert (one.returncode, other.returncode) == (0, 0)
    assert here == there
    assert "the work for this time limit is done" in here
