"""Calls that block an event loop, while what they need is being awaited on it: an error, and no hang."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from makespan import DAG
from makespan.awaiting import loop_thread
from makespan.errors import BlockedLoopError, MakespanError
from tests.async_tools import budgets, one, until

modes = pytest.mark.parametrize("options", [{"setup": True}, {"cache": lambda: 1}], ids=["set-up", "cache"])


@pytest.fixture(autouse=True, scope="module")
def no_event_loop_is_left():
    yield
    loop_thread._stop_all()


def slow(begun, end):
    """Return a coroutine function that says when it begins, and ends when it is let."""

    async def load():
        begun.set()
        await until(end.is_set)
        return "loaded"

    return load


@budgets
@modes
@pytest.mark.parametrize("timeout_s", [None, 60], ids=["", "with a timeout"])
def test_a_sync_call_beside_an_awaited_one(threads, options, timeout_s):
    begun, end = threading.Event(), threading.Event()
    d = one(slow(begun, end), **options)
    fast = d.prepare(threads=threads, timeout_s=timeout_s)

    async def both():
        first = asyncio.create_task(fast.acall())
        await until(begun.is_set)
        with pytest.raises(BlockedLoopError, match=r"await dag\.acall") as raised:
            fast()
        assert isinstance(raised.value, RuntimeError)
        assert isinstance(raised.value, MakespanError)
        end.set()
        return await first, await fast.acall(), fast()

    assert asyncio.run(both()) == ("loaded",) * 3


def test_through_another_value_and_a_run_in_between():
    begun, end = threading.Event(), threading.Event()
    inner = one(slow(begun, end), setup=True)
    outer = one(lambda: inner(), setup=True)
    around = one(lambda: outer(), timeout_s=60)

    async def both():
        first = asyncio.create_task(inner.acall())
        await until(begun.is_set)
        second = threading.Thread(target=outer)
        second.start()
        with pytest.raises(BlockedLoopError):
            around()
        end.set()
        await first
        second.join(20)
        assert not second.is_alive()
        return around()

    assert asyncio.run(both()) == "loaded"


@modes
def test_a_call_on_our_own_loop(options):
    begun, end = threading.Event(), threading.Event()
    d = one(slow(begun, end), **options)
    thread = threading.Thread(target=d)

    async def blocks():
        thread.start()
        await until(begun.is_set)
        return d()

    with pytest.raises(BlockedLoopError):
        one(blocks)()
    end.set()
    thread.join(20)
    assert not thread.is_alive()
    assert d() == "loaded"


def test_what_is_not_on_a_blocked_loop_is_waited_for():
    begun, end = threading.Event(), threading.Event()
    d = one(slow(begun, end), setup=True)
    thread = threading.Thread(target=lambda: asyncio.run(d.acall()))

    async def other():
        timer = threading.Timer(0.3, end.set)  # the wait is looked at meanwhile
        timer.start()
        try:
            return d()
        finally:
            timer.join()

    thread.start()
    assert begun.wait(20)
    assert asyncio.run(other()) == "loaded"
    thread.join(20)
    assert not thread.is_alive()


@budgets
@pytest.mark.parametrize("timeout_s", [None, 60], ids=["", "with a timeout"])
@pytest.mark.parametrize("awaited", [True, False], ids=["await", "sync"])
def test_a_callback_in_the_context_of_a_node(threads, timeout_s, awaited):
    """It is called on the loop on which the node's own run awaits."""

    async def answer():
        return 7

    inner = one(answer).prepare(threads=threads, timeout_s=timeout_s)
    got, told, where = [], threading.Event(), []

    async def gives():
        where.append(asyncio.get_running_loop())

    def calls():
        where[0].call_soon_threadsafe(lambda: (got.append(inner()), told.set()))
        assert told.wait(20)

    d = DAG("calls")
    d.add(calls, after=d.add(gives))
    if awaited:
        asyncio.run(d.acall())
    else:
        d()
    assert got == [7]


@pytest.mark.parametrize("timeout_s", [None, 60], ids=["", "with a timeout"])
def test_a_callback_of_our_own_loop_in_no_context(timeout_s):
    async def answer():
        return 7

    inner = one(answer).prepare(timeout_s=timeout_s)

    async def calls():
        loop = asyncio.get_running_loop()
        came = loop.create_future()
        loop.call_soon(lambda: came.set_result(inner()), context=contextvars.Context())
        return await came

    assert one(calls)() == 7
