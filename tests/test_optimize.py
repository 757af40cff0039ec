"""From a profile to a plan."""

from __future__ import annotations

import importlib.util
import math
import os
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings

from makespan.errors import MissingExtraError, NoPlanError, OptionError, ProfileError
from makespan.plan import parse_plan
from makespan.testing import random_edges
from makespan_optimizer.model import solve as solver
from makespan_optimizer.optimize import optimize
from tests.builders import make_profile
from tests.oracles import best_order, best_schedule
from tests.strategies import cases
from tests.varying import varying

if TYPE_CHECKING:
    from pathlib import Path

    from makespan_optimizer.choice.search import Progress

FIVE = {"A": [], "B": ["A"], "C": ["A"], "D": ["A"], "E": ["C", "D"]}
# The critical path rule is misled here: the lock decides.
ODD = make_profile(
    {
        "a": [],
        "b": [],
        "c": ["a"],
        "d": ["a", "b"],
        "e": ["b"],
        "f": ["c"],
        "g": [],
        "h": ["d", "g"],
        "i": [],
    },
    [1.13, 0.71, 0.42, 1.37, 0.93, 0.68, 1.21, 0.55, 0.77],
    {
        "a": "python",
        "c": "python",
        "d": "native",
        "e": "mixed",
        "f": "python",
        "g": "parallel",
        "i": "python",
    },
    locks={"e": ["db"], "f": ["db"], "h": ["db"]},
)


def _hard():
    """Return a profile whose bounds are not met: nodes that hold the GIL for a part of their time."""
    source = random.Random(5)
    preds = random_edges(24, 1.6, seed=5, layers=4)
    return make_profile(
        {f"n{i:02}": [f"n{p:02}" for p in some] for i, some in enumerate(preds)},
        [source.lognormvariate(-2, 1) for _ in preds],
        [source.choice(["python", "native", "io", "mixed"]) for _ in preds],
    )


HARD = _hard()


def test_five_equal_nodes_on_two_threads_take_three_units_proven():
    plan = optimize(make_profile(FIVE), 2)
    assert (plan.makespan_s, plan.lower_bound_s, plan.gap) == (3.0, 3.0, 0.0)
    assert plan.solver.status == "optimal"
    assert plan.solver.stopped.startswith("proven")
    assert plan.groups == ()


def test_a_plan_reads_back_and_is_consistent():
    plan = optimize(ODD, 2)
    assert parse_plan(plan.to_json()) == plan
    assert [node.name for node in plan.nodes] == sorted(node.name for node in plan.nodes)
    assert max(node.start_s + node.duration_s for node in plan.nodes) == pytest.approx(plan.makespan_s)
    assert plan.makespan_s <= plan.default_makespan_s
    assert plan.lower_bound_s <= plan.makespan_s
    assert {node.lane for node in plan.nodes} == {0, 1}
    assert plan.solver.used_s is None
    assert plan.solver.candidates > 2
    (group,) = plan.groups
    assert (group.name, group.nodes, group.reason) == ("lock db", ("e", "f", "h"), "lock")


@settings(deadline=None, max_examples=20)
@given(cases(5, longest=99))
def test_equals_brute_force_in_small_cases(case):
    names = [f"n{i}" for i in range(len(case.wall))]
    profile = make_profile(
        {names[i]: [names[p] for p in some] for i, some in enumerate(case.preds)},
        [float(w) for w in case.wall],
        locks=dict(zip(names, case.locks, strict=True)),
        exclusive=[name for name, alone in zip(names, case.exclusive, strict=True) if alone],
    )
    plan = optimize(profile, case.budget, what_if=[], time_limit_s=60)
    assert plan.makespan_s == best_order(case.wall, case.preds, case.budget, case.locks, case.exclusive)
    anyhow = best_schedule(case.wall, case.preds, case.budget, case.locks, case.exclusive)
    assert plan.lower_bound_s <= anyhow
    assert (plan.solver.status == "optimal") == (plan.lower_bound_s == plan.makespan_s)


def test_seven_loose_nodes_equal_brute_force():
    walls = [7, 6, 5, 4, 4, 3, 2]
    plan = optimize(make_profile({name: [] for name in "abcdefg"}, [float(w) for w in walls]), 3, what_if=[])
    assert plan.makespan_s == best_order(walls, [[]] * 7, 3)


# Longest first is not best here: 3 + 3 and 2 + 2 + 2, not 3 + 2 + 2 and 3 + 2.
SPLIT = make_profile({name: [] for name in "abcde"}, [3.0, 3.0, 2.0, 2.0, 2.0])


def test_the_rules_alone_are_beaten():
    plan = optimize(SPLIT, 2)
    assert (plan.makespan_s, plan.solver.status) == (6.0, "optimal")


