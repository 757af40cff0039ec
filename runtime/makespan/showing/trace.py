"""A report in the Trace Event format, for Perfetto (ui.perfetto.dev) and chrome://tracing.

One process for the run and one for the plan, a thread for each row, a complete event for each node; arrows
from a node to those that take its result; locks, groups, chains and clusters as tracks of their own; cores in
use and demand for the GIL as counters. Two runs are four processes.

Times are multiples of 1/8 µs: exact as floats and in whole nanoseconds, so that a reader that cuts digits off
makes no two neighbours overlap. An arrow's id is a number that no other arrow has, of whichever process:
Perfetto reads ids as (hexadecimal) numbers and drops arrows with others. Threads are numbered from above the
processes: Perfetto takes a thread with its process's number for the main one, and moves it to the top.
Sources: Trace Event Format, Google, 2016; json_trace_parser_impl.cc of Perfetto, 2025.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan.showing.as_json import json_bytes
from makespan.showing.figures import PARTS, Lane
from makespan.showing.words import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from makespan.showing.beside import Pair
    from makespan.showing.figures import Bar, NodeRow, Report

FORMAT = "makespan-trace/1"
TICKS = 8  # in a microsecond
MOST_NAME = 200
FIRST_TID = 10
"""Of the row 0: more than there are processes."""
ARROWS_PER_PROCESS = 2**32
Event = dict[str, Any]


def trace_of(report: Report) -> bytes:
    """Return the trace of a run and its plan, or of a plan alone."""
    title = clean(report.title, MOST_NAME)
    return _bytes(_events(report, title, 0), {"title": title, **_figures(report)})


def trace_of_pair(pair: Pair) -> bytes:
    """Return the trace of two runs and their plans, on one time axis."""
    events: list[Event] = []
    other: dict[str, Any] = {"title": clean(pair.title, MOST_NAME)}
    for number, (label, report) in enumerate(zip(pair.labels, (pair.a, pair.b), strict=True)):
        events += _events(report, f"{'ab'[number]}: {clean(label, MOST_NAME)}", 2 * number)
        other["ab"[number]] = _figures(report)
    return _bytes(events, other)


def _bytes(events: list[Event], other: dict[str, Any]) -> bytes:
    meta = [event for event in events if event["ph"] == "M"]
    rest = sorted((event for event in events if event["ph"] != "M"), key=lambda event: float(event["ts"]))
    return json_bytes(
        {"format": FORMAT, "displayTimeUnit": "ms", "otherData": other, "traceEvents": [*meta, *rest]}
    )


def _figures(report: Report) -> dict[str, Any]:
    return {
        "status": report.status,
        "actual_s": report.actual_s,
        "planned_s": report.planned_s,
        "lower_bound_s": report.bound_s,
        "binding": clean(report.binding, MOST_NAME),
        "gap": report.gap,
        "speedup": report.speedup,
        "busy": report.busy,
        "threads": report.threads,
        "idle_s": {clean(lane.name, MOST_NAME): dict(lane.idle_s) for lane in report.lanes},
        "notes": [clean(note) for note in report.notes],
    }


def _events(report: Report, title: str, first_pid: int) -> list[Event]:
    nodes = {node.name: node for node in report.nodes}
    lanes = report.lanes or tuple(Lane(f"lane {row}", "thread", 0.0) for row in range(report.rows))
    events: list[Event] = []
    what = (("run", report.actual_bars, first_pid + 1), ("plan", report.planned_bars, first_pid + 2))
    main = first_pid + (2 if report.actual_s is None else 1)
    for word, bars, pid in what:
        if not bars and pid != main:
            continue
        events.append(_meta(pid, "process_name", name=f"{title}: {word}"))
        events.append(_meta(pid, "process_sort_index", sort_index=pid))
        used = {bar.row for bar in bars}
        for row, lane in enumerate(lanes):
            if row in used:
                events.append(_meta(pid, "thread_name", FIRST_TID + row, name=clean(lane.name, MOST_NAME)))
                events.append(_meta(pid, "thread_sort_index", FIRST_TID + row, sort_index=row))
        slices = _slices(bars, nodes, pid)
        events += slices.values()
        events += _arrows(slices, nodes, pid)
    events += _failures(report, main)
    events += _bands(report, main)
    for name, unit, steps in (
        ("cores in use", "cores", report.cores_used),
        ("GIL demand", "holders", report.gil_demand),
    ):
        events += [
            {
                "ph": "C",
                "name": name,
                "pid": main,
                "tid": FIRST_TID,
                "ts": _ticks(at_s),
                "args": {unit: value},
            }
            for at_s, value in steps
        ]
    return events


def _meta(pid: int, what: str, tid: int = FIRST_TID, **args: Any) -> Event:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": args}


def _ticks(at_s: float) -> float:
    """Return microseconds, exactly so many eighths."""
    return max(0, round(at_s * 1e6 * TICKS)) / TICKS


def _slices(bars: Sequence[Bar], nodes: dict[str, NodeRow], pid: int) -> dict[str, Event]:
    """Return a complete event for each bar, by its node; in a row, each begins when the last is over."""
    found: dict[str, Event] = {}
    free: dict[int, float] = {}
    for bar in sorted(bars, key=lambda bar: (bar.row, bar.start_s, bar.end_s)):
        start = max(_ticks(bar.start_s), free.get(bar.row, 0.0))
        end = free[bar.row] = max(start, _ticks(bar.end_s))
        args = _args(bar, nodes.get(bar.name))
        found[bar.name] = {
            "ph": "X",
            "name": clean(bar.name, MOST_NAME),
            "cat": "planned" if bar.status == "planned" else "node",
            "pid": pid,
            "tid": FIRST_TID + bar.row,
            "ts": start,
            "dur": end - start,
            "args": {key: value for key, value in args.items() if value not in (None, "", ())},
        }
    return found


def _args(bar: Bar, node: NodeRow | None) -> dict[str, Any]:
    # Readers that take half a character for a fault would drop the whole event.
    name = bar.name.encode("utf-8", "backslashreplace").decode()
    args: dict[str, Any] = {"node": name, "status": bar.status, "critical": bar.critical}
    if bar.shares is not None:
        args["shares"] = {part: round(getattr(bar.shares, part), 4) for part in PARTS}
    if node is not None:
        args |= {
            "class": clean(node.kind, MOST_NAME),
            "rank": node.rank,
            "mode": clean(node.mode, MOST_NAME),
            "groups": [clean(name, MOST_NAME) for name in node.groups],
            "planned_s": node.planned_s,
            "actual_s": node.actual_s,
            "slack_s": node.slack_s,
            "attempts": node.attempts if node.attempts > 1 else None,
            "worker_process": None if node.process is None else node.process + 1,
        }
    return args


def _arrows(slices: dict[str, Event], nodes: dict[str, NodeRow], pid: int) -> Iterable[Event]:
    """Yield flow events: from within the end of a node to the start of each that takes its result."""
    number = pid * ARROWS_PER_PROCESS
    for name, event in slices.items():
        for before in nodes[name].after if name in nodes else ():
            origin = slices.get(before)
            if origin is None:
                continue
            begin = max(origin["ts"], origin["ts"] + origin["dur"] - 1 / TICKS)
            if begin > event["ts"]:
                continue  # clocks that disagree: an arrow cannot go backwards
            number += 1
            its = {"name": "result", "cat": "result", "id": number, "pid": pid}
            yield {**its, "ph": "s", "tid": origin["tid"], "ts": begin}
            yield {**its, "ph": "f", "bp": "e", "tid": event["tid"], "ts": event["ts"]}


def _failures(report: Report, pid: int) -> Iterable[Event]:
    nodes = {node.name: node for node in report.nodes}
    for failure in report.failures:
        node = nodes.get(failure.node)
        if node is None or node.row is None or node.end_s is None:
            continue
        yield {
            "ph": "i",
            "s": "t",
            "name": clean(f"{failure.type} in {failure.node}", MOST_NAME),
            "cat": "failure",
            "pid": pid,
            "tid": FIRST_TID + node.row,
            "ts": _ticks(node.end_s),
            "args": {"place": clean(failure.place, MOST_NAME)},
        }


def _bands(report: Report, pid: int) -> Iterable[Event]:
    """Yield an async pair for each node in a band; a band is a track."""
    for k, band in enumerate(report.bands):
        name = clean(band.name, MOST_NAME)
        for number, (start_s, end_s, row) in enumerate(band.spans):
            its = {
                "name": name,
                "cat": band.kind,
                "id": f"{pid}.{k}.{number}",
                "pid": pid,
                "tid": FIRST_TID + row,
            }
            yield {**its, "ph": "b", "ts": _ticks(start_s), "args": {"limit": band.limit}}
            yield {**its, "ph": "e", "ts": max(_ticks(start_s), _ticks(end_s))}
