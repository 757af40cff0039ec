"""Rows of the Gantt: threads, worker processes, loops, places in the budget; a plan beside them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from makespan.plan import PlanCluster
from makespan.record import RunNode
from makespan.showing.report import render, report_of, report_of_plan
from tests.report_data import make_plan, make_record, node_plan


def lanes(report):
    return [(lane.name, lane.kind) for lane in report.lanes]


def rows(report):
    return {bar.name: report.lanes[bar.row].name for bar in report.actual_bars}


def test_the_calling_thread_stands_beside_its_helpers():
    nodes = [RunNode("gui", 0, 1, 0), RunNode("a", 0, 1, 1), RunNode("b", 0, 1, 2)]
    report = report_of(make_record(nodes, threads=2))
    assert lanes(report) == [("caller", "caller"), ("thread 1", "thread"), ("thread 2", "thread")]
    assert report.busy == 1  # of the budget, not of the rows


def test_helpers_alone_are_threads_whatever_their_numbers():
    nodes = [RunNode("a", 0, 1, 1), RunNode("b", 0, 1, 4)]
    assert lanes(report_of(make_record(nodes))) == [("thread 1", "thread"), ("thread 4", "thread")]


def test_more_threads_than_places_are_drawn_as_places():
    nodes = [RunNode(f"n{i}", i, i + 1, i) for i in range(4)]
    assert lanes(report_of(make_record(nodes, threads=2))) == [("lane 0", "thread")]


def test_nodes_that_overlap_in_a_thread_are_those_of_a_loop():
    nodes = [RunNode("a", 0, 2, 0), RunNode("b", 1, 3, 0), RunNode("c", 2, 3, 0)]
    report = report_of(make_record(nodes))
    assert lanes(report) == [("caller, 1 of 2", "loop"), ("caller, 2 of 2", "loop")]
    assert rows(report) == {"a": "caller, 1 of 2", "b": "caller, 2 of 2", "c": "caller, 1 of 2"}


def test_clocks_that_are_off_a_little_make_no_loop():
    nodes = [RunNode("a", 0, 1.001, 1), RunNode("b", 1, 2, 1)]
    report = report_of(make_record(nodes))
    assert {kind for _, kind in lanes(report)} == {"thread"}
    assert len({bar.row for bar in report.actual_bars}) == 2  # no bar hides another


def test_worker_processes_have_rows_and_the_plan_lies_beside_them():
    plan = make_plan(
        [
            node_plan("a", 0, 0.0, 1.0, 0),
            node_plan("p", 1, 0.0, 2.0, 1, mode="process"),
            node_plan("q", 2, 1.0, 2.0, 0, mode="process"),
            node_plan("b", 3, 2.0, 1.0, 1),
        ],
        clusters=(PlanCluster("cluster 1", ("p",), 0), PlanCluster("cluster 2", ("q",), 1)),
    )
    record = make_record(
        [
            RunNode("a", 0, 1, 0),
            RunNode("p", 0, 2, 1, process=1),
            RunNode("q", 1, 3, 0, process=0),
            RunNode("b", 2, 3, 1),
        ],
        plan=plan,
    )
    report = report_of(record)
    assert [name for name, _ in lanes(report)] == [
        "caller",
        "thread 1",
        "process 1",
        "process 2",
    ]
    assert rows(report)["p"] == "process 2"
    assert {node.name: (node.row, node.planned_row) for node in report.nodes} == {
        "a": (0, 0),
        "p": (3, 3),  # the plan's worker lies where its node ran
        "q": (2, 2),
        "b": (1, 1),
    }
    assert [lane.elsewhere_s for lane in report.lanes] == [2, 2, 1, 1]
    assert [(band.name, band.kind, len(band.spans)) for band in report.bands] == [
        ("p", "cluster", 1),
        ("q", "cluster", 1),
    ]
    assert {node.name: node.mode for node in report.nodes}["q"] == "worker process 2"
    alone = report_of_plan(plan)
    assert lanes(alone) == [
        ("lane 0", "thread"),
        ("lane 1", "thread"),
        ("process 1", "process"),
        ("process 2", "process"),
    ]


def test_processes_of_a_plan_without_clusters_are_as_many_as_it_takes():
    nodes = [
        node_plan(name, i, float(start), 1.0, i % 2, mode="process")
        for i, (name, start) in enumerate([("a", 0), ("b", 0), ("c", 1)])
    ]
    assert [name for name, _ in lanes(report_of_plan(make_plan(nodes)))] == ["process 1", "process 2"]


def test_a_run_that_never_began_shows_the_plan_in_lanes():
    plan = make_plan([node_plan("a", 0, 0.0, 1.0, 0), node_plan("b", 1, 0.0, 1.0, 1)])
    report = report_of(make_record([], plan=plan, status="interrupted", not_started=("a", "b")))
    assert lanes(report) == [("lane 0", "thread"), ("lane 1", "thread")]


def test_a_lane_of_the_plan_that_no_thread_took():
    plan = make_plan([node_plan("a", 0, 0.0, 1.0, 0), node_plan("b", 1, 0.0, 1.0, 1)])
    report = report_of(make_record([RunNode("a", 0, 1, 0), RunNode("b", 1, 2, 0)], plan=plan))
    assert [name for name, _ in lanes(report)] == ["caller", "unused lane"]


node = st.tuples(st.floats(0, 10), st.floats(0, 5), st.integers(0, 5), st.none() | st.integers(0, 2))


@settings(deadline=None, max_examples=80)
@given(st.lists(node, max_size=12), st.integers(1, 4))
def test_no_bar_hides_another_and_every_row_is_named(spans, threads):
    nodes = [
        RunNode(f"n{i}", start_s, start_s + takes_s, thread, process=process)
        for i, (start_s, takes_s, thread, process) in enumerate(spans)
    ]
    report = report_of(make_record(nodes, threads=threads))
    assert len(report.lanes) == report.rows
    assert len(report.actual_bars) == len(nodes)
    assert len({lane.name for lane in report.lanes}) == report.rows
    for row in range(report.rows):
        bars = sorted((bar.start_s, bar.end_s) for bar in report.actual_bars if bar.row == row)
        assert bars
        assert all(before[1] <= after[0] + 1e-9 for before, after in pairwise(bars))
    for its in report.nodes:
        lane = report.lanes[its.row]
        assert (lane.kind == "process") is (its.process is not None)
    assert sum(lane.busy for lane in report.lanes) == pytest.approx(sum(report.row_busy))


odd = st.sampled_from([-1.0, 0.0, 0.5, 3.0]) | st.floats(-2, 9)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(odd, odd, st.integers(-2, 5), st.none() | st.integers(0, 1)), max_size=8),
    st.integers(1, 4),
    st.sampled_from([0.0, 3.0]),
)
@example([(-1.0, 4e-301, 0, None)], 1, 0.0)
def test_times_that_cannot_be_are_shown_all_the_same(spans, threads, makespan_s):
    """No file can hold them, but a record made in memory can: negative, backwards, beyond the end."""
    nodes = [
        RunNode(f"n{i}", start_s, end_s, thread, after=(f"n{i + 1}",), process=process)
        for i, (start_s, end_s, thread, process) in enumerate(spans)
    ]
    report = report_of(make_record(nodes, threads=threads, makespan_s=makespan_s))
    assert len(report.actual_bars) == len(nodes)
    for lane in report.lanes:
        assert 0 <= sum(idle_s for _, idle_s in lane.idle_s) <= makespan_s + 1e-9
    for kind in ("text", "json", "trace"):
        render(report, kind)
