"""Pins: their words, what contradicts what, the ranks that follow, and what a run makes of them."""

from __future__ import annotations

import math
import threading
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG, OptionError, PlanError
from makespan_optimizer.optimize import optimize
from makespan_optimizer.pins.circle import circle
from makespan_optimizer.pins.order import Ordering
from makespan_optimizer.pins.pinned import Pinned
from makespan_optimizer.pins.pins import InOrder, Mode, NativeThreads, Pins, Priority, SharedLock, StartsAfter
from makespan_optimizer.pins.words import quoted, read_words
from tests.builders import make_profile

#     a ─▶ b ─▶ c        d ─▶ e        f
AFTER = {"a": [], "b": ["a"], "c": ["b"], "d": [], "e": ["d"], "f": []}


def pinned(*words, after=AFTER, **more):
    return Pinned(Pins.of(words), make_profile(after, **more))


def optimized(profile, **options):
    return optimize(profile, what_if=[], time_limit_s=1.0, **options)


@pytest.mark.parametrize(
    ("words", "pin"),
    [
        ("b after a", StartsAfter(("b",), ("a",))),
        ("b, c after a,d", StartsAfter(("b", "c"), ("a", "d"))),
        ("a,b , c in order", InOrder(("a", "b", "c"))),
        ("a first", Priority(("a",), math.inf)),
        ("a,b last", Priority(("a", "b"), -math.inf)),
        ("a priority=-3", Priority(("a",), -3)),
        ("a, b lock=x", SharedLock(("a", "b"), "x")),
        ('a, b lock="the screen"', SharedLock(("a", "b"), "the screen")),
        ("a process", Mode(("a",), "process")),
        ("a thread", Mode(("a",), "thread")),
        ("a once", Mode(("a",), "once")),
        ("a native=2", NativeThreads(("a",), 2)),
        ("after after first", StartsAfter(("after",), ("first",))),
        ("first first", Priority(("first",), math.inf)),
        ('"load data", "say \\"hi\\"" in order', InOrder(("load data", 'say "hi"'))),
    ],
)
def test_words_and_back(words, pin):
    assert Pins.of(words).pins == (pin,)
    assert Pins.of(Pins.of(words).words).pins == (pin,)
    assert Pins.of(pin) == Pins.of([pin]) == Pins.of(Pins((pin,)))


@given(st.text(min_size=1).filter(lambda name: name.strip() == name))
@settings(deadline=None)
def test_any_name_can_be_quoted(name):
    assert read_words(f"{quoted(name)} after {quoted(name)}").nodes == (name,)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("", "a node's name is missing"),
        ("a", "does not say what is pinned"),
        ("a,, b first", "a node's name is missing"),
        ("a after", "a node's name is missing"),
        ("a afetr b", "did you mean 'after'"),
        ("a proces", "did you mean 'process'"),
        ("a in ordre", "nothing that a node can be pinned to"),
        ("load data first", "nothing that a node can be pinned to"),
        ("a first b", "one word too many"),
        ('"a first', "a quote is not closed"),
        ("a in order", "needs two nodes"),
        ("a lock=", "needs a value"),
        ("a native=0", "from 1 to 1024"),
        ("a native=two", "from 1 to 1024"),
        ("a priority=1e3", "whole number"),
        ("a native", "needs a value"),
        (3, "a pin is a string"),
    ],
)
def test_words_that_are_none(words, problem):
    with pytest.raises(OptionError) as caught:
        Pins.of([words])
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["e aftr d"], "nothing that a node"),
        (["g first"], "the DAG has no node 'g'"),
        (["a after g"], "the DAG has no node 'g'"),
        (["a after c"], "in a circle: c → a → b → c"),
        (["c, a in order"], "in a circle: c → a → b → c"),
        (["a after a"], "in a circle: a → a"),
        (["a after e", "d after c"], "circle: "),
        (["f, d in order", "d, f in order"], "circle: "),
        (["a lock=x"], "only 'a' would hold the lock 'x'"),
        (["a first", "a last"], "pinned twice"),
        (["a priority=1", "a priority=2"], "pinned twice"),
        (["a process", "a thread"], "pinned twice"),
        (["a native=1", "a native=2"], "pinned twice"),
        (["a, d in order", "a last", "d first"], "'a' is pinned before 'd', and to a lower priority"),
        (["a, d in order", "a process"], "to a place in an order and to a process"),
    ],
)
def test_pins_that_contradict(words, problem):
    with pytest.raises(OptionError) as caught:
        pinned(*words)
    assert problem in str(caught.value)


