"""Page, picture, text, trace, JSON and notebook card say the same of a run: what its record says.

The figures are computed here once more, from the record alone; no output may say anything else.
"""

from __future__ import annotations

import html
import json
import re
from statistics import median
from typing import Any

import msgspec
import pytest

from makespan.record import Comparison, RunNode, RunRecord
from makespan.showing.page import render_page
from makespan.showing.plots.gantt import plot_gantt
from makespan.showing.report import render, report_of, report_of_plan
from makespan.showing.reprs.cards import plan_card, run_card
from makespan.showing.words import TIMES, percent, seconds
from tests.report_data import blog_run, failed_run, make_record, measured_run, random_run
from tests.test_statuses import everything

replace = msgspec.structs.replace

REPEATS = Comparison((2.0, 2.1, 2.0, 2.2, 1.9, 2.05), (1.0, 1.0, 1.1, 1.0, 1.0, 0.98))
RUNS = {
    "blog": blog_run(),
    "measured": measured_run(34),
    "repeats": replace(random_run(20), comparison=REPEATS),
    "predicted": replace(random_run(20), comparison=None),
    "failed": failed_run(),
    "everything": everything(),
    "no plan": replace(random_run(9), plan=None),
    "other plan": replace(random_run(9), plan=blog_run().plan),
    "faster than its bound": replace(random_run(9), makespan_s=0.1, nodes=(), comparison=None),
    "interrupted": replace(random_run(12), status="interrupted", comparison=None),
    "timed out": replace(random_run(12), status="timed out", comparison=None),
    "few lanes": make_record([RunNode("a", 0.0, 1.0, 0), RunNode("b", 1.0, 2.0, 0)], threads=4),
    "processes": make_record(
        [
            RunNode("a", 0.0, 1.0, 0),
            RunNode("b", 1.0, 3.0, 0, process=0),
            RunNode("c", 1.0, 2.5, 1, process=1),
            RunNode("d", 3.0, 4.0, 0),
        ]
    ),
}


def words_of(page: str) -> str:
    """The words of a page or card, without tags, style, script and drawings."""
    page = re.sub(r"(?s)<(style|script|svg)\b.*?</\1>", " ", page)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", page.replace("</dt>", " "))))


def pictured(report: Any) -> str:
    """The title of the picture, with all its parts."""
    from matplotlib.figure import Figure

    return plot_gantt(report, ax=Figure(figsize=(30, 5)).add_subplot()).get_title(loc="left")


def expected(record: RunRecord) -> dict[str, Any]:
    """Figures of a run by their names in JSON, from the record alone."""
    plan, repeats = record.plan, record.comparison
    drawn = [node for node in record.nodes if node.status != "skipped"]
    whole = len(drawn) == len(record.nodes) and not record.dropped and not record.left_out
    ended = whole and record.status == "ok"
    made_s = sum(node.end_s - node.start_s for node in drawn)
    budget_s = record.threads * record.makespan_s
    speedup = None
    if repeats is not None:
        speedup = median(repeats.default_s) / median(repeats.planned_s)
    elif plan is not None and ended:
        speedup = plan.default_makespan_s / record.makespan_s
    return {
        "status": record.status,
        "threads": record.threads,
        "actual_s": record.makespan_s,
        "planned_s": plan.makespan_s if plan else None,
        "bound_s": plan.lower_bound_s if plan else None,
        "gap": 1 - plan.lower_bound_s / record.makespan_s if plan and ended else None,
        "error_share": record.makespan_s / plan.makespan_s - 1 if plan and ended else None,
        "speedup": speedup,
        "busy": min(1.0, made_s / budget_s),
    }


@pytest.mark.parametrize("name", RUNS)
def test_all_say_what_the_record_says(name: str) -> None:
    record = RUNS[name]
    want, report = expected(record), report_of(record)
    data = json.loads(render(record, "json"))
    page = render_page(report).decode()
    inside = re.search(r'(?s)<script type="application/json" id="data">(.*?)</script>', page)
    assert inside is not None
    in_page = json.loads(inside[1])
    in_trace = json.loads(render(record, "trace"))["otherData"]
    for key, value in want.items():
        almost = value if value is None or isinstance(value, str) else pytest.approx(value, abs=1e-12)
        assert data[key] == almost, key
        for other, its in ((in_page, key), (in_trace, {"bound_s": "lower_bound_s"}.get(key, key))):
            assert other.get(its, data[key]) == data[key], (key, its)
    assert {"actual_s", "planned_s", "lower_bound_s", "gap", "speedup", "busy"} <= in_trace.keys()
    assert {"actual_s", "planned_s", "bound_s", "gap", "busy"} <= in_page.keys()

    told = {
        "page": words_of(page),
        "text": render(record, "text").decode(),
        "card": words_of(run_card(record)),
        "picture": pictured(report),
    }
    for where, words in told.items():
        assert seconds(want["actual_s"]) in words, where
        assert (want["planned_s"] is not None) == ("planned " + seconds(want["planned_s"] or 0) in words)
        if want["error_share"] is not None:
            assert percent(want["error_share"], signed=True) in words, where
        speedups = re.findall(rf"([\d.]+){TIMES}", words)
        assert (f"{want['speedup']:.2f}" in speedups) if want["speedup"] else not speedups, where
        if report.speedup_range is not None:
            assert all(f"{end:.2f}" in words for end in report.speedup_range), where
    del told["picture"]
    for where, words in told.items():
        if want["bound_s"] is not None:
            assert f"lower bound {seconds(want['bound_s'])}" in words, where
        if want["gap"] is not None:
            assert percent(abs(want["gap"])) in words, where
        busy = percent(want["busy"])
        assert re.search(rf"lanes {busy} busy|lanes busy( · \d+ of \d+ had no work)? {busy}", words), where
        for failure in record.failures:
            assert f"{failure.node} raised {failure.type}" in words, where


