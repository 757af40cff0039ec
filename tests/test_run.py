"""What a run tells when it is over: its result, its values, what failed, and the record of it all."""

from __future__ import annotations

import threading
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG
from makespan.record import parse_record
from tests.ways import Way, few_ways, plan_of

pytestmark = pytest.mark.filterwarnings("error")


def fails(error):
    def raising(*_):
        raise error

    return raising


def branches(error):
    made = DAG("branches")
    a = made.add(lambda: "a", name="a")
    bad = made.add(fails(error), a, name="bad")
    below = made.add(lambda x: x, bad, name="below")
    made.add(lambda: None, name="waits", after=[below])
    other = made.add(lambda x: x + "!", a, name="other")
    skipped = made.add(lambda: None, name="skipped", when=False)
    made.returns({"a": a, "below": below, "other": other, "skipped": skipped, "bad": bad})
    return made


def statuses(run):
    return {node.name: node.status for node in run.record.nodes}


@few_ways
def test_after_a_failure_the_rest_goes_on_if_so_wished(way: Way):
    error = ValueError("mine")
    fast = way.prepare(
        branches(error), on_error="continue", targets=["other", "below", "waits", "skipped", "bad"]
    )
    for _ in range(2):
        run = fast.run()
        assert run.error is error
        assert run.failed == {"bad": error}
        assert run.result == {"a": "a", "below": None, "other": "a!", "skipped": None, "bad": None}
        assert run.values == {"other": "a!", "below": None, "waits": None, "skipped": None, "bad": None}
        assert run.skipped == ("skipped",)
        assert statuses(run) == {"a": "ok", "bad": "failed", "other": "ok", "skipped": "skipped"}
        assert run.record.status == "failed"
        assert set(run.record.dropped) == {"below", "waits"}
        assert run.record.not_started == ()
        assert parse_record(run.record.to_json()) == run.record
        with pytest.raises(ValueError, match="mine") as caught:
            run.raise_for_error()
        assert caught.value is error
        with pytest.raises(ValueError, match="mine"):
            fast()


@few_ways
def test_after_a_failure_nothing_starts_otherwise(way: Way):
    error = ValueError("mine")
    run = way.prepare(branches(error)).run()
    assert run.failed == {"bad": error}
    assert run.record.dropped == ()
    assert {"below", "waits"} <= set(run.record.not_started)
    with pytest.raises(ValueError, match="mine"):
        run.result  # noqa: B018


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("mode", ["thread", "caller"])
def test_what_only_the_plan_has_start_later_runs_after_a_failure_all_the_same(threads, mode):
    """bad ─▶ below; by the plan also bad ╌▶ later ╌▶ last, below ╌▶ last and bad ╌▶ below."""
    error, order = ValueError("mine"), []

    def notes(name, *got):
        order.append(name)
        if name == "bad":
            raise error
        return name

    made = DAG()
    bad = made.add(notes, "bad", name="bad")
    made.add(notes, "below", bad, name="below")
    made.add(notes, "later", name="later", mode=mode)
    made.add(notes, "last", name="last")
    after = {"later": ("bad",), "last": ("later", "below"), "below": ("bad",)}
    plan = plan_of(made, threads)  # the last one would be the first
    nodes = [msgspec.structs.replace(node, starts_after=after.get(node.name, ())) for node in plan.nodes]
    run = made.run(plan=msgspec.structs.replace(plan, nodes=tuple(nodes)), on_error="continue")
    assert order == ["bad", "later", "last"]
    assert run.failed == {"bad": error}
    assert run.result == {"below": None, "later": "later", "last": "last"}


def test_several_failures_are_all_told():
    made = DAG()
    errors = [ValueError("one"), KeyError("two")]
    for k, error in enumerate(errors):
        made.add(fails(error), name=f"bad{k}")
    made.add(int, name="good")
    run = made.run(on_error="continue", threads=1)
    assert run.failed == {"bad0": errors[0], "bad1": errors[1]}
    assert isinstance(run.error, ExceptionGroup)
    assert run.result == {"bad0": None, "bad1": None, "good": 0}


