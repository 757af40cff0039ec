"""How a run is shown that did not do everything: skipped, left out, dropped, timed out, tried again."""

from __future__ import annotations

import json
import re

import pytest

from makespan.record import RunFailure, RunNode, parse_record, waited_for
from makespan.showing.account import report_of
from makespan.showing.page import render_page
from makespan.showing.plots.picture import picture
from makespan.showing.text import report_text, run_summary
from tests.report_data import make_plan, make_record, node_plan

PLAN = make_plan(
    [
        node_plan("fetch", 0, 0.0, 1.0, 0, gil_s=0.5, blocked_s=0.5),
        node_plan("parse", 1, 1.0, 1.0, 0, after=("fetch",)),
        node_plan("save", 2, 2.0, 1.0, 0, after=("parse",)),
        node_plan("mail", 3, 2.0, 1.0, 1, after=("parse",)),
        node_plan("late", 4, 3.0, 1.0, 1, after=("mail",)),
        node_plan("other", 5, 3.0, 1.0, 0, after=("fetch",)),
    ]
)


def everything(**fields):
    """A run in which there is a node of every status."""
    return make_record(
        [
            RunNode("fetch", 0.0, 1.0, 0, attempts=3),
            RunNode("parse", 1.0, 1.0, 0, "skipped", ("fetch",)),
            RunNode("other", 1.0, 2.0, 0, "ok", ("fetch",), process=1),
            RunNode("save", 1.5, 2.5, 1, "failed", ("parse",)),
            RunNode("mail", 2.0, 4.0, 0, "timed out", ("parse",)),
        ],
        plan=fields.pop("plan", PLAN),
        failures=(RunFailure("save", "ValueError"), RunFailure("mail", "TimeoutError")),
        dropped=("late",),
        left_out=("left",),
        not_started=("never",),
        status=fields.pop("status", "failed"),
        **fields,
    )


def test_a_record_of_everything_is_written_and_read():
    record = everything()
    assert parse_record(record.to_json()) == record


def test_text_says_in_words_what_became_of_each_node():
    told = run_summary(everything())
    for words in (
        "failed after 4.00 s",
        "save raised ValueError",
        "mail raised TimeoutError",
        "skipped: parse",
        "not run, after a failure of what it waits for: late",
        "not started: never",
        "left out: left",
        "tried again: fetch (3 attempts)",
        "not all nodes of the plan ran (1 skipped, 1 left out, 1 not reached)",
    ):
        assert words in told
    assert "for another DAG: 6 nodes in common, 0 only in the plan, 2 only in the run" in told
    assert run_summary(everything(status="timed out")).startswith("timed out after 4.00 s")


def test_pages_and_pictures_show_every_status():
    for status in ("failed", "timed out", "interrupted"):
        for plan in (PLAN, None):
            report = report_of(everything(status=status, plan=plan))
            page = render_page(report).decode()
            cells = re.findall(r"<th scope=row><bdi>(\w+)</bdi>.*<td>([^<]*)$", page, re.M)
            told = dict(cells)
            assert told["parse"] == "skipped"
            assert told["late"] == "dropped"
            assert told["left"] == "left out"
            assert told["never"] == "not started"
            assert told["save"] == "failed"
            assert told["mail"] == "timed out"
            assert told["other"].endswith("in worker process 2")
            assert told["fetch"].endswith("3 attempts")
            assert "1 node not run, after a failure of what it waits for: late" in page
            data = json.loads(re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', page, re.S)[1])
            also = data["columns"].index("also")
            assert {row[0]: row[also] for row in data["nodes"]}["fetch"] == "3 attempts"
            assert report_text(report).startswith("makespan report")
            if status == "failed":  # pictures tell of nodes, not of the run's end
                assert b"failed or unfinished" in picture(report, "svg")
    assert "until its time was up" in render_page(report_of(everything(status="timed out"))).decode()


def test_a_node_of_a_worker_process_is_in_a_lane_of_its_own_while_its_thread_waits():
    report = report_of(everything())
    rows = {bar.name: bar.row for bar in report.actual_bars}
    lane, waiting = report.lanes[rows["other"]], report.lanes[rows["fetch"]]
    assert (lane.name, lane.kind) == ("process 2", "process")
    assert (waiting.name, waiting.elsewhere_s) == ("caller", pytest.approx(1.0))
    assert "parse" not in rows
    assert {node.name: node.process for node in report.nodes}["other"] == 1


def test_what_was_waited_for_is_found_behind_a_skipped_node():
    record = everything()
    assert waited_for(record)["mail"] == ("fetch",)
    chain = [step.name for step in report_of(record).chain]
    assert "parse" not in chain
    assert chain[0] == "fetch"
    assert chain[-1] == "mail"


def test_a_part_is_not_compared_with_the_plan_of_the_whole():
    nodes = [RunNode("fetch", 0.0, 1.0, 0), RunNode("parse", 1.0, 2.0, 0, "ok", ("fetch",))]
    left = tuple(node.name for node in PLAN.nodes if node.name not in ("fetch", "parse"))
    report = report_of(make_record(nodes, plan=PLAN, left_out=left))
    assert (report.gap, report.error_share, report.speedup) == (None, None, None)
    assert not any("another DAG" in note for note in report.notes)
    assert "not all nodes ran" in render_page(report).decode()
    assert {node.status for node in report.with_status("left out")} == {"left out"}
    assert report.wrong  # of single nodes the plan still speaks


def test_a_run_in_which_all_is_skipped_is_shown():
    record = make_record([RunNode("fetch", 0.0, 0.0, 0, "skipped")], plan=PLAN, makespan_s=0.001)
    report = report_of(record)
    assert not report.actual_bars
    assert render_page(report)
    assert "skipped: fetch" in run_summary(record)
