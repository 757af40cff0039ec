"""A plan for another state of a DAG: followed where it still fits, and what is left out is said."""

from __future__ import annotations

import warnings

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG, PlanError, PlanWarning
from makespan.plan import DagId, PlanCluster, PlanGroup
from makespan.plan_check import check_plan
from makespan.preparing.fit import fit
from makespan.preparing.settings import PLAIN, Settings
from makespan.preparing.stale import followed
from makespan.structure import build
from tests.oracles import topological
from tests.report_data import make_plan, node_plan


def join(*given):
    return "".join(map(str, given))


def dag_of(after, hints=None):
    """Return a DAG in which each node returns its name and what it was given."""
    made, results = DAG("stale"), {}
    for name, some in after.items():
        hint = (hints or {}).get(name)
        results[name] = made.add(join, name, *(results[p] for p in some), name=name, hint_s=hint)
    made.returns(list(results.values()))
    return made


def plan_of(after, order="", *, fingerprint=None, threads=2, starts_after=None, durations=None, **fields):
    """Return a plan for a DAG, with the given order (declaration order after that)."""
    ranked = [*order, *(name for name in after if name not in order)]
    nodes = [
        node_plan(
            name,
            rank,
            0.0,
            (durations or {}).get(name, 1.0),
            0,
            after=tuple(after[name]),
            starts_after=tuple((starts_after or {}).get(name, ())),
        )
        for rank, name in enumerate(ranked)
    ]
    plan = make_plan(nodes, threads=threads, **fields)
    its = fingerprint if fingerprint is not None else dag_of(after).fingerprint
    plan = msgspec.structs.replace(plan, dag=DagId("stale", its))
    check_plan(plan, "plan")
    return plan


def follow(after, plan, threads=None):
    structure = build(list(after), list(after.values()))
    return followed(plan, structure, "other", [None] * len(after), threads)


def order_of(after, ranks):
    names = list(after)
    return "".join(names[i] for i in sorted(range(len(names)), key=lambda i: ranks[i]))


ABCD = {"a": "", "b": "a", "c": "a", "d": "bc"}


def test_a_plan_that_fits_is_followed_as_it_is():
    plan = plan_of(ABCD, "acbd", chains=(("a", "c"),), groups=(PlanGroup("g", ("b", "c"), 1, "gil"),))
    made = dag_of(ABCD)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fast = made.prepare(plan, allow_stale=True)
    assert fast.notes == ()
    assert fit(made, plan, None, "plan", Settings(allow_stale=True)) == fit(made, plan, None, "plan", PLAIN)


@pytest.mark.parametrize("threads", [None, 1, 2])
def test_strictly_it_is_refused(threads):
    plan = plan_of(ABCD)
    with pytest.raises(PlanError, match="another DAG"):
        dag_of({**ABCD, "e": "d"}).prepare(plan, threads)


def test_new_nodes_stand_where_their_way_to_the_end_puts_them():
    plan = plan_of({"a": "", "b": "", "c": ""}, "cba", durations={"a": 3.0, "b": 2.0, "c": 1.0})
    # as long as the mean of what is known, 2 s: x leads to b, so as urgent as 4 s; y is as b
    after = {"x": "", "y": "", "a": "", "b": "x", "c": ""}
    assert order_of(after, follow(after, plan).ranks) == "xcyba"


@pytest.mark.filterwarnings("ignore::makespan.PlanWarning")
def test_hints_place_new_nodes():
    plan = plan_of({"a": "", "b": "", "c": ""}, "abc", durations={"a": 3.0, "b": 2.0, "c": 1.0})
    after = {"x": "", "a": "", "b": "", "c": ""}
    for hint, order in ((9.0, "xabc"), (2.5, "axbc"), (0.1, "abcx")):
        its = fit(dag_of(after, {"x": hint}), plan, None, "plan", Settings(allow_stale=True))
        assert order_of(after, its.ranks) == order
        assert its.durations_s == [hint, 3.0, 2.0, 1.0]


