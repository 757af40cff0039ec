"""Nodes that are declared to run in worker processes: planned, asked about and run there."""

from __future__ import annotations

import os
import random
from functools import partial

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG, OptionError, node
from makespan.measurement import Spread
from makespan.preparing.order import default_ranks
from makespan.processes import close_workers, configure
from makespan.processes.pool import pool
from makespan.profile import parse_profile
from makespan.testing import dag_of, random_edges
from makespan_optimizer.instance import instance_of
from makespan_optimizer.measure.merge import merge_profiles
from makespan_optimizer.measure.shapes import shapes
from makespan_optimizer.modes.bound import bounds_over_modes
from makespan_optimizer.modes.choose import choose_modes
from makespan_optimizer.modes.contract import as_declared, contract
from makespan_optimizer.modes.cuts import Cuts, bits
from makespan_optimizer.modes.exact import every_state
from makespan_optimizer.modes.process import BYTE_S, HAND_OVER_S, START_S
from makespan_optimizer.optimize import optimize
from makespan_optimizer.questions.explain import explain
from makespan_optimizer.questions.sensitivity import sensitivity
from makespan_optimizer.questions.variants import in_process
from makespan_optimizer.questions.what_if import what_if
from makespan_optimizer.simulate import simulate
from makespan_optimizer.tuning.afterwards import model_of
from makespan_optimizer.tuning.plain import plain_plan
from tests import jobs
from tests.builders import make_profile
from tests.mode_profiles import MB, tabular, with_pickling
from tests.worker_tools import workers

__all__ = ["workers"]


def declared(profile, *names):
    shape = [msgspec.structs.replace(its, process=its.name in names) for its in profile.shape]
    return msgspec.structs.replace(profile, shape=tuple(shape))


def optimized(profile, threads=2, **options):
    return optimize(profile, threads, **{"what_if": [], "time_limit_s": 1.0, **options})


def two(out_bytes=0, kinds="python"):
    return with_pickling(make_profile({"a": [], "b": []}, 1.0, kinds), out_bytes)


def test_two_python_nodes_on_two_cores():
    assert optimized(two()).makespan_s == pytest.approx(2.0)
    sent_s = HAND_OVER_S + 20 * MB * (2e-9 + BYTE_S)
    plan = optimized(declared(two(20 * MB), "a", "b"), what_if=[1, 2])
    # What comes back is unpickled under this process's GIL, one result after the other.
    assert 1 + sent_s - 1e-5 <= plan.lower_bound_s <= plan.makespan_s <= 1 + sent_s + 20 * MB * 1e-9 + 1e-5
    assert plan.default_makespan_s == plan.makespan_s
    assert [its.mode for its in plan.nodes] == ["process", "process"]
    assert [its.makespan_s for its in plan.what_if] == pytest.approx([2 * (1 + sent_s), plan.makespan_s])
    assert plan.node("a").kind == "python"
    assert plan.node("a").gil_s == 1.0
    assert plan.node("a").alone_s == pytest.approx(1 + sent_s, abs=2e-6)
    assert plan.clusters == plan.chains == ()
    assert plan.solver.status == "optimal"
    # One of them is enough, and three have two cores.
    assert optimized(declared(two(), "b")).makespan_s == pytest.approx(1 + HAND_OVER_S, abs=1e-5)
    three = with_pickling(make_profile({"a": [], "b": [], "c": []}, 1.0, "python"))
    plan = optimized(declared(three, "a", "b", "c"), 3)
    assert 1.5 <= plan.lower_bound_s <= plan.makespan_s < 1.52
    assert "GIL" not in plan.binding


def test_explained():
    plan = optimized(declared(two(), "b"))
    assert explain(plan, "b").node.mode_reason == "declared"
    assert "runs in a worker process, by itself: so it is declared\n" in explain(plan, "b").text()
    assert explain(plan, "a").node.mode_reason == ""
    assert "\nin worker processes, as declared: b\n" in plan.summary() + "\n"
    gil = [its for its in explain(plan).bounds if its.name == "GIL"]
    assert [share.name for its in gil for share in its.nodes] == ["a"]
    clustered = explain(optimized(two(), processes=1))
    name = clustered.clusters[0].nodes[0]
    assert explain(optimized(two(), processes=1), name).node.mode_reason == "cluster"


