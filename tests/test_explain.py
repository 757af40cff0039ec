"""Why a plan is as it is."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.errors import PlanError
from makespan.plan import Plan, PlanBound, PlanCluster, PlanGroup, Robust, Solver, WhatIf
from makespan_optimizer.optimize import optimize
from makespan_optimizer.questions.explain import explain
from tests.builders import make_profile
from tests.report_data import HOSTILE, make_plan, node_plan, random_run

FIVE = {"A": [], "B": ["A"], "C": ["A"], "D": ["A"], "E": ["C", "D"]}


def five(**fields) -> Plan:
    """Return five unit nodes on two threads in three units: C and D before B."""
    times = {"A": (0, 0, 0), "C": (1, 1, 0), "D": (2, 1, 1), "E": (3, 2, 0), "B": (4, 2, 1)}
    plan = {
        "threads": 2,
        "default_makespan_s": 4.0,
        "lower_bound_s": 3.0,
        "bounds": (PlanBound("critical path", 3.0), PlanBound("threads", 2.5), PlanBound("GIL", 0.0)),
    } | fields
    return make_plan(
        [
            node_plan(
                name,
                rank,
                float(start),
                1.0,
                lane,
                after=tuple(FIVE[name]),
                critical=name != "B",
                gil_s=0.5,
                kind="io",
            )
            for name, (rank, start, lane) in times.items()
        ],
        **plan,
    )


def test_a_plan_of_the_optimizer():
    plan = optimize(make_profile(FIVE), 2)
    told = explain(plan)
    assert told.makespan_s == pytest.approx(3.0, rel=0.005)
    assert told.node is None
    assert told.critical_path[0] == "A"
    assert told.bounds[0].name == told.binding
    text = told.text()
    assert "3.00 s with 2 threads" in text
    assert "no sequential groups" in text
    assert json.loads(msgspec.json.encode(told))["critical_path"][0] == "A"


def test_the_chain_that_decides_the_end():
    told = explain(five())
    assert [(its.name, its.start_s, its.cause) for its in told.chain] == [
        ("A", 0.0, "start"),
        ("C", 1.0, "input"),
        ("E", 2.0, "input"),
    ]
    assert sum(its.duration_s + its.waited_s for its in told.chain) == told.makespan_s


def test_the_text_of_a_plan():
    robust = Robust(80, 3.1, 3.4, 4.1, 3.2)
    told = explain(five(robust=robust, switch_interval_s=0.001, chains=(("C", "E"),)))
    text = told.text().splitlines()
    assert text[:10] == [
        "news: 3.00 s with 2 threads; the default order takes 4.00 s (−25 %)",
        "lower bound 3.00 s, set by: critical path; gap 0 %, proven optimal",
        "found by: cp-sat; stopped: proven optimal",
        "over 80 scenarios: 3.10 s expected, 90 % within 3.40 s; default order 4.10 s, critical path 3.20 s",
        "bounds: critical path 3.00 s, threads 2.50 s",
        "to go lower: no thread helps, only faster nodes on the critical path: A 1.00 s, C 1.00 s, E 1.00 s",
        "to go lower: 500 ms by that at most: next is threads, 2.50 s",
        "no sequential groups",
        "back to back: C, E",
        "switch interval: 1.0 ms",
    ]
    assert text[10] == "critical: A, C, D, E"
    assert text[12:14] == ["what decides the end", "node  starts   takes    waited for"]
    assert text[14].split() == ["A", "0", "s", "1.00", "s"]


def test_a_node():
    note = explain(five(), "E").node
    assert note is not None
    assert (note.rank, note.of, note.critical, note.lane) == (3, 5, True, 0)
    assert (note.waits_for, note.waited_for_by) == (("C", "D"), ())
    assert (note.started, note.started_by) == ("input", ("C", "D"))
    assert note.beside == ("B",)
    assert (note.ready_s, note.before_s, note.after_s, note.after_path) == (2.0, 2.0, 0.0, ())


def test_a_node_with_nodes_after_it():
    note = explain(five(), "A").node
    assert note is not None
    assert (note.after_s, note.after_path, note.path_place) == (2.0, ("C", "E"), 1)
    assert note.starts == ("C", "D")
    assert note.started == "start"
    note = explain(five(), "C").node
    assert note is not None
    assert (note.after_s, note.path_place, note.starts) == (1.0, 2, ("E",))
    late = explain(five(), "B").node
    assert late is not None
    assert (late.ready_s, late.started, late.started_by) == (1.0, "thread", ("D",))


def test_the_text_of_a_node():
    assert explain(five(), "B").text().splitlines() == [
        "B (io): rank 4 of 5, starts at 2.00 s, takes 1.00 s, worker 2",
        "slack 0 s: so much later would not delay the end",
        "rank: nothing comes after it; the 4th longest path to the end",
        "ready at 1.00 s, starts 1.00 s later: it takes the thread of D",
        "nothing starts at its end",
        "waits for: A",
        "waited for by: nothing",
        "in no sequential group",
        "beside it: E",
        "plan: 3.00 s, bound 3.00 s (critical path)",
    ]
    assert explain(five(), "C").text().splitlines()[1:5] == [
        "critical: a delay of it delays the end",
        "rank: 1.00 s come after it (E), the 2nd longest path to the end",
        "starts as soon as it is ready: it takes a result of A",
        "if it came later, these would wait: E",
    ]
    assert explain(five(), "C").text().endswith("it is on the path that binds, for 1.00 s\n")


def test_modes_clusters_chains_and_pins():
    nodes = [
        node_plan("a", 0, 0.0, 1.0, 0, mode="process", native_threads=1),
        node_plan("b", 1, 1.0, 1.0, 0, starts_after=("a",)),
    ]
    cluster = PlanCluster("cluster", ("a",), 0, ("z",), "gains 5 %")
    pinned = PlanGroup("pinned", ("a", "b"), 1, "pinned", "asked for: a, b")
    plan = make_plan(nodes, clusters=(cluster,), chains=(("a", "b"),), groups=(pinned,))
    told = explain(plan, "a")
    assert told.node is not None
    assert (told.node.mode, told.node.native_threads, told.node.cluster) == ("process", 1, "cluster")
    text = told.text()
    assert "cluster cluster in worker process 1: a, again there: z: gains 5 %" in text
    assert "its libraries may use 1 native thread" in text
    assert "back to back, by one worker: a, b" in text
    assert "group pinned (pinned): asked for: a, b" in text
    after = explain(plan, "b")
    assert "pinned to come after: a" in after.text()
    assert "starts as soon as it is ready: it takes a result of a" in after.text()
    assert "cluster cluster in worker process 1: a" in explain(plan).text()
    alone = make_plan(nodes)
    assert "runs in a worker process" in explain(alone, "a").text()


@pytest.mark.parametrize(
    ("bound", "said", "first"),
    [
        ("threads", "more threads (4 → 2.00 s), or less work: A 1.00 s", "A"),
        ("GIL", "less Python under the GIL, or Python in processes: A 500 ms", "A"),
        ("cores", "more cores, or less computing: A 500 ms", "A"),
        ("lock db", "less time under lock db", None),
        ("exclusive nodes", "shorter exclusive nodes", None),
        ("something new", "what something new counts", None),
    ],
)
def test_what_it_would_take_to_go_lower(bound, said, first):
    what_if = (WhatIf(2, 3.0, 2.5), WhatIf(3, 2.99, 2.5), WhatIf(4, 2.0, 2.0))
    told = explain(five(binding=bound, bounds=(PlanBound(bound, 3.0),), what_if=what_if))
    assert told.lower[0].startswith(said)
    assert (told.bounds[0].nodes[0].name if told.bounds[0].nodes else None) == first


def test_what_the_solver_proves_has_no_cause_of_its_own():
    bounds = (PlanBound("solver", 3.0), PlanBound("threads", 2.99), PlanBound("critical path", 2.98))
    open_ = Solver("cp-sat", "feasible", "time", 0, 1.0)
    told = explain(five(binding="solver", bounds=bounds, makespan_s=3.2, solver=open_))
    assert told.lower == (
        "another order can gain 200 ms at most: so much lies between plan and bound",
        "no order is shorter, by the solver's proof; with a cause: threads, 2.99 s",
        "more threads, or less work: A 1.00 s, C 1.00 s, D 1.00 s, E 1.00 s, B 1.00 s",
        "little by that alone: next is critical path, 2.98 s",
    )


def test_a_plan_from_before_bounds_were_told():
    told = explain(five(bounds=()))
    assert [(its.name, its.seconds) for its in told.bounds] == [("critical path", 3.0)]
    assert [its.name for its in told.bounds[0].nodes] == ["A", "C", "E"]


def test_what_a_node_waits_for_may_be_a_worker_or_a_lock():
    plan = optimize(make_profile({"a": [], "b": []}, [2.0, 1.0], locks={"a": ["db"], "b": ["db"]}), 2)
    last = max(plan.nodes, key=lambda node: node.start_s)
    first = min(plan.nodes, key=lambda node: node.start_s)
    note = explain(plan, last.name).node
    assert note is not None
    assert (note.started, note.started_by) == ("group", (first.name,))
    assert note.groups == ("lock db",)
    told = explain(plan).text()
    assert "group lock db (lock): a, b" in told
    assert "less time under lock db: a 2.00 s, b 1.00 s" in told
    plan = optimize(make_profile({"a": [], "b": []}), 1)
    by_thread = [explain(plan, name).node for name in "ab"]
    assert sorted(its.started for its in by_thread if its is not None) == ["start", "thread"]


def test_a_slowed_node_says_so():
    plan = make_plan([node_plan("a", 0, 0.0, 1.5, 0, alone_s=1.0), node_plan("b", 1, 0.0, 1.5, 1)])
    assert (
        "takes 1.50 s (1.00 s alone, the rest is waiting for the GIL or a core)" in explain(plan, "a").text()
    )
    assert "alone" not in explain(plan, "b").text()


def test_an_unknown_node_is_refused_with_the_nearest():
    plan = optimize(make_profile({"fetch": [], "parse": ["fetch"]}), 2)
    with pytest.raises(PlanError, match="did you mean 'parse'"):
        explain(plan, "prase")


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 14), st.integers(1, 4), st.integers(0, 99))
def test_every_plan_can_be_explained(n, threads, seed):
    plan = random_run(n, threads=threads, seed=seed).plan
    assert plan is not None
    told = explain(plan)
    told.text()
    msgspec.json.encode(told)
    if n:
        # The chain adds up to the end, and each of its nodes starts when the one before has ended.
        assert sum(its.duration_s + its.waited_s for its in told.chain) == pytest.approx(plan.makespan_s)
    for node in plan.nodes:
        note = explain(plan, node.name).node
        assert note is not None
        assert note.before_s <= node.start_s + 1e-6
        assert note.after_s <= plan.makespan_s - node.start_s - node.duration_s + 1e-6
        for name in note.starts:
            other = explain(plan, name).node
            assert other is not None
            assert node.name in other.started_by


def test_hostile_names_do_no_harm():
    plan = random_run(len(HOSTILE), names=HOSTILE, seed=3).plan
    assert plan is not None
    for text in (explain(plan).text(), *(explain(plan, name).text() for name in HOSTILE)):
        assert "\x1b" not in text
        text.encode()


def test_an_empty_plan():
    told = explain(make_plan([]))
    assert (told.chain, told.lower, told.critical_path) == ((), (), ())
    assert "0 s with 2 threads" in told.text()


def test_what_looks_the_same_is_not_called_longer():
    plan = optimize(make_profile({"a": []}), 1)
    node = msgspec.structs.replace(plan.node("a"), alone_s=0.00271, duration_s=0.00274)
    longer = msgspec.structs.replace(node, duration_s=0.0031)
    said = [explain(msgspec.structs.replace(plan, nodes=(its,)), "a").text() for its in (node, longer)]
    assert ["alone" in text for text in said] == [False, True]


def test_a_cluster_is_not_called_so_twice():
    plan = optimize(make_profile({"a": []}), 1)
    cluster = PlanCluster("cluster 1", ("a",))
    text = explain(msgspec.structs.replace(plan, clusters=(cluster,)), "a").text()
    assert "cluster 1 in worker process 1: a" in text
    assert "cluster cluster" not in text


def test_a_plan_explains_itself():
    plan = optimize(make_profile({"a": [], "b": ["a"]}), 1)
    assert plan.explain() == explain(plan)
    assert plan.explain("b") == explain(plan, "b")
    with pytest.raises(PlanError, match="no node 'bb'"):
        plan.explain("bb")
    with pytest.raises(PlanError, match=r"no node 3$"):
        plan.explain(3)