def test_what_is_said_of_nodes_that_are_gone_is_left_out():
    plan = plan_of(
        {**ABCD, "x": "a", "y": "x"},
        chains=(("a", "b"), ("x", "y")),
        groups=(PlanGroup("g", ("b", "c", "x"), 2, "gil"), PlanGroup("h", ("b", "d", "x"), 1, "gil")),
        starts_after={"c": "x", "d": "a"},
    )
    its = follow(ABCD, plan)
    assert list(its.chains) == [("a", "b")]
    assert [(group.name, group.nodes) for group in its.groups] == [
        ("h", ("b", "d"))
    ]  # g limits nothing any more
    assert {node.name: node.starts_after for node in its.nodes} == {"a": (), "b": (), "c": (), "d": ("a",)}
    assert its.notes == ("the plan has 'x', 'y', which the DAG has not: what it says of them is left out",)


def test_what_would_be_a_circle_now_is_dropped_and_said():
    plan = plan_of(
        {"a": "", "b": "", "c": "", "d": "c"},
        chains=(("c", "d"),),
        starts_after={"b": "a"},
    )
    after = {"b": "", "a": "b", "c": "", "e": "c", "d": "ce"}  # b before a; e between c and d
    its = follow(after, plan)
    assert its.chains == []
    assert {node.starts_after for node in its.nodes} == {()}
    assert its.notes[-2:] == (
        "'b' does not start after 'a': nodes would wait for each other now",
        "the chain 'c', 'd' is left out: nodes would wait for each other now",
    )
    made = dag_of(after)
    with pytest.warns(PlanWarning, match="plan is followed in part: .*'e'.*the chain 'c', 'd'") as caught:
        run = made.run(plan=plan, allow_stale=True)
    assert caught[0].filename == __file__
    assert len(caught) == 1
    assert run.result == made()
    assert run.record.notes == its.notes


def test_of_two_that_exclude_each_other_the_first_is_followed():
    plan = plan_of(dict.fromkeys("abcdef", ""), chains=(("a", "b"), ("c", "d"), ("e", "f")))
    its = follow({"a": "", "c": "", "e": "", "b": "c", "d": "a", "f": ""}, plan)  # each chain alone could be
    assert list(its.chains) == [("a", "b"), ("e", "f")]


def test_a_chain_within_a_cluster():
    within = {"chains": (("b", "c"),), "clusters": (PlanCluster("k", ("a", "b", "c")),)}
    after = {"a": "", "b": "a", "c": "b"}
    its = follow(after, plan_of(after, **within))
    assert (len(its.chains), len(its.clusters)) == (1, 1)
    its = follow({**after, "x": "b", "c": "bx"}, plan_of(after, **within))
    assert (len(its.chains), len(its.clusters)) == (0, 0)
    plan = plan_of(
        {"a": "", "b": "", "c": ""}, chains=(("a", "c"),), clusters=(PlanCluster("k", ("b", "c")),)
    )
    its = follow({"a": "", "b": "", "x": "b", "c": "x"}, plan)  # the chain says no more than a before c
    assert (len(its.chains), len(its.clusters)) == (1, 0)
    its = follow({"b": "", "a": "b", "c": ""}, plan)  # b, then a, then c: not with b and c as one
    assert (len(its.chains), len(its.clusters)) == (0, 1)


def test_the_same_names_and_other_functions():
    its = follow(ABCD, plan_of(ABCD, "acbd"))
    assert its.notes == ("the plan is for other functions of the same names",)
    assert order_of(ABCD, its.ranks) == "acbd"


