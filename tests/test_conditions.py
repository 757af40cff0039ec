"""Conditional nodes: what is skipped, what runs, and what the condition is asked."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG
from makespan.around.conditions import SKIPPED
from makespan.preparing.program import compile_program
from tests.ways import Way, every_way, few_ways

pytestmark = pytest.mark.filterwarnings("error")


class Flag:
    """Counts how often its truth is asked for."""

    def __init__(self, truth, error=None):
        self.truth, self.error, self.asked = truth, error, 0

    def __bool__(self):
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.truth


def pair(*values, **more):
    assert all(value is not SKIPPED for value in (*values, *more.values()))
    return (*values, *more.values()), 2


def branches():
    """fetch (when) ─▶ parse ─▶ save; log waits for fetch; report takes what is there."""
    made = DAG("branches")
    wanted = made.input("wanted")
    fetch = made.add(pair, "f", name="fetch", when=wanted)
    parse = made.add(pair, fetch[0], name="parse")
    save = made.add(pair, [{"deep": (1, parse)}], name="save")
    log = made.add(pair, "l", name="log", after=[fetch])
    report = made.add(pair, fetch[0], name="report", kwargs={"also": [save]}, on_skipped="none")
    after_report = made.add(pair, report, name="after_report")
    made.returns({"fetch": fetch, "first": fetch[0], "log": log, "report": report, "end": after_report})
    return made


@every_way
def test_what_takes_a_skipped_result_is_skipped_what_only_waits_runs(way: Way):
    made = branches()
    fast = way.prepare(made)
    for _ in range(2):
        got = way.call(fast, wanted=False)
        report = ((None, [None]), 2)
        assert got == {
            "fetch": None,
            "first": None,
            "log": (("l",), 2),
            "report": report,
            "end": ((report,), 2),
        }
        got = way.call(fast, wanted=True)
        assert got["first"] == ("f",)
        assert got["report"][0][0] == ("f",)
    assert fast.run(False).skipped == ("fetch", "parse", "save")
    assert fast.run(True).skipped == ()


@few_ways
def test_the_truth_is_asked_for_once_for_each_node(way: Way):
    made = DAG()
    flag = made.input("flag")
    made.returns([made.add(pair, 1, when=flag), made.add(pair, 2, when=flag)])
    for truth in (True, False):
        its = Flag(truth)
        got = way.run(made, its)
        assert its.asked == 2
        assert got == ([((1,), 2), ((2,), 2)] if truth else [None, None])


@few_ways
def test_what_the_condition_raises_is_the_nodes_failure(way: Way):
    made = DAG()
    made.add(pair, 1, name="asks", when=made.input("flag"))
    mine = ValueError("ambiguous")
    with pytest.raises(ValueError, match="ambiguous") as caught:
        way.run(made, Flag(True, mine))
    assert caught.value is mine
    assert any("in node 'asks'" in note for note in mine.__notes__)


def test_conditions_are_results_indexed_results_inputs_and_constants():
    def run(when_of, **inputs):
        made = DAG()
        x = made.input("x", 0)
        flags = made.add(lambda: {"yes": 1, "no": ()}, name="flags")
        made.returns(made.add(pair, 1, name="it", when=when_of(flags, x)))
        return made(**inputs) is not None

    assert run(lambda flags, x: flags)
    assert run(lambda flags, x: flags["yes"])
    assert not run(lambda flags, x: flags["no"])
    assert not run(lambda flags, x: x)
    assert run(lambda flags, x: x, x=7)
    assert run(lambda flags, x: x["k"], x={"k": 7})
    assert not run(lambda flags, x: x["k"], x={"k": ""})
    assert run(lambda flags, x: [0])
    assert not run(lambda flags, x: 0)
    assert not run(lambda flags, x: None)
    assert not run(lambda flags, x: False)
    with pytest.raises(KeyError):
        run(lambda flags, x: flags["missing"])


def test_a_condition_that_was_skipped_is_false_whatever_the_node_does_with_skipped_arguments():
    made = DAG()
    first = made.add(pair, 1, name="first", when=False)
    made.returns([made.add(pair, 2, when=first, on_skipped="none"), made.add(pair, 3, when=first[1])])
    assert made() == [None, None]


def test_unpacked_results_of_a_skipped_node():
    made = DAG()
    a, b = made.add(lambda: iter([1, 2]), name="two", when=made.input("flag"), outputs=2)
    made.returns([a, b, made.add(pair, a, on_skipped="none"), made.add(pair, b)])
    assert made(True) == [1, 2, ((1,), 2), ((2,), 2)]
    assert made(False) == [None, None, ((None,), 2), None]


def test_a_constant_true_costs_nothing():
    made = DAG()
    made.add(pair, made.add(pair, 1, when=True), when=True)
    program = compile_program(made)
    assert program.calls == [pair, pair]
    assert not program.testing


def test_only_what_can_be_skipped_is_tested():
    made = branches()
    program = compile_program(made)
    names = program.structure.names
    assert {names[i] for i in program.testing} == {"fetch", "parse", "save", "report"}
    assert program.calls[names.index("log")] is pair


def test_the_sentinel_stays_where_it_is():
    for misuse in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="in the process that runs the DAG"):
            misuse(SKIPPED)
    assert repr(SKIPPED) == "<skipped>"


class Thing:
    pass


def test_arguments_of_a_skipped_node_are_dropped():
    seen = []

    def make():
        thing = Thing()
        seen.append(weakref.ref(thing))
        return thing

    def look():
        gc.collect()
        return seen[0]() is None

    made = DAG()
    thing = made.add(make)
    skipped = made.add(pair, thing, when=False)
    made.returns(made.add(look, after=[skipped]))
    for threads in (1, 2):
        seen.clear()
        assert made.prepare(threads=threads)()
        seen.clear()
        assert made.run(threads=threads).result


def test_skips_of_a_run_inside_a_node_are_not_those_of_the_run_around_it():
    inner = DAG("inner")
    inner.add(pair, 1, name="inner node", when=False)
    outer = DAG("outer")
    outer.add(lambda: inner(), name="outer node")
    run = outer.run()
    assert run.skipped == ()
    outer2 = DAG("outer")
    outer2.add(lambda: inner.run().skipped, name="outer node")
    assert outer2.run().result == {"outer node": ("inner node",)}


# -- any DAG, against an evaluator that knows nothing of slots -----------------------------------------------


@st.composite
def conditional_dags(draw):
    """Nodes as (how they take their arguments, flag, on_skipped, after)."""
    nodes = []
    for i in range(draw(st.integers(1, 8))):
        earlier = st.integers(0, i - 1) if i else st.nothing()
        some = st.lists(earlier, max_size=2, unique=True) if i else st.just([])
        takes = draw(some)
        how = draw(st.sampled_from(["plain", "indexed", "nested", "keyword"]))
        flag = draw(
            st.one_of(
                st.just(True),
                st.sampled_from([False, None, 1]),
                st.sampled_from(["input yes", "input no"]),
                *([st.tuples(st.sampled_from(["result", "indexed"]), earlier)] if i else []),
            )
        )
        falsy = draw(st.booleans())
        nodes.append((takes, how, flag, draw(st.sampled_from(["skip", "none"])), draw(some), falsy))
    return nodes


def build(nodes):
    made = DAG("drawn")
    yes, no = made.input("yes"), made.input("no")
    results = []

    def node_function(i, falsy):
        def call(*args, **kwargs):
            return [] if falsy else [f"n{i}", args, kwargs]

        return call

    for i, (takes, how, flag, on_skipped, after, falsy) in enumerate(nodes):
        given = [results[t] for t in takes]
        if how == "indexed":
            given = [value[:1] for value in given]
        args = [[{"k": (value, 1)} for value in given]] if how == "nested" else given
        kwargs = {}
        if how == "keyword":
            args, kwargs = [], {f"k{k}": value for k, value in enumerate(given)}
        when = flag
        if flag in ("input yes", "input no"):
            when = yes if flag == "input yes" else no
        elif isinstance(flag, tuple):
            when = results[flag[1]] if flag[0] == "result" else results[flag[1]][:1]
        results.append(
            made.add(
                node_function(i, falsy),
                *args,
                name=f"n{i}",
                kwargs=kwargs,
                when=when,
                on_skipped=on_skipped,
                after=[results[t] for t in after],
            )
        )
    made.returns(results)
    return made


def expected(nodes):
    """Evaluate in order; None stands for a skipped node."""
    values = []
    for i, (takes, how, flag, on_skipped, _after, falsy) in enumerate(nodes):
        if flag == "input yes":
            flag = True
        elif flag == "input no":
            flag = False
        elif isinstance(flag, tuple):
            flag = bool(values[flag[1]])
        given = [values[t] for t in takes]
        if not flag or (on_skipped == "skip" and None in given):
            values.append(None)
            continue
        if how == "indexed":
            given = [None if value is None else value[:1] for value in given]
        args = ([{"k": (value, 1)} for value in given],) if how == "nested" else tuple(given)
        kwargs = {}
        if how == "keyword":
            args, kwargs = (), {f"k{k}": value for k, value in enumerate(given)}
        values.append([] if falsy else [f"n{i}", args, kwargs])
    return values


@given(conditional_dags(), st.sampled_from([1, 2, 4]))
@settings(deadline=None, max_examples=150)
def test_any_dag_skips_what_the_rule_says(nodes, threads):
    made, wanted = build(nodes), expected(nodes)
    for way in (Way(threads), Way(threads, "locks", "chains")):
        fast = way.prepare(made)
        assert fast(True, []) == wanted
        run = fast.run(True, [])
        assert run.result == wanted
        assert sorted(run.skipped) == sorted(f"n{i}" for i, value in enumerate(wanted) if value is None)
        assert all(node.end_s == node.start_s for node in run.record.nodes if node.status == "skipped")
