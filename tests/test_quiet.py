"""Waiting for pools that spin: with a made-up clock."""

from __future__ import annotations

import hashlib
import sys
import threading
import time

import pytest

from makespan.profile import Call
from makespan_optimizer.measure.quiet import LIMIT_S, Quiet, others_run


class World:
    """Time passes while sleeping; other threads spin until `spin_until`."""

    def __init__(self, spin_until: float) -> None:
        self.now = 0.0
        self.spin_until = spin_until

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def quiet(self) -> Quiet:
        return Quiet(lambda: self.now, self.sleep, lambda: self.now < self.spin_until)


POOLED, ALONE = Call("r", 0.1, 0.1, other_cpu_s=0.05), Call("r", 0.1, 0.1)


def test_it_waits_until_other_threads_rest():
    world = World(0.03)
    world.quiet().after(POOLED)
    assert 0.03 <= world.now <= 0.04


def test_it_does_not_wait_after_a_call_without_other_threads():
    world = World(0.03)
    world.quiet().after(ALONE)
    world.quiet().after(None)
    assert world.now == 0


def test_it_waits_after_something_of_which_there_is_no_record():
    world = World(0.03)
    world.quiet().after(ALONE, unmeasured=True)
    assert 0.03 <= world.now <= 0.04


def test_it_gives_up_on_a_thread_that_never_rests():
    world = World(1e9)
    quiet = world.quiet()
    quiet.after(POOLED)
    assert LIMIT_S <= world.now <= LIMIT_S + 0.01
    for _ in range(10):
        quiet.after(POOLED)
    assert world.now <= 3 * LIMIT_S + 0.03


@pytest.mark.skipif(sys.platform != "linux", reason="it is told by /proc")
def test_a_runnable_thread_is_seen():
    assert not others_run()
    stop = threading.Event()
    block = bytes(1 << 20)

    def work() -> None:
        while not stop.is_set():
            hashlib.sha256(block).digest()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        # It may wait for the GIL at times, which is no work.
        assert any(others_run() or time.sleep(0.001) for _ in range(1000))
    finally:
        stop.set()
        thread.join()
    assert any(not others_run() or time.sleep(0.001) for _ in range(1000))  # the kernel may still see it end