def test_scenarios_too():
    samples = (0.8, 0.9, 1.0, 1.1, 1.2)
    profile = two()
    nodes = [msgspec.structs.replace(its, wall_net_s=Spread(1.0, 0.8, 1.2, samples)) for its in profile.nodes]
    profile = declared(msgspec.structs.replace(profile, nodes=tuple(nodes)), "a", "b")
    robust = optimized(profile).robust
    assert robust is not None
    assert robust.default_mean_s < 1.3
    assert robust.critical_path_mean_s < 1.3
    assert optimized(profile, statistic="p90").makespan_s == pytest.approx(1.2, abs=0.01)


def test_costs_that_are_not_known_are_not_counted_and_that_is_said():
    unknown = declared(make_profile({"a": [], "b": []}, 1.0, "python"), "a", "b")
    plan = optimized(unknown)
    assert plan.makespan_s == pytest.approx(1 + HAND_OVER_S, abs=1e-5)
    said = "; what it costs to send values to the processes of a, b is not known, and not counted"
    assert plan.solver.stopped.endswith(said)
    assert said in optimized(unknown, processes=2).solver.stopped
    assert "is not known" not in optimized(declared(two(), "a")).solver.stopped
    refused = declared(with_pickling(make_profile({"a": [], "b": ["a"]}, 1.0), MB, refused=["a"]), "b")
    plan = optimized(refused)
    assert [its.mode for its in plan.nodes] == ["thread", "process"]
    assert "the processes of b is" in plan.solver.stopped
    assert what_if(refused, 2, process=["b"])[1].makespan_s == pytest.approx(plan.makespan_s)
    alone = declared(with_pickling(make_profile({"a": [], "b": []}, 1.0, exclusive=["a"]), MB), "a")
    plan = optimized(alone, processes=1)
    assert plan.makespan_s > 2.0
    assert plan.node("a").mode == "process"
    assert plan.node("a").exclusive
    assert "is not known" not in plan.solver.stopped


def test_pins_against_and_with_a_declaration():
    profile = declared(two(), "a")
    with pytest.raises(OptionError, match="declared to run in a worker process, and pinned to a thread") as e:
        optimized(profile, pins=["b, a thread"])
    assert e.value.where == "pin 'b, a thread'"
    assert "mode='process'" in e.value.hint
    plain = optimized(profile)
    assert optimized(profile, pins=["b thread"]) == plain
    assert optimized(profile, pins=["a process"]) == plain
    ordered = optimized(profile, 1, pins=["b, a in order"])
    assert [its.name for its in sorted(ordered.nodes, key=lambda its: its.rank)] == ["b", "a"]
    assert ordered.node("a").mode == "process"
    assert optimized(profile, pins=["a process", "b, a in order"], processes=1).node("a").mode == "process"


def test_questions():
    profile = declared(two(MB), "a")
    here, same, other, free, chosen = what_if(profile, 2, process=["a", "b"], no_gil=True, processes=1)
    assert here.makespan_s == pytest.approx(optimized(profile).makespan_s)
    assert same.makespan_s == here.makespan_s
    assert same.lower_bound_s == here.lower_bound_s
    for its in (other, free, chosen):
        assert its.lower_bound_s <= its.makespan_s <= 1.01
    assert chosen.clusters == ()
    half = what_if(profile, 2, nodes={"a": 0.5, "b": 0.5}, together=True)[1]
    assert half.makespan_s == pytest.approx(here.makespan_s / 2, rel=0.02)
    gains = sensitivity(profile, 2)
    assert gains.base.makespan_s == here.makespan_s
    with pytest.raises(OptionError, match="pickles was not measured"):
        what_if(declared(make_profile({"a": [], "b": []}), "a"), 2, process=["b"])


