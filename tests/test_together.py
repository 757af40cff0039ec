"""Two nodes at the same moment, and sessions of passes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest

from makespan import DAG
from makespan.preparing.program import compile_program
from makespan_optimizer.measure.trials import beside
from makespan_optimizer.measure.trials.beside import Beside, PairSession
from makespan_optimizer.measure.trials.together import at_interval, fresh, together
from makespan_optimizer.measure.walk import Work
from tests.tries import best_of


def spin(seconds: float) -> float:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(200))
    return seconds


def test_both_run_at_once_and_one_in_the_calling_thread():
    meeting = threading.Barrier(2, timeout=10)
    threads = []

    def meet(word):
        threads.append(threading.get_ident())
        meeting.wait()
        return word

    both = together(Work(0, meet, ["a"]), Work(1, meet, ["b"]))
    assert [outcome.value for outcome in both.outcomes] == ["a", "b"]
    assert len(set(threads)) == 2
    assert threading.get_ident() in threads


@best_of(5)
def test_two_sleeps_do_not_add_up():
    both = together(Work(0, time.sleep, [0.1]), Work(1, time.sleep, [0.08]))
    assert 0.1 <= both.ends_s[0] < 0.1 + 0.08
    assert 0.08 <= both.ends_s[1] < 0.1 + 0.08


def test_each_end_is_counted_from_the_common_start():
    first_is_over = threading.Event()
    times = iter([7.0, 9.0, 12.0])

    def clock():
        at = next(times)
        if at == 9.0:
            first_is_over.set()
        return at

    both = together(Work(0, int, []), Work(1, first_is_over.wait, [10]), clock)
    assert both.outcomes[1].value is True
    assert both.ends_s == (2.0, 5.0)


def test_two_loops_wait_for_each_other():
    # Seconds of CPU, so that other processes do not count: the GIL lets one loop run at a time.
    both = together(Work(0, spin, [0.15]), Work(1, spin, [0.15]))
    assert max(both.ends_s) > 1.4 * 0.15


def test_the_first_alone_runs_in_the_callers_thread():
    seen = {}
    for work in (0, 1):
        order = [Work(i, lambda i=i: seen.update({i: threading.get_ident()}), []) for i in (0, 1)]
        together(order[work], order[1 - work])
        assert seen[work] == threading.get_ident() != seen[1 - work]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), GeneratorExit()])
@pytest.mark.parametrize("who", [0, 1])
def test_what_a_node_raises_is_its_outcome_and_the_other_ends(error, who):
    ended = []

    def fail():
        raise error

    def end():
        time.sleep(0.02)
        ended.append(0)

    works = [Work(0, fail, []), Work(1, end, [])]
    both = together(works[who], works[1 - who])
    assert both.outcomes[who].error is error
    assert both.outcomes[1 - who].error is None
    assert ended == [0]


def test_ctrl_c_is_raised_at_once():
    over = threading.Event()

    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            together(Work(0, interrupt, []), Work(1, over.wait, [5]))
        assert time.monotonic() - began < 4
    finally:
        over.set()


def test_ctrl_c_while_the_other_one_is_waited_for():
    over = threading.Event()

    def interrupt():
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)
        over.wait(5)

    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            together(Work(0, int, []), Work(1, interrupt, []))
        assert time.monotonic() - began < 4
    finally:
        over.set()


def test_ctrl_c_before_the_start_leaves_no_thread_behind():
    def clock():
        raise KeyboardInterrupt

    ran = []
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        together(Work(0, ran.append, [0]), Work(1, ran.append, [1]), clock)
    until = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.001)
    assert threading.active_count() == before
    assert not ran


def test_after_ctrl_c_the_other_one_is_given_some_time():
    ended = []
    began = threading.Event()

    def interrupt():
        began.wait(10)
        raise KeyboardInterrupt

    def end():
        began.set()
        time.sleep(0.05)
        ended.append(0)

    with pytest.raises(KeyboardInterrupt):
        together(Work(0, interrupt, []), Work(1, end, []))
    assert ended == [0]


def test_the_switch_interval_is_set_and_put_back():
    before = sys.getswitchinterval()
    seen = []

    def look():
        seen.append(sys.getswitchinterval())

    def fail():
        look()
        raise ValueError

    at_interval(0.0002, Work(0, look, []), Work(1, fail, []))
    assert seen == pytest.approx([0.0002, 0.0002])
    assert sys.getswitchinterval() == before

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        at_interval(0.0002, Work(0, interrupt, []), Work(1, look, []))
    assert sys.getswitchinterval() == before


# -- sessions ----------------------------------------------------------------------------------------------


def diamond(calls):
    """a > b, c, d (each alone or in a pair) > e; who calls what is recorded."""

    def step(name, *values):
        calls.append((name, threading.get_ident(), values))
        return name

    made = DAG("diamond")
    a = made.add(step, "a", name="a")
    middle = [made.add(step, name, a, name=name) for name in "bcd"]
    made.add(step, "e", *middle, name="e")
    return compile_program(made)


@pytest.fixture
def calm(monkeypatch):
    """No other process takes cores, and few repeats will do."""
    monkeypatch.setattr(beside, "_spoiled", lambda *_: False)
    monkeypatch.setattr(beside, "MOST_REPEATS", 4)


def session(program, pairs, walls=None, **more):
    n = len(program.structure)
    wanted = [Beside(pair, 0.005) for pair in pairs]
    return PairSession(program, {}, wanted, walls or [1e-4] * n, range(n), **more)


def test_passes_alternate_and_every_node_is_called_once_in_each(calm):
    calls = []
    made = session(diamond(calls), [(1, 2)])
    made.run(time.monotonic() + 60)
    (trial,) = made.trials()
    assert trial.nodes == ("b", "c")
    assert trial.repeats == beside.MOST_REPEATS  # so short that a second of them is never had
    names = [name for name, _, _ in calls]
    assert "d" not in names  # neither of the two needs it
    assert "e" not in names
    assert names.count("a") == names.count("b") == names.count("c") == made.passes == 2 * trial.repeats
    assert all(values == (("a",) if name in "bc" else ()) for name, _, values in calls)


def test_both_take_turns_in_the_calling_thread(calm):
    calls = []
    session(diamond(calls), [(1, 2)]).run(time.monotonic() + 60)
    here = threading.get_ident()
    for name in "bc":
        away = sum(name == its and thread != here for its, thread, _ in calls)
        assert away == beside.MOST_REPEATS / 2


def test_pairs_that_share_a_node_have_passes_of_their_own(calm):
    made = session(diamond([]), [(1, 2), (1, 3), (2, 3)])
    made.run(time.monotonic() + 60)
    assert [trial.nodes for trial in made.trials()] == [("b", "c"), ("b", "d"), ("c", "d")]
    assert made.passes == 4 * beside.MOST_REPEATS


def test_what_does_not_fit_is_not_begun():
    calls = []
    made = session(diamond(calls), [(1, 2)], walls=[10.0] * 5)
    made.run(time.monotonic() + 5)
    assert not calls
    assert made.trials() == []
    # One round fits (a, b, c in two passes), three do not.
    made = session(diamond(calls), [(1, 2)], walls=[10.0] * 5)
    made.run(89.0, clock=lambda: 10.0 * len(calls))
    assert [trial.repeats for trial in made.trials()] == [1]


def test_a_node_that_raises_beside_another_costs_that_pair_alone(calm):
    running = []

    def guarded(name):
        running.append(name)
        time.sleep(0.005)
        if "b" in running and "c" in running:
            running.clear()
            raise ValueError
        running[:] = [its for its in running if its != name]

    made = DAG()
    for name in "abcd":
        made.add(guarded, name, name=name)
    its = session(compile_program(made), [(1, 2), (0, 3)])
    its.run(time.monotonic() + 60)
    assert its.failed == {Beside((1, 2), 0.005): "ValueError"}
    assert [trial.nodes for trial in its.trials()] == [("a", "d")]


def test_spoiled_passes_count_only_when_there_are_no_others(monkeypatch):
    monkeypatch.setattr(beside, "MOST_REPEATS", 4)
    spoiled = iter([True, True] + [False] * 1000)
    monkeypatch.setattr(beside, "_spoiled", lambda *_: next(spoiled))
    made = session(diamond([]), [(1, 2)])
    made.run(time.monotonic() + 60)
    (trial,) = made.trials()
    assert trial.repeats == beside.MOST_REPEATS - 1
    monkeypatch.setattr(beside, "_spoiled", lambda *_: True)
    made = session(diamond([]), [(1, 2)])
    made.run(time.monotonic() + 60)
    assert made.trials()[0].repeats == beside.MOST_REPEATS
    assert made.spoiled == made.passes


def test_progress_never_passes_its_total(calm):
    seen = []
    session(diamond([]), [(1, 2), (1, 3)]).run(time.monotonic() + 60, lambda *args: seen.append(args))
    assert all(0 <= done <= total for done, total, _ in seen)
    assert {words for _, _, words in seen} == {"one by one", "b + c", "b + d"}


def test_inputs_are_taken_up_and_put_down_for_each_pass(calm):
    made = DAG()
    x = made.input("x")
    made.add(spin, x, name="a")
    made.add(spin, x, name="b")
    log = []

    class Hooked:
        def __enter__(self):
            log.append("setup")
            return {"x": 0.0}

        def __exit__(self, *_):
            log.append("teardown")

    its = PairSession(compile_program(made), Hooked, [Beside((0, 1), 0.005)], [0.0, 0.0], range(2))
    its.run(time.monotonic() + 60)
    assert log == ["setup", "teardown"] * its.passes
    with fresh({"x": 1}) as values:
        assert values == {"x": 1}


@best_of(3)
def test_two_loops_and_two_sleeps_in_a_session(calm):
    made = DAG()
    for name in ("loop", "loop2"):
        made.add(spin, 0.03, name=name)
    for name in ("sleep", "sleep2"):
        made.add(time.sleep, 0.03, name=name)
    its = session(compile_program(made), [(0, 1), (2, 3)], walls=[0.03] * 4)
    its.run(time.monotonic() + 60)
    loops, sleeps = its.trials()
    assert loops.makespan_s > 1.4 * 0.03  # of CPU time, of which the GIL lets one have it at a time
    assert sleeps.makespan_s < 1.5 * min(sleeps.alone_s)
    assert sleeps.gain > 0.2
