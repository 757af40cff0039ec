"""``makespan what-if`` on the command line."""

from __future__ import annotations

import json

import msgspec
import pytest

from makespan.cli import main
from makespan.cli.codes import Exit
from makespan.measurement import Pickling
from tests.builders import make_profile
from tests.cli_tools import Outcome


@pytest.fixture
def cli(tmp_path, monkeypatch, capfd):
    """Run a verb in a folder with a profile, and return how it ended."""
    monkeypatch.chdir(tmp_path)
    profile = make_profile({"a=1": [], "b": ["a=1"], "c": []}, [2.0, 3.0, 1.0])
    (tmp_path / "profile.json").write_bytes(profile.to_json())

    def run(*words):
        capfd.readouterr()
        code = main(["what-if", *map(str, words)])
        return Outcome(code, *capfd.readouterr())

    return run


def lines(text):
    return [line.split() for line in text.splitlines()]


def test_each_change_is_a_row(cli):
    done = cli("--threads", "1,2", "--node", "a=1=0.5x", "--node", "b=0", "--no-gil")
    assert done.code == 0
    assert done.out == (
        "threads  what if    makespan  gain   bound  binds\n"
        "      1  as it is     6.00 s     –  6.00 s  threads\n"
        "         a=1 × 0.5    5.00 s  17 %  5.00 s  threads\n"
        "         b × 0        3.00 s  50 %  3.00 s  threads\n"
        "         no GIL       6.00 s   0 %  6.00 s  threads\n"
        "      2  as it is     5.00 s     –  5.00 s  critical path\n"
        "         a=1 × 0.5    4.00 s  20 %  4.00 s  critical path\n"
        "         b × 0        2.00 s  60 %  2.00 s  critical path\n"
        "         no GIL       5.00 s   0 %  5.00 s  critical path\n"
    )


def test_the_same_as_json(cli):
    rows = json.loads(cli("--threads", "2", "--node", "b=0.5x", "--json").out)
    rest = {"process": [], "no_gil": False, "processes": 0, "native_threads": False}
    assert [{**row, "makespan_s": round(row["makespan_s"], 2)} for row in rows] == [
        {
            "threads": 2,
            "makespan_s": 5.0,
            "lower_bound_s": 5.0,
            "gain": 0.0,
            "binding": "critical path",
            "change": {"nodes": {}, **rest},
            "clusters": [],
            "native_threads": {},
        },
        {
            "threads": 2,
            "makespan_s": 3.5,
            "lower_bound_s": 3.5,
            "gain": pytest.approx(0.3, abs=0.002),
            "binding": "critical path",
            "change": {"nodes": {"b": 0.5}, **rest},
            "clusters": [],
            "native_threads": {},
        },
    ]


def test_one_budget_says_what_to_optimise_next(cli):
    done = cli("--threads", 2)
    assert done.out == (
        "threads  makespan   bound  gain  binds\n"
        "      2    5.00 s  5.00 s     –  critical path\n"
        "\n"
        "what to optimise next   takes  twice as fast  gain    free  binds then\n"
        "b                      3.00 s         3.50 s  30 %  2.00 s  critical path\n"
        "a=1                    2.00 s         4.00 s  20 %  3.00 s  critical path\n"
    )
    assert "what to optimise next" not in cli("--threads", "1,2").out
    assert "what to optimise next" not in cli("--threads", "2", "--no-gil").out


def test_each_node_asked_for(cli):
    assert lines(cli("--each-node").out)[1][0] == "2"  # the cores of the profile
    rows = json.loads(cli("--each-node", "--json").out)
    assert [(row["change"]["nodes"], round(row["makespan_s"], 2)) for row in rows] == [
        ({}, 5.0),
        ({"b": 0.5}, 3.5),
        ({"b": 0.0}, 2.0),
        ({"a=1": 0.5}, 4.0),
        ({"a=1": 0.0}, 3.0),
        ({"c": 0.5}, 5.0),
        ({"c": 0.0}, 5.0),
    ]
    told = cli("--each-node", "--node", "b=0", "--together").out
    assert lines(told)[2][:3] == ["b", "×", "0"]
    assert [line[0] for line in lines(told)[5:]] == ["a=1"]


