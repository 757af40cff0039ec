"""Pictures beside the Gantt: they draw what the report and the profile say, for any name and any size."""

from __future__ import annotations

import random
import sys
import warnings
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

import makespan
from makespan.errors import MissingExtraError, OptionError
from makespan.plan import WhatIf
from makespan.profile import Spread
from makespan.run import Run
from makespan.showing.account import report_of
from makespan.showing.colours import FILL, IDLE_FILL, IDLE_WORDS, PAPER
from makespan.showing.figures import Band, IdleCause, Lane
from makespan.showing.observed import stack
from makespan.showing.plots.bands import MOST, kept_bands
from makespan.showing.plots.gantt import plot_gantt
from makespan.showing.plots.picture import saved
from makespan.showing.plots.profile import plot_profile
from makespan.showing.plots.utilisation import grid, means, plot_utilisation
from makespan.showing.plots.what_if import plot_what_if
from tests.builders import make_profile
from tests.report_data import HOSTILE, WORDS, blog_run, failed_run, make_record, measured_run, random_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from makespan.profile import Profile


def random_profile(n: int, names: Sequence[str] | None = None, seed: int = 0) -> Profile:
    rng = random.Random(seed)
    names = list(names or (f"{WORDS[i % len(WORDS)]}_{i:02d}" for i in range(n)))
    after = {
        name: [names[j] for j in sorted(rng.sample(range(max(0, i - 9), i), min(i, rng.choice((0, 1, 2)))))]
        for i, name in enumerate(names)
    }
    walls = {name: 0.02 + rng.lognormvariate(-2.5, 1.0) for name in names}
    kinds = [rng.choice(("python", "native", "parallel", "io", "mixed")) for _ in names]
    profile = make_profile(after, walls, kinds, name="news")
    nodes = tuple(
        msgspec.structs.replace(
            node, wall_net_s=Spread(walls[node.name], 0.9 * walls[node.name], 1.3 * walls[node.name])
        )
        for node in profile.nodes
    )
    return msgspec.structs.replace(profile, nodes=nodes)


