"""``makespan profile`` with hints, sets of inputs, hooks and --update; and what it refuses."""

from __future__ import annotations

import errno
import importlib
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import msgspec
import pytest

from makespan.cli import main
from makespan.cli.codes import Exit
from makespan.profile import Profile, load_profile
from makespan_optimizer.measure.sampling.watch import SamplerUnavailableError
from tests.cli_tools import Outcome

PIPELINE = '''\
"""A pipeline that writes down what ran."""

from makespan import dag, node

from helpers import clean

RAN = []


@node
def fetch(url):
    RAN.append("fetch")
    return url


@node
def parse(page):
    RAN.append("parse")
    return clean(page)


@node
def render(page, size=1):
    RAN.append("render")
    if size == 13:
        raise LookupError("thirteen")
    return page * size


@node(profile=False, hint_s=0.25)
def send(picture):
    raise SystemExit("never run while profiling")


@dag
def news(url="a", size=1):
    page = fetch(url)
    return parse(page), send(render(page, size))


def sets():
    yield ("x",)
    yield {"url": "y", "size": 2}


def endless():
    while True:
        yield ("x",)


def wrong():
    yield ("x",)
    yield {"u": "x"}


def broken():
    raise OSError("no sets today")


def one():
    return "text"


def up():
    RAN.append("up")


def down():
    RAN.append("down")


def up_fails():
    raise OSError("no room")


not_a_function = 3
'''
HELPERS = "def clean(page):\n    return page.strip()\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    (tmp_path / "helpers.py").write_text(HELPERS)
    path = list(sys.path)
    yield tmp_path
    sys.path[:] = path
    forget()


def forget():
    for name in ("pipeline", "helpers"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()


@pytest.fixture
def cli(folder, capfd):
    """Run ``makespan profile`` in a fresh state of the modules; ``cli.ran`` is what ran in it."""

    def run(*words, verb="profile"):
        forget()
        capfd.readouterr()
        few = ["--runs", "1", "--sampler", "clocks", "--no-pairs"] if verb == "profile" else []
        code = main([verb, *map(str, words), *few])
        run.ran = list(sys.modules["pipeline"].RAN) if "pipeline" in sys.modules else []
        return Outcome(code, *capfd.readouterr())

    run.ran = []
    return run


def test_declared_and_given_hints(cli, folder):
    done = cli("pipeline:news", "--hint", "render=20ms:native")
    assert done.code == 0, done.err
    found = load_profile("profile.json")
    assert {its.name: its.origin for its in found.nodes} == {
        "fetch": "measured",
        "parse": "measured",
        "render": "hint",
        "send": "hint",
    }
    assert found.node("render").native_s == 0.02
    assert "render" not in cli.ran
    assert main(["optimize", "-q", "--threads", "2", "--time-limit", "2"]) == 0


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--hint", "render"], "a hint is NODE=0.5s:io, not 'render'"),
        (["--hint", "=1s"], "a hint is NODE=0.5s:io"),
        (["--hint", "rander=1s"], "error: --hint: 'news' has no node 'rander' (did you mean 'render'?)"),
        (["--hint", "render=1parsec"], "error: --hint 'render': 'parsec' is not a unit"),
        (["--hint", "render=1s:fast"], "'fast' is not a class"),
        (["--hint", "render=1s", "--hint", "render=2s"], "two hints for 'render'"),
        (["--hint", "fetch=1s"], "parse (takes fetch), render (takes fetch)"),
        (["--args", '["a"]', "--args", '{"u": 1}'], "has no input 'u'"),
        (["--args", '["a"]', "--args", "{"], "--args: is not JSON"),
        (["--args", '["a"]', "--inputs", "pipeline:sets"], "give --args or --inputs, not both"),
        (["--inputs", "pipeline:set"], "no 'set' in 'pipeline' (did you mean 'sets'?)"),
        (["--inputs", "pipeline"], "names no function"),
        (["--inputs", "pipelin:sets"], "there is no module 'pipelin'"),
        (["--inputs", "pipeline:not_a_function"], "is of type int, not a function"),
        (["--inputs", "pipeline:broken"], "'pipeline:broken' raised OSError: no sets today"),
        (["--inputs", "pipeline:one"], "returns a str, not sets of inputs"),
        (["--inputs", "pipeline:endless"], "error: --inputs: there are more than 1000 sets"),
        (["--inputs", "pipeline:wrong"], "error: --inputs, set 2: "),
        (["--cores", "4"], "--cores: is for --from"),
        (["--setup", "pipeline:nothing"], "--setup: there is no 'nothing' in 'pipeline'"),
        (["--teardown", "pipeline:not_a_function"], "not a function"),
        (["--update", "-f"], "--update: needs a file that it keeps"),
        (["--update", "-o", "-"], "--update: needs a file that it keeps"),
    ],
)
def test_bad_words_are_refused_before_anything_runs(cli, folder, words, problem):
    done = cli("pipeline:news", *words)
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert problem in done.err
    assert cli.ran == []
    assert not (folder / "profile.json").exists()