def test_a_chain_of_declared_nodes_is_joined_where_that_pays():
    after = {"a": [], "b": ["a"], "c": ["b"], "other": []}
    profile = with_pickling(
        make_profile(after, {"a": 0.2, "b": 0.2, "c": 0.2, "other": 0.2}, "python"), 100 * MB
    )
    profile = declared(profile, "a", "b", "c")
    apart, joined = optimized(profile), optimized(profile, processes=1)
    assert apart.makespan_s > 0.6 + 5 * 0.2
    assert [its.nodes for its in joined.clusters] == [("a", "b", "c")]
    assert joined.clusters[0].evidence.startswith("its nodes run in worker processes anyway; 100 MB cross")
    assert joined.makespan_s == pytest.approx(apart.makespan_s - 4 * (0.2 + 100 * MB * BYTE_S), abs=0.03)
    assert joined.default_makespan_s == apart.default_makespan_s
    assert {its.name for its in joined.nodes if its.mode == "process"} == {"a", "b", "c"}


@st.composite
def cases(draw):
    n = draw(st.integers(1, 5))
    names = [f"n{i}" for i in range(n)]
    after = {name: [p for p in names[:i] if draw(st.integers(0, 2)) == 0] for i, name in enumerate(names)}
    profile = make_profile(
        after,
        {name: draw(st.integers(1, 9)) / 10 for name in names},
        {name: draw(st.sampled_from(["python", "native", "mixed", "io"])) for name in names},
        locks={name: draw(st.sampled_from([[], ["x"]])) for name in names},
    )
    profile = with_pickling(profile, draw(st.sampled_from([0, MB, 60 * MB])))
    there = [name for name in names if draw(st.booleans())]
    return profile, there, draw(st.integers(1, 3))


@settings(max_examples=20, deadline=None)
@given(cases())
def test_declared_is_as_if_each_were_put_into_a_process(case):
    profile, there, budget = case
    seen = as_declared(declared(profile, *there))
    by_hand = in_process(profile, there)
    assert seen.nodes == by_hand.nodes
    assert instance_of(seen).structure == instance_of(by_hand).structure
    assert as_declared(seen) == seen
    plan = optimized(declared(profile, *there), budget, time_limit_s=0.5)
    assert {its.name for its in plan.nodes if its.mode == "process"} == set(there)
    assert plan.lower_bound_s <= plan.makespan_s <= plan.default_makespan_s + 1e-9
    instance = instance_of(by_hand)
    default = simulate(instance, default_ranks(profile.structure()), budget).makespan
    assert plan.default_makespan_s == instance.seconds(default)
    if len(there) < 2 and not profile.pairs:
        asked = what_if(profile, budget, process=there)
        assert plan.makespan_s <= asked[-1].makespan_s + 1e-9


@settings(max_examples=12, deadline=None)
@given(cases())
def test_the_bound_holds_for_all_clusters_of_declared_and_other_nodes(case):
    profile, there, budget = case
    profile = declared(profile, *there)
    cuts = Cuts(profile)
    for processes in (0, 2):
        relaxed, bounds = bounds_over_modes(profile, budget, processes=processes, native=True)
        bound_s = relaxed.seconds(bounds[0].ticks)
        states = every_state(cuts, processes, cuts.free, 0, 200) or [()] if processes else [()]
        for state in states:
            made = contract(cuts, state)
            instance = instance_of(made.profile)
            ranks = default_ranks(instance.structure)
            assert instance.seconds(simulate(instance, ranks, budget).makespan) >= bound_s * (1 - 1e-6)
            inside = {i for part in state for i in bits(part.members)}
            apart = [its.name for its in made.profile.nodes if its.blocked_s.get("child")]
            assert {*there} - {cuts.structure.names[i] for i in inside} <= set(apart)
    choice = choose_modes(profile, budget, processes=2, work=20_000)
    assert choice.makespan_s <= choice.without_s * 1.001


# -- profiles ------------------------------------------------------------------------------------------------


async def waits():
    pass


