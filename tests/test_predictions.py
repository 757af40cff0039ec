"""The benchmark of pairs: what it makes of measurements (made up here)."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from benchmarks.pairs import main, read_session
from benchmarks.predictions import Constants, Measured, Session, errors, fitted, overall, table
from makespan.errors import OptionError
from makespan.measurement import NodeProfile, Spread

ROOT = Path(__file__).resolve().parents[1]


def node(name, gil_s, native_s=0.0, blocked_s=0.0):
    wall_s = gil_s + native_s + blocked_s
    return NodeProfile(
        name=name,
        runs=5,
        wall_net_s=Spread(wall_s, wall_s, wall_s),
        cpu_s=gil_s + native_s,
        gil_s=gil_s,
        native_s=native_s,
        blocked_s={"sleep": blocked_s} if blocked_s else {},
    )


@pytest.fixture
def session():
    nodes = (node("loop", 0.1), node("hash", 0.0, 0.1), node("sleep", 0.0, 0.0, 0.1), node("twice", 0.1))
    pairs = tuple(
        Measured((a, b), (0.1, 0.1), (end_s, end_s), 0.0, 5)
        for a, b, end_s in [
            ("loop", "twice", 0.2),
            ("loop", "loop", 0.2),
            ("hash", "loop", 0.1),
            ("loop", "sleep", 0.1),
            ("hash", "hash", 0.115),
            ("hash", "sleep", 0.1),
            ("sleep", "sleep", 0.1),
        ]
    )
    return Session(2.0, 30e-6, 0.005, "CPython", nodes, pairs)


def test_errors_are_those_of_the_later_end(session):
    rows = {pair.names: found for pair, found in errors(session, Constants(30e-6))}
    assert max(rows["loop", "twice"]["none"]) == pytest.approx(0.1)
    assert max(rows["loop", "twice"]["sharing"]) == pytest.approx(0.2)
    assert max(rows["loop", "twice"]["events"]) == pytest.approx(0.2, rel=0.03)
    assert max(rows["loop", "sleep"]["sharing"]) == pytest.approx(0.1)


def test_a_slower_machine_is_not_held_against_a_model(session):
    slower = tuple(
        msgspec.structs.replace(
            pair,
            alone_s=tuple(2 * s for s in pair.alone_s),
            together_s=tuple(2 * s for s in pair.together_s),
        )
        for pair in session.pairs
    )
    found = overall(msgspec.structs.replace(session, pairs=slower), Constants(30e-6))
    means = {(row["half"], row["model"], row["of"]): row.get("mean") for row in found}
    for half in ("tuned", "held out"):
        assert means[half, "sharing", "later end"] < 0.1
        assert means[half, "sharing", "later end, as profiled"] > 0.4


def test_halves_do_not_depend_on_the_order_of_names(session):
    for pair in session.pairs:
        turned = msgspec.structs.replace(pair, names=pair.names[::-1])
        assert turned.held_out == pair.held_out
    assert len({pair.held_out for pair in session.pairs}) == 2


def test_constants_come_from_the_tuned_half_alone(session):
    chosen = fitted(session)
    changed = tuple(
        msgspec.structs.replace(pair, together_s=(9.0, 9.0)) if pair.held_out else pair
        for pair in session.pairs
    )
    assert fitted(msgspec.structs.replace(session, pairs=changed)) == chosen


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "cannot be read: No such file"),
        ("{", "is not JSON"),
        ("[1]", "is not what --json prints here"),
        ('{"format": "makespan-profile/1"}', "is not what --json prints here: 'session'"),
        ('{"session": {"cores": 2}}', "is not what --json prints here: Object missing required field"),
    ],
)
def test_a_file_of_something_else_is_refused(text, problem, tmp_path, monkeypatch, capsys):
    path = tmp_path / "x.json"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(sys, "argv", ["pairs.py", "--from", str(path)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert f"--from {path}: {problem}" in capsys.readouterr().err


def test_pairs_of_unknown_nodes_are_refused(session, tmp_path):
    path = tmp_path / "x.json"
    fewer = msgspec.structs.replace(session, nodes=session.nodes[1:])
    path.write_text(json.dumps({"session": msgspec.to_builtins(fewer)}))
    with pytest.raises(OptionError, match="tells nothing of loop alone"):
        read_session(str(path))


def test_a_file_is_predicted_again(session, tmp_path):
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps({"session": msgspec.to_builtins(session)}))
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "pairs.py"), "--from", str(path), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(json.loads(done.stdout)["session"]["pairs"]) == len(session.pairs)
    assert "loop + twice" in table(session, Constants(30e-6))
