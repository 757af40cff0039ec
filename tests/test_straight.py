"""A whole run in one thread: the first in a loop, the next compiled; both the same to see from outside."""

from __future__ import annotations

import contextvars
import gc
import signal
import threading
import traceback
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG, dag, node
from makespan.dispatch import Dispatch, Rules
from makespan.engine.executor import Trace
from makespan.engine.straight import Straight, StraightExecution
from makespan.preparing.program import compile_program
from makespan.testing import dag_of, random_edges


def straight_of(made, ranks=None, **rules):
    structure = made.check()
    return Straight(compile_program(made), Rules(structure, ranks or range(len(structure)), 2, **rules))


def ways(straight):
    """Yield (name, execution of some inputs and trace): in a loop, compiled, compiled again."""
    for name in ("loop", "compiled", "again"):
        yield name, lambda inputs=None, trace=None: StraightExecution(straight, inputs or {}, trace)


def order_of(rules):
    """Return the order in which one thread starts nodes."""
    core = Dispatch(rules)
    core.budget = 1
    order = []
    while (chosen := core.next()) is not None:
        order.append(chosen)
        core.finish(chosen)
    return order


@given(
    st.integers(1, 30),
    st.integers(0, 10_000),
    st.randoms(use_true_random=False),
    st.sampled_from([1, 3, 400]),
)
@settings(deadline=None, max_examples=100)
def test_any_dag_in_the_order_of_one_thread(n, seed, random, chunk):
    """Results, the order of starts and the values alive are those of calls one after the other."""
    preds = random_edges(n, 1.5, seed=seed)
    ranks = list(range(n))
    random.shuffle(ranks)
    started = []

    def function(i):
        def run(*got):
            started.append(i)
            return (i, *got)

        return run

    made = dag_of(preds, function)
    sinks = set(range(n)) - {p for some in preds for p in some}
    returned = [i for i in range(n) if i in sinks or random.random() < 0.3]
    made.returns([made.ref(f"n{i}") for i in returned])
    values = []
    for i, some in enumerate(preds):
        values.append((i, *(values[p] for p in some)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("makespan.preparing.straight_code.CHUNK", chunk)
        straight = straight_of(made, ranks)
        expected = order_of(Rules(made.check(), ranks, 1))
        for _, execution in ways(straight):
            for trace in (None, Trace(n)):
                started.clear()
                one = execution(trace=trace)
                one.run()
                assert one.kept == {i: values[i] for i in returned}
                assert started == expected
                assert not one.failures
                if trace is not None:
                    assert sorted(range(n), key=lambda i: trace.start[i]) == expected
                    assert all(0 < s <= e for s, e in zip(trace.start, trace.end, strict=True))
                    assert set(trace.ident) == {threading.get_ident()}


class Broken(Exception):
    def __bool__(self):
        return False


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("chunk", [1, 2, 400])
def test_nothing_starts_after_a_failure_and_nothing_is_held(traced, chunk, monkeypatch):
    monkeypatch.setattr("makespan.preparing.straight_code.CHUNK", chunk)
    started = []
    alive = weakref.WeakSet()

    class Thing:
        pass

    def keep(*_):
        started.append(1)
        thing = Thing()
        alive.add(thing)
        return thing

    def fail(_, __):
        raise error

    made = DAG()
    a = made.add(keep, name="a")
    b = made.add(keep, a, name="b")
    c = made.add(fail, a, b, name="c")
    made.returns([a, made.add(keep, c, name="d"), made.add(keep, b, name="e")])
    straight = straight_of(made)
    for name, execution in ways(straight):
        error = Broken("no")
        started.clear()
        trace = Trace(5) if traced else None
        one = execution(trace=trace)
        one.run()
        assert one.failures == [(2, error)]
        assert one.failures[0][1] is error
        assert len(started) == 2, name
        assert traceback.extract_tb(error.__traceback__)[-1].name == "fail"
        if traced:
            assert [bool(at) for at in trace.start] == [True, True, True, False, False]
            assert [bool(at) for at in trace.end] == [True, True, True, False, False]
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_name == "fail":
                frame.clear()
        one.kept.clear()
        gc.collect()
        assert not alive, name


def test_the_line_of_a_failure_shows_the_node_whatever_its_name():
    hostile = "import os; os.abort()\n'''\"\"\"\\ \x0c\r\u2028 # é"

    def fail():
        raise ValueError

    made = DAG()
    made.returns(made.add(lambda _: 1, made.add(fail, name=hostile), name="ok"))
    straight = straight_of(made)
    for name, execution in ways(straight):
        one = execution()
        one.run()
        ((_, error),) = one.failures
        lines = [frame.line for frame in traceback.extract_tb(error.__traceback__) if frame.name == "dag"]
        assert len(lines) == (0 if name == "loop" else 1)
        for line in lines:
            assert line.endswith("# " + repr(hostile))


def test_sources_are_forgotten_with_their_code():
    import linecache

    def fail():
        raise ValueError

    def once():
        made = DAG()
        made.add(fail)
        straight = straight_of(made)
        for _, execution in ways(straight):
            one = execution()
            one.run()
            traceback.format_exception(one.failures[0][1])

    once()
    gc.collect()
    before = len(linecache.cache)
    for _ in range(5):
        once()
    gc.collect()
    assert len(linecache.cache) <= before


@pytest.mark.parametrize("traced", [False, True])
def test_ctrl_c_goes_straight_through(traced):
    started = []

    def interrupt():
        signal.raise_signal(signal.SIGINT)
        started.append("late")

    made = DAG()
    made.add(started.append, "later", after=[made.add(interrupt)])
    straight = straight_of(made)
    for _, execution in ways(straight):
        trace = Trace(2) if traced else None
        with pytest.raises(KeyboardInterrupt):
            execution(trace=trace).run()
        assert not started
        if traced:
            assert trace.start[0]
            assert not trace.end[0]


def test_context_variables_reach_each_node_and_stay_there():
    variable = contextvars.ContextVar("v", default=0)
    seen = []

    def note(*_):
        seen.append(variable.get())
        variable.set(99)

    made = dag_of([[], [0], [1]], lambda _: note)
    variable.set(5)
    for _, execution in ways(straight_of(made)):
        seen.clear()
        execution().run()
        assert seen == [5, 5, 5]
        assert variable.get() == 5


@pytest.mark.parametrize("chunk", [1, 7, 400])
def test_values_live_as_long_as_they_are_needed(chunk, monkeypatch):
    monkeypatch.setattr("makespan.preparing.straight_code.CHUNK", chunk)
    alive = weakref.WeakSet()
    most = []

    class Thing:
        pass

    def make(*_):
        most.append(len(alive))
        thing = Thing()
        alive.add(thing)
        return thing

    made = DAG()
    last = made.add(make)
    for _ in range(30):
        last = made.add(make, last)
        made.add(make, name=f"unused_{_}", after=[last])
    made.returns(made.add(len, "abc", after=[last]))
    for _, execution in ways(straight_of(made)):
        most.clear()
        execution().run()
        assert max(most) <= 1
        assert not alive


def test_arguments_of_all_kinds():
    thing = object()
    made = DAG()
    x, y = made.input("x"), made.input("y", 4)
    a = made.add(lambda *got, **more: (got, more), x, thing, [1, y], kwargs={"k": x}, name="a")
    b = made.add(lambda *got: got, *([a, x, None] * 40), name="b")
    made.returns({"a": a, "b": b, "part": a[0][1], "y": y, "deep": [a, (b,)]})
    program = compile_program(made)
    straight = straight_of(made)
    for _, execution in ways(straight):
        inputs = {"x": "x", "y": "y"}
        one = execution(inputs)
        one.run()
        result = program.output(one.kept, inputs)
        assert result["a"] == (("x", thing, [1, "y"]), {"k": "x"})
        assert result["b"] == tuple([result["a"], "x", None] * 40)
        assert result["part"] is thing
        assert result["deep"][0] is result["a"]
        assert inputs == {"x": "x", "y": "y"}


def test_what_is_left_out_does_not_run():
    made = dag_of([[], [], [1]], lambda i: lambda *_: i)
    made.returns(made.ref("n2"))
    straight = straight_of(made, vacant=frozenset({0}))
    assert straight.order == (1, 2)
    for _, execution in ways(straight):
        one = execution()
        one.run()
        assert one.kept == {2: 2}


def test_too_many_nodes_are_not_compiled(monkeypatch):
    monkeypatch.setattr("makespan.engine.straight.COMPILED_NODES", 3)
    small, large = (straight_of(dag_of([[]] * n, lambda i: lambda: i)) for n in (3, 4))
    for straight in (small, large):
        for _, execution in ways(straight):
            execution().run()
    assert small.line is not None
    assert large.line is None


def test_a_run_inside_a_node_stays_in_its_thread_in_the_order_of_one_thread():
    order = []

    @node
    def step(i, *_):
        order.append((i, threading.get_ident()))
        return i

    @dag
    def inner():
        return step(3, step(2, step(1)), step(0))

    @dag
    def outer():
        return [node(lambda _: [inner() for _ in range(3)])(i) for i in range(3)]

    assert inner.prepare(threads=4)() == 3
    order.clear()
    assert outer.prepare(threads=2)() == [[3, 3, 3]] * 3
    expected = order_of(Rules(inner.check(), inner.prepare().rules.rank_of, 1))
    by_thread = {}
    for i, ident in order:
        by_thread.setdefault(ident, []).append(i)
    for some in by_thread.values():
        assert len(some) % 4 == 0
        assert all(some[at : at + 4] == some[:4] for at in range(0, len(some), 4))
    assert len(expected) == 4
    assert len(order) == 36


def test_from_many_threads_at_once():
    made = DAG()
    x = made.input("x")
    last = x
    for _ in range(50):
        last = made.add(lambda v: v + 1, last)
    made.returns(last)
    fast = made.prepare(threads=1)
    found = {}

    def call(i):
        found[i] = [fast(i) for _ in range(20)]

    threads = [threading.Thread(target=call, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: [i + 50] * 20 for i in range(8)}