def test_shapes_and_files():
    d = DAG("d")
    x = d.input("x")
    d.add(jobs.same, x, mode="process", name="far")
    d.add(jobs.same, x, mode="process", setup=False, exclusive=True, name="alone")
    d.add(jobs.same, x, mode="thread", name="near")
    d.add(jobs.same, x, name="any")
    found = {its.name: its.process for its in shapes(d)}
    assert found == {"far": True, "alone": True, "near": False, "any": False}
    d.add(waits, mode="process", name="waits")
    with pytest.raises(OptionError, match="a coroutine function runs on an event loop") as refused:
        shapes(d)
    assert refused.value.hint == "leave out mode='process' of node 'waits'"
    profile = declared(two(), "a")
    assert parse_profile(profile.to_json()) == profile
    body = msgspec.json.decode(profile.to_json())
    for its in body["shape"]:
        del its["process"]
    old = parse_profile(msgspec.json.encode(body))
    assert old == two()
    assert merge_profiles(old, profile, where="p", update=True).shape == profile.shape


def test_less_waits_for_the_gil():
    before, after = (
        optimized(profile, deterministic=False) for profile in (tabular(), declared(tabular(), "tokens"))
    )
    assert after.makespan_s < 0.98 * before.makespan_s
    assert after.lower_bound_s < before.lower_bound_s


# -- runs ----------------------------------------------------------------------------------------------------


@pytest.fixture
def few(workers):
    close_workers()
    configure(workers=2)


def made(mode="process"):
    d = DAG("d")
    x = d.input("x")
    first = d.add(jobs.same, x, name="first")
    left = d.add(jobs.total, first, x, mode=mode, name="left")
    right = d.add(jobs.length_and_where, [first, left], mode=mode, name="right")
    d.returns((d.add(jobs.total, left, first, name="sum"), right))
    return d


def profile_of(d):
    of = {its.name: its.after for its in shapes(d)}
    profile = with_pickling(make_profile(of, 0.01, "python", fingerprint=d.fingerprint), 1000)
    return msgspec.structs.replace(profile, shape=shapes(d))


def test_a_plan_is_run_as_before(few):
    d = made()
    plan = optimized(profile_of(d))
    modes = {"first": "thread", "left": "process", "right": "process", "sum": "thread"}
    assert {its.name: its.mode for its in plan.nodes} == modes
    run = d.prepare(plan).run(3)
    (total, (count, pid)), expected = run.result, d.prepare(threads=1)(3)
    assert (total, count) == (expected[0], expected[1][0]) == (3 + 3 * 3 + 3 * 3, 2)
    assert pid != os.getpid()
    assert {its.name for its in run.record.nodes if its.process is not None} == {"left", "right"}
    before = optimized(profile_of(made(None)))  # made before they were declared: followed, and there anyway
    assert before.dag == plan.dag
    assert {its.mode for its in before.nodes} == {"thread"}
    told = d.prepare(before).run(3)
    assert told.result[0] == total
    assert {its.name for its in told.record.nodes if its.process is not None} == {"left", "right"}
    here = made("thread").prepare(plan).run(3)  # declared otherwise meanwhile: the declaration holds
    assert here.result[0] == total
    assert not any(its.process is not None for its in here.record.nodes)


@pytest.mark.usefixtures("workers")
@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 7), st.sampled_from([1, 2, 3]), st.sampled_from([0, 2]))
def test_random_plans_give_the_same_results(seed, n, threads, processes):
    rng = random.Random(seed)
    modes = [rng.choice(["process", None]) for _ in range(n)]
    d = dag_of(random_edges(n, seed=seed), lambda i: partial(jobs.total, i), mode=lambda i: modes[i])
    plan = optimized(profile_of(d), threads, processes=processes, time_limit_s=0.4)
    there = {name for name, mode in zip(d.nodes, modes, strict=True) if mode}
    assert there <= {its.name for its in plan.nodes if its.mode == "process"}
    assert d.prepare(plan)() == d.prepare(threads=1)()


def test_nodes_of_their_own_keep_off_the_workers_of_clusters(few):
    d = DAG("d")
    x = d.input("x")
    a = d.add(jobs.where, x, name="a")
    free = [d.add(jobs.where, x, a if k else x, mode="process", name=f"free{k}") for k in range(3)]
    d.returns((a, *free))
    plan = optimized(profile_of(d), pins=["a process"])
    assert [its.nodes for its in plan.clusters] == [("a",)]
    fast = d.prepare(plan)
    for _ in range(3):
        bound, *others = fast(1)
        assert bound not in others
        assert os.getpid() not in {bound, *others}
        assert len(set(others)) <= 2


