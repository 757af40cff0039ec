"""The page: self-contained, escaped, strict, small; its figures are those of the report."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.measurement import Measured
from makespan.plan import DagId, WhatIf
from makespan.record import RunFailure, RunRecord
from makespan.showing.colours import DARK, FILL, STRIP
from makespan.showing.page import chart, safe_json
from makespan.showing.page.data import MEASURED
from makespan.showing.page.paths import Box, boxes, number
from makespan.showing.report import render, report_of, report_of_plan
from makespan.showing.words import clean, seconds
from tests.report_data import HOSTILE, blog_run, failed_run, make_plan, make_record, measured_run, random_run

replace = msgspec.structs.replace
KNOWN = {
    *("html", "head", "meta", "title", "style", "body", "main", "header", "section", "footer", "script"),
    *("h1", "h2", "bdi", "p", "div", "span", "b", "code", "dl", "dt", "dd", "ul", "ol", "li", "figure"),
    *("small", "noscript"),
    *("svg", "path", "rect", "circle", "defs", "pattern", "g", "text"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td"),
}


class Seen(HTMLParser):
    """Everything that a browser would find: tags, attributes, text by the element that holds it."""

    def __init__(self, page: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: dict[str, list[str]] = {}
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open:
            self.text.setdefault(self.open[-1], []).append(data)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def hostile_run() -> RunRecord:
    record = random_run(len(HOSTILE), names=HOSTILE)
    assert record.plan is not None
    return replace(
        record,
        dag=DagId(HOSTILE[1], "f" * 64),
        plan=replace(record.plan, binding="<b>lock</b>"),
        started_at="<i>never</i>",
        status="failed",
        failures=(RunFailure(HOSTILE[0], "<script>", '"><img src=x>'),),
        not_started=('<a href="javascript:alert(1)">', "\0"),
    )


RUNS = {
    "blog": blog_run(),
    "failed": failed_run(),
    "hostile": hostile_run(),
    "empty": random_run(0),
    "one": random_run(1),
    "34": random_run(34),
    "plain": replace(random_run(12), plan=None, comparison=None),
    "measured": measured_run(34),
    "measured, no plan": replace(measured_run(12), plan=None, comparison=None),
    "interrupted": replace(failed_run(), status="interrupted", failures=()),
}


@pytest.mark.parametrize("record", RUNS.values(), ids=RUNS.keys())
def test_nothing_is_loaded_and_nothing_but_our_own_script_can_run(record: RunRecord) -> None:
    page = render(record, "html")
    assert page.startswith(b"<!doctype html>\n")
    seen = Seen(page)
    assert {tag for tag, _ in seen.tags} <= KNOWN
    for tag, attrs in seen.tags:
        assert not {"src", "href", "srcset", "style", "action", "data"} & attrs.keys(), (tag, attrs)
        assert not [key for key in attrs if key.startswith("on")], (tag, attrs)
    assert not re.search(rb"https?://|//cdn|@import", page.replace(b"http://www.w3.org/2000/svg", b""))
    assert [attrs.get("type") for attrs in seen.all("script")] == ["application/json", None]


def test_the_content_security_policy_names_exactly_our_style_and_script() -> None:
    page = render(hostile_run(), "html").decode()
    policy = next(m["content"] for m in Seen(page.encode()).all("meta") if "http-equiv" in m)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["base-uri"] == rules["form-action"] == "'none'"
    for rule, tag in (("script-src", "script"), ("style-src", "style")):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert content is not None
        digest = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert "unsafe" not in policy
    # The policy stands before anything that it governs.
    assert page.index("Content-Security-Policy") < page.index("<style>")


def test_hostile_names_are_shown_as_text_and_nothing_else() -> None:
    record = hostile_run()
    seen = Seen(render(record, "html"))
    shown = set(seen.text["bdi"])
    for name in HOSTILE:
        assert clean(name, 120) in shown, name
    everything = "".join(
        part for key, parts in seen.text.items() if key not in {"script", "style"} for part in parts
    )
    assert not [
        mark for mark in everything if (ord(mark) < 32 and mark != "\n") or mark in "\u202e\u2066\u2028"
    ]
    assert clean(HOSTILE[1], 120) in "".join(seen.text["title"])
    assert "{{nodes}} %s {0}" in shown


def test_a_name_that_looks_like_our_template_is_not_filled_in() -> None:
    record = make_record([replace(blog_run().nodes[0], name="{{script}}")], dag=DagId("{{data}}", "f" * 64))
    page = render(record, "html").decode()
    assert page.count('"use strict"') == 1
    assert "<bdi>{{script}}</bdi>" in page
    assert "<title>{{data}} – makespan</title>" in page


@pytest.mark.parametrize("record", RUNS.values(), ids=RUNS.keys())
def test_every_picture_in_the_page_is_valid_xml(record: RunRecord) -> None:
    page = render(record, "html").decode()
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert pictures
    for picture in pictures:
        ET.fromstring(picture)


@pytest.mark.parametrize("record", RUNS.values(), ids=RUNS.keys())
def test_the_data_in_the_page_is_that_of_the_run(record: RunRecord) -> None:
    data = page_data(render(record, "html"))
    report = report_of(record)
    assert data["title"] == report.title
    assert data["actual_s"] == record.makespan_s
    rows = [dict(zip(data["columns"], row, strict=True)) for row in data["nodes"]]
    assert [row["name"] for row in rows] == [node.name for node in report.nodes]
    ran = {node.name: node for node in record.nodes}
    for row in rows:
        assert data["statuses"][row["status"]] == (
            ran[row["name"]].status if row["name"] in ran else "not started"
        )
        if row["name"] in ran:
            assert row["start_s"] == pytest.approx(ran[row["name"]].start_s, abs=1e-5 * report.extent_s)
            assert row["actual_s"] == pytest.approx(ran[row["name"]].duration_s, abs=1e-5 * report.extent_s)
        else:
            assert row["start_s"] is row["actual_s"] is row["lane"] is None


def page_data(page: bytes) -> dict[str, Any]:
    inside = re.search(rb'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert inside is not None
    return json.loads(inside[1])  # type: ignore[no-any-return]


@settings(deadline=None, max_examples=200)
@given(st.recursive(st.text(st.characters(exclude_categories=())), lambda inner: st.lists(inner, max_size=3)))
def test_json_inside_a_script_cannot_end_it_and_reads_back(value: object) -> None:
    text = safe_json(value)
    assert text.isascii()
    assert not set("<>&") & set(text)
    assert json.loads(text) == value


def test_headline_figures() -> None:
    record = blog_run()
    seen = Seen(render(record, "html"))
    assert seen.text["dd"][:4] == ["3.20 s", "1.25×", "6.2 %", "81 %"]
    assert seen.text["dt"][:4] == [
        "actual · planned 3.00 s (+6.7 %)",
        "over the unplanned order (4.00 s, predicted)",
        "from the lower bound 3.00 s (binding: critical path)",
        "lanes busy",
    ]
    failed = Seen(render(failed_run(), "html"))
    assert failed.text["dd"][:4] == ["1.20 s", "–", "–", "96 %"]
    assert failed.text["dt"][0] == "until it failed · planned 3.00 s"


def test_a_run_faster_than_its_bound_or_slower_than_unplanned_says_so() -> None:
    record = blog_run()
    assert record.plan is not None
    fast = replace(record, plan=replace(record.plan, lower_bound_s=3.5, default_makespan_s=3.0))
    words = Seen(render(fast, "html")).text["dt"]
    assert words[2] == "below the lower bound 3.50 s (binding: critical path); nodes ran faster than profiled"
    assert words[1] == "slower than the unplanned order (3.00 s, predicted)"


def test_tables_hold_every_node_and_say_when_they_do_not() -> None:
    seen = Seen(render(random_run(34), "html"))
    assert (
        sum(attrs.get("scope") == "row" for attrs in seen.all("th")) == 34 + 8 + 5
    )  # four lanes, and all of them
    assert "The 8 largest errors of 34. ★ = on the critical path of the run." in seen.text["caption"]
    assert "All nodes, by start." in seen.text["caption"]
    long = Seen(render(random_run(1200), "html"))
    assert "The first 200 of 1,200 nodes, by start; all are in the data of this page." in long.text["caption"]


def test_the_legend_says_shares_not_order_and_what_went_wrong_is_told() -> None:
    seen = Seen(render(blog_run(), "html"))
    assert "height = share of the bar, not order in time" in seen.text["b"]
    page = render(failed_run(), "html").decode()
    assert "<bdi>a</bdi> raised <b>ValueError</b> at pipeline.py:41" in page
    assert "1 node unfinished: b" in page
    assert "2 nodes not started: c, d" in page
    assert "the run was interrupted" in render(RUNS["interrupted"], "html").decode()


@pytest.mark.parametrize("made", [random_run, measured_run])
@pytest.mark.parametrize(("n", "threads"), [(4, 2), (34, 4), (300, 8), (1000, 16), (5000, 4)])
def test_the_page_is_small(n: int, threads: int, made: Any) -> None:
    report = report_of(made(n, threads=threads))
    bars = len(report.actual_bars) + len(report.planned_bars)
    assert bars == 2 * n
    assert len(render(report, "html")) <= min(170_000 + 190 * bars, 1_500_000)


def test_bars_lie_where_the_seconds_say() -> None:
    report = report_of(blog_run())
    page = render(report, "html").decode()
    drawn, shape = chart.draw(report), chart.shape_of(report.rows)
    outlines = "".join(re.findall(r'class="crit" d="(M.*?)"', page))
    found = re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v24h", outlines)
    critical = sorted((bar for bar in report.actual_bars if bar.critical), key=lambda bar: bar.start_s)
    assert len(found) == len(critical) == 3
    for (x, y, width), bar in zip(found, critical, strict=True):
        assert float(x) == pytest.approx(chart.LEFT + bar.start_s * drawn.per_s, abs=0.06)
        assert float(width) == pytest.approx((bar.end_s - bar.start_s) * drawn.per_s, abs=0.06)
        assert float(y) == bar.row * shape.pitch + shape.thick[0]  # from the first lane on


def test_a_measured_run_fills_its_bars_with_what_was_measured() -> None:
    record = measured_run(34)
    page = render(record, "html").decode()
    for words in ("waits for the GIL", "waits for a core", "thick bars are filled as measured in this run"):
        assert f"{words}</li>" in page
    assert 'class="w"' in page
    thin = re.search(r'<g class="p">(.*?)</g>', page, re.DOTALL)
    assert thin is not None
    assert 'class="w"' not in thin[1]
    assert 'class="g"' in thin[1]
    assert "<li>GIL waits 1.10 s over all nodes: most in write_30 (214 ms), join_04 (158 ms)" in page
    assert "GIL wait 214 ms" in page
    data = page_data(page.encode())
    rows = [dict(zip(data["columns"], row, strict=True)) for row in data["nodes"]]
    ran = {node.name: node.measured for node in record.nodes}
    for row in rows:
        its = ran[row["name"]]
        assert its is not None
        if not its.samples:
            assert row["run_gil"] is row["run_core_wait"] is None
            continue
        parts_s = (its.gil_s, its.native_s, its.blocked_total_s, its.gil_wait_s, its.run_delay_s)
        for column, part_s in zip(MEASURED, parts_s, strict=True):
            assert row[column] == pytest.approx(1000 * part_s / its.total_s, abs=0.51)


def test_the_key_says_of_how_many_nodes_the_bars_are_as_measured() -> None:
    known = replace(measured_run(4), plan=None, comparison=None)
    seen = [replace(node, measured=Measured(gil_s=0.1, native_s=0.0, samples=9)) for node in known.nodes]
    whole = render(replace(known, nodes=tuple(seen)), "html").decode()
    assert "<li>thick bars are filled as measured in this run</li>" in whole
    seen[0] = replace(seen[0], measured=None)
    part = render(replace(known, nodes=tuple(seen)), "html").decode()
    assert "<li>thick bars: 3 of 4 nodes as measured in this run</li>" in part


def test_a_run_that_was_not_measured_has_no_trace_of_it() -> None:
    page = render(random_run(34), "html").decode()
    assert not set(MEASURED) & set(page_data(page.encode())["columns"])
    assert "GIL wait" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def test_a_plan_alone_draws_its_bars_thick() -> None:
    record = blog_run()
    assert record.plan is not None
    page = render(report_of_plan(record.plan), "html").decode()
    assert 'class="p"' not in page
    assert "planned, not run" in page
    assert page_data(page.encode())["ran"] is False


def test_thread_budgets_are_drawn_with_the_choice_marked() -> None:
    plan = make_plan([], what_if=tuple(WhatIf(k, 6.0 / k, 5.5 / k) for k in range(1, 17)))
    page = render(plan, "html").decode()
    assert "Would more threads help?" in page
    assert page.count('class="here"') == 1
    assert f">{seconds(3.0)}</text>" in page


def test_page_and_picture_use_one_set_of_colours() -> None:
    page = render(blog_run(), "html").decode()
    style = page[page.index("<style>") : page.index("</style>")]
    looks = re.findall(r":root(?:,#paper)?\{(.*?)\}", style)
    assert len(looks) == 3
    for look, known in zip(looks, (FILL, DARK, FILL), strict=True):
        said = dict(part.split(":") for part in look.strip(";").split(";"))
        for name, part in {**{part: part for part in FILL}, "wait": "gil_wait"}.items():
            assert said.get(f"--{name}", known[part]) == known[part]
        assert {"--gil", "--native", "--blocked", "--wait", "--longer", "--unknown"} <= set(said)
        assert [said[f"--idle-{name}"] for name in ("lock", "gil")] == [
            STRIP[name][known is DARK] for name in ("lock", "GIL")
        ]
        used = set(re.findall(r"var\((--[\w-]+)\)", style))
        assert used <= set(said)


side = st.floats(0, 2000)


@given(st.lists(st.tuples(side, side, st.none() | side, side), max_size=20))
def test_boxes_lie_where_they_should_however_they_are_written(several: list[Any]) -> None:
    path = boxes([Box(*one) for one in several])
    x = y = 0.0
    found = []
    for command, words in re.findall(r"([Mm])([^Mm]*)", path):
        move, *lines = re.findall(r"(?:^|[hv])[^hv]*", words)
        a, b = (float(word) for word in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", move))
        x, y = (a, b) if command == "M" else (x + a, y + b)
        spans = [(line[0], float(line[1:])) for line in lines]
        width = spans[0][1] if spans[0][0] == "h" else None
        high = next(length for way, length in spans if way == "v")
        found.append((x, y, width, high))
        y += high
    assert len(found) == len(several)
    for got, want in zip(found, several, strict=True):
        assert (got[2] is None) == (want[2] is None)
        assert [got[0], got[1], got[2] or 0.0, got[3]] == pytest.approx(
            [want[0], want[1], want[2] or 0.0, want[3]], abs=0.06
        )


@given(st.floats(-1e5, 1e5))
def test_coordinates_are_short_and_right(value: float) -> None:
    assert float(number(value)) == pytest.approx(value, abs=0.0501)
    assert not number(value).startswith(("0.", "-0.", "+"))