def in_another_process(tmp_path: Path, hash_seed: str) -> bytes:
    (tmp_path / "profile.json").write_bytes(HARD.to_json())
    code = (
        "import sys; from makespan.profile import load_profile; "
        "plan = load_profile('profile.json').optimize(3, seed=5, time_limit_s=8); "
        "sys.stdout.buffer.write(plan.to_json())"
    )
    env = {**solver._environment(), "PYTHONHASHSEED": hash_seed}
    return subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, check=True
    ).stdout


def test_same_seed_and_input_same_bytes(tmp_path):
    here = in_another_process(tmp_path, "0")
    assert here == in_another_process(tmp_path, "12345")
    assert b"time limit reached" not in here  # so the solver did its share in both


def test_names_are_only_names():
    to = {node.name: f"x{(37 * i) % 101:03}" for i, node in enumerate(HARD.shape)}
    renamed = msgspec.structs.replace(
        HARD,
        shape=tuple(
            msgspec.structs.replace(s, name=to[s.name], after=tuple(to[n] for n in s.after))
            for s in HARD.shape
        ),
        nodes=tuple(msgspec.structs.replace(n, name=to[n.name]) for n in HARD.nodes),
    )
    one, other = (optimize(p, 2, time_limit_s=3, what_if=[]) for p in (HARD, renamed))
    assert one.makespan_s == other.makespan_s
    for node in one.nodes:
        twin = other.node(to[node.name])
        assert (node.rank, node.start_s, node.lane, node.slack_s) == (
            twin.rank,
            twin.start_s,
            twin.lane,
            twin.slack_s,
        )


def test_twice_the_durations_twice_the_makespan():
    double = make_profile(
        {s.name: s.after for s in ODD.shape},
        [2 * n.wall_net_s.median for n in ODD.nodes],
        [n.kind for n in ODD.nodes],
        locks={s.name: s.locks for s in ODD.shape},
    )
    one, two = (optimize(p, 2, what_if=[]) for p in (ODD, double))
    assert two.makespan_s == pytest.approx(2 * one.makespan_s)
    assert two.lower_bound_s == pytest.approx(2 * one.lower_bound_s)
    assert [n.rank for n in two.nodes] == [n.rank for n in one.nodes]


@pytest.mark.parametrize("threads", [1, 2, 3, 5, 1024])
def test_never_worse_than_the_default_order_and_never_better_than_the_bound(threads):
    plan = optimize(HARD, threads, time_limit_s=1, what_if=[])
    assert plan.lower_bound_s <= plan.makespan_s <= plan.default_makespan_s
    assert plan.threads == threads


def test_no_nodes_no_time():
    plan = optimize(make_profile({}), 4)
    assert (plan.makespan_s, plan.lower_bound_s, plan.gap, plan.nodes) == (0.0, 0.0, 0.0, ())
    assert plan.solver.status == "optimal"
    assert parse_plan(plan.to_json()) == plan


def test_nodes_that_take_no_time():
    plan = optimize(make_profile({"a": [], "b": ["a"]}, 0.0), 2)
    assert (plan.makespan_s, plan.gap, plan.solver.status) == (0.0, 0.0, "optimal")


@pytest.mark.parametrize(("cores", "threads"), [(2.0, 2), (1.0, 2), (0.1, 2), (3.6, 4), (5000.0, 1024)])
def test_threads_by_default_are_the_cores(cores, threads):
    assert optimize(make_profile({"a": []}, cores=cores)).threads == threads


IMPOSSIBLE = [
    *(("threads", value) for value in (0, -1, math.nan, True, 1.5, "2", 1025)),
    *(("cores", value) for value in (0, -1.0, math.nan, math.inf, True, "2", 1e6)),
    *(("time_limit_s", value) for value in (0, -1, math.nan, math.inf, True, "2", None)),
    *(("workers", value) for value in (0, -1, 1.5, True, None)),
    *(("seed", value) for value in (-1, 1.5, 2**31, None)),
    *(("gap", value) for value in (-0.1, 1, math.nan, True, None)),
    ("what_if", [0]),
    ("what_if", [2, math.nan]),
    ("what_if", 3.5),
    ("what_if", "4"),
    ("what_if", [2, "3"]),
    ("first_call", "no"),
    ("deterministic", 1),
    ("native_threads", "yes"),
]


@pytest.mark.parametrize(("option", "value"), IMPOSSIBLE, ids=[f"{o}={v}" for o, v in IMPOSSIBLE])
def test_impossible_options_are_refused_by_name(option, value):
    with pytest.raises(OptionError, match=option):
        optimize(ODD, **{option: value})


def test_unmeasured_nodes_are_refused_by_name():
    with pytest.raises(ProfileError, match=r"'B', 'D' \(profile again\)"):
        optimize(make_profile(FIVE, missing=["B", "D"]))


def test_without_ortools_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="pip install"):
        optimize(ODD)


