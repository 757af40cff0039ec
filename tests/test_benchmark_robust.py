"""Benchmarks of plans over scenarios and of large DAGs."""

import json
import random
import subprocess
import sys
from pathlib import Path
from statistics import fmean, median

import pytest

from benchmarks import robust
from benchmarks.cases import Case, InstanceError
from benchmarks.generated import generate
from benchmarks.list_scheduling import case_of, jobs_of
from makespan_optimizer.instance import instance_of
from makespan_optimizer.rigid.problem import Resource

ROOT = Path(__file__).resolve().parents[1]


def silent(_):
    """Say nothing."""


def test_durations_vary_as_promised():
    world = robust.World(Case("x", "x", (10, 30), ((), ())), seed=1)
    assert world.typical_s == pytest.approx([0.005, 0.015])
    rng = random.Random(0)
    draws = [world.draw(rng)[1] for _ in range(4000)]
    assert median(draws) == pytest.approx(0.015, rel=0.05)
    beyond = fmean(draw > 2.2 * 0.015 for draw in draws)
    assert 0.01 < beyond < 1 / 25
    assert max(draws) < 15 * 2 * 0.015


def test_a_profile_tells_the_case_demands():
    case = generate("generated/resources/30", 1)[0]
    profile = robust.World(case, 0).profile(0)
    assert profile == robust.World(case, 0).profile(0)
    instance = instance_of(profile)
    by_name = {its.name: its for its in case.resources}
    assert instance.capacity == by_name["cores"].capacity
    for i, name in enumerate(instance.structure.names):
        assert int(name) == i
        assert instance.gil[i] == pytest.approx(by_name["gil"].demand[i], abs=11)
        assert instance.core[i] == pytest.approx(max(by_name["cores"].demand[i], instance.gil[i]), abs=11)
        locks = {lock for lock in by_name.keys() - {"gil", "cores"} if by_name[lock].demand[i]}
        assert set(instance.structure.locks[i]) == locks


def test_a_project_is_no_profile():
    case = Case("x", "x", (1, 1), ((), ()), (Resource("R1", 2, (2, 1)),), threaded=False)
    with pytest.raises(InstanceError, match="beside threads, GIL, cores and locks"):
        robust.World(case, 0).profile(0)


def test_orders_are_compared_over_the_same_scenarios(monkeypatch):
    orders = dict(robust.ORDERS)
    orders["makespan"] = orders["critical-path"]
    monkeypatch.setattr(robust, "ORDERS", orders)
    cases = generate("generated/resources/30", 2)
    rows = list(robust.rows_of(cases, [2, 4], scenarios=6, time_limit_s=1, seed=0, say=silent))
    assert len(rows) == 2 * 2 * 3
    for row in rows:
        if row["method"] != "default":
            assert row["over_critical_path"] == 1.0
    assert any(row["over_critical_path"] != 1.0 for row in rows)
    assert "default" in robust.table(rows)


def test_a_plan_is_replayed_with_its_groups():
    (case,) = generate("generated/resources/12", 1)
    rows = list(robust.rows_of([case], [2], scenarios=5, time_limit_s=1, seed=0, say=silent))
    its = {row["method"]: row for row in rows}["makespan"]
    assert 0.5 < its["over_critical_path"] < 1.5
    assert its["seconds"] > 0


def test_what_is_timed_gives_ranks_and_starts():
    for kind in ("threads only", "resources"):
        problem = case_of(kind, 300, 1).problem(4)
        for what, job in jobs_of(problem).items():
            made = job()
            assert len(made) == 300
            assert what == "list schedule" or sorted(made) == list(range(300))


def test_the_command_times_and_plans():
    options = "--nodes 200 --repeats 1 --plan 60 --time-limit 0.5 --sets resources --json"
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks/list_scheduling.py"), *options.split()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {row["what"] for row in rows} >= {"list schedule", "critical path", "ninja", "solve"}
    assert rows[-1]["first_s"] is not None
    assert rows[-1]["over_critical_path"] <= 1
