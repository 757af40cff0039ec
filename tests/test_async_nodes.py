"""Coroutine functions as nodes of ordinary runs: where they are awaited, and what they raise."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import os
import subprocess
import sys
import textwrap
import threading
import traceback
import weakref

import pytest

from makespan import DAG, dag, node
from makespan.awaiting import loop_thread
from makespan.errors import DescribeError
from tests.async_tools import budgets, double, one

var: contextvars.ContextVar[str] = contextvars.ContextVar("var", default="unset")


@pytest.fixture(autouse=True, scope="module")
def no_event_loop_is_left():
    """Nested runs start some; otherwise they are ended with the process."""
    yield
    loop_thread._stop_all()


@budgets
def test_coroutine_nodes_mix_with_others_in_any_run(threads):
    d = DAG("mixed")
    x = d.input("x")
    a = d.add(double, x)
    b = d.add(lambda v: v + 1, a)
    d.returns([d.add(double, b, name=f"last{k}") for k in range(4)])
    fast = d.prepare(threads=threads)
    for _ in range(2):
        assert fast(10) == [42] * 4
        assert fast.run(10).result == [42] * 4


@budgets
def test_described_coroutine_nodes(threads):
    @node
    async def fetch(url):
        await asyncio.sleep(0)
        return f"<{url}>"

    @node
    def size(page):
        return len(page)

    @dag
    def news(url):
        return size(fetch(url))

    assert news.run("ab", threads=threads).result == 4
    assert asyncio.run(fetch("a")) == "<a>"  # outside a description it is its own function


class Client:
    async def get(self, x):
        return await double(x)

    async def __call__(self, x):
        return await double(x)


@pytest.mark.parametrize(
    "fn",
    [double, functools.partial(double), Client().get, functools.partial(Client().get), Client()],
    ids=["function", "partial", "method", "partial of a method", "callable object"],
)
def test_every_kind_of_coroutine_function(fn):
    assert one(fn, 4)() == 8


def test_what_a_plain_function_returns_is_handed_on_as_it_is():
    def later(x):
        return double(x)  # a coroutine, made by a plain function: a value as any other

    d = DAG("later")

    async def use(coroutine):
        return await coroutine

    d.returns(d.add(use, d.add(later, 3)))
    assert d() == 6


@budgets
def test_coroutines_run_side_by_side_within_the_budget(threads):
    """All of a run's coroutines are on one loop; as many at once as the budget allows."""
    now = most = 0
    idents = set()

    async def work():
        nonlocal now, most
        idents.add(threading.get_ident())
        now += 1
        most = max(most, now)
        for _ in range(20):
            await asyncio.sleep(0.001)
        now -= 1

    d = DAG("side")
    for k in range(8):
        d.add(work, name=f"work{k}")
    d.run(threads=threads)
    assert len(idents) == 1
    assert threading.get_ident() not in idents
    assert most <= threads
    if threads > 1:
        assert most > 1


def test_runs_share_one_loop():
    async def loop():
        return asyncio.get_running_loop(), threading.current_thread().name

    first, second = one(loop)(), one(loop)()
    assert first == second
    assert first[1] == "makespan-loop"


@budgets
def test_an_exception_is_the_users_own_with_the_users_frame(threads):
    mine = ValueError("mine")

    async def fails():
        await asyncio.sleep(0)
        raise mine

    fast = one(fails).prepare(threads=threads)
    for _ in range(2):
        with pytest.raises(ValueError, match="mine") as caught:
            fast()
        assert caught.value is mine
        assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "fails"
        assert any("in node 'fails'" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("kind", [SystemExit, asyncio.CancelledError, BaseException, StopIteration])
def test_whatever_it_raises_is_an_exception_and_the_loop_goes_on(kind):
    async def fails():
        raise kind

    raised = RuntimeError if kind is StopIteration else kind  # Python's own rule for coroutines
    with pytest.raises(raised):
        one(fails)()
    assert one(double, 2)() == 4


@budgets
def test_context_variables_reach_a_coroutine_and_do_not_leak(threads):
    async def read_and_write(mark):
        seen = var.get()
        var.set(mark)
        await asyncio.sleep(0)
        return seen, var.get()

    d = DAG("context")
    d.returns([d.add(read_and_write, f"m{k}", name=f"n{k}") for k in range(4)])
    fast = d.prepare(threads=threads)
    token = var.set("mine")
    try:
        assert fast() == [("mine", f"m{k}") for k in range(4)]
        assert var.get() == "mine"
    finally:
        var.reset(token)


@budgets
def test_a_coroutine_may_run_a_dag_that_blocks_its_loop(threads):
    """Down to a depth of four; each level on a loop of its own."""

    def nested(depth):
        if not depth:
            return one(double, 1)
        inner = nested(depth - 1)

        async def runs():
            return inner()

        return one(runs)

    fast = nested(4).prepare(threads=threads)
    assert [fast(), fast()] == [2, 2]


def test_a_coroutine_may_run_its_own_dag():
    @node
    async def countdown(n):
        return 1 + count(n - 1) if n else 0

    @dag
    def count(n):
        return countdown(n)

    assert count(5) == 5


def test_a_value_dies_with_its_last_consumer():
    class Big:
        pass

    refs = []

    async def make():
        big = Big()
        refs.append(weakref.ref(big))
        return big

    async def use(big):
        await asyncio.sleep(0)
        return 1

    async def look(_):
        await asyncio.sleep(0)
        return refs[0]()

    d = DAG("chain")
    d.returns(d.add(look, d.add(use, d.add(make))))
    gc.disable()
    try:
        assert d() is None
    finally:
        gc.enable()


def test_a_failed_run_is_freed_without_the_garbage_collector():
    class Big:
        pass

    refs = []

    async def fails(big):
        refs.append(weakref.ref(big))
        await asyncio.sleep(0)
        raise ValueError("no")

    d = DAG("fails")
    d.returns(d.add(fails, d.add(Big)))
    fast = d.prepare(threads=1)
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            with pytest.raises(ValueError, match="no"):
                fast()
        run_ref = refs[0]
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), one(running_loop)()).result()
        assert run_ref() is None
    finally:
        gc.enable()