def test_a_pin_that_is_a_circle_by_itself_says_nothing_of_the_dags_edges():
    with pytest.raises(OptionError) as caught:
        pinned("a after a")
    assert caught.value.hint is None
    with pytest.raises(OptionError, match="a pin is a string or one of the pin types, not 3"):
        Pins.of(3)


def test_a_node_misspelt_is_guessed():
    with pytest.raises(OptionError, match="did you mean 'parse'"):
        pinned("prase first", after={"parse": []})


def test_the_same_twice_is_no_contradiction():
    assert pinned("a first", "a first", "b after a", "b after a").starts_after == {}


def test_what_starts_after_is_an_edge():
    its = pinned("e after c", "c after a")
    assert its.starts_after == {"c": ("a",), "e": ("c",)}
    assert {s.name: set(s.after) for s in its.profile.shape}["e"] == {"c", "d"}


def test_an_order_waits_for_what_comes_before_it():
    # c is ready after b; e and f would be ready sooner, and must not start before it.
    its = pinned("c, e, f in order")
    waits = {name: set(some) for name, some in its.starts_after.items()}
    assert waits["e"] == {"b"}
    assert waits["f"] == {"b", "d"}


def test_an_order_among_sources_adds_no_edge():
    assert pinned("f, d, a in order").starts_after == {}


def test_a_lock_joins_those_that_declare_it():
    its = pinned("d, f lock=pen", locks={"a": ["pen"]})
    assert its.locks == {"pen": ("a", "d", "f")}
    assert {s.name for s in its.profile.shape if "pen" in s.locks} == {"a", "d", "f"}


def test_a_circle_names_the_dags_own_edge_where_there_are_two():
    assert circle("ab", [("a", "b", "b after a"), ("a", "b", ""), ("b", "a", "a after b")]) == [
        ("b", "a", "a after b"),
        ("a", "b", ""),
    ]


@st.composite
def orderings(draw):
    n = draw(st.integers(1, 7))
    names = [f"n{i}" for i in range(n)]
    place = draw(st.permutations(range(n)))
    pairs = [
        (names[a], names[b])
        for a in range(n)
        for b in range(n)
        if place[a] < place[b] and draw(st.integers(0, 4)) == 0
    ]
    levels = draw(st.dictionaries(st.sampled_from(names), st.sampled_from([-math.inf, -1.0, 1.0, math.inf])))
    return names, pairs, levels, list(draw(st.permutations(range(n))))


@given(orderings())
@settings(deadline=None)
def test_ranks_keep_to_an_order_and_change_once(case):
    names, pairs, levels, ranks = case
    ordering = Ordering(names, pairs, levels)
    found = ordering(ranks)
    assert sorted(found) == list(range(len(names)))
    number = {name: i for i, name in enumerate(names)}
    assert all(found[number[a]] < found[number[b]] for a, b in pairs)
    assert ordering(found) == found
    if not pairs:
        key = [(-levels.get(name, 0.0), rank) for name, rank in zip(names, ranks, strict=True)]
        assert sorted(range(len(names)), key=found.__getitem__) == sorted(
            range(len(names)), key=key.__getitem__
        )


def test_what_comes_before_something_urgent_is_urgent():
    assert Ordering("abc", [("a", "c")], {"c": math.inf})([2, 1, 0]) == [0, 2, 1]
    assert Ordering("abc", [("a", "c")], {"c": -math.inf})([0, 1, 2]) == [0, 1, 2]


def test_pins_in_a_plan():
    plan = optimized(
        make_profile(AFTER, 1.0), pins=["f after e", "d, f lock=pen", "d first"], threads=2, cores=4
    )
    assert plan.node("f").starts_after == ("e",)
    assert plan.node("f").after == ()
    assert plan.node("d").rank == 0
    assert plan.node("d").locks == ()
    assert [(g.name, g.nodes, g.limit, g.reason) for g in plan.groups] == [
        ("pinned pen", ("d", "f"), 1, "pinned")
    ]
    assert plan.node("f").start_s >= plan.node("e").start_s + plan.node("e").duration_s - 1e-9
    assert "pinned to lock pen" in plan.summary()
    assert plan.lower_bound_s == pytest.approx(3.0)