def drawn(ax: Axes) -> Any:
    canvas: Any = FigureCanvasAgg(ax.figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        canvas.draw()
    return canvas


def words_in(ax: Axes) -> list[Text]:
    return [text for text in ax.findobj(Text) if text.get_text()]


def key_of(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    return [text.get_text() for text in legend.get_texts()] if legend is not None else []


def length(ax: Axes, colour: str) -> float:
    """Add up the lengths of the bars of one colour."""
    total = 0.0
    for collection in ax.collections:
        face: Any = collection.get_facecolor()
        if isinstance(collection, PolyCollection) and len(face) and to_hex(face[0]) == colour:
            for path in collection.get_paths():
                corners: Any = path.vertices
                total += corners[1][0] - corners[0][0]
    return total


# --- what a segment is as long as


def test_bars_of_a_profile_are_as_long_as_the_seconds_that_they_tell() -> None:
    profile = random_profile(30)
    ax = plot_profile(profile)
    gil_s = sum(node.gil_s for node in profile.nodes)
    blocked_s = sum(node.blocked_total_s for node in profile.nodes)
    assert length(ax, FILL["gil"]) == pytest.approx(gil_s)
    assert length(ax, FILL["blocked"]) == pytest.approx(blocked_s)
    whole = sum(node.wall_net_s.median for node in profile.nodes)
    assert sum(length(ax, colour) for colour in set(FILL.values())) == pytest.approx(whole)
    spreads = [c for c in ax.collections if isinstance(c, LineCollection)]
    assert all(len(c.get_segments()) == 30 for c in spreads)
    assert f"{whole:.2f} s one after the other" in ax.get_title(loc="left")


def test_what_has_no_room_in_a_profile_is_told() -> None:
    profile = random_profile(1000)
    ax = plot_profile(profile)
    assert len(ax.get_yticklabels()) == 41
    assert ax.get_yticklabels()[-1].get_text() == "and 960 more"
    said = [text.get_text() for text in ax.texts]
    rest_s = sorted(node.wall_net_s.median for node in profile.nodes)[:960]
    assert said[-1].startswith(f"{sum(rest_s):.0f} s together") or f"{sum(rest_s):.1f} s" in said[-1]
    every = plot_profile(random_profile(70), most=None)
    assert len(every.get_yticklabels()) == 70


def test_utilisation_fills_up_to_the_number_of_lanes() -> None:
    report = report_of(measured_run(10, threads=3))
    assert report.idle
    ax = plot_utilisation(report)
    filled: dict[str, float] = {}
    for patch in ax.patches:
        values, edges, baseline = patch.get_data()
        if patch.get_fill():
            low = baseline if baseline is not None else 0.0
            colour = to_hex(patch.get_facecolor())
            filled[colour] = float(sum((values - low) * (edges[1:] - edges[:-1])))
    for cause, colour in IDLE_FILL.items():
        wanted = sum(gap.end_s - gap.start_s for gap in report.idle if gap.cause == cause)
        if cause != "nothing left":  # on paper's colour
            assert filled.get(colour, 0.0) == pytest.approx(wanted, abs=1e-6), cause
    assert report.actual_s is not None
    assert sum(filled.values()) == pytest.approx(3 * report.actual_s, rel=1e-6)


def steps_of(pairs: list[tuple[float, float, float]]) -> tuple[tuple[float, float], ...]:
    return stack([(start, start + lasts, rate) for start, lasts, rate in pairs])


numbers = st.floats(0.01, 5.0)


@given(st.lists(st.tuples(numbers, numbers, st.floats(0.1, 3)), max_size=12), st.integers(1, 20))
@settings(deadline=None, max_examples=60)
def test_means_keep_the_area(pairs: list[tuple[float, float, float]], cells: int) -> None:
    edges = [11.0 * i / cells for i in range(cells + 1)]
    found = means(steps_of(pairs), edges)
    area = sum(value * (right - left) for value, (left, right) in zip(found, pairwise(edges), strict=True))
    assert area == pytest.approx(sum(lasts * rate for _, lasts, rate in pairs), abs=1e-4)


def test_a_grid_is_exact_while_there_is_room_and_says_when_not() -> None:
    few = (((0.0, 1.0), (1.0, 2.0), (4.0, 0.0)),)
    assert grid(few, 5.0, 500.0) == ([0.0, 1.0, 4.0, 5.0], None)
    many = (tuple((i / 100, float(i % 2)) for i in range(1000)),)
    edges, mean_s = grid(many, 10.0, 500.0)
    assert len(edges) == 101
    assert mean_s == pytest.approx(0.1)
    legend = plot_utilisation(random_run(1000, threads=8)).get_legend()
    assert legend is not None
    assert legend.get_title().get_text().startswith("means over ")
    assert grid((), 0.0, 500.0) == ([0.0, 1.0], None)


# --- what-if


def test_what_if_draws_the_curve_its_bound_and_where_one_stands() -> None:
    record = random_run(20, threads=3)
    assert record.plan is not None
    ax = plot_what_if(record)
    lines = {len(line.get_xdata()): line for line in ax.lines}
    assert list(lines[8].get_xdata()) == list(range(1, 9))
    assert list(lines[8].get_ydata()) == [case.makespan_s for case in record.plan.what_if]
    marks = [line for line in ax.lines if list(line.get_xdata()) == [3]]
    assert {line.get_ydata()[0] for line in marks} == {
        record.plan.makespan_s,
        record.makespan_s,
    }
    assert [words.split(":")[0] for words in key_of(ax)] == [
        "expected makespan",
        "lower bound",
        "this plan",
        "this run",
    ]
    assert key_of(plot_what_if(record.plan))[-1].startswith("this plan: 3 threads")


def test_answers_of_a_profile_are_a_line_for_each_change() -> None:
    profile = random_profile(8)
    answers = profile.what_if([1, 2, 3], nodes={profile.nodes[0].name: 0.5}, no_gil=True, time_limit_s=3)
    ax = plot_what_if(answers)
    assert key_of(ax) == ["as it is", f"{profile.nodes[0].name} × 0.5", "no GIL", "lower bound"]
    drawn(ax)


@pytest.mark.parametrize("cases", [[], [WhatIf(2, 1.0, 0.5)], [WhatIf(1, 0.0, 0.0), WhatIf(1024, 0.0, 0.0)]])
def test_what_if_of_nothing_of_one_and_of_no_time(cases: list[WhatIf]) -> None:
    ax = plot_what_if(cases)
    drawn(ax)
    said = [text.get_text() for text in ax.texts]
    assert ("no other thread budgets were asked about" in said) == (not cases)


# --- lanes and bands


def test_lanes_have_their_names_and_locks_their_strips() -> None:
    report = report_of(random_run(12, threads=2))
    lanes = (Lane("caller", "caller", 0.5), Lane("worker process 1", "process", 0.25))
    bands = (
        Band("db", "lock", 1, ((0.0, 0.2, 0), (0.3, 0.5, 1))),
        Band("two at once", "group", 2, ((0.1, 0.3, 1),)),
        Band("never held", "lock", 1, ()),
    )
    report = msgspec.structs.replace(report, lanes=lanes, bands=bands)
    ax = plot_gantt(report)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert [name.split("\n")[0] for name in names] == [
        "caller",
        "worker process 1",
        "lock db",
        "group two at once ≤ 2",
    ]
    assert length(ax, "#6b6862") == pytest.approx(0.6)
    assert len(plot_gantt(report, bands=False).get_yticklabels()) == 2


def test_bands_without_room_are_counted() -> None:
    bands = tuple(Band(f"l{i}", "lock", 1, ((0.0, 1.0, 0),)) for i in range(MOST + 5))
    report = msgspec.structs.replace(report_of(blog_run()), bands=bands)
    assert kept_bands(report)[-1] == ("and 5 more", None)
    assert plot_gantt(report).get_yticklabels()[-1].get_text() == "and 5 more"


# --- any size, any name, any run


def every_picture(n: int, names: Sequence[str] | None = None) -> list[Axes]:
    record = measured_run(n, threads=3, names=names)
    return [
        plot_gantt(record),
        plot_utilisation(record),
        plot_what_if(record),
        plot_profile(random_profile(n, names)),
    ]


@pytest.mark.parametrize("n", [0, 1, 10, 100])
def test_no_words_collide_or_leave_the_picture(n: int) -> None:
    for ax in every_picture(n):
        renderer = drawn(ax).get_renderer()
        canvas = ax.figure.get_window_extent(renderer)
        legend = ax.get_legend()
        assert legend is None or legend.get_window_extent(renderer).y0 >= canvas.y0
        assert legend is None or legend.get_window_extent(renderer).x1 <= canvas.x1
        title = next((text for text in words_in(ax) if text.get_text() == ax.get_title(loc="left")), None)
        assert title is not None
        assert title.get_window_extent(renderer).y1 <= canvas.y1
        texts = [*ax.texts, *ax.get_yticklabels(), *ax.get_xticklabels()]
        boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text()]
        for i, (one, a) in enumerate(boxes):
            assert a.x0 >= canvas.x0 - 2, one
            assert a.x1 <= canvas.x1 + 2, one
            for other, b in boxes[:i]:
                apart = a.x0 >= b.x1 - 1 or b.x0 >= a.x1 - 1 or a.y0 >= b.y1 - 1 or b.y0 >= a.y1 - 1
                assert apart, (one, other)


def test_any_name_draws_as_it_is() -> None:
    for ax in every_picture(len(HOSTILE), HOSTILE):
        for text in words_in(ax):
            assert not any(ord(mark) < 32 and mark != "\n" for mark in text.get_text())
            assert "\u202e" not in text.get_text()
            if "$" in text.get_text():
                assert not text.get_parse_math()
        svg = saved(ax, "svg")
        assert not [element for element in ET.fromstring(svg).iter() if element.tag.endswith("script")]


@pytest.mark.parametrize("record", [failed_run(), make_record([]), make_record([], makespan_s=1.0)])
def test_runs_that_failed_or_did_nothing(record: Any) -> None:
    for plot in (plot_gantt, plot_utilisation, plot_what_if):
        drawn(plot(record))


def test_they_draw_into_axes_that_are_given_even_small_ones() -> None:
    figure = Figure(figsize=(6, 5))
    axes = figure.subplots(2, 2)
    record = measured_run(20, threads=3)
    assert plot_gantt(record, axes[0][0], legend=False) is axes[0][0]
    assert plot_utilisation(record, axes[0][1], legend=False, title=False) is axes[0][1]
    assert plot_what_if(record, axes[1][0], legend=False) is axes[1][0]
    assert plot_profile(random_profile(60), axes[1][1], legend=False) is axes[1][1]
    assert axes[0][1].get_title(loc="left") == ""
    assert all(ax.get_legend() is None for row in axes for ax in row)
    drawn(axes[0][0])


def test_a_run_and_its_record_are_the_same_picture() -> None:
    record = blog_run()
    assert saved(plot_utilisation(Run(None, record)), "svg") == saved(plot_utilisation(record), "svg")
    assert makespan.plot_gantt is plot_gantt
    assert makespan.plot_utilisation is plot_utilisation
    assert makespan.plot_what_if is plot_what_if
    assert makespan.plot_profile is plot_profile


@pytest.mark.parametrize("plot", [plot_gantt, plot_utilisation, plot_what_if, plot_profile])
def test_what_cannot_be_drawn_is_said(plot: Any) -> None:
    with pytest.raises(OptionError, match="draws"):
        plot(3)
    with pytest.raises(OptionError, match="draws answers" if plot is plot_what_if else "draws"):
        plot(["run.json"])
    good = random_profile(3) if plot is plot_profile else blog_run()
    with pytest.raises(OptionError, match="takes matplotlib Axes, not str"):
        plot(good, "axes")


def test_options_of_a_profile_picture_are_checked() -> None:
    with pytest.raises(OptionError, match="sort: is one of"):
        plot_profile(random_profile(3), sort="size")
    for most in (0, True, 2.5):
        with pytest.raises(OptionError, match="whole number from 1"):
            plot_profile(random_profile(3), most=most)


def test_idle_causes_differ_and_are_all_named() -> None:
    assert tuple(IDLE_FILL) == tuple(IDLE_WORDS) == get_args(IdleCause)
    assert len(set(IDLE_FILL.values()) - {PAPER}) == len(IDLE_FILL) - 1


def test_small_axes_have_a_short_title_and_no_key() -> None:
    figure = Figure(figsize=(9, 6))
    axes = figure.subplots(2, 2)
    record = measured_run(20, threads=3)
    plot_gantt(record, axes[0][0])
    plot_utilisation(record, axes[0][1])
    plot_what_if(record, axes[1][0])
    plot_profile(random_profile(60), axes[1][1])
    renderer = drawn(axes[0][0]).get_renderer()
    for ax in axes.flat:
        assert ax.get_legend() is None
        title = next(text for text in ax.findobj(Text) if text.get_text() == ax.get_title(loc="left"))
        assert title.get_window_extent(renderer).width <= 1.1 * ax.get_window_extent(renderer).width
    assert axes[0][0].get_title(loc="left").startswith("news · ")
    labels = [label for label in axes[1][1].get_yticklabels() if label.get_text()]
    assert len(labels) < 30  # every second or third row


def test_strips_of_locks_never_press_lanes_together() -> None:
    ax = plot_gantt(random_run(300, threads=64))
    renderer = drawn(ax).get_renderer()
    boxes = [label.get_window_extent(renderer) for label in ax.get_yticklabels() if label.get_text()]
    boxes.sort(key=lambda box: box.y0)
    assert len(boxes) == 66  # 64 lanes, a lock, a group
    assert all(a.y1 <= b.y0 + 1.5 for a, b in pairwise(boxes))
    low = Figure(figsize=(8, 2)).add_subplot()
    plot_gantt(random_run(300, threads=64), low)
    assert len(low.get_yticklabels()) == 7  # no room for strips: lanes alone, every tenth named


@pytest.mark.parametrize("plot", [plot_gantt, plot_utilisation, plot_what_if, plot_profile])
def test_without_matplotlib_it_says_what_to_install(plot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    thing = random_profile(2) if plot is plot_profile else blog_run()
    with pytest.raises(MissingExtraError, match=rf"{plot.__name__} needs matplotlib .*makespan\[report\]"):
        plot(thing)
