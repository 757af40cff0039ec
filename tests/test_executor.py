"""Runs with real threads: results, errors, Ctrl-C, context variables, lifetimes, concurrency."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG, dag, node
from makespan.dispatch import Rules
from makespan.engine.crew import crew
from makespan.engine.executor import Execution
from makespan.preparing.program import compile_program
from makespan.testing import dag_of, random_edges
from tests.leaks import open_descriptors

BUDGETS = [1, 2, 3, 4]


class Watch:
    """Nodes that note who runs beside whom."""

    def __init__(self):
        self.lock = threading.Lock()
        self.now = set()
        self.most = 0
        self.overlaps = set()
        self.order = []

    def node(self, i, pause=0.0):
        def work(*got):
            with self.lock:
                self.order.append(i)
                self.overlaps |= {frozenset((i, j)) for j in self.now}
                self.now.add(i)
                self.most = max(self.most, len(self.now))
            if pause:
                time.sleep(pause)
            with self.lock:
                self.now.remove(i)
            return (i, *got)

        return work


def sequential(preds):
    values = []
    for i, some in enumerate(preds):
        values.append((i, *[values[p] for p in some]))
    last = set(range(len(preds))) - {p for some in preds for p in some}
    return {f"n{i}": values[i] for i in sorted(last)}


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 12),
    seed=st.integers(0, 10_000),
    budget=st.integers(1, 4),
    locks=st.lists(st.sets(st.sampled_from("ab")), min_size=12, max_size=12),
    alone=st.sets(st.integers(0, 11), max_size=2),
    order=st.randoms(use_true_random=False),
)
def test_any_order_gives_the_sequential_result_within_the_rules(n, seed, budget, locks, alone, order):
    preds = random_edges(n, seed=seed)
    watch = Watch()
    made = dag_of(
        preds, lambda i: watch.node(i, 0.0003), lock=lambda i: locks[i], exclusive=lambda i: i in alone
    )
    ranks = list(range(n))
    order.shuffle(ranks)
    program = compile_program(made)
    execution = Execution(program, Rules(made.check(), ranks, budget), {})
    execution.run()
    assert program.output(execution.kept, {}) == sequential(preds)
    assert sorted(watch.order) == list(range(n))
    assert watch.most <= budget
    for i, j in map(tuple, watch.overlaps):
        assert not locks[i] & locks[j]
        assert not {i, j} & alone
    position = {i: at for at, i in enumerate(watch.order)}
    assert all(position[p] < position[i] for i in range(n) for p in preds[i])


@pytest.mark.parametrize("budget", BUDGETS)
def test_twice_on_the_same_object(budget):
    preds = random_edges(60, seed=budget)
    made = dag_of(preds, lambda i: Watch().node(i))
    assert made.prepare(threads=budget)() == made.prepare(threads=budget)() == sequential(preds)


def test_one_thread_follows_the_ranks_exactly():
    watch = Watch()
    made = dag_of([[], [], [0], [1]], watch.node)
    Execution(compile_program(made), Rules(made.check(), [3, 1, 0, 2], 1), {}).run()
    assert watch.order == [1, 3, 0, 2]


def test_independent_nodes_overlap():
    meet = threading.Barrier(3, timeout=10)
    made = dag_of([[], [], []], lambda _: lambda: meet.wait() >= 0)
    assert made.prepare(threads=3)() == {"n0": True, "n1": True, "n2": True}


class Broken(Exception):
    pass


class Falsy(Exception):
    def __bool__(self):
        return False


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("error", [Broken("no"), Falsy("no"), SystemExit(3), StopIteration(1)])
def test_a_failure_arrives_as_the_users_own_object_with_a_note(budget, error):
    def fail(_):
        raise error

    made = DAG("fails")
    first = made.add(lambda: 1, name="first")
    made.add(fail, first, name="broken")
    for _ in range(2):
        with pytest.raises(type(error)) as caught:
            made.prepare(threads=budget)()
        assert caught.value is error
        assert len(error.__notes__) == 1  # not one more for each run
        assert "in node 'broken'" in error.__notes__[0]
        assert "test_executor.py:" in error.__notes__[0]
        assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "fail"


@pytest.mark.parametrize("budget", BUDGETS)
def test_nothing_new_starts_after_a_failure(budget):
    watch = Watch()

    def fail():
        raise Broken

    made = DAG("fails")
    bad = made.add(fail, name="bad", hint_s=1000)
    for i in range(20):
        made.add(watch.node(i), name=f"after_{i}", after=[bad])
    with pytest.raises(Broken):
        made.prepare(threads=budget)()
    assert watch.order == []


def test_several_failures_arrive_in_a_group_in_node_order():
    meet = threading.Barrier(2, timeout=10)

    def fail(i):
        def work():
            meet.wait()
            raise Broken(i)

        return work

    made = dag_of([[], []], fail)
    with pytest.raises(ExceptionGroup) as caught:
        made.prepare(threads=2)()
    assert [error.args for error in caught.value.exceptions] == [(0,), (1,)]
    assert "in node 'n0'" in caught.value.exceptions[0].__notes__[0]
    assert "2 nodes" in str(caught.value)


def test_what_runs_is_finished_before_a_failure_is_raised():
    started, ended = threading.Event(), threading.Event()

    def slow():
        started.set()
        time.sleep(0.05)
        ended.set()

    def fail():
        started.wait(10)
        raise Broken

    made = dag_of([[], []], lambda i: [slow, fail][i])
    with pytest.raises(Broken):
        made.prepare(threads=2)()
    assert ended.is_set()


@pytest.mark.parametrize("budget", [2, 3])
@pytest.mark.parametrize("asleep", ["in a node", "waiting for helpers", "coordinating"])
def test_one_ctrl_c_is_enough(budget, asleep):
    main = threading.main_thread().ident
    release = threading.Event()
    starts = []

    def wait_in_main():
        starts.append("caller" if threading.get_ident() == main else "a helper took it")
        if asleep != "waiting for helpers":
            deadline = time.monotonic() + 20
            while not release.wait(0.01) and time.monotonic() < deadline:
                pass

    def interrupt():
        starts.append("helper")
        time.sleep(0.05)
        signal.pthread_kill(main, signal.SIGINT)
        release.wait(10)

    made = DAG("interrupted")
    # The most urgent: the caller takes it, unless it takes so long that the caller coordinates.
    made.add(wait_in_main, hint_s=100 if asleep == "coordinating" else 0.4)
    stop = made.add(interrupt, hint_s=0.1)
    for i in range(5):
        made.add(lambda _: starts.append("late"), stop, name=f"late_{i}")
    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        made.run(threads=budget)
    took = time.monotonic() - before
    release.set()
    assert took < 8  # it did not wait for the node that was still running
    assert sorted(starts) == ["a helper took it" if asleep == "coordinating" else "caller", "helper"]
    assert made.prepare(threads=1).threads == 1  # the DAG is still usable


def test_an_interrupted_run_is_recorded():
    main = threading.main_thread().ident

    def interrupt():
        signal.pthread_kill(main, signal.SIGINT)
        time.sleep(5)

    made = DAG("interrupted")
    made.add(lambda _: None, made.add(interrupt), name="late")
    run = made.prepare(threads=1).run()
    assert isinstance(run.error, KeyboardInterrupt)
    assert run.record.status == "interrupted"
    assert run.record.not_started == ("late",)
    assert [n.status for n in run.record.nodes] == ["unfinished"]


@pytest.mark.parametrize("budget", BUDGETS)
def test_context_variables_reach_each_node_and_do_not_leak(budget):
    variable = contextvars.ContextVar("variable", default="unset")
    token = variable.set("outside")

    def work(*_):
        seen = variable.get()
        variable.set("leaked")
        return seen

    made = dag_of(random_edges(30, seed=1), lambda _: work)
    assert set(made.prepare(threads=budget)().values()) == {"outside"}
    assert variable.get() == "outside"
    variable.reset(token)


@pytest.mark.parametrize("budget", [1, 2])
def test_a_value_is_dropped_after_its_last_use(budget):
    class Big:
        pass

    alive = weakref.WeakSet()
    most = []

    def make(*_):
        big = Big()
        alive.add(big)
        most.append(len(alive))
        return big

    made = dag_of([[], *[[i] for i in range(49)]], lambda _: make)
    made.prepare(threads=budget)()
    gc.collect()
    assert max(most) <= 2
    assert not alive


def test_values_are_passed_by_identity_and_never_looked_at():
    class Hostile:
        def _refuse(self, *_):
            raise AssertionError("looked at")

        __eq__ = __bool__ = __len__ = __iter__ = __str__ = __repr__ = __copy__ = __deepcopy__ = _refuse
        __hash__ = None

    value = Hostile()
    made = DAG("hostile")
    x = made.input("x")
    y = made.add(lambda got: got, x, name="same")
    made.returns(made.add(lambda got, *, inside: (got, inside), y, kwargs={"inside": [{"k": y}]}))
    got, inside = made(value)
    assert got is value
    assert inside[0]["k"] is value


def test_constants_are_shared_not_copied():
    constant = [1, 2]
    made = DAG("constant")
    made.returns(
        [
            made.add(lambda got: got, constant),
            made.add(lambda got, _: got, constant, made.ref("f")),
            made.add(lambda: 0, name="f"),
        ]
    )
    assert made()[0] is constant
    assert made()[1] is constant


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_node_may_run_a_dag_even_its_own_at_any_budget(budget):
    running = set()
    most = []
    lock = threading.Lock()

    def enter():
        with lock:
            running.add(threading.get_ident())
            most.append(len(running))
        time.sleep(0.001)
        with lock:
            running.discard(threading.get_ident())

    made = DAG("nested")
    depth = made.input("depth")

    def again(depth):
        enter()
        return depth if depth == 0 else made.prepare(threads=budget)(depth - 1)

    made.returns([made.add(again, depth), made.add(again, depth)])
    assert made.prepare(threads=budget)(3) == [[[[0, 0], [0, 0]], [[0, 0], [0, 0]]]] * 2
    assert max(most) <= budget


def test_one_dag_from_eight_threads_at_once():
    preds = random_edges(40, seed=8)

    def work(i):
        return lambda *got: (time.sleep(0.0001), (i, *got))[1]

    made = dag_of(preds, work)
    expected = sequential(preds)
    wrong = []

    def client():
        for _ in range(10):
            if made.prepare(threads=3)() != expected:
                wrong.append(1)

    clients = [threading.Thread(target=client) for _ in range(8)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join(60)
    assert not wrong
    assert not any(thread.is_alive() for thread in clients)


def test_a_run_that_found_no_helper_free_gets_the_next_one():
    """Two callers, one helper between them: the second run's ready node must not wait for its own caller."""
    first_helper_busy, release_helper, second_done = threading.Event(), threading.Event(), threading.Event()
    saved = (crew._size, crew.most)
    crew._lock.acquire()
    idle = crew._idle[:]
    crew._idle.clear()
    crew._size, crew.most = 0, 1
    crew._lock.release()
    try:
        meet = threading.Barrier(2, timeout=10)

        def hold():
            if threading.current_thread().name.startswith("makespan-helper"):
                first_helper_busy.set()
                release_helper.wait(10)
            else:
                first_helper_busy.wait(10)

        one = dag_of([[], []], lambda _: hold)
        two = dag_of([[], []], lambda _: lambda: meet.wait() >= 0)
        caller_one = threading.Thread(target=one.prepare(threads=2))
        caller_two = threading.Thread(target=lambda: (two.prepare(threads=2)(), second_done.set()))
        caller_one.start()
        assert first_helper_busy.wait(10)
        caller_two.start()
        time.sleep(0.02)
        release_helper.set()
        assert second_done.wait(10)
        caller_one.join(10)
        caller_two.join(10)
    finally:
        with crew._lock:
            crew._idle += idle
            crew._size, crew.most = saved[0] + crew._size, max(saved[1], 1)


