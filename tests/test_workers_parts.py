"""Conditions, and parts of a DAG, where nodes run in worker processes."""

from __future__ import annotations

import os

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG
from makespan.plan import PlanCluster
from tests.ways import plan_of
from tests.worker_tools import workers

__all__ = ["workers"]
pytestmark = pytest.mark.usefixtures("workers")


class Flag:
    """Cannot be sent anywhere."""

    def __init__(self, truth):
        self.truth = truth
        self.asked_in = []

    def __bool__(self):
        self.asked_in.append(os.getpid())
        return self.truth

    def __reduce__(self):
        raise TypeError("stays here")


@pytest.mark.parametrize("threads", [1, 2])
def test_conditions_are_tested_here_and_skips_stay_here(threads):
    made = DAG()
    flag = made.input("flag")
    first = made.add(os.getpid, name="first", mode="process", when=flag)
    made.add(abs, first, name="second", mode="process")
    made.add(repr, first, name="third", mode="process", on_skipped="none")
    fast = made.prepare(threads=threads)
    for truth in (False, True):
        its = Flag(truth)
        run = fast.run(its)
        assert its.asked_in == [os.getpid()]
        process = {node.name: node.process is not None for node in run.record.nodes}
        if truth:
            assert run.result["second"] != os.getpid()
            assert process == {"first": True, "second": True, "third": True}
        else:
            assert run.result == {"second": None, "third": "None"}
            assert run.skipped == ("first", "second")
            assert process == {"first": False, "second": False, "third": True}
        made_of = fast(Flag(truth))
        assert made_of.keys() == run.result.keys()
        assert (made_of["second"] is None) is not truth


def planned(made, *clusters, threads=2, chains=()):
    plan = plan_of(made, threads, chains=chains, ranks=list(made.check().order))
    found = tuple(
        PlanCluster(f"cluster {k}", tuple(some), k, tuple(again)) for k, (some, again) in enumerate(clusters)
    )
    inside = {name for cluster in found for name in cluster.nodes}
    nodes = [
        msgspec.structs.replace(its, mode="process" if its.name in inside else "thread") for its in plan.nodes
    ]
    return msgspec.structs.replace(plan, clusters=found, nodes=tuple(nodes))


def line(**options):
    """a ─▶ b ─▶ c ─▶ d, each adds 1 in a list."""
    made = DAG("line")
    a = made.add(list, made.input("x"), name="a")
    b = made.add(list.__add__, a, [1], name="b", **options)
    c = made.add(list.__add__, b, [2], name="c")
    d = made.add(list.__add__, c, [3], name="d")
    made.returns({"a": a, "b": b, "c": c, "d": d})
    return made


def test_a_cluster_with_a_condition_runs_node_by_node():
    made = line()
    assert made.run("x", plan=planned(made, ("abcd", ""))).result["d"] == ["x", 1, 2, 3]
    made = line(when=False)
    fast = made.prepare(planned(made, ("abcd", "")))
    assert any("one by one" in note for note in fast.notes)
    run = fast.run("x")
    assert run.result == {"a": ["x"], "b": None, "c": None, "d": None}
    assert run.skipped == ("b", "c", "d")


@given(
    st.sets(st.sampled_from("abcd"), max_size=2),
    st.sets(st.sampled_from("abcd"), max_size=2),
    st.none() | st.sets(st.sampled_from("abcd"), min_size=1, max_size=2),
    st.sampled_from(["abcd", "bc", "ab", "cd"]),
    st.booleans(),
)
@settings(deadline=None, max_examples=25)
def test_parts_of_clusters_give_what_parts_of_threads_give(given, without, targets, cluster, again):
    made = line()
    chosen = {
        "given": {name: [name] for name in given},
        "without": without - given - (targets or set()),
        "targets": targets,
    }
    threads = made.run("x", **chosen)
    members = (cluster[1:], cluster[0]) if again and len(cluster) > 2 else (cluster, "")
    run = made.run("x", plan=planned(made, members), **chosen)
    assert run.result == threads.result
    assert run.values == threads.values
    assert run.record.left_out == threads.record.left_out
    assert {node.name for node in run.record.nodes} == {node.name for node in threads.record.nodes}
    assert made.prepare(planned(made, members), **chosen)("x") == threads.result
