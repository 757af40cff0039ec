"""The figures of a report equal those recomputed from the record; files are written under the right rules."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import pytest

from makespan.errors import OptionError
from makespan.measurement import Measured
from makespan.plan import DagId
from makespan.record import Comparison, RunNode, RunRecord
from makespan.showing.causes import cause, gil_waits
from makespan.showing.figures import Shares
from makespan.showing.report import FORMATS, render, report_of, report_of_plan, write_report
from tests.report_data import (
    DAG_ID,
    MACHINE,
    blog_run,
    failed_run,
    make_plan,
    make_record,
    measured_run,
    node_plan,
    random_run,
)

replace = msgspec.structs.replace
ROOT = Path(__file__).parents[1]


def test_figures_are_those_of_the_record() -> None:
    record = random_run(34)
    assert record.plan is not None
    assert record.comparison is not None
    report = report_of(record)
    assert report.actual_s == record.makespan_s
    assert report.planned_s == record.plan.makespan_s
    assert report.error_share == pytest.approx(record.makespan_s / record.plan.makespan_s - 1)
    assert report.gap == pytest.approx((record.makespan_s - record.plan.lower_bound_s) / record.makespan_s)
    assert report.default_source == "measured"
    assert report.speedup == pytest.approx(
        median(record.comparison.default_s) / median(record.comparison.planned_s)
    )
    assert report.repeats == 3
    busy = sum(node.duration_s for node in record.nodes) / (record.threads * record.makespan_s)
    assert report.busy == pytest.approx(busy)
    assert sum(report.row_busy) / record.threads == pytest.approx(busy)
    assert len(report.actual_bars) == len(report.planned_bars) == len(report.nodes) == 34


def test_without_measured_runs_the_gain_is_against_the_predicted_default_order() -> None:
    record = blog_run()
    report = report_of(record)
    assert (report.default_source, report.repeats) == ("predicted", 0)
    assert report.speedup == pytest.approx(4.0 / 3.2)


@pytest.mark.parametrize(
    "empty", [Comparison((), (1.0,)), Comparison((0.0,), (0.0,)), Comparison((1.0,), ())]
)
def test_a_comparison_that_says_nothing_gives_no_infinite_gain(empty: Comparison) -> None:
    report = report_of(replace(blog_run(), comparison=empty))
    assert report.speedup is None or 0 < report.speedup < 1e6


def test_the_chain_is_that_of_what_happened_not_of_the_plan() -> None:
    record = blog_run()
    assert [step.name for step in report_of(record).chain] == ["a", "c", "e"]
    # d overran its plan: now the chain runs through it.
    nodes = [
        replace(node, end_s=2.9)
        if node.name == "d"
        else replace(node, start_s=2.9, end_s=3.9)
        if node.name == "e"
        else node
        for node in record.nodes
        if node.name != "b"
    ]
    report = report_of(replace(record, nodes=tuple(nodes), makespan_s=3.9, not_started=("b",)))
    assert [(step.name, step.cause) for step in report.chain] == [
        ("a", "start"),
        ("d", "input"),
        ("e", "input"),
    ]
    assert {node.name for node in report.nodes if node.critical} == {"a", "d", "e"}
    assert {node.name for node in report.nodes if node.planned_critical} == {"a", "c", "d", "e"}


def test_a_wait_for_a_lock_is_followed_to_its_holder() -> None:
    plan = make_plan(
        [node_plan("x", 0, 0.0, 2.0, 0, locks=("plot",)), node_plan("y", 1, 2.0, 1.0, 1, locks=("plot",))]
    )
    record = make_record([RunNode("x", 0.0, 2.0, 0), RunNode("y", 2.1, 3.0, 1)], plan=plan)
    chain = report_of(record).chain
    assert [(step.name, step.cause) for step in chain] == [("x", "start"), ("y", "lock")]
    assert chain[1].waited_s == pytest.approx(0.1)


def test_shares_add_up_and_what_is_beyond_the_profile_is_told_apart() -> None:
    node = report_of(blog_run()).nodes[1]
    assert node.name == "c"
    shares = node.shares(1.2)
    assert shares is not None
    assert shares.gil + shares.native + shares.blocked + shares.longer == pytest.approx(1)
    assert shares.longer == pytest.approx(0.2 / 1.2)
    assert node.shares(1.01) == node.shares(0.5)  # noise, and faster than profiled
    assert replace(node, gil_s=0.0, blocked_s=0.0).shares(1.0) is None


def one_measured(measured: Measured, sampler: Any = "gil", **fields: Any) -> RunRecord:
    nodes = [RunNode("a", 0.0, 1.0, 0, measured=measured)]
    return make_record(nodes, sampler=sampler, **fields)


MEASURED = Measured(
    gil_s=0.4, native_s=0.1, gil_wait_s=0.2, blocked_s={"io": 0.1, "sleep": 0.1}, run_delay_s=0.1, samples=9
)
UNSEEN = Measured(gil_s=0.6, native_s=0.0, blocked_s={"other": 0.4})
KNOWN = make_plan([node_plan("a", 0, 0.0, 0.5, 0, gil_s=0.1, native_s=0.4)])


def test_a_bar_is_filled_by_what_the_run_measured() -> None:
    for plan in (None, KNOWN):
        (bar,) = report_of(one_measured(MEASURED, plan=plan)).actual_bars
        assert bar.shares is not None
        assert msgspec.structs.astuple(bar.shares) == pytest.approx((0.4, 0.1, 0.2, 0.0, 0.2, 0.1))
    for bar in report_of(measured_run(34)).actual_bars:
        assert bar.shares is not None
        assert sum(msgspec.structs.astuple(bar.shares)) == pytest.approx(1.0)
    planned = report_of(one_measured(MEASURED, plan=KNOWN)).planned_bars[0]
    assert planned.shares == Shares(pytest.approx(0.2), pytest.approx(0.8), 0.0, 0.0)


def test_what_was_too_short_to_be_seen_is_shown_as_profiled_or_not_at_all() -> None:
    (bar,) = report_of(one_measured(UNSEEN, plan=KNOWN)).actual_bars
    assert bar.shares == Shares(pytest.approx(0.1), pytest.approx(0.4), 0.0, pytest.approx(0.5))
    (bar,) = report_of(one_measured(UNSEEN)).actual_bars
    assert bar.shares is None


def test_clocks_alone_are_an_upper_bound_and_say_so() -> None:
    report = report_of(one_measured(UNSEEN, "clocks"))
    assert report.actual_bars[0].shares == Shares(0.6, 0.0, 0.4, 0.0)
    assert report.notes[0].startswith("measured by clocks alone")
    told = report_of(one_measured(UNSEEN, "clocks", notes=("clocks only: because",)))
    assert told.notes[0] == "clocks only: because"
    assert not any("measured by clocks alone" in note for note in told.notes)
    other = report_of(one_measured(UNSEEN, "clocks", notes=("not every node was measured (why)",)))
    assert any("measured by clocks alone" in note for note in other.notes)
    free = replace(MACHINE, gil=False)
    exact = report_of(one_measured(replace(UNSEEN, gil_s=0.0, native_s=0.6), "clocks", machine=free))
    assert exact.actual_bars[0].shares == Shares(0.0, 0.6, 0.4, 0.0)


def test_the_demand_for_the_gil_is_what_was_held_and_waited_for() -> None:
    report = report_of(one_measured(MEASURED))
    assert max(value for _, value in report.gil_demand) == pytest.approx(0.6)
    assert max(value for _, value in report.cores_used) == pytest.approx(0.5)


def test_a_node_that_was_shorter_than_profiled_did_not_use_more_cores_for_it() -> None:
    plan = make_plan([node_plan("a", 0, 0.0, 2.0, 0, alone_s=2.0, gil_s=2.0)])
    report = report_of(make_record([RunNode("a", 0.0, 0.001, 0)], plan=plan))
    assert max(value for _, value in report.cores_used) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (Measured(gil_s=0.1, native_s=0.4, gil_wait_s=0.5, samples=9), "GIL wait 500 ms"),
        (Measured(gil_s=0.1, native_s=0.4, run_delay_s=0.5, samples=9), "core wait 500 ms"),
        (Measured(gil_s=0.1, native_s=0.4, blocked_s={"io": 0.5}, samples=9), "blocked +500 ms"),
        (Measured(gil_s=0.6, native_s=0.4, samples=9), "CPU +500 ms"),
        (Measured(gil_s=0.6, native_s=0.4), ""),
        (
            Measured(
                gil_s=0.2, native_s=0.4, gil_wait_s=0.1, run_delay_s=0.1, blocked_s={"io": 0.1}, samples=9
            ),
            "",
        ),
    ],
)
def test_the_cause_of_an_error_is_what_was_measured(measured: Measured, said: str) -> None:
    (node,) = report_of(one_measured(measured, plan=KNOWN)).nodes
    assert cause(node) == said


def test_a_node_that_was_faster_says_what_it_did_less() -> None:
    plan = make_plan([node_plan("a", 0, 0.0, 2.0, 0, gil_s=0.1, blocked_s=1.9)])
    less = Measured(gil_s=0.1, native_s=0.0, blocked_s={"io": 0.9}, samples=9)
    (node,) = report_of(one_measured(less, plan=plan)).nodes
    assert cause(node) == "blocked −1.00 s"
    foreseen = make_plan([node_plan("a", 0, 0.0, 2.0, 0, alone_s=1.0, gil_s=1.0)])
    (node,) = report_of(one_measured(Measured(gil_s=1.0, native_s=0.0, samples=9), plan=foreseen)).nodes
    assert cause(node) == "waits −1.00 s"


def test_waits_for_the_gil_are_added_up_where_they_can_be_seen() -> None:
    assert (
        gil_waits(report_of(one_measured(MEASURED))) == "GIL waits 200 ms over all nodes: most in a (200 ms)"
    )
    quiet = replace(MEASURED, gil_wait_s=0.0)
    assert gil_waits(report_of(one_measured(quiet))) == "no node was seen waiting for the GIL"
    for blind in (one_measured(UNSEEN), one_measured(UNSEEN, "clocks"), one_measured(MEASURED, "canary")):
        assert gil_waits(report_of(blind)) == ""
    assert gil_waits(report_of(random_run(3))) == ""
    free = replace(MACHINE, gil=False)
    assert gil_waits(report_of(one_measured(quiet, machine=free))) == ""


def test_errors_come_sorted_and_only_of_nodes_that_reached_their_end() -> None:
    wrong = report_of(random_run(34)).wrong
    sizes = [abs(node.error_s or 0.0) for node in wrong]
    assert len(wrong) == 34
    assert sizes == sorted(sizes, reverse=True)
    assert report_of(failed_run()).wrong == ()


def test_a_failed_run_keeps_what_is_known_and_claims_nothing() -> None:
    report = report_of(failed_run())
    assert report.status == "failed"
    assert report.error_share is None
    assert report.gap is None
    assert report.speedup is None
    assert [node.name for node in report.with_status("not started")] == ["c", "d"]
    assert [node.name for node in report.with_status("unfinished")] == ["b"]
    assert report.failures[0].type == "ValueError"


def test_a_run_without_a_plan() -> None:
    record = replace(random_run(12), plan=None, comparison=None)
    report = report_of(record)
    assert report.planned_bars == ()
    assert report.planned_s is report.bound_s is report.gap is report.speedup is None
    assert report.chain
    assert "without a plan" in report.notes[0]


def test_a_run_of_another_plan_says_so_and_compares_what_is_common() -> None:
    plan = make_plan([node_plan("a", 0, 0.0, 1.0, 0), node_plan("gone", 1, 1.0, 1.0, 0)])
    record = make_record(
        [RunNode("a", 0.0, 1.5, 0), RunNode("new", 0.0, 1.0, 1)],
        plan=plan,
        threads=3,
        dag=DagId("news", "0" * 64),
        machine=replace(MACHINE, cores=1.0),
    )
    report = report_of(record)
    text = "\n".join(report.notes)
    assert "1 node in common, 1 only in the plan, 1 only in the run" in text
    assert "planned for 2 threads, ran with 3" in text
    assert "another machine" in text
    assert [node.name for node in report.wrong] == ["a"]
    assert {node.name: node.status for node in report.nodes} == {
        "a": "ok",
        "new": "ok",
        "gone": "not started",
    }


def test_more_helpers_than_the_budget_are_drawn_in_lanes_without_overlap() -> None:
    nodes = [RunNode(f"n{i}", i * 1.0, i + 1.5, 2 * i) for i in range(6)]
    report = report_of(make_record(nodes, threads=2))
    assert report.rows == 2
    for row in range(2):
        bars = sorted((bar.start_s, bar.end_s) for bar in report.actual_bars if bar.row == row)
        assert all(before[1] <= after[0] for before, after in pairwise(bars))


def test_lanes_of_the_plan_lie_beside_the_threads_that_ran_their_nodes() -> None:
    plan = make_plan([node_plan("a", 0, 0.0, 3.0, 0), node_plan("b", 1, 0.0, 2.0, 1)])
    report = report_of(make_record([RunNode("a", 0.0, 3.0, 1), RunNode("b", 0.0, 2.0, 0)], plan=plan))
    assert {node.name: (node.row, node.planned_row) for node in report.nodes} == {"a": (1, 1), "b": (0, 0)}


def test_a_plan_alone() -> None:
    record = blog_run()
    assert record.plan is not None
    report = report_of_plan(record.plan)
    assert report.actual_s is None
    assert report.actual_bars == ()
    assert len(report.planned_bars) == 5
    assert report.speedup == pytest.approx(4 / 3)
    assert report.gap == record.plan.gap
    assert report.busy == pytest.approx(5 / 6)
    assert report.cores_used


@pytest.mark.parametrize(
    "record",
    [
        random_run(0),
        random_run(1),
        make_record([RunNode("z", 0.0, 0.0, 0)], plan=make_plan([node_plan("z", 0, 0.0, 0.0, 0)])),
        replace(failed_run(), status="interrupted", failures=()),
        make_record([], status="interrupted", not_started=("a",)),
        make_record([RunNode("a", 0.0, 1e9, 0)], makespan_s=1e9),
        make_record([RunNode("a", 0.0, 1e-9, 0), RunNode("b", 0.0, 0.0, 0)], makespan_s=1e-9),
    ],
    ids=["empty", "one", "zero", "interrupted", "nothing", "century", "nanosecond"],
)
@pytest.mark.parametrize("kind", FORMATS)
def test_every_kind_of_run_draws_in_every_format(record: RunRecord, kind: str) -> None:
    begins = {
        "html": b"<!doctype",
        "png": b"\x89PNG",
        "svg": b"<?xml",
        "pdf": b"%PDF",
        "text": b"makespan report",
        "trace": b'{\n "format": "makespan-trace/1"',
        "json": b'{\n "format": "makespan-report/1"',
    }
    assert render(record, kind).startswith(begins[kind])
    if record.plan is not None:
        assert render(record.plan, kind).startswith(begins[kind])


def test_the_format_follows_the_ending_and_may_be_named(tmp_path: Path) -> None:
    record = blog_run()
    for name in ("r.html", "r.HTM", "r.png", "r.svg", "r.pdf", "r.txt", "r.text"):
        write_report(record, tmp_path / name)
        write_report(record, tmp_path / name)  # its own kind is replaced
    write_report(record, tmp_path / "plain", format="html")
    assert (tmp_path / "plain").read_bytes() == (tmp_path / "r.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["plain", "r.html", "r.HTM", "r.png", "r.svg", "r.pdf", "r.txt", "r.text"]
    )


@pytest.mark.parametrize(
    ("name", "format_", "said"),
    [
        ("r.htlm", None, "did you mean 'html'?"),
        ("r.xyz", None, "formats: html, png, svg, pdf, text, trace, json"),
        ("r", None, "no ending"),
        ("r.html", "pgn", "did you mean 'png'?"),
        ("nowhere/r.html", None, "its folder does not exist"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_drawn(
    tmp_path: Path, name: str, format_: str | None, said: str
) -> None:
    with pytest.raises(OptionError, match=r"format|ending|folder") as caught:
        write_report(blog_run(), tmp_path / name, format=format_)
    assert said in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_file_of_another_kind_stays_unless_forced(tmp_path: Path) -> None:
    for name in ("mine.png", "mine.html", "mine.txt"):
        path = tmp_path / name
        path.write_text("my own words")
        with pytest.raises(OptionError, match="something other"):
            write_report(blog_run(), path)
        assert path.read_text() == "my own words"
        write_report(blog_run(), path, force=True)
        assert path.read_bytes() == render(blog_run(), path.suffix[1:])


def test_page_and_text_need_no_matplotlib_and_pictures_say_what_is_missing() -> None:
    code = """
import sys
sys.modules["matplotlib"] = None
sys.modules["numpy"] = None
sys.path.insert(0, ".")
from tests.report_data import blog_run
from makespan.showing.report import render
from makespan.errors import MissingExtraError
render(blog_run(), "html"), render(blog_run(), "text")
try:
    render(blog_run(), "png")
except MissingExtraError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.endswith(" needs matplotlib (pip install 'makespan[report]')\n")


def test_the_report_is_light() -> None:
    heavy = "{'numpy', 'matplotlib', 'pandas'}"
    modules = "makespan.showing.report, makespan.showing.text"
    code = f"import sys, {modules}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


def test_one_report_feeds_all_and_dag_names_are_kept() -> None:
    report = report_of(blog_run())
    assert report.title == DAG_ID.name
    assert render(report, "html") == render(blog_run(), "html")
    assert render(report, "svg") == render(blog_run(), "svg")
