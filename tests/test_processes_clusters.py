"""Clusters: the same results, inner values stay in the worker, members are named and timed."""

from __future__ import annotations

import functools
import os
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import makespan
from makespan import DAG, PlanError, WorkerDied, WorkerError
from makespan.plan import PlanCluster
from makespan.testing import dag_of, random_edges
from tests import jobs
from tests.ways import plan_of
from tests.worker_tools import children, workers

__all__ = ["workers"]
pytestmark = pytest.mark.usefixtures("workers")


def planned(made, *clusters, threads=2, native=None):
    """A plan with clusters: each a list of names, or (names, again, worker)."""
    plan = plan_of(made, threads)
    found = []
    for k, its in enumerate(clusters):
        names, again, worker = its if isinstance(its, tuple) else (its, (), k)
        found.append(PlanCluster(f"cluster {k + 1}", tuple(names), worker, tuple(again)))
    inside = {name for cluster in found for name in cluster.nodes}
    nodes = [
        msgspec.structs.replace(
            its,
            mode="process" if its.name in inside else "thread",
            native_threads=(native or {}).get(its.name),
        )
        for its in plan.nodes
    ]
    return msgspec.structs.replace(plan, clusters=tuple(found), nodes=tuple(nodes))


def diamond(middle=jobs.same, **options):
    """a ─▶ b ─▶ d and a ─▶ c ─▶ d."""
    made = DAG("diamond")
    a = made.add(jobs.same, made.input("x"), name="a")
    b = made.add(middle, a, name="b", **options)
    c = made.add(jobs.same, a, name="c")
    made.returns(made.add(jobs.total, 1, b, c, name="d"))
    return made


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("cluster", [["b", "c", "d"], ["a", "b", "c", "d"], ["c", "b"], ["a", "b"], ["d"]])
def test_results_are_those_of_threads(cluster, threads):
    made = diamond()
    plan = planned(made, cluster, threads=threads)
    fast = made.prepare(plan)
    for x in (1, 5):
        assert fast(x) == made(x)
        assert fast.run(x).result == made(x)


def convex_parts(structure, rng):
    """Two disjoint sets of neighbours in topological order; they may be impossible together."""
    order = list(structure.order)
    cut = sorted(rng.sample(range(len(order) + 1), min(4, len(order) + 1)))
    cut += [cut[-1]] * (4 - len(cut))
    return [part for part in (order[cut[0] : cut[1]], order[cut[2] : cut[3]]) if part]


@given(st.integers(0, 10**6), st.integers(2, 10), st.sampled_from([1, 2, 3]), st.booleans())
@settings(deadline=None, max_examples=20)
def test_random_clusters_of_random_dags(seed, n, threads, traced):
    rng = random.Random(seed)
    preds = random_edges(n, seed=seed)
    made = dag_of(preds, lambda i: functools.partial(jobs.total, i))
    structure = made.check()
    # Pieces of a topological order are convex, each and together.
    parts = [[structure.names[i] for i in part] for part in convex_parts(structure, rng)]
    clusters = [
        (
            part,
            [
                structure.names[i]
                for i in range(n)
                if not preds[i] and structure.names[i] not in part and rng.random() < 0.3
            ],
            rng.randrange(2),
        )
        for part in parts
    ]
    fast = made.prepare(planned(made, *clusters, threads=threads))
    assert (fast.run().result if traced else fast()) == made()


def test_inner_values_never_cross():
    made = DAG("inner")
    x = made.input("x")
    stays = made.add(jobs.staying, x, name="stays")
    made.returns(made.add(jobs.opened, stays, 1, name="opened"))
    fast = made.prepare(planned(made, ["stays", "opened"]))
    assert fast(4) == made(4) == 5
    alone = made.prepare(planned(made, ["opened"]))
    with pytest.raises(
        WorkerError, match=r"node 'opened': argument 'stays' \(a Stays\) cannot be sent.*stays where"
    ):
        alone(4)


