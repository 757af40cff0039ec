"""A value that is computed once: whoever asks, whatever goes wrong, and without waiting in a circle."""

import os
import threading
from contextvars import copy_context

import pytest

from makespan.around.once import CircleError, Once


def in_threads(*calls):
    """Call each in a thread of its own; return what they return or raise, in order."""
    got = [None] * len(calls)

    def call(i, fn):
        try:
            got[i] = fn()
        except BaseException as error:
            got[i] = error

    threads = [threading.Thread(target=call, args=(i, fn)) for i, fn in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    return got


@pytest.mark.parametrize("value", [5, None, False, KeyError("a value like any other")], ids=repr)
def test_computed_once(value):
    once, calls = Once(), []

    def compute():
        calls.append(1)
        return value

    assert not once.is_there
    assert once.get(compute) is value
    assert once.get(compute) is value
    assert once.is_there
    assert len(calls) == 1


def test_many_threads_compute_once():
    once, calls, go = Once(), [], threading.Barrier(8)

    def ask():
        go.wait(10)
        return once.get(lambda: calls.append(1) or len(calls))

    assert in_threads(*[ask] * 8) == [1] * 8


def test_when_it_fails_the_next_computes():
    once, begun, tries = Once(), threading.Event(), []
    asked = threading.Semaphore(0)

    def fails():
        begun.set()
        for _ in range(3):
            asked.acquire(timeout=10)
        while len(once._tells) < 3:
            pass
        raise ValueError("first")

    def works():
        tries.append(1)
        return 7

    def later():
        begun.wait(10)
        asked.release()
        return once.get(works)

    first, *others = in_threads(lambda: once.get(fails), later, later, later)
    assert isinstance(first, ValueError)
    assert others == [7, 7, 7]
    assert len(tries) == 1


def test_who_needs_itself_is_told():
    once = Once()
    with pytest.raises(CircleError):
        once.get(lambda: once.get(lambda: 1))
    assert once.get(lambda: 2) == 2  # it is nobody's any more

    other = Once()
    with pytest.raises(CircleError):
        other.get(lambda: Once().get(lambda: copy_context().run(other.get, int)))


@pytest.mark.parametrize("n", [2, 3])
def test_circles_through_other_threads(n):
    ring = [Once() for _ in range(n)]
    go = threading.Barrier(n)

    def ask(i):
        def compute():
            go.wait(10)
            return ring[(i + 1) % n].get(lambda: "made here")

        return ring[i].get(compute)

    got = in_threads(*[lambda i=i: ask(i) for i in range(n)])
    refused = [one for one in got if isinstance(one, CircleError)]
    # One at least is told; when it fails, who waited for it computes on its own.
    assert 1 <= len(refused) < n
    assert all(one == "made here" for one in got if one not in refused)
    assert not any(one.waits_for for one in ring)


def test_one_value_needs_several_that_others_make():
    """Waiting for the same value from several threads below one computation leaves no trace of it."""
    inner, outer, begun = Once(), Once(), threading.Event()

    def slow():
        while sum(one is inner for one in outer.waits_for) < 2:
            pass
        return "inner"

    def compute():
        context = [copy_context(), copy_context()]
        begun.wait(10)
        return in_threads(*[lambda c=c: c.run(inner.get, int) for c in context])

    def hold():
        return inner.get(lambda: begun.set() or slow())

    assert in_threads(hold, lambda: outer.get(compute)) == ["inner", ["inner", "inner"]]
    assert outer.waits_for == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_does_not_wait_for_a_thread_of_its_parent():
    once, begun, end = Once(), threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: once.get(lambda: begun.set() or end.wait(20) or 1))
    thread.start()
    begun.wait(10)
    child = os.fork()
    if not child:
        os._exit(0 if once.get(lambda: "child") == "child" else 1)
    _, status = os.waitpid(child, 0)
    end.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0
