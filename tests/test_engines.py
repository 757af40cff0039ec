"""The engines: the plain one decides as Dispatch does; who coordinates; limits of time; going on."""

from __future__ import annotations

import gc
import signal
import threading
import time
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG
from makespan.dispatch import Dispatch, Rules
from makespan.engine.cancelling import canceller, next_attempt
from makespan.engine.crew import crew
from makespan.engine.executor import Execution, Terms, tables_of
from makespan.engine.tables import Tables
from makespan.preparing.prepared import Prepared
from makespan.preparing.program import compile_program
from makespan.testing import VirtualClock, dag_of, random_edges

BUDGETS = [1, 2, 4]


class Broken(Exception):
    pass


def execution_of(made, budget=2, terms=None, ranks=None, callers=frozenset(), groups=(), plain=None):
    """What runs a DAG in its nodes' order, with an engine of one's choice."""
    rules = Rules(made.check(), ranks or list(range(len(made.nodes))), budget, groups, callers=callers)
    program, terms = compile_program(made), terms or Terms()
    tables = None if plain is None else Tables(program, rules, terms.worth, plain=plain)
    return Execution(program, rules, {}, None, terms, tables)


def ran(execution):
    """Run it; return what it kept, or raise what its nodes raised."""
    from makespan.engine.failure import raise_failures

    execution.run()
    if execution.failures:
        raise_failures(execution._program, execution.failures)
    return execution.kept


# -- two engines, one behaviour ------------------------------------------------------------------------------


@st.composite
def plain_dags(draw):
    n = draw(st.integers(1, 14))
    preds = random_edges(n, draw(st.floats(0, 2.5)), seed=draw(st.integers(0, 10_000)))
    waits = [
        [p for p in range(i) if p not in preds[i] and draw(st.integers(0, 9)) == 0] if i < 8 else []
        for i in range(n)
    ]
    return preds, waits, draw(st.permutations(range(n)))


@settings(max_examples=150, deadline=None)
@given(plain_dags())
def test_with_one_thread_the_plain_engine_follows_dispatch(case):
    preds, waits, ranks = case
    order = []

    def node(i):
        return lambda *got: order.append(i) or (i, got)

    made = DAG("waits")
    results = []
    for i, some in enumerate(preds):
        given_to = [results[p] for p in some]
        after = [results[p] for p in waits[i]]
        results.append(made.add(node(i), *given_to, name=f"n{i}", after=after))
    made.returns(results)
    rules = Rules(made.check(), ranks, 1)
    core, expected = Dispatch(rules), []
    while (i := core.next()) is not None:
        expected.append(i)
        core.finish(i)
    values = []
    for plain in (True, False):
        execution = execution_of(made, 1, ranks=ranks, plain=plain)
        values.append(ran(execution))
        assert order == expected
        order.clear()
    assert values[0] == values[1]
    assert sorted(values[0]) == list(range(len(preds)))


@settings(max_examples=60, deadline=None)
@given(plain_dags(), st.integers(2, 4), st.data())
def test_both_engines_start_and_end_each_node_at_the_same_time(case, budget, data):
    preds, _, ranks = case
    n = len(preds)
    lengths = [(data.draw(st.integers(0, 20)) << n) + (1 << i) for i in range(n)]  # no two ends coincide
    seen = []
    for plain in (True, False):
        clock = VirtualClock()
        made = dag_of(preds, lambda i, clock=clock: lambda *_: clock.sleep_ns(lengths[i]))
        prepared = Prepared(made, compile_program(made), Rules(made.check(), ranks, budget), None)
        tables = Tables(prepared.program, prepared.rules, plain=plain)
        trace, execution = clock.run(prepared, tables=tables)
        assert execution.tables.plain is plain
        seen.append((trace.start, trace.end))
    assert seen[0] == seen[1]


def test_a_node_that_takes_a_result_twice_or_beside_constants_gets_all_of_it():
    made = DAG("slots")
    a = made.add(lambda: "a", name="a")
    twice = made.add(lambda *got: got, a, a, name="twice")
    mixed = made.add(lambda *got: got, 1, a, None, name="mixed")
    alone = made.add(lambda *got: got, a, name="alone")
    waits = made.add(lambda *got: got, None, after=[a], name="waits")
    made.returns([twice, mixed, alone, waits, a])
    kept = ran(execution_of(made, 2, plain=True))
    assert kept == {0: "a", 1: ("a", "a"), 2: (1, "a", None), 3: ("a",), 4: (None,)}


