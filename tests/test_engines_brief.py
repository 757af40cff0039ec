"""Runs that are thought to be brief: their caller begins alone, and gets help when it does not get on."""

from __future__ import annotations

import gc
import os
import random
import threading
import time
import weakref

import pytest

from makespan.engine import solo
from makespan.engine.executor import Execution, Terms, tables_of
from makespan.engine.pace import Pace
from makespan.engine.tables import Tables
from makespan.engine.watching import watcher
from makespan.preparing.program import compile_program
from makespan.rules import Rules
from makespan.testing import dag_of, random_edges

pytestmark = pytest.mark.skipif(not solo.POSSIBLE, reason="needs the interpreter's lock")


class Brief:
    """A DAG whose runs begin without help."""

    def __init__(self, made, budget=2, *, terms=None, plain=True):
        self.program = compile_program(made)
        self.rules = Rules(made.check(), list(range(len(made.nodes))), budget)
        self.terms = terms or Terms()
        self.tables = Tables(self.program, self.rules, plain=plain)
        self.tables.pace.brief = True

    def execution(self):
        return Execution(self.program, self.rules, {}, None, self.terms, self.tables)

    def run(self):
        execution = self.execution()
        execution.run()
        assert not execution.failures
        return execution.kept


@pytest.mark.parametrize("plain", [True, False])
def test_nodes_that_wait_for_each_other_get_help(plain):
    meet = threading.Barrier(2, timeout=20)
    quick = lambda *_: None
    made = dag_of([[], [0], [0], [1, 2], [3]], lambda i: (lambda *_: meet.wait()) if i in {1, 2} else quick)
    brief = Brief(made, plain=plain)
    assert brief.run() == {4: None}
    assert not brief.tables.pace.brief


@pytest.mark.parametrize("plain", [True, False])
def test_what_becomes_ready_after_help_was_looked_for_is_offered(plain):
    """Nothing is ready while the first node takes its time; then two wait for each other."""
    meet = threading.Barrier(2, timeout=20)
    made = dag_of([[], [0], [0]], lambda i: (lambda *_: meet.wait()) if i else lambda: time.sleep(0.02))
    assert len(Brief(made, plain=plain).run()) == 2


@pytest.mark.parametrize("plain", [True, False])
def test_help_at_any_moment_runs_each_node_once(plain):
    rng = random.Random(7)
    for seed in range(60):
        n = rng.randrange(2, 30)
        preds = random_edges(n, 1.6, seed=seed)
        seen, slow = [], set(rng.sample(range(n), min(n, 2)))

        def node(i, seen=seen, slow=slow):
            def work(*got):
                if i in slow:
                    time.sleep(0.002)
                seen.append(i)
                return (i, *got)

            return work

        made = dag_of(preds, node)
        kept = Brief(made, 3, plain=plain).run()
        assert sorted(seen) == list(range(n))
        values = []
        for i in range(n):
            values.append((i, *(values[p] for p in preds[i])))
        assert kept == {i: values[i] for i in kept}


def test_whoever_takes_over_at_any_node_leaves_nothing_out():
    """Without the watcher: after each node in turn, from within it."""
    preds = random_edges(12, 1.8, seed=5)
    for at in range(12):
        seen, runs = [], []

        def node(i, at=at, seen=seen, runs=runs):
            def work(*_):
                seen.append(i)
                if i == at:
                    runs[0].relieve()

            return work

        brief = Brief(dag_of(preds, node), 4)
        runs.append(brief.execution())
        runs[0].run()
        assert sorted(seen) == list(range(12))
        assert runs[0].over
        runs.clear()


@pytest.mark.parametrize("taken", [False, True])
def test_a_node_that_raises_stops_a_brief_run(taken):
    seen, runs = [], []

    def fails(*_):
        if taken:
            runs[0].relieve()
        raise ZeroDivisionError

    brief = Brief(dag_of([[], [0], [1], [2]], lambda i: fails if i == 1 else lambda *_: seen.append(i)))
    runs.append(brief.execution())
    runs[0].run()
    [(node, error)] = runs[0].failures
    assert (node, type(error)) == (1, ZeroDivisionError)
    assert seen == [0]
    runs.clear()


