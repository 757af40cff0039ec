"""What the page says of idle time, locks, bounds and intervals, of two runs, and how its data is written."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.plan import PlanBound, PlanGroup
from makespan.showing.figures import Band, Idle, Lane, Report
from makespan.showing.page import pair_data, render_page, render_pair
from makespan.showing.page.chart import MOST_BANDS, draw, summary
from makespan.showing.page.data import lanes, page_data
from makespan.showing.page.fills import merged
from makespan.showing.page.sentences import Sentences
from makespan.showing.page.shape import shape_of
from makespan.showing.pairing import pair_of
from makespan.showing.report import report_of, report_of_plan
from makespan.showing.words import clean
from tests.report_data import HOSTILE, blog_run, failed_run, make_plan, measured_run, node_plan, random_run
from tests.test_page import KNOWN, Seen, hostile_run
from tests.test_page import page_data as data_in

replace = msgspec.structs.replace


def blog() -> Report:
    """The blog's run with all that can be told of it, by hand."""
    return replace(
        report_of(blog_run()),
        lanes=(
            Lane("caller", "caller", 0.9, (("inputs", 0.3), ("nothing left", 0.1))),
            Lane("worker process 1", "process", 0.5, (("lock", 1.0), ("GIL", 0.5), ("budget", 0.25))),
        ),
        idle=(
            Idle(1, 0.0, 1.0, "inputs", "a"),
            Idle(1, 1.0, 1.5, "lock", "plot"),
            Idle(0, 2.0, 2.5, "GIL"),
            Idle(0, 2.5, 2.75, "budget", "e"),
            Idle(1, 3.0, 3.2, "nothing left"),
        ),
        bands=(Band("plot", "lock", 1, ((1.0, 2.0, 0), (2.0, 3.0, 1))),),
        bounds=(PlanBound("critical path", 3.0), PlanBound("<cores>", 2.5), PlanBound("GIL", 1.25)),
        speedup_range=(1.05, 1.41),
    )


def cells(page: bytes, section: str) -> list[list[str]]:
    inside = re.search(rf'<section id="{section}".*?</section>', page.decode(), re.DOTALL)
    assert inside is not None
    rows = re.findall(r"<tr><th scope=row>(.*)", inside[0])
    return [[re.sub(r"<[^>]*>", "", cell) for cell in row.split("<td>")] for row in rows]


def test_lanes_say_what_they_waited_for() -> None:
    found = cells(render_page(blog()), "lanes")
    assert found == [
        ["caller", "caller", "90 %", "300 ms 9.4 %", "–", "–", "–", "100 ms 3.1 %"],
        ["worker process 1", "process", "50 %", "–", "1.00 s 31 %", "500 ms 16 %", "250 ms 7.8 %", "–"],
        [
            "all, of 2 threads",
            "",
            "81 %",
            "300 ms 4.7 %",
            "1.00 s 16 %",
            "500 ms 7.8 %",
            "250 ms 3.9 %",
            "100 ms 1.6 %",
        ],
    ]


def test_idle_time_has_the_colour_of_its_cause_and_stands_in_the_legend() -> None:
    report = blog()
    page = render_page(report).decode()
    svg = draw(report).svg
    for kind in ("i0", "i1", "i2", "i3", "i4"):
        assert svg.count(f'class="{kind}"') == 1
        assert f'class="{kind}" d="M0 4h13v5h-13z"' in page
    data = page_data(report)
    names = [row[0] for row in data["nodes"]]
    told = [(row, start, took, data["causes"][cause], of) for row, start, took, cause, of in data["idle"]]
    assert told == [
        (1, 0, 1, "inputs", names.index("a")),
        (1, 1, 0.5, "lock", "plot"),
        (0, 2, 0.5, "GIL", ""),
        (0, 2.5, 0.25, "budget", names.index("e")),
        (1, 3, 0.2, "nothing left", ""),
    ]


def test_the_gain_has_its_interval_and_the_largest_bound_binds() -> None:
    page = render_page(blog())
    seen = Seen(page)
    assert seen.text["dt"][1] == "over the unplanned order (4.00 s, predicted) · 95 %: 1.05 to 1.41×"
    assert "&lt;cores&gt;" in page.decode()
    bounds = re.search(r"How good can it get.*?</section>", page.decode(), re.DOTALL)
    assert bounds is not None
    rows = [re.sub(r"<[^>]*>", "|", row) for row in re.findall(r"<tr><th scope=row>(.*)", bounds[0])]
    assert rows == ["critical path|3.00 s|94 %|binds", "&lt;cores&gt;|2.50 s|78 %|", "GIL|1.25 s|39 %|"]


