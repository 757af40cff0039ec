"""A plan for loops of one's own: graphlib's protocol, in plan order, with budget, locks and groups kept."""

from __future__ import annotations

import graphlib
import heapq
import random
import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.adapters.sorter import Sorter, SorterError
from makespan.errors import PlanError
from makespan.plan import PlanGroup, PlanNode, load_plan
from makespan_optimizer.optimize import optimize
from tests.builders import make_profile
from tests.report_data import make_plan


def plan_of(after, threads=2, *, ranks=None, groups=(), locks=None, exclusive=()):
    """Return a plan made by hand; its times say nothing."""
    names = sorted(after)
    ranks = ranks or {name: i for i, name in enumerate(names)}
    nodes = [
        PlanNode(
            name, ranks[name], 0.0, 1.0, 0, 1.0, after=tuple(sorted(after[name])),
            locks=tuple((locks or {}).get(name, ())), exclusive=name in exclusive,
        )
        for name in names
    ]  # fmt: skip
    return make_plan(nodes, threads=threads, groups=tuple(groups))


DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}


def test_a_loop_written_for_graphlib_works_unchanged():
    sorter = plan_of(DIAMOND).sorter()
    order = []
    sorter.prepare()
    while sorter.is_active():
        for node in sorter.get_ready():
            order.append(node)
            sorter.done(node)
    assert order[0] == "a"
    assert order[-1] == "d"
    assert sorted(order) == list("abcd")
    assert not sorter


def test_the_first_in_the_plan_is_handed_out_first():
    ranks = {"x": 2, "y": 0, "z": 1}
    sorter = plan_of({"x": [], "y": [], "z": []}, threads=2, ranks=ranks).sorter()
    sorter.prepare()
    assert sorter.get_ready() == ("y", "z")
    assert sorter.get_ready() == ()
    sorter.done("z")
    assert sorter.get_ready() == ("x",)


def test_a_lock_and_an_exclusive_node_are_respected():
    plan = plan_of(
        {"a": [], "b": [], "c": [], "alone": []},
        threads=4,
        ranks={"a": 0, "b": 1, "alone": 2, "c": 3},
        locks={"a": ["x"], "b": ["x"]},
        exclusive=["alone"],
    )
    sorter = plan.sorter()
    sorter.prepare()
    assert sorter.get_ready() == ("a",)  # b's lock is taken; what is exclusive waits for all to end
    sorter.done("a")
    assert sorter.get_ready() == ("b",)
    sorter.done("b")
    assert sorter.get_ready() == ("alone",)
    assert sorter.get_ready() == ()
    sorter.done("alone")
    assert sorter.get_ready() == ("c",)


def test_what_starts_after_is_waited_for():
    plan = plan_of({"a": [], "b": []})
    nodes = [msgspec.structs.replace(n, starts_after=("b",) if n.name == "a" else ()) for n in plan.nodes]
    sorter = msgspec.structs.replace(plan, nodes=tuple(nodes)).sorter()
    assert list(sorter.static_order()) == ["b", "a"]


def test_keys_of_the_users_own_graph_are_handed_out():
    graph = {("load", 1): set(), 2: {("load", 1)}}
    plan = plan_of({"('load', 1)": [], "2": ["('load', 1)"]})
    assert list(plan.sorter(graph).static_order()) == [("load", 1), 2]


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        ({"a": [], "b": ["a"], "c": ["a"], "d": ["b"]}, "'d' waited for"),
        ({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c", "a"]}, "'d' waited for"),
        ({"a": [], "b": ["a"], "c": ["a"]}, "has 'd'"),
        ({**DIAMOND, "e": []}, "lacks 'e'"),
        ({**DIAMOND, "d": ["b", "c", "new"]}, "lacks 'new'"),
    ],
)
def test_a_plan_for_another_graph_is_refused(graph, said):
    with pytest.raises(PlanError, match=said):
        plan_of(DIAMOND).sorter(graph)


def test_misuse_is_a_value_error_as_in_graphlib():
    sorter = plan_of(DIAMOND).sorter()
    for wrong in (sorter.get_ready, sorter.is_active, lambda: sorter.done("a")):
        with pytest.raises(ValueError, match="prepare"):
            wrong()
    sorter.prepare()
    sorter.prepare()  # nothing was handed out yet
    for node, said in (("a", "not handed out"), ("nope", "not in the plan")):
        with pytest.raises(SorterError, match=said):
            sorter.done(node)
    assert sorter.get_ready() == ("a",)
    with pytest.raises(SorterError, match="handed out"):
        sorter.prepare()
    sorter.done("a")
    with pytest.raises(SorterError, match="done already"):
        sorter.done("a")
    with pytest.raises(SorterError, match="after iteration"):
        sorter.prepare()


def test_of_several_that_are_done_those_before_a_wrong_one_count():
    sorter = plan_of({"a": [], "b": [], "c": ["a"]}).sorter()
    sorter.prepare()
    sorter.get_ready()
    with pytest.raises(SorterError, match="nope"):
        sorter.done("a", "nope", "b")
    assert sorter.get_ready() == ("c",)
    sorter.done("b", "c")
    assert not sorter.is_active()


def test_it_can_be_used_again_when_all_are_done():
    sorter = plan_of(DIAMOND).sorter()
    assert list(sorter.static_order()) == list(sorter.static_order())


def test_what_depends_on_a_failed_node_is_told_and_never_handed_out():
    sorter = plan_of({**DIAMOND, "e": []}, threads=1).sorter()
    sorter.prepare()
    seen = []
    while sorter.is_active():
        for node in sorter.get_ready():
            seen.append(node)
            if node == "b":
                assert sorter.failed(node) == ("d",)
            else:
                sorter.done(node)
    assert sorted(seen) == ["a", "b", "c", "e"]