def test_tiny_nodes_are_not_handed_over_and_long_ones_are():
    main = threading.get_ident()
    here = []
    made = dag_of([[]] * 30, lambda _: lambda: here.append(threading.get_ident()))
    ran(execution_of(made, 4, Terms(worth=[False] * 30)))
    assert set(here) == {main}
    meet = threading.Barrier(2, timeout=20)
    made = dag_of([[]] * 3, lambda i: (lambda: None) if i == 1 else meet.wait)
    ran(execution_of(made, 2, Terms(worth=[True, False, True])))


# -- the caller coordinates ----------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("timed", [False, True])
def test_who_coordinates_runs_no_nodes(budget, timed):
    idents, most, now, lock = set(), [0], [0], threading.Lock()

    def node(i):
        def work(*got):
            with lock:
                idents.add(threading.get_ident())
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.0005)
            with lock:
                now[0] -= 1
            return i + sum(got)

        return work

    preds = random_edges(30, seed=budget)
    expected = ran(execution_of(dag_of(preds, node), 1))
    idents.clear()
    most[0] = 0
    terms = Terms(timeout_s=100.0 if timed else None, coordinate=True)
    assert ran(execution_of(dag_of(preds, node), budget, terms)) == expected
    assert threading.get_ident() not in idents
    assert most[0] <= budget


@pytest.mark.parametrize("budget", BUDGETS)
def test_nodes_of_the_calling_thread_run_there_and_others_beside_them(budget):
    main = threading.get_ident()
    where = {}

    def node(i):
        def work(*_):
            where[i] = threading.get_ident()
            time.sleep(0.001)

        return work

    preds = random_edges(24, seed=3)
    own = frozenset(range(0, 24, 3))
    ran(execution_of(dag_of(preds, node), budget, callers=own))
    assert all(where[i] == main for i in own)
    assert len(where) == 24
    if budget > 1:
        assert all(where[i] != main for i in where if i not in own)


def test_a_node_of_the_calling_thread_runs_beside_another():
    meet = threading.Barrier(2, timeout=20)
    ran(execution_of(dag_of([[], []], lambda _: meet.wait), 2, callers=frozenset({1})))


def test_start_and_tend_are_what_run_does():
    told = threading.Semaphore(0)
    execution = execution_of(dag_of([[], [0], [1]], lambda i: lambda *got: (i, *got)))
    execution.start(told.release)
    while not execution.over:
        assert told.acquire(timeout=20)
        assert execution.tend() is None
    assert execution.kept == {2: (2, (1, (0,)))}


def test_a_run_without_nodes_is_over_at_once():
    made = DAG("none")
    made.returns([])
    execution = execution_of(made)
    execution.start(lambda: None)
    assert execution.over
    assert ran(execution_of(made, terms=Terms(timeout_s=5.0))) == {}


@pytest.mark.parametrize("budget", BUDGETS)
def test_abandoned_nothing_starts_and_results_are_dropped(budget):
    begun, release, late = threading.Event(), threading.Event(), []

    def slow():
        begun.set()
        release.wait(20)
        return Broken()

    made = DAG("abandoned")
    first = made.add(slow)
    made.add(lambda _: late.append(1), first)
    execution = execution_of(made, budget)
    execution.start(lambda: None)
    assert begun.wait(20)
    execution.abandon(Broken("enough"))
    assert execution.over
    with pytest.raises(Broken, match="enough"):
        execution.tend()
    release.set()
    deadline = time.monotonic() + 20
    while execution.active and time.monotonic() < deadline:
        time.sleep(0.001)
    assert not late
    assert execution.kept == {}


# -- limits of time ------------------------------------------------------------------------------------------


def stuck_node(release, begun=None):
    def sits_here(*_):
        if begun is not None:
            begun.set()
        release.wait(20)

    return sits_here


def test_a_run_whose_time_is_up_says_who_runs_and_where():
    release = threading.Event()
    made = dag_of([[], [], [0]], lambda i: (lambda: 1) if i == 1 else stuck_node(release))
    try:
        with pytest.raises(TimeoutError, match=r"timeout of 0\.05 s; still running: 'n0'") as caught:
            ran(execution_of(made, 2, Terms(timeout_s=0.05)))
        assert len(caught.value.__notes__) == 1
        assert "node 'n0'" in caught.value.__notes__[0]
        assert "sits_here" in caught.value.__notes__[0]
    finally:
        release.set()


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_node_whose_time_is_up_has_failed(budget):
    release = threading.Event()
    late = []
    made = DAG("late")
    stuck = made.add(stuck_node(release), name="stuck")
    made.add(lambda _: late.append(1), stuck)
    try:
        with pytest.raises(TimeoutError, match=r"'stuck' took longer than its timeout of 0\.03 s") as caught:
            ran(execution_of(made, budget, Terms(timeouts_s={0: 0.03})))
        assert any("sits_here" in note for note in caught.value.__notes__)
        assert any(note.startswith("in node 'stuck'") for note in caught.value.__notes__)
    finally:
        release.set()
    assert not late


