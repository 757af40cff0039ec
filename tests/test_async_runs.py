"""Awaited runs: `DAG.acall`, `DAG.arun`, and the same of a prepared DAG."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
import traceback

import pytest

from makespan import DAG, dag, node
from makespan.awaiting import loop_thread
from makespan.errors import DescribeError
from tests.async_tools import Gate, budgets, double, fails, fails_in_thread, ladder, one

var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="unset")


@pytest.fixture(autouse=True, scope="module")
def no_event_loop_is_left():
    """Nested runs start some; otherwise they are ended with the process."""
    yield
    loop_thread._stop_all()


@budgets
def test_acall_returns_the_result_and_arun_the_run(threads):
    d = ladder()

    async def main():
        fast = d.prepare(threads=threads)
        for _ in range(2):
            assert await fast.acall(3) == 48
            run = await fast.arun(3)
            assert run.result == 48
            assert run.record.status == "ok"
            assert len(run.record.nodes) == 12
        assert await d.acall(1) == 16
        assert (await d.arun(1, threads=threads)).result == 16

    asyncio.run(main())


def test_described_dags_are_awaited_too():
    @node
    async def fetch(url):
        return f"<{url}>"

    @dag
    def page(url, *, twice=False):
        return fetch(url), twice

    assert asyncio.run(page.acall("a", twice=True)) == ("<a>", True)


def test_an_empty_dag():
    assert asyncio.run(DAG("empty").acall()) == {}


def test_wrong_inputs_are_refused_before_anything_runs():
    async def main():
        with pytest.raises(DescribeError, match="needs its input 'x'"):
            await ladder().acall()
        with pytest.raises(DescribeError, match="no input 'y'"):
            await ladder().arun(1, y=2)

    asyncio.run(main())


@budgets
def test_the_loop_is_never_blocked(threads):
    """While nodes hold all of the run's threads, the loop goes on."""
    gates = [Gate() for _ in range(threads)]
    d = DAG("gates")
    for k, gate in enumerate(gates):
        d.add(gate, name=f"gate{k}")

    async def main():
        running = asyncio.create_task(d.arun(threads=threads))
        for gate in gates:
            await gate.has_begun()
        assert not running.done()
        for gate in gates:
            gate.may_end.set()
        assert (await running).result == {f"gate{k}": "gate" for k in range(threads)}

    asyncio.run(main())


@budgets
def test_coroutine_nodes_are_awaited_on_the_callers_loop(threads):
    async def where():
        return asyncio.get_running_loop(), threading.get_ident()

    d = DAG("where")
    d.returns([d.add(where, name=f"n{k}") for k in range(4)])

    async def main():
        here = asyncio.get_running_loop(), threading.get_ident()
        assert await d.prepare(threads=threads).acall() == [here] * 4

    asyncio.run(main())


def test_thread_nodes_are_not_on_the_loops_thread():
    assert asyncio.run(one(threading.get_ident).acall()) != threading.get_ident()


@budgets
def test_caller_nodes_run_on_the_loops_thread(threads):
    d = DAG("caller")
    first = d.add(threading.get_ident, name="first")
    second = d.add(lambda _: threading.get_ident(), first, name="second", mode="caller")
    third = d.add(lambda _: threading.get_ident(), second, name="third")
    fourth = d.add(lambda _: threading.get_ident(), third, name="fourth", mode="caller")
    d.returns([first, second, third, fourth])
    idents = asyncio.run(d.prepare(threads=threads).acall())
    here = threading.get_ident()
    assert [ident == here for ident in idents] == [False, True, False, True]


@budgets
def test_context_variables_reach_the_nodes_and_do_not_leak(threads):
    async def swap(mark):
        seen = var.get()
        var.set(mark)
        return seen

    def swap_in_thread(mark):
        seen = var.get()
        var.set(mark)
        return seen

    d = DAG("context")
    d.returns([d.add(swap if k % 2 else swap_in_thread, f"m{k}", name=f"n{k}") for k in range(6)])

    async def main():
        var.set("mine")
        assert await d.prepare(threads=threads).acall() == ["mine"] * 6
        assert var.get() == "mine"

    asyncio.run(main())


