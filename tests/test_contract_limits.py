"""The contract of a run, part 3: limits of time, retries (P4), no growth (P8), any size (P13)."""

from __future__ import annotations

import gc
import logging
import sys
import threading
import time
import tracemalloc

import pytest

from makespan import DAG, Hooks
from makespan.testing import dag_of, random_edges
from tests.leaks import open_descriptors
from tests.ways import WAYS, Way, few_ways, untraced

SHORT_S = 0.03


timed_ways = pytest.mark.parametrize(
    "way", [way for way in WAYS if not way.traced and way.engine != "timed" and way.threads != 4], ids=str
)


class Broken(Exception):
    pass


@pytest.fixture
def release():
    """An event that nodes wait for; set when the test is over, so that no thread stays in a node."""
    event = threading.Event()
    yield event
    event.set()


# -- P4: limits of time -------------------------------------------------------------------------------------


@timed_ways
def test_a_run_ends_when_its_time_is_up(way, release):
    late, started = [], threading.Event()

    def deeply_blocked():
        started.set()
        release.wait(60)

    def slow():
        deeply_blocked()

    made = DAG("slow")
    quick = made.add(abs, -1, name="quick", hint_s=9)
    made.add(late.append, made.add(slow, name="slow", after=[quick]), name="late")
    for seconds in (SHORT_S, 1.0, 8.0):  # on a busy machine it may take long to come to the slow node
        fast = way.prepare(made, timeout_s=seconds)
        started.clear()
        with pytest.raises(TimeoutError) as caught:
            fast()
        if started.is_set():
            break
    told = "\n".join([str(caught.value), *caught.value.__notes__])
    assert "'slow'" in told
    assert "in deeply_blocked" in told  # where it stands
    assert "quick" not in told
    assert "makespan/engine/general.py" not in told  # the user's frames only
    assert not release.is_set()
    for seconds in (SHORT_S, 1.0, 8.0):
        run = way.prepare(made, timeout_s=seconds).run()
        assert isinstance(run.error, TimeoutError)
        assert run.record.status == "timed out"
        assert "late" in run.record.not_started
        if len(run.record.nodes) == 2:
            break
    assert {n.name: n.status for n in run.record.nodes} == {"quick": "ok", "slow": "unfinished"}
    assert not late
    release.set()
    assert way.run(made) == {"late": None}  # with more time, and the threads are there
    assert late == [None]


@timed_ways
def test_a_run_whose_time_is_up_holds_no_values(way, release):
    """Although a node of it is still running."""

    def slow():
        release.wait(60)

    made = DAG("slow")
    value = made.add(Counted, name="value", hint_s=9)
    made.add(lambda *_: None, value, made.add(slow, name="slow", after=[value]), name="late")
    fast = way.prepare(made, timeout_s=SHORT_S)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            fast()
        gc.collect()  # of a traceback and its frames
        deadline = time.monotonic() + 5
        while Counted.alive and time.monotonic() < deadline:
            time.sleep(0.001)
        assert not Counted.alive
    assert not release.is_set()


@timed_ways
def test_a_node_fails_when_its_time_is_up(way, release):
    late, beside = [], []

    def slow():
        release.wait(60)

    made = DAG("slow")
    first = made.add(abs, -1, name="first")
    made.add(late.append, made.add(slow, name="slow", timeout_s=SHORT_S, after=[first]), name="late")
    made.add(beside.append, made.add(abs, -2, name="side"), name="beside")
    for go_on in (False, True):
        fast = way.prepare(made, on_error="continue" if go_on else "stop")
        with pytest.raises(TimeoutError) as caught:
            fast()
        assert sum("in node 'slow'" in note for note in caught.value.__notes__) == 1
        run = fast.run()
        assert isinstance(run.error, TimeoutError)
        assert {n.name: n.status for n in run.record.nodes}["slow"] == "timed out"
        if go_on:
            assert beside[-2:] == [2, 2]
    assert not late
    release.set()


@untraced
def test_what_ends_in_time_is_as_without_limits(way):
    preds = random_edges(20, seed=3)
    made = dag_of(preds, lambda i: lambda *got: (i, *got), timeout_s=lambda _: 600.0)
    bare = dag_of(preds, lambda i: lambda *got: (i, *got))
    assert way.run(made) == way.run(bare) == bare.prepare(threads=1)()


@few_ways
def test_a_timeout_error_of_the_users_own_is_theirs(way):
    error = TimeoutError("mine")

    def fail():
        raise error

    made = DAG("fails")
    made.add(fail, name="own", timeout_s=600.0)
    for _ in range(2):
        with pytest.raises(TimeoutError) as caught:
            way.run(made)
        assert caught.value is error


@untraced
def test_a_node_is_tried_again_as_often_as_said(way):
    tries = {"flaky": 0, "broken": 0, "other": 0, "exits": 0}

    def flaky():
        tries["flaky"] += 1
        if tries["flaky"] % 3:
            raise Broken
        return tries["flaky"]

    def fail(name, error):
        tries[name] += 1
        raise error

    def made_of(name, fn, *args, **options):
        made = DAG(name)
        made.add(lambda x: x, made.add(fn, *args, name=name, retry_wait_s=0.0, **options), name="after")
        return made

    good = made_of("flaky", flaky, retries=2)
    assert [way.run(good), way.run(good)] == [{"after": 3}, {"after": 6}]
    bad = made_of("broken", fail, "broken", error := Broken(), retries=3)
    for turn in (1, 2):
        with pytest.raises(Broken) as caught:
            way.run(bad)
        assert caught.value is error
        assert tries["broken"] == 4 * turn
        assert sum("in node 'broken'" in note for note in error.__notes__) == 1
    with pytest.raises(ZeroDivisionError):  # not one of those that are tried again
        way.run(made_of("other", fail, "other", ZeroDivisionError(), retries=3, retry_on=(Broken,)))
    with pytest.raises(SystemExit):
        way.run(made_of("exits", fail, "exits", SystemExit(), retries=3))
    assert (tries["other"], tries["exits"]) == (1, 1)