def test_no_order_judged_in_time_is_an_error_of_its_own():
    with pytest.raises(NoPlanError, match=r"no plan in time: .* the time limit of 1e-09 s"):
        optimize(ODD, 2, time_limit_s=1e-9)


def test_progress_ends_with_the_reason():
    told: list[Progress] = []
    plan = optimize(ODD, 2, progress=told.append, time_limit_s=2)
    assert all(step.best_s >= step.bound_s for step in told)
    assert [step.best_s for step in told] == sorted((step.best_s for step in told), reverse=True)
    assert [step.bound_s for step in told] == sorted(step.bound_s for step in told)
    assert told[-1].stopped == plan.solver.stopped
    assert told[-1].best_s == plan.makespan_s
    assert all(step.stopped is None for step in told[:-1])


def worker(monkeypatch, code):
    monkeypatch.setattr(solver, "COMMAND", (sys.executable, "-c", code))


@pytest.mark.parametrize("limit_s", [0.5, 1.5])
def test_the_time_limit_holds_whatever_the_solver_does(monkeypatch, limit_s):
    worker(monkeypatch, "import time; time.sleep(600)")
    begun = time.monotonic()
    plan = optimize(HARD, 3, time_limit_s=limit_s)
    assert time.monotonic() - begun <= 1.1 * limit_s + 0.5
    assert plan.solver.stopped == "time limit reached"
    assert plan.makespan_s <= plan.default_makespan_s


def test_a_solver_that_crashes_costs_nothing_but_its_result(monkeypatch):
    worker(monkeypatch, "raise SystemExit('no licence to solve')")
    plan = optimize(HARD, 3, time_limit_s=5)
    assert plan.solver.stopped == "no result from the solver: its process failed: no licence to solve"
    assert plan.makespan_s <= plan.default_makespan_s


@pytest.mark.parametrize(
    "event",
    [
        '{"kind":"done","model":"threads","start":[0],"makespan":1,"bound":0,"status":"OPTIMAL"}',
        '{"kind":"solution","model":"resources","start":[],"makespan":0}',
        '{"kind":"done","model":"threads","start":' + str([0] * 24) + ',"makespan":0,"status":"OPTIMAL"}',
    ],
)
def test_nonsense_from_the_solver_does_no_harm(monkeypatch, event):
    worker(monkeypatch, f"print({event!r})")
    plan = optimize(HARD, 3, time_limit_s=5)
    assert plan.lower_bound_s <= plan.makespan_s <= plan.default_makespan_s


def test_ctrl_c_leaves_no_child(monkeypatch, tmp_path):
    note = tmp_path / "pid"
    worker(
        monkeypatch,
        f"import os, time, pathlib; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); "
        'print(\'{"kind":"bound","model":"threads","bound":1}\', flush=True); time.sleep(600)',
    )

    def interrupt(step):
        if step.stage == "solver":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimize(HARD, 3, progress=interrupt, time_limit_s=9)
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_large_dags_do_without_the_solver_where_it_fails(monkeypatch):
    worker(monkeypatch, "raise SystemExit('no licence to solve')")
    after = {f"n{i}": [f"n{j}" for j in (i - 7, i - 13) if j >= 0] for i in range(400)}
    plan = optimize(
        make_profile(
            after, [0.1 + (i * i % 17) / 10 for i in range(400)], ["python", "io", "native", "mixed"] * 100
        ),
        3,
        time_limit_s=30,
        what_if=[],
    )
    assert plan.solver.stopped == "no result from the solver: its process failed: no licence to solve"
    assert plan.makespan_s <= plan.default_makespan_s


def test_ten_thousand_nodes():
    after = {f"n{i}": [f"n{j}" for j in (i - 70, i - 131) if j >= 0] for i in range(10_000)}
    profile = make_profile(
        after, [0.01 + (i * i % 17) / 100 for i in range(10_000)], ["python", "io"] * 5_000
    )
    begun = time.process_time()
    plan = optimize(profile, 4, time_limit_s=4)
    assert time.process_time() - begun < 20
    assert len(plan.nodes) == 10_000
    assert plan.makespan_s <= plan.default_makespan_s


# Three loops, and a long request that waits for one of them: taking turns delays all three.
GATED = make_profile(
    {"a": [], "b": [], "c": [], "wait": ["a"]}, [4.0, 4.0, 4.0, 8.0], ["python", "python", "python", "io"]
)


def test_a_computed_group_is_made_where_it_helps_and_says_by_how_much():
    plan = optimize(GATED, 4)
    assert plan.makespan_s == pytest.approx(12.0)
    assert plan.default_makespan_s == pytest.approx(20.0)
    (group,) = plan.groups
    assert (group.reason, group.nodes, group.limit) == ("gil", ("a", "b", "c"), 1)
    assert "12 s instead of 20 s (-40.0%)" in group.evidence
    assert plan.solver.winner == "sequential group"


