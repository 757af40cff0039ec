"""Why a plan is as it is."""

import msgspec
import pytest

from makespan.errors import PlanError
from makespan_optimizer.explain import explain
from makespan_optimizer.optimize import optimize
from tests.builders import make_profile

FIVE = {"A": [], "B": ["A"], "C": ["A"], "D": ["A"], "E": ["C", "D"]}


def test_a_plan():
    plan = optimize(make_profile(FIVE), 2)
    told = explain(plan)
    assert (told.makespan_s, told.status, told.node) == (3.0, "optimal", None)
    assert told.critical_path[0] == "A"
    text = told.text()
    assert "3 s with 2 threads" in text
    assert "proven optimal" in text
    assert "no sequential groups" in text
    assert msgspec.to_builtins(told)["critical_path"] == told.critical_path


def test_a_node():
    note = explain(optimize(make_profile(FIVE), 2), "E").node
    assert note is not None
    assert note.waits_for == ("C", "D")
    assert note.started_by == ("C", "D")
    assert note.waited_for_by == ()
    assert note.beside == ("B",)
    assert note.critical


def test_what_a_node_waits_for_may_be_a_worker_or_a_lock():
    plan = optimize(make_profile({"a": [], "b": []}, [2.0, 1.0], locks={"a": ["db"], "b": ["db"]}), 2)
    last = max(plan.nodes, key=lambda node: node.start_s)
    first = min(plan.nodes, key=lambda node: node.start_s)
    note = explain(plan, last.name).node
    assert note is not None
    assert note.started_by == (first.name,)
    assert note.groups == ("lock db",)
    told = explain(plan).text()
    assert "group lock db (lock): a, b" in told
    plan = optimize(make_profile({"a": [], "b": []}), 1)
    second = explain(plan, "b").node
    assert second is not None
    assert second.started_by == ("a",)


def test_a_slowed_node_says_so():
    plan = optimize(make_profile({"a": [], "b": []}, 1.0, "python"), 2, what_if=[])
    slowed = [node.name for node in plan.nodes if node.duration_s > node.alone_s]
    for name in slowed:
        assert "1 s alone" in explain(plan, name).text()


def test_an_unknown_node_is_refused_with_the_nearest():
    plan = optimize(make_profile({"fetch": [], "parse": ["fetch"]}), 2)
    with pytest.raises(PlanError, match="did you mean 'parse'"):
        explain(plan, "prase")
