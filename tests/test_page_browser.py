"""The page in a real browser: a silent console, a script that runs, a card that says what it points at.

Needs Chromium (Debian: ``apt-get install -y chromium``). Without it these tests fail: a page that no browser
has opened is not tested.
"""

from __future__ import annotations

import json
import re
import subprocess
from html import unescape
from typing import TYPE_CHECKING

import msgspec
import pytest

from makespan.showing.report import render
from tests.chromium import FLAGS, Page, browser, opened
from tests.report_data import HOSTILE, failed_run, measured_run, random_run

pytestmark = pytest.mark.browser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from makespan.record import RunRecord


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with opened(tmp_path_factory.mktemp("browser")) as page:
        yield page


def show(page: Page, record: RunRecord, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(render(record, "html"))
    page.complaints.clear()
    page.open(path)


def bar_under(page: Page, name: str, *, planned: bool = False) -> tuple[float, float]:
    """Where on the screen the middle of the thick (or thin) bar of a node lies."""
    code = """((name, planned) => {
      const chart = document.querySelector(".plot").gantt, bars = planned ? chart.run.thin : chart.run.thick;
      const box = chart.boxOf(bars.find((bar) => bar.node.name === name));
      return [box.x + box.width / 2, box.y + box.height / 2];
    })"""
    x, y = page.eval(f"{code}(...{json.dumps([name, planned])})")
    return x, y


def test_dump_of_the_dom_and_a_silent_console(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(render(random_run(len(HOSTILE), names=HOSTILE), "html"))
    order = [
        browser(),
        *FLAGS,
        f"--user-data-dir={tmp_path / 'profile'}",
        "--enable-logging=stderr",
        "--dump-dom",
        path.as_uri(),
    ]
    done = subprocess.run(order, capture_output=True, text=True, timeout=60, check=True)
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    dom = done.stdout
    assert dom.count("<script") == 2  # ours: nothing that a name held became an element
    assert "<img" not in dom
    assert 'class="layer pick"' in dom  # our script ran to its end
    assert "<script>alert(1)</script>" in unescape(dom)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("n", [0, 1, 10])
def test_it_opens_without_a_complaint_at_any_size(page: Page, tmp_path: Path, n: int, scheme: str) -> None:
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    show(page, random_run(n), tmp_path)
    assert page.complaints == []
    paper = page.eval("getComputedStyle(document.body).backgroundColor")
    channels = [int(part) for part in re.findall(r"\d+", paper)][:3]
    assert (min(channels) > 200) == (scheme == "light")
    assert page.eval("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.eval("document.querySelectorAll('svg').length") >= 1


def test_text_can_be_read_in_both_schemes(page: Page, tmp_path: Path) -> None:
    for scheme in ("light", "dark"):
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        show(page, failed_run(), tmp_path)
        paper = page.eval("getComputedStyle(document.body).backgroundColor")
        for part in ("h1", ".sub", ".figures dd", ".figures dt", "td", "svg text", "svg text.q"):
            rule = "fill" if part.startswith("svg") else "color"
            ink = page.eval(f"getComputedStyle(document.querySelector('{part}')).{rule}")
            assert contrast(ink, paper) >= 4.5, (scheme, part, ink, paper)


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_card_tells_of_the_bar_under_the_pointer(page: Page, tmp_path: Path) -> None:
    record = random_run(34)
    show(page, record, tmp_path)
    assert page.eval("document.getElementById('card').hidden") is True
    node = record.nodes[3]
    page.point(*bar_under(page, node.name))
    said = page.eval("document.getElementById('card').innerText")
    assert page.eval("document.getElementById('card').hidden") is False
    assert said.splitlines()[0] == node.name
    assert "planned start" in said
    assert "holds the GIL" in said
    page.point(2, 2)
    assert page.eval("document.getElementById('card').hidden") is True
    assert page.complaints == []


def test_the_card_shows_what_was_measured_in_the_run_and_of_the_plan_what_was_profiled(
    page: Page, tmp_path: Path
) -> None:
    record = measured_run(34)
    show(page, record, tmp_path)
    page.point(*bar_under(page, "write_30"))
    said = page.eval("document.getElementById('card').innerText")
    assert "waited for the GIL\n215 ms (21 %)" in said
    assert "waited for a core\n" in said
    assert "holds the GIL" not in said
    page.point(*bar_under(page, "write_30", planned=True))
    said = page.eval("document.getElementById('card').innerText")
    assert "holds the GIL" in said
    assert "waited for the GIL" not in said
    assert page.complaints == []


def test_the_rest_of_a_long_table_of_a_measured_run_is_written_as_the_page_does(
    page: Page, tmp_path: Path
) -> None:
    show(page, measured_run(450), tmp_path)
    first = (
        "[...document.querySelectorAll('#nodes tbody tr')].slice(0, 200)"
        ".map((tr) => [...tr.cells].map((td, i) => i ? td.innerText.replace(/[0-9.,]+/, '0') : td.innerText))"
    )
    before = page.eval(first)
    heads = page.eval("[...document.querySelectorAll('#nodes thead th')].map((th) => th.innerText)")
    assert heads[7:12] == ["GIL", "native", "blocked", "GIL wait", "core wait"]
    page.eval("document.querySelector('#nodes button').click()")
    assert page.eval("document.querySelectorAll('#nodes tbody tr').length") == 450
    assert page.eval(first) == before
    caption = "All nodes, by start. GIL to core wait: seconds measured in this run."
    assert page.eval("document.querySelector('#nodes caption').textContent") == caption
    assert page.complaints == []


def test_the_five_fills_look_different_in_light_and_dark(page: Page, tmp_path: Path) -> None:
    for scheme in ("light", "dark"):
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        show(page, measured_run(34), tmp_path)
        looks = page.eval(
            "['.g', '.n', '.b', '.w', '.d', '.l'].map((of) => {"
            "const part = document.querySelector('.keys ' + of);"
            "return part && getComputedStyle(part).fill })"
        )
        assert None not in looks
        assert len(set(looks)) == len(looks)
        inks = page.eval(
            "['.wb', '.wl', '.db', '.dd', '.hb', '.hs'].map((of) => {"
            "const look = getComputedStyle(document.querySelector(of));"
            "return of === '.wl' || of === '.hs' ? look.stroke : look.fill })"
        )
        assert "none" not in inks
        assert len(set(inks)) == len(inks)
    page.call("Emulation.setEmulatedMedia", features=[])


def test_the_card_shows_hostile_names_as_text(page: Page, tmp_path: Path) -> None:
    show(page, random_run(len(HOSTILE), names=HOSTILE), tmp_path)
    for name in HOSTILE:
        if "\ud800" in name or len(name) > 1000:
            continue
        page.point(*bar_under(page, name))
        assert page.eval("document.querySelectorAll('#card script, #card img').length") == 0
        said = page.eval("document.querySelector('#card strong').textContent")
        assert said.isprintable() or "\u200d" in said
    assert page.complaints == []


def test_the_keyboard_walks_through_the_bars(page: Page, tmp_path: Path) -> None:
    record = random_run(34)
    show(page, record, tmp_path)
    page.eval("document.querySelector('.gantt').focus()")
    seen = []
    for _ in range(3):
        for kind in ("keyDown", "keyUp"):
            page.call("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight")
        seen.append(page.eval("document.querySelector('#card strong').textContent"))
    assert len(set(seen)) == 3
    assert seen[0] == record.nodes[0].name
    page.call("Input.dispatchKeyEvent", type="keyDown", key="Escape", code="Escape")
    assert page.eval("document.getElementById('card').hidden") is True


def test_a_long_table_can_be_shown_whole(page: Page, tmp_path: Path) -> None:
    show(page, random_run(450), tmp_path)
    rows = "document.querySelectorAll('#nodes tbody tr').length"
    # The data in the page is rounded to a millionth of the run: the last figure may differ.
    first = (
        "[...document.querySelectorAll('#nodes tbody tr')].slice(0, 200)"
        ".map((tr) => [...tr.cells].map((td, i) => i ? td.innerText.replace(/[0-9.,]+/, '0') : td.innerText))"
    )
    assert page.eval(rows) == 200
    before = page.eval(first)
    page.eval("document.querySelector('#nodes button').click()")
    assert page.eval(rows) == 450
    assert page.eval(first) == before  # the script writes rows as the page does
    assert page.complaints == []


def test_the_policy_stops_what_should_not_run(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    smuggled = (
        b"<script>document.title = 'owned'</script>"
        b"<img src='https://example.invalid/x.png' onerror='document.title=1'>"
    )
    path.write_bytes(render(random_run(3), "html").replace(b"</main>", smuggled + b"</main>"))
    page.complaints.clear()
    page.open(path)
    assert page.eval("document.title") == "news – makespan"
    assert any("Content Security Policy" in complaint for complaint in page.complaints)


def test_it_is_whole_without_javascript(page: Page, tmp_path: Path) -> None:
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        show(page, msgspec.structs.replace(random_run(20)), tmp_path)
        seen = page.call("DOM.getDocument", depth=-1)
        text = json.dumps(seen)
        assert text.count('"nodeName": "tr"') + text.count('"nodeName": "TR"') >= 20
        assert '"nodeName": "svg"' in text
    finally:
        page.call("Emulation.setScriptExecutionDisabled", value=False)