@pytest.mark.parametrize("budget", BUDGETS)
def test_what_does_not_depend_on_a_late_node_goes_on_even_in_its_place(budget):
    release = threading.Event()
    made = DAG("late")
    stuck = made.add(stuck_node(release), name="stuck")
    made.add(lambda _: 1, stuck, name="dropped")
    other = made.add(lambda: 2, name="other")
    made.add(lambda got: got + 1, other, name="last")
    execution = execution_of(made, budget, Terms(timeouts_s={0: 0.03}, go_on=True))
    try:
        execution.run()
    finally:
        release.set()
    assert execution.kept == {3: 3}
    assert execution.overdue == [0]
    assert execution.dropped == {1: 0}
    [(node, error)] = execution.failures
    assert node == 0
    assert isinstance(error, TimeoutError)


def test_a_late_node_keeps_its_lock_until_it_returns():
    release, order = threading.Event(), []

    def slow():
        release.wait(20)
        order.append("late node returns")

    made = DAG("locked")
    made.add(slow, name="slow", lock="a")
    made.add(lambda: order.append("next"), name="next", lock="a")
    made.add(lambda: time.sleep(0.1) or release.set(), name="other")
    execution = execution_of(made, 2, Terms(timeouts_s={0: 0.02}, go_on=True))
    execution.run()
    assert order == ["late node returns", "next"]
    assert execution.kept == {1: None, 2: None}


def test_what_waits_for_a_lock_that_never_comes_back_does_not_hang_the_run(monkeypatch):
    monkeypatch.setattr("makespan.engine.deadlines.GRACE_S", 0.05)
    release = threading.Event()
    made = DAG("locked")
    made.add(stuck_node(release), name="stuck", lock="a")
    made.add(lambda: 1, name="next", lock="a")
    execution = execution_of(made, 2, Terms(timeouts_s={0: 0.02}, go_on=True))
    try:
        execution.run()
    finally:
        release.set()
    assert execution.kept == {}
    assert [node for node, _ in execution.failures] == [0]


def test_a_node_that_can_be_asked_to_end_is_asked_and_may_try_again():
    attempts = []

    def waits():
        for attempt in range(3):
            if attempt:
                next_attempt()
            woken = threading.Event()
            try:
                with canceller(woken.set) as asked:
                    if attempt == 2:
                        return attempts
                    woken.wait(20)
                    raise Broken
            except TimeoutError:
                attempts.append(asked.timed_out)
        return None

    kept = ran(execution_of(dag_of([[]], lambda _: waits), 2, Terms(timeouts_s={0: 0.02})))
    assert kept == {0: [True, True]}


def test_an_asked_node_that_does_not_try_again_has_failed_in_time():
    def waits():
        woken = threading.Event()
        with canceller(woken.set):
            woken.wait(20)
            raise Broken("killed")

    execution = execution_of(dag_of([[]], lambda _: waits), 2, Terms(timeouts_s={0: 0.02}))
    with pytest.raises(TimeoutError, match="'n0' took longer than its timeout"):
        ran(execution)
    assert execution.overdue == [0]


def test_ctrl_c_asks_running_nodes_to_end():
    main, asked = threading.main_thread().ident, threading.Event()

    def waits():
        with canceller(asked.set):
            signal.pthread_kill(main, signal.SIGINT)
            asked.wait(20)

    with pytest.raises(KeyboardInterrupt):
        ran(execution_of(dag_of([[]], lambda _: waits), 2, Terms(coordinate=True)))
    assert asked.wait(20)


def test_a_node_that_waits_within_a_run_of_its_own_is_asked_too():
    asked = threading.Event()

    def waits():
        with canceller(asked.set):
            asked.wait(20)
            raise Broken

    def outer():
        return ran(execution_of(dag_of([[]], lambda _: waits), 2))

    with pytest.raises(TimeoutError):
        ran(execution_of(dag_of([[]], lambda _: outer), 2, Terms(timeouts_s={0: 0.03})))
    assert asked.is_set()


