"""All engines give the same results, failures and contexts: straight, chains, plain, general, coordinated."""

from __future__ import annotations

import contextvars
import signal
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG
from makespan.engine.straight import StraightExecution
from makespan.plan import PlanGroup
from tests.ways import chains_of, plan_of

VARIABLE: contextvars.ContextVar[int] = contextvars.ContextVar("v", default=0)


class Broken(Exception):
    """What a node raises."""


def engines(made):
    """Yield (name, prepared) of each way to run a DAG."""
    structure = made.check()
    order = list(structure.order)

    def plan(threads, *, duration_s=1e-3, **more):
        return plan_of(made, threads, ranks=order, duration_s=duration_s, **more)

    everything = [PlanGroup("all", structure.names, 16, "gil")]
    chains = chains_of(structure)
    yield "straight", made.prepare(plan(1))
    yield "small", made.prepare(plan(2, duration_s=1e-6))
    yield "plain", made.prepare(plan(2))
    yield "plain chains", made.prepare(plan(2, chains=chains))
    yield "general", made.prepare(plan(2, groups=everything))
    yield "general chains", made.prepare(plan(2, groups=everything, chains=chains))
    yield "general, one thread", made.prepare(plan(1, groups=everything), on_error="continue")
    yield "coordinated", made.prepare(plan(2, duration_s=1.0, chains=chains))


@st.composite
def dags(draw):
    """Draw predecessors with long chains among them, who fails, and what is returned."""
    n = draw(st.integers(1, 14))
    preds = []
    for i in range(n):
        kind = draw(st.integers(0, 3)) if i else 0
        if kind == 0:
            preds.append([])
        elif kind < 3:
            preds.append([i - 1])
        else:
            preds.append(sorted(draw(st.sets(st.integers(0, i - 1), max_size=3))))
    fails = draw(st.none() | st.integers(0, n - 1))
    returned = draw(st.sets(st.integers(0, n - 1), min_size=1))
    return preds, fails, sorted(returned)


@given(dags())
@settings(deadline=None, max_examples=40)
def test_results_failures_and_contexts_are_the_same(drawn):
    preds, fails, returned = drawn
    lock = threading.Lock()
    started, contexts = [], []
    made = DAG("same")
    x = made.input("x")

    def function(i):
        def work(*got):
            with lock:
                started.append(i)
                contexts.append(VARIABLE.get())
            VARIABLE.set(i + 100)
            if i == fails:
                raise Broken(i)
            return (i, *got)

        return work

    found, values = [], []
    for i, some in enumerate(preds):
        taken = [found[p] for p in some]
        found.append(made.add(function(i), *taken, "k", x, name=f"n{i}"))
        values.append((i, *(values[p] for p in some), "k", "in"))
    made.returns([*(found[i] for i in returned), x])
    for name, fast in engines(made):
        for _ in range(3):  # what one thread runs is compiled from the second time on
            for traced in (False, True):
                started.clear()
                contexts.clear()
                token = VARIABLE.set(7)
                try:
                    if fails is None:
                        got = fast.run("in").result if traced else fast("in")
                        assert got == [*(values[i] for i in returned), "in"], name
                        assert sorted(started) == list(range(len(preds)))
                    elif traced:
                        run = fast.run("in")
                        assert (type(run.error), run.error.args) == (Broken, (fails,)), name
                        assert run.error.__notes__[0].startswith(f"in node 'n{fails}' (")
                        assert [node.name for node in run.record.nodes if node.status == "failed"] == [
                            f"n{fails}"
                        ]
                        assert {node.name for node in run.record.nodes} == {f"n{i}" for i in started}
                    else:
                        with pytest.raises(Broken) as caught:
                            fast("in")
                        assert caught.value.args == (fails,)
                        assert caught.value.__notes__[0].startswith(f"in node 'n{fails}' ("), name
                    assert len(set(started)) == len(started)
                    assert all(started.index(p) < started.index(i) for i in started for p in preds[i])
                    assert set(contexts) <= {7}, name
                    assert VARIABLE.get() == 7
                finally:
                    VARIABLE.reset(token)


