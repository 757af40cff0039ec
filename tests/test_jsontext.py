"""JSON is read strictly, with the place of a fault; what is written is read again."""

from __future__ import annotations

import contextlib
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import PlanError
from makespan.jsontext import canonical, convert, format_of, readable, strict_json


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b'{"a": 1, "a": 1}', "the key 'a' stands twice"),
        (b'[{"b": {"c": 1, "d": 2, "c": 3}}]', "the key 'c' stands twice"),
        (b"[NaN]", "NaN is not a number"),
        (b"[-Infinity]", "-Infinity is not a number"),
        (b"[1e999]", "1e999 is not a number"),
        (b'{"a": 1', "is not JSON: .* line 1, column 8"),
        (b"{} {}", "Extra data"),
        (b"", "is not JSON"),
        (b"\xff", "is not UTF-8 text .byte 0"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"9" * 5000, "is not JSON"),
        (b'["\\ud800"]', "half a character"),
        (b'{"\\udfff": 1}', "half a character"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_json_that_is_refused(text, problem):
    with pytest.raises(PlanError, match=problem) as caught:
        strict_json(text, "plan.json", PlanError)
    assert caught.value.where == "plan.json"


def test_json_that_is_read():
    assert strict_json('["\\ud83d\\ude00", "é", 1e308, -0.0]'.encode(), "x", PlanError) == [
        "😀",
        "é",
        1e308,
        -0.0,
    ]


class Row(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    seconds: float
    more: tuple[int, ...] = ()


class Table(msgspec.Struct, forbid_unknown_fields=True):
    rows: list[Row]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"rows": [{"name": "a", "seconds": NaN}]}', "#/rows/0/seconds"),
        ('{"rows": [{"name": "a", "seconds": 1e999}]}', "#/rows/0/seconds"),
        ('{"rows": [{"name": "a", "seconds": 1}, {"name": 5, "seconds": 1}]}', "#/rows/1/name"),
        ('{"rows": [{"name": "a", "seconds": 1, "more": [1, "b"]}]}', "#/rows/0/more/1"),
        ('{"rows": [{"name": "a"}]}', "#/rows/0"),
        ('{"rows": [{"name": "a", "seconds": 1, "x": 1}]}', "#/rows/0"),
        ('{"rows": 5}', "#/rows"),
        ("[]", "#"),
        ('{"rows": [{"name": "a", "seconds": 1%s}]}' % ("0" * 400), "#/rows/0/seconds"),
    ],
)
def test_wrong_values_are_named_by_their_pointer(text, where):
    value = strict_json(text.encode(), "f.json", PlanError, typed=True)
    with pytest.raises(PlanError) as caught:
        convert(value, Table, "f.json", PlanError)
    assert caught.value.where == "f.json" + where


def test_formats():
    format_of({"format": "makespan-plan/1"}, "makespan-plan/1", "f", PlanError)
    for value, match in (
        ({"format": "makespan-plan/2"}, "this version reads 'makespan-plan/1'"),
        ({"format": "makespan-run/1"}, "not a makespan-plan file: it is a makespan-run file"),
        ({}, "no such 'format'"),
        ({"format": 5}, "no such 'format'"),
        ([], "no such 'format'"),
        ("makespan-plan/1", "no such 'format'"),
    ):
        with pytest.raises(PlanError, match=match):
            format_of(value, "makespan-plan/1", "f", PlanError)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
@settings(deadline=None, max_examples=200)
def test_what_is_written_is_read_again(value):
    assert strict_json(readable(value), "f", PlanError) == value
    assert strict_json(canonical(value), "f", PlanError) == value
    assert canonical(dict(reversed(value.items()))) == canonical(value)


def test_a_line_for_each_row_also_in_a_plan_within_a_run():
    rows = [{"name": "a"}, {"name": "b"}]
    text = readable({"x": 1, "nodes": rows, "plan": {"y": [], "nodes": rows}}).decode()
    assert text.count("\n") == 14
    assert json.loads(text) == {"x": 1, "nodes": rows, "plan": {"y": [], "nodes": rows}}
    assert '\n   {"name": "b"}\n  ]' in text


@given(st.binary(max_size=60))
@settings(deadline=None, max_examples=200)
def test_any_bytes_are_json_or_refused(data):
    with contextlib.suppress(PlanError):  # and nothing else
        strict_json(data, "f", PlanError)
