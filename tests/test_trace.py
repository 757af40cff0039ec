"""The trace loads by the rules of the Trace Event format: a checker of those rules, on runs of every kind.

Rules: Trace Event Format (Google, 2016), and what Perfetto makes of them: slices of a thread nest, times are
whole nanoseconds, ids of arrows are numbers across all processes, a thread with its process's number is the
main one, and half a character is a fault.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.showing.report import pair_of, render, report_of
from makespan.showing.trace import FIRST_TID
from tests.report_data import (
    HOSTILE,
    blog_run,
    failed_run,
    make_record,
    measured_run,
    random_run,
)
from tests.test_statuses import everything

replace = msgspec.structs.replace
PHASES = set("MXbeCsfi")


def check(data: bytes) -> list[dict]:
    """Refuse a trace that breaks a rule; return its events."""
    whole = json.loads(data)
    assert list(whole) == ["format", "displayTimeUnit", "otherData", "traceEvents"]
    assert whole["displayTimeUnit"] in ("ms", "ns")
    events = whole["traceEvents"]
    json.dumps(whole, ensure_ascii=False).encode()  # no half characters
    pids = {event["pid"] for event in events}
    slices, open_, arrows = defaultdict(list), {}, {}
    named: dict[str, dict] = {"process_name": {}, "thread_name": {}}
    arrow_ids: set[int] = set()
    last_ts = -math.inf
    for event in events:
        assert event["ph"] in PHASES
        assert isinstance(event["name"], str)
        assert event["name"]
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        assert event["pid"] > 0
        assert event["tid"] >= 0
        assert event["tid"] not in pids
        if event["ph"] == "M":
            assert last_ts == -math.inf  # before everything that they name
            key = event["pid"] if event["name"].startswith("process_") else (event["pid"], event["tid"])
            if event["name"] in named:
                assert event["args"]["name"]
                assert key not in named[event["name"]]
                named[event["name"]][key] = event["args"]["name"]
            else:
                assert event["name"] in ("process_sort_index", "thread_sort_index")
                assert isinstance(event["args"]["sort_index"], int)
            continue
        ts = event["ts"]
        assert math.isfinite(ts)
        assert ts >= max(0, last_ts)
        assert ts * 1000 == int(ts * 1000)  # whole nanoseconds
        last_ts = ts
        key = (event["pid"], event["tid"])
        match event["ph"]:
            case "X":
                assert event["dur"] >= 0
                assert event["dur"] * 1000 == int(event["dur"] * 1000)
                slices[key].append((ts, ts + event["dur"]))
            case "b":
                its = (event["pid"], event["cat"], event["id"])
                assert its not in open_
                open_[its] = (ts, event["name"])
            case "e":
                begun, name = open_.pop((event["pid"], event["cat"], event["id"]))
                assert begun <= ts
                assert name == event["name"]
            case "s":
                assert type(event["id"]) is int
                assert 0 <= event["id"] < 2**53  # browsers count no further
                assert event["id"] not in arrow_ids
                arrow_ids.add(event["id"])
                arrows[event["cat"], event["id"]] = (key, ts)
            case "f":
                assert event["bp"] == "e"
                (from_, begun) = arrows.pop((event["cat"], event["id"]))
                assert from_[0] == event["pid"]
                assert begun <= ts
                for where, at in ((from_, begun), (key, ts)):
                    assert any(start <= at <= end for start, end in slices[where] or [(0, math.inf)])
            case "C":
                assert all(isinstance(value, int | float) and value >= 0 for value in event["args"].values())
            case "i":
                assert event["s"] in "gpt"
    assert not open_
    assert not arrows
    for its in slices.values():
        ends: list[float] = []
        for start, end in sorted(its, key=lambda span: (span[0], -span[1])):
            while ends and ends[-1] <= start:
                ends.pop()
            assert not ends or end <= ends[-1]  # nested or apart
            ends.append(end)
    for pid, tid in slices:
        assert (pid, tid) in named["thread_name"]
        assert pid in named["process_name"]
    return events


EVERY = {
    "blog": blog_run(),
    "failed": failed_run(),
    "measured": measured_run(34),
    "everything": everything(),
    "hostile": random_run(len(HOSTILE), names=HOSTILE),
    "empty": random_run(0),
    "nothing": make_record([], status="interrupted", not_started=("a",)),
    "no plan": replace(random_run(9), plan=None),
}


@pytest.mark.parametrize("name", EVERY)
def test_every_run_and_plan_makes_a_trace_that_loads(name):
    record = EVERY[name]
    events = check(render(record, "trace"))
    report = report_of(record)
    count = Counter(event["ph"] for event in events)
    assert count["X"] == len(report.actual_bars) + len(report.planned_bars)
    assert count["b"] == count["e"] == sum(len(band.spans) for band in report.bands)
    assert count["s"] == count["f"]
    if record.plan is not None:
        check(render(record.plan, "trace"))
    check(render(pair_of(record, record), "trace"))


def _drop(events, phase):
    events.remove(next(event for event in events if event["ph"] == phase))


def _lengthen(events):
    """Let a slice end in the middle of the next one of its thread."""
    slices = [
        event for event in events if event["ph"] == "X" and (event["pid"], event["tid"]) == (1, FIRST_TID)
    ]
    first, second = slices[:2]
    first["dur"] = second["ts"] + second["dur"] / 2 - first["ts"]


@pytest.mark.parametrize(
    "fault",
    [
        lambda events: _drop(events, "e"),
        lambda events: _drop(events, "f"),
        lambda events: _drop(events, "M"),
        _lengthen,
        lambda events: events.reverse(),
    ],
)
def test_the_checker_finds_faults(fault):
    whole = json.loads(render(random_run(9, names="abcdefghi"), "trace"))
    fault(whole["traceEvents"])
    with pytest.raises((AssertionError, KeyError)):
        check(json.dumps(whole).encode())


def test_figures_are_those_of_the_report():
    record = measured_run(34)
    report = report_of(record)
    data = json.loads(render(record, "trace"))
    of = {e["args"]["node"]: e for e in data["traceEvents"] if e["ph"] == "X" and e["cat"] == "node"}
    for bar in report.actual_bars:
        event = of[bar.name]
        assert event["ts"] == pytest.approx(bar.start_s * 1e6, abs=0.2)
        assert event["dur"] == pytest.approx((bar.end_s - bar.start_s) * 1e6, abs=0.2)
        assert event["tid"] == FIRST_TID + bar.row
        assert event["args"]["critical"] is bar.critical
    names = {
        e["tid"]: e["args"]["name"]
        for e in data["traceEvents"]
        if e["name"] == "thread_name" and e["pid"] == 1
    }
    assert names == {FIRST_TID + row: lane.name for row, lane in enumerate(report.lanes)}
    assert data["otherData"]["actual_s"] == record.makespan_s
    counters = [(e["ts"], e["args"]["holders"]) for e in data["traceEvents"] if e["name"] == "GIL demand"]
    assert counters == [(pytest.approx(at * 1e6, abs=0.2), value) for at, value in report.gil_demand]


def test_arrows_go_from_a_node_to_those_that_take_its_result():
    events = check(render(blog_run(), "trace"))
    begun = {e["id"]: (e["tid"], e["ts"]) for e in events if e["ph"] == "s"}
    slices = [e for e in events if e["ph"] == "X" and e["pid"] == 1]

    def at(tid, ts):
        (name,) = (e["name"] for e in slices if e["tid"] == tid and e["ts"] <= ts < e["ts"] + e["dur"])
        return name

    arrows = {
        (at(*begun[e["id"]]), at(e["tid"], e["ts"])) for e in events if e["ph"] == "f" and e["pid"] == 1
    }
    assert arrows == {("a", "c"), ("a", "d"), ("a", "b"), ("c", "e"), ("d", "e")}


def test_what_failed_is_marked_where_it_ended():
    (mark,) = [event for event in check(render(failed_run(), "trace")) if event["ph"] == "i"]
    assert mark["name"] == "ValueError in a"
    assert mark["ts"] == pytest.approx(1.1e6)


def test_names_keep_to_themselves():
    """Names are shown cleaned, and found as they are; half a character is written as its escape."""
    data = render(EVERY["hostile"], "trace")
    assert not any(byte < 32 and byte != 10 for byte in data)
    data.decode("utf-8")
    found = {e["args"]["node"] for e in check(data) if e["ph"] == "X"}
    assert found == {name.encode("utf-8", "backslashreplace").decode() for name in HOSTILE}
    assert all(len(event["name"]) <= 200 for event in check(data))


times = st.floats(0, 1e4) | st.sampled_from([0.0, 1e-9, 1e-7, 0.1, 0.3, 1e8])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(times, times, st.integers(0, 3), st.none() | st.integers(0, 1)), max_size=10))
def test_any_times_make_a_trace_that_loads(spans):
    from makespan.record import RunNode

    nodes = [
        RunNode(
            f"n{i}", start, start + takes, thread, after=tuple(f"n{k}" for k in range(i)), process=process
        )
        for i, (start, takes, thread, process) in enumerate(spans)
    ]
    check(render(make_record(nodes, threads=4), "trace"))
