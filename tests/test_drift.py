"""Nodes that do not take the planned time: of a run, of several, counted in production."""

from __future__ import annotations

import logging
import threading

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG, OptionError
from makespan.around import counters
from makespan.around.counters import LEAST_CALLS, Counters
from makespan.around.drift import FACTOR, LEAST_S, Drift, band, drift_of_runs, least_s
from makespan.plan import DagId
from makespan.record import RunNode
from makespan.run import Run
from tests.report_data import make_plan, make_record, node_plan


def plan_of(durations, made=None, **fields):
    after = fields.pop("after", {})
    plan = make_plan(
        [
            node_plan(name, rank, 0.0, duration_s, 0, after=tuple(after.get(name, ())))
            for rank, (name, duration_s) in enumerate(durations.items())
        ],
        **fields,
    )
    return plan if made is None else msgspec.structs.replace(plan, dag=DagId(made.name, made.fingerprint))


def record_of(durations, plan=None, **fields):
    return make_record([RunNode(name, 0.0, took, 0) for name, took in durations.items()], plan=plan, **fields)


# -- what counts as planned ----------------------------------------------------------------------------------


@given(st.floats(0, 1e4), st.floats(0, 1e4))
def test_a_band_is_a_factor_and_a_difference_both_ways(planned_s, actual_s):
    short, long = sorted((planned_s, actual_s))
    drifted = long - short > LEAST_S and long > FACTOR * short
    near = abs(long - short - LEAST_S) < 1e-9 or abs(long - FACTOR * short) < 1e-9 * long
    assert near or (actual_s not in band(planned_s)) == drifted


@pytest.mark.parametrize(
    ("makespan_s", "least"), [(10.0, 0.005), (0.25, 0.005), (0.05, 0.001), (0.0, 0.0002)]
)
def test_in_a_short_plan_less_matters(makespan_s, least):
    assert least_s(plan_of({"a": 0.0}, makespan_s=makespan_s)) == pytest.approx(least)


def test_the_drift_of_a_run():
    plan = plan_of({"a": 1.0, "b": 1.0, "c": 1.0, "d": 0.0, "e": 1.0})
    run = Run(None, record_of({"c": 2.0, "b": 1.4, "a": 0.5, "d": 0.1, "z": 9.0}, plan))
    assert run.drift == [
        Drift("a", 1.0, 0.5, 0.5),
        Drift("c", 1.0, 2.0, 2.0),
        Drift("d", 0.0, 0.1, None),
    ]
    assert Run(None, record_of({"a": 1.0})).drift == []


def test_what_did_not_end_well_at_the_first_try_does_not_count():
    plan = plan_of(dict.fromkeys("abcde", 1.0))
    nodes = [
        RunNode("a", 0.0, 9.0, 0, "failed"),
        RunNode("b", 0.0, 9.0, 0, "unfinished"),
        RunNode("c", 0.0, 0.0, 0, "skipped"),
        RunNode("d", 0.0, 9.0, 0, attempts=2),
        RunNode("e", 0.0, 9.0, 0),
    ]
    assert [its.name for its in drift_of_runs(plan, [make_record(nodes, plan=plan)])] == ["e"]


def test_of_several_runs_the_median_counts():
    plan = plan_of({"a": 1.0, "b": 1.0})
    runs = [record_of({"a": a, "b": 1.0}, plan) for a in (1.0, 9.0, 1.1)]
    assert drift_of_runs(plan, runs) == []
    assert drift_of_runs(plan, [*runs, runs[1], runs[1]]) == [Drift("a", 1.0, 9.0, 9.0)]


# -- counted in production -----------------------------------------------------------------------------------


