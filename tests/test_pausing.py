"""Waiting inside a node: until told, until the time is over, or until the run ends."""

import threading
from _thread import allocate_lock
from contextvars import copy_context

import pytest

from makespan.around.pausing import acquired
from makespan.engine.cancelling import Cancels, inside
from makespan.engine.failure import GivenUp


@pytest.fixture
def lock():
    taken = allocate_lock()
    taken.acquire()
    return taken


def in_run(cancels, call):
    """Call it as a node of the run with these cancellers."""
    context = copy_context()
    context.run(inside.set, cancels)
    return context.run(call)


def soon(call):
    timer = threading.Timer(0.02, call)
    timer.start()
    return timer


def test_told(lock):
    timer = soon(lock.release)
    assert acquired(lock) is True
    timer.join()


@pytest.mark.parametrize("timeout_s", [0, 0.01, 0.15])
def test_not_told_in_time(lock, timeout_s):
    assert acquired(lock, timeout_s) is False
    cancels = Cancels()
    assert in_run(cancels, lambda: acquired(lock, timeout_s)) is False
    assert not cancels.open


@pytest.mark.parametrize("timeout_s", [None, 60])
def test_the_run_is_abandoned_stops_or_was_over_before(lock, timeout_s):
    for end in (Cancels.close, lambda cancels: setattr(cancels, "stopping", True)):
        cancels = Cancels()
        timer = soon(lambda end=end, cancels=cancels: end(cancels))
        for _ in range(2):
            with pytest.raises(GivenUp):
                in_run(cancels, lambda: acquired(lock, timeout_s))
        timer.join()
        assert not cancels.open
        lock.acquire(blocking=False)


def test_the_run_around_ends(lock):
    around = Cancels()
    cancels = Cancels(around)
    timer = soon(around.close)
    with pytest.raises(GivenUp):
        in_run(cancels, lambda: acquired(lock))
    timer.join()


def test_the_time_of_the_node_is_up(lock):
    cancels, me = Cancels(), threading.get_ident()
    timer = soon(lambda: cancels.time_is_up(me))
    with pytest.raises(TimeoutError):
        in_run(cancels, lambda: acquired(lock))
    timer.join()