def test_a_run_that_is_over_is_not_kept_waiting_for_a_helper():
    class Big:
        pass

    busy, release = threading.Event(), threading.Event()
    alive = weakref.WeakSet()

    def hold():
        if threading.current_thread().name.startswith("makespan-helper"):
            busy.set()
            release.wait(10)
        else:
            busy.wait(10)

    def make(*_):
        big = Big()
        alive.add(big)
        return big

    with crew._lock:
        idle, saved = crew._idle[:], (crew._size, crew.most)
        crew._idle.clear()
        crew._size, crew.most = 0, 1
    caller = threading.Thread(target=dag_of([[], []], lambda _: hold).prepare(threads=2))
    try:
        caller.start()
        assert busy.wait(10)
        short = dag_of([[], []], lambda _: make).prepare(threads=2)
        for _ in range(20):
            short()
        gc.collect()
        assert not crew._queue
        assert not alive
    finally:
        release.set()
        caller.join(10)
        with crew._lock:
            crew._idle += idle
            crew._size, crew.most = saved[0] + crew._size, max(saved[1], 1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_at_any_moment_loses_no_helper():
    # When it comes in a callback of the collector's or of a weak reference, Python prints and forgets it.
    main = threading.main_thread().ident
    made = dag_of([[]] * 12, lambda _: lambda: None).prepare(threads=3)
    made()
    armed, over = [False], [False]  # no events: Ctrl-C within their methods would leave them locked

    def press():
        import random

        rng = random.Random(4)
        while not over[0]:
            time.sleep(rng.uniform(0.0003, 0.004))
            if armed[0]:
                armed[0] = False
                signal.pthread_kill(main, signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    caught = 0
    deadline = time.monotonic() + 1.5

    def run_on():
        while time.monotonic() < deadline:
            armed[0] = True
            for _ in range(200):
                made()

    try:
        while True:
            try:
                run_on()
                break
            except KeyboardInterrupt:
                caught += 1
    finally:
        while True:
            try:
                armed[0], over[0] = False, True
                presser.join()
                break
            except KeyboardInterrupt:
                continue
    assert caught > 20
    deadline = time.monotonic() + 10
    while len(crew._idle) < crew._size and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(crew._idle) == crew._size
    assert not crew._queue
    assert made() == {f"n{i}": None for i in range(12)}


def test_a_fault_outside_any_node_ends_the_run(monkeypatch):
    """A helper that finds no memory for another thread must not leave the caller waiting."""
    started = threading.Event()

    def refuse(_, work):
        if threading.current_thread() is not threading.main_thread():
            raise MemoryError
        return real(work)

    real = crew.call
    monkeypatch.setattr(type(crew), "call", refuse)

    def wait(*_):
        started.wait(0.05)

    made = dag_of([[], [], [], []], lambda _: wait).prepare(threads=3)
    with pytest.raises(MemoryError):
        made()


def test_a_failed_run_does_not_keep_values_alive():
    class Big:
        pass

    alive = weakref.WeakSet()

    def make():
        big = Big()
        alive.add(big)
        return big

    def fail(_):
        raise Broken

    made = DAG("fails")
    big = made.add(make, hint_s=9)
    made.add(lambda *_: None, big, made.add(fail, big))
    run = made.prepare(threads=1).run()
    assert isinstance(run.error, Broken)
    gc.collect()
    assert len(alive) <= 1  # the frame of `fail` itself holds its argument
    run = None
    gc.collect()
    assert not alive


def test_the_record_is_of_the_dag_that_ran():
    made = DAG("grows")
    made.add(abs, -1, name="a")
    prepared, before = made.prepare(threads=1), made.fingerprint
    made.add(abs, -2, name="b")
    record = prepared.run().record
    assert (record.dag.fingerprint, [n.name for n in record.nodes]) == (before, ["a"])


def test_inside_a_running_event_loop():
    async def main():
        return dag_of([[], [0]], lambda i: Watch().node(i))()

    assert asyncio.run(main()) == {"n1": (1, (0,))}


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_after_a_fork():
    made = dag_of([[], []], lambda i: Watch().node(i, 0.001))
    made.prepare(threads=2)()
    pid = os.fork()
    if not pid:
        meet = threading.Barrier(2, timeout=10)
        code = 1
        try:
            dag_of([[], []], lambda _: lambda: meet.wait()).prepare(threads=2)()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_the_interpreter_ends_with_helpers_parked_and_with_a_run_in_a_thread():
    code = (
        "import threading, time\n"
        "from makespan import DAG\n"
        "d = DAG('d')\n"
        "for i in range(8): d.add(time.sleep, 0.01)\n"
        "d.prepare(threads=4)()\n"
        "threading.Thread(target=d.prepare(threads=4), daemon=True).start()\n"
        "print('end')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")


def test_no_thread_to_be_had_the_caller_does_all_the_work(monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    saved = crew._idle[:], crew._size
    crew._idle[:], crew._size = [], 0
    try:
        preds = random_edges(20, seed=2)
        assert dag_of(preds, lambda i: Watch().node(i)).prepare(threads=4)() == sequential(preds)
    finally:
        crew._idle[:], crew._size = saved


def test_threads_descriptors_and_memory_do_not_grow():
    def fail(i):
        if i == 7:
            raise Broken

    good = dag_of(random_edges(20, seed=3), lambda i: lambda *_: [i] * 10)
    bad = dag_of(random_edges(20, seed=3), lambda i: lambda *_: fail(i))

    def rounds(count):
        for _ in range(count):
            good.run(threads=4)
            with pytest.raises(Broken):
                bad.run(threads=4)

    rounds(20)
    gc.collect()
    threads, files, objects = threading.active_count(), open_descriptors(), len(gc.get_objects())
    rounds(150)
    gc.collect()
    assert threading.active_count() <= threads
    assert open_descriptors() == files
    assert len(gc.get_objects()) < objects + 300


def test_tens_of_thousands_in_a_chain():
    """No recursion, and nothing that grows with the square: that would take minutes."""
    n = 30_000
    made = DAG("chain")
    value = made.add(lambda: 0, name="start")
    for i in range(n):
        value = made.add(lambda x: x + 1, value, name=f"n{i}")
    made.returns(value)
    for budget in (1, 2):
        assert made.prepare(threads=budget)() == n


def test_described_functions_run_with_every_kind_of_argument():
    @node
    def pair(x) -> tuple[int, int]:
        return x, x + 1

    @node
    def show(*args, **kwargs):
        return args, kwargs

    @dag
    def both(x, *, y=5):
        a, b = pair(x)
        deep = show([a, {"b": (b, 7)}], key=pair(y)[1])
        return {"deep": deep, "input": x, "list": [a, b]}

    for budget in BUDGETS:
        got = both.prepare(threads=budget)(1)
        assert got == {"deep": (([1, {"b": (2, 7)}],), {"key": 6}), "input": 1, "list": [1, 2]}
    assert both(1, y=8)["deep"][1] == {"key": 9}


def test_an_error_while_indexing_a_result_belongs_to_the_node_that_takes_it():
    made = DAG("index")
    made.add(abs, made.add(dict, name="empty")["missing"], name="taker")
    with pytest.raises(KeyError) as caught:
        made()
    assert "in node 'taker'" in caught.value.__notes__[0]


def test_the_record_says_what_started_when_and_where():
    made = dag_of([[], [], [0, 1]], lambda i: lambda *_: time.sleep(0.002))
    run = made.run(threads=2)
    record = run.record
    assert record.status == "ok"
    assert {n.name for n in record.nodes} == {"n0", "n1", "n2"}
    assert [n.start_s for n in record.nodes] == sorted(n.start_s for n in record.nodes)
    ends = {n.name: n.end_s for n in record.nodes}
    assert record.nodes[-1].start_s >= max(ends["n0"], ends["n1"])
    assert record.makespan_s >= max(ends.values())
    assert {n.thread for n in record.nodes} <= {0, 1}
    assert record.nodes[-1].after == ("n0", "n1")


@pytest.mark.parametrize("seed", range(6))
def test_stress_with_random_delays(seed):
    import random

    rng = random.Random(seed)
    preds = random_edges(150, degree=2.2, seed=seed)
    delays = [rng.choice([0, 0, 0, 0.0001, 0.0007]) for _ in preds]
    watch = Watch()
    made = dag_of(
        preds,
        lambda i: watch.node(i, delays[i]),
        lock=lambda i: rng.sample("abcd", rng.choice([0, 0, 1, 2])),
        exclusive=lambda _: rng.random() < 0.03,
    )
    assert made.prepare(threads=4)() == sequential(preds)
    assert watch.most <= 4
