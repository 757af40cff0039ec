"""Runs inside the nodes of awaited runs."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from makespan import DAG
from makespan.awaiting import loop_thread
from tests.async_tools import budgets, ladder, one


@pytest.fixture(autouse=True, scope="module")
def no_event_loop_is_left():
    """Nested runs start some; otherwise they are ended with the process."""
    yield
    loop_thread._stop_all()


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


@budgets
def test_a_node_of_an_awaited_run_has_an_event_loop_of_its_own(threads):
    """Its thread is the one that waits for the coroutine around: it cannot work for what is run here."""
    inner = ladder()
    runs = one(lambda: asyncio.run(inner.acall(1)))

    async def awaits():
        return await asyncio.gather(runs.acall(), runs.acall())

    fast = one(awaits).prepare(threads=threads)
    assert fast() == [16, 16]
    assert asyncio.run(asyncio.wait_for(fast.acall(), 30)) == [16, 16]
