"""Orders from the rigid half, judged by the simulator."""

from __future__ import annotations

import sys
import time

import pytest

from makespan_optimizer.bounds import lower_bounds
from makespan_optimizer.choice import rigid_half
from makespan_optimizer.choice.other_budgets import other_budgets, with_plan
from makespan_optimizer.choice.rigid_half import ask_rigid, rigid_order
from makespan_optimizer.choice.search import Search
from makespan_optimizer.instance import instance_of
from makespan_optimizer.model import solve as solver
from makespan_optimizer.solver import SolverOptions
from tests.builders import make_profile
from tests.varying import varying


@pytest.fixture(autouse=True)
def no_solver(monkeypatch):
    monkeypatch.setattr(solver, "COMMAND", (sys.executable, "-c", "raise SystemExit('not here')"))


def asked(instance, budget, limit_s=5.0):
    search = Search(instance, budget, lower_bounds(instance, budget)[0], lambda: False)
    search.judge("as declared", range(len(instance)))
    options = SolverOptions(limit_s, time.monotonic() + limit_s, 0, 1, 0.0, deterministic=True)
    return search, ask_rigid(search, options, time.monotonic, lambda: None)


@pytest.mark.parametrize("windows", [12_000, 10])
def test_the_order_is_judged_and_nothing_is_lost(monkeypatch, windows):
    monkeypatch.setattr(rigid_half, "_MOST_WINDOWS", windows)
    instance = instance_of(varying(60, 2))
    search, note = asked(instance, 3)
    assert note
    assert search.default is not None
    assert search.found.schedule.makespan <= search.default.makespan
    assert sorted(search.found.ranks) == list(range(60))
    assert search.bound.ticks <= search.found.schedule.makespan * (1 + 1e-9)


def test_where_nothing_is_shared_its_schedule_is_the_plan():
    # As declared, the two short ones go first: 1 + 3.
    instance = instance_of(make_profile({"a": [], "b": [], "c": []}, [1.0, 1.0, 3.0]))
    search, note = asked(instance, 2)
    assert search.found.schedule.makespan == 3e6
    assert "solved" in note


def test_without_time_nothing_is_begun():
    search, note = asked(instance_of(varying(20, 2)), 3, limit_s=0.1)
    assert note == "time limit reached"
    assert search.tried == 1


def test_an_order_in_which_the_gil_is_not_shared():
    instance = instance_of(
        make_profile({"a": [], "b": [], "c": ["b"]}, [4.0, 1.0, 9.0], ["python", "python", "io"])
    )
    ranks = rigid_order(instance, 2, 0, 1_000)
    assert ranks.index(0) == 1  # b first: the long wait follows it
    assert ranks == rigid_order(instance, 2, 0, 1_000)


def test_other_budgets_of_a_large_dag_are_those_of_its_order():
    instance = instance_of(make_profile({f"n{i}": [] for i in range(2_001)}, 1.0))
    rows = other_budgets(instance, list(range(2_001)), [1, 3], 0, lambda: True)
    assert [(row.threads, row.makespan_s) for row in rows] == [(1, 2001.0), (3, 667.0)]
    assert other_budgets(instance, list(range(2_001)), None, 0, lambda: True) == []
    assert [row.makespan_s for row in with_plan(rows, 3, 600.0, 500.0)] == [2001.0, 600.0]