def test_a_source_runs_again_in_the_worker_and_here():
    made = DAG("again")
    stays = made.add(jobs.staying, 3, name="stays")
    made.returns([made.add(jobs.opened, stays, name="there"), made.add(jobs.opened, stays, 1, name="here")])
    run = made.run(plan=planned(made, (["there"], ["stays"], 0)))
    assert run.result == [3, 4]
    assert {n.name: n.process for n in run.record.nodes} == {"stays": None, "there": 0, "here": None}


def test_a_cluster_is_in_the_worker_of_its_number():
    made = DAG("bound")
    made.returns([made.add(jobs.where, name=f"n{i}") for i in range(4)])
    fast = made.prepare(planned(made, (["n0", "n1"], (), 1), (["n2", "n3"], (), 0)))
    first = fast()
    assert first[0] == first[1] != first[2] == first[3]
    assert fast() == first
    assert os.getpid() not in first
    one_worker = made.prepare(planned(made, (["n0", "n1"], (), 1), (["n2", "n3"], (), 1)))
    assert set(one_worker()) == {first[0]}


def test_members_are_timed_one_after_the_other():
    made = DAG("timed")
    a = made.add(jobs.sleeps, 0.05, name="a")
    b = made.add(jobs.same, 2, a, name="b")
    made.returns(made.add(jobs.sleeps, 0.05, name="c", after=b))
    run = made.run(plan=planned(made, ["a", "b", "c"]))
    a, b, c = run.record.nodes
    assert [a.name, b.name, c.name] == ["a", "b", "c"]
    assert 0 <= a.start_s < a.end_s <= b.start_s <= b.end_s <= c.start_s < c.end_s <= run.record.makespan_s
    assert a.duration_s >= 0.04
    assert {its.process for its in run.record.nodes} == {0}
    assert {its.status for its in run.record.nodes} == {"ok"}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("traced", [False, True])
def test_a_member_that_raises_is_named(threads, traced):
    made = DAG("raising")
    a = made.add(jobs.same, "told", name="a")
    made.returns(made.add(jobs.same, made.add(jobs.raises, a, name="b"), name="c"))
    fast = made.prepare(planned(made, ["a", "b", "c"], threads=threads))
    for _ in range(2):
        call = fast
        if traced:
            run = fast.run()
            assert [(n.name, n.status) for n in run.record.nodes] == [("a", "ok"), ("b", "failed")]
            assert run.record.failures[0].node == "b"
            call = run.raise_for_error
        with pytest.raises(jobs.Told) as caught:
            call()
        assert any("in node 'b'" in note for note in caught.value.__notes__)
        assert caught.value.code == 7


def test_a_member_that_kills_its_worker_is_named():
    made = DAG("dying")
    a = made.add(jobs.same, "SIGSEGV", name="a")
    made.returns(made.add(jobs.same, made.add(jobs.dies, a, name="b"), name="c"))
    run = made.prepare(planned(made, ["a", "b", "c"])).run()
    assert type(run.error) is WorkerDied
    assert str(run.error) == "node 'b': the worker process that ran it was killed by SIGSEGV"
    assert run.record.failures[0].node == "b"
    assert [n.name for n in run.record.nodes] == ["a", "b"]


def test_native_threads_of_members():
    pytest.importorskip("threadpoolctl")
    made = DAG("native")
    made.returns([made.add(jobs.environment, name="a"), made.add(jobs.environment, name="b")])
    limited, free = made.run(plan=planned(made, ["a", "b"], native={"a": 3})).result
    assert limited["OMP_NUM_THREADS"] == "3"
    assert free["OMP_NUM_THREADS"] != "3"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"setup": True}, "is set up once"),
        ({"cache": lambda value: value}, "has a cache"),
        ({"retries": 1}, "has retries"),
        ({"timeout_s": 60.0}, "has a timeout"),
        ({"when": True}, ""),
        ({"mode": "thread"}, "mode 'thread'"),
    ],
)
def test_what_belongs_to_this_process_lets_members_run_one_by_one(options, why):
    made = DAG("own")
    a = made.add(jobs.same, 1, name="a", **options)
    made.returns([made.add(jobs.same, a, name="b"), made.add(jobs.where, a, name="c")])
    fast = made.prepare(planned(made, ["a", "b", "c"]))
    first, pid = fast()
    assert first == 1
    assert pid in children()
    assert ("'a' " in "".join(fast.notes) and why in "".join(fast.notes)) if why else not fast.notes