# -- P8: no growth ------------------------------------------------------------------------------------------


class Silent(Hooks):
    def on_start(self, node):
        pass

    def on_error(self, node, error):
        pass


class Counted:
    """A value; there should be none between runs."""

    alive = 0

    def __init__(self, *_):
        type(self).alive += 1
        self.load = bytearray(500)

    def __del__(self):
        type(self).alive -= 1


def grown(rounds):
    """Return by how much threads, descriptors, objects and bytes grow over rounds."""

    def state():
        gc.collect()
        deadline = time.monotonic() + 10
        while Counted.alive and time.monotonic() < deadline:  # a helper on its way out of the last run
            time.sleep(0.001)
        gc.collect()
        assert not Counted.alive
        return threading.active_count(), len(gc.get_objects()), tracemalloc.get_traced_memory()[0]

    rounds(40)
    files = open_descriptors()
    tracemalloc.start()
    try:
        rounds(250)  # what is made once, some of it late: helpers begin when they are first needed
        threads, objects, size = state()
        rounds(250)
        threads_now, objects_now, size_now = state()
    finally:
        tracemalloc.stop()
    assert open_descriptors() == files
    return threads_now - threads, objects_now - objects, size_now - size


@pytest.mark.parametrize(
    ("way", "settings", "options"),
    [
        (Way(1), {}, {}),
        (Way(4), {}, {}),
        (Way(2, "locks", "chains", traced=True), {}, {}),
        (Way(4, "timed", "ranks"), {"on_error": "continue"}, {"retries": lambda _: 1}),
    ],
    ids=["straight", "plain", "general", "everything"],
)
@pytest.mark.parametrize("failing", [False, True])
def test_nothing_grows_over_a_thousand_runs(way, settings, options, failing):
    """250 rounds of each of the four ways, good and failing."""
    preds = random_edges(12, seed=3)

    def work(i):
        def make(*got):
            if failing and i == 7:
                raise Broken(Counted(), *got)
            return Counted()

        return make

    if options:
        options = {**options, "retry_wait_s": lambda _: 0.0, "timeout_s": lambda i: 600.0 if i % 3 else None}
        settings = {**settings, "hooks": Silent()}
    made = dag_of(preds, work, **options)
    made.returns(made.ref("n11"))
    fast = way.prepare(made, **settings)

    def rounds(count):
        for k in range(count):
            try:
                # Some by the whole way from the DAG: what is remembered on it must not grow either.
                way.call(fast if k % 8 else way.prepare(made, **settings))
            except Broken:
                assert failing

    logging.getLogger("makespan").disabled = False
    threads, objects, size = grown(rounds)
    assert threads <= 0
    assert objects < 150
    assert size < 40_000


# -- P13: any size ------------------------------------------------------------------------------------------


def calls_of(work):
    """Return how many calls a piece of work makes: its cost, whatever the machine."""
    count = 0

    def profile(_frame, event, _arg):
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def chain(n):
    return dag_of([[], *[[i] for i in range(n - 1)]], lambda _: lambda *_: None)


def fan(n):
    return dag_of([[], *[[0]] * (n - 2), list(range(1, n - 1))], lambda _: lambda *_: None)


@pytest.mark.parametrize("shape", [chain, fan])
@pytest.mark.parametrize("plan", ["no plan", "ranks", "chains"])
@pytest.mark.parametrize("engine", ["plain", "locks"])
def test_the_cost_of_a_node_does_not_grow_with_their_number(shape, plan, engine):
    way = Way(1, engine, plan)
    counts = []
    for n in (200, 800):
        made = shape(n)
        fast = way.prepare(made)
        fast()
        counts.append((calls_of(lambda made=made: way.prepare(made)), calls_of(fast)))
    for small, large in zip(*counts, strict=True):
        assert large < 4.4 * small + 100


@pytest.mark.parametrize("shape", [chain, fan])
@few_ways
def test_nothing_calls_itself_as_deep_as_the_dag_is_long(way, shape):
    """With room for a few calls only, from the description to the result."""
    depth = 0
    frame = sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    limit = sys.getrecursionlimit()
    way.run(shape(10))  # imports are deep
    sys.setrecursionlimit(depth + 60)
    try:
        made = shape(600)
        fast = way.prepare(made)
        results = way.call(fast), fast.run().result
    finally:
        sys.setrecursionlimit(limit)
    assert results[0] == results[1] == {"n599": None}


def test_tens_of_thousands_in_a_fan():
    made = fan(30_000)
    for budget in (1, 2):
        assert made.prepare(threads=budget)() == {"n29999": None}


def test_ctrl_c_before_the_coordinator_looks(monkeypatch):
    made = DAG("early")
    made.returns(made.add(int))
    fast = made.prepare(threads=2, timeout_s=30)

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("makespan.engine.coordinating.canceller", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fast()
    monkeypatch.undo()
    assert fast() == 0
