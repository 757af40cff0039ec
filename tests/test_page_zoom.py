"""What can be done with the page, in a real browser: zoom, keys, search, sort, drill down, two runs at once.

At 20, 2,000 and 10,000 bars, in light and dark. What is drawn is checked against the run, not a picture.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from makespan.showing.page import render_page
from makespan.showing.page.parts import band_name
from makespan.showing.pairing import pair_of
from makespan.showing.report import render, report_of
from makespan.showing.words import clean, seconds
from tests.chromium import Page, opened
from tests.report_data import HOSTILE, blog_run, failed_run, measured_run, random_run

pytestmark = pytest.mark.browser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from makespan.record import RunRecord

VIEW = (
    "(() => { const { view } = document.querySelector('.plot').gantt.frame; return [view.from, view.to]; })()"
)
BOX = """(() => {
  const { svg, frame } = document.querySelector(".plot").gantt, box = svg.getBoundingClientRect();
  return [box.left + frame.left, box.left + frame.right, box.top + frame.top + 8];
})()"""


SORT = "[...document.querySelectorAll('#nodes thead button')].find((one) => one.innerText === '{}').click()"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with opened(tmp_path_factory.mktemp("browser")) as page:
        yield page


def show(page: Page, content: bytes | RunRecord, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(content if isinstance(content, bytes) else render(content, "html"))
    page.complaints.clear()
    page.requests.clear()
    page.open(path)


def middle(page: Page, name: str, chart: int = 0) -> tuple[float, float]:
    code = """((name, which) => {
      const chart = document.querySelectorAll(".plot")[which].gantt;
      const box = chart.boxOf(chart.run.thick.find((bar) => bar.node.name === name));
      return [box.x + box.width / 2, box.y + box.height / 2];
    })"""
    x, y = page.eval(f"{code}(...{json.dumps([name, chart])})")
    return x, y


def text(page: Page, part: str) -> str:
    return str(page.eval(f"document.querySelector({json.dumps(part)}).innerText"))


def search(page: Page, words: str) -> None:
    page.eval(f"document.querySelector('#nodes input').value = {json.dumps(words)}")
    page.eval("document.querySelector('#nodes input').dispatchEvent(new Event('input'))")
    page.eval("new Promise((done) => setTimeout(done, 30))")


def first_names(page: Page, most: int = 4) -> list[str]:
    code = f"[...document.querySelectorAll('#nodes tbody th')].slice(0, {most}).map((th) => th.innerText)"
    return list(page.eval(code))


@pytest.mark.parametrize("n", [10, 1000, 5000])
def test_20_2000_and_10000_bars_are_those_of_the_run_and_nothing_is_loaded(
    page: Page, tmp_path: Path, n: int, record_property: Any
) -> None:
    record = random_run(n, threads=8)
    content = render(record, "html")
    for scheme in ("dark", "light") if n < 5000 else ("light",):  # the golden one is dark
        page.scheme(scheme)
        show(page, content, tmp_path)
        assert page.complaints == []
    assert [url for url in page.requests if not url.startswith("file:")] == []
    assert len(page.requests) == 1
    bars = page.eval(
        "(() => { const { run } = document.querySelector('.plot').gantt;"
        "return run.thick.map((bar) => [bar.node.name, bar.from, bar.to, bar.row]) })()"
    )
    assert page.eval("document.querySelector('.plot').gantt.run.thin.length") == n
    ran = {node.name: node for node in record.nodes}
    assert len(bars) == len(ran) == n
    near = 2e-5 * record.makespan_s
    for name, start_s, end_s, row in bars:
        node = ran[name]
        assert start_s == pytest.approx(node.start_s, abs=near)
        assert end_s == pytest.approx(node.end_s, abs=near)
        assert row == node.thread
    assert text(page, ".figures dd") == seconds(record.makespan_s)
    assert page.eval("document.querySelectorAll('.plot canvas').length") == (n == 5000)
    paint_ms = page.eval("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    record_property("first_paint_ms", paint_ms)
    told = page.eval("document.querySelector('.plot figcaption').textContent")
    assert ("zoom in to part them" in told) == (n == 5000)
    assert ("The curves are means over" in told) == (n == 5000)
    named = page.eval("[...document.querySelectorAll('.bands text')].map((line) => line.textContent)")
    assert (
        named
        == [clean(band_name(band), 15) for band in report_of(record).bands]
        == ["lock matplotlib", "gil"]
    )
    page.eval("document.querySelector('.gantt').focus()")
    for key in "+++":
        page.press(key)
    begin, end = page.eval(VIEW)
    assert end - begin < 0.5 * record.makespan_s
    page.press("0")
    assert page.complaints == []


PIXELS = """((look) => {
  const { run, frame, canvas } = document.querySelector(".plot").gantt;
  const pen = canvas.getContext("2d"), scale = canvas.width / frame.width, wrong = [];
  const hex = (name) => look.getPropertyValue("--" + name).match(/[0-9a-f]{2}/g);
  let seen = 0;
  for (const bar of run.thick) {
    if (frame.x(bar.to) - frame.x(bar.from) < 6) continue;
    const x = (frame.x(bar.from) + frame.x(bar.to)) / 2, [top, height] = run.shape.thick;
    const y = frame.top + bar.row * run.shape.pitch + top;
    for (const [k, name] of [[0, "gil"], [1, "native"]]) {
      const below = bar.shares.slice(0, k).reduce((a, b) => a + b, 0);
      if (bar.shares[k] * height < 4) continue;
      const at = y + height - height * (below + bar.shares[k] / 2);
      const pixel = pen.getImageData(Math.round(x * scale), Math.round(at * scale), 1, 1).data;
      const off = hex(name).reduce((sum, c, i) => sum + Math.abs(parseInt(c, 16) - pixel[i]), 0);
      seen++;
      if (off > 6) wrong.push([bar.node.name, name, ...pixel]);
    }
  }
  return [wrong, seen];
})"""


def test_a_canvas_has_the_colours_of_the_style_sheet_and_on_paper_those_of_paper(
    page: Page, tmp_path: Path
) -> None:
    """At the middle of each part of a wide bar, the pixel has the colour that its part is given."""
    content = render(random_run(1200, threads=2), "html")
    screen, paper = (f"getComputedStyle(document.querySelector('{of}'))" for of in (":root", "#paper"))
    for scheme in ("light", "dark"):
        page.scheme(scheme)
        show(page, content, tmp_path)
        wrong, seen = page.eval(f"{PIXELS}({screen})")
        assert seen > 20
        assert wrong == [], scheme
    page.eval("dispatchEvent(new Event('beforeprint'))")
    wrong, seen = page.eval(f"{PIXELS}({paper})")
    assert seen > 20
    assert wrong == []
    assert page.eval(f"{PIXELS}({screen})")[0] != []
    page.eval("dispatchEvent(new Event('afterprint'))")
    page.settle()
    assert page.eval(f"{PIXELS}({screen})")[0] == []
    page.scheme("light")
    page.settle()
    page.settle()
    assert page.eval(f"{PIXELS}({screen})")[0] == []  # painted anew when the scheme changed


@pytest.mark.parametrize("record", [blog_run(), measured_run(34), failed_run()], ids=["blog", "34", "failed"])
def test_the_script_draws_the_bars_that_the_page_had(page: Page, tmp_path: Path, record: RunRecord) -> None:
    content = render(record, "html")
    show(page, content, tmp_path)
    script = page.eval(
        "Object.fromEntries(['thick', 'path', 'idle'].flatMap((layer) =>"
        "[...document.querySelectorAll(`.layer.${layer} path`)])"
        ".map((path) => [path.getAttribute('class'), (path.getAttribute('d').match(/m/gi) || []).length]))"
    )
    static = re.search(rb'<svg class="gantt".*?</svg>', content, re.DOTALL)
    assert static is not None
    drawing = re.sub(r'<g class="p">.*?</g>', "", static[0].decode(), flags=re.DOTALL)
    for kind in ("g", "n", "b", "w", "d", "l", "i0", "i1", "i2", "i3", "i4", "crit", "bad"):
        found = re.search(rf'<path class="{kind}" d="([^"]*)"', drawing)
        assert script.get(kind, 0) == (len(re.findall("m", found[1], re.IGNORECASE)) if found else 0), kind


def test_zoom_by_dragging_shows_what_was_dragged_over(page: Page, tmp_path: Path) -> None:
    record = random_run(34)
    show(page, record, tmp_path)
    left, right, y = page.eval(BOX)
    whole = page.eval(VIEW)
    wide = right - left
    page.drag(left + 0.25 * wide, left + 0.5 * wide, y)
    begin, end = page.eval(VIEW)
    assert begin == pytest.approx(0.25 * whole[1], rel=0.02)
    assert end == pytest.approx(0.5 * whole[1], rel=0.02)
    assert re.search(r" to .* of ", text(page, "#tools .where"))
    node = next(node for node in record.nodes if begin < node.start_s and node.end_s < end)
    page.point(*middle(page, node.name))
    assert text(page, "#card strong") == node.name  # the picture and the pointer agree when zoomed
    page.drag(left + 0.6 * wide, left + 0.4 * wide, y)  # backwards
    closer = page.eval(VIEW)
    assert begin < closer[0] < closer[1] < end
    page.eval(
        "[...document.querySelectorAll('#tools button')].find((one) => one.innerText === 'whole').click()"
    )
    page.settle()
    assert page.eval(VIEW) == whole
    assert page.complaints == []


def test_zoom_by_wheel_keeps_the_moment_under_the_pointer(page: Page, tmp_path: Path) -> None:
    show(page, random_run(34), tmp_path)
    left, right, y = page.eval(BOX)
    x = left + 0.7 * (right - left)
    whole = page.eval(VIEW)
    page.wheel(x, y, -200)
    assert page.eval(VIEW) == whole  # a page that is being read scrolls on
    page.eval("scrollTo(0, 0)")
    page.wheel(x, y, -200, ctrl=True)
    begin, end = page.eval(VIEW)
    assert end - begin < 0.7 * whole[1]
    assert begin + 0.7 * (end - begin) == pytest.approx(0.7 * whole[1], rel=1e-3)
    page.eval("document.querySelector('.gantt').focus()")
    page.wheel(x, y, -200)
    closer = page.eval(VIEW)
    assert closer[1] - closer[0] < 0.7 * (end - begin)
    page.wheel(x, y, 0, across=300)
    assert page.eval(VIEW)[0] > closer[0]
    for _ in range(8):
        page.wheel(x, y, 400)
    assert page.eval(VIEW) == pytest.approx(whole)


def test_keys_zoom_pan_walk_open_and_go_back(page: Page, tmp_path: Path) -> None:
    record = random_run(34)
    show(page, record, tmp_path)
    page.eval("document.querySelector('.gantt').focus()")
    whole = page.eval(VIEW)
    page.press("+")
    page.press("+")
    begin, end = page.eval(VIEW)
    assert end - begin == pytest.approx((whole[1] - whole[0]) / 2.25)
    page.press("ArrowRight", shift=True)
    assert page.eval(VIEW)[0] == pytest.approx(begin + 0.2 * (end - begin))
    page.press("-")
    page.press("0")
    assert page.eval(VIEW) == whole
    page.press("End")
    last = record.nodes[-1].name
    assert text(page, "#card strong") == last
    assert last in page.eval("document.getElementById('say').textContent")
    page.press("Home")
    page.press("ArrowDown")
    rows = "document.querySelector('.plot').gantt.at.row"
    assert page.eval(rows) == 1
    page.press("ArrowUp")
    assert page.eval(rows) == 0
    name = page.eval("document.querySelector('.plot').gantt.at.node.name")
    page.press("Enter")
    assert text(page, "#panel h2") == name
    assert page.eval("document.activeElement.innerText") == "close"
    page.press("Enter")
    assert page.eval("document.getElementById('panel').hidden") is True
    assert page.eval("document.activeElement.classList.contains('gantt')") is True
    page.press("+")
    page.press("Escape")
    assert page.eval(VIEW) == whole
    assert page.complaints == []


def test_a_bar_that_is_out_of_sight_comes_into_sight_when_it_is_walked_to(page: Page, tmp_path: Path) -> None:
    record = random_run(34)
    show(page, record, tmp_path)
    page.eval("document.querySelector('.gantt').focus()")
    page.press("Home")
    for _ in range(6):
        page.press("+")
    page.press("End")
    begin, end = page.eval(VIEW)
    node = record.nodes[-1]
    assert begin < node.end_s
    assert node.start_s < end


def test_a_click_tells_all_of_a_node_and_shows_its_inputs_and_consumers(page: Page, tmp_path: Path) -> None:
    record = measured_run(34)
    report = report_of(record)
    row = next(row for row in report.nodes if len(row.after) == 2)
    consumers = [other.name for other in report.nodes if row.name in other.after]
    nodes = [
        msgspec.structs.replace(
            node,
            why="rank 3 of 9, because 2.5 s come after it",
            mode="process",
            profiled=(("memory", "12 MB"), ("runs", "5, within 3 %")),
        )
        if node.name == row.name
        else node
        for node in report.nodes
    ]
    show(page, render_page(msgspec.structs.replace(report, nodes=tuple(nodes))), tmp_path)
    page.click(*middle(page, row.name))
    told = text(page, "#panel")
    assert told.splitlines()[0] == row.name
    for words in (
        "rank 3 of 9, because 2.5 s come after it",
        "process",
        "12 MB",
        "5, within 3 %",
        seconds(row.actual_s or 0.0),
        "Inputs (2)",
        f"Consumers ({len(consumers)})",
        "Measured in this run",
    ):
        assert words in told
    listed = "[...document.querySelectorAll('#panel .{} button.name')].map((one) => one.innerText)"
    assert page.eval(listed.format("input")) == list(row.after)
    assert page.eval(listed.format("consumer")) == consumers
    assert page.eval("document.querySelectorAll('.veil rect.veil').length") == 1
    outlines = "document.querySelector('.veil path.{}').getAttribute('d').match(/M/g)?.length ?? 0"
    assert page.eval(outlines.format("input")) == 2
    assert page.eval(outlines.format("consumer")) == len(consumers)
    page.eval("document.querySelector('#panel .input button.name').click()")
    assert text(page, "#panel h2") == row.after[0]
    left, _, y = page.eval(BOX)
    page.click(left + 2, y - 12)
    assert page.eval("document.getElementById('panel').hidden") is True
    page.settle()
    assert page.eval("document.querySelectorAll('.veil rect.veil').length") == 0
    assert page.complaints == []


def test_idle_time_and_locks_tell_of_themselves(page: Page, tmp_path: Path) -> None:
    report = report_of(random_run(34))
    idle = max(report.idle, key=lambda one: one.end_s - one.start_s if one.of else 0.0)
    show(page, render_page(report), tmp_path)
    x, y = page.eval(f"""(() => {{
      const {{ svg, frame }} = document.querySelector(".plot").gantt, box = svg.getBoundingClientRect();
      const at = frame.x({(idle.start_s + idle.end_s) / 2}), row = frame.top + {idle.row} * frame.shape.pitch;
      return [box.left + at, box.top + row + frame.shape.strip[0] + 1];
    }})()""")
    page.point(x, y)
    card = text(page, "#card")
    assert card.splitlines()[0] == f"idle {seconds(idle.end_s - idle.start_s)}"
    assert idle.of in card
    band = max(report.bands, key=lambda one: sum(end - start for start, end, _ in one.spans))
    start_s, end_s, _ = band.spans[0]
    x, y = page.eval(f"""(() => {{
      const {{ svg, frame }} = document.querySelector(".plot").gantt, box = svg.getBoundingClientRect();
      const row = frame.bands.findIndex((band) => band.name === {json.dumps(band.name)});
      return [box.left + frame.x({(start_s + end_s) / 2}), box.top + frame.bandsTop + row * 14 + 4];
    }})()""")
    page.point(x, y)
    assert band.name in text(page, "#card strong")
    assert f"nodes\n{len(band.spans)}" in text(page, "#card")
    page.click(x, y)
    assert page.eval("document.querySelectorAll('.veil rect.veil').length") == 1
    assert page.complaints == []


def test_hostile_names_stay_text_in_panel_table_and_search(page: Page, tmp_path: Path) -> None:
    show(page, random_run(len(HOSTILE), names=HOSTILE), tmp_path)
    count = page.eval("document.querySelectorAll('#nodes tbody button.name').length")
    assert count == len(HOSTILE)
    for i in range(count):
        page.eval(f"document.querySelectorAll('#nodes tbody button.name')[{i}].click()")
        assert text(page, "#panel h2")
    search(page, "<script>")
    assert first_names(page) == [HOSTILE[0]]
    assert page.eval("document.querySelectorAll('script').length") == 2
    assert page.eval("document.querySelectorAll('img').length") == 0
    assert page.complaints == []


def test_the_critical_path_of_run_and_plan_can_be_switched(page: Page, tmp_path: Path) -> None:
    record = random_run(34)
    report = report_of(record)
    show(page, record, tmp_path)
    drawn = "(document.querySelector('.layer.path .{}')?.getAttribute('d').match(/M/g) ?? []).length"
    count = {"run": len(report.chain), "plan": sum(row.planned_critical for row in report.nodes)}
    assert count["run"] != count["plan"]
    for which in ("run", "plan", "none", "run"):
        page.eval(f"document.querySelector('#tools [data-path={which}]').click()")
        page.settle()
        assert page.eval(drawn.format("crit")) == count.get(which, 0)
        assert page.eval(drawn.format("pcrit")) == (count["plan"] if which == "plan" else 0)
        pressed = (
            "[...document.querySelectorAll('[data-path][aria-pressed=true]')].map((b) => b.dataset.path)"
        )
        assert page.eval(pressed) == [which]


def test_the_table_sorts_by_any_column_and_finds_names(page: Page, tmp_path: Path) -> None:
    record = random_run(450)
    show(page, record, tmp_path)
    took = sorted(record.nodes, key=lambda node: -node.duration_s)
    page.eval(SORT.format("actual"))
    assert first_names(page) == [node.name for node in took[:4]]
    heads = "[...document.querySelectorAll('#nodes th[aria-sort]')].map((th) => [th.innerText, th.ariaSort])"
    assert page.eval(heads) == [["actual", "descending"]]
    page.eval(SORT.format("actual"))
    assert first_names(page) == [node.name for node in took[::-1][:4]]
    page.eval(SORT.format("actual"))  # and as it was
    assert page.eval(heads) == []
    assert first_names(page) == [node.name for node in record.nodes[:4]]
    page.eval(SORT.format("node"))
    assert first_names(page, 3) == ["embed_02", "embed_10", "embed_18"]
    search(page, "WRITE")
    wanted = [node.name for node in record.nodes if "write" in node.name]
    assert page.eval("document.querySelectorAll('#nodes tbody tr').length") == len(wanted)
    assert f"{len(wanted)} nodes of 450 with “WRITE”, by node." in text(page, "#nodes caption")
    page.settle()
    assert page.eval("document.querySelectorAll('.veil rect.veil').length") == 1  # what was found stands out
    assert page.complaints == []


def test_what_is_not_shown_is_said(page: Page, tmp_path: Path) -> None:
    show(page, random_run(450), tmp_path)
    assert text(page, "#nodes caption") == "All nodes, by start. The first 200 of 450 are shown."
    assert "show all 450 nodes" in text(page, "#nodes .tools")
    page.eval("[...document.querySelectorAll('#nodes .tools button')].at(-1).click()")
    assert text(page, "#nodes caption") == "All nodes, by start."


def test_two_runs_lie_on_one_axis_and_move_together(page: Page, tmp_path: Path) -> None:
    a, b = measured_run(34, threads=2), measured_run(34, threads=4)
    pair = pair_of(a, b, labels=("before.json", "<b>after.json"))
    for scheme in ("light", "dark"):
        page.scheme(scheme)
        show(page, render(pair, "html"), tmp_path)
        assert page.complaints == []
    views = (
        "[...document.querySelectorAll('.plot')].map((plot) => plot.gantt.frame.view)"
        ".map((view) => [view.from, view.to])"
    )
    one, other = page.eval(views)
    assert one == other
    assert one[1] >= pair.extent_s
    left, right, y = page.eval(BOX)
    page.drag(left + 0.2 * (right - left), left + 0.3 * (right - left), y)
    one, other = page.eval(views)
    assert one == other
    assert one[1] - one[0] < 0.2 * pair.extent_s
    page.eval("document.querySelector('.gantt').focus()")
    page.press("0")
    name = b.nodes[3].name
    page.click(*middle(page, name))
    assert page.eval("document.querySelectorAll('.veil rect.veil').length") == 2
    heads = page.eval("[...document.querySelectorAll('#panel h3')].map((one) => one.innerText)")
    assert heads == ["a: before.json", "b: <b>after.json"]
    rows = page.eval(
        "[...document.querySelectorAll('#nodes tbody tr')]"
        ".map((tr) => [...tr.cells].slice(0, 4).map((td) => td.innerText))"
    )
    assert [row[0] for row in rows] == [node.name for node in pair.nodes]
    for row, node in zip(rows, pair.nodes, strict=True):
        assert node.a_s is not None
        assert node.b_s is not None
        more = row[3].replace("\N{MINUS SIGN}", "-").replace(",", "")
        unit = {"s": 1, "ms": 1e-3, "µs": 1e-6}[more.split()[1]]
        assert float(more.split()[0]) * unit == pytest.approx(node.b_s - node.a_s, rel=0.06, abs=3e-5)
    page.eval(SORT.format("difference"))
    size = [abs(node.difference_s or 0.0) for node in pair.nodes]
    assert first_names(page, 1) == [pair.nodes[size.index(max(size))].name]


def test_every_text_can_be_read(page: Page, tmp_path: Path) -> None:
    """Contrast of at least 4.5 for all text of the page, against what it stands on."""
    code = """(() => {
      const parse = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
      const one = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
      const light = ([r, g, b]) => 0.2126 * one(r / 255) + 0.7152 * one(g / 255) + 0.0722 * one(b / 255);
      const ground = (node) => {
        for (let at = node; at; at = at.parentElement) {
          const colour = parse(getComputedStyle(at).backgroundColor);
          if (colour.length === 3 || colour[3] === 1) return colour;
        }
      };
      const bad = [];
      let seen = 0;
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        const words = walker.currentNode.data.trim().slice(0, 30);
        if (!words || node.closest("script, noscript, .away") || !node.getClientRects().length) continue;
        const look = getComputedStyle(node), ink = parse(node.closest("svg") ? look.fill : look.color);
        const [low, high] = [light(ink), light(ground(node))].sort((a, b) => a - b);
        seen++;
        if ((high + 0.05) / (low + 0.05) < 4.5) bad.push([node.tagName, words, look.color, look.fill]);
      }
      return [bad, seen];
    })()"""
    for scheme in ("light", "dark"):
        page.scheme(scheme)
        for record in (measured_run(34), failed_run()):
            show(page, record, tmp_path)
            name = record.nodes[0].name
            page.click(*middle(page, name))
            page.point(*middle(page, name))
            bad, seen = page.eval(code)
            assert seen > 60
            assert bad == [], scheme


@pytest.mark.parametrize("wide", [340, 1600])
def test_the_picture_has_the_width_that_there_is(page: Page, tmp_path: Path, wide: int) -> None:
    fits = (
        "((svg) => svg.viewBox.baseVal.width === svg.parentElement.clientWidth)"
        "(document.querySelector('.gantt'))"
    )
    page.call("Emulation.setDeviceMetricsOverride", width=wide, height=900, deviceScaleFactor=2, mobile=False)
    try:
        show(page, random_run(1100), tmp_path)
        assert page.eval("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert page.eval(fits)
        page.call(
            "Emulation.setDeviceMetricsOverride", width=600, height=900, deviceScaleFactor=1, mobile=False
        )
        page.settle()
        page.settle()
        assert page.eval(fits)
    finally:
        page.call("Emulation.clearDeviceMetricsOverride")
