"""Two plans, two runs, a plan and a run."""

from __future__ import annotations

import json
import re
import unicodedata

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.comparing.comparison import compare
from makespan.comparing.plan_changes import longest_rising
from makespan.errors import PlanError, RecordError
from makespan.measurement import Measured
from makespan.plan import DagId, Plan, PlanCluster, PlanGroup
from makespan.record import RunNode, RunRecord
from makespan.showing.report import report_of
from tests.report_data import (
    DAG_ID,
    HOSTILE,
    MACHINE,
    blog_run,
    failed_run,
    make_plan,
    make_record,
    node_plan,
    random_run,
)

runs = st.builds(random_run, st.integers(0, 12), threads=st.integers(1, 4), seed=st.integers(0, 99))


def a_plan(**fields) -> Plan:
    """Return a → b beside c, on two threads."""
    return make_plan(
        [
            node_plan("a", 0, 0.0, 1.0, 0),
            node_plan("b", 1, 1.0, 2.0, 0, after=("a",)),
            node_plan("c", 2, 0.0, 1.5, 1),
        ],
        **fields,
    )


def a_run(a_s=1.0, b_s=2.0, c_s=1.5, wait_s=0.0, **fields) -> RunRecord:
    begun_s = a_s + wait_s
    return make_record(
        [
            RunNode("a", 0.0, a_s, 0),
            RunNode("c", 0.0, c_s, 1),
            RunNode("b", begun_s, begun_s + b_s, 0, after=("a",)),
        ],
        **fields,
    )


@settings(deadline=None, max_examples=40)
@given(runs)
def test_nothing_differs_from_itself(run):
    for thing in (run, run.plan):
        found = compare(thing, thing)
        assert found.same
        assert (found.difference_s, found.error_s, found.nodes, found.only_a, found.only_b) == (
            0,
            0,
            (),
            (),
            (),
        )
        assert found.text().endswith("no difference")


@settings(deadline=None, max_examples=40)
@given(runs, runs)
def test_all_of_the_difference_is_accounted_for_and_back_is_the_opposite(one, other):
    for a, b in ((one, other), (one.plan, other.plan)):
        if not a.nodes or not b.nodes:
            continue
        there, back = compare(a, b), compare(b, a)
        assert there.account.nodes_s + there.account.waits_s == pytest.approx(there.difference_s)
        assert back.difference_s == pytest.approx(-there.difference_s)
        assert (back.only_a, back.only_b) == (there.only_b, there.only_a)
        assert back.error_s == pytest.approx(there.error_s)
        assert {n.name: n.difference_s for n in back.nodes} == {
            n.name: pytest.approx(-n.difference_s) for n in there.nodes
        }
        msgspec.json.encode(there)
        there.text()


def test_a_longer_node_of_the_chain_explains_the_difference():
    found = compare(a_run(), a_run(b_s=2.5, c_s=1.0))
    assert found.kind == "runs"
    assert found.difference_s == pytest.approx(0.5)
    assert found.account.of == "b"
    assert [step.name for step in found.account.chain] == ["a", "b"]
    assert (found.account.nodes_s, found.account.waits_s) == pytest.approx((0.5, 0.0))
    assert [(its.name, round(its.difference_s, 6), its.on_chain) for its in found.nodes] == [
        ("b", 0.5, True),
        ("c", -0.5, False),
    ]
    assert found.error_s == pytest.approx(1.0)


def test_a_wait_explains_the_difference():
    found = compare(a_plan(), a_run(wait_s=0.4, a_s=1.1))
    assert found.kind == "plan and run"
    assert (found.account.nodes_s, found.account.waits_s) == pytest.approx((0.1, 0.4))
    text = found.text()
    assert "planned 3.00 s, actual 3.50 s (+500 ms, +17 %)" in text
    assert "waits on it: 400 ms before b (its input was there)" in text
    assert "note: the run followed no plan" in text


def test_the_shorter_one_second():
    found = compare(a_run(b_s=2.5), a_run())
    assert found.account.of == "a"
    assert (found.difference_s, found.account.nodes_s) == pytest.approx((-0.5, -0.5))


def test_less_threads_is_order():
    one = make_record([RunNode("x", 0.0, 1.0, 0), RunNode("y", 1.0, 2.0, 0)], threads=1)
    two = make_record([RunNode("x", 0.0, 1.0, 0), RunNode("y", 0.0, 1.0, 1)])
    found = compare(two, one)
    assert (found.account.nodes_s, found.account.waits_s) == (0.0, 1.0)
    assert [(n.name, n.difference_s, n.b_start_s - n.a_start_s) for n in found.nodes] == [("y", 0.0, 1.0)]
    assert "1 node only at another time" in found.text()