@budgets
@pytest.mark.parametrize("fn", [fails, fails_in_thread])
def test_a_failure_arrives_as_the_users_own_with_a_note(threads, fn):
    d = DAG("fails")
    d.add(fn, d.input("error"), name="node")

    async def main():
        fast = d.prepare(threads=threads)
        for awaiting in (d.acall, d.arun, fast.acall, fast.acall):
            mine = ValueError("mine")
            with pytest.raises(ValueError, match="mine") as caught:
                await awaiting(mine)
            assert caught.value is mine
            assert traceback.extract_tb(mine.__traceback__)[-1].name == fn.__name__
            assert len(mine.__notes__) == 1
            assert "in node 'node'" in mine.__notes__[0]
        run = await fast.arun(mine)
        assert run.error is mine
        assert run.record.status == "failed"

    asyncio.run(main())


def test_two_failures_are_a_group():
    both = threading.Barrier(2)

    def fail_together(kind):
        both.wait(30)
        raise kind

    d = DAG("two")
    d.add(fail_together, ValueError, name="a")
    d.add(fail_together, KeyError, name="b")

    async def main():
        with pytest.raises(ExceptionGroup) as caught:
            await d.prepare(threads=2).acall()
        assert [type(error) for error in caught.value.exceptions] == [ValueError, KeyError]

    asyncio.run(main())


@budgets
def test_what_does_not_depend_on_a_failure_goes_on(threads):
    d = DAG("goes on")
    a = d.add(fails, ValueError("no"), name="a")
    d.returns([d.add(double, a, name="b"), d.add(double, 4, name="c")])
    run = asyncio.run(d.arun(threads=threads, on_error="continue"))
    assert isinstance(run.error, ValueError)
    assert run.result == [None, 8]


def test_a_run_that_takes_too_long_says_what_is_running():
    gate = Gate()
    ended = []

    async def waits():
        try:
            await asyncio.Event().wait()  # here
        finally:
            ended.append("waits")

    d = DAG("slow")
    d.add(gate, name="gate")
    d.add(waits, name="waits")

    async def main():
        with pytest.raises(TimeoutError) as caught:
            await d.arun(threads=2, timeout_s=0.05)
        assert ended == ["waits"]
        text = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
        assert "gate" in text
        assert "may_end.wait" in text
        assert "await asyncio.Event().wait()  # here" in text

    try:
        asyncio.run(main())
    finally:
        gate.may_end.set()
    assert gate.ended.wait(30)


@budgets
def test_a_coroutine_node_that_takes_too_long_is_cancelled_and_tried_again(threads):
    ended = []

    async def slow_at_first():
        if ended:
            return "second"
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    assert one(double, 1)() == 2  # the event loop of sync runs is there: starting it takes time too
    d = one(slow_at_first, timeout_s=0.2, retries=1, retry_wait_s=0.0)
    assert asyncio.run(d.prepare(threads=threads).acall()) == "second"
    ended.clear()
    assert d.prepare(threads=threads)() == "second"


def test_one_control_c_ends_it_and_coroutines_clean_up():
    for how in ("fast()", "asyncio.run(fast.acall())"):
        for threads in (1, 2):
            code = CONTROL_C.replace("HOW", how).replace("THREADS", str(threads))
            done = subprocess.run(
                [sys.executable, "-X", "dev", "-c", code],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert (done.stdout, done.stderr) == ("cleaned up\nstopped\n", "")


CONTROL_C = """
import asyncio, os, signal, threading
from makespan import DAG
signal.signal(signal.SIGINT, signal.default_int_handler)
begun = threading.Event()
async def waits():
    begun.set()
    try:
        await asyncio.Event().wait()
    finally:
        print("cleaned up", flush=True)
def stops():
    begun.wait()
    os.kill(os.getpid(), signal.SIGINT)
d = DAG()
d.add(lambda _: print("never"), d.add(waits))
threading.Thread(target=stops, daemon=True).start()
fast = d.prepare(threads=THREADS)
try:
    HOW
except KeyboardInterrupt:
    print("stopped")
"""


def test_the_cells_of_a_notebook():
    """Each cell runs in the same running loop: called, run, awaited."""
    d = ladder()
    loop = asyncio.new_event_loop()

    async def cell(code):
        return code()

    async def awaits():
        return await d.acall(1)

    try:
        assert loop.run_until_complete(cell(lambda: d(1))) == 16
        assert loop.run_until_complete(cell(lambda: d.run(1).result)) == 16
        assert loop.run_until_complete(awaits()) == 16
        assert loop.run_until_complete(cell(lambda: d.run(1, timeout_s=30).result)) == 16
    finally:
        loop.close()
