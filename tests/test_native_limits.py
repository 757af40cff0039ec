"""Nodes with native threads: limited while they run, where the library allows it nobody else."""

from __future__ import annotations

import pickle
import sys
import threading
from types import SimpleNamespace

import msgspec
import pytest

from makespan import DAG, MissingExtraError, OptionError
from makespan.around import native_limits
from makespan.around.native_limits import Libraries, Limited, child_environment, limit, limited_functions
from makespan.around.native_pools import Pool, loaded_pools
from makespan.machine import THREAD_VARIABLES
from makespan.plan import PlanCluster
from tests.builders import make_profile


class Library:
    """A library with one number for the process."""

    def __init__(self, threads=8):
        self.threads = threads

    def get(self):
        return self.threads

    def set(self, threads):
        self.threads = threads

    def pool(self, name="process"):
        return Pool(name, self.get, self.set)


class LocalLibrary(threading.local):
    """A library with a number for each thread."""

    threads = 8

    def get(self):
        return self.threads

    def set(self, threads):
        self.threads = threads

    def pool(self, name="local"):
        return Pool(name, self.get, self.set, local=True)


@pytest.fixture
def libraries(monkeypatch):
    """Two libraries that every limit finds, and no other."""
    made = SimpleNamespace(process=Library(), local=LocalLibrary(), looks=0)

    def find():
        made.looks += 1
        return [made.local.pool(), made.process.pool()], {}

    monkeypatch.setattr(native_limits, "_LIBRARIES", Libraries(find))
    yield made
    assert (made.process.threads, made.local.threads) == (8, 8)


def numbers(libraries):
    return libraries.local.threads, libraries.process.threads


def test_a_node_runs_with_its_number_and_no_other_node_notices(libraries):
    made = DAG("numbers")
    before = made.add(numbers, libraries, name="before")
    limited = made.add(numbers, libraries, name="limited", native_threads=2, after=[before])
    after = made.add(numbers, libraries, name="after", after=[limited])
    made.returns((before, limited, after))
    for threads in (1, 2):
        assert made.prepare(threads=threads)() == ((8, 8), (2, 2), (8, 8))


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_the_number_comes_back_after_a_node_that_raises(libraries, error):
    def fail():
        assert numbers(libraries) == (3, 3)
        raise error

    made = DAG("failing")
    made.add(fail, native_threads=3)
    with pytest.raises(error):
        made()


def test_nodes_at_the_same_time(libraries):
    """Of a number of the process the smallest wins; one of each thread is each one's own."""
    both = threading.Barrier(2, timeout=10)

    def look():
        both.wait()
        found = numbers(libraries)
        both.wait()
        return found

    made = DAG("side by side")
    some = [made.add(look, name=f"with_{n}", native_threads=n) for n in (4, 2)]
    free = made.add(numbers, libraries, after=some)
    made.returns((*some, free))
    assert made.prepare(threads=2)() == ((4, 2), (2, 2), (8, 8))