def test_a_plan_stands_first_whichever_is_given_first():
    one, other = compare(a_plan(), a_run(), labels=("p", "r")), compare(a_run(), a_plan(), labels=("r", "p"))
    assert one == other
    assert (one.a.label, one.a.what, one.b.label, one.b.what) == ("p", "plan", "r", "run")


def test_what_a_node_did_longer_is_named():
    its = Measured(gil_s=0.5, native_s=0.0, gil_wait_s=0.4, samples=900)
    was = Measured(gil_s=0.5, native_s=0.0, samples=900)

    def run(measured: Measured) -> RunRecord:
        return make_record([RunNode("a", 0.0, measured.total_s, 0, measured=measured)], sampler="gil")

    found = compare(run(was), run(its))
    (node,) = found.nodes
    assert node.why == "GIL wait +400 ms"
    assert (found.a.gil_wait_s, found.b.gil_wait_s, found.b.core_wait_s) == (0.0, 0.4, 0.0)
    assert "waits of its nodes: GIL 400 ms, cores 0 s" in found.text()
    (node,) = compare(run(its), run(was)).nodes
    assert node.why == "GIL wait −400 ms"
    plan = make_plan([node_plan("a", 0, 0.0, 0.5, 0, gil_s=0.5)])
    (node,) = compare(plan, run(its)).nodes
    assert node.why == "GIL wait 400 ms"


def test_what_a_thread_did_that_waited_for_a_worker_process_explains_nothing():
    def run(wall_s: float) -> RunRecord:
        waited = Measured(gil_s=0.0, native_s=0.0, blocked_s={"io": wall_s}, samples=900)
        return make_record([RunNode("a", 0.0, wall_s, 0, measured=waited, process=0)], sampler="gil")

    (node,) = compare(run(0.5), run(0.9)).nodes
    assert node.why == ""
    (row,) = report_of(run(0.5)).nodes
    assert (row.measured, row.measured_shares, row.process) == (None, None, 0)


def test_plans_differ_in_order_groups_modes_and_clusters():
    held = PlanGroup("GIL holders", ("a", "c"), 1, "gil", "measured")
    before = make_plan([node_plan(name, i, float(i), 1.0, 0) for i, name in enumerate("abcd")], threads=1)
    after = make_plan(
        [
            node_plan("d", 0, 0.0, 1.0, 0, mode="process", native_threads=1),
            *[node_plan(name, i, float(i), 1.0, 0) for i, name in enumerate("abc", 1)],
        ],
        threads=1,
        groups=(held,),
        clusters=(PlanCluster("cluster", ("d",), 0),),
    )
    found = compare(before, after)
    assert [(m.name, m.a_rank, m.b_rank) for m in found.moved] == [("d", 3, 0)]
    assert [(m.name, m.a, m.b) for m in found.modes] == [("d", "thread", "process, 1 native thread")]
    assert (found.groups_gone, found.groups_new) == ((), (held,))
    assert [c.nodes for c in found.clusters_new] == [("d",)]
    assert not found.same
    assert found.text().splitlines()[3:] == [
        "critical chain of b: d → a → b → c",
        "1 node moved in the order: d 3 → 0",
        "d runs in process, 1 native thread instead of thread",
        "group new: GIL holders (gil): a, c",
        "cluster new: cluster in worker process 1: d",
        "4 nodes only at another time",
    ]


@settings(deadline=None, max_examples=100)
@given(st.permutations(range(7)))
def test_longest_rising(values):
    kept = longest_rising(values)
    chosen = [values[i] for i in sorted(kept)]
    assert chosen == sorted(chosen)
    best = [1] * 7
    for i in range(7):
        best[i] = 1 + max((best[j] for j in range(i) if values[j] < values[i]), default=0)
    assert len(kept) == max(best)


def test_a_dag_that_changed_is_compared_as_far_as_it_is_the_same():
    other = make_record([RunNode("a", 0.0, 2.0, 0), RunNode("x", 2.0, 3.0, 0)], dag=DagId("news", "e" * 64))
    found = compare(a_run(), other)
    assert found.notes == ("the DAG 'news' has changed between the two",)
    assert (found.only_a, found.only_b) == (("b", "c"), ("x",))
    assert [its.name for its in found.nodes] == ["a"]
    assert found.account.nodes_s + found.account.waits_s == pytest.approx(found.difference_s)
    assert "only in a: b, c" in found.text()