def test_on_clocks_alone_no_group_is_made_and_nothing_is_proven_by_the_gil():
    unsure = [
        msgspec.structs.replace(n, quality=msgspec.structs.replace(n.quality, gil_share_half_width=None))
        for n in GATED.nodes
    ]
    runs = tuple(msgspec.structs.replace(run, sampler="clocks") for run in GATED.runs)
    plan = optimize(msgspec.structs.replace(GATED, nodes=tuple(unsure), runs=runs), 4)
    assert plan.groups == ()
    assert plan.binding != "GIL"


def test_more_cores_and_no_gil():
    loops = make_profile({name: [] for name in "abcd"}, 1.0, "python", cores=2)
    assert optimize(loops, 4).makespan_s == pytest.approx(4.0)
    free = make_profile({name: [] for name in "abcd"}, 1.0, "python", cores=2, gil=False)
    assert optimize(free, 4).makespan_s == pytest.approx(2.0)
    assert optimize(free, 4, cores=4).makespan_s == pytest.approx(1.0)
    assert optimize(free, 4, cores=4).cores == 4


def test_first_calls():
    profile = make_profile({"a": [], "b": ["a"]}, 1.0, first_s={"a": 5.0})
    assert optimize(profile, 2, first_call=True).makespan_s == 6.0
    assert optimize(profile, 2).makespan_s == 2.0


def test_a_gap_that_is_good_enough():
    plan = optimize(HARD, 3, gap=0.5)
    assert plan.gap <= 0.5
    assert "0.5" in plan.solver.stopped


def test_all_the_time_there_is():
    plan = optimize(HARD, 3, deterministic=False, time_limit_s=3, what_if=[])
    assert plan.solver.used_s is not None
    assert plan.solver.used_s <= 1.1 * 3 + 0.5
    assert not plan.solver.deterministic


HANG = "import time; time.sleep(600)"


@pytest.mark.parametrize(("nodes", "limit_s"), [(40, 1.0), (400, 1.5), (2_500, 2.0)])
def test_the_time_limit_holds_at_every_size_beside_a_solver_that_hangs(monkeypatch, nodes, limit_s):
    worker(monkeypatch, HANG)
    profile = varying(nodes, 1)
    begun = time.monotonic()
    plan = optimize(profile, 3, time_limit_s=limit_s, gap=0)
    assert time.monotonic() - begun <= 1.1 * limit_s + 0.5
    assert "time limit reached" in plan.solver.stopped


@pytest.mark.parametrize(
    ("share", "stopped"), [(0.0, "the solver's share of the time was used up"), (1.0, "time limit reached")]
)
def test_a_solver_that_the_clock_has_ended_is_told_from_one_that_did_its_work(monkeypatch, share, stopped):
    worker(
        monkeypatch,
        "import sys, time, json\n"
        "for line in sys.stdin:\n"
        f"    time.sleep({share} * json.loads(line)['wall_s'])\n"
        "    print(json.dumps({'kind': 'done', 'id': 0, 'status': 'FEASIBLE'}), flush=True)",
    )
    assert optimize(HARD, 3, time_limit_s=2, what_if=[], gap=0).solver.stopped == stopped


LIES = (
    "import sys, struct, json\n"
    "for line in sys.stdin: print(json.dumps({'kind': 'done', 'id': 0, 'start': [0] * 400, "
    "'makespan': 1, 'bound': 1, 'status': 'OPTIMAL'}), flush=True)"
)


@pytest.mark.parametrize("nodes", [24, 400])
def test_a_solver_that_lies_is_caught(monkeypatch, nodes):
    worker(monkeypatch, LIES)
    profile = varying(nodes, 2)
    plan = optimize(profile, 3, time_limit_s=2, what_if=[], gap=0)
    truth = optimize(profile, 3, time_limit_s=2, what_if=[], gap=0.3)
    assert plan.lower_bound_s <= truth.makespan_s
    assert plan.lower_bound_s <= plan.makespan_s
    last = max(node.start_s + node.duration_s for node in plan.nodes)
    assert last == pytest.approx(plan.makespan_s)


def test_scenarios_give_the_same_bytes_whatever_the_hash_seed(tmp_path):
    (tmp_path / "profile.json").write_bytes(varying(16, 3).to_json())
    code = (
        "import sys; from makespan.profile import load_profile; "
        "plan = load_profile('profile.json').optimize('auto', seed=5, time_limit_s=6, gap=0.2, what_if=[]); "
        "sys.stdout.buffer.write(plan.to_json())"
    )

    def run(hash_seed):
        env = {**solver._environment(), "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, check=True).stdout

    found = run("0")
    assert b'"robust":{' in found.replace(b" ", b"")
    assert found == run("4321")
