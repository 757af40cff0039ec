"""Numbers of the whole process: the smallest wish wins, and the usual one always comes back."""

from __future__ import annotations

import linecache
import os
import signal
import sys
import threading

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG
from makespan.around import holding, native_limits, switch_interval
from makespan.around.holding import Held, Number, Wish
from makespan.around.native_limits import Libraries
from makespan.around.native_pools import Pool
from makespan.plan import DagId
from tests.report_data import make_plan, node_plan


class Library:
    """A library with a number of threads; `most` is the most that it takes."""

    def __init__(self, threads=8, most=1000):
        self.threads, self.most, self.told = threads, most, []

    def get(self):
        return self.threads

    def set(self, threads):
        self.told.append(threads)
        self.threads = min(threads, self.most)

    def number(self):
        return Number(self.get, self.set)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), max_size=30),
    st.integers(1, 10),
    st.integers(1, 10),
)
@settings(deadline=None)
def test_the_smallest_of_what_is_wanted_or_the_usual_one(steps, usual, most):
    library = Library(min(usual, most), most)
    held = Held([library.number()])
    wishes = [Wish() for _ in range(5)]
    wanted = {}
    for who, value in steps:
        if value:
            held.take(wishes[who], value)
            wanted[who] = value
        else:
            held.drop(wishes[who])
            wanted.pop(who, None)
        assert library.threads == (min(*wanted.values(), most) if wanted else min(usual, most))
    for wish in wishes:
        held.drop(wish)
    assert library.threads == min(usual, most)


def test_what_is_as_wanted_is_not_told_again():
    library = Library(8)
    held = Held([library.number()])
    wishes = [Wish() for _ in range(4)]
    for wish in wishes:
        held.take(wish, 2)
    for wish in wishes:
        held.drop(wish)
    assert library.told == [2, 8]


def test_what_somebody_else_set_meanwhile_is_theirs():
    library, wish = Library(8), Wish()
    held = Held([library.number()])
    held.take(wish, 2)
    library.threads = 5
    held.drop(wish)
    assert library.threads == 5
    held.take(wish, 2)
    held.drop(wish)
    assert library.threads == 5


def test_numbers_that_come_later_are_held_too():
    first, late = Library(8), Library(6)
    held, wish = Held([first.number()]), Wish()
    held.take(wish, 2)
    held.join([late.number()])
    assert (first.threads, late.threads) == (2, 2)
    held.drop(wish)
    assert (first.threads, late.threads) == (8, 6)


def test_one_that_refuses_hinders_no_other():
    def refuse(value):
        raise ValueError("no")

    library, wish = Library(8), Wish()
    held = Held([Number(lambda: 3, refuse), library.number()])
    held.take(wish, 2)
    assert library.threads == 2
    held.drop(wish)
    assert library.threads == 8


def test_threads_that_come_and_go_leave_the_usual_number():
    library = Library(8)
    held = Held([library.number()])
    found = []

    def work(value):
        for _ in range(200):
            wish = Wish()
            held.take(wish, value)
            found.append(library.threads <= value)
            held.drop(wish)

    threads = [threading.Thread(target=work, args=(value,)) for value in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found)
    assert library.threads == 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_in_a_forked_child_other_threads_want_nothing():
    library = Library(8)
    held = Held([library.number()])
    here, there, taken, go = Wish(), [], threading.Event(), threading.Event()

    def other():
        there.append(Wish())
        held.take(there[0], 1)
        taken.set()
        go.wait(10)
        held.drop(there[0])

    thread = threading.Thread(target=other)
    thread.start()
    taken.wait(10)
    held.take(here, 2)
    with held._lock:  # held by somebody while the fork happens
        child = os.fork()
        if not child:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(10)  # rather than wait for ever for a lock that nobody holds
            held.drop(here)
            os._exit(library.threads)
    go.set()
    thread.join()
    held.drop(here)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 8
    assert library.threads == 8


# -- Ctrl-C at any moment ------------------------------------------------------------------------------------


def interrupted_at(line, call, modules):
    """Call, with a KeyboardInterrupt before the line-th line in some modules; returns whether it came."""
    files = {module.__file__ for module in modules}
    left = [line]

    def trace(frame, event, arg):
        if frame.f_code.co_filename not in files or frame.f_code.co_name in {"__call__", "<module>"}:
            return None
        # Not at a ``with``: tracing sees a moment before the lock is let go at which no signal is handled.
        text = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        if event == "line" and not text.startswith("with "):
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return left[0] <= 0