def test_different_dags_are_refused():
    other = make_record([RunNode("a", 0.0, 1.0, 0)], dag=DagId("mail", "e" * 64))
    with pytest.raises(
        RecordError, match=r"new\.json: is of another DAG \('mail'\) than old\.json \('news'\)"
    ):
        compare(a_run(), other, labels=("old.json", "new.json"))
    strange = make_record([RunNode("z", 0.0, 1.0, 0)], dag=DagId("news", "e" * 64))
    with pytest.raises(RecordError, match="b: has no node in common with a"):
        compare(a_run(), strange)
    plan = msgspec.structs.replace(a_plan(), dag=DagId("mail", "e" * 64))
    with pytest.raises(PlanError, match="another DAG"):
        compare(a_plan(), plan)


def test_notes_say_what_makes_two_less_comparable():
    elsewhere = msgspec.structs.replace(MACHINE, cores=8.0)
    assert compare(a_run(), a_run(machine=elsewhere)).notes == (
        "another machine: usable cores: 4.0 there, 8.0 here",
    )
    assert compare(a_run(plan=a_plan()), a_run()).notes == ("b followed no plan",)
    other = a_plan(groups=(PlanGroup("x", ("a", "c")),))
    assert compare(a_plan(), a_run(plan=other)).notes == ("the run followed another plan",)
    assert compare(a_plan(), a_run(plan=a_plan())).notes == ()
    failed = failed_run()
    assert failed.plan is not None
    found = compare(failed.plan, failed)
    assert found.notes == ("b did not reach its end: failed",)
    assert (found.only_a, found.nodes) == (("a", "b", "c", "d"), ())


def test_the_json_is_the_objects():
    run = blog_run()
    assert run.plan is not None
    data = json.loads(msgspec.json.encode(compare(run.plan, run)))
    assert list(data) == [
        "kind",
        "a",
        "b",
        "difference_s",
        "account",
        "nodes",
        "error_s",
        "only_a",
        "only_b",
        "moved",
        "modes",
        "groups_gone",
        "groups_new",
        "clusters_gone",
        "clusters_new",
        "notes",
    ]
    assert list(data["nodes"][0]) == [
        "name",
        "a_start_s",
        "b_start_s",
        "a_s",
        "b_s",
        "difference_s",
        "on_chain",
        "why",
    ]
    assert data["account"]["chain"][0] == {
        "name": "a",
        "cause": "start",
        "waited_s": pytest.approx(0.0, abs=0.1),
        "a_s": 1.0,
        "b_s": pytest.approx(1.0, abs=0.2),
    }
    assert data["a"]["what"] == "plan"


def test_the_text_of_a_plan_and_a_run():
    text = compare(a_plan(), a_run(b_s=2.5, c_s=1.0, plan=a_plan()), labels=("plan.json", "run.json")).text()
    assert text == (
        "news: planned 3.00 s, actual 3.50 s (+500 ms, +17 %)\n"
        "a: plan.json, plan of 3 nodes with 2 threads, lower bound 2.91 s (critical path), optimal\n"
        "b: run.json, run of 3 nodes with 2 threads\n"
        "of the difference, nodes of the critical chain make up +500 ms, waits and order 0 s\n"
        "critical chain of b: a → b\n"
        "\n"
        "nodes that take another time\n"
        "node  planned  actual  longer by         starts later by\n"
        "b      2.00 s  2.50 s    +500 ms  +25 %              0 s  critical\n"
        "c      1.50 s  1.00 s    −500 ms  −33 %              0 s"
    )


def test_hostile_names_do_no_harm():
    one = random_run(len(HOSTILE), names=HOSTILE, seed=1)
    other = random_run(len(HOSTILE), names=HOSTILE, seed=2)
    for a, b in ((one, other), (one.plan, other.plan), (one.plan, other)):
        text = compare(a, b, labels=("a\x1b[2J", "b\n")).text()
        assert not any(unicodedata.category(mark) == "Cc" for mark in text.replace("\n", ""))
        text.encode()


def test_many_nodes_are_cut_with_a_word():
    text = compare(random_run(60, seed=1), random_run(60, seed=2)).text()
    assert "(the first 15 of 60)" in text
    assert len(text.splitlines()) < 40


def test_the_dag_id_is_that_of_the_tests():
    assert compare(a_plan(), a_run()).a.dag == DAG_ID.name


@pytest.mark.parametrize("thing", [None, "plan.json", 3])
def test_what_is_neither_a_plan_nor_a_run_is_refused(thing):
    plan = make_plan([node_plan("a", 0, 0.0, 1.0, 0)])
    said = (
        f"b: is neither a plan nor a run's record but {type(thing).__name__} (load_plan and load_record read"
    )
    with pytest.raises(RecordError, match=re.escape(said)):
        compare(plan, thing)
    with pytest.raises(RecordError, match="a: is neither"):
        compare(thing, plan)
