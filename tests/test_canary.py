"""A thread that asks for the GIL: what it finds, and what it leaves alone."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
import warnings

import pytest

from makespan_optimizer.measure.meter import Meter
from makespan_optimizer.measure.sampling.canary import (
    Answers,
    BurstWatch,
    Canary,
)
from makespan_optimizer.measure.sampling.canarysampler import CanarySampler, seen_by
from makespan_optimizer.measure.sampling.watch import Seen


def spin(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(20))


def hold(seconds: float) -> None:
    """Keep the GIL in one call of C code."""
    size = 100_000
    while True:
        values = [random.random() for _ in range(size)]
        began = time.thread_time()
        values.sort()
        if time.thread_time() - began >= seconds:
            return
        size *= 2


def burst_share(fn) -> float:
    """Return the longest hold without a safe point, as a share of the call."""
    with BurstWatch() as burst:
        burst.begin()
        began_s = time.perf_counter()
        fn()
        wall_s = time.perf_counter() - began_s
        return burst.end() / wall_s


def test_one_long_call_of_c_code_is_a_burst():
    with BurstWatch() as burst:
        burst.begin()
        hold(0.1)
        assert burst.end() > 0.5 * 0.1


def test_a_loop_and_a_sleep_have_no_burst():
    assert min(burst_share(lambda: spin(0.05)) for _ in range(4)) < 0.2
    assert min(burst_share(lambda: time.sleep(0.05)) for _ in range(4)) < 0.2


def test_a_call_is_judged_by_itself():
    with BurstWatch() as burst:
        burst.begin()
        hold(0.08)
        held_s = burst.end()
        assert held_s > 0.5 * 0.08
        later = []
        for _ in range(4):
            burst.begin()
            later.append(burst.end())
        assert min(later) < 0.2 * held_s


def test_the_switch_interval_is_unchanged_and_respected():
    before, longer_s = sys.getswitchinterval(), 0.05
    burst_share(lambda: spin(0.02))
    assert sys.getswitchinterval() == before
    try:
        sys.setswitchinterval(longer_s)
        # Each wait lasts as long as the interval, which is no burst.
        assert min(burst_share(lambda: spin(2 * longer_s)) for _ in range(3)) < 0.4
    finally:
        sys.setswitchinterval(before)


def test_an_exception_and_no_call_at_all_leave_nothing_behind():
    before = threading.active_count()
    burst = BurstWatch()
    with pytest.raises(ZeroDivisionError), burst:
        burst.begin() or 1 / 0
    burst.begin()
    assert burst.end() >= 0
    with BurstWatch() as burst:
        assert burst.end() == 0
    assert threading.active_count() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_forked_child_does_not_wait_for_it():
    with BurstWatch() as burst:
        burst.begin()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: fork in a process with threads
            child = os.fork()
        if not child:
            burst.end()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert burst.end() >= 0


def test_answers_divide_time_into_held_and_free():
    free = Answers().and_one(0.001, 0.0001)
    assert free == Answers(1, 0.0001, 0.0, pytest.approx(0.0011))
    assert free.and_one(0.001, 0.006).held_s == pytest.approx(0.007)
    assert free.and_one(0.001, 0.006).late == 1


def test_a_canary_that_was_never_asked_answers_nothing():
    with Canary(lambda: 0.001) as canary:
        assert canary.end() == Answers()
        canary.begin()
        time.sleep(0.03)
        answers = canary.end()
        assert canary.end() == answers
    assert answers.asks >= 2
    assert answers.held_s <= answers.total_s


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_canary_that_died_is_not_waited_for():
    with Canary(lambda: 1 / 0) as canary:
        canary.begin()
        canary._thread.join()
        assert canary.end() == Answers()  # not asked to the end
        assert canary.dead
        canary.begin()
        assert canary.end() == Answers()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_sampler_whose_canary_died_is_lost(monkeypatch):
    sampler = CanarySampler()
    monkeypatch.setattr(sampler, "_draw", lambda low, high: 1 / 0)
    with Meter(sampler) as meter:
        meter.call("", lambda: sampler._watches[0]._canary._thread.join())
        call = meter.last
    sampler.close()
    assert call is not None
    assert call.gil_share is None
    assert sampler.lost == "its thread ended"


# -- as a sampler ------------------------------------------------------------------------------------------


def gil_shares(fn, calls: int = 3) -> list[float]:
    """Of the wall net of run delay, sorted."""
    sampler = CanarySampler()
    shares = []
    try:
        with Meter(sampler) as meter:
            for _ in range(calls):
                meter.call("", fn)
                call = meter.last
                assert call is not None
                shares.append((call.gil_share or 0.0) * call.cpu_s / (call.wall_s - call.run_delay_s))
    finally:
        sampler.close()
    return sorted(shares)


def test_a_loop_holds_the_gil_and_a_sleep_does_not():
    assert gil_shares(lambda: spin(0.05))[-1] > 0.5
    assert gil_shares(lambda: time.sleep(0.05))[0] < 0.1


def test_calls_that_overlap_are_not_seen():
    sampler, seen, both = CanarySampler(), [], threading.Barrier(2)

    def work() -> None:
        watch = sampler.watch()
        both.wait()
        watch.begin()
        both.wait()
        seen.append(watch.end())

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [None, None]
    alone = sampler.watch()
    alone.begin()
    assert isinstance(alone.end(), Seen)
    assert alone.end() is None  # it did not begin
    sampler.close()
    sampler.close()


def test_its_own_cpu_time_is_not_the_nodes():
    sampler = CanarySampler()
    watch = sampler.watch()
    watch.begin()
    time.sleep(0.05)
    watch.end()
    overhead_s = watch.overhead_s
    sampler.close()
    assert (overhead_s > 0) is hasattr(time, "pthread_getcpuclockid")


@pytest.mark.skipif(sys.platform != "linux", reason="getrusage of a thread")
def test_the_switches_that_it_forces_are_not_the_nodes():
    sampler = CanarySampler()
    with Meter(sampler) as meter:
        meter.call("", lambda: spin(0.1))
        clocks = meter.clocks
    sampler.close()
    assert clocks is not None
    assert clocks.nvcsw <= 10  # it is asked for the GIL about 16 times


def test_answers_become_samples():
    assert seen_by(Answers(), 1.0) == Seen()
    assert seen_by(Answers(10, 0.005, 0.01, 0.01), 1.0) == Seen(hold=10)
    # More held than the thread was on a core: another thread held it.
    assert seen_by(Answers(10, 0.005, 0.008, 0.01), 0.5) == Seen(hold=5, other=5, other_hold=3)
