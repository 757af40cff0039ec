"""run.json: written by a run, read strictly."""

from __future__ import annotations

import contextlib
import json

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG, OptionError, RecordError, load_record, schemas
from makespan.jsontext import readable
from makespan.machine import this_machine
from makespan.measurement import Measured
from makespan.plan import DagId, Plan, PlanNode, Solver
from makespan.record import Comparison, RunFailure, RunNode, RunRecord, parse_record
from tests.builders import MACHINE

PLAN = Plan(
    makespan_version="0.1.0",
    dag=DagId("d", "sha256:0"),
    machine=MACHINE,
    threads=2,
    cores=2.0,
    makespan_s=2.0,
    default_makespan_s=2.5,
    lower_bound_s=2.0,
    binding="critical path",
    gap=0.0,
    solver=Solver("critical path", "optimal", "met the bound", 0, 1.0),
    nodes=(PlanNode("a", 0, 0.0, 1.0, 0, 1.0), PlanNode("b", 1, 1.0, 1.0, 0, 1.0, after=("a",))),
)
MEASURED = Measured(
    gil_s=0.125, native_s=0.0, gil_wait_s=0.125, blocked_s={"io": 0.2}, run_delay_s=0.05, samples=499
)
RECORD = RunRecord(
    makespan_version="0.1.0",
    dag=DagId("d", "sha256:0"),
    machine=MACHINE,
    started_at="2025-01-01T00:00:00.000+00:00",
    threads=2,
    status="failed",
    makespan_s=1.5,
    failures=(RunFailure("b", "ValueError", "pipeline.py:3"),),
    not_started=("c",),
    comparison=Comparison((2.0, 2.1), (1.5, 1.6), 3.0),
    nodes=(
        RunNode("a", 0.0, 1.0, 0),
        RunNode("b", 1.0, 1.5, 1, "failed", ("a",), MEASURED),
    ),
    sampler="gil",
    notes=("the sampler ended in mid-run (signal 9)",),
    plan=PLAN,
)
TEXT = RECORD.to_json()


def refused(data, match, where=""):
    with pytest.raises(RecordError, match=match) as caught:
        parse_record(data, "run.json")
    assert caught.value.where == f"run.json{where}"


def test_save_and_load(tmp_path):
    path = tmp_path / "run.json"
    RECORD.save(path)
    assert load_record(path) == RECORD
    RECORD.save(path)
    path.write_text("my notes")
    with pytest.raises(OptionError, match="-f overwrites"):
        RECORD.save(path)
    with pytest.raises(RecordError, match="cannot be read"):
        load_record(tmp_path / "missing")


def test_a_line_for_each_node_also_of_the_plan():
    lines = TEXT.decode().splitlines()
    assert sum(line.lstrip().startswith('{"name": ') for line in lines) == 4
    assert lines[1] == ' "format": "makespan-run/1",'


def test_what_older_versions_wrote_is_read():
    body = json.loads(TEXT)
    for key in ("dropped", "left_out"):
        del body[key]
    for node in body["nodes"]:
        for key in ("attempts", "process"):
            del node[key]
    assert parse_record(json.dumps(body).encode()) == RECORD


def test_a_node_may_have_waited_for_one_that_was_left_out_or_dropped():
    for key in ("dropped", "left_out", "not_started"):
        body = json.loads(TEXT)
        body["not_started"] = []
        body[key] = ["c"]
        body["nodes"][1]["after"] = ["a", "c"]
        assert parse_record(json.dumps(body).encode()).nodes[1].after == ("a", "c")


def test_a_real_run_is_written_and_read(tmp_path):
    d = DAG("real")
    d.returns(d.add(len, d.add(list, "abc")))
    record = d.run().record
    assert parse_record(record.to_json()) == record
    assert record.machine == this_machine()
    jsonschema.validate(json.loads(record.to_json()), schemas.schemas()["run"])
    jsonschema.validate(json.loads(TEXT), schemas.schemas()["run"])