async def running_loop():
    return asyncio.get_running_loop()


# -- a thread that runs a loop itself ------------------------------------------------------------------------


@budgets
def test_a_sync_run_in_a_thread_that_runs_a_loop(threads):
    """As in a notebook: that loop is blocked meanwhile, and the coroutine does not wait for it."""
    d = one(double, 21)

    async def cell():
        here = asyncio.get_running_loop()
        first = d.prepare(threads=threads)()
        return first, d.run(threads=threads).result, one(running_loop)() is here

    assert asyncio.run(cell()) == (42, 42, False)


# -- the process ---------------------------------------------------------------------------------------------


def python(code, *flags):
    return subprocess.run(
        [sys.executable, *flags, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_end_of_the_process_is_quiet_and_lets_coroutines_clean_up():
    done = python(
        """
        import asyncio
        from makespan import DAG
        async def begin():
            async def forever():
                try:
                    await asyncio.Event().wait()
                finally:
                    print("cleaned up", flush=True)
            task = asyncio.create_task(forever())
            await asyncio.sleep(0)
            return task
        d = DAG()
        d.returns(d.add(begin))
        task = d()
        """,
        "-X",
        "dev",
        "-W",
        "error",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "cleaned up\n", "")


def test_a_coroutine_that_ignores_its_end_does_not_hold_up_the_process():
    done = python(
        """
        import asyncio, time
        from makespan import DAG
        async def begin():
            async def blocks():
                await asyncio.sleep(0)
                time.sleep(60)
            asyncio.create_task(blocks())
        d = DAG()
        d.add(begin)
        d()
        """
    )
    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork_the_child_has_a_loop_of_its_own():
    done = python(
        """
        import asyncio, os
        from makespan import DAG
        async def where():
            await asyncio.sleep(0)
            return os.getpid()
        d = DAG()
        d.returns(d.add(where))
        assert d() == os.getpid()
        child = os.fork()
        if not child:
            assert d() == os.getpid()
            raise SystemExit(0)
        _, status = os.waitpid(child, 0)
        assert d() == os.getpid()
        print(status)
        """,
        "-X",
        "dev",
        "-W",
        "error",
        "-W",
        "ignore:This process:DeprecationWarning",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")


def test_a_run_at_exit():
    done = python(
        """
        import asyncio, atexit
        from makespan import DAG
        async def value():
            await asyncio.sleep(0)
            return "at exit"
        d = DAG()
        d.returns(d.add(value))
        atexit.register(lambda: print(d()))
        d()
        """,
        "-X",
        "dev",
        "-W",
        "error",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "at exit\n", "")


def test_asyncio_is_loaded_only_by_runs_with_coroutine_nodes():
    done = python(
        """
        import sys
        from makespan import dag, node
        @node
        async def later(x): return x
        @node
        def now(x): return x
        @dag
        def d(x): return now(x)
        @dag
        def e(x): return later(x)
        d(1), d.run(1), e.fingerprint
        print("asyncio" in sys.modules)
        e(1)
        print("asyncio" in sys.modules)
        """
    )
    assert (done.stdout, done.stderr) == ("False\nTrue\n", "")


def test_a_coroutine_function_is_no_caller_node():
    d = one(double, 1, mode="caller")
    with pytest.raises(DescribeError, match=r"'double' is a coroutine function.* in the calling thread"):
        d.prepare()