def test_bands_that_are_not_drawn_are_counted() -> None:
    def band(i: int) -> Band:
        return Band(str(i), "lock", 1, ((0.0, 0.1 * (i + 1), 0),))

    few = replace(blog(), bands=tuple(band(i) for i in range(MOST_BANDS)))
    assert "those that were held longest" not in draw(few).svg
    many = replace(blog(), bands=tuple(band(i) for i in range(12)))
    svg = draw(many).svg
    assert svg.count('class="band"') == MOST_BANDS
    assert "8 of 12 locks and groups drawn: those that were held longest" in svg
    assert ">lock 11<" in svg
    assert ">lock 0<" not in svg
    assert len(page_data(many)["bands"]) == 12


def test_what_is_drawn_together_is_told_where_no_script_runs() -> None:
    assert "figcaption>" not in render_page(blog()).decode()
    steps = tuple((i / 200, float(i % 2)) for i in range(601))
    page = render_page(replace(blog(), cores_used=steps)).decode()
    assert "<figcaption>The curves are means over 6.0 ms each.</figcaption>" in page
    page = render_page(report_of(random_run(1000))).decode()
    assert "<figcaption>Bars thinner than a pixel are drawn together with their neighbours." in page
    page = render_page(report_of(random_run(1001))).decode()
    assert "<figcaption>Bars thinner than 12 pixels are drawn together with their neighbours." in page


def test_a_report_without_lanes_idle_time_and_bands_is_drawn() -> None:
    bare = replace(blog(), lanes=(), idle=(), bands=(), bounds=())
    assert lanes(bare) == [("lane 0", "thread", bare.row_busy[0]), ("lane 1", "thread", bare.row_busy[1])]
    page = render_page(bare)
    assert b'id="lanes"' not in page
    assert b"How good can it get" not in page
    assert summary(bare).startswith("Gantt chart of 5 nodes in 2 lanes over 3.20 s")


@pytest.mark.parametrize("rows", [1, 8, 9, 20, 21, 64])
def test_lanes_are_flat_enough_and_nothing_in_them_overlaps(rows: int) -> None:
    shape = shape_of(rows)
    assert rows * shape.pitch <= 1300
    assert sum(shape.thin) <= shape.thick[0]
    assert shape.thick[0] < shape.strip[0] < sum(shape.strip) <= sum(shape.thick)
    assert max(shape.label, sum(shape.thick), shape.second) < shape.pitch


@settings(deadline=None, max_examples=150)
@given(st.lists(st.text(max_size=40), max_size=8), st.lists(st.text(max_size=12), max_size=4, unique=True))
def test_sentences_in_short_read_back(texts: list[str], names: list[str]) -> None:
    said = Sentences({name: i for i, name in enumerate(names)})
    for text in (
        *texts,
        *(
            f"{name} waits 3 s for {name}_12, 0.50 of 1.5 in my_file.py, 007 and 12345678901234567890"
            for name in names
        ),
    ):
        short = said.put(text)
        if not short:
            assert text == ""
            continue
        words = iter(
            said.texts[word[0]]
            if isinstance(word, list)
            else names[-1 - word]
            if isinstance(word, int) and word < 0
            else str(word)
            for word in json.loads(json.dumps(short[1:]))
        )
        place = short[0]
        assert isinstance(place, int)
        mould = said.found[place]
        assert re.sub("\0", lambda _: next(words), mould) == text.replace("\0", "\\x00")  # noqa: B023
        assert next(words, None) is None


def test_the_page_of_many_nodes_is_small_with_their_profile_too() -> None:
    report = report_of(measured_run(5000, threads=16))
    rows = []
    for i, node in enumerate(report.nodes):
        said = (
            ("class", f"{node.kind} ({100 - i % 9} % sure)"),
            ("alone", f"{1 + i % 998} ms, nine in ten up to {2 + i % 997} ms, 3 runs"),
            ("holds the GIL", f"{i / 77:.1f} ms, {i % 100} % ± {i % 7} %"),
            ("native", f"{i / 33:.1f} ms, {i % 77} %"),
            ("blocked", f"{i % 55} µs, {i % 10} %: {i % 55} µs in IO"),
            ("takes the GIL", f"{i % 3000} times"),
            ("function", f"stdlib_survey.py:step_{i % 400}"),
            ("called at", f"stdlib_survey.py:{i}"),
        )
        rows.append(replace(node, profiled=said))
    page = render_page(replace(report, nodes=tuple(rows)))
    assert len(page) <= 1_500_000


