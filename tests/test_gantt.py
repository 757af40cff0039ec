"""The matplotlib Gantt: every bar is there, labels do not collide, hostile names draw."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from makespan.showing.colours import FILL, INK, PAPER
from makespan.showing.plots.bars import ACTUAL
from makespan.showing.plots.gantt import plot_gantt
from makespan.showing.plots.picture import picture
from makespan.showing.report import report_of
from tests.report_data import HOSTILE, blog_run, failed_run, measured_run, random_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOT = Path(__file__).parents[1]


def drawn(figure: object) -> Any:
    """Draw a figure, as a notebook would; return its canvas."""
    assert isinstance(figure, Figure)
    canvas: Any = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        canvas.draw()
    return canvas


def area(ax: Axes, colour: str) -> float:
    """Add up the rectangles of one colour."""
    total = 0.0
    for collection in ax.collections:
        face: Any = collection.get_facecolor()
        if isinstance(collection, PolyCollection) and len(face) and to_hex(face[0]) == colour:
            for path in collection.get_paths():
                corners: Any = path.vertices
                total += (corners[1][0] - corners[0][0]) * abs(corners[2][1] - corners[0][1])
    return total


def test_png_svg_and_pdf_have_their_form() -> None:
    report = report_of(blog_run())
    png = picture(report, "png")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert picture(report, "pdf").startswith(b"%PDF")
    svg = picture(report, "svg")
    assert ET.fromstring(svg).tag.endswith("svg")
    assert svg == picture(report, "svg")
    assert re.search(rb"20\d\d-\d\d-\d\dT", svg) is None  # no date: the same report gives the same file


def test_the_height_of_a_colour_is_its_share() -> None:
    record = blog_run()
    ax = plot_gantt(record, planned=False)
    band = ACTUAL[1] - ACTUAL[0]
    wall_s = sum(node.duration_s for node in record.nodes)
    assert area(ax, FILL["gil"]) / band == pytest.approx(2.5)
    assert area(ax, FILL["blocked"]) / band == pytest.approx(2.5)
    assert area(ax, FILL["longer"]) / band == pytest.approx(wall_s - 5.0)
    assert area(ax, FILL["unknown"]) == 0


def test_a_measured_run_fills_its_bars_with_what_was_measured() -> None:
    record = measured_run(34)
    ax = plot_gantt(record, planned=False)
    band = ACTUAL[1] - ACTUAL[0]
    seen = [node for node in record.nodes if node.measured is not None and node.measured.samples]
    for part, fields in {"gil_wait": "gil_wait_s", "delay": "run_delay_s"}.items():
        wanted_s = sum(
            node.duration_s * getattr(node.measured, fields) / node.measured.total_s
            for node in seen
            if node.measured is not None
        )
        found = area(ax, FILL[part]) / band
        assert found == pytest.approx(wanted_s)
        assert found > 0
    legend = ax.get_legend()
    assert legend is not None
    words = [text.get_text() for text in legend.get_texts()]
    assert words[3:5] == ["waits for the GIL", "waits for a core"]
    drawn(ax.figure)


@pytest.mark.parametrize("n", [0, 1, 10, 100, 1000])
def test_labels_and_marks_never_collide(n: int) -> None:
    ax = plot_gantt(random_run(n, threads=8))
    canvas = drawn(ax.figure)
    renderer = canvas.get_renderer()
    texts = [text for text in ax.texts if isinstance(text, Text)]
    boxes = [text.get_window_extent(renderer) for text in texts]
    assert ax.get_title(loc="left")
    for i, one in enumerate(boxes):
        for j in range(i):
            assert not (
                one.x0 < boxes[j].x1 - 1
                and boxes[j].x0 < one.x1 - 1
                and one.y0 < boxes[j].y1 - 1
                and boxes[j].y0 < one.y1 - 1
            ), (texts[i].get_text(), texts[j].get_text())


def test_bound_and_planned_end_are_named_even_when_they_fall_together() -> None:
    ax = plot_gantt(blog_run())
    said = [text.get_text() for text in ax.texts]
    assert "lower bound 3.00 s (critical path)" in said
    assert "planned end 3.00 s" in said
    assert "3.20 s with 2 threads (planned 3.00 s, +6.7 %)" in ax.get_title(loc="left")


def test_hostile_names_draw_without_mathematics_or_control_characters() -> None:
    ax = plot_gantt(random_run(len(HOSTILE), names=HOSTILE))
    drawn(ax.figure)
    said = [text for text in ax.texts if not text.get_text().startswith(("lower bound", "planned end"))]
    assert "$x^$" in {text.get_text() for text in said}
    assert all(not text.get_parse_math() for text in said)
    assert not any(ord(mark) < 32 or mark in "\u202e\u2066" for text in said for mark in text.get_text())
    assert max(len(text.get_text()) for text in said) < 300
    report = report_of(random_run(len(HOSTILE), names=HOSTILE))
    for kind in ("png", "pdf"):
        assert picture(report, kind)
    svg = picture(report, "svg")
    assert not [e for e in ET.fromstring(svg).iter() if e.tag.endswith("script")]


def test_it_draws_into_axes_that_are_given() -> None:
    figure = Figure(figsize=(8, 6))
    above, below = figure.subplots(2)
    assert plot_gantt(blog_run(), above, title=False, legend=False) is above
    assert plot_gantt(failed_run(), below) is below
    assert above.get_title(loc="left") == ""
    assert above.get_legend() is None
    drawn(figure)


def test_lines_and_words_can_be_read_on_what_they_stand_on() -> None:
    def light(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(a: str, b: str) -> float:
        low, high = sorted((light(a), light(b)))
        return (high + 0.05) / (low + 0.05)

    assert contrast(INK, PAPER) > 7
    # In grey print the shares still differ.
    steps = [light(FILL[part]) for part in ("gil", "native", "blocked")]
    assert steps[0] + 0.08 < steps[1]
    assert steps[1] + 0.3 < steps[2]


def test_no_pyplot_and_no_setting_is_touched() -> None:
    code = """
import sys, matplotlib
sys.path.insert(0, ".")
before = matplotlib.rcParams.copy()  # dict() would choose a backend
from makespan.showing.report import render
from tests.report_data import blog_run
for kind in ("png", "svg", "pdf"):
    render(blog_run(), kind)
print("matplotlib.pyplot" in sys.modules, before == matplotlib.rcParams.copy())
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "False True\n"
