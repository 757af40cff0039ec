"""Durations under limits, and a whole run with and without one."""

from __future__ import annotations

import os
import threading
import time

import msgspec
import pytest

from makespan import DAG
from makespan.preparing.program import compile_program
from makespan.profile import Call
from makespan_optimizer.measure.clocks import Clocks
from makespan_optimizer.measure.trials import native
from makespan_optimizer.measure.trials.in_parallel import parallel_s
from makespan_optimizer.measure.trials.native import ThreadSession, choices, pooled, uses_pool
from makespan_optimizer.measure.trials.pools import Pool, Pools, find_pools
from tests.builders import make_profile


class Library:
    threads = 4

    def get(self):
        return self.threads

    def set(self, threads):
        self.threads = threads


def made_pools(local=False):
    library = Library()
    return library, Pools((Pool("lib", library.get, library.set, local),), {})


# -- which nodes -------------------------------------------------------------------------------------------


def test_nodes_with_native_threads_or_children_have_pools():
    made = make_profile({name: [] for name in "abc"}, 1.0, {"a": "parallel", "b": "python", "c": "native"})
    assert pooled(made, range(3)) == [0]
    assert pooled(made, [1, 2]) == []
    (node, _, quiet) = made.nodes
    assert uses_pool(node)
    assert uses_pool(msgspec.structs.replace(quiet, threads_used=2))
    assert not uses_pool(msgspec.structs.replace(quiet, threads_used=1))
    short = msgspec.structs.replace(node.wall_net_s, median=0.0001)
    assert not uses_pool(msgspec.structs.replace(node, wall_net_s=short))


def test_python_threads_of_a_nodes_own_are_no_pool():
    (node,) = make_profile({"a": []}, 1.0, "parallel").nodes
    held = Call(run="r", wall_s=1.0, cpu_s=1.0, other_cpu_s=1.0, other_gil_s=0.9)
    assert not uses_pool(msgspec.structs.replace(node, calls=(held,) * 3))
    free = msgspec.structs.replace(held, other_gil_s=0.1)
    assert uses_pool(msgspec.structs.replace(node, calls=(free,) * 3))


def test_which_numbers_are_tried():
    assert choices(1.0) == [1]
    assert choices(0.5) == [1]
    assert choices(4.0) == [1, 2, 3, 4]
    assert choices(16) == [1, 2, 4, 8, 16]
    assert choices(24) == [1, 2, 4, 8, 16, 24]


# -- sessions ----------------------------------------------------------------------------------------------


def dag_of(library, seen):
    """first > wide: only `wide` is limited."""

    def step(name, *_):
        seen.append((name, library.threads, os.environ.get("OMP_THREAD_LIMIT")))
        time.sleep(0.002 * library.threads)

    made = DAG()
    first = made.add(step, "first", name="first")
    made.add(step, "wide", first, name="wide")
    made.add(step, "other", name="other")
    return compile_program(made)


def test_each_limit_and_the_default_in_turn(monkeypatch):
    monkeypatch.delenv("OMP_THREAD_LIMIT", raising=False)
    library, pools = made_pools()
    seen = []
    its = ThreadSession(dag_of(library, seen), {}, [1], [1, 2], pools, range(3))
    its.run(time.monotonic() + 60, [0.001] * 3)
    assert {name for name, _, _ in seen} == {"first", "wide"}
    assert {threads for name, threads, _ in seen if name == "first"} == {4}
    wide = [(threads, variable) for name, threads, variable in seen if name == "wide"]
    assert wide[:6] == [(4, None), (1, "1"), (2, "2"), (2, "2"), (1, "1"), (4, None)]
    assert len(wide) == 3 * native.MOST_ROUNDS
    assert library.threads == 4
    (trials,) = its.trials().values()
    assert trials.limited == ("environment", "lib")
    assert trials.default.threads == 4
    assert [trial.threads for trial in trials.tried] == [1, 2]
    assert {trial.calls for trial in (trials.default, *trials.tried)} == {native.MOST_ROUNDS}
    assert trials.tried[0].wall_s < trials.default.wall_s


def test_more_threads_than_cores_are_not_taken_for_the_load_of_others(monkeypatch):
    """Eight threads on two cores: the caller waits for its own, and the trial must show it."""
    crowded = Clocks(1.0, 0.25, 2.0, 0.75, 0.0, 0, 9, 0, 0.0)
    beside = Clocks(1.0, 0.5, 0.5, 0.5, 0.0, 0, 9, 0, 0.0)
    assert native._trial(8, [crowded], 2.0).wall_s == 1.0
    assert native._trial(1, [beside], 2.0).wall_s == 0.5
    assert native._trial(1, [], 2.0) is None


def test_no_round_is_begun_that_does_not_fit():
    library, pools = made_pools()
    seen = []
    its = ThreadSession(dag_of(library, seen), {}, [1], [1], pools, range(3))
    its.run(time.monotonic() + 5, [10.0] * 3)
    assert not seen
    assert its.trials() == {}