def edited(*path, value):
    body = json.loads(TEXT)
    place = body
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("path", "value", "match", "where"),
    [
        (("nodes", 1, "end_s"), 0.5, "'b' ends before it starts", "#/nodes/1/end_s"),
        (("nodes", 1, "start_s"), -1, "Expected `float` >= 0", "#/nodes/1/start_s"),
        (("nodes", 1, "start_s"), 1e300, "Expected `float` <=", "#/nodes/1/start_s"),
        (("nodes", 1, "thread"), -1, "Expected `int` >= 0", "#/nodes/1/thread"),
        (("nodes", 1, "name"), "", "Expected `str`", "#/nodes/1/name"),
        (("nodes", 1, "name"), "a", "stands twice", "#/nodes"),
        (("nodes", 1, "name"), "c", "stands twice", "#/nodes"),
        (("not_started",), ["c", "c"], "stands twice", "#/nodes"),
        (("nodes", 1, "after"), ["x"], "waited for 'x'", "#/nodes/1/after"),
        (("nodes", 1, "status"), "fine", "Invalid enum", "#/nodes/1/status"),
        (("nodes", 1, "value"), 5, "unknown field `value`", "#/nodes/1"),
        (("failures", 0, "node"), "x", "'x' failed, but is not in the run", "#/failures/0"),
        (("nodes", 1, "measured", "gil_s"), 0.2, "take 0.575 s, more than its 0.5 s", "#/nodes/1/measured"),
        (("nodes", 1, "measured", "gil_s"), -1, "Expected `float` >= 0", "#/nodes/1/measured/gil_s"),
        (("nodes", 1, "measured", "samples"), -1, "Expected `int` >= 0", "#/nodes/1/measured/samples"),
        (("nodes", 1, "measured", "value"), 1, "unknown field", "#/nodes/1/measured"),
        (
            ("nodes", 1, "measured", "blocked_s"),
            {"x": 0.1},
            "'x' is not a",
            "#/nodes/1/measured/blocked_s",
        ),
        (("sampler",), None, "the run was not", "#/nodes/1/measured"),
        (("sampler",), "magic", "Invalid enum", "#/sampler"),
        (("threads",), 0, "Expected `int` >= 1", "#/threads"),
        (("nodes", 1, "attempts"), 0, "Expected `int` >= 1", "#/nodes/1/attempts"),
        (("nodes", 1, "process"), -1, "Expected `int` >= 0", "#/nodes/1/process"),
        (("nodes", 0, "status"), "skipped", "'a' was skipped, but took time", "#/nodes/0/end_s"),
        (("dropped",), ["a"], "stands twice", "#/nodes"),
        (("left_out",), ["c"], "stands twice", "#/nodes"),
        (("left_out",), "c", "Expected `array`", "#/left_out"),
        (("status",), "odd", "Invalid enum", "#/status"),
        (("makespan_s",), -1, "Expected `float` >= 0", "#/makespan_s"),
        (("plan", "nodes", 1, "rank"), 0, "ranks are not 0..1", "#/plan/nodes"),
        (("plan", "nodes", 1, "after"), ["x"], "'b' waits for 'x'", "#/plan/nodes/1/after"),
        (("plan", "threads"), 0, "Expected `int` >= 1", "#/plan/threads"),
        (("plan",), [], "Expected `object", "#/plan"),
        (("comparison", "planned_s"), ["x"], "Expected `float`", "#/comparison/planned_s/0"),
        (("format",), "makespan-plan/1", "not a makespan-run file", ""),
        (("format",), "makespan-run/2", "this version reads", ""),
    ],
)
def test_wrong_values_are_refused_with_their_pointer(path, value, match, where):
    refused(edited(*path, value=value), match, where)


def test_wrong_text():
    refused(TEXT[:-5], "is not JSON")
    refused(b"\xff", "is not UTF-8")
    refused(TEXT.replace(b'"threads"', b'"threads": 2, "threads"', 1), "stands twice")
    refused(TEXT.replace(b"1.5", b"1e999", 1), "not finite", "#/makespan_s")
    refused(TEXT.replace(b"1.5", b"NaN", 1), "not finite", "#/makespan_s")


@given(st.integers(0, len(TEXT) - 1), st.binary(max_size=6), st.integers(0, 8))
@settings(deadline=None, max_examples=300)
def test_any_corruption_is_refused_or_a_record(at, inserted, removed):
    with contextlib.suppress(RecordError):  # and nothing else
        record = parse_record(TEXT[:at] + inserted + TEXT[at + removed :])
        assert parse_record(record.to_json()) == record


def test_every_byte_flipped():
    for i in range(len(TEXT)):
        with contextlib.suppress(RecordError):
            parse_record(TEXT[:i] + bytes([TEXT[i] ^ (1 << i % 8)]) + TEXT[i + 1 :])


def test_neither_values_nor_messages_are_kept():
    def leak(secret):
        raise ValueError(secret)

    d = DAG("d")
    d.add(leak, "hunter2")
    text = d.prepare().run().record.to_json()
    assert b"hunter2" not in text
    assert b'"ValueError"' in text


def test_readable_is_stable():
    assert readable(msgspec.to_builtins(parse_record(TEXT))) == TEXT
