"""Limits on native threads: found where loaded, set, and put back whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makespan import OptionError
from makespan.around import native_pools
from makespan.machine import THREAD_VARIABLES
from makespan_optimizer.measure.trials.pools import Pool, Pools, find_pools


class Library:
    """A library with a number of threads."""

    def __init__(self, threads=8, most=1000):
        self.threads, self.most = threads, most

    def get(self):
        return self.threads

    def set(self, threads):
        if threads > self.most:
            raise ValueError("too many")
        self.threads = threads

    def pool(self, name, local=False):
        return Pool(name, self.get, self.set, local)


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    yield
    assert {name: os.environ.get(name) for name in THREAD_VARIABLES} == before


def test_everything_is_limited_and_put_back():
    a, b = Library(8), Library(3)
    with Pools((a.pool("a"), b.pool("b")), {}).limited(2) as names:
        assert (a.threads, b.threads) == (2, 2)
        assert names == ("a", "b", "environment")
        assert {os.environ[name] for name in THREAD_VARIABLES} == {"2"}
    assert (a.threads, b.threads) == (8, 3)
    assert os.environ["OMP_NUM_THREADS"] == "7"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_whatever_is_raised_inside_everything_is_put_back(error):
    a = Library(8)
    with pytest.raises(error), Pools((a.pool("a"),), {}).limited(1):
        raise error
    assert a.threads == 8


def test_ctrl_c_while_putting_back_puts_back_the_rest_and_is_raised():
    a, b = Library(8), Library(8)
    interrupted = []

    def stubborn(threads):
        if threads == 8 and not interrupted:
            interrupted.append(0)
            raise KeyboardInterrupt
        b.set(threads)

    made = Pools((a.pool("a"), Pool("b", b.get, stubborn)), {})
    with pytest.raises(KeyboardInterrupt), made.limited(1):
        assert (a.threads, b.threads) == (1, 1)
    assert (a.threads, b.threads) == (8, 8)


def test_ctrl_c_while_limiting_puts_back_what_was_limited():
    a = Library(8)

    def interrupt(threads):
        raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        Pools((a.pool("a"), Pool("b", lambda: 8, interrupt)), {}).limited(1),
    ):
        pytest.fail("entered")
    assert a.threads == 8


def test_a_library_that_refuses_is_not_named_and_keeps_its_number():
    a, b = Library(4, most=4), Library(9)
    with Pools((a.pool("a"), b.pool("b")), {}).limited(6) as names:
        assert names == ("b", "environment")
        assert (a.threads, b.threads) == (4, 6)
    assert (a.threads, b.threads) == (4, 9)


def test_in_another_thread_only_the_local_pools_are_limited():
    a, b = Library(8), Library(8)
    with Pools((a.pool("a"), b.pool("b", local=True)), {}).limited_here(1) as names:
        assert (a.threads, b.threads) == (8, 1)
        assert names == ("b",)
        assert os.environ["OMP_NUM_THREADS"] == "7"
    assert b.threads == 8


@given(st.lists(st.integers(1, 64), max_size=5), st.integers(1, 64))
def test_limits_within_limits(numbers, threads):
    libraries = [Library(number) for number in numbers]
    made = Pools(tuple(its.pool(f"l{i}") for i, its in enumerate(libraries)), {})
    with made.limited(threads), made.limited(1):
        assert {its.threads for its in libraries} <= {1}
    assert [its.threads for its in libraries] == numbers


def test_the_most_threads_of_a_library_are_the_default():
    assert Pools((Library(3).pool("a"), Library(5).pool("b")), {}).default_threads() == 5
    assert Pools((), {}).default_threads() >= 1


@pytest.mark.parametrize("threads", [0, -1, True, 1.0, "2", None, 10**9])
def test_a_limit_is_a_number_of_threads(threads):
    with pytest.raises(OptionError, match="is a whole number from 1"), Pools((), {}).limited(threads):
        pytest.fail("entered")


def test_own_calls_of_libraries_that_are_loaded(monkeypatch):
    monkeypatch.setattr(native_pools, "controlled", lambda: ([], {}))
    cv2, torch, faiss, arrow = (Library() for _ in range(4))
    modules = {
        "cv2": SimpleNamespace(getNumThreads=cv2.get, setNumThreads=cv2.set),
        "torch": SimpleNamespace(get_num_threads=torch.get, set_num_threads=torch.set),
        "faiss": SimpleNamespace(omp_get_max_threads=faiss.get, omp_set_num_threads=faiss.set),
        "pyarrow": SimpleNamespace(cpu_count=arrow.get, set_cpu_count=arrow.set),
        "numexpr": SimpleNamespace(),  # half imported
        "onnxruntime": SimpleNamespace(),
        "polars": SimpleNamespace(),
    }
    made = find_pools(modules)
    assert made.names == ("cv2", "environment", "faiss", "pyarrow", "torch")
    assert {pool.name for pool in made.pools if pool.local} == {"faiss", "torch"}
    assert set(made.missed) == {"numexpr", "onnxruntime", "polars"}
    assert "SessionOptions" in made.missed["onnxruntime"]
    with made.limited(1):
        assert {its.threads for its in (cv2, torch, faiss, arrow)} == {1}
    assert {its.threads for its in (cv2, torch, faiss, arrow)} == {8}


def test_a_look_starts_no_threads_of_numba(monkeypatch):
    monkeypatch.setattr(native_pools, "controlled", lambda: ([], {}))
    library, started = Library(), []

    def layer():
        if not started:
            raise ValueError("Threading layer is not initialized.")
        return started[0]

    def get():
        started.append("omp")
        return library.get()

    numba = SimpleNamespace(threading_layer=layer, get_num_threads=get, set_num_threads=library.set)
    made = find_pools({"numba": numba})
    assert not started
    assert made.names == ("environment",)
    assert "NUMBA_NUM_THREADS" in made.missed["numba"]
    started.append("omp")
    made = find_pools({"numba": numba})
    assert made.missed == {}
    with made.limited(2) as names:
        assert "numba" in names
        assert library.threads == 2
    assert library.threads == 8


def test_without_threadpoolctl_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    assert "threadpoolctl" in find_pools({}).missed["BLAS and OpenMP"]


def test_nothing_is_imported_to_be_limited():
    code = (
        "import sys; from makespan_optimizer.measure.trials.pools import find_pools\n"
        "with find_pools().limited(1): pass\n"
        "print(sorted({'numpy','torch','cv2','faiss','pyarrow','duckdb','polars'} & set(sys.modules)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.strip() == "[]"


def test_a_childs_environment_is_limited():
    code = "import os; print(os.environ['OMP_THREAD_LIMIT'])"
    with find_pools().limited(3):
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "3"


def test_the_blas_of_numpy_is_limited_and_put_back():
    pytest.importorskip("numpy")
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def numbers():
        return [its["num_threads"] for its in threadpoolctl.threadpool_info()]

    before = numbers()
    if not before:
        pytest.skip("numpy without a BLAS that is known")

    def fail():
        assert set(numbers()) == {1}
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), find_pools().limited(1):
        fail()
    assert numbers() == before
    assert find_pools().default_threads() >= max(before)


def test_the_default_connection_of_duckdb_is_limited_and_put_back():
    duckdb = pytest.importorskip("duckdb")

    def threads():
        with duckdb.cursor() as cursor:
            return cursor.execute("SELECT current_setting('threads')").fetchone()[0]

    with duckdb.cursor() as cursor:
        cursor.execute("SET threads = 3")
    with find_pools().limited(1) as names:
        assert "duckdb" in names
        assert threads() == 1
    assert threads() == 3
    assert "connections other than" in find_pools().missed["duckdb"]