def test_pins_cost_what_they_cost_and_the_bound_knows():
    free = optimized(make_profile(AFTER, 1.0), threads=4, cores=4)
    held = optimized(make_profile(AFTER, 1.0), threads=4, cores=4, pins="a, d, f lock=x")
    chained = optimized(make_profile(AFTER, 1.0), threads=4, cores=4, pins=["d after c"])
    assert free.makespan_s == pytest.approx(3.0)
    assert held.makespan_s == pytest.approx(3.0)
    assert chained.makespan_s == chained.lower_bound_s == pytest.approx(5.0)


@pytest.mark.parametrize("seed", range(3))
def test_no_candidate_gets_round_a_priority(seed):
    # The best order starts the long chain first; the pin says otherwise.
    after = {"long": [], "then": ["long"], "short": []}
    seconds = {"long": 2.0, "then": 2.0, "short": 1.0}
    plan = optimized(make_profile(after, seconds), threads=1, pins=["short first"], seed=seed)
    assert plan.node("short").rank == 0
    assert plan.node("short").start_s == 0


def run_with(after, *words, threads=3):
    log = []
    lock = threading.Lock()

    def work(name):
        def run(*_values):
            with lock:
                log.append(("start", name))
            time.sleep(0.01)
            with lock:
                log.append(("end", name))

        return run

    made = DAG("pins")
    placed = {}
    for name, some in after.items():
        placed[name] = made.add(work(name), *(placed[p] for p in some), name=name)
    profile = make_profile(after, 0.01, name="pins", fingerprint=made.fingerprint)
    plan = optimized(profile, threads=threads, pins=list(words))
    run = made.run(plan=plan)
    assert run.record.status == "ok"
    return log


def test_a_run_keeps_to_what_starts_after():
    log = run_with(AFTER, "f after c", "a after d")
    assert log.index(("end", "c")) < log.index(("start", "f"))
    assert log.index(("end", "d")) < log.index(("start", "a"))


def test_a_run_keeps_to_an_order():
    log = run_with(AFTER, "c, e, f in order", threads=1)
    started = [name for what, name in log if what == "start"]
    assert started.index("c") < started.index("e") < started.index("f")


def test_a_run_keeps_to_first_and_last():
    log = run_with({"a": [], "b": [], "c": [], "d": []}, "c first", "a last", threads=1)
    started = [name for what, name in log if what == "start"]
    assert started[0] == "c"
    assert started[-1] == "a"


def test_a_run_keeps_pinned_locks():
    log = run_with({name: [] for name in "abcd"}, "a, c, d lock=x", threads=4)
    inside = 0
    for what, name in log:
        if name != "b":
            inside += 1 if what == "start" else -1
            assert inside <= 1


def test_a_plan_that_starts_after_what_cannot_be_is_refused():
    after = {"a": [], "b": ["a"]}
    made = DAG("pins")
    made.add(abs, made.add(abs, -1, name="a"), name="b")
    plan = optimized(make_profile(after, 0.01, name="pins", fingerprint=made.fingerprint), threads=2)
    for more, problem in ((("b",), "in a circle"), (("z",), "'z'")):
        nodes = tuple(
            msgspec.structs.replace(node, starts_after=more) if node.name == "a" else node
            for node in plan.nodes
        )
        with pytest.raises(PlanError, match=problem):
            made.prepare(msgspec.structs.replace(plan, nodes=nodes))


@st.composite
def pinned_dags(draw):
    n = draw(st.integers(3, 6))
    names = [f"n{i}" for i in range(n)]
    after = {name: [p for p in names[:i] if draw(st.integers(0, 3)) == 0] for i, name in enumerate(names)}
    seconds = {name: draw(st.integers(1, 9)) / 10 for name in names}
    kinds = {name: draw(st.sampled_from(["python", "python", "native", "io"])) for name in names}
    order = sorted(draw(st.sets(st.sampled_from(names), min_size=2)))
    return make_profile(after, seconds, kinds), order


@given(pinned_dags(), st.integers(1, 3), st.booleans())
@settings(deadline=None, max_examples=25)
def test_plans_keep_to_an_order_whatever_else_they_choose(case, threads, urgent):
    profile, order = case
    last = profile.shape[-1].name
    pins = [InOrder(tuple(order)), *([Priority((last,), math.inf)] if urgent else [])]
    plan = optimize(profile, threads, pins=pins, what_if=[], time_limit_s=0.5)
    ranks = [plan.node(name).rank for name in order]
    starts = [plan.node(name).start_s for name in order]
    assert ranks == sorted(ranks)
    assert starts == sorted(starts)
    if urgent:
        assert plan.node(last).rank == (len(order) - 1 if last in order else 0)
