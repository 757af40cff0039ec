"""Workers import what their nodes are made of before anybody waits for it."""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import time

import pytest

import makespan
from makespan import DAG
from makespan.processes import configure
from makespan.processes.imports import pickled
from makespan.processes.pool import pool
from tests import jobs
from tests.cli_tools import run_process
from tests.test_processes_clusters import planned
from tests.worker_tools import children, workers

__all__ = ["workers"]
pytestmark = pytest.mark.usefixtures("workers")

MODULE = """\
import os
from pathlib import Path

(Path({folder!r}) / f"{{os.getpid()}}.{name}").touch()
if {parent} != os.getpid() and {breaks!r}:
    exec({breaks!r})


def where(*_):
    return os.getpid()
"""


@pytest.fixture
def made_module(tmp_path, monkeypatch):
    """Make modules of which each import, in any process, leaves a file."""
    monkeypatch.syspath_prepend(tmp_path)
    names = []

    def make(name, breaks=""):
        text = MODULE.format(folder=str(tmp_path), name=name, parent=os.getpid(), breaks=breaks)
        (tmp_path / f"{name}.py").write_text(text)
        names.append(name)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield make
    makespan.close_workers()
    for name in names:
        sys.modules.pop(name, None)


def imported(folder, name):
    """The workers that imported a module."""
    return {int(path.stem) for path in folder.glob(f"*.{name}")} - {os.getpid()}


def test_a_worker_has_the_nodes_module_before_the_first_run(made_module, tmp_path):
    makespan.close_workers()
    made = DAG("one")
    made.returns(made.add(made_module("warm_one").where, name="x", mode="process"))
    fast = made.prepare()
    assert children() == []  # nothing is started before it is asked for
    assert fast.warm() > 0
    (worker,) = children()
    assert imported(tmp_path, "warm_one") == {worker}
    assert fast() == worker
    assert fast.warm() > 0
    assert children() == [worker]


def test_each_worker_of_a_plan_imports_its_own_nodes_alone(made_module, tmp_path):
    makespan.close_workers()
    first, second, here = (made_module(name) for name in ("warm_a", "warm_b", "warm_here"))
    made = DAG("two")
    a, c = made.add(first.where, name="a"), made.add(second.where, name="c")
    b, d = made.add(first.where, a, name="b"), made.add(second.where, c, name="d")
    made.returns((b, d, made.add(here.where, name="here")))
    fast = made.prepare(planned(made, ["a", "b"], ["c", "d"]))
    fast.warm()
    assert len(children()) == 2
    (one,), (other,) = imported(tmp_path, "warm_a"), imported(tmp_path, "warm_b")
    assert {one, other} == set(children())
    assert imported(tmp_path, "warm_here") == set()
    assert fast()[:2] == (one, other)


def test_the_run_after_it_is_noted_as_such_and_no_other():
    made = DAG("one")
    made.returns(made.add(jobs.where, name="x", mode="process"))
    fast = made.prepare()
    fast.warm()
    (note,) = fast.run().record.notes
    assert note.startswith("worker processes were warmed for ")
    assert fast.run().record.notes == ()


def test_without_worker_processes_there_is_nothing_to_do():
    made = DAG("one")
    made.returns(made.add(jobs.where, name="x"))
    fast = made.prepare()
    makespan.close_workers()
    assert fast.warm() == 0.0
    assert children() == []
    assert fast.run().record.notes == ()


@pytest.mark.parametrize("breaks", ["raise ValueError('no such thing')", "raise SystemExit(3)"])
def test_what_cannot_be_imported_is_told_by_the_node_in_the_run(made_module, breaks):
    makespan.close_workers()
    made = DAG("one")
    made.returns(made.add(made_module("warm_broken", breaks).where, name="x", mode="process"))
    fast = made.prepare()
    assert fast.warm() > 0
    with pytest.raises(makespan.WorkerError, match="arguments cannot be unpickled") as caught:
        fast()
    assert any("in node 'x'" in note for note in caught.value.__notes__)


def test_a_worker_that_dies_while_it_imports_is_told_by_the_run(made_module):
    makespan.close_workers()
    made = DAG("one")
    made.returns(made.add(made_module("warm_dead", "os._exit(3)").where, name="x", mode="process"))
    fast = made.prepare()
    fast.warm()
    with pytest.raises(makespan.WorkerDied) as caught:
        fast()
    assert any("in node 'x'" in note for note in caught.value.__notes__)


def test_an_import_that_hangs_ends_with_the_time_limit(made_module):
    makespan.close_workers()
    made = DAG("one")
    module = made_module("warm_slow", "import time; time.sleep(60)")
    made.returns(made.add(module.where, name="x", mode="process"))
    fast = made.prepare(timeout_s=0.1)
    fast.warm(0.1)
    assert children() == []
    assert fast.run().record.status == "timed out"


def test_the_run_starts_imports_of_bound_workers_while_other_nodes_run(made_module, tmp_path):
    makespan.close_workers()
    module = made_module("warm_beside")

    def waits():
        until = time.monotonic() + 20
        while not imported(tmp_path, "warm_beside") and time.monotonic() < until:
            time.sleep(0.005)
        return sorted(imported(tmp_path, "warm_beside"))

    made = DAG("two")
    first = made.add(waits, name="waits")
    made.returns((first, made.add(module.where, first, name="x")))
    seen, worker = made.prepare(planned(made, ["x"]))()
    assert seen == [worker]


def test_several_threads_may_warm_at_once():
    makespan.close_workers()
    made = DAG("four")
    made.returns(tuple(made.add(jobs.where, name=name, mode="process") for name in "abcd"))
    fast = made.prepare(threads=4)
    its = [threading.Thread(target=fast.warm) for _ in range(4)]
    for thread in its:
        thread.start()
    for thread in its:
        thread.join()
    assert len(children()) == pool.most
    assert set(fast()) <= set(children())


def test_the_initializer_comes_first_and_what_it_raises_is_raised():
    made = DAG("one")
    made.returns(made.add(jobs.seen, name="x", mode="process"))
    try:
        configure(workers=1, initializer=jobs.mark, initargs=("ready",))
        fast = made.prepare()
        fast.warm()
        assert fast()[0] == ["ready"]
        configure(workers=1, initializer=jobs.raises, initargs=("told",))
        with pytest.raises(jobs.Told):
            made.prepare().warm()
        assert children() == []
    finally:
        configure(workers=2)


def test_functions_that_hold_much_are_not_sent_ahead():
    held = bytes(1 << 17)
    assert len(pickled([jobs.where, jobs.where])) == 1
    assert pickled([lambda: held]) == ()


def test_the_command_warms_before_the_clock_and_says_so(tmp_path):
    (tmp_path / "there.py").write_text(
        "from makespan import dag, node\n\n\n@node(mode='process')\ndef x():\n    return 1\n\n\n"
        "@dag\ndef both():\n    return x()\n"
    )
    done = run_process("run", "there.py", "-o", "run.json", folder=tmp_path)
    assert done.code == 0, done.err
    assert "worker processes were warmed for" in done.err
    record = json.loads((tmp_path / "run.json").read_text())
    assert [note.partition(" for ")[0] for note in record["notes"]] == ["worker processes were warmed"]