def test_workers_start_when_the_run_begins(few):
    seen = []

    def look():
        seen.append(sorted(pool._all))

    d = DAG("d")
    looked = d.add(look)
    for k in range(3):
        d.add(jobs.same, looked, mode="process", name=f"n{k}")
    one = d.prepare(threads=1)
    assert not pool._all
    one()
    d.prepare(threads=3)()
    assert seen == [[0], [0, 1]]  # as many as threads, as many as there may be
    close_workers()
    maybe = DAG("maybe")
    wanted = maybe.input("wanted")
    looked = maybe.add(look)
    maybe.add(jobs.same, looked, mode="process", when=wanted, name="n")
    maybe.prepare(threads=2)(False)
    assert seen[-1] == []
    configure(workers=2, initializer=jobs.mark, initargs=("ready",))
    one()
    assert seen[-1] == []


@node(mode="process")
def declared_node(x):
    return x


def test_of_a_decorated_function():
    d = DAG("d")
    d.returns(d.add(declared_node, d.input("x")))
    assert [its.process for its in shapes(d)] == [True]


# -- the calling thread --------------------------------------------------------------------------------------


def test_the_calling_thread_runs_one_node_at_a_time():
    profile = make_profile({"a": [], "b": [], "c": []}, 1.0, "io")
    assert optimized(profile, 3).makespan_s == 1.0
    shape = tuple(msgspec.structs.replace(its, caller=its.name != "c") for its in profile.shape)
    profile = msgspec.structs.replace(profile, shape=shape)
    plan = optimized(profile, 3)
    assert plan.makespan_s == plan.lower_bound_s == plan.default_makespan_s == 2.0
    assert plan.binding == "lock the calling thread"
    assert [its.nodes for its in plan.groups] == [("a", "b")]
    assert plan.groups[0].evidence == "declared: 2 nodes run in the calling thread"
    assert what_if(profile, 3)[0].makespan_s == 2.0
    assert [share.name for share in explain(plan).bounds[0].nodes] == ["a", "b"]
    d = DAG("d")
    x = d.input("x")
    d.returns([d.add(jobs.same, x, mode="caller", name=name) for name in "ab"])
    assert [(its.caller, its.process) for its in shapes(d)] == [(True, False)] * 2
    of = make_profile({"a": [], "b": []}, 1.0, fingerprint=d.fingerprint)
    plan = optimized(msgspec.structs.replace(of, shape=shapes(d)))
    assert plan.makespan_s == 2.0
    assert d.prepare(plan)(5) == [5, 5]


def test_ways_that_nobody_searched_for_too():
    profile = declared(two(), "a", "b")
    plan = plain_plan(profile, 2)
    assert plan.makespan_s == plan.default_makespan_s == optimized(profile).makespan_s
    assert [(its.mode, its.kind, its.gil_s) for its in plan.nodes] == [("process", "python", 1.0)] * 2
    for model in (model_of(profile, None), model_of(profile, plan)):
        assert model.away == {"a", "b"}
        assert model.alone_s["a"] == pytest.approx(1 + HAND_OVER_S)


def test_a_worker_that_starts_with_the_run_is_there_when_it_is_needed():
    profile = with_pickling(make_profile({"a": [], "b": ["a"], "c": []}, 0.08, "io"))
    firsts = {its.name: its.first_s for its in as_declared(declared(profile, "b", "c")).nodes}
    assert firsts["a"] == 0.08
    assert firsts["b"] == pytest.approx(0.08 + HAND_OVER_S + START_S - 0.08)
    assert firsts["c"] == pytest.approx(0.08 + HAND_OVER_S + START_S)
    plan = optimized(declared(profile, "b", "c"), first_call=True)
    assert plan.makespan_s == pytest.approx(0.08 + 0.08 + HAND_OVER_S + START_S - 0.08, abs=1e-5)
