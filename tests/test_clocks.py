"""Clocks of a call, and the size of a result."""

from __future__ import annotations

import array
import gc
import hashlib
import os
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan_optimizer.measure.clocks import Clocks, RunDelay, Stopwatch, _never_blocked
from makespan_optimizer.measure.size import size_of

LINUX = sys.platform == "linux"


def spin(seconds: float) -> None:
    """Use so much CPU time (not wall), however loaded the machine is."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def measured(fn) -> Clocks:
    with Stopwatch() as watch:
        began = watch.begin()
        fn()
        return watch.end(began)


def test_a_sleep_is_wall_without_cpu():
    passed = measured(lambda: time.sleep(0.05))
    assert passed.wall_s >= 0.05
    assert passed.cpu_s < 0.2 * passed.wall_s
    assert passed.other_cpu_s < 0.2 * passed.wall_s


@pytest.mark.skipif(not LINUX, reason="run delay is read from /proc")
def test_a_loop_is_cpu_and_run_delay_and_nothing_else():
    passed = measured(lambda: spin(0.05))
    assert passed.cpu_s >= 0.05
    blocked = passed.wall_s - passed.cpu_s - passed.run_delay_s
    assert abs(blocked) < 0.1 * passed.wall_s


def test_other_threads_count_apart_from_the_caller():
    block = bytes(8 << 20)

    def work() -> None:
        other = threading.Thread(target=lambda: [hashlib.sha256(block).digest() for _ in range(4)])
        other.start()
        other.join()

    passed = measured(work)
    assert passed.other_cpu_s > 5 * passed.cpu_s
    assert passed.other_cpu_s <= passed.process_s


@pytest.mark.skipif(not LINUX, reason="getrusage of children")
def test_a_child_that_was_waited_for_counts_as_other():
    code = "import time\nwhile time.process_time() < 0.1: pass"
    passed = measured(lambda: subprocess.run([sys.executable, "-S", "-c", code], check=True))
    assert passed.other_cpu_s >= 0.1
    assert passed.cpu_s < passed.other_cpu_s


def test_gc_seconds_are_those_of_the_collector():
    gc.collect()
    heap = [[i] for i in range(200_000)]
    with_gc = measured(gc.collect)
    without = measured(lambda: None)
    del heap
    assert 0 < with_gc.gc_s <= with_gc.wall_s
    assert without.gc_s == 0


def test_nothing_stays_behind(count_descriptors):
    before, callbacks = count_descriptors(), list(gc.callbacks)
    for _ in range(3):
        measured(lambda: None)
    with pytest.raises(ZeroDivisionError), Stopwatch():
        raise ZeroDivisionError
    assert count_descriptors() == before
    assert gc.callbacks == callbacks


@pytest.fixture
def count_descriptors():
    def count() -> int:
        return len(os.listdir("/proc/self/fd")) if LINUX else 0

    return count


@pytest.mark.skipif(not LINUX, reason="run delay is read from /proc")
def test_a_core_lost_while_the_clocks_are_read_is_not_the_calls_delay(monkeypatch):
    delay, lost = 0.0, [0.0]

    def read(_: RunDelay) -> float:
        nonlocal delay
        if lost and (seconds := lost.pop(0)):
            time.sleep(seconds)
            delay += seconds
        return delay

    monkeypatch.setattr(RunDelay, "read_s", read)
    with Stopwatch() as watch:
        lost[:] = [0.01, 0.0, 0.02]  # at the beginning, at its second try, at the end
        began = watch.begin()
        assert lost == [0.02]
        time.sleep(0.001)  # it gave way of itself, so it may have been blocked
        passed = watch.end(began)
    assert passed.run_delay_s < 0.005


@pytest.mark.skipif(not LINUX, reason="run delay is read from /proc")
def test_a_node_that_closes_all_files_keeps_those_that_it_opens_then(tmp_path, count_descriptors):
    own = tmp_path / "own"
    own.write_text("7 2 9\nand more\n")  # begins like the file that was there
    before = count_descriptors()
    with Stopwatch() as watch:
        began = watch.begin()
        number = watch._run_delay._descriptor
        os.close(number)
        watch.end(began)
        mine = os.open(own, os.O_RDONLY)
        assert mine == number
        assert watch.end(watch.begin()).run_delay_s >= 0
    assert os.read(mine, 5) == b"7 2 9"
    os.close(mine)
    assert count_descriptors() == before


@pytest.mark.skipif(not LINUX, reason="run delay is read from /proc")
def test_once_its_file_is_gone_run_delay_is_0_from_then_on():
    with RunDelay() as delay:
        os.close(delay._descriptor)
        assert delay.read_s() == 0.0
        reader, writer = os.pipe()
        assert delay._descriptor in (reader, writer)
        assert delay.read_s() == 0.0
    os.close(reader)
    os.close(writer)


def test_a_node_that_clears_the_callbacks_of_the_collector_does_no_harm():
    others = list(gc.callbacks)
    try:
        with Stopwatch():
            gc.callbacks.clear()
    finally:
        gc.callbacks[:] = others


def clocks(wall=1.0, cpu=0.0, delay=0.0, nvcsw=0) -> Clocks:
    return Clocks(wall, cpu, cpu, delay, 0.0, nvcsw, 0, 0, 0.0)


@pytest.mark.parametrize(
    ("passed", "delay"),
    [
        (clocks(cpu=0.6, delay=0.1), 0.4),  # the hypervisor had the rest
        (clocks(cpu=0.6, delay=0.1, nvcsw=1), 0.1),  # it may have been blocked
        (clocks(cpu=0.6, delay=0.5), 0.5),  # clocks that do not quite agree
    ],
)
def test_a_thread_that_never_gave_way_was_never_blocked(passed, delay):
    assert _never_blocked(passed).run_delay_s == pytest.approx(delay)


def test_own_threads_within_the_jitter_of_two_clocks_are_none():
    assert Clocks(1, 0.5, 0.5 + 1e-6, 0, 0, 0, 0, 0, 0).other_cpu_s == 0
    assert Clocks(1, 0.5, 0.6, 0, 0.25, 0, 0, 0, 0).other_cpu_s == pytest.approx(0.35)


# -- sizes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "at_least", "at_most"),
    [
        (b"x" * 10_000, 10_000, 10_100),
        ("x" * 10_000, 10_000, 10_100),
        (array.array("d", [0.0]) * 1000, 8000, 8200),
        (memoryview(bytes(5000)), 5000, 5000),
        ([b"x" * 1000] * 3, 1000, 3500),
        ({"a": bytes(10_000), "b": (bytes(10_000), [bytes(10_000)])}, 30_000, 31_500),
        ([bytes(1000) for _ in range(100_000)], 100_000_000, 110_000_000),
        (None, 1, 64),
    ],
)
def test_sizes(value, at_least, at_most):
    assert at_least <= size_of(value) <= at_most


def test_arrays_and_frames_say_it_themselves():
    numpy = pytest.importorskip("numpy")
    pandas = pytest.importorskip("pandas")
    assert size_of(numpy.zeros((100, 100))) == 80_000
    frame = pandas.DataFrame({"a": numpy.zeros(10_000), "b": numpy.zeros(10_000)})
    assert 160_000 <= size_of([frame]) <= 162_000


touched = []


class Hostile:
    """Runs code of its own whenever it is looked at."""

    def __init__(self) -> None:
        object.__setattr__(self, "held", bytes(5000))

    def _touch(self, *args):
        touched.append("touched")
        raise RuntimeError("user code was run")

    __len__ = __iter__ = __sizeof__ = __getattr__ = __bool__ = __eq__ = __hash__ = __repr__ = _touch
    __getattribute__ = _touch
    nbytes = property(_touch)


class HostileList(list):
    def __iter__(self):
        raise RuntimeError("user code was run")

    def __len__(self):
        raise RuntimeError("user code was run")


def test_no_code_of_the_user_runs():
    assert size_of(Hostile()) >= 5000
    assert size_of([Hostile(), {"a": Hostile()}]) >= 10_000
    assert size_of(HostileList([bytes(5000)])) >= 5000
    assert not touched


def test_what_contains_itself_has_a_size():
    ring: list = [bytes(100)]
    ring.append(ring)
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    assert size_of(ring) >= 100
    assert size_of(deep) > 0
    while deep:  # take it apart without recursion
        deep = deep[0]


def test_looking_is_bounded_and_still_near():
    nested = [[[[i] * 50 for i in range(50)] for _ in range(50)] for _ in range(50)]
    began = time.thread_time()
    whole = sum(sys.getsizeof(c) for a in nested for b in a for c in b)
    walk = time.thread_time() - began
    began = time.thread_time()
    found = size_of(nested)
    took = time.thread_time() - began
    assert whole < found < 10 * whole
    assert took < walk


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@given(JSON)
@settings(deadline=None, max_examples=60)
def test_every_plain_value_has_a_size_and_a_container_is_larger(value):
    inner, outer = size_of(value), size_of([value, 0])
    assert 0 < inner < outer
