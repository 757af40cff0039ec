"""profile.json as a file: a bad measurement is dropped with a warning, a bad structure refused."""

from __future__ import annotations

import contextlib
import json
import warnings

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import ProfileError, ProfileWarning, load_profile, schemas
from makespan.profile import parse_profile
from tests.builders import make_profile

PROFILE = make_profile(
    {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]},
    {"a": 1.0, "b": 2.0, "c": 0.5, "d": 0.25},
    {"a": "io", "b": "python", "c": "native", "d": "mixed"},
    locks={"b": ["l"]},
    exclusive=["d"],
)
TEXT = PROFILE.to_json()


def edited(*path, value):
    body = json.loads(TEXT)
    place = body
    for key in path[:-1]:
        place = place[key]
    if value is KeyError:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(body).encode()


def test_written_and_read(tmp_path):
    path = tmp_path / "profile.json"
    path.write_bytes(TEXT)
    assert load_profile(path) == PROFILE
    assert load_profile(path).to_json() == TEXT
    assert b'"dropped"' not in TEXT
    lines = TEXT.decode().splitlines()
    assert sum(line.lstrip().startswith('{"name": ') for line in lines) == 8
    jsonschema.validate(json.loads(TEXT), schemas.schemas()["profile"])


def test_the_structure_is_in_the_file():
    structure = parse_profile(TEXT).structure()
    assert structure.names == ("a", "b", "c", "d")
    assert structure.preds == ((), (0,), (0,), (1, 2))
    assert structure.locks[1] == ("l",)
    assert structure.exclusive == (False, False, False, True)


@pytest.mark.parametrize(
    ("path", "value", "pointer"),
    [
        (("wall_net_s", "median"), -1, "/nodes/1/wall_net_s/median"),
        (("wall_net_s", "median"), 1e9, "/nodes/1/wall_net_s/median"),
        (("wall_net_s", "median"), "1", "/nodes/1/wall_net_s/median"),
        (("wall_net_s", "median"), None, "/nodes/1/wall_net_s/median"),
        (("wall_net_s", "median"), 10**400, "/nodes/1/wall_net_s/median"),
        (("wall_net_s", "samples"), [1, -1], "/nodes/1/wall_net_s/samples/1"),
        (("wall_net_s",), KeyError, "/nodes/1"),
        (("cpu_s",), -0.1, "/nodes/1/cpu_s"),
        (("gil_s",), [], "/nodes/1/gil_s"),
        (("blocked_s",), {"io": -1}, "/nodes/1/blocked_s"),
        (("runs",), -1, "/nodes/1/runs"),
        (("runs",), 1.5, "/nodes/1/runs"),
        (("class",), "magic", "/nodes/1/class"),
        (("class_confidence",), 2, "/nodes/1/class_confidence"),
        (("quality", "cv"), -1, "/nodes/1/quality/cv"),
        (("surplus",), 1, "/nodes/1"),
        (("name",), "a", "/nodes/1/name"),
        (("name",), "nobody", "/nodes/1/name"),
        (("name",), 5, "/nodes/1/name"),
        (("name",), ["x"], "/nodes/1/name"),
        ((), [], "/nodes/1"),
        ((), None, "/nodes/1"),
        ((), "b", "/nodes/1"),
    ],
)
def test_a_bad_record_is_dropped_with_node_and_place(path, value, pointer):
    with pytest.warns(ProfileWarning, match=r"the record of node '.*' is dropped: ") as caught:
        profile = parse_profile(edited("nodes", 1, *path, value=value), "profile.json")
    assert len(caught) == 1
    message = str(caught[0].message)
    assert f"profile.json#{pointer}: " in message
    if path and path[0] != "name":
        assert "node 'b'" in message
        assert profile.dropped == ("b",)
    assert [node.name for node in profile.nodes] == ["a", "c", "d"]
    with pytest.raises(ProfileError, match=r"'b' was not measured.*profile again"):
        profile.node("b")
    with pytest.raises(ProfileError, match="no node 'B'"):
        profile.node("B")


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_numbers_that_are_none_drop_their_record_only(number):
    data = TEXT.replace(b'"median": 2.0', b'"median": ' + number, 1)
    assert data != TEXT
    with pytest.warns(ProfileWarning, match="node 'b' is dropped.*#/nodes/1/wall_net_s/median.*not finite"):
        profile = parse_profile(data)
    assert profile.dropped == ("b",)
    with pytest.raises(ProfileError, match="not finite") as caught:
        parse_profile(TEXT.replace(b'"cores": 2.0', b'"cores": ' + number, 1), "p.json")
    assert caught.value.where == "p.json#/machine/cores"