def test_processes_and_native_threads_are_chosen(cli, tmp_path):
    value = Pickling(True, 0.01, 0.01, 1000)
    loops = make_profile({"a": [], "b": [], "c": ["a", "b"]}, [2.0, 2.0, 0.1], "python")
    nodes = [
        msgspec.structs.replace(node, args_pickling=value, result_pickling=value) for node in loops.nodes
    ]
    msgspec.structs.replace(loops, nodes=tuple(nodes)).save(tmp_path / "profile.json", force=True)
    done = cli("--threads", "2", "--processes", "1", "--native-threads")
    told = done.out.splitlines()
    assert [told[2][9:25], told[3][9:28]] == ["1 worker process", "best native threads"]
    rows = json.loads(cli("--threads", "2", "--processes", "1", "--native-threads", "--json").out)
    as_it_is, apart, native = rows
    assert as_it_is["makespan_s"] == pytest.approx(4.1, rel=0.02)
    assert apart["makespan_s"] == pytest.approx(2.1, rel=0.1)
    assert apart["change"]["processes"] == 1
    (cluster,) = apart["clusters"]
    assert cluster["nodes"][0] in ("a", "b")
    assert apart["lower_bound_s"] <= apart["makespan_s"]
    assert native["makespan_s"] == as_it_is["makespan_s"]
    assert f"1 worker process, 2 threads: {{{cluster['nodes'][0]}" in done.out


def test_nothing_is_worth_it(cli, tmp_path):
    (tmp_path / "profile.json").write_bytes(make_profile({"a": [], "b": []}).to_json())
    assert "no single node would shorten it: critical path binds" in cli("--threads", "2").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--node", "c"], "a faster node is NAME=FACTORx, such as parse=0.5x, not 'c'"),
        (["--node", "=2x"], "a faster node is NAME=FACTORx"),
        (["--node", "c=fast"], "the factor of 'c' is a number from 0 to 1e+06, not 'fast'"),
        (["--node", "c=-1x"], "the factor of 'c' is a number from 0 to 1e+06, not '-1'"),
        (["--node", "c=nan"], "the factor of 'c' is a number from 0 to 1e+06, not 'nan'"),
        (["--node", "aa=1=2x"], "the profile has no node 'aa=1' (did you mean 'a=1'?)"),
        (["--process", "aa=1"], "the profile has no node 'aa=1' (did you mean 'a=1'?)"),
        (
            ["--together"],
            "--together: there is nothing to change (--node, --process, --no-gil, ",
        ),
        (["--each-node", "--threads", "1..4"], "--each-node: takes one thread budget (--threads 4)"),
        (["--each-node", "--processes", "1"], "--each-node: does not go with --processes"),
        (["--processes", "65"], "the number of worker processes is a whole number from 0 to 64, not '65'"),
        (["--no-gill"], "did you mean '--no-gil'?"),
        (["--threads", "auto"], "--threads: what-if answers for given budgets, such as 1..8; optimize"),
    ],
)
def test_what_is_refused(cli, words, said):
    done = cli(*words)
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert said in done.err


def test_what_could_not_be_tried_is_not_denied(cli, tmp_path, monkeypatch):
    from makespan_optimizer.questions import sensitivity as module

    asked = module.sensitivity

    def cut_short(*args, **more):
        found = asked(*args, **more)
        nodes = tuple(msgspec.structs.replace(node, free_saves_s=0.0) for node in found.nodes)
        return msgspec.structs.replace(found, nodes=nodes, tried=1, complete=False)

    monkeypatch.setattr(module, "sensitivity", cut_short)
    done = cli("--threads", "2")
    assert "none of the nodes that were tried would shorten it" in done.out
    assert "of 3 nodes only the likeliest 1 could be tried; --each-node takes more time" in done.err
