"""Awaited runs that are cancelled, or whose loop ends; and many at once."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref

import pytest

from makespan import DAG
from makespan.awaiting import loop_thread
from makespan.engine.executor import Execution
from tests.async_tools import Gate, budgets, fails, ladder, one, until
from tests.leaks import open_descriptors


@pytest.fixture(autouse=True, scope="module")
def no_event_loop_is_left():
    """Nested runs start some; otherwise they are ended with the process."""
    yield
    loop_thread._stop_all()


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


def test_ctrl_c_while_our_loop_is_started_is_ctrl_c(monkeypatch):
    start = threading.Thread.start
    started = []

    def start_and_be_interrupted(self):
        start(self)
        started.append(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", start_and_be_interrupted)
    with pytest.raises(KeyboardInterrupt):
        loop_thread.LoopThread("makespan-loop-of-a-test")
    started[0].join(30)
    assert not started[0].is_alive()


def test_cancelled_by_a_signal_at_the_moment_of_its_end(monkeypatch, caplog):
    fast = one(time.sleep, 0.02).prepare(threads=2)
    tend = Execution.tend

    async def main():
        task = asyncio.current_task()

        def cancelled_within(self):
            wait_s = tend(self)
            if self.over:
                task.cancel()  # as the handler of Ctrl-C does it, between two lines
            return wait_s

        monkeypatch.setattr(Execution, "tend", cancelled_within)
        with pytest.raises(asyncio.CancelledError):
            await fast.acall()

    asyncio.run(main())
    assert not caplog.records
