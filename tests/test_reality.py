"""Predicted against measured: the pipelines hold together, the arithmetic is right."""

from __future__ import annotations

import json

import msgspec
import pytest

from benchmarks import forecasts
from benchmarks.forecasts import Order, Piece, predict, quiet, summary, table, typical_s
from benchmarks.real_dags import Pipeline, ask, pipelines, server
from benchmarks.reality import main, measure, run
from makespan import MakespanError, dag, node
from tests.builders import make_profile


@node
def twice(x):
    return 2 * x


@dag
def small(x=1):
    return twice(twice(x)), twice(x)


def made():
    profile = make_profile({"a": [], "b": [], "c": ["a"]}, 1.0, ["python", "python", "io"])
    orders = [
        Order("default", 2, [0, 1, 2], measured_s=[3.0, 2.5, 3.5]),
        Order("plan", 2, [0, 1, 2], groups=(((0, 1), 1),), measured_s=[2.0]),
    ]
    return Piece("made", profile, orders, Order("sequential", 1, [0, 1, 2], measured_s=[3.3, 3.3, 9.0]))


def test_pipelines_have_names_of_their_own_and_can_be_described():
    every = pipelines()
    assert len({its.name for its in every}) == len(every) >= 6
    for its in every:
        if not its.packages:
            made_dag, _ = its.load()
            assert len(made_dag) >= 9
    assert Pipeline("x", lambda: (small, ()), ("no_such_package",)).missing == ["no_such_package"]


def test_the_server_takes_its_time_and_says_the_same_again():
    with server() as port:
        assert ask(port, 0.0, 400) == ask(port, 0.0, 400)
        assert len(ask(port, 0.0, 400)) == 10


def test_predictions_stand_beside_the_median_run():
    rows = predict([made()], ["fluid", "pairs"])
    assert [(row.order, row.model) for row in rows] == [
        ("default", "fluid"),
        ("plan", "fluid"),
        ("default", "pairs"),
        ("plan", "pairs"),
    ]
    first, second = rows[:2]
    # Two loops share the GIL for two seconds, then the last second; in a group a, then b beside c.
    assert (first.measured_s, first.predicted_s) == (3.0, pytest.approx(3.0))
    assert (second.measured_s, second.predicted_s) == (2.0, pytest.approx(2.0))
    assert first.error == pytest.approx(0, abs=1e-9)
    assert first.error_without_drift == pytest.approx(0.1)
    told = summary(rows)
    assert [(row["model"], row["of"], row["n"]) for row in told][:2] == [
        ("fluid", "error", 2),
        ("fluid", "error_without_drift", 2),
    ]
    assert told[1]["median"] == pytest.approx(0.1)
    assert "made" in table([made()], rows)


def test_what_was_measured_can_be_predicted_again(tmp_path, capsys):
    file = tmp_path / "session.json"
    file.write_bytes(msgspec.json.encode({"pieces": [made()]}))
    with pytest.raises(SystemExit):
        main(["--from", str(file), "--models", "guess"])
    capsys.readouterr()
    piece = made()
    piece.name = "text"
    file.write_bytes(msgspec.json.encode({"pieces": [piece]}))
    main(["--from", str(file), "--json", "--models", "fluid"])
    found = json.loads(capsys.readouterr().out)
    assert [row["pipeline"] for row in found["rows"]] == ["text", "text"]
    assert found["summary"][0]["n"] == 2


@pytest.mark.parametrize("content", [b"", b"[]", b'{"pieces": 3}', None])
def test_another_file_is_refused(tmp_path, capsys, content):
    file = tmp_path / "session.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SystemExit) as stopped:
        main(["--from", str(file)])
    assert stopped.value.code == 2
    assert f"--from {file}: " in capsys.readouterr().err


def test_a_result_that_differs_is_an_error():
    ready = small.prepare(threads=2)
    assert run(ready, (3,), "(12, 6)") > (0, 0)
    with pytest.raises(MakespanError, match="small returned something else"):
        run(ready, (3,), "(12, 7)")


def test_quiet_runs_count_and_the_least_disturbed_where_there_are_too_few():
    order = Order("plan", 2, [0], measured_s=[1.0, 2.0, 3.0, 4.0, 5.0], load=[0.0, 0.3, 0.0, 0.01, 0.6])
    assert quiet(order) == [1.0, 3.0, 4.0]
    assert typical_s(order) == 3.0
    order.load = [0.9, 0.3, 0.0, 0.2, 0.6]
    assert quiet(order) == [3.0]
    assert typical_s(order) == 3.0  # of 3, 4 and 2


def test_a_pipeline_is_profiled_planned_and_run(monkeypatch):
    monkeypatch.setattr(forecasts, "LOAD_LIMIT", 1.0)
    said = []
    piece = measure(Pipeline("small", lambda: (small, ())), 0, [2], rounds=2, runs=1, say=said.append)
    assert [(order.name, len(order.measured_s)) for order in piece.orders] == [("default", 2), ("plan", 2)]
    assert len(quiet(piece.sequential)) == 2
    assert said[0] == "small: profiling 3 nodes"
    assert len(predict([piece], ["pairs"])) == 2
