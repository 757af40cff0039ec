"""``makespan check --runs``, ``makespan run --allow-stale``: plans that no longer say what happens."""

from __future__ import annotations

import importlib
import json
import sys

import msgspec
import pytest

from makespan import DAG
from makespan.cli import main
from makespan.cli.check import judge
from makespan.cli.codes import Exit
from makespan.machine import this_machine
from makespan.plan import DagId
from makespan.record import RunNode, load_record
from tests.cli_tools import Outcome
from tests.report_data import make_plan, make_record, node_plan

PIPELINE = """\
from makespan import dag, node


@node
def a():
    return 1


@node
def b(x):
    return x + 1


@dag
def flow():
    return b(a())
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with a pipeline, its plan (a takes 1 s, b takes 2 s) and a maker of runs by it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flow.py").write_text(PIPELINE)
    path, modules = list(sys.path), set(sys.modules)
    sys.path.insert(0, str(tmp_path))
    made = importlib.import_module("flow").flow
    nodes = [node_plan("a", 0, 0.0, 1.0, 0), node_plan("b", 1, 1.0, 2.0, 0, after=("a",))]
    plan = msgspec.structs.replace(
        make_plan(nodes), dag=DagId("flow", made.fingerprint, "flow:flow"), machine=this_machine()
    )
    plan.save("plan.json")

    def run(name, a_s, b_s, plan=plan, **fields):
        fields = {"dag": plan.dag if plan is not None else DagId("flow", made.fingerprint), **fields}
        its = [RunNode("a", 0.0, a_s, 0), RunNode("b", a_s, a_s + b_s, 0, after=("a",))]
        make_record(its, plan=plan, **fields).save(name)

    yield run, plan
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def cli(folder, capfd):
    def run(*words):
        capfd.readouterr()
        code = main([str(word) for word in words])
        return Outcome(code, *capfd.readouterr())

    return run


def test_runs_as_planned(cli, folder):
    folder[0]("run1.json", 1.1, 2.2)
    done = cli("check", "plan.json", "flow:flow", "--runs", "run1.json")
    assert (done.code, done.err) == (Exit.OK, "")
    assert done.out == "plan.json fits flow:flow\n  note: the run took 3.30 s, planned were 3.00 s\n"


def test_the_median_over_runs_has_drifted(cli, folder):
    for k, b_s in enumerate((2.0, 8.0, 9.0)):
        folder[0](f"run{k}.json", 1.0, b_s)
    done = cli("check", "plan.json", "flow:flow", "--runs", "run0.json", "run1.json", "run2.json")
    assert done.code == Exit.JUDGED
    assert done.out == (
        "plan.json does not fit flow:flow:\n"
        "  'b' took 8.00 s (median of 3 runs), the plan counted on 2.00 s\n"
        "  note: the runs took 9.00 s, planned were 3.00 s\n"
    )
    assert cli("check", "plan.json", "flow:flow", "--runs", "run0.json").code == Exit.OK


def test_set_up_nodes_are_not_compared(folder):
    run, plan = folder
    run("run1.json", 9.0, 9.0)  # in a server the first run alone would take so long
    made = DAG("flow")
    made.add(int, name="b", after=[made.add(int, name="a", setup=True)])
    verdict = judge(plan, made, runs=[load_record("run1.json")])
    assert [its.name for its in verdict.drift] == ["b"]
    assert "set up once, and not compared: 'a'" in verdict.notes


def test_as_json_and_by_a_pattern_that_no_shell_expanded(cli, folder):
    folder[0]("run1.json", 1.0, 5.0)
    folder[0]("run2.json", 1.0, 7.0)
    done = cli("check", "plan.json", "flow:flow", "--json", "--runs", "run*.json")
    assert done.code == Exit.JUDGED
    verdict = json.loads(done.out)
    assert verdict["drift"] == [{"name": "b", "planned_s": 2.0, "actual_s": 6.0, "ratio": 3.0}]
    assert len(verdict["reasons"]) == 1


def test_nodes_that_no_run_tells_of_are_named(cli, folder):
    folder[0]("run1.json", 1.0, 9.0)
    record = load_record("run1.json")
    nodes = (record.nodes[0], msgspec.structs.replace(record.nodes[1], status="failed"))
    msgspec.structs.replace(record, nodes=nodes, status="failed").save("run1.json")
    done = cli("check", "plan.json", "flow:flow", "--runs", "run1.json")
    assert done.code == Exit.OK
    assert done.out.endswith("  note: 'b' ended well at the first try in none of the runs\n")


def test_runs_that_say_nothing_of_this_plan_are_refused_by_name(cli, folder):
    run, plan = folder
    run("good.json", 1.0, 2.0)
    run("none.json", 1.0, 2.0, plan=None)
    run("later.json", 1.0, 2.0, plan=msgspec.structs.replace(plan, threads=3))
    run("other.json", 1.0, 2.0, dag=DagId("else", "sha256:0"))
    for name, problem in (
        ("none.json", "is a run without a plan"),
        ("later.json", "is a run by another plan than plan.json"),
        ("other.json", "is a run of another DAG ('else') than plan.json"),
        ("plan.json", "is not a makespan-run file"),
        ("nowhere.json", ""),
        ("nowhere*.json", "no file has such a name"),
    ):
        done = cli("check", "plan.json", "flow:flow", "--runs", "good.json", name)
        assert done.code == Exit.USAGE
        assert done.out == ""
        assert f"{name}" in done.err
        assert problem in done.err


def test_a_stale_plan_is_followed_when_that_is_allowed(cli, folder, tmp_path):
    (tmp_path / "flow.py").write_text(PIPELINE.replace("b(a())", "b(a()), a()"))
    del sys.modules["flow"]
    importlib.invalidate_caches()
    done = cli("run", "flow:flow", "--plan", "plan.json", "-q")
    assert done.code == Exit.USAGE
    assert "it lacks 'a_2'" in done.err
    done = cli("run", "flow:flow", "--plan", "plan.json", "--allow-stale", "--threads", 1, "-q")
    assert done.code == Exit.OK
    said = [
        "the plan is for 2 threads; 1 is allowed",
        "the plan does not know 'a_2': new nodes start where their way to the end puts them",
    ]
    assert done.err.splitlines() == [f"makespan: warning: {text}" for text in said]
    record = load_record("run.json")
    assert list(record.notes) == said
    assert [node.name for node in record.nodes] == ["a", "b", "a_2"]