@pytest.mark.parametrize("name", RUNS)
def test_bars_and_idle_time_are_the_same_everywhere(name: str) -> None:
    record = RUNS[name]
    data = json.loads(render(record, "json"))
    drawn = {node.name: node for node in record.nodes if node.status != "skipped"}
    bars = {bar["name"]: bar for bar in data["actual_bars"]}
    assert {name: (bar["start_s"], bar["end_s"]) for name, bar in bars.items()} == {
        name: (node.start_s, node.end_s) for name, node in drawn.items()
    }
    trace = json.loads(render(record, "trace"))
    slices = {e["args"]["node"]: e for e in trace["traceEvents"] if e["ph"] == "X" and e["cat"] == "node"}
    assert slices.keys() == bars.keys()
    lane = {
        (e["pid"], e["tid"]): e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"
    }
    for name, event in slices.items():
        assert lane[event["pid"], event["tid"]] == data["lanes"][bars[name]["row"]]["name"]
    for row, its in enumerate(data["lanes"]):
        busy_s = sum(bar["end_s"] - bar["start_s"] for bar in bars.values() if bar["row"] == row)
        idle_s = sum(idle for _, idle in its["idle_s"])
        assert busy_s + idle_s + its["elsewhere_s"] == pytest.approx(max(busy_s, record.makespan_s))
        assert dict(its["idle_s"]) == trace["otherData"]["idle_s"][its["name"]]


def test_a_plan_says_the_same_everywhere() -> None:
    plan = blog_run().plan
    assert plan is not None
    report = report_of_plan(plan)
    for words in (
        words_of(render_page(report).decode()),
        words_of(plan_card(plan)),
        render(plan, "text").decode(),
        pictured(report),
    ):
        assert seconds(plan.makespan_s) in words
        assert f"{plan.default_makespan_s / plan.makespan_s:.2f}{TIMES}" in words


def test_places_that_no_node_ran_in_are_told() -> None:
    """Two of three seconds of four threads: what has no lane is not in the sums of any."""
    record = RUNS["few lanes"]
    assert "lanes 25 % busy" in render(record, "text").decode()
    assert "3 of 4 threads had no work" in render(record, "text").decode()
    assert "3 of 4 had no work" in words_of(render_page(report_of(record)).decode())


def test_the_table_of_lanes_adds_up_to_the_headline() -> None:
    """More lanes than places: a thread that waits for a worker process is not idle."""
    words = words_of(render_page(report_of(RUNS["processes"])).decode())
    assert "lanes busy 69 %" in words
    assert re.search(r"all, of 2 threads\s*69 %", words)


STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.mark.parametrize("hostile", ["esc \x1b[31m", "nul \0", "half \ud800", "rtl \u202e", "a\rb\u2028c"])
def test_nothing_that_a_record_holds_can_steer_a_terminal_or_break_an_output(hostile: str) -> None:
    """Not names alone: a record from elsewhere has notes, a machine and a moment, too."""
    base = random_run(9)
    assert base.plan is not None
    plan = replace(
        base.plan,
        binding=hostile,
        groups=tuple(replace(group, evidence=hostile) for group in base.plan.groups),
        nodes=tuple(replace(node, kind=hostile, locks=(hostile,)) for node in base.plan.nodes),
    )
    record = replace(
        base,
        dag=replace(base.dag, name=hostile),
        plan=plan,
        machine=replace(base.machine, cpu=hostile),
        notes=(hostile,),
        started_at=hostile,
        dropped=(hostile,),
    )
    for kind in ("html", "text", "svg", "trace", "json"):
        text = render(record, kind).decode()
        if kind == "html":
            text = re.sub(r"(?s)<script.*?</script>", "", text)
        if kind in ("trace", "json"):  # data: names are as they are, in JSON's own escapes
            assert not re.search(r"[\x00-\x09\x0b-\x1f]", text), kind
        else:
            assert not STEERING.search(text), kind
    assert not STEERING.search(run_card(record))
