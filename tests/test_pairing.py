"""Two runs on one time axis: the pair's figures are those of its reports and of `makespan compare`."""

from __future__ import annotations

import json
import unicodedata
from statistics import median

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.comparing.comparison import compare
from makespan.errors import OptionError, ProfileError, RecordError
from makespan.plan import DagId
from makespan.record import Comparison, RunNode
from makespan.showing.report import PAIR_FORMATS, Pair, pair_of, render, report_of, write_report
from tests.builders import make_profile
from tests.report_data import HOSTILE, blog_run, failed_run, make_record, random_run
from tests.test_statuses import everything

replace = msgspec.structs.replace
BEGINS = {
    "html": b"<!doctype html",
    "text": b"makespan report",
    "trace": b'{\n "format": "makespan-trace/1"',
    "json": b'{\n "format": "makespan-report/1"',
}


def times(record, *planned_s):
    """Return a run that stands for so many repeats."""
    return replace(record, comparison=Comparison((9.0,), planned_s))


runs = st.builds(random_run, st.integers(0, 12), threads=st.integers(1, 4), seed=st.integers(0, 99))


@settings(deadline=None, max_examples=30)
@given(runs, runs)
def test_the_pair_is_its_two_reports_and_what_differs(a, b):
    if a.nodes and b.nodes and not {n.name for n in a.nodes} & {n.name for n in b.nodes}:
        return
    pair = pair_of(a, b)
    assert (pair.a, pair.b) == (report_of(a), report_of(b))
    assert pair.comparison == compare(a, b)
    assert pair.extent_s == max(pair.a.extent_s, pair.b.extent_s)
    of_a, of_b = ({node.name: node for node in its.nodes} for its in (a, b))
    assert {node.name for node in pair.nodes} == of_a.keys() | of_b.keys()
    for node in pair.nodes:
        one, other = of_a.get(node.name), of_b.get(node.name)
        assert node.a_s == (one and one.end_s - one.start_s)
        assert node.b_s == (other and other.end_s - other.start_s)
        assert (node.difference_s is None) == (one is None or other is None)
    changed = {change.name: change.difference_s for change in pair.comparison.nodes}
    assert changed.items() <= {node.name: node.difference_s for node in pair.nodes}.items()
    on_chain = [node.on_chain for node in pair.nodes]
    assert on_chain == sorted(on_chain, reverse=True)
    back = pair_of(b, a)
    assert back.headline.difference_s == pytest.approx(-pair.headline.difference_s)


def test_one_run_each_says_so_and_gives_no_interval():
    its = pair_of(replace(blog_run(), makespan_s=4.0), blog_run()).headline
    assert (its.a_s, its.b_s, its.a_repeats, its.b_repeats) == (4.0, 3.2, 1, 1)
    assert (its.difference_s, its.share) == (pytest.approx(-0.8), pytest.approx(-0.2))
    assert its.range_s is its.range_share is its.sure is None


def test_the_repeats_of_a_run_are_its_headline():
    a = times(blog_run(), 4.0, 4.1, 3.9, 4.0, 4.2)
    b = times(blog_run(), 3.0, 3.1, 3.0, 3.2, 2.9)
    its = pair_of(a, b).headline
    assert (its.a_s, its.b_s, its.a_repeats, its.b_repeats) == (4.0, 3.0, 5, 5)
    assert its.range_s[0] <= its.difference_s <= its.range_s[1] < 0
    assert its.range_share[0] <= its.share <= its.range_share[1] < 0
    assert its.sure is True
    near = pair_of(a, times(blog_run(), 4.1, 3.9, 4.0, 4.3, 3.8)).headline
    assert near.sure is False
    assert (
        "that may be chance"
        in render(pair_of(a, times(blog_run(), 4.1, 3.9, 4.0, 4.3, 3.8)), "text").decode()
    )


def test_of_several_runs_the_median_one_is_drawn_and_all_count():
    def several(*makespans_s):
        return [replace(blog_run(), makespan_s=s) for s in makespans_s]

    pair = pair_of(several(5, 3.5, 3.3, 3.4, 3.6), several(3.3, 3.2, 3.2, 3.3, 3.25, 9))
    assert (pair.a.actual_s, pair.b.actual_s) == (3.5, 3.25)
    assert (pair.headline.a_s, pair.headline.b_s) == (3.5, median([3.3, 3.2, 3.2, 3.3, 3.25, 9]))
    assert (pair.headline.a_repeats, pair.headline.b_repeats) == (5, 6)
    assert pair.headline.range_s is not None


