"""How names, durations and tables are written."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.showing.words import clean, columns, percent, plural, seconds, signed_seconds, some, table
from tests.report_data import HOSTILE


@pytest.mark.parametrize(
    ("value_s", "said"),
    [
        (0, "0 s"),
        (3e-8, "0 s"),
        (4e-7, "0.4 µs"),
        (1.2e-4, "120 µs"),
        (9.999e-4, "1.0 ms"),
        (0.0041, "4.1 ms"),
        (0.00999, "10 ms"),
        (0.041, "41 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (3.456, "3.46 s"),
        (9.996, "10.0 s"),
        (83.21, "83.2 s"),
        (99.96, "100 s"),
        (86_400, "86,400 s"),
        (-0.25, "−250 ms"),
    ],
)
def test_seconds(value_s: float, said: str) -> None:
    assert seconds(value_s) == said


def test_signs() -> None:
    assert [signed_seconds(x) for x in (0.2, -0.2, 0)] == ["+200 ms", "−200 ms", "0 s"]
    assert [percent(x, signed=True) for x in (0.131, -0.131, 0.00001, 12.5)] == [
        "+13 %",
        "−13 %",
        "0 %",
        "+1,250 %",
    ]
    assert percent(0.0994) == "9.9 %"
    assert percent(0.0996) == "10 %"
    assert plural(0, "node") == "0 nodes"


def test_nothing_is_cut_without_saying_so() -> None:
    assert some(["a", "b", "c"], most=2) == "a, b and 1 more"
    assert clean("x" * 5000, 10) == "x" * 9 + "…"


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(st.characters(exclude_categories=())), st.sampled_from(HOSTILE)), st.integers(2, 60))
def test_a_cleaned_name_is_one_line_that_every_output_can_hold(name: str, most: int) -> None:
    for text in (clean(name), clean(name, most)):
        text.encode()  # no half surrogate pairs
        assert "\n" not in text
        assert not {unicodedata.category(mark) for mark in text} & {"Cc", "Cs", "Zl", "Zp"}
        assert not set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200e\u200f\ufeff") & set(text)
        assert clean(text) == text
    assert columns(clean(name, most)) <= most


def test_a_table_lines_up_with_wide_and_combining_characters() -> None:
    text = table(["node", "s"], [["解析", "1"], ["e\u0301tage", "22"], ["", "333"]], "<>")
    assert [columns(line) for line in text.splitlines()] == [10, 10, 10, 10]