def test_an_empty_plan_is_not_active():
    plan = plan_of({})
    sorter = plan.sorter()
    sorter.prepare()
    assert not sorter.is_active()
    assert sorter.get_ready() == ()


def test_the_plan_of_a_file_makes_the_same_sorter(tmp_path):
    plan = plan_of(DIAMOND)
    plan.save(tmp_path / "plan.json")
    again = load_plan(tmp_path / "plan.json")
    assert list(again.sorter().static_order()) == list(plan.sorter().static_order())


@st.composite
def problems(draw):
    rng = random.Random(draw(st.integers(0, 2**32)))
    n = rng.randint(1, 12)
    names = [f"n{i}" for i in rng.sample(range(100), n)]
    density = rng.choice([0.1, 0.3, 0.7])
    after = {name: [p for p in names[:i] if rng.random() < density] for i, name in enumerate(names)}
    ranks = dict(zip(names, rng.sample(range(n), n), strict=True))
    locks = {name: rng.choice([[], [], ["x"], ["x", "y"]]) for name in names}
    exclusive = [name for name in names if rng.random() < 0.1]
    group = [name for name in names if rng.random() < 0.4]
    groups = (PlanGroup("g", tuple(group), rng.randint(1, 2), "measured"),) if group else ()
    plan = plan_of(
        after, threads=rng.randint(1, 4), ranks=ranks, groups=groups, locks=locks, exclusive=exclusive
    )
    return plan, rng


@settings(deadline=None, max_examples=60)
@given(problems())
def test_whatever_ends_first_nothing_starts_early_and_nothing_that_may_start_waits(problem):
    plan, rng = problem
    node_of = {node.name: node for node in plan.nodes}
    limits = [(set(g.nodes), g.limit) for g in plan.groups if g.reason != "exclusive"]
    locked = {lock for node in plan.nodes for lock in node.locks}
    limits += [({n.name for n in plan.nodes if lock in n.locks}, 1) for lock in locked]

    def may_start(name):
        node = node_of[name]
        return (
            set(node.after) <= done
            and len(running) < plan.threads
            and not any(node_of[r].exclusive for r in running)
            and not (node.exclusive and running)
            and all(len(its & running) < limit for its, limit in limits if name in its)
        )

    sorter, done, running = plan.sorter(), set(), set()
    sorter.prepare()
    while sorter.is_active():
        for name in sorter.get_ready():
            assert name not in done | running
            running.discard(name)
            assert may_start(name)
            running.add(name)
        waiting = [n for n in sorted(node_of, key=lambda n: node_of[n].rank) if n not in done | running]
        ready = [n for n in waiting if set(node_of[n].after) <= done]
        if ready and node_of[ready[0]].exclusive:
            ready = ready[:1]  # it drains the others
        before = ready[: next((k for k, n in enumerate(ready) if node_of[n].exclusive), len(ready))]
        assert not any(may_start(n) for n in before)
        assert running, "nothing runs, and nothing may start"
        over = rng.choice(sorted(running))
        running.discard(over)
        done.add(over)
        sorter.done(over)
    assert done == set(node_of)


@settings(deadline=None, max_examples=40)
@given(problems())
def test_every_order_that_it_yields_is_one_of_graphlibs(problem):
    plan, _ = problem
    after = {node.name: set(node.after) for node in plan.nodes}
    order = list(Sorter(plan).static_order())
    assert sorted(order) == sorted(after)
    place = {name: i for i, name in enumerate(order)}
    assert all(place[p] < place[name] for name, its in after.items() for p in its)
    assert set(graphlib.TopologicalSorter(after).static_order()) == set(order)


def virtual(sorter, seconds):
    """Drive a sorter by a clock of its own; return when each node starts."""
    started, ends, now = {}, [], 0.0
    sorter.prepare()
    while sorter.is_active():
        for name in sorter.get_ready():
            started[name] = now
            heapq.heappush(ends, (now + seconds[name], name))
        now, name = heapq.heappop(ends)
        sorter.done(name)
    return started


def test_a_loop_of_ones_own_starts_what_the_plan_says_when_it_says():
    rng = random.Random(5)
    names = [f"n{i}" for i in range(30)]
    after = {name: rng.sample(names[:i], min(i, rng.randint(0, 2))) for i, name in enumerate(names)}
    seconds = {name: rng.randint(1, 50) + rng.random() for name in names}
    plan = optimize(make_profile(after, seconds, locks={"n3": ["x"], "n9": ["x"]}), threads=3, time_limit_s=1)
    started = virtual(plan.sorter(), {node.name: node.duration_s for node in plan.nodes})
    assert started == pytest.approx({node.name: node.start_s for node in plan.nodes}, abs=1e-5)


def test_a_pool_of_threads_with_a_plan():
    names = [f"n{i}" for i in range(40)]
    plan = plan_of({name: names[max(0, i - 3) : i : 2] for i, name in enumerate(names)}, threads=3)
    now, most, lock, seen = set(), [], threading.Lock(), []

    def work(name):
        with lock:
            now.add(name)
            most.append(len(now))
        with lock:
            now.discard(name)
            seen.append(name)
        return name

    sorter = plan.sorter()
    sorter.prepare()
    with ThreadPoolExecutor(8) as pool:
        left = set()
        while sorter.is_active():
            left |= {pool.submit(work, name) for name in sorter.get_ready()}
            over, left = wait(left, return_when=FIRST_COMPLETED)
            sorter.done(*(future.result() for future in over))
    assert sorted(seen) == sorted(names)
    assert max(most) <= 3