class Clock:
    """A clock that moves when a node runs."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        self.takes = 1.0
        monkeypatch.setattr(counters, "perf_counter", lambda: self.now)

    def work(self, *_):
        self.now += self.takes
        return 7


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def counted(clock, tell=True, planned_s=1.0):
    """Return a DAG of one node prepared for counting."""
    made = DAG("counted")
    made.returns(made.add(clock.work, name="a"))
    plan = plan_of({"a": planned_s}, made)
    return made.prepare(plan, threads=2, drift=tell)


def test_a_node_as_planned_is_no_drift(clock):
    fast = counted(clock)
    for clock.takes in [0.8, 1.2] * 50:
        assert fast() == 7
    assert fast.drift == []


def test_a_node_that_leaves_is_told_of_once_and_again_when_it_was_back(clock):
    told = []
    fast = counted(clock, told.append)

    def calls(takes, many):
        clock.takes = takes
        for _ in range(many):
            fast()

    calls(1.0, 100)
    assert told == []
    calls(3.0, 2)
    assert told == []  # 1.38 on the mean
    calls(3.0, 100)
    assert [its.name for its in told] == ["a"]
    assert told[0].actual_s == pytest.approx(1.542)  # 3 - 2 * 0.9 ** 3
    assert told[0].ratio == pytest.approx(1.542)
    assert fast.drift[0].actual_s == pytest.approx(3.0, rel=1e-3)
    calls(1.45, 100)  # within what is planned, and not well within
    assert (len(told), len(fast.drift)) == (1, 1)
    calls(1.6, 100)
    assert len(told) == 1
    calls(1.0, 100)
    assert fast.drift == []
    calls(0.5, 100)
    assert len(told) == 2
    assert told[1].ratio < 1 / FACTOR


def test_a_few_calls_are_no_drift(clock):
    told = []
    fast = counted(clock, told.append)
    clock.takes = 9.0
    for _ in range(LEAST_CALLS - 1):
        fast()
    assert (fast.drift, told) == ([], [])
    fast()
    assert told == [Drift("a", 1.0, 9.0, 9.0)] == fast.drift


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=40))
@settings(deadline=None)
def test_the_mean_is_plain_at_first_and_forgets_then(takes):
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock(patch)
        fast = counted(clock)
        for clock.takes in takes:
            fast()
        expected = 0.0
        for k, taken in enumerate(takes, 1):
            expected += (taken - expected) * max(0.1, 1 / k)
        assert fast._counters._of["a"].mean_s == pytest.approx(expected)


def test_a_callback_that_raises_is_logged_and_breaks_nothing(clock, caplog):
    def tell(its):
        raise LookupError

    fast = counted(clock, tell)
    clock.takes = 9.0
    with caplog.at_level(logging.ERROR, logger="makespan"):
        for _ in range(LEAST_CALLS + 5):
            assert fast() == 7
    assert len(caplog.records) == 1
    assert "'a'" in caplog.records[0].getMessage()
    assert len(fast.drift) == 1


def test_calls_that_raise_and_skipped_nodes_do_not_count(clock):
    def flaky(flag):
        clock.work()
        if flag:
            raise ValueError("now and then")

    made = DAG("flaky")
    flag, when = made.input("flag"), made.input("when")
    made.returns((made.add(flaky, flag, name="a"), made.add(clock.work, name="b", when=when)))
    fast = made.prepare(plan_of({"a": 1.0, "b": 1.0}, made), drift=True)
    for _ in range(5):
        with pytest.raises(ValueError, match="now and then"):
            fast(True, False)
    for _ in range(7):
        fast(False, False)
    assert {its.name: its.calls for its in fast._counters._of.values()} == {"a": 7, "b": 0}


def test_what_is_small_kept_or_unknown_is_not_counted():
    made = DAG("some")
    plan = plan_of({"small": 50e-6, "kept": 1.0, "once": 1.0, "plain": 1.0}, None)
    made.add(int, name="small")
    made.add(int, name="kept", cache=lambda: 0)
    made.add(int, name="once", setup=True)
    made.add(int, name="plain")
    plan = msgspec.structs.replace(plan, dag=DagId("some", made.fingerprint))
    fast = made.prepare(plan, drift=True)
    for _ in range(LEAST_CALLS):
        fast()
    assert [its.name for its in fast.drift] == ["plain"]


def test_members_of_a_chain_are_counted_one_by_one(clock):
    made = DAG("chain")
    first = made.add(clock.work, name="a")
    made.returns(made.add(clock.work, first, name="b"))
    plan = plan_of({"a": 1.0, "b": 9.0}, made, after={"b": "a"}, chains=(("a", "b"),))
    fast = made.prepare(plan, drift=True)
    for _ in range(LEAST_CALLS):
        assert fast() == 7
    assert [its.name for its in fast.drift] == ["b"]


def test_what_stands_for_a_cluster_is_not_counted():
    made = DAG("x")
    made.add(int, name="a")
    program = made.prepare().program
    counts = Counters(plan_of({"a": 1.0}))
    assert counts.counting(program).calls[0] is not int
    assert counts.counting(program._replace(scatter={0: ()})).calls[0] is int


def test_many_threads_tell_once(clock):
    told = []
    counts = Counters(plan_of({"a": 1.0}), tell=told.append)
    made = DAG("x")
    made.returns(made.add(int, name="a"))
    [call] = counts.counting(made.prepare().program).calls
    threads = [threading.Thread(target=lambda: [call() for _ in range(300)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 1


def test_without_a_plan_there_is_nothing_to_compare_with():
    made = DAG("x")
    made.add(int, name="a")
    with pytest.raises(OptionError, match="compares with a plan"):
        made.prepare(drift=True)
    with pytest.raises(OptionError, match="was not counted"):
        _ = made.prepare().drift
    assert made.prepare(plan_of({"a": 1.0}, made), drift=False)() == {"a": 0}


def test_what_is_not_asked_for_is_not_there():
    made = DAG("x")
    made.add(int, name="a")
    plan = plan_of({"a": 1.0}, made)
    assert made.prepare(plan).program.calls[0] is int
    assert made.prepare(plan, drift=True).program.calls[0] is not int