def test_runs_that_did_not_reach_the_end_do_not_count():
    failed = replace(blog_run(), status="interrupted", makespan_s=0.1)
    pair = pair_of([blog_run(), failed, blog_run()], blog_run(), labels=("old", "new"))
    assert (pair.headline.a_s, pair.headline.a_repeats) == (3.2, 2)
    assert "old: 1 run that did not reach the end left out" in pair.notes
    only = pair_of([failed, failed], blog_run())
    assert (only.headline.a_s, only.headline.a_repeats) == (0.1, 1)
    assert "a did not reach its end: interrupted" in only.notes


def test_a_plan_stands_above_its_run():
    record = blog_run()
    pair = pair_of(record, record.plan, labels=("run.json", "plan.json"))
    assert pair.labels == ("plan.json", "run.json")
    assert (pair.a.actual_s, pair.b.actual_s) == (None, 3.2)
    assert (pair.headline.a_repeats, pair.headline.b_repeats) == (0, 1)
    node = next(node for node in pair.nodes if node.name == "c")
    assert (node.a_status, node.a_s, node.b_s) == ("planned", 1.0, pytest.approx(1.2))
    assert node.a_critical


def test_nodes_of_one_side_only():
    changed = make_record([RunNode("a", 0.0, 2.0, 0), RunNode("x", 2.0, 3.0, 0)], dag=DagId("news", "e" * 64))
    pair = pair_of(blog_run(), changed)
    of = {node.name: node for node in pair.nodes}
    assert (of["x"].a_status, of["x"].b_status, of["x"].difference_s) == (None, "ok", None)
    assert (of["b"].a_status, of["b"].b_status) == ("ok", None)
    assert "the DAG 'news' has changed between the two" in pair.notes


@pytest.mark.parametrize(
    "side",
    [
        None,
        "run.json",
        [],
        [None],
        [blog_run(), replace(blog_run(), dag=DagId("mail", "f" * 64))],
        replace(blog_run(), dag=DagId("mail", "e" * 64)),
    ],
)
def test_what_cannot_be_compared_is_refused_by_its_label(side):
    with pytest.raises(RecordError) as caught:
        pair_of(blog_run(), side, labels=("old.json", "new.json"))
    assert caught.value.where == "new.json"


SIDES = {
    "blog": blog_run(),
    "failed": failed_run(),
    "everything": everything(),
    "empty": random_run(0),
    "one": random_run(1),
    "plain": replace(random_run(12), plan=None, comparison=None),
    "plan": random_run(12).plan,
}


@pytest.mark.parametrize("kind", PAIR_FORMATS)
@pytest.mark.parametrize("name", SIDES)
def test_every_kind_beside_itself_in_every_format(name, kind):
    data = render(pair_of(SIDES[name], SIDES[name]), kind)
    assert data.startswith(BEGINS[kind])


def test_hostile_names_in_every_format():
    pair = pair_of(random_run(len(HOSTILE), names=HOSTILE), random_run(len(HOSTILE), names=HOSTILE, seed=1))
    hostile = replace(pair, labels=("</script>\x1b[2J", "b\n\ud800"))
    for kind in PAIR_FORMATS:
        text = render(hostile, kind).decode("utf-8")
        assert not any(
            unicodedata.category(mark) == "Cc" for mark in text.replace("\n", "").replace("\t", "")
        )
        assert "<script>alert(1)" not in text or kind != "html"


def test_the_json_holds_all_figures():
    pair = pair_of(times(blog_run(), 4, 4, 4, 4, 4), times(blog_run(), 3, 3, 3, 3, 3))
    data = json.loads(render(pair, "json"))
    assert (data["kind"], data["labels"]) == ("pair", ["a", "b"])
    assert data["headline"]["difference_s"] == -1
    assert data["headline"]["range_s"] == [-1, -1]
    assert data["headline"]["sure"] is True
    assert data["a"]["actual_s"] == 3.2
    assert {node["name"]: node["difference_s"] for node in data["nodes"]} == dict.fromkeys("abcde", 0)
    assert data["comparison"]["kind"] == "runs"


def test_pictures_of_two_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(OptionError, match="two runs beside one another are not drawn as png") as caught:
        write_report(pair_of(blog_run(), blog_run()), tmp_path / "x.png")
    assert caught.value.hint == "formats: html, text, trace, json"
    assert not list(tmp_path.iterdir())


def test_a_profile_is_shown_with_both():
    profile = make_profile({"a": [], "b": ["a"]}, {"a": 0.8, "b": 0.3}, {"b": "python"})
    pair = pair_of(blog_run(), blog_run(), profile=profile)
    assert isinstance(pair, Pair)
    for report in (pair.a, pair.b):
        assert dict(next(node for node in report.nodes if node.name == "b").profiled)["class"].startswith(
            "python"
        )
    with pytest.raises(ProfileError, match="no node in common"):
        pair_of(blog_run(), blog_run(), profile=make_profile({"z": []}))