def test_help_says_what_options_do_and_do_not(capfd):
    assert main(["profile", "--help"]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "auto takes the best that works; gil, canary, clocks: this one or an error" in said
    assert "(python, holds, native, parallel(x4), io, chatty, mixed)" in said
    assert "trials of native threads still call nodes again: --trials-limit 0 stops all" in said
    assert main(["run", "--help"]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "with --measure: auto is gil where that works, else clocks; gil, canary, clocks: this one" in said


def test_sets_of_inputs_and_hooks(cli, folder):
    words = [
        "--args",
        '["x"]',
        "--args",
        '{"url": "y"}',
        "--setup",
        "pipeline:up",
        "--teardown",
        "pipeline:down",
    ]
    done = cli("pipeline:news", *words, "--runs", 2)
    assert done.code == 0, done.err
    assert cli.ran[:5] == ["up", "fetch", "parse", "render", "down"]
    assert load_profile("profile.json").runs[0].inputs == 2
    done = cli("pipeline:news", "--inputs", "pipeline:sets")
    assert done.code == 0, done.err
    assert "2 counted runs instead of 1: each of 2 sets of inputs equally often" in done.err
    assert "sets of inputs in turn, clocks alone" in done.err
    newest = load_profile("profile.json").runs[-1]
    assert (newest.inputs, newest.repeats) == (2, 2)


def test_a_sampler_that_cannot_be_had_is_told_by_its_option(folder, capfd, monkeypatch):
    def gone(*_args):
        raise SamplerUnavailableError("ptrace is forbidden")

    monkeypatch.setattr("makespan_optimizer.measure.sampling.sampler.OutsideSampler", gone)
    assert main(["profile", "pipeline:news", "--sampler", "gil"]) == Exit.USAGE
    err = capfd.readouterr().err
    assert "error: --sampler: the GIL cannot be sampled here: ptrace is forbidden" in err
    monkeypatch.setattr("makespan_optimizer.measure.isolate.run_trials", lambda made, *_args, **_kw: made)
    assert main(["profile", "pipeline:news", "--runs", "1"]) == 0
    err = capfd.readouterr().err
    assert "  note: canary: a thread asks for the GIL" in err or "  note: clocks only" in err
    assert "ptrace is forbidden" in err


def test_a_setup_that_raises(cli, folder):
    done = cli("pipeline:news", "--setup", "pipeline:up_fails", "--teardown", "pipeline:down")
    assert done.code == Exit.JUDGED
    assert "OSError: no room\nin setup 'up_fails'" in done.err
    assert "setup raised; nothing was written" in done.err
    assert cli.ran == []
    assert not (folder / "profile.json").exists()


def test_what_was_complete_is_kept_when_a_node_raises(cli, folder):
    text = PIPELINE.replace('yield {"url": "y", "size": 2}', 'yield ("y", 13)')
    (folder / "pipeline.py").write_text(text)
    forget()
    words = ["--inputs", "pipeline:sets", "--runs", "2", "--sampler", "clocks"]
    assert main(["profile", "pipeline:news", *words, "-q"]) == Exit.JUDGED
    assert load_profile("profile.json").node("render").runs == 1


# -- --update ------------------------------------------------------------------------------------------------


def test_an_update_measures_what_changed_and_keeps_the_rest(cli, folder):
    assert "nothing" not in cli("pipeline:news", "--update").err  # there is no file yet: all is measured
    before = load_profile("profile.json")

    done = cli("pipeline:news", "--update")
    assert (done.code, cli.ran) == (0, [])
    assert "nothing to measure anew, 4 nodes kept" in done.err
    assert load_profile("profile.json") == before

    (folder / "helpers.py").write_text(HELPERS.replace("strip", "lower"))
    done = cli("pipeline:news", "--update")
    assert done.code == 0
    assert cli.ran == ["fetch", "parse"] * 2  # fetch only feeds parse
    assert "1 of 4 nodes measured anew: parse (code changed)" in done.err
    after = load_profile("profile.json")
    for name in ("fetch", "render", "send"):
        assert after.node(name) == before.node(name)
    assert after.node("parse").code != before.node("parse").code
    assert after.node("parse").runs == 1
    assert len(after.runs) == 2


def test_an_update_of_a_dag_that_changed(cli, folder):
    cli("pipeline:news")
    before = load_profile("profile.json")
    text = PIPELINE.replace("parse(page), send", "parse(parse(page)), send").replace(
        "send(render(page, size))", "render(page, size)"
    )
    (folder / "pipeline.py").write_text(text)
    done = cli("pipeline:news")
    assert done.code == Exit.USAGE
    assert "--update keeps the nodes that are the same" in done.err
    assert load_profile("profile.json") == before
    done = cli("pipeline:news", "--update")
    assert done.code == 0, done.err
    assert "1 of 4 nodes measured anew: parse_2 (new); no longer there: send" in done.err
    assert "render" not in cli.ran
    after = load_profile("profile.json")
    assert [its.name for its in after.nodes] == ["fetch", "parse", "parse_2", "render"]
    assert after.node("render") == before.node("render")
    assert after.dag.fingerprint != before.dag.fingerprint


def test_only_a_removed_node(cli, folder):
    cli("pipeline:news")
    (folder / "pipeline.py").write_text(PIPELINE.replace("send(render(page, size))", "render(page, size)"))
    done = cli("pipeline:news", "--update")
    assert "nothing to measure anew, 3 nodes kept; no longer there: send" in done.err
    assert cli.ran == []
    assert len(load_profile("profile.json").nodes) == 3


def test_a_hinted_node_stays_hinted(cli, folder):
    cli("pipeline:news", "--hint", "render=20ms:native")
    done = cli("pipeline:news", "--update")
    assert "nothing to measure anew, 4 nodes kept; hinted at as before: render" in done.err
    assert load_profile("profile.json").node("render").native_s == 0.02
    done = cli("pipeline:news", "--update", "--hint", "render=30ms:io")
    assert load_profile("profile.json").node("render").blocked_s == {"io": 0.03}
    assert cli("pipeline:news").code == 0
    found = load_profile("profile.json")
    assert found.node("render").origin == "measured"
    assert found.node("render").runs == 1


def test_a_node_that_was_not_measured(cli, folder):
    cli("pipeline:news")
    body = json.loads((folder / "profile.json").read_bytes())
    body["nodes"] = [its for its in body["nodes"] if its["name"] != "render"]
    (folder / "profile.json").write_text(json.dumps(body))
    done = cli("pipeline:news", "--update")
    assert "1 of 4 nodes measured anew: render (not measured before)" in done.err
    assert set(cli.ran) == {"fetch", "render"}


def test_changed_code_without_update_drops_old_measurements_by_name(cli, folder):
    cli("pipeline:news")
    (folder / "helpers.py").write_text(HELPERS.replace("strip", "lower"))
    done = cli("pipeline:news")
    assert done.code == 0
    assert "the code changed of parse: earlier measurements of it are dropped" in done.err
    found = load_profile("profile.json")
    assert {its.name: its.runs for its in found.nodes} == {"fetch": 2, "parse": 1, "render": 2, "send": 0}


def test_an_update_on_another_machine_is_refused(cli, folder):
    cli("pipeline:news")
    found = load_profile("profile.json")
    moved = msgspec.structs.replace(found, machine=msgspec.structs.replace(found.machine, cpu="abacus"))
    (folder / "profile.json").write_bytes(moved.to_json())
    done = cli("pipeline:news", "--update")
    assert (done.code, cli.ran) == (Exit.USAGE, [])
    assert "another machine (CPU: abacus" in done.err


# -- Ctrl-C -------------------------------------------------------------------------------------------------


def test_ctrl_c_while_the_file_is_written_is_too_late(cli, folder, monkeypatch):
    save = Profile.save

    def interrupted(*args, **options):
        os.kill(os.getpid(), signal.SIGINT)
        return save(*args, **options)

    monkeypatch.setattr(Profile, "save", interrupted)
    handler = signal.getsignal(signal.SIGINT)
    assert cli("pipeline:news").code == Exit.OK
    assert load_profile("profile.json").node("fetch").runs == 1
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_second_ctrl_c_does_not_cost_what_the_first_one_kept(folder, capfd, monkeypatch):
    text = PIPELINE.replace(
        "def down():", "def down():\n    if len(RAN) == 11:\n        interrupt()"
    ).replace(
        '    RAN.append("render")', '    RAN.append("render")\n    if len(RAN) == 11:\n        interrupt()'
    )
    text += "\n\ndef interrupt():\n    import os, signal\n    os.kill(os.getpid(), signal.SIGINT)\n"
    (folder / "pipeline.py").write_text(text)
    words = ["--runs", "5", "--sampler", "clocks", "--no-pairs", "--teardown", "pipeline:down"]
    forget()
    assert main(["profile", "pipeline:news", *words]) == Exit.INTERRUPTED
    assert "interrupted; the complete runs were kept" in capfd.readouterr().err
    assert load_profile("profile.json").runs[0].repeats == 1


def test_what_another_error_leaves_is_written(cli, folder, monkeypatch):
    def broken(made, *_args, **_options):
        error = RuntimeError("of our own")
        error.partial = made  # type: ignore[attr-defined]
        raise error

    monkeypatch.setattr("makespan_optimizer.measure.isolate.run_trials", broken)
    assert cli("pipeline:news").code not in (Exit.OK, Exit.USAGE)
    assert load_profile("profile.json").runs[0].repeats == 1


# -- a full disk ---------------------------------------------------------------------------------------------


def test_a_full_disk_costs_neither_the_old_file_nor_what_was_measured(
    cli, folder, monkeypatch, tmp_path_factory
):
    cli("pipeline:news")
    before = (folder / "profile.json").read_bytes()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("makespan.files.os.fsync", full)
    done = cli("pipeline:news")
    assert done.code == Exit.USAGE
    (kept,) = elsewhere.iterdir()
    assert (
        f"profile.json: cannot write: No space left on device; what was measured was kept in {kept}"
        in done.err
    )
    assert (folder / "profile.json").read_bytes() == before
    assert load_profile(kept).node("fetch").runs == 1
    assert sorted(path.name for path in folder.iterdir()) == ["helpers.py", "pipeline.py", "profile.json"]


def test_when_there_is_no_room_anywhere(cli, folder, monkeypatch):
    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("makespan.files.os.fsync", full)
    monkeypatch.setattr(tempfile, "mkstemp", full)
    done = cli("pipeline:news")
    assert done.code == Exit.USAGE
    assert "No space left on device" in done.err
    assert "kept in" not in done.err
    assert not Path("profile.json").exists()


def test_by_kind_classes_nodes_together(cli, folder):
    (folder / "pipeline.py").write_text(
        "from makespan import dag, node\n"
        "@node(tags='load')\ndef load(i):\n    return i\n"
        "@node\ndef total(*values):\n    return sum(values)\n"
        "@dag\ndef news():\n    return total(*[load(i) for i in range(5)])\n"
        "RAN = []\n"
    )
    done = cli("pipeline:news", "--by-kind")
    assert done.code == 0, done.err
    assert "6 nodes of 2 kinds" in done.err
    profile = load_profile("profile.json")
    loads = [node for node in profile.nodes if node.name.startswith("load")]
    assert len(loads) == 5
    assert len({(node.kind, node.class_confidence) for node in loads}) == 1
    assert len({round(node.gil_s / node.wall_net_s.median, 9) for node in loads}) == 1
    assert all(node.args_pickling is None for node in loads)
    before = Path("profile.json").read_bytes()
    again = cli("pipeline:news", "--by-kind")
    assert again.code == Exit.USAGE
    assert "not merged" in again.err
    assert Path("profile.json").read_bytes() == before
    assert cli("pipeline:news", "--by-kind", "-f").code == 0


def test_by_kind_without_kinds_says_so_and_does_not_update(cli):
    done = cli("pipeline:news", "--args", '["x"]', "--by-kind")
    assert done.code == 0, done.err
    assert "no two nodes have the same tags" in done.err
    done = cli("pipeline:news", "--args", '["x"]', "--by-kind", "--update")
    assert done.code == Exit.USAGE
    assert "--update" in done.err
