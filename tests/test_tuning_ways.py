"""Ways to race: what they are, that they can be run as they are, and that each is a plan like any other."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG, node
from makespan.measurement import ThreadTrial, ThreadTrials
from makespan.plan import load_plan, parse_plan
from makespan.preparing.order import default_ranks
from makespan_optimizer.tuning.candidates import (
    FAR,
    _budgets,
    _distinct,
    _picked,
    _ungrouped,
    candidates,
    planned_again,
)
from makespan_optimizer.tuning.plain import ordered_plan, plain_plan
from makespan_optimizer.tuning.searched import limits_of, pooled, searched
from makespan_optimizer.tuning.ways import Way, key_of, workers_of
from tests.builders import make_profile
from tests.mode_profiles import with_pickling

#   a ─▶ b ─▶ e          f, g, h: alone
#   └─▶ c ─▶ d
GRAPH = {"a": [], "b": ["a"], "c": ["a"], "d": ["c"], "e": ["b"], "f": [], "g": [], "h": []}
IO = make_profile(GRAPH, 0.1)
LOOPS = make_profile(GRAPH, 0.1, "python")


def with_pools(profile, names):
    """The profile with trials of native threads that gain by one thread."""
    trials = ThreadTrials(("openmp",), ThreadTrial(8, 0.2, 0.8, 3), (ThreadTrial(1, 0.1, 0.1, 3),))
    nodes = tuple(
        msgspec.structs.replace(its, native_threads=trials) if its.name in names else its
        for its in profile.nodes
    )
    return msgspec.structs.replace(profile, nodes=nodes)


@given(
    durations=st.lists(st.floats(0, 5), min_size=8, max_size=8),
    threads=st.integers(1, 9),
    kinds=st.lists(st.sampled_from(["io", "python", "native", "parallel"]), min_size=8, max_size=8),
    hints=st.lists(st.none() | st.floats(0, 5), min_size=8, max_size=8),
)
@settings(deadline=None, max_examples=40)
def test_a_plain_plan_is_a_plan_like_any_other_in_the_default_order(durations, threads, kinds, hints):
    profile = make_profile(GRAPH, durations, kinds)
    plan = plain_plan(profile, threads, hints_s=hints)
    assert parse_plan(plan.to_json()) == plan
    structure = profile.structure()
    assert plan.ranks(structure, fingerprint=profile.dag.fingerprint) == default_ranks(structure, hints)
    assert plan.threads == threads
    assert plan.lower_bound_s <= plan.makespan_s
    assert plan.makespan_s == pytest.approx(plan.default_makespan_s)
    assert plan.makespan_s == pytest.approx(max(its.start_s + its.duration_s for its in plan.nodes))


def test_one_after_the_other_takes_the_sum():
    plan = plain_plan(LOOPS, 1)
    assert plan.makespan_s == pytest.approx(0.8)
    assert plan.solver.status == "optimal"


def test_native_threads_are_set_and_predicted_where_they_were_measured():
    profile = with_pools(make_profile(GRAPH, 0.2, "native"), {"a", "b"})
    plan = plain_plan(profile, 1, native={"a": 1, "b": 1, "c": 1})
    assert [its.native_threads for its in plan.nodes][:4] == [1, 1, 1, None]
    assert plan.makespan_s == pytest.approx(8 * 0.2 - 2 * 0.1)
    assert plan.default_makespan_s == pytest.approx(8 * 0.2)


def test_an_order_is_kept_as_it_is():
    ranks = [7, 6, 5, 4, 3, 2, 1, 0]
    plan = ordered_plan(IO, ranks, 3, plain_plan(IO, 3).solver)
    assert [plan.node(shape.name).rank for shape in IO.shape] == ranks


def test_the_default_is_first_and_all_ways_differ():
    ways = candidates(LOOPS, default_threads=2, processes=2, limit_s=3)
    assert ways[0].default
    assert ways[0].name == "default order, 2 threads"
    assert not any(way.default for way in ways[1:])
    assert len({way.name for way in ways}) == len(ways) == len({repr(key_of(way.plan)) for way in ways})
    assert any(way.plain for way in ways[1:])
    assert any(not way.plain for way in ways)
    assert all(parse_plan(way.plan.to_json()) == way.plan for way in ways)


def test_no_way_has_more_threads_or_processes_than_may_be_used():
    ways = candidates(IO, default_threads=4, most_threads=3, processes=0, limit_s=2)
    assert max(way.plan.threads for way in ways) == 3
    assert not any(way.processes for way in ways)
    assert ways[0].name == "default order, 3 threads"


def test_a_usual_budget_below_the_knee_is_planned_for_too():
    wide = make_profile({f"n{i}": [] for i in range(6)}, 0.1)
    assert _budgets(wide, {}, 2, None, 0, 1.0) == [6, 4, 2]
    assert _budgets(wide, {}, 2, 3, 0, 1.0) == [3, 2]


def test_loops_of_python_get_worker_processes_and_waiting_gets_threads():
    heavy = make_profile({f"n{i}": [] for i in range(6)}, 1.0, "python")
    ways = candidates(with_pickling(heavy), default_threads=2, processes=2, limit_s=3)
    assert ways[1].processes >= 1
    assert "process" in ways[1].name
    waiting = candidates(IO, default_threads=2, processes=2, limit_s=3)
    assert waiting[1].plan.threads > 2
    assert not waiting[1].processes


def test_pools_are_limited_in_plain_ways_too():
    profile = with_pools(make_profile(GRAPH, 0.2, "parallel"), set(GRAPH))
    assert pooled(profile) == dict.fromkeys(GRAPH, 1)
    ways = candidates(profile, default_threads=2, limit_s=2)
    assert any(way.plain and "one native thread a node" in way.name for way in ways)
    one = [way for way in ways if not way.plain and "one native thread a node" in way.name]
    assert one
    assert all(its.native_threads == 1 for way in one for its in way.plan.nodes)
    as_it_is = candidates(profile, default_threads=2, native_threads=False, limit_s=2)
    assert not any(its.native_threads for way in as_it_is for its in way.plan.nodes)


def test_one_native_thread_a_node_holds_for_all_pools_and_is_predicted():
    profile = with_pools(make_profile(GRAPH, 0.2, "parallel"), {"a", "b"})
    plan = searched(profile, 1, 0, "one", time_limit_s=0.5, seed=0)
    assert limits_of(plan, profile) == "one"
    assert [its.name for its in plan.nodes if its.native_threads == 1] == sorted(pooled(profile))
    free = searched(profile, 1, 0, "as they are", time_limit_s=0.5, seed=0)
    assert limits_of(free, profile) == "as they are"
    assert plan.makespan_s == pytest.approx(free.makespan_s - 2 * 0.1)


def _way(name, seconds, *, default=False, processes=0):
    plan = msgspec.structs.replace(plain_plan(IO, 2), makespan_s=seconds)
    if processes:
        node_ = msgspec.structs.replace(plan.nodes[0], mode="process")
        plan = msgspec.structs.replace(plan, nodes=(node_, *plan.nodes[1:]))
    return Way(name, plan, default)


def test_what_is_expected_far_behind_is_left_out_but_for_the_default_and_a_plain_way():
    plain = [
        _way("default order, 2 threads", 9.0, default=True),
        _way("default order, 4 threads", 8.0),
        _way("one after the other", 9.5),
    ]
    plans = [_way("plan", 1.0), _way("plan, 1 process", 1.5, processes=1), _way("plan (2)", FAR + 0.1)]
    assert [way.name for way in _picked(plain, plans, 12)] == [
        "default order, 2 threads",
        "plan",
        "plan, 1 process",
        "default order, 4 threads",
    ]
    assert [way.name for way in _picked(plain, plans, 3)] == [
        "default order, 2 threads",
        "plan",
        "plan, 1 process",
    ]


def test_plans_that_do_the_same_are_one_way():
    same = msgspec.structs.replace(plain_plan(IO, 2), makespan_s=3.0)
    assert len(_distinct(IO, [Way("", plain_plan(IO, 2)), Way("", same), Way("", plain_plan(IO, 3))])) == 2


def test_computed_groups_are_tried_without():
    from makespan.plan import PlanGroup

    plan = plain_plan(LOOPS, 2)
    assert _ungrouped(LOOPS, plan) is None
    grouped = msgspec.structs.replace(plan, groups=(PlanGroup("gate", ("f", "g"), 1, "gil"),))
    bare = _ungrouped(LOOPS, grouped)
    assert bare is not None
    assert bare.groups == ()
    assert [its.rank for its in bare.nodes] == [its.rank for its in plan.nodes]


def test_planning_again_keeps_budgets_and_leaves_out_what_is_known():
    slower = make_profile(GRAPH, {**dict.fromkeys(GRAPH, 0.1), "h": 1.0})
    old = IO.optimize(threads=3, time_limit_s=0.5)
    new = planned_again(slower, [old], seed=1, limit_s=1.0, native_threads=True)
    assert all(way.plan.threads == 3 for way in new)
    assert planned_again(slower, [way.plan for way in new], seed=1, limit_s=1.0, native_threads=True) == []


def test_a_plain_plan_runs_the_dag_as_a_call_does(tmp_path):
    ran = []

    @node
    def step(name, *_):
        ran.append(name)
        return name

    dag = DAG("steps")
    results = {}
    for name, after in GRAPH.items():
        results[name] = dag.add(step, name, *[results[other] for other in after], name=name)
    profile = make_profile(GRAPH, 0.1, fingerprint=dag.fingerprint)
    plain_plan(profile, 1).save(tmp_path / "plan.json")
    called = dag.prepare(threads=1)()
    by_call, ran[:] = list(ran), []
    run = dag.run(plan=load_plan(tmp_path / "plan.json"))
    assert run.result == called
    assert ran == by_call
    assert workers_of(run.record.plan) == 0
