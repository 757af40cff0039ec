"""Awaited runs: `DAG.acall`, `DAG.arun`, and the same of a prepared DAG."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import subprocess
import sys
import threading
import time
import traceback
import weakref

import pytest

from makespan import DAG, dag, loop_thread, node
from makespan.errors import DescribeError
from tests.leaks import open_descriptors

budgets = pytest.mark.parametrize("threads", [1, 2, 4])

var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="unset")


@pytest.fixture(autouse=True, scope="module")
def no_event_loop_is_left():
    """Nested runs start some; otherwise they are ended with the process."""
    yield
    loop_thread._stop_all()


async def double(x):
    await asyncio.sleep(0)
    return 2 * x


def one(fn, *args, **options):
    """Return a DAG of one node."""
    made = DAG("one")
    made.returns(made.add(fn, *args, **options))
    return made


def ladder(steps=12):
    """Return a DAG of coroutine nodes and plain ones in turn."""
    d = DAG("ladder")
    x = d.input("x")
    for k in range(steps):
        x = d.add(double if k % 3 == 0 else abs, x)
    d.returns(x)
    return d


class Gate:
    """A node that says when it has begun, and goes on when it is let."""

    def __init__(self):
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.ended = threading.Event()

    def __call__(self, *_):
        self.begun.set()
        assert self.may_end.wait(30)
        self.ended.set()
        return "gate"

    async def has_begun(self):
        await until(self.begun.is_set)


async def until(true):
    """Wait for what happens in another thread."""
    while not true():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


# -- results -------------------------------------------------------------------------------------------------


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


# -- failures ------------------------------------------------------------------------------------------------


async def fails(error):
    await asyncio.sleep(0)
    raise error


def fails_in_thread(error):
    raise error


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


# -- cancelled -----------------------------------------------------------------------------------------------


@budgets
def test_cancelled_nothing_new_starts_and_coroutines_end(threads):
    gate = Gate()
    log = []

    async def waits():
        log.append("began")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            log.append("cleaned up")

    d = DAG("cancelled")
    first = d.add(waits) if threads > 1 else None
    a = d.add(gate, name="gate")
    d.add(lambda _: log.append("never"), a, name="after_gate")
    if first is not None:
        d.add(lambda _: log.append("never"), first, name="after_waits")
    fast = d.prepare(threads=threads)

    async def main():
        task = asyncio.create_task(fast.acall())
        await gate.has_begun()
        if threads > 1:
            await until(lambda: log)
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not gate.ended.is_set()  # it did not wait for the thread
        assert log == (["began", "cleaned up"] if threads > 1 else [])

    asyncio.run(main())
    gate.may_end.set()
    assert gate.ended.wait(30)
    assert "never" not in log


def test_cancelled_before_a_coroutine_node_begins():
    """Its thread has asked for it, and the loop has not come to it yet."""
    log = []

    async def waits():
        log.append("began")

    d = one(waits)

    async def main():
        task = asyncio.create_task(d.prepare(threads=1).acall())
        await asyncio.sleep(0)
        time.sleep(0.05)  # noqa: ASYNC251  # the helper comes to wait for the coroutine; the loop does not look
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert log == []


def test_wait_for_and_timeout():
    async def forever():
        await asyncio.Event().wait()

    d = one(forever)

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(d.acall(), 0.02)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await d.arun()
        assert await ladder().acall(1) == 16

    asyncio.run(main())


def test_a_task_group_cancels_the_others():
    ended = []

    async def forever(k):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(k)

    async def together():
        async with asyncio.TaskGroup() as group:
            for k in range(3):
                group.create_task(one(forever, k).acall())
            group.create_task(one(fails, ValueError("no")).acall())

    async def main():
        with pytest.raises(ExceptionGroup) as caught:
            await together()
        assert [type(error) for error in caught.value.exceptions] == [ValueError]

    asyncio.run(main())
    assert set(ended) <= {0, 1, 2}


def test_a_coroutine_that_ends_in_spite_of_its_cancellation_holds_up_its_run_alone():
    async def stubborn(begun):
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
            return "late"

    async def main():
        begun = asyncio.Event()
        task = asyncio.create_task(one(stubborn, begun).acall())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]

    asyncio.run(main())


# -- many at once --------------------------------------------------------------------------------------------


@budgets
def test_many_runs_at_once(threads):
    fast = ladder().prepare(threads=threads)

    async def main():
        assert await asyncio.gather(*[fast.acall(k) for k in range(50)]) == [16 * k for k in range(50)]

    asyncio.run(main())


def test_waiting_coroutines_of_one_run_do_not_hold_up_other_runs():
    """Each of more runs than there are helpers waits in a coroutine; they all come to that point."""
    begun = 0

    async def meets(all_here):
        nonlocal begun
        begun += 1
        if begun == 40:
            all_here.set()
        await all_here.wait()
        return begun

    d = DAG("meet")
    d.returns(d.add(meets, d.input("all_here")))
    fast = d.prepare(threads=2)

    async def main():
        all_here = asyncio.Event()
        async with asyncio.timeout(30):
            return await asyncio.gather(*[fast.acall(all_here) for _ in range(40)])

    assert asyncio.run(main()) == [40] * 40
    assert fast.dag.prepare(threads=2) is fast


def test_loops_in_two_threads_at_once():
    fast = ladder().prepare(threads=2)
    results: list[list[int]] = []

    def thread():
        async def main():
            return await asyncio.gather(*[fast.acall(k) for k in range(20)])

        results.append(asyncio.run(main()))

    threads = [threading.Thread(target=thread) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert results == [[16 * k for k in range(20)]] * 2


# -- runs inside nodes ---------------------------------------------------------------------------------------


@budgets
@pytest.mark.parametrize("awaited", [True, False], ids=["await", "sync"])
def test_a_coroutine_may_await_dags_to_any_depth(threads, awaited):
    def nested(depth):
        if not depth:
            return ladder()
        inner = nested(depth - 1)
        d = DAG(f"depth{depth}")
        x = d.input("x")

        async def runs(x):
            return await inner.acall(x) if awaited or depth % 2 else inner(x)

        d.returns(d.add(runs, x))
        return d

    fast = nested(4).prepare(threads=threads)
    assert asyncio.run(fast.acall(1)) == 16
    assert fast(1) == 16


@budgets
def test_runs_gathered_in_a_coroutine_stay_within_its_place_in_the_budget(threads):
    now = most = 0
    lock = threading.Lock()

    def work(_):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.001)
        with lock:
            now -= 1
        return 1

    inner = DAG("inner")
    x = inner.input("x")
    inner.returns([inner.add(work, x, name=f"w{k}") for k in range(4)])

    async def runs():
        return await asyncio.gather(*[inner.acall(k) for k in range(3)])

    d = DAG("outer")
    for k in range(4):
        d.add(runs, name=f"runs{k}")
    fast = d.prepare(threads=threads)
    expected = {f"runs{k}": [[1] * 4] * 3 for k in range(4)}
    assert asyncio.run(fast.acall()) == expected
    assert fast() == expected
    assert most <= threads


def test_a_run_that_outlives_the_coroutine_that_began_it():
    inner = ladder()

    async def begins():
        return asyncio.create_task(inner.acall(1))

    async def main():
        task = await one(begins).acall()
        return await task

    assert asyncio.run(main()) == 16


def test_a_thread_node_may_run_a_loop_of_its_own():
    inner = ladder()

    def runs(x):
        return asyncio.run(inner.acall(x))

    assert one(runs, 1)() == 16
    assert asyncio.run(one(runs, 1).acall()) == 16


@budgets
def test_a_caller_node_may_run_a_dag_with_coroutines(threads):
    """It blocks the loop: its coroutines are awaited elsewhere."""
    inner = ladder()
    d = one(lambda: inner.run(1, timeout_s=30).result, mode="caller")
    assert asyncio.run(d.prepare(threads=threads).acall()) == 16


# -- loops that end early ------------------------------------------------------------------------------------


def test_a_loop_that_is_closed_while_a_run_goes_on():
    gate = Gate()
    log = []
    d = DAG("closed")
    d.add(lambda _: log.append("never"), d.add(gate))

    async def begin():
        task = asyncio.create_task(d.acall())
        await gate.has_begun()
        return task

    loop = asyncio.new_event_loop()
    task = loop.run_until_complete(begin())
    task.cancel()
    task._log_destroy_pending = False
    loop.close()
    del task
    gc.collect()
    gate.may_end.set()
    assert gate.ended.wait(30)
    assert asyncio.run(ladder().acall(1)) == 16
    assert ladder()(1) == 16
    assert log == []


def test_nothing_is_kept_of_a_run():
    class Big:
        pass

    refs = []

    def make():
        big = Big()
        refs.append(weakref.ref(big))
        return big

    async def passes(big):
        return big

    d = DAG("kept")
    d.returns(d.add(passes, d.add(make)))

    async def main():
        gc.collect()
        gc.disable()
        try:
            assert type(await d.acall()) is Big
            for _ in range(5):
                await asyncio.sleep(0.001)
            assert refs[0]() is None
        finally:
            gc.enable()

    asyncio.run(main())


def test_nothing_grows_over_many_runs():
    async def forever():
        await asyncio.Event().wait()

    good = ladder().prepare(threads=2)
    bad = one(int, "no").prepare(threads=2)
    endless = one(forever).prepare(threads=2)

    async def each():
        assert await good.acall(1) == 16
        with pytest.raises(ValueError, match="invalid literal"):
            await bad.acall()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(endless.acall(), 0.001)

    async def main():
        sizes = []
        for _ in range(3):
            for _ in range(60):
                await each()
            await asyncio.sleep(0.05)  # helpers let go of the last one
            gc.collect()
            sizes.append((len(gc.get_objects()), threading.active_count(), len(open_descriptors())))
        return sizes

    _, before, after = asyncio.run(main())
    assert after[0] - before[0] < 180  # less than one for each run
    assert after[1:] <= before[1:]


# -- a notebook ----------------------------------------------------------------------------------------------


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