# -- going on ------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(0, 10_000),
    st.integers(1, 4),
    st.sets(st.integers(0, 11)),
    st.booleans(),
)
def test_what_does_not_depend_on_a_failure_runs(n, seed, budget, bad, locked):
    preds = random_edges(n, seed=seed)
    order = []

    def node(i):
        def work(*_):
            order.append(i)
            if i in bad:
                raise Broken(i)
            return i

        return work

    lost = {}
    for i in range(n):
        if any(p in bad or p in lost for p in preds[i]):
            lost[i] = True
    failing = sorted(i for i in range(n) if i in bad and i not in lost)
    made = dag_of(preds, node, lock=lambda i: "a" if locked and i % 2 else ())
    execution = execution_of(made, budget, Terms(go_on=True))
    execution.run()
    assert sorted(order) == [i for i in range(n) if i not in lost]
    assert sorted(i for i, _ in execution.failures) == failing
    assert set(execution.dropped) == set(lost)
    assert set(execution.dropped.values()) <= set(failing)
    sinks = set(range(n)) - {p for some in preds for p in some}
    assert execution.kept == {i: i for i in sorted(sinks - set(lost) - set(failing))}


# -- helpers -------------------------------------------------------------------------------------------------


def settled():
    """Wait until no helper is at work; return how many there are."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with crew._lock:
            if len(crew._idle) == crew._size and not crew._written_off:
                return crew._size
        time.sleep(0.002)
    raise AssertionError("helpers did not come back")


def test_a_stuck_node_takes_no_helper_from_other_runs():
    release, begun = threading.Event(), threading.Event()
    settled()
    execution = execution_of(dag_of([[]] * 2, lambda _: stuck_node(release, begun)), 2, Terms(timeout_s=0.05))
    try:
        with pytest.raises(TimeoutError):
            execution.run()
        meet = threading.Barrier(2, timeout=20)
        for _ in range(3):
            ran(execution_of(dag_of([[], []], lambda _: meet.wait), 2))
    finally:
        release.set()
    assert settled() <= crew.most


def test_runs_that_coordinate_do_not_wait_for_each_others_nodes():
    """Each has a helper of its own at least, whatever the others are at."""
    settled()
    meet = threading.Barrier(6, timeout=20)
    runs = [execution_of(dag_of([[]], lambda _: meet.wait), 1, Terms(coordinate=True)) for _ in range(6)]
    threads = [threading.Thread(target=run.run) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert all(run.over for run in runs)
    assert settled() <= crew.most


def test_a_helper_leaves_a_long_run_when_another_waits(monkeypatch):
    monkeypatch.setattr("makespan.engine.plain.STINT_S", 0.0)
    settled()
    with crew._lock:
        idle, saved = crew._idle[:], (crew._size, crew.most)
        crew._idle.clear()
        crew._size, crew.most = 0, 1
    over = threading.Event()
    try:
        long = dag_of([[]] * 4000, lambda _: lambda: over.is_set() or time.sleep(0.001))
        busy = threading.Thread(target=execution_of(long, 2).run)
        busy.start()
        meet = threading.Barrier(2, timeout=20)
        ran(execution_of(dag_of([[], []], lambda _: meet.wait), 2))  # needs the only helper
        over.set()
        busy.join(20)
        assert not busy.is_alive()
    finally:
        over.set()
        with crew._lock:
            crew._idle += idle
            crew._size, crew.most = saved[0] + crew._size, max(saved[1], 1)


@pytest.mark.parametrize("terms", [Terms(), Terms(go_on=True), Terms(timeout_s=50.0)])
def test_a_failed_run_keeps_no_value_alive(terms):
    class Big:
        pass

    alive = weakref.WeakSet()

    def make():
        big = Big()
        alive.add(big)
        return big

    def fail():
        raise Broken

    made = DAG("fails")
    big = made.add(make)
    made.add(lambda *_: None, big, made.add(fail))
    execution = execution_of(made, 2, terms)
    gc.disable()
    try:
        with pytest.raises(Broken) as caught:
            ran(execution)
        assert not alive
        del caught
    finally:
        gc.enable()


def test_no_thread_to_be_had_who_coordinates_does_the_work(monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    settled()
    saved = crew._idle[:], crew._size
    crew._idle[:], crew._size = [], 0
    try:
        preds = random_edges(20, seed=2)
        expected = ran(execution_of(dag_of(preds, lambda i: lambda *got: (i, *got)), 1))
        for terms in (Terms(coordinate=True), Terms(timeout_s=50.0)):
            made = dag_of(preds, lambda i: lambda *got: (i, *got))
            assert ran(execution_of(made, 3, terms)) == expected
    finally:
        crew._idle[:], crew._size = saved
    assert tables_of(compile_program(made), Rules(made.check(), list(range(20)), 3)).plain
