"""The contract of a run that is awaited: errors, budget, context variables, values, as in other ways."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import time
import weakref

import pytest

from makespan import DAG
from makespan.testing import dag_of, random_edges
from tests.ways import WAYS, Way

awaited_ways = pytest.mark.parametrize(
    "way",
    [way for way in WAYS if way.threads != 4 and (way.plan == "chains" or way.engine == "plain")],
    ids=str,
)


class Falsy(Exception):
    def __bool__(self):
        return False


class Frozen(Exception):
    def __setattr__(self, *_):
        raise AttributeError("frozen")


class Base(BaseException):
    pass


async def awaited(way: Way, made, *args, **settings):
    """Run it on this event loop; returns the DAG's result or raises what the run raised."""
    fast = way.prepare(made, **settings)
    if not way.traced:
        return await fast.acall(*args)
    run = await fast.arun(*args)
    run.raise_for_error()
    return run.result


@awaited_ways
def test_a_failure_arrives_as_the_users_own_object(way):
    ran = []
    for error in (ValueError("no"), Falsy(), Frozen(), Base(), TimeoutError()):

        def fail(_, error=error):
            raise error

        made = DAG("fails")
        broken = made.add(fail, made.add(abs, -1, name="first"), name="broken")
        made.add(ran.append, broken, name="later")
        made.add(abs, -2, name="side")
        for _ in range(2):
            with pytest.raises(type(error)) as caught:
                asyncio.run(awaited(way, made))
            assert caught.value is error
            if not isinstance(error, Frozen):
                assert [note.partition(" (")[0] for note in error.__notes__] == ["in node 'broken'"]
    assert not ran


@awaited_ways
def test_many_at_once_on_one_loop_keep_context_and_budget_each(way):
    variable = contextvars.ContextVar("variable", default="unset")
    lock, inside, most = threading.Lock(), {}, {}

    def look(k, *_):
        with lock:
            inside[k] = inside.get(k, 0) + 1
            most[k] = max(most.get(k, 0), inside[k])
        seen = variable.get()
        variable.set("leaked")
        time.sleep(0.0002)
        with lock:
            inside[k] -= 1
        return seen

    preds = random_edges(12, seed=2)
    made = DAG("looks")
    k, values = made.input("k"), []
    for some in preds:
        values.append(made.add(look, k, *[values[p] for p in some]))
    made.returns(values)

    async def one(k):
        variable.set(k)
        found = await awaited(way, made, k)
        assert variable.get() == k
        return found

    async def main():
        return await asyncio.gather(*map(one, range(5)))

    assert asyncio.run(main()) == [[k] * len(preds) for k in range(5)]
    assert max(most.values()) <= way.threads
    assert variable.get() == "unset"


@awaited_ways
def test_values_are_dropped_after_their_last_use(way):
    class Big:
        pass

    alive, most = weakref.WeakSet(), [0]

    def make(*_):
        big = Big()
        alive.add(big)
        most[0] = max(most[0], len(alive))
        return big

    made = dag_of([[], *[[i] for i in range(19)]], lambda _: make)

    async def main():
        gc.collect()
        gc.disable()
        try:
            for _ in range(2):
                result = await awaited(way, made)
                assert len(alive) == 1
                del result
                for _ in range(2000):
                    if not alive:
                        break
                    await asyncio.sleep(0.001)
                assert not alive
        finally:
            gc.enable()

    asyncio.run(main())
    assert most[0] <= 2


@awaited_ways
def test_what_is_cancelled_starts_nothing_any_more(way):
    late, started, release = [], threading.Event(), threading.Event()

    def wait():
        started.set()
        release.wait(20)

    made = DAG("cancelled")
    made.add(late.append, made.add(wait, name="waits"), name="late")

    async def main():
        running = asyncio.create_task(awaited(way, made))
        while not started.is_set():  # noqa: ASYNC110 (set by a thread)
            await asyncio.sleep(0.001)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not release.is_set()  # it did not wait for the node
        release.set()
        return await awaited(way, dag_of([[], [0]], lambda i: lambda *_: i))

    assert asyncio.run(main()) == {"n1": 1}
    assert not late