def test_attempts_are_in_the_record():
    tried = []

    def flaky():
        tried.append(1)
        if len(tried) < 3:
            raise OSError

    made = DAG()
    made.add(flaky, name="flaky", retries=2, retry_wait_s=0)
    made.add(int, name="plain")
    for threads in (1, 2):
        tried.clear()
        run = made.run(threads=threads)
        assert {node.name: node.attempts for node in run.record.nodes} == {"flaky": 3, "plain": 1}


def test_a_node_whose_time_is_up():
    going = threading.Event()
    made = DAG()
    made.add(lambda: going.wait(20), name="slow", timeout_s=0.02)
    made.add(int, name="other")
    try:
        run = made.run(on_error="continue", threads=2)
    finally:
        going.set()
    assert statuses(run) == {"slow": "timed out", "other": "ok"}
    assert run.record.status == "failed"
    assert [failure.type for failure in run.record.failures] == ["TimeoutError"]
    assert isinstance(run.failed["slow"], TimeoutError)
    assert run.result == {"slow": None, "other": 0}


def test_a_run_whose_time_is_up():
    going = threading.Event()
    made = DAG()
    slow = made.add(lambda: going.wait(20), name="slow")
    bad = made.add(fails(ValueError("mine")), name="bad")
    made.add(lambda _: None, bad, name="below bad")
    made.add(lambda _: None, slow, name="below slow")
    try:
        run = made.run(on_error="continue", timeout_s=0.1, threads=2)
    finally:
        going.set()
    assert isinstance(run.error, TimeoutError)
    assert run.record.status == "timed out"
    assert statuses(run) == {"slow": "unfinished", "bad": "failed"}
    assert run.record.dropped == ("below bad",)
    assert run.record.not_started == ("below slow",)
    assert list(run.failed) == ["bad"]
    with pytest.raises(TimeoutError):
        run.result  # noqa: B018
    time.sleep(0)  # the helper ends on its own


# -- any DAG with failing and skipped nodes that goes on, against a plain evaluator --------------------------


@st.composite
def failing_dags(draw):
    nodes = []
    for i in range(draw(st.integers(1, 8))):
        some = st.lists(st.integers(0, i - 1), max_size=2, unique=True) if i else st.just([])
        kind = draw(st.sampled_from(["ok", "ok", "bad", "off"]))
        nodes.append((draw(some), draw(some), kind, draw(st.sampled_from(["skip", "none"]))))
    return nodes


def fate(nodes):
    """What becomes of each node: its value, or "skipped", "failed", "dropped"."""
    fates = []
    for i, (takes, waits, kind, on_skipped) in enumerate(nodes):
        if any(fates[p] in ("failed", "dropped") for p in (*takes, *waits)):
            fates.append("dropped")
        elif kind == "off" or (on_skipped == "skip" and any(fates[p] == "skipped" for p in takes)):
            fates.append("skipped")
        elif kind == "bad":
            fates.append("failed")
        else:
            fates.append((i, tuple(None if fates[p] == "skipped" else fates[p] for p in takes)))
    return fates


@given(failing_dags(), st.sampled_from([1, 2, 4]))
@settings(deadline=None, max_examples=100)
def test_any_dag_that_goes_on(nodes, threads):
    made = DAG("drawn")
    results = []

    def function(i, kind):
        return fails(ValueError(i)) if kind == "bad" else lambda *args: (i, args)

    for i, (takes, waits, kind, on_skipped) in enumerate(nodes):
        results.append(
            made.add(
                function(i, kind),
                *(results[p] for p in takes),
                name=f"n{i}",
                after=[results[p] for p in waits],
                when=kind != "off",
                on_skipped=on_skipped,
            )
        )
    made.returns(results)
    fates = fate(nodes)
    for way in (Way(threads), Way(threads, "locks", "chains"), Way(threads, "timed")):
        run = way.prepare(made, on_error="continue").run()
        assert run.result == [its if isinstance(its, tuple) else None for its in fates]
        told = statuses(run)
        told |= dict.fromkeys(run.record.dropped, "dropped")
        assert told == {f"n{i}": "ok" if isinstance(its, tuple) else its for i, its in enumerate(fates)}
        assert sorted(run.failed) == sorted(f"n{i}" for i, its in enumerate(fates) if its == "failed")