def test_other_edges_are_said():
    its = follow({**ABCD, "b": "", "d": "a"}, plan_of(ABCD))
    assert its.notes == ("'b', 'd' waited for other nodes in the plan than now",)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_budget_above_the_one_that_is_allowed_is_lowered(threads):
    made = dag_of(ABCD)
    plan = plan_of(ABCD, threads=4)
    with pytest.raises(PlanError, match=f"more than the {threads} allowed"):
        made.prepare(plan, threads)
    with pytest.warns(PlanWarning, match=f"for 4 threads; {threads} (is|are) allowed"):
        fast = made.prepare(plan, threads, allow_stale=True)
    assert fast.threads == threads
    assert fast() == made()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert made.prepare(plan, 5, allow_stale=True).threads == 4


# -- any plan, any DAG ---------------------------------------------------------------------------------------

LETTERS = "abcdefg"


@st.composite
def dags(draw):
    """Return {name: what it waits for} over some letters, declared in any order."""
    names = draw(st.permutations(LETTERS))[: draw(st.integers(1, len(LETTERS)))]
    return {
        name: "".join(sorted(p for p in names[:i] if draw(st.booleans()) and draw(st.booleans())))
        for i, name in enumerate(names)
    }


@st.composite
def plans(draw):
    """Return a plan that is consistent in itself for some DAG, with chains, clusters and starts_after."""
    after = draw(dags())
    names = list(after)  # a topological order: whatever follows it is consistent
    free = draw(st.permutations(names))
    parts, further = [], {}
    while len(free) > 1 and len(parts) < 3:
        size = draw(st.integers(2, 3))
        some, free = free[:size], free[size:]
        parts.append(tuple(sorted(some, key=names.index)))
    for name in names[1:]:
        if draw(st.booleans()):
            further[name] = draw(st.sampled_from(names[: names.index(name)]))
    cut = draw(st.integers(0, len(parts)))
    return plan_of(
        after,
        draw(st.permutations(names)),
        fingerprint="some",
        starts_after=further,
        chains=tuple(parts[:cut]),
        clusters=tuple(PlanCluster(f"k{i}", part) for i, part in enumerate(parts[cut:])),
    )


def possible(after, edges, parts):
    """Brute force: is there an order in which each part runs back to back, in its own order?"""
    names = list(after)
    preds = [[names.index(p) for p in (*after[name], *(a for a, b in edges if b == name))] for name in names]
    for order in topological(preds):
        text = "".join(names[i] for i in order)
        if all("".join(part) in text for part in parts):
            return True
    return False


@given(plans(), dags())
@settings(deadline=None, max_examples=80)
def test_whatever_plan_and_dag(plan, after):
    its = follow(after, plan)
    names = list(after)
    assert sorted(its.ranks) == list(range(len(names)))
    # Nodes that are known keep their order.
    rank_of = {node.name: node.rank for node in plan.nodes}
    known = [name for name in order_of(after, its.ranks) if name in rank_of]
    assert known == sorted(known, key=rank_of.__getitem__)
    # What is followed can be had together, and nothing is left out that could be had as well.
    edges = [(name, node.name) for node in its.nodes for name in node.starts_after]
    parts = [*its.chains, *(cluster.nodes for cluster in its.clusters)]
    assert possible(after, edges, parts)
    wanted_edges = [
        (p, node.name) for node in plan.nodes for p in node.starts_after if p in after and node.name in after
    ]
    wanted_parts = [
        left
        for part in (*plan.chains, *(cluster.nodes for cluster in plan.clusters))
        if len(left := tuple(name for name in part if name in after)) > 1
    ]
    for edge in wanted_edges:
        assert edge in edges or not possible(after, [*edges, edge], parts)
    for part in wanted_parts:
        assert part in parts or not possible(after, edges, [*parts, part])
    # A single node that is left of a cluster is one still, of a chain it is none.
    assert {part for part in parts if len(part) > 1} <= set(wanted_parts)


@given(plans(), dags())
@settings(deadline=None, max_examples=40)
def test_results_are_the_same_whatever_is_followed(plan, after):
    plan = msgspec.structs.replace(plan, clusters=())
    made = dag_of(after)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PlanWarning)
        assert made.prepare(plan, allow_stale=True)() == made()
        assert made.prepare(plan, 1, allow_stale=True)() == made()