@pytest.mark.parametrize("nested", [False, True])
def test_ctrl_c_at_any_line_leaves_no_limit_behind(nested, monkeypatch):
    line = 0
    came = True
    while came:
        line += 1
        local, process, clamped = Library(8), Library(6), Library(4, most=4)
        pools = [
            Pool("local", local.get, local.set, local=True),
            Pool("process", process.get, process.set),
            Pool("clamped", clamped.get, clamped.set),
        ]
        libraries = Libraries(lambda pools=pools: (pools, {}))
        monkeypatch.setattr(native_limits, "_LIBRARIES", libraries)
        inner = native_limits.Limited(lambda: None, 1)
        outer = native_limits.Limited(inner if nested else lambda: None, 5)
        came = interrupted_at(line, outer, [native_limits, holding])
        assert (local.threads, process.threads, clamped.threads) == (8, 6, 4), line
        assert not libraries.process._wishes
    assert line > 30


def test_ctrl_c_at_any_line_leaves_the_switch_interval():
    usual = sys.getswitchinterval()

    def run():
        interval = switch_interval.held(0.001)
        try:
            interval.take()
        finally:
            interval.end()

    line = 0
    while interrupted_at(line := line + 1, run, [holding]):
        assert sys.getswitchinterval() == usual, line
    assert line > 10


# -- the switch interval -------------------------------------------------------------------------------------


def test_the_switch_interval_is_the_smallest_asked_for_and_comes_back():
    usual = sys.getswitchinterval()
    long, short = switch_interval.held(0.002), switch_interval.held(0.0005)
    try:
        long.take()
        assert sys.getswitchinterval() == 0.002
        short.take()
        assert sys.getswitchinterval() == 0.0005
        long.drop()
        assert sys.getswitchinterval() == 0.0005
    finally:
        short.drop()
        long.drop()
    assert sys.getswitchinterval() == usual


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_the_switch_interval_comes_back_after_errors(error):
    usual = sys.getswitchinterval()

    def fail():
        assert sys.getswitchinterval() == 0.001
        raise error

    with pytest.raises(error), switch_interval.held(0.001):
        fail()
    assert sys.getswitchinterval() == usual


def planned(made, interval_s):
    nodes = [node_plan(name, rank, 0.0, 1.0, 0) for rank, name in enumerate(made.nodes)]
    plan = make_plan(nodes, switch_interval_s=interval_s)
    return msgspec.structs.replace(plan, dag=DagId(made.name, made.fingerprint))


def drive(fast, how):
    """Run in one of the ways; return the result."""
    if how == "call":
        return fast()
    if how == "run":
        return fast.run().result
    if how == "measured":
        return fast.run(measure=True, sampler="clocks").result
    import asyncio

    if how == "acall":
        return asyncio.run(fast.acall())
    return asyncio.run(fast.arun()).result


@pytest.mark.parametrize("how", ["call", "run", "measured", "acall", "arun"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_run_has_the_interval_of_its_plan(how, threads):
    usual = sys.getswitchinterval()
    made = DAG("interval")
    made.returns(made.add(sys.getswitchinterval, name="a"))
    for interval_s in (0.001, None):
        plan = msgspec.structs.replace(planned(made, interval_s), threads=threads)
        assert drive(made.prepare(plan), how) == (usual if interval_s is None else interval_s)
        assert sys.getswitchinterval() == usual


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("how", ["call", "run", "acall", "arun"])
def test_the_interval_comes_back_after_a_run_that_fails(how, error):
    def fail():
        raise error

    usual = sys.getswitchinterval()
    made = DAG("interval")
    made.add(fail, name="a")
    with pytest.raises(error):
        drive(made.prepare(planned(made, 0.001)), how)
    assert sys.getswitchinterval() == usual


def test_runs_at_the_same_time_with_different_intervals():
    usual = sys.getswitchinterval()
    both, found = threading.Barrier(2, timeout=10), {}

    def client(interval_s):
        def look():
            both.wait()
            now = sys.getswitchinterval()
            both.wait()
            return now

        made = DAG("interval")
        made.returns(made.add(look, name="a"))
        found[interval_s] = made.prepare(planned(made, interval_s))()

    threads = [threading.Thread(target=client, args=(interval_s,)) for interval_s in (0.002, 0.0005)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0.002: 0.0005, 0.0005: 0.0005}
    assert sys.getswitchinterval() == usual