def test_the_warning_names_the_callers_line(tmp_path):
    path = tmp_path / "profile.json"
    path.write_bytes(edited("nodes", 1, "cpu_s", value=-1))
    with pytest.warns(ProfileWarning) as caught:
        load_profile(path)
    assert caught[0].filename == __file__


def test_all_records_may_be_bad_or_missing():
    with pytest.warns(ProfileWarning) as caught:
        profile = parse_profile(edited("nodes", value=[1, 2, {}, None]))
    assert len(caught) == 4
    assert profile.nodes == ()
    assert profile.dropped == ("number 0", "number 1", "number 2", "number 3")
    assert parse_profile(edited("nodes", value=[])).nodes == ()


def test_records_come_in_the_order_of_the_dag():
    body = json.loads(TEXT)
    body["nodes"].reverse()
    assert parse_profile(json.dumps(body).encode()) == PROFILE


def test_what_was_dropped_is_not_written_again():
    with pytest.warns(ProfileWarning):
        profile = parse_profile(edited("nodes", 1, "cpu_s", value=-1))
    assert parse_profile(profile.to_json()).dropped == ()


@pytest.mark.parametrize(
    ("path", "value", "match", "where"),
    [
        (("shape", 1, "after"), ["x"], "its DAG is not consistent.*depends on 'x'", "#/shape"),
        (("shape", 0, "after"), ["d"], "not consistent.*in a circle: a → b → d → a", "#/shape"),
        (("shape", 1, "name"), "a", "not consistent.*two nodes are named 'a'", "#/shape"),
        (("shape", 1, "name"), "", "Expected `str`", "#/shape/1/name"),
        (("shape", 1, "surplus"), 1, "unknown field", "#/shape/1"),
        (("shape", 1), 5, "Expected `object`", "#/shape/1"),
        (("shape",), KeyError, "missing required field `shape`", "#"),
        (("nodes",), KeyError, "no list of nodes", "#/nodes"),
        (("nodes",), {}, "no list of nodes", "#/nodes"),
        (("machine", "cores"), -1, "Expected `float` > 0", "#/machine/cores"),
        (("runs", 0, "sampler"), "guess", "Invalid enum", "#/runs/0/sampler"),
        (("runs", 0, "repeats"), -1, "Expected `int` >= 0", "#/runs/0/repeats"),
        (("surplus",), 1, "unknown field", "#"),
        (("format",), "makespan-profile/2", "this version reads", ""),
        (("format",), "makespan-plan/1", "it is a makespan-plan file", ""),
    ],
)
def test_a_bad_structure_is_refused(path, value, match, where):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is dropped before
        with pytest.raises(ProfileError, match=match) as caught:
            parse_profile(edited(*path, value=value), "profile.json")
    assert caught.value.where == f"profile.json{where}"


def test_wrong_text():
    for data in (b"", b"[]", b"\xff", TEXT[:-9], b"[" * 100_000, TEXT + b"x"):
        with pytest.raises(ProfileError):
            parse_profile(data)
    with pytest.raises(ProfileError, match="cannot be read"):
        load_profile("/nowhere/profile.json")


@given(st.integers(0, len(TEXT) - 1), st.binary(max_size=6), st.integers(0, 8))
@settings(deadline=None, max_examples=300)
def test_any_corruption_is_refused_or_dropped_or_read(at, inserted, removed):
    with warnings.catch_warnings(), contextlib.suppress(ProfileError):  # and no other error
        warnings.simplefilter("ignore", ProfileWarning)
        profile = parse_profile(TEXT[:at] + inserted + TEXT[at + removed :])
        assert len(profile.nodes) + len(profile.dropped) <= 5
        again = parse_profile(profile.to_json())
        assert again.nodes == profile.nodes
        profile.structure()


def test_neither_source_nor_values_are_in_the_schema():
    properties = schemas.schemas()["profile"]["$defs"]
    words = json.dumps(properties).lower()
    assert "source" not in words
    assert "dropped" not in properties["Profile"]["properties"]