def test_what_each_engine_is():
    made = DAG()
    last = made.add(abs, -1)
    for _ in range(5):
        last = made.add(abs, last)
    prepared = dict(engines(made))
    straight = {name for name, fast in prepared.items() if isinstance(fast.execution({}), StraightExecution)}
    assert straight == {"straight", "small"}
    fused = {name for name, fast in prepared.items() if fast.program.inner}
    assert fused == {"plain chains", "general chains", "coordinated"}
    assert all(len(prepared[name].unfused()[0].inner) == 0 for name in fused)


def test_a_measured_run_measures_each_node_of_a_chain():
    made = DAG()
    last = made.add(lambda: sum(range(1000)), name="n0")
    for i in range(3):
        last = made.add(lambda v: v + sum(range(1000)), last, name=f"n{i + 1}")
    structure = made.check()
    fast = made.prepare(plan_of(made, 2, duration_s=1e-3, chains=chains_of(structure)))
    assert fast.program.inner
    run = fast.run(measure=True, sampler="clocks")
    assert run.error is None
    assert [node.name for node in run.record.nodes] == ["n0", "n1", "n2", "n3"]
    assert all(node.measured is not None for node in run.record.nodes)


def test_a_traced_chain_shows_each_node():
    made = DAG()
    last = made.input("x")
    for i in range(4):
        last = made.add(lambda v: v + 1, last, name=f"n{i}")
    other = made.add(abs, last, name="other")
    made.returns([last, other])
    fast = made.prepare(plan_of(made, 2, duration_s=1e-3, chains=[[f"n{i}" for i in range(4)]]))
    run = fast.run(3)
    assert run.result == [7, 7]
    nodes = {node.name: node for node in run.record.nodes}
    assert list(nodes) == ["n0", "n1", "n2", "n3", "other"]
    assert nodes["n2"].after == ("n1",)
    for i in range(3):
        assert nodes[f"n{i}"].start_s <= nodes[f"n{i}"].end_s <= nodes[f"n{i + 1}"].start_s


def test_ctrl_c_in_a_node_goes_straight_through_and_starts_nothing():
    started = []

    def interrupt(v):
        if threading.current_thread() is threading.main_thread():
            signal.raise_signal(signal.SIGINT)
        return v

    made = DAG()
    last = made.input("x")
    for i in range(6):
        last = made.add(interrupt if i == 2 else started.append, last, name=f"n{i}")
    for name, fast in engines(made):
        if name == "coordinated":
            continue  # its nodes run in helpers, which no signal reaches
        for _ in range(3):
            started.clear()
            with pytest.raises(KeyboardInterrupt) as caught:
                fast("in")
            assert len(started) == 2, name
            assert type(caught.value) is KeyboardInterrupt
        run = fast.run("in")
        assert type(run.error) is KeyboardInterrupt
        assert run.record.status == "interrupted"
        assert [node.status for node in run.record.nodes] == ["ok", "ok", "unfinished"], name


def test_nothing_of_a_chain_starts_after_a_failure_elsewhere():
    meet, failed = threading.Barrier(2, timeout=20), threading.Event()
    started = []

    def fail():
        meet.wait()
        failed.set()
        raise Broken

    def hold():
        meet.wait()
        failed.wait(20)
        time.sleep(0.05)  # so that the failure is known

    for _ in range(3):  # a thread that is not let run for 50 ms may start one more
        started.clear()
        made = DAG()
        made.add(fail, name="bad")
        last = made.add(hold, name="n0")
        for i in range(1, 4):
            last = made.add(started.append, last, name=f"n{i}")
        chain = [f"n{i}" for i in range(4)]
        fast = made.prepare(plan_of(made, 2, duration_s=1e-3, chains=[chain]))
        assert fast.program.inner
        run = fast.run()
        assert type(run.error) is Broken
        assert next(node for node in run.record.nodes if node.name == "n0").status == "ok"
        if not started:
            return
    pytest.fail(f"{len(started)} nodes of the chain started after the failure")
