"""Ticks are round and few; labels never collide."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.showing.axis import bar_labels, label_rows, ticks
from makespan.showing.figures import Bar
from makespan.showing.words import columns


@settings(deadline=None, max_examples=200)
@given(st.floats(1e-8, 1e9))
def test_ticks_are_few_ascending_and_inside(extent_s: float) -> None:
    places = ticks(extent_s)
    moments = [moment for moment, _ in places]
    assert 3 <= len(places) <= 11
    assert moments == sorted(set(moments))
    assert moments[0] == 0
    assert moments[-1] <= extent_s * (1 + 1e-6)
    assert len({word for _, word in places}) == len(places)
    assert places[-1][1].endswith("s")


def test_an_axis_without_extent() -> None:
    assert ticks(0.0) == [(0.0, "0 s")]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 30)), max_size=8))
def test_labels_in_one_row_never_touch(pairs: list[tuple[int, int]]) -> None:
    intervals = [(float(left), float(left + wide)) for left, wide in pairs]
    rows = label_rows(intervals)
    for i, (left, right) in enumerate(intervals):
        for j in range(i):
            if rows[i] == rows[j]:
                assert right <= intervals[j][0] or intervals[j][1] <= left


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2), st.integers(0, 300), st.integers(0, 50), st.text(min_size=1, max_size=60)
        ),
        max_size=20,
    )
)
def test_a_label_ends_before_the_next_bar_of_its_row(rows: list[tuple[int, int, int, str]]) -> None:
    bars = [Bar(name, row, float(at), float(at + long), None, False, "ok") for row, at, long, name in rows]
    for bar, text in bar_labels(bars, per_second=1.0, column=2.0, end=350.0):
        right = bar.start_s + 2.0 * columns(text)
        later = [b.start_s for b in bars if b.row == bar.row and b.start_s > bar.start_s]
        assert right <= min(later, default=350.0)
