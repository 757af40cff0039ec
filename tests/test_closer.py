"""Threads used: arithmetic on made-up readings, and one real pool."""

from __future__ import annotations

import hashlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from makespan.profile import Call
from makespan_optimizer.measure.clocks import Clocks, Stopwatch
from makespan_optimizer.measure.closer import Closer, holds_s, on_core_s, own_threads, threads_used
from makespan_optimizer.measure.sampling.switches import Takes

linux = pytest.mark.skipif(sys.platform != "linux", reason="it is told by /proc")


def passed(wall=1.0, cpu=1.0, process=1.0) -> Clocks:
    return Clocks(wall, cpu, process, 0.0, 0.0, 0, 0, 0, 0.0)


@pytest.mark.parametrize(
    ("before", "after", "process", "used"),
    [
        ({1: 0.0}, {1: 1.0}, 1.0, 1),
        ({1: 0.0, 2: 5.0}, {1: 1.0, 2: 6.0}, 2.0, 2),
        ({1: 0.0, 2: 5.0}, {1: 1.0, 2: 5.005}, 1.005, 1),  # woke up and found nothing to do
        ({1: 0.0}, {1: 1.0, 3: 0.5, 4: 0.5}, 2.0, 3),  # began meanwhile
        ({1: 0.0}, {1: 1.0}, 1.9, 2),  # began and ended meanwhile
        ({1: 0.0}, {1: 1.0}, 3.5, 4),
        ({1: 0.0, 9: 0.0}, {1: 1.0, 9: 0.9}, 1.9, 1),  # one that measures
        ({1: 0.0}, {1: 0.0}, 1.0, 1),  # waits all the time: counted all the same
        ({}, {}, 1.0, None),
    ],
)
def test_threads_used(before, after, process, used):
    assert threads_used(before, after, passed(process=process), caller=1, ignore={9}) == used


@linux
def test_a_pool_of_two_and_the_caller():
    block = bytes(1 << 22)
    ignore, caller = own_threads(), threading.get_native_id()
    meet = threading.Barrier(2)

    def work() -> None:
        meet.wait()
        for _ in range(10):
            hashlib.sha256(block).digest()

    with ThreadPoolExecutor(2) as pool, Stopwatch() as stopwatch:
        before = on_core_s()
        began = stopwatch.begin()
        for done in [pool.submit(work) for _ in range(2)]:
            done.result()
        clocks = stopwatch.end(began)
        after = on_core_s()
    assert threads_used(before, after, clocks, caller=caller, ignore=ignore) == 3


@linux
def test_threads_that_measure_are_told_by_their_name():
    stop = threading.Event()
    other = threading.Thread(target=stop.wait, name="makespan-anything")
    other.start()
    try:
        assert other.native_id in own_threads()
        assert threading.get_native_id() not in own_threads()
        assert other.native_id in on_core_s()
    finally:
        stop.set()
        other.join()


class Bursts:
    def __init__(self):
        self.said = []

    def begin(self):
        self.said.append("begin")

    def end(self):
        self.said.append("end")
        return 0.02


class FakeMeter:
    clocks = None

    def __init__(self, said=None):
        self.said = [] if said is None else said
        self.last = None

    def call(self, run, fn, *args):
        self.said.append("call")
        value = fn(*args)
        self.last = Call(run, 0.1, 0.1, gil_share=1.0, gil_retakes=13)
        return value


def held(seconds, **more):
    return Call("r", 0.1, seconds, gil_share=1.0, gil_retakes=2, **more)


def test_the_gil_is_asked_for_beside_a_call_that_held_it_before():
    bursts = Bursts()
    meter = FakeMeter(bursts.said)
    value, call = Closer(meter, bursts).call("r", int, ("7",), held(0.05))
    assert value == 7
    assert bursts.said == ["begin", "call", "end"]
    assert call.gil_burst_max_s == 0.02
    assert (call.gil_retakes, call.gil_share) == (None, None)  # perturbed


def test_the_only_counted_call_is_not_perturbed():
    bursts = Bursts()
    _, call = Closer(FakeMeter(), bursts).call("r", int, (), held(0.05), counted=False)
    assert bursts.said == []
    assert call.gil_share == 1.0


def test_threads_that_pass_the_gil_to_each_other_say_nothing_of_bursts():
    class Threads(FakeMeter):
        def call(self, run, fn, *args):
            self.last = Call(run, 0.1, 0.01, other_cpu_s=0.09, other_gil_s=0.09, gil_share=1.0)
            return fn(*args)

    bursts = Bursts()
    _, call = Closer(Threads(), bursts).call("r", int, (), held(0.05))
    assert bursts.said == ["begin", "end"]
    assert call.gil_burst_max_s is None


@pytest.mark.parametrize("before", [held(0.005), Call("r", 0.1, 0.1, gil_share=0.01), None])
def test_the_gil_is_not_asked_for_beside_others(before):
    bursts = Bursts()
    _, call = Closer(FakeMeter(), bursts).call("r", int, (), before)
    assert bursts.said == []
    assert call.gil_burst_max_s is None
    assert call.gil_retakes == 13


def test_asking_ends_when_the_call_raises():
    bursts = Bursts()
    with pytest.raises(ValueError, match="invalid literal"):
        Closer(FakeMeter(), bursts).call("r", int, ("x",), held(0.05))
    assert bursts.said == ["begin", "end"]


def test_python_threads_of_the_node_count_as_holding():
    assert holds_s(held(0.01, other_gil_s=0.05)) == pytest.approx(0.06)
    assert holds_s(Call("r", 1.0, 0.3)) == 0.3  # not sampled: it may be all of it


def test_where_it_is_not_told_there_are_no_readings(monkeypatch, tmp_path):
    monkeypatch.setattr("makespan_optimizer.measure.closer._TASKS", tmp_path / "none")
    assert on_core_s() == {}


class Counted(Bursts):
    def __init__(self, takes):
        super().__init__()
        self.takes = takes

    def end(self):
        super().end()
        return self.takes


@pytest.mark.parametrize(
    ("takes", "number", "counted"),
    [(Takes(21.6), 22, True), (Takes(8.0, at_least=True), 13, False), (None, 13, False)],
)
def test_takes_are_counted_beside_nodes_that_hardly_hold_the_gil(takes, number, counted):
    counts = Counted(takes)
    _, call = Closer(FakeMeter(counts.said), Bursts(), counts).call("r", int, (), held(0.005))
    assert counts.said == ["begin", "call", "end"]
    assert (call.gil_retakes, call.takes_counted) == (number, counted)
    assert call.gil_share == 1.0


def test_takes_are_not_counted_beside_nodes_that_hold_it_long():
    counts = Counted(Takes(100.0))
    _, call = Closer(FakeMeter(), None, counts).call("r", int, (), held(0.05))
    assert counts.said == []
    assert call.gil_retakes == 13