def test_a_condition_in_a_cluster():
    made = DAG("condition")
    flag = made.input("flag")
    a = made.add(jobs.same, 1, name="a", when=flag)
    b = made.add(jobs.same, a, name="b")
    made.returns([b, made.add(jobs.same, 2, name="c", after=b)])
    fast = made.prepare(planned(made, ["a", "b", "c"]))
    assert "condition" in "".join(fast.notes)
    assert (fast(True), fast(False)) == ([1, 2], [None, 2])


def test_after_a_failure_the_others_go_on():
    made = DAG("others")
    a = made.add(jobs.raises, "told", name="a")
    made.returns([made.add(jobs.same, a, name="b"), made.add(jobs.same, 3, name="c")])
    run = made.prepare(planned(made, ["a", "b", "c"]), on_error="continue").run()
    assert run.result == [None, 3]


def test_a_selection_of_a_cluster():
    made = diamond()
    fast = made.prepare(planned(made, ["b", "c", "d"]), targets=["b", "c"])
    run = fast.run(7)
    assert run.values == {"b": 7, "c": 7}
    assert {n.name: n.process for n in run.record.nodes} == {"a": None, "b": 0, "c": 0}
    given_ = made.prepare(planned(made, ["b", "c", "d"]), given={"b": 1})
    assert given_(7) == made(7) - 18


def test_impossible_clusters_are_refused_before_anything_runs():
    made = diamond()
    with pytest.raises(PlanError, match="cannot run as one"):
        made.prepare(planned(made, ["a", "d"]))
    with pytest.raises(PlanError):
        made.prepare(planned(made, ["d", "b", "c"]))


def test_a_function_that_cannot_be_sent_is_refused_with_the_plan():
    import threading

    lock = threading.Lock()
    made = DAG("held")
    a = made.add(lambda: lock and 1, name="a")
    made.returns(made.add(jobs.same, a, name="b"))
    with pytest.raises(PlanError, match=r"node 'a' .* cannot be sent there: .*lock.*--pin 'a thread'"):
        made.prepare(planned(made, ["a", "b"]))


def test_the_whole_path_from_profile_to_run(tmp_path, monkeypatch):
    from makespan import load_plan
    from makespan.cli import main
    from makespan.record import load_record

    monkeypatch.chdir(tmp_path)
    (tmp_path / "heavy.py").write_text(
        "from makespan import dag, node\n\n"
        "@node\ndef read(n):\n    return list(range(n))\n\n"
        "@node\ndef work(rows, k):\n    return sum(i * k % 7 for i in rows for _ in range(12))\n\n"
        "@node\ndef join(parts):\n    return sum(parts)\n\n"
        "@dag\ndef heavy(n=9000):\n    return join([work(read(n), k) for k in (3, 5)])\n"
    )
    assert main(["profile", "heavy.py:heavy", "--runs", "2", "--no-pairs"]) == 0
    words = ["--threads", "2", "--processes", "2", "--time-limit", "1", "--pin", "work process"]
    assert main(["optimize", "profile.json", *words]) == 0
    assert load_plan("plan.json").clusters
    assert main(["run", "heavy.py:heavy", "--plan", "plan.json"]) == 0
    record = load_record("run.json")
    assert {n.name: n.process for n in record.nodes}["work"] is not None
    makespan.close_workers()
