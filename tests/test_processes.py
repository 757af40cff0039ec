"""Nodes in worker processes: the same results, warm workers, nothing left behind."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import makespan
from makespan import DAG, DescribeError, MissingExtraError, OptionError, PlanError, WorkerError, dag, node
from makespan.processes import configure
from makespan.processes.pool import pool
from makespan.testing import dag_of, random_edges
from tests import jobs
from tests.leaks import open_descriptors
from tests.worker_tools import children, exists, workers

__all__ = ["workers"]
pytestmark = pytest.mark.usefixtures("workers")


def plus(k):
    return lambda x: x + k


def one(fn, *args, **options):
    made = DAG("one")
    made.returns(made.add(fn, *args, name="x", mode="process", **options))
    return made


@given(st.integers(0, 10**6), st.integers(1, 9), st.sampled_from([1, 2, 4]), st.booleans(), st.data())
@settings(deadline=None, max_examples=25)
def test_random_dags_return_the_same(seed, n, threads, traced, data):
    preds = random_edges(n, seed=seed)
    there = data.draw(st.sets(st.integers(0, n - 1)))
    made = dag_of(
        preds,
        lambda i: functools.partial(jobs.total, i),
        mode=lambda i: "process" if i in there else "thread",
    )
    plain = dag_of(preds, lambda i: functools.partial(jobs.total, i))
    fast = made.prepare(threads=threads)
    for _ in range(2):
        assert (fast.run().result if traced else fast()) == plain()


def test_the_record_says_where_a_node_ran():
    made = DAG("both")
    there = made.add(jobs.where, name="there", mode="process")
    made.returns((there, made.add(jobs.where, there, name="here")))
    run = made.run()
    assert run.result[0] != os.getpid() == run.result[1]
    its = {n.name: n.process for n in run.record.nodes}
    assert its == {"there": 0, "here": None}


def test_a_worker_is_kept_warm_and_used_again():
    assert len({one(jobs.where)() for _ in range(5)}) == 1


def test_nodes_at_once_are_in_different_workers():
    made = DAG("two")
    made.returns([made.add(jobs.sleeps, 0.2, mode="process"), made.add(jobs.where, mode="process")])
    first, second = made.prepare(threads=2).run(), one(jobs.where)()
    assert len({n.process for n in first.record.nodes}) == 2
    assert isinstance(second, int)


def test_more_nodes_than_workers_wait_for_one():
    made = DAG("many")
    made.returns([made.add(jobs.where, mode="process", name=f"n{i}") for i in range(12)])
    pids = made.prepare(threads=8)()
    assert 1 <= len(set(pids)) <= 2
    assert len(children()) <= 2


def test_a_node_under_a_decorator_is_sent_by_its_name():
    @dag
    def squares(x):
        return jobs.square(jobs.square(x))

    assert squares(3) == 81


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: x + 1,
        functools.partial(lambda x, y: x + y, y=1),
        plus(1),
        (1).__add__,
    ],
    ids=["lambda", "partial", "closure", "method"],
)
def test_functions_that_have_no_name(fn):
    assert one(fn, 41)() == 42


@pytest.mark.parametrize("size", [10, 200_000, 3_000_000])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_arrive_as_they_are(size, order):
    array = np.asarray(np.arange(size, dtype=float).reshape(2, -1), order=order)
    came = one(jobs.same, array)()
    assert np.array_equal(came, array)
    assert came.dtype == array.dtype
    assert came.flags.writeable
    assert came.flags.f_contiguous == array.flags.f_contiguous


def test_what_a_worker_changes_is_its_own_copy():
    for size in (10, 1_000_000):
        array = np.zeros(size)
        came = one(jobs.writes, array)()
        assert (array[0], came[0]) == (0, -1)
    fixed = np.zeros(1_000_000)
    fixed.flags.writeable = False
    assert not one(jobs.same, fixed)().flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        one(jobs.writes, fixed)()


def test_large_results_hold_no_descriptor():
    fast = one(jobs.same, np.ones(300_000)).prepare()
    fast()
    gc.collect()
    before = len(open_descriptors())
    held = [fast() for _ in range(30)]
    assert len(open_descriptors()) == before
    assert all(array[-1] == 1 for array in held)


def test_memory_of_large_results_goes_with_them():
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    fast = one(jobs.same, np.ones(2_000_000)).prepare()
    fast()
    before = resident()
    for _ in range(20):
        fast()
    assert resident() - before < 64_000_000  # 20 results have 320 MB


def test_nothing_leaks_over_a_hundred_runs():
    fast = one(jobs.where).prepare()
    fast()
    before, threads = open_descriptors(), threading.active_count()
    known = children()
    assert len({fast() for _ in range(100)}) == 1
    assert (open_descriptors(), threading.active_count(), children()) == (before, threads, known)


def test_many_threads_share_the_workers():
    fast = one(jobs.same, 5).prepare()
    found = []
    threads = [threading.Thread(target=lambda: found.append(fast())) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [5] * 16


def test_a_function_that_cannot_be_sent_is_refused_before_anything_runs():
    lock = threading.Lock()
    ran = []
    made = DAG("held")
    made.returns([made.add(lambda: ran.append(1)), made.add(lambda: lock, name="x", mode="process")])
    with pytest.raises(DescribeError, match=r"node 'x' .* cannot be sent there: TypeError.*lock") as caught:
        made()
    assert "test_processes.py" in caught.value.where
    assert not ran


def test_an_argument_that_cannot_be_sent_is_named():
    two = DAG("two")
    two.returns(two.add(jobs.same, two.add(jobs.makes_generator), name="x", mode="process"))
    with pytest.raises(WorkerError, match=r"node 'x': argument 'value' \(a generator\) cannot be sent"):
        two()
    with pytest.raises(WorkerError, match=r"argument 3 \(a Lock\)|argument 3 \(a lock\)"):
        one(jobs.same, 1, 2, threading.Lock())()


def test_a_result_that_cannot_come_back_is_named():
    with pytest.raises(
        WorkerError, match=r"node 'x': its result \(a generator\) cannot be sent back"
    ) as caught:
        one(jobs.makes_generator)()
    assert caught.value.type_name == "TypeError"
    with pytest.raises(WorkerError, match=r"cannot be unpickled here: OSError: not here"):
        one(jobs.vanishing)()
    assert one(jobs.same, 1)() == 1


def test_an_argument_that_cannot_be_unpickled_is_told():
    with pytest.raises(WorkerError, match=r"arguments cannot be unpickled in the worker process: OSError"):
        one(jobs.same, jobs.Vanishes())()


def test_a_coroutine_function_is_refused():
    async def later():
        return 1

    with pytest.raises((OptionError, DescribeError), match="coroutine"):
        one(later)()


def test_the_worker_has_this_folder_and_path(tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def answer():\n    return 42\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    import only_here

    assert one(only_here.answer)() == 42
    assert one(jobs.seen)()[2] == str(tmp_path)
    monkeypatch.undo()
    assert one(jobs.seen)()[2] == os.getcwd()


def test_native_threads_hold_in_the_worker_and_end_with_the_node():
    pytest.importorskip("threadpoolctl")
    before = one(jobs.environment)()
    assert before["OMP_NUM_THREADS"] == os.environ.get("OMP_NUM_THREADS", "1")
    limited = one(jobs.environment, native_threads=3)()
    assert limited["OMP_NUM_THREADS"] == limited["OMP_THREAD_LIMIT"] == "3"
    assert one(jobs.environment)() == before


def test_what_is_round_a_node_is_round_its_call():
    calls = DAG("round")
    flag = calls.input("flag")
    calls.returns(
        [
            calls.add(jobs.where, mode="process", setup=True, name="once"),
            calls.add(jobs.same, 5, mode="process", when=flag, name="sometimes"),
            calls.add(jobs.same, 5, mode="process", cache=lambda value: value, name="kept"),
        ]
    )
    pid, *rest = calls(False)
    assert rest == [None, 5]
    makespan.close_workers()
    assert calls(True) == [pid, 5, 5]


def test_a_dag_in_a_worker_stays_in_it():
    assert one(jobs.runs_a_dag, "yes")() == "yes"


def test_what_is_printed_comes_at_once(capfd):
    makespan.close_workers()  # a worker has the standard output that this process had when it was started
    assert one(jobs.prints, "a word")() == "a word"
    assert "a word" in capfd.readouterr().out
    makespan.close_workers()


def test_closing_is_quick_and_the_next_run_begins_anew():
    fast = one(jobs.where).prepare()
    pid = fast()
    makespan.close_workers()
    assert not exists(pid)
    assert fast() not in {pid, os.getpid()}


def test_a_worker_that_died_idle_is_replaced():
    fast = one(jobs.where).prepare()
    pid = fast()
    end = os.pidfd_open(pid)
    os.kill(pid, 9)
    assert select.select([end], [], [], 10)[0]
    os.close(end)
    assert fast() != pid


@pytest.mark.parametrize("size", [1, 600_000])
def test_a_worker_that_dies_before_it_has_read_the_call_is_not_the_nodes_fault(size):
    fast = one(jobs.length_and_where, b"x" * size).prepare()
    _, pid = fast()
    os.kill(pid, signal.SIGSTOP)  # it is there, and reads nothing
    killer = threading.Timer(0.1, os.kill, (pid, signal.SIGKILL))
    killer.start()
    length, other = fast()
    killer.join()
    assert length == size
    assert other != pid


def test_a_fork_that_comes_back_from_its_node_says_nothing():
    fast = one(jobs.forks_and_returns).prepare()
    pid, before = fast(), one(jobs.where)()
    assert [one(jobs.same, i)() for i in range(3)] == [0, 1, 2]
    assert pid == before == one(jobs.where)()


def test_a_node_that_leaves_the_folder_leaves_it_for_itself():
    fast = one(jobs.goes_to, "/").prepare()
    assert (fast(), fast()) == (os.getcwd(), os.getcwd())


def test_nothing_grows_over_a_thousand_calls():
    good, bad = one(jobs.arrays, 40_000).prepare(), one(jobs.raises, "fussy").prepare()

    def call_both():
        good()
        with pytest.raises(WorkerError):
            bad()

    def pages(pid):
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1])

    for _ in range(100):
        call_both()
    its = one(jobs.where)()
    gc.collect()
    before = open_descriptors(), threading.active_count(), children()
    some = pages(os.getpid()), pages(its)
    theirs = len(os.listdir(f"/proc/{its}/fd"))
    for _ in range(500):
        call_both()
    gc.collect()
    assert (open_descriptors(), threading.active_count(), children()) == before
    assert len(os.listdir(f"/proc/{its}/fd")) == theirs
    grown = [now - then for now, then in zip((pages(os.getpid()), pages(its)), some, strict=True)]
    assert max(grown) < 2000  # of 4 KiB; 500 arrays of 320 KB have 40,000


def test_an_initializer_runs_in_each_worker():
    try:
        configure(workers=2, initializer=jobs.mark, initargs=("ready",))
        assert one(jobs.seen)()[0] == ["ready"]
        configure(workers=1, initializer=jobs.raises, initargs=("told",))
        with pytest.raises(jobs.Told) as caught:
            one(jobs.seen)()
        assert any("initializer" in note for note in caught.value.__notes__)
        assert children() == []
        with pytest.raises(OptionError, match="initializer"):
            configure(initializer=threading.Lock().acquire)
        with pytest.raises(OptionError, match="workers"):
            configure(workers=0)
        with pytest.raises(OptionError, match="workers"):
            makespan.warm_workers("two")
    finally:
        configure(workers=2)


def test_warm_workers_are_there_before_the_first_run():
    makespan.close_workers()
    makespan.warm_workers()
    assert len(children()) == 2
    assert one(jobs.where)() in children()


def test_a_child_of_this_process_has_workers_of_its_own():
    fast = one(jobs.where).prepare()
    mine = fast()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            pids = [fast(), fast()]
            makespan.close_workers()
            os.write(write, repr(pids).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        pids = eval(pipe.read())
    os.waitpid(child, 0)
    assert len(set(pids)) == 1
    assert mine not in pids
    assert fast() == mine


def test_a_run_that_is_cancelled_ends_its_worker(tmp_path):
    async def cancelled():
        running = asyncio.create_task(one(jobs.sleeps, 60, str(tmp_path)).acall())
        while not (tmp_path / "started").exists():  # noqa: ASYNC110 (a file says so)
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancelled())
    pid = int((tmp_path / "started").read_text())
    until = time.monotonic() + 5
    while exists(pid) and time.monotonic() < until:
        time.sleep(0.01)
    assert not exists(pid)


def script(text, *words, folder, **kwargs):
    file = folder / "script.py"
    file.write_text(textwrap.dedent(text))
    return subprocess.run(
        [sys.executable, str(file), *words], capture_output=True, text=True, timeout=60, cwd=folder, **kwargs
    )


def test_a_script_without_a_guard_runs_once(tmp_path):
    done = script(
        """
        from makespan import DAG
        print("the script runs")
        FACTOR = 3

        class Pair:
            def __init__(self, x): self.x = x

        class Wrong(Exception): pass

        def work(pair):
            if pair.x < 0:
                raise Wrong("below")
            return Pair(pair.x * FACTOR)

        made = DAG("d")
        x = made.input("x")
        made.returns(made.add(work, x, mode="process"))
        got = made(Pair(2))
        print(type(got) is Pair, got.x)
        FACTOR = 4
        print(made(Pair(2)).x)
        try:
            made(Pair(-1))
        except Wrong as error:
            print("caught", error)
        """,
        folder=tmp_path,
    )
    assert (done.stdout, done.stderr) == ("the script runs\nTrue 6\n8\ncaught below\n", "")


def test_the_interpreter_ends_without_delay_and_noise(tmp_path):
    done = script(
        """
        import os
        from makespan import DAG
        made = DAG("d")
        made.returns([made.add(os.getpid, mode="process", name=f"n{i}") for i in range(2)])
        print(*made.prepare(threads=2)())
        """,
        folder=tmp_path,
    )
    assert done.stderr == ""
    assert not any(exists(pid) for pid in done.stdout.split())


def test_without_what_it_needs_the_node_and_the_pip_line_are_named(tmp_path):
    done = script(
        """
        import sys
        sys.modules["cloudpickle"] = None
        import makespan
        made = makespan.DAG("d")
        ran = []
        made.add(ran.append, 1)
        made.add(abs, -1, name="x", mode="process")
        for call in (made, made.prepare, makespan.warm_workers):
            try:
                call()
            except makespan.MissingExtraError as error:
                print(error)
        makespan.close_workers()
        print(ran)
        """,
        folder=tmp_path,
    )
    lines = done.stdout.splitlines()
    assert "node 'x'" in lines[0]
    assert all("pip install 'makespan[processes]'" in line for line in lines[:3])
    assert lines[3:] == ["[]"]
    assert MissingExtraError is makespan.MissingExtraError
    assert PlanError is makespan.PlanError
    assert node is makespan.node
    assert pool.most == 2
