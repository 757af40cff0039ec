"""Pickling measured: limits, what is refused, and that nothing of a value is told."""

from __future__ import annotations

import io
import multiprocessing
import os
import re
import socket
import tempfile
import threading
import warnings
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.measurement import Pickling
from makespan_optimizer.measure import pickling
from makespan_optimizer.measure.pickling import Limits, Picklings, _taken, measure

SECRET = "correct horse battery staple"


class Clock:
    """A clock that goes on a second at each look."""

    def __init__(self, step: float = 1.0) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


class Raises:
    def __init__(self, error):
        self.error = error

    def __reduce__(self):
        raise self.error


class RaisesLater:
    def __init__(self, error=None):
        self.error = error

    def __setstate__(self, state):
        raise state["error"]


class Counted:
    reduced = restored = deleted = 0

    def __reduce__(self):
        Counted.reduced += 1
        return _restore, ()


def _restore():
    Counted.restored += 1
    return Counted()


class Descriptor:
    """As a connection of multiprocessing: a number in its dict, closed when it is dropped."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        os.close(self.number)


# -- what is measured --------------------------------------------------------------------------------------


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
        max_leaves=30,
    )
)
@settings(deadline=None, max_examples=60)
def test_plain_values_pickle(value):
    its = measure(value)
    assert its.picklable
    assert its.reason == ""
    assert its.pickle_s is not None
    assert its.unpickle_s is not None
    assert its.bytes is not None
    assert its.bytes > 0


def test_an_array_counts_as_a_buffer_and_is_copied_once_each_way():
    numpy = pytest.importorskip("numpy")
    array = numpy.ones(300_000)
    its = measure((array, array))  # one array, twice: pickled once
    assert its.picklable
    assert array.nbytes <= (its.bytes or 0) < array.nbytes + 1000
    assert (array == 1).all()


def test_each_object_is_reduced_and_restored_once():
    Counted.reduced = Counted.restored = 0
    assert measure([Counted()]).picklable
    assert (Counted.reduced, Counted.restored) == (1, 1)


# -- limits ------------------------------------------------------------------------------------------------


def test_a_large_value_is_not_tried():
    Counted.reduced = 0
    its = measure([b"x" * 1000, Counted()], Limits(bytes=500))
    assert its == Pickling(None, reason="not measured: it is larger than 0 MiB")
    assert Counted.reduced == 0


class Inflates:
    def __reduce__(self):
        return bytes, (b"x" * 3_000_000,)


class Buffers:
    def __reduce__(self):
        numpy = pytest.importorskip("numpy")
        return list, ([numpy.ones(1_000_000)],)


@pytest.mark.parametrize("kind", [Inflates, Buffers])
def test_a_value_that_turns_out_large_is_given_up(kind):
    its = measure(kind(), Limits(bytes=2 << 20))
    assert its == Pickling(None, reason="not measured: it is larger than 2 MiB")


def test_a_value_that_takes_long_is_given_up_between_its_objects():
    Counted.reduced = 0
    its = measure([Counted() for _ in range(100)], Limits(seconds=10), Clock())
    assert its == Pickling(None, reason="not measured: it took longer than 10 s")
    assert 0 < Counted.reduced < 20


def test_a_long_list_of_plain_values_is_given_up_too():
    its = measure(list(range(200_000)), Limits(seconds=3), Clock())
    assert its.reason == "not measured: it took longer than 3 s"


def test_slow_unpickling_is_given_up_and_the_rest_is_kept():
    def clock():
        return next(times)

    times = iter([0.0] * 6 + [100.0] * 1000)  # the fifth reading is the end of pickling
    its = measure(b"x", Limits(seconds=3), clock)
    assert (its.picklable, its.pickle_s, its.unpickle_s) == (True, 0.0, None)
    assert its.reason == "not unpickled: it took longer than 3 s"


def test_a_profile_spends_so_much_on_pickling_and_no_more():
    picklings = Picklings(Limits(seconds=1000), all_s=5, clock=Clock())
    assert picklings.measure(1).picklable
    assert picklings.measure(1).reason == "not measured: 5 s were spent on other values"


# -- what does not pickle ----------------------------------------------------------------------------------


def generator():
    yield 1


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: lambda: 0, r"\w+Error at function"),
        (generator, "TypeError at generator"),
        (lambda: iter([threading.Lock()]), "TypeError at _thread.lock"),
        (lambda: Raises(ValueError(SECRET)), "ValueError at .*Raises"),
        (lambda: Raises(SystemExit(SECRET)), "SystemExit at .*Raises"),
        (lambda: [{"a": Raises(GeneratorExit())}], "GeneratorExit at .*Raises"),
        (lambda: RaisesLater(LookupError(SECRET)), "LookupError while unpickling .*RaisesLater"),
    ],
)
def test_the_reason_names_types_and_nothing_else(make, reason):
    its = measure(make())
    assert its.picklable is False
    assert its.pickle_s is None
    assert re.fullmatch(reason, its.reason)
    assert SECRET not in its.reason


@pytest.mark.parametrize("make", [Raises, RaisesLater])
def test_too_little_memory_says_nothing_about_the_value(make):
    its = measure(make(MemoryError()))
    assert its.picklable is (True if make is RaisesLater else None)
    assert "there was not enough memory" in its.reason
    assert its.unpickle_s is None


def test_copies_are_freed_as_they_are_read_back():
    copies = deque([bytearray(b"one"), bytearray(b"two")])
    left = [(buffer, len(copies)) for buffer in _taken(copies)]
    assert left == [(b"one", 1), (b"two", 0)]


def test_a_deep_value_is_a_reason_too():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    its = measure(deep)
    while deep:  # to drop it at once would recurse
        deep = deep.pop()
    assert its.picklable is False
    assert its.reason == "RecursionError at list"


def test_ctrl_c_passes():
    with pytest.raises(KeyboardInterrupt):
        measure(Raises(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        measure(RaisesLater(KeyboardInterrupt()))


def test_warnings_of_the_users_code_do_not_show():
    class Warns:
        def __reduce__(self):
            warnings.warn("careful", UserWarning, stacklevel=1)
            return int, ()

    assert measure(Warns()).picklable


# -- what stands for something of the system ---------------------------------------------------------------


def test_files_and_sockets_are_refused_and_stay_as_they_are():
    with tempfile.TemporaryFile() as file, socket.socket() as sock:
        file.write(b"12")
        assert measure([file]).reason.startswith(("it holds _io.", "TypeError at"))
        assert measure([sock]).reason == "it holds socket.socket"
        assert file.tell() == 2
        assert sock.fileno() >= 0
    assert measure(io.BytesIO(b"x")).picklable
    assert measure(socket.AF_INET).picklable


def test_a_connection_is_refused_and_not_closed():
    here, there = multiprocessing.Pipe()
    with here, there:
        assert measure(here).reason == "it holds multiprocessing.connection.Connection"
        there.send(1)
        assert here.recv() == 1


def test_an_object_with_a_finalizer_is_not_made_twice():
    number = os.open(os.devnull, os.O_RDONLY)
    value = Descriptor(number)
    its = measure(value)
    assert (its.picklable, its.unpickle_s) == (True, None)
    assert its.reason.endswith("Descriptor could do harm")
    os.fstat(number)  # still open
    del value


def test_a_figure_of_pyplot_is_not_made_twice():
    pytest.importorskip("matplotlib").use("agg")
    from matplotlib import pyplot

    figure = pyplot.figure()
    try:
        its = measure(figure)
        assert (its.picklable, its.unpickle_s) == (True, None)
        assert pyplot.get_fignums() == [figure.number]
    finally:
        pyplot.close(figure)


def test_nothing_of_the_value_is_kept_alive():
    import gc
    import weakref

    gc.disable()
    try:
        value = Counted()
        gone = weakref.ref(value)
        measure(value)
        del value
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("library", ["pandas", "torch", "pyarrow", "sklearn"])
def test_values_of_libraries_pickle(library):
    module = pytest.importorskip(library)
    value = {
        "pandas": lambda: module.DataFrame({"a": range(1000), "b": ["x"] * 1000}),
        "torch": lambda: module.ones(1000),
        "pyarrow": lambda: module.table({"a": list(range(1000))}),
        "sklearn": lambda: __import__("sklearn.linear_model").linear_model.LinearRegression(),
    }[library]()
    its = measure(value)
    assert its.picklable
    assert its.unpickle_s is not None


def test_what_other_processes_took_of_the_time_does_not_count(monkeypatch):
    class Delayed:
        """Of each second that passes, half was waited for a core."""

        def __init__(self):
            self.clock = clock

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read_s(self):
            return self.clock.now / 2

    clock = Clock()
    undisturbed = measure([b"x"] * 9, Limits(seconds=1000), Clock())
    monkeypatch.setattr(pickling, "RunDelay", Delayed)
    delayed = measure([b"x"] * 9, Limits(seconds=1000), clock)
    assert delayed.pickle_s == pytest.approx(undisturbed.pickle_s / 2)
    assert delayed.unpickle_s == pytest.approx(undisturbed.unpickle_s / 2)