def test_a_lone_worker_follows_the_ranks():
    seen = []
    preds = random_edges(30, 1.6, seed=3)
    brief = Brief(dag_of(preds, lambda i: lambda *_: seen.append(i)))
    brief.run()
    first, seen[:] = seen[:], []
    brief.tables.pace.brief = False
    alone = Execution(brief.program, brief.rules, {}, None, brief.terms, brief.tables)
    alone.spare = False  # nobody is called
    alone._engine(helping=False)
    assert seen == first


def test_brief_is_learned_and_unlearned():
    pace = Pace(10)
    assert not pace.brief
    pace.ended(1.0, crowded=False)
    assert not pace.brief
    pace.ended(1e-6, crowded=False)
    assert pace.brief
    for _ in range(100):
        pace.ended(1.0, crowded=True)  # others kept it from running
    assert pace.brief
    for _ in range(7):
        pace.ended(1.0, crowded=False)
    pace.ended(1e-6, crowded=False)
    pace.ended(1.0, crowded=False)
    assert pace.brief
    for _ in range(7):
        pace.ended(1.0, crowded=False)
    assert not pace.brief
    pace.ended(1e-6, crowded=False)
    assert pace.brief
    quick = 0
    for expected in (2, 4, 8):  # each time that it was wrong it takes longer to believe
        pace.helped()
        quick = 0
        while not pace.brief:
            pace.ended(1e-6, crowded=False)
            quick += 1
        assert quick == expected


def test_runs_learn_by_themselves():
    made = dag_of([[], [0], [0], [1, 2]], lambda _: lambda *_: None)
    prepared = made.prepare(threads=2)
    for _ in range(200):
        prepared()
        if prepared._tables.pace.brief:
            break
    assert prepared._tables.pace.brief


def test_who_coordinates_calls_help_at_once():
    meet = threading.Barrier(2, timeout=20)
    brief = Brief(dag_of([[], []], lambda _: meet.wait), terms=Terms(coordinate=True))
    execution = brief.execution()
    execution.run()
    assert execution.over
    assert brief.tables.pace.brief  # nobody had to help


def test_the_watcher_keeps_no_run_alive():
    class Big:
        pass

    alive = weakref.WeakSet()

    def make(*_):
        big = Big()
        alive.add(big)
        return big

    brief = Brief(dag_of([[], [], [0, 1]], lambda _: make))
    gc.disable()
    try:
        for _ in range(50):
            brief.tables.pace.brief = True
            kept = brief.run()
            assert len(alive) == 1
            del kept
            deadline = time.monotonic() + 5
            while alive and time.monotonic() < deadline:  # for the length of a look, at most
                time.sleep(0.0002)
            assert not alive
    finally:
        gc.enable()


def test_a_parked_watcher_is_woken():
    meet = threading.Barrier(2, timeout=20)
    for _ in range(2):
        assert len(Brief(dag_of([[], []], lambda _: meet.wait)).run()) == 2
        deadline = time.monotonic() + 20
        while watcher._awake and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not watcher._awake


def test_without_a_thread_for_the_watcher_helpers_are_asked(monkeypatch):
    fresh = type(watcher)()
    monkeypatch.setattr("makespan.engine.workers.watcher", fresh)
    Brief(dag_of([[]] * 3, lambda _: lambda: None), 3).run()
    fresh._thread = None  # the one that there is goes
    deadline = time.monotonic() + 20
    fresh._awake = False
    start = threading.Thread.start

    def refuse(thread):
        if thread.name == "makespan-helper-watch":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    meet = threading.Barrier(2, timeout=20)
    assert len(Brief(dag_of([[], []], lambda _: meet.wait)).run()) == 2
    assert time.monotonic() < deadline


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_a_watcher_of_its_own():
    Brief(dag_of([[]] * 3, lambda _: lambda: None)).run()  # there is one here
    child = os.fork()
    if not child:
        code = 1
        try:
            meet = threading.Barrier(2, timeout=10)
            code = 0 if len(Brief(dag_of([[], []], lambda _: meet.wait)).run()) == 2 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_both_engines_tell_how_far_they_are():
    for plain in (True, False):
        seen, runs = set(), []
        brief = Brief(dag_of([[]] * 5, lambda _: lambda: seen.add(runs[0].left())), plain=plain)  # noqa: B023
        runs.append(brief.execution())
        runs[0].run()
        assert len(seen) == 5
    assert tables_of(brief.program, brief.rules).plain