def three(seen, library):
    """root > big and root > small; `apart` needs nothing. Each takes its share of a made-up clock."""
    made = DAG()
    took = {"root": 1.0, "big": 3.0, "small": 1.0, "apart": 2.0}

    def step(name, *_):
        seen.append((name, library.threads, took[name]))

    root = made.add(step, "root", name="root")
    made.add(step, "big", root, name="big")
    made.add(step, "small", root, name="small")
    made.add(step, "apart", name="apart")
    return compile_program(made), list(took.values())


@pytest.mark.parametrize(
    ("until_s", "tried", "threads"),
    [
        (1.9, "", ()),
        (3.9, "", ()),
        (4.0, "3", (4, 1)),  # apart alone: small has less to win
        (6.1, "3", (4, 1)),
        (8.0, "1", (4, 1)),  # big, which has the most to win, and root before it
        (10.0, "12", (4, 1)),  # and small, for which root runs anyway
        (14.0, "123", (4, 1)),  # all
        (21.0, "123", (4, 1, 2)),  # a whole round
    ],
)
def test_the_most_to_win_first_where_no_round_fits(until_s, tried, threads):
    library, pools = made_pools()
    seen = []
    program, walls = three(seen, library)
    stakes = {1: 5.0, 2: 1.0, 3: 2.0}
    its = ThreadSession(program, {}, [1, 2, 3], [1, 2], pools, range(4), stakes)

    def clock():
        return sum(took for _, _, took in seen)

    its.run(0.0, walls, clock=clock, at_last=until_s)
    found = its.trials()
    assert "".join(str(i) for i in sorted(found)) == tried
    assert clock() <= until_s
    for i, trials in found.items():
        name = ("root", "big", "small", "apart")[i]
        assert tuple(dict.fromkeys(how for its_name, how, _ in seen if its_name == name)) == threads
        assert trials.default.calls == 1
        assert trials.tried[0].threads == 1


def test_what_is_faster_than_expected_leaves_time_for_the_rest():
    library, pools = made_pools()
    seen = []
    program, walls = three(seen, library)
    its = ThreadSession(program, {}, [1, 2, 3], [1, 2], pools, range(4), {1: 5.0})
    its.run(9.0, walls, clock=lambda: 0.1 * len(seen))
    assert sorted(its.trials()) == [1, 2, 3]


def test_a_round_that_takes_longer_than_expected_is_broken_off():
    library, pools = made_pools()
    seen = []
    its = ThreadSession(dag_of(library, seen), {}, [1], [1, 2], pools, range(3))
    its.run(5.0, [0.0] * 3, clock=lambda: 2.0 * len(seen))  # two calls a pass: four seconds
    assert len(seen) == 4
    (found,) = its.trials().values()
    assert [trial.threads for trial in found.tried] == [1]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_a_node_raises_comes_through_and_the_limits_are_gone(error):
    library, pools = made_pools()
    calls = []

    def fail():
        calls.append(library.threads)
        if len(calls) == 5:
            raise error

    made = DAG()
    made.add(fail)
    its = ThreadSession(compile_program(made), {}, [0], [1, 2], pools, [0])
    with pytest.raises(error):
        its.run(time.monotonic() + 60, [0.001])
    assert calls == [4, 1, 2, 2, 1]
    assert library.threads == 4
    (trials,) = its.trials().values()  # what was measured is kept
    assert trials.default.calls == 1


def test_a_matrix_product_with_one_thread_uses_one():
    numpy = pytest.importorskip("numpy")
    pytest.importorskip("threadpoolctl")
    a = numpy.ones((400, 400))
    made = DAG()
    made.add(lambda: [a @ a for _ in range(4)] and None, name="product")
    pools = find_pools()
    if not pools.pools or pools.default_threads() < 2:
        pytest.skip("a BLAS with one thread")
    its = ThreadSession(compile_program(made), {}, [0], [1], pools, [0])
    its.run(time.monotonic() + 30, [0.001])
    (trials,) = its.trials().values()
    (one,) = trials.tried
    assert 0 < one.cpu_s < 1.3 * one.wall_s + 0.005
    assert trials.default.threads >= 2


# -- in parallel -------------------------------------------------------------------------------------------


def test_a_run_in_parallel_is_limited_in_every_thread_and_nowhere_after():
    library, pools = made_pools(local=True)
    meeting = threading.Barrier(2, timeout=10)
    seen = []

    def meet():
        meeting.wait()
        seen.append((threading.get_ident(), library.threads))
        meeting.wait()  # neither puts its number back before both have looked

    made = DAG()
    made.add(meet, name="a")
    made.add(meet, name="b")
    program = compile_program(made)
    assert parallel_s(program, {}, [1.0, 1.0], 2, 1, pools) > 0
    assert {threads for _, threads in seen} == {1}
    assert len({thread for thread, _ in seen}) == 2
    seen.clear()
    assert library.threads in (1, 4)  # a library of one number, put back by two threads in any order
    library.threads = 4
    parallel_s(program, {}, [1.0, 1.0], 2, None, pools)
    assert {threads for _, threads in seen} == {4}


def test_a_node_that_raises_in_parallel():
    _, pools = made_pools()
    made = DAG()
    made.add(lambda: 1 / 0, name="a")
    with pytest.raises(ZeroDivisionError) as caught:
        parallel_s(compile_program(made), {}, [1.0], 2, 1, pools)
    assert caught.value.__notes__[0].startswith("in node 'a'")
