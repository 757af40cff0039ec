"""Failures of nodes in worker processes: nothing is lost, the dead are named, the others live on."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback

import pytest

import makespan
from makespan import DAG, WorkerDied, WorkerError
from makespan.processes import configure
from tests import jobs
from tests.test_processes import one
from tests.worker_tools import children, exists, workers

__all__ = ["workers"]
pytestmark = pytest.mark.usefixtures("workers")
budgets = pytest.mark.parametrize("threads", [1, 2, 4])


def failing(fast, kind):
    with pytest.raises(kind) as caught:
        fast()
    error = caught.value
    shown = "".join(traceback.format_exception(error))
    assert "in node 'x'" in shown
    return error, shown


@budgets
def test_an_exception_arrives_as_it_is(threads):
    fast = one(jobs.raises, "told").prepare(threads=threads)
    for _ in range(2):
        error, shown = failing(fast, jobs.Told)
        assert (error.args, error.code) == (("no",), 7)
        assert repr(error.__cause__) == "KeyError('a cause')"
        assert 'raise Told("no", code=7)' in shown
        assert "jobs.py" in shown
        assert "in worker process" in shown
        assert "processes/worker.py" not in shown.partition("in worker process")[2]


@pytest.mark.parametrize(
    ("what", "type_name", "text"),
    [
        ("fussy", "Fussy", "1 and 2"),
        ("changed", "Changed", "<x>"),
        ("unpicklable", "ValueError", "holds a lock"),
        ("leaving", "Leaving", "x"),
    ],
)
def test_one_that_does_not_pickle_is_told_as_text(what, type_name, text):
    error, shown = failing(one(jobs.raises, what), WorkerError)
    assert str(error) == f"node 'x': raised {type_name}: {text}"
    assert error.type_name == type_name
    assert "in raises" in error.remote_traceback
    assert error.remote_traceback.strip() in shown


def test_a_class_that_only_the_worker_has_is_an_exception_all_the_same():
    with pytest.raises(Exception, match="made here"):
        one(jobs.raises, "local")()


@budgets
def test_what_is_no_exception(threads):
    error, _ = failing(one(jobs.raises, "silent").prepare(threads=threads), jobs.Silent)
    assert error.args == ("quiet",)
    error, _ = failing(one(jobs.raises, "exit").prepare(threads=threads), SystemExit)
    assert error.code == 4


def test_a_group_of_exceptions():
    error, _ = failing(one(jobs.raises, "group"), ExceptionGroup)
    assert [type(its) for its in error.exceptions] == [jobs.Told, ValueError]


@pytest.mark.parametrize(
    ("threads", "how", "exitcode", "said"),
    [
        (1, "exit", 3, "exited with code 3"),
        (2, "SIGSEGV", -11, "SIGSEGV"),
        (4, "SIGKILL", -9, "SIGKILL .*memory"),
    ],
)
def test_a_dead_worker_names_the_node_that_it_ran(threads, how, exitcode, said):
    made = DAG("deaths")
    made.returns(
        [
            made.add(jobs.dies, how, name="x", mode="process"),
            made.add(jobs.same, 1, name="other", mode="process"),
        ]
    )
    fast = made.prepare(threads=threads)
    for _ in range(2):
        with pytest.raises(WorkerDied, match=rf"node 'x': the worker process that ran it .*{said}") as caught:
            fast()
        assert caught.value.exitcode == exitcode
        assert caught.value.node == "x"
    assert one(jobs.same, 1)() == 1


def test_the_others_survive():
    made = DAG("others")
    made.returns(
        [
            made.add(jobs.sleeps, 0.3, name="other", mode="process"),
            made.add(jobs.dies, "SIGKILL", name="x", mode="process"),
            made.add(jobs.same, 4, name="third", mode="process"),
        ]
    )
    run = made.run(threads=3, on_error="continue")
    assert run.result == ["slept", None, 4]
    assert type(run.failed["x"]) is WorkerDied


def test_a_child_that_holds_the_socket_does_not_hide_the_death():
    begun = time.monotonic()
    error, _ = failing(one(jobs.forks), WorkerDied)
    assert error.exitcode == 6
    assert time.monotonic() - begun < 30  # the child sleeps for 60 s, and is ended with its worker


def test_retries_get_a_new_worker(tmp_path):
    made = one(jobs.dies_once, str(tmp_path), retries=1, retry_wait_s=0.0)
    run = made.run()
    assert run.result == "second"
    assert run.record.nodes[0].attempts == 2


def test_exceptions_of_ours_can_be_pickled():
    for error in (WorkerDied("x", -9), WorkerError("x", "raised E", "E", "Traceback …")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_ctrl_c_is_not_the_workers_affair():
    """The terminal sends it to all processes; who decides is the one that runs the DAG."""
    assert one(jobs.interrupts_itself)() == (True, -signal.SIGINT)


# -- ended from outside --------------------------------------------------------------------------------------


def test_a_node_whose_time_is_up_is_killed_and_its_worker_replaced():
    one(jobs.where)()
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        one(jobs.sleeps, 60, timeout_s=0.2)()
    assert time.monotonic() - begun < 30
    assert one(jobs.where)() in children()


def test_a_run_whose_time_is_up_leaves_nothing_running(tmp_path):
    with pytest.raises(TimeoutError):
        one(jobs.sleeps, 60, str(tmp_path)).prepare(timeout_s=0.5)()
    pid = int((tmp_path / "started").read_text())
    deadline = time.monotonic() + 5
    while exists(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not exists(pid)
    assert one(jobs.where)() in children()


INTERRUPTED = """
    import os, sys, time
    from makespan import DAG
    from tests import jobs

    made = DAG("d")
    made.returns([made.add(jobs.sleeps, 60, f"{sys.argv[1]}/{i}", mode="process") for i in range(2)])
    try:
        made.prepare(threads=int(sys.argv[2]))()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_one_ctrl_c_ends_the_run_and_its_workers(tmp_path, threads):
    (tmp_path / "script.py").write_text(textwrap.dedent(INTERRUPTED))
    folders = [tmp_path / str(i) for i in range(2)]
    for folder in folders:
        folder.mkdir()
    running = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py"), str(tmp_path), str(threads)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,
    )
    wanted = folders[: min(threads, 2)]
    pids = []
    while len(pids) < len(wanted) and running.poll() is None:
        pids = [
            int(text) for f in wanted if (f / "started").exists() and (text := (f / "started").read_text())
        ]
        time.sleep(0.01)
    begun = time.monotonic()
    os.killpg(running.pid, signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert time.monotonic() - begun < 10
    assert (out, err) == ("interrupted\n", "")
    assert not any(map(exists, pids))


def test_the_death_of_this_process_ends_its_workers(tmp_path):
    (tmp_path / "script.py").write_text(textwrap.dedent(INTERRUPTED))
    (tmp_path / "0").mkdir()
    running = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py"), str(tmp_path), "1"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    started = tmp_path / "0" / "started"
    while not (started.exists() and started.read_text()):
        time.sleep(0.01)
    running.kill()
    running.wait()
    deadline = time.monotonic() + 10
    while exists(int(started.read_text())) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not exists(int(started.read_text()))


def test_closing_while_a_node_runs_fails_the_node_and_lets_the_next_one_have_its_place(tmp_path):
    found = []

    def run(made):
        try:
            found.append(made())
        except BaseException as error:
            found.append(type(error))

    configure(workers=1)
    try:
        threads = [threading.Thread(target=run, args=(one(jobs.sleeps, 60, str(tmp_path)),))]
        threads[0].start()
        while not (tmp_path / "started").exists():
            time.sleep(0.01)
        threads.append(threading.Thread(target=run, args=(one(jobs.same, "next"),)))
        threads[1].start()
        time.sleep(0.05)
        makespan.close_workers()
        for thread in threads:
            thread.join()
        assert sorted(map(str, found)) == [str(WorkerDied), "next"]
        makespan.close_workers()
        assert children() == []
    finally:
        configure(workers=2)