def test_bars_thinner_than_a_pixel_are_drawn_together_with_their_mean() -> None:
    report = report_of(random_run(400, threads=2))
    for per_s in (200.0, 20.0, 2.0, 0.2):
        drawn = list(merged(report.actual_bars, 0.0, per_s))
        assert len(drawn) <= len(report.actual_bars)
        for row in (0, 1):
            its = [bar for bar in drawn if bar.row == row]
            covered = sum(bar.width for bar in its)
            assert covered <= report.extent_s * per_s + 1.5 * len(its)
            assert all(bar.width >= 1 for bar in its)
            assert [bar.left for bar in its] == sorted(bar.left for bar in its)
        for bar in drawn:
            assert bar.shares is not None
            assert sum(bar.shares) == pytest.approx(1)
    assert len(list(merged(report.actual_bars, 0.0, 0.2))) < 60


def test_inputs_consumers_and_reasons_are_in_the_data() -> None:
    plan = make_plan(
        [
            node_plan("a", 0, 0.0, 1.0, 0, gil_s=1.0),
            node_plan("b", 1, 1.0, 1.0, 0, after=("a",), gil_s=1.0, locks=("plot",), mode="process"),
        ],
        groups=(PlanGroup("plot", ("b",), 1, "lock"),),
    )
    data = page_data(report_of_plan(plan))
    at = {name: i for i, name in enumerate(data["columns"])}
    a, b = data["nodes"]
    assert (a[at["inputs"]], b[at["inputs"]]) == ([], [0])
    assert [data["words"][i] for i in b[at["locks"]]] == ["plot"]
    assert a[at["locks"]] == 0
    assert b[at["rank"]] == 1


PAIRS: dict[str, Any] = {
    "blog": (blog_run(), blog_run()),
    "34": (random_run(34), measured_run(34, threads=2)),
    "plan and run": (blog_run().plan, blog_run()),
    "failed": (failed_run(), failed_run()),
    "long": (random_run(300), random_run(300, threads=8)),
}


@pytest.mark.parametrize("which", PAIRS.values(), ids=PAIRS.keys())
def test_a_page_of_two_runs_is_self_contained_and_tells_of_all_nodes(which: tuple[Any, Any]) -> None:
    pair = pair_of(*which, labels=("old.json", "<new>.json"))
    page = render_pair(pair)
    seen = Seen(page)
    assert {tag for tag, _ in seen.tags} <= KNOWN
    assert not [attrs for _, attrs in seen.tags if {"src", "href", "style"} & attrs.keys()]
    assert seen.all("figure")[0]["class"] == "plot"
    assert len(seen.all("figure")) == 2
    assert "<new>.json" in seen.text["bdi"]
    data = data_in(page)
    assert data["labels"] == ["old.json", "<new>.json"]
    assert [row[0] for row in data["nodes"]] == [node.name for node in pair.nodes]
    assert [len(run["nodes"]) for run in data["runs"]] == [len(pair.a.nodes), len(pair.b.nodes)]
    rows = cells(page, "nodes")
    assert [row[0] for row in rows] == [clean(node.name, 120) for node in pair.nodes[:200]]
    if len(pair.nodes) > 200:
        assert any("The first 200 of 300 nodes" in words for words in seen.text["caption"])


def test_the_difference_of_two_runs_is_told_with_its_interval() -> None:
    pair = pair_of(blog_run(), blog_run())
    head = replace(pair.headline, a_s=4.0, b_s=3.0, a_repeats=9, b_repeats=9, range_s=(-1.2, -0.8))
    words = Seen(render_pair(replace(pair, headline=head)))
    assert words.text["dd"][:3] == ["−25 %", "4.00 s", "3.00 s"]
    assert words.text["dt"][:3] == [
        "b takes −1.00 s (1.33× as fast) · 95 %: −1.20 s to −800 ms",
        "a: median of 9 runs",
        "b: median of 9 runs",
    ]
    chance = replace(head, range_s=(-1.2, 0.1))
    assert "may be chance" in Seen(render_pair(replace(pair, headline=chance))).text["dt"][0]


def test_hostile_names_in_a_pair_stay_text() -> None:
    pair = pair_of(hostile_run(), hostile_run(), labels=("</script><b>", "\0\u202e"))
    page = render_pair(pair)
    seen = Seen(page)
    assert {tag for tag, _ in seen.tags} <= KNOWN
    assert len(seen.all("script")) == 2
    shown = set(seen.text["bdi"])
    for name in HOSTILE:
        assert clean(name, 120) in shown, name
    assert data_in(page)["labels"] == ["</script><b>", "\0\u202e"]
    assert pair_data(pair)["runs"][0]["title"] == pair.a.title
