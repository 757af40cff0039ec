"""What a race showed stands wherever a plan is shown, says no more than the runs do, and steers nothing."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.cli.check import judge
from makespan.comparing.comparison import compare
from makespan.exporting.export import export
from makespan.plan import Evidence, Misjudged, Plan, Raced, load_plan
from makespan.showing.evidence import (
    evidence_lines,
    headline,
    is_faster,
    misjudged_lines,
    race_table,
    race_words,
    rows,
    speedup,
)
from makespan.showing.page import render_page
from makespan.showing.report import render, report_of, report_of_plan
from makespan.showing.reprs.cards import plan_card, run_card
from makespan.showing.text import plan_summary, report_text, run_summary
from makespan.showing.words import clean
from tests.chromium import opened
from tests.evidence_data import DEFAULT, FASTER, NO_ROOM, PLAN, changed
from tests.report_data import HOSTILE, blog_run
from tests.test_page import KNOWN, Seen, page_data

if TYPE_CHECKING:
    from pathlib import Path

replace = msgspec.structs.replace
FASTER_WORDS = (
    "plan, 2 threads, 2 processes: 1.34 s, 0.62 × the default order (0.58–0.66), predicted 1.30 s; "
    "clear at 95 %"
)


def plan_with(evidence: Evidence | None) -> Plan:
    plan = blog_run().plan
    assert plan is not None
    return replace(plan, evidence=evidence)


# -- words


def test_a_plan_that_is_faster_says_so_with_its_interval() -> None:
    assert headline(FASTER) == FASTER_WORDS


def test_where_there_is_no_room_it_is_said_plainly() -> None:
    assert headline(NO_ROOM) == (
        "no plan is measurably faster than the default order; kept the default (default order, 2 threads): "
        "1.00 s; not clear at 90 %"
    )
    once = changed(NO_ROOM, ways=tuple(replace(way, runs=2) for way in NO_ROOM.ways))
    assert headline(once).startswith("too few runs to tell what is faster; kept the default (default order")
    alone = changed(NO_ROOM, ways=NO_ROOM.ways[:1])
    assert headline(alone) == "nothing else was run; kept the default (default order, 2 threads): 1.00 s"


@pytest.mark.parametrize(
    ("low", "high", "faster"),
    [(0.9, 0.99, True), (0.9, 1.0, False), (0.9, 1.01, False), (None, None, False)],
)
def test_faster_is_said_only_of_what_was_shown(low: float | None, high: float | None, faster: bool) -> None:
    its = changed(FASTER, over_default=0.95, over_default_low=low, over_default_high=high)
    assert is_faster(its) is faster
    assert ("not proven faster than the default order" in headline(its)) is not faster


def test_the_default_itself_is_never_faster_than_itself() -> None:
    assert not is_faster(changed(NO_ROOM, over_default_low=0.9, over_default_high=0.99))


def test_how_the_race_went() -> None:
    assert race_words(FASTER) == (
        "4 ways, 35 runs in 58.2 s; stopped: it is clear; other programs took 3.0 % of the cores meanwhile"
    )
    assert race_words(changed(NO_ROOM, stopped="", foreign_load=0.001)) == "2 ways, 10 runs in 20.0 s"


def test_the_table_has_a_row_a_way_and_says_why_it_left() -> None:
    assert rows(FASTER) == [
        [PLAN, "2", "13", "1.34 s", "1.31 s to 1.38 s", "1.30 s", "0.62", "kept"],
        [
            *("plan, 2 threads", "2", "8", "1.75 s", "1.70 s to 1.79 s", "1.71 s", "0.81"),
            "slower than the leader, 1.31 times",
        ],
        [DEFAULT, "2", "13", "2.16 s", "2.10 s to 2.20 s", "2.05 s", "1.00", "default"],
        [
            *("one after the other", "1", "1", "2.90 s", "", "2.80 s", "1.34"),
            "its first run took 2.2 times as long",
        ],
    ]
    assert rows(NO_ROOM)[0][-1] == "kept, default"
    assert race_table(FASTER).splitlines()[0].split("  ")[0] == "way"


def test_what_the_model_had_wrong() -> None:
    (told,) = misjudged_lines(FASTER)
    assert told == (
        "the model was wrong: load beside parse took 722 ms, the model said 63 ms: "
        "it takes the GIL again and again; measured again"
    )
    many = tuple(Misjudged((f"n{i}",), 1.0, 2.0, "") for i in range(8))
    told = misjudged_lines(changed(FASTER, misjudged=many), 5)
    assert len(told) == 6
    assert told[0] == "the model was wrong: n0 took 2.00 s, the model said 1.00 s"
    assert told[-1] == "the model was wrong about 3 more"


def test_a_default_that_is_not_among_the_ways_gives_no_ratio() -> None:
    its = changed(FASTER, default="another way")
    assert [row[6] for row in rows(its)] == [""] * 4
    assert speedup(its) is None
    assert speedup(changed(FASTER, winner="another way")) is None
    assert headline(changed(FASTER, winner="another way")).startswith("another way: 0.62 ×")
    assert speedup(None) is None
    assert not list(evidence_lines(None))


# -- where it is shown


def test_summary_explanation_and_repr_tell_it(tmp_path) -> None:
    plan = plan_with(FASTER)
    plan.save(tmp_path / "plan.json")
    assert load_plan(tmp_path / "plan.json") == plan
    assert f"measured: {FASTER_WORDS}" in plan_summary(plan)
    explained = plan.explain()
    assert explained.evidence == FASTER
    assert f"measured: {FASTER_WORDS}" in explained.text()
    assert race_table(FASTER) in explained.text()
    assert "raced" not in plan.explain("a").text()
    assert repr(plan).endswith(", raced: 0.62 x the default>")
    for other in (plan_with(None), plan_with(NO_ROOM)):
        assert "0.62" not in plan_summary(other) + repr(other) + other.explain().text()


def test_the_gain_that_was_measured_takes_the_place_of_the_predicted_one() -> None:
    record = replace(blog_run(), plan=plan_with(FASTER))
    report = report_of(record)
    assert (report.default_source, report.repeats) == ("measured", 13)
    assert (report.default_s, report.compared_s) == (2.16, 1.34)
    assert report.speedup_range == (1 / 0.66, 1 / 0.58)
    assert "measured: default order 2.16 s, plan 1.34 s, medians of 13 runs each (1.61×" in run_summary(
        record
    )
    of_plan = report_of_plan(plan_with(FASTER))
    assert of_plan.speedup == report.speedup
    assert "measured: default order 2.16 s" in report_text(of_plan)
    assert report_of(blog_run()).default_source == "predicted"
    assert report_of_plan(plan_with(None)).default_source == "predicted"


def test_a_run_that_was_compared_itself_shows_its_own_comparison() -> None:
    from makespan.record import Comparison

    own = Comparison(default_s=(4.0, 4.0), planned_s=(2.0, 2.0))
    report = report_of(replace(blog_run(), plan=plan_with(FASTER), comparison=own))
    assert (report.default_s, report.compared_s, report.repeats) == (4.0, 2.0, 2)


def test_a_run_that_failed_is_not_said_to_have_gained() -> None:
    report = report_of(replace(blog_run(), plan=plan_with(FASTER), status="failed"))
    assert report.speedup is None
    assert report.evidence == FASTER


def test_cards_tell_it() -> None:
    for card in (plan_card(plan_with(FASTER)), run_card(replace(blog_run(), plan=plan_with(FASTER)))):
        assert f"measured: {FASTER_WORDS}" in unescape(card)
    assert "measured:" not in plan_card(plan_with(None))


def test_the_json_of_the_report_holds_it() -> None:
    data = json.loads(render(plan_with(FASTER), "json"))
    assert msgspec.convert(data["evidence"], Evidence) == FASTER
    assert json.loads(render(plan_with(None), "json"))["evidence"] is None


def test_comparisons_tell_which_plan_was_raced() -> None:
    told = compare(plan_with(None), plan_with(FASTER)).text()
    assert "a was not raced: its seconds are predicted" in told
    assert f"b was raced: {FASTER_WORDS}" in told
    told = compare(plan_with(NO_ROOM), plan_with(FASTER)).text()
    assert "a was raced: no plan is measurably faster" in told
    assert "raced" not in compare(plan_with(None), plan_with(None)).text()
    compared = compare(plan_with(FASTER), blog_run())
    assert f"a was raced: {FASTER_WORDS}" in compared.text()
    assert compared.a.evidence == FASTER
    assert "b was not raced" not in compared.text()


@pytest.mark.parametrize("form", ["csv", "mermaid"])
def test_what_a_form_does_not_carry_is_said(form: str) -> None:
    assert "what the race of real runs showed" in export(plan_with(FASTER), form).lost
    assert "what the race of real runs showed" not in export(plan_with(None), form).lost


def test_tawazi_is_not_promised_what_makespan_measured() -> None:
    from makespan.adapters.tawazi.not_carried import _places

    assert _places(plan_with(None)) == []
    (told,) = _places(plan_with(FASTER))
    assert told == "what the race showed: its runs were makespan's, and say nothing of Tawazi's engine"


def test_check_says_where_it_was_raced() -> None:
    from makespan import DAG
    from makespan.machine import this_machine

    dag = DAG("sums")
    dag.returns(dag.add(abs, -1))
    plan = dag.profile(runs=1).optimize(threads=1, time_limit_s=1)
    here = replace(plan, evidence=FASTER, machine=this_machine())
    verdict = judge(here, dag)
    assert verdict.fits
    assert verdict.notes == [f"raced on this machine: {FASTER_WORDS}"]
    elsewhere = replace(here, machine=replace(here.machine, cpu="abacus"))
    verdict = judge(elsewhere, dag)
    assert not verdict.fits
    assert verdict.notes == [
        "it was raced there (0.62 × the default order (0.58–0.66)): what it gives here shows 'makespan tune'"
    ]
    assert judge(replace(here, evidence=None), dag).notes == []


# -- the page


def section(page: bytes) -> str:
    found = re.search(r'<section id="measured">.*?</section>', page.decode(), re.DOTALL)
    assert found is not None
    return found[0]


def cells(inside: str) -> list[list[str]]:
    found = re.findall(r"<tr><th scope=row>(.*)", inside)
    return [[unescape(re.sub(r"<[^>]*>", "", cell)) for cell in row.split("<td>")] for row in found]


def test_the_page_has_a_table_with_bars() -> None:
    page = render_page(report_of(replace(blog_run(), plan=plan_with(FASTER))))
    inside = section(page)
    assert FASTER_WORDS in unescape(inside)
    assert [row[0] for row in cells(inside)] == [f"{PLAN} ★", *(way.name for way in FASTER.ways[1:])]
    assert cells(inside)[0][2:] == ["2", "13", "1.34 s", "1.31 s to 1.38 s", "1.30 s", "0.62", "kept"]
    assert cells(inside)[3][5] == "–"  # too few runs for an interval
    bars = re.findall(r'class="(dot|slow)" d="M1 2h([\d.]+)v', inside)
    assert [kind for kind, _ in bars] == ["dot", "slow", "slow", "slow"]
    widths = [float(wide) for _, wide in bars]
    for way, wide in zip(FASTER.ways, widths, strict=True):
        assert wide == pytest.approx(148 * way.median_s / 2.9, abs=0.1)
    assert inside.count("<li>the model was wrong: load beside parse took") == 1
    assert page_data(page)["evidence"]["winner"] == PLAN
    assert {tag for tag, _ in Seen(page).tags} <= KNOWN


def test_without_a_race_there_is_no_such_section() -> None:
    page = render_page(report_of(blog_run()))
    assert b'id="measured"' not in page
    assert "evidence" not in page_data(page)
    for plan, there in ((plan_with(NO_ROOM), True), (plan_with(None), False)):
        assert (b'id="measured"' in render_page(report_of_plan(plan))) is there


def test_hostile_names_neither_run_nor_break_a_line() -> None:
    ways = tuple(Raced(name, 2, 3, 1.0 + i, 0.9, 1.1, 1.0, HOSTILE[-1 - i]) for i, name in enumerate(HOSTILE))
    wrong = tuple(Misjudged((name,), 1.0, 2.0, name) for name in HOSTILE)
    its = changed(
        FASTER, winner=HOSTILE[0], default=HOSTILE[1], stopped=HOSTILE[4], ways=ways, misjudged=wrong
    )
    plan = plan_with(its)
    page = render_page(report_of_plan(plan))
    seen = Seen(page)
    assert {tag for tag, _ in seen.tags} <= KNOWN
    assert len(seen.all("script")) == 2
    for text in (plan_summary(plan), plan.explain().text(), compare(plan, plan_with(None)).text()):
        assert all(line == clean(line) for line in text.split("\n"))
        text.encode()
    assert len(race_table(its).split("\n")) == 1 + len(ways)
    assert "<script>alert" not in plan_card(plan)


seconds = st.floats(0, 1e9)
ratios = st.floats(1e-6, 1e6)
raced = st.builds(
    Raced,
    st.text(min_size=1),
    st.integers(1, 64),
    st.integers(1, 99),
    seconds,
    st.none() | seconds,
    st.none() | seconds,
    st.none() | seconds,
    st.text(),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(raced, min_size=1, max_size=5), st.data())
def test_any_evidence_that_a_file_can_hold_is_shown(ways: list[Raced], data: st.DataObject) -> None:
    names = st.sampled_from([way.name for way in ways]) | st.text(min_size=1)
    its = Evidence(
        winner=data.draw(names),
        default=data.draw(names),
        confidence=data.draw(st.floats(0.01, 0.99)),
        clear=data.draw(st.booleans()),
        stopped=data.draw(st.text()),
        used_s=data.draw(seconds),
        ways=tuple(ways),
        over_default=data.draw(ratios),
        over_default_low=data.draw(st.none() | ratios),
        over_default_high=data.draw(st.none() | ratios),
    )
    plan = plan_with(its)
    for text in (*evidence_lines(its), *race_table(its).split("\n")):
        assert text == clean(text)
    render_page(report_of_plan(plan))
    plan_card(plan)
    assert speedup(its) is None or speedup(its).plan_s > 0


@pytest.mark.browser
def test_in_a_browser_it_is_silent_and_fits_on_paper(tmp_path: Path) -> None:
    names = [PLAN, "a name without blanks " + "x" * 300, *HOSTILE[:4]]
    ways = tuple(Raced(name, 2, 3, 1.0 + i, 0.9, 9.1, 1.0, "slower, " * 30) for i, name in enumerate(names))
    path = tmp_path / "page.html"
    path.write_bytes(render_page(report_of_plan(plan_with(changed(FASTER, ways=ways)))))
    with opened(tmp_path) as page:
        size = {"height": 900, "deviceScaleFactor": 1, "mobile": False}
        page.call("Emulation.setDeviceMetricsOverride", width=1000, **size)
        page.open(path)
        assert page.complaints == []
        assert page.eval("document.querySelectorAll('#measured tbody tr').length") == len(ways)
        assert page.eval("document.documentElement.scrollWidth <= innerWidth")
        bars = "[...document.querySelectorAll('#measured .raced path')].map((p) => getComputedStyle(p)%s)"
        light = page.eval(bars % ".fill")
        page.scheme("dark")
        assert page.eval(bars % ".fill") != light
        page.scheme("light")
        page.call("Emulation.setDeviceMetricsOverride", width=720, **size)
        page.call("Emulation.setEmulatedMedia", media="print")
        page.settle()
        assert page.eval("document.querySelector('#measured table').offsetWidth <= innerWidth")
