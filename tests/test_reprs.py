"""What notebooks show: drawn without JavaScript, any name, any size, and the figures of the report."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from makespan import DAG
from makespan.run import Run
from makespan.showing.account import report_of
from makespan.showing.colours import FILL
from makespan.showing.figures import Bar, Shares
from makespan.showing.profile_rows import shares
from makespan.showing.reprs.cards import MOST_ROWS
from makespan.showing.reprs.drawing import MOST_DRAWN, MOST_NAMED
from makespan.showing.reprs.lanes import MOST_TOLD, joined
from makespan.showing.words import clean, seconds
from tests.builders import make_profile
from tests.report_data import HOSTILE, blog_run, failed_run, make_record, measured_run, random_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def parsed(card: str) -> ET.Element:
    """Return the card as XML: it must be well-formed."""
    return ET.fromstring(card)


def tags(card: str) -> set[str]:
    return {element.tag.rpartition("}")[2] for element in parsed(card).iter()}


def elements(card: str, tag: str) -> list[ET.Element]:
    return [element for element in parsed(card).iter() if element.tag.rpartition("}")[2] == tag]


def text_of(card: str) -> str:
    root = parsed(card)
    for style in root.iter("style"):
        style.text = ""
    return re.sub(r"\s+", " ", "".join(root.itertext()))


def dag_of(n: int, *, hint_s: float | None = None, names: Sequence[str] | None = None) -> DAG:
    dag = DAG("news")
    url = dag.input("url")
    placed: list[Any] = [url]
    for i in range(n):
        options: dict[str, Any] = {"name": names[i]} if names else {}
        if hint_s is not None:
            options["hint_s"] = hint_s * (i + 1)
        placed.append(dag.add(print, placed[max(0, i - 2)], placed[i], **options))
    return dag


def profile_of(names: Sequence[str]) -> Any:
    after = {name: [names[i - 1]] if i else [] for i, name in enumerate(names)}
    walls = {name: 0.1 * (i + 1) for i, name in enumerate(names)}
    return make_profile(after, walls, [("python", "native", "mixed")[i % 3] for i in range(len(names))])


def cards(n: int, names: Sequence[str] | None = None) -> Iterator[tuple[str, str]]:
    record = measured_run(n, names=names)
    listed = list(names or [f"n{i}" for i in range(n)])
    plan = record.plan
    assert plan is not None
    if not any("\x00" in name or "\ud800" in name for name in listed):
        yield "dag", dag_of(n, names=listed)._repr_html_()
        yield "hinted", dag_of(n, names=listed, hint_s=0.1)._repr_html_()
    yield "profile", profile_of(listed)._repr_html_()
    yield "plan", plan._repr_html_()
    yield "run", Run(None, record)._repr_html_()


@pytest.mark.parametrize("n", [0, 1, 2, 20, 100, 400])
def test_every_card_is_well_formed_and_runs_nothing(n: int) -> None:
    for what, card in cards(n):
        found = tags(card)
        assert not found & {"script", "iframe", "object", "embed", "link", "foreignObject", "image"}, what
        assert not re.search(r"\son\w+=|javascript:|https?://(?!www\.w3\.org/2000/svg)", card), what
        assert len(card) < 30_000 + 700 * n, what


def test_hostile_names_are_words() -> None:
    storable = [name for name in HOSTILE if "\x00" not in name and "\ud800" not in name]
    seen = 0
    for names in (HOSTILE, storable):
        for _, card in cards(len(names), names):
            seen += 1
            assert not tags(card) & {"script", "img"}
            assert card.encode()  # no half characters
            assert "\u202e" not in card
            assert "\x1b" not in card
            assert "$x^$" in text_of(card)
            assert clean("<script>alert(1)</script>") in text_of(card)
            assert max(len(text) for element in parsed(card).iter() for text in [element.text or ""]) < 6000
    assert seen == 8


def test_a_dag_is_drawn_with_a_box_for_each_node_and_its_edges() -> None:
    dag = dag_of(5)
    card = dag._repr_html_()
    assert "news · 5 nodes · 6 edges · inputs: url" in text_of(card)
    titles = [element.text for element in elements(card, "title")]
    assert titles == list(dag.nodes)
    edges = [path for path in elements(card, "path") if path.get("fill") == "none"]
    assert sum(path.get("d", "").count("M") for path in edges) == 6
    assert "print_5" in [element.text for element in elements(card, "text")]


def test_the_width_of_a_node_is_its_cost() -> None:
    card = dag_of(4, hint_s=1.0)._repr_html_()
    wide = [float(r.get("width", "0")) for r in elements(card, "rect") if r.get("fill") == FILL["unknown"]]
    steps = [b - a for a, b in itertools.pairwise(wide)]
    assert max(wide) == pytest.approx(110)
    assert steps == pytest.approx([steps[0]] * 3, abs=0.2)
    outlined = [r for r in elements(card, "rect") if r.get("fill") == "none"]
    assert len(outlined) == 4  # a chain
    assert "width = hinted seconds" in text_of(card)


def test_an_edge_without_a_result_is_dashed() -> None:
    dag = DAG("d")
    a = dag.add(abs, 1, name="a")
    dag.add(abs, 2, name="b", after=[a])
    dag.add(abs, a, name="c", after=[a])
    card = dag._repr_html_()
    dashed = [path for path in elements(card, "path") if path.get("stroke-dasharray")]
    assert [path.get("d", "").count("M") for path in dashed] == [1]
    assert "dashed: waits for it without its result" in text_of(card)


def test_many_nodes_lose_their_names_then_their_bars_and_it_says_so() -> None:
    assert "names at the pointer" in text_of(dag_of(MOST_NAMED + 1)._repr_html_())
    card = dag_of(MOST_DRAWN + 1)._repr_html_()
    assert f"{MOST_DRAWN + 1:,} nodes are too many to draw one by one" in text_of(card)
    assert len(card) < 60_000


def test_a_dag_that_is_not_described_rightly_says_so() -> None:
    dag = DAG("wrong")
    dag.add(abs, 1, name="a", after=["b<"])
    assert "b<" in text_of(dag._repr_html_())
    assert "is not described rightly" in text_of(dag._repr_html_())


def test_the_rows_of_a_profile_have_the_shares_of_its_table() -> None:
    profile = profile_of(["a", "b", "c"])
    card = profile._repr_html_()
    rows = [["".join(cell.itertext()).strip() for cell in row] for row in elements(card, "tr")][1:]
    assert [row[0] for row in rows] == ["c", "b", "a"]
    assert [row[2] for row in rows] == [seconds(s) for s in (0.3, 0.2, 0.1)]
    assert rows[0][4:7] == ["50 %", "0 %", "50 %"]
    assert rows[1][4:7] == ["0 %", "100 %", "0 %"]
    first = elements(card, "tr")[1]
    widths = [float(rect.get("width", "0")) for rect in first.iter() if rect.tag.endswith("rect")]
    its = [share for share in shares(profile.node("c")).values() if share]
    assert widths == pytest.approx([260 * share for share in its], abs=0.1)


def test_what_has_no_room_in_a_profile_is_told() -> None:
    card = profile_of([f"n{i}" for i in range(MOST_ROWS + 12)])._repr_html_()
    assert len(elements(card, "tr")) == MOST_ROWS + 1
    assert "and 12 more, 7.80 s together" in text_of(card)
    missing = msgspec.structs.replace(profile_of(["a", "b"]), nodes=())
    assert "not measured: a, b" in text_of(missing._repr_html_())


def test_the_headline_of_a_run_has_the_figures_of_its_report() -> None:
    record = random_run(12)
    report = report_of(record)
    said = text_of(Run(None, record)._repr_html_())
    assert report.actual_s is not None
    assert report.speedup is not None
    assert f"news · {seconds(report.actual_s)} with 4 threads" in said
    assert f"{report.speedup:.2f}×" in said
    assert "over the default order" in said
    assert record._repr_html_() == Run(None, record)._repr_html_()
    assert "planned 3.00 s with 2 threads" in text_of(blog_run().plan._repr_html_())  # type: ignore[union-attr]


def test_a_run_that_failed_says_what_and_draws_what_ran() -> None:
    said = text_of(failed_run()._repr_html_())
    assert "failed after 1.20 s" in said
    assert "a raised ValueError at pipeline.py:41" in said
    assert "2 nodes not started: c, d" in said
    assert "no node ran" in text_of(make_record([], makespan_s=1.0)._repr_html_())


def test_every_bar_is_drawn_as_long_as_it_took() -> None:
    record = blog_run()
    card = record._repr_html_()
    told = [element.text or "" for element in elements(card, "title")]
    assert len([text for text in told if text.startswith("c, 1.20 s from 1.00 s")]) == 1
    assert len(told) == 10  # five planned, five run


def test_thin_bars_are_joined_and_time_and_shares_stay() -> None:
    def bar(name: str, start_s: float, end_s: float, gil: float) -> Bar:
        return Bar(name, 0, start_s, end_s, Shares(gil, 1 - gil, 0.0, 0.0), critical=False, status="ok")

    bars = [
        bar("a", 0.0, 0.1, 1.0),
        bar("b", 0.1, 0.2, 0.0),
        bar("c", 0.2, 3.0, 0.5),
        bar("d", 3.5, 3.6, 1.0),
    ]
    found = joined(bars, 0.5, 0.2)
    assert [(one.start_s, one.end_s) for one in found] == [(0.0, 0.2), (0.2, 3.0), (3.5, 3.6)]
    assert found[0].shares is not None
    assert found[0].shares.gil == pytest.approx(0.5)
    assert joined(bars, 0.01, 0.2) == tuple(bars)


def test_ten_thousand_bars_stay_small() -> None:
    record = random_run(MOST_TOLD + 10, threads=8)
    assert "<title>" not in record._repr_html_()
    large = random_run(10_000, threads=8)._repr_html_()
    assert len(large) < 900_000
    assert parsed(large) is not None


def test_plain_reprs_are_one_short_line() -> None:
    record = random_run(500)
    assert record.plan is not None
    for thing in (record, record.plan, profile_of([f"n{i}" for i in range(500)]), Run(None, record)):
        assert "\n" not in repr(thing)
        assert len(repr(thing)) < 120
    assert repr(blog_run().plan) == "<Plan of 'news': nodes 5, threads 2, 3 s, lower bound 3 s>"
    assert repr(blog_run()) == "<RunRecord of 'news': ok, nodes 5, 3.2 s>"


def test_the_same_thing_gives_the_same_card_whatever_the_hash_seed() -> None:
    code = "from tests.test_reprs import *; print(*(hash_of(card) for _, card in cards(30)))"
    code = f"import hashlib\nhash_of = lambda card: hashlib.sha256(card.encode()).hexdigest()\n{code}"
    said = {
        subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


def test_drawing_needs_nothing_beyond_the_light_runtime() -> None:
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from makespan import DAG\n"
        "d = DAG('d'); d.add(abs, 1); d._repr_html_()\n"
        "print(*{'matplotlib', 'pandas', 'networkx', 'makespan_optimizer'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
