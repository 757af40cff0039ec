"""The interval of a ratio of medians: what it holds, and when there is none."""

from __future__ import annotations

import random
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.record import Comparison
from makespan.showing.interval import MOST_REPEATS, difference, interval
from makespan.showing.report import render, report_of
from tests.report_data import random_run
from tests.test_report import replace

times = st.lists(st.floats(0.01, 100), min_size=5, max_size=12)


@settings(deadline=None, max_examples=15)
@given(times, times)
def test_it_holds_the_figure_and_stays_within_what_was_seen(a, b):
    low, high = interval(a, b)
    assert min(a) / max(b) <= low <= high <= max(a) / min(b)
    assert low * (1 - 1e-9) <= median(a) / median(b) <= high * (1 + 1e-9)
    assert interval(a, b) == (low, high)  # the same file gives the same report


@settings(deadline=None, max_examples=15)
@given(times, st.floats(0.1, 10))
def test_turns_that_were_slow_for_both_cancel_out(b, factor):
    low, high = interval([factor * value for value in b], b, together=True)
    assert (low, high) == (pytest.approx(factor), pytest.approx(factor))


def test_most_intervals_hold_the_truth():
    rng = random.Random(5)
    held = 0
    for _ in range(40):
        load = [1 + rng.expovariate(5) for _ in range(7)]
        a = [1.2 * x * rng.gauss(1, 0.02) for x in load]
        b = [x * rng.gauss(1, 0.02) for x in load]
        low, high = interval(a, b, together=True)
        held += low <= 1.2 <= high
    assert held >= 34  # of 40: 95 % would be 38


def test_of_differences():
    assert interval([3.0] * 5, [1.0] * 9, difference) == (2.0, 2.0)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1.0] * 4, [1.0] * 9),
        ([1.0] * 5, [1.0, 1.0, 1.0, 1.0, 0.0]),
        ([1.0] * 5, [1.0, 1.0, 1.0, 1.0, float("nan")]),
        ([], []),
    ],
)
def test_too_few_or_unusable_repeats_have_none(a, b):
    assert interval(a, b) is None


def test_many_repeats_are_thinned_evenly():
    many = [1.0 + i % 7 for i in range(50 * MOST_REPEATS)]
    low, high = interval(many, many)
    assert low <= 1 <= high


def test_the_report_tells_it_where_there_were_enough_turns():
    record = random_run(8)
    assert report_of(record).speedup_range is None  # three turns
    more = replace(
        record, comparison=Comparison((1.2, 1.15, 1.18, 1.2, 1.21), (1.0, 1.02, 0.98, 1.0, 1.0), 2.0)
    )
    report = report_of(more)
    assert report.speedup_range is not None
    low, high = report.speedup_range
    assert report.speedup is not None
    assert low <= report.speedup <= high
    assert f"95 % interval {low:.2f} … {high:.2f}" in render(report, "text").decode()
    uneven = replace(more, comparison=Comparison((1.2,) * 9, (1.0,) * 4))
    assert report_of(uneven).speedup_range is None