def test_concurrent_runs_with_different_numbers_leave_the_usual_one(libraries):
    made = DAG("often")
    made.returns([made.add(lambda: None, name=f"n{n}", native_threads=n) for n in (1, 2, 3, 4)])
    fast = made.prepare(threads=2)

    def client():
        for _ in range(50):
            fast()

    threads = [threading.Thread(target=client) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_library_that_a_node_imports_is_limited_from_the_next_node_on(libraries, monkeypatch):
    late, found = Library(), []

    def find():
        found.append(0)
        return ([late.pool()] if "late_library" in sys.modules else []), {}

    monkeypatch.setattr(native_limits, "_LIBRARIES", Libraries(find))

    def load():
        monkeypatch.setitem(sys.modules, "late_library", late)
        return late.threads

    made = DAG("late")
    first = made.add(load, native_threads=1)
    made.returns((first, made.add(late.get, name="use", native_threads=1, after=[first])))
    assert made.prepare(threads=1)() == (8, 1)
    assert late.threads == 8
    looks = len(found)
    assert made.prepare(threads=1)() == (1, 1)  # nothing new to look for
    assert len(found) == looks


def test_what_a_node_sets_for_good_stays(libraries):
    def set_up():
        libraries.process.threads = 5

    made = DAG("set-up")
    made.add(set_up, native_threads=2)
    made()
    assert libraries.process.threads == 5
    libraries.process.threads = 8


def test_what_is_set_for_good_in_a_thread_stays(libraries):
    with limit(2):
        libraries.local.threads = 5
    assert libraries.local.threads == 5
    libraries.local.threads = 8


def test_nodes_that_do_not_run_here_are_left_to_their_workers():
    made = DAG("somewhere")
    for name in ("here", "process", "clustered", "left_out"):
        made.add(int, name=name)
    fitted = SimpleNamespace(
        clusters=[PlanCluster("k", ("clustered",))],
        modes={1: "process"},
        vacant=frozenset({3}),
        native=dict.fromkeys(range(4), 2),
    )
    found = limited_functions(list(made.nodes.values()), fitted)
    assert list(found) == ["here"]
    assert (found["here"].fn, found["here"].threads) == (int, 2)


def test_limits_within_limits(libraries):
    with limit(4):
        with limit(2):
            assert numbers(libraries) == (2, 2)
        assert numbers(libraries) == (4, 4)
        with limit(6):
            assert numbers(libraries) == (6, 4)


def test_torch_is_looked_at_before_openmp_is_limited(monkeypatch):
    """A thread's first look at torch's number sets OpenMP's to the default."""
    openmp, initialised, own = Library(), [], []

    def get():
        if not initialised:
            initialised.append(0)
            openmp.threads = 8
        return openmp.threads

    torch = SimpleNamespace(get_num_threads=get, set_num_threads=own.append)
    pool = next(pool for pool in loaded_pools({"torch": torch})[0] if pool.name == "torch")
    initialised.clear()  # as another thread would find it
    both = [Pool("openmp", openmp.get, openmp.set, local=True), pool]
    with limit(2, Libraries(lambda: (both, {}))):
        assert openmp.threads == 2
    assert openmp.threads == 8
    assert not own  # it would change what threads get that use torch for the first time


def test_without_threadpoolctl_the_node_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    made = DAG("x")
    made.add(len, (), name="fit", native_threads=1)
    with pytest.raises(MissingExtraError, match=r"node 'fit' is to run with 1 native thread.*threadpoolctl"):
        made.prepare()


def test_a_coroutine_function_has_no_native_threads():
    async def fetch():
        return 1

    made = DAG("x")
    made.add(fetch, native_threads=1)
    with pytest.raises(OptionError, match=r"native threads.*'fetch'"):
        made.prepare()


def test_a_limited_function_can_be_pickled():
    limited = pickle.loads(pickle.dumps(Limited(len, 2)))
    assert (limited.fn, limited.threads) == (len, 2)


def test_the_environment_of_children():
    assert child_environment(3) == dict.fromkeys(THREAD_VARIABLES, "3")


def test_a_plan_says_how_many(libraries):
    made = DAG("planned")
    made.returns([made.add(numbers, libraries, name=name) for name in ("a", "b")])
    profile = make_profile({"a": [], "b": []}, fingerprint=made.fingerprint)
    plan = profile.optimize(threads=1, time_limit_s=0.2)
    nodes = [
        msgspec.structs.replace(node, native_threads=1 if node.name == "a" else None) for node in plan.nodes
    ]
    plan = msgspec.structs.replace(plan, nodes=tuple(nodes))
    assert made.prepare(plan)() == [(1, 1), (8, 8)]


# -- libraries that are installed ----------------------------------------------------------------------------


def blas():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    pytest.importorskip("numpy")
    return [its["num_threads"] for its in threadpoolctl.threadpool_info() if its["user_api"] == "blas"]


def test_the_blas_of_numpy():
    before = blas()
    if not before or max(before) < 2:
        pytest.skip("no BLAS with several threads")
    made = DAG("blas")
    limited = made.add(blas, native_threads=1)
    made.returns((limited, made.add(blas, name="free", after=[limited])))
    during, after = made.prepare(threads=2)()
    assert set(during) == {1}
    assert after == before
    assert blas() == before


def test_the_blas_of_numpy_from_one_thread_after_another():
    before = blas()
    if not before or max(before) < 2:
        pytest.skip("no BLAS with several threads")
    here, elsewhere, done = [], [], threading.Event()

    def other():
        with limit(1):
            elsewhere.append(blas())
        done.wait()

    thread = threading.Thread(target=other)
    thread.start()
    while not elsewhere:
        thread.join(0.001)
    try:
        with limit(1):
            here = blas()
    finally:
        done.set()
        thread.join()
    assert set(here) == set(elsewhere[0]) == {1}
    assert blas() == before


def test_torch_in_one_thread_only():
    torch = pytest.importorskip("torch")
    usual = torch.get_num_threads()
    if usual < 2:
        pytest.skip("one thread anyway")
    both = threading.Barrier(2, timeout=10)

    def look():
        both.wait()
        found = torch.get_num_threads()
        both.wait()
        return found

    made = DAG("torch")
    made.returns((made.add(look, name="one", native_threads=1), made.add(look, name="all")))
    for _ in range(3):
        assert made.prepare(threads=2)() == (1, usual)
    fresh = []
    thread = threading.Thread(target=lambda: fresh.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert (torch.get_num_threads(), fresh) == (usual, [usual])


def test_opencv_beside_a_node_without_a_limit():
    """It has one number for the process: the node beside has it, too, and it comes back."""
    cv2 = pytest.importorskip("cv2")
    usual = cv2.getNumThreads()
    if usual < 2:
        pytest.skip("one thread anyway")
    both = threading.Barrier(2, timeout=10)

    def look():
        both.wait()
        found = cv2.getNumThreads()
        both.wait()
        return found

    made = DAG("cv2")
    some = [made.add(look, name="one", native_threads=1), made.add(look, name="all")]
    made.returns((*some, made.add(cv2.getNumThreads, name="free", after=some)))
    for _ in range(3):
        assert made.prepare(threads=2)() == (1, 1, usual)
