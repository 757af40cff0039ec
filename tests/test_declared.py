"""What nodes declare holds in every mode: in worker processes, as coroutines, in the calling thread."""

import os
import threading

import pytest

from makespan import DAG, close_workers
from tests.test_hooks import Recorder


@pytest.fixture(autouse=True, scope="module")
def _workers():
    yield
    close_workers()


def test_in_worker_processes():
    d = DAG("d")
    x = d.input("x")
    where = d.add(os.getpid, mode="process", setup=True, name="where")
    kept = d.add(os.path.basename, x, mode="process", cache=len, name="kept")
    number = d.add(int, x, mode="process", retries=2, retry_wait_s=0, retry_on=ValueError, name="number")
    d.returns((where, kept, number))
    hooks = Recorder()
    fast = d.prepare(threads=2, hooks=hooks)
    first = fast("12")
    assert first[0] != os.getpid()
    assert first[1:] == ("12", 12)
    assert fast("34") == (first[0], "12", 34)
    assert d.cache_info()["kept"][:2] == (1, 1)
    told = [(what, name) for what in ("start", "end") for name in ("where", "kept", "number")]
    assert sorted(hooks.told) == sorted(2 * told)
    hooks.told.clear()
    run = fast.run("xx")
    assert isinstance(run.error, ValueError)
    assert [note[:14] for note in run.error.__notes__ if note.startswith("attempt")] == [
        f"attempt {i} of 3" for i in (1, 2, 3)
    ]
    assert next(its for its in run.record.nodes if its.name == "number").attempts == 3
    assert [told for told in hooks.told if told[1] == "number"] == [
        ("start", "number"),
        ("error", "number", "ValueError"),
    ]


@pytest.mark.parametrize("threads", [1, 2])
def test_coroutines_and_the_calling_thread(threads):
    calls, me = [], threading.get_ident()

    async def load():
        calls.append("load")
        return "model"

    async def ask(model, x):
        calls.append(("ask", x))
        if len(calls) < 4:
            raise OSError
        return model, x

    def show(answer):
        return (threading.get_ident() == me, *answer)

    d = DAG("d")
    x = d.input("x")
    model = d.add(load, setup=True)
    answer = d.add(ask, model, x, cache=lambda model, x: x, retries=2, retry_wait_s=0)
    d.returns(d.add(show, answer, mode="caller", retries=1, when=x))
    fast = d.prepare(threads=threads)
    assert fast(1) == fast(1) == (True, "model", 1)
    assert fast(0) is None
    assert calls == ["load", ("ask", 1), ("ask", 1), ("ask", 1), ("ask", 0)]
