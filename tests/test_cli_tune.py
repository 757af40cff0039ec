"""``makespan tune``: what it shows, writes, keeps and refuses; races are short, or made by hand."""

from __future__ import annotations

import gc
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from makespan.cli import main
from makespan.cli.codes import Exit
from makespan.cli.ctrl_c import HeardOnce
from makespan.errors import MakespanError
from makespan.plan import Misjudged, Raced, load_plan
from makespan.profile import load_profile
from makespan_optimizer.tuning import tune as tuning
from tests.cli_tools import Outcome, clean_environment, command, listen_to_ctrl_c
from tests.evidence_data import FASTER, NO_ROOM, changed

PIPELINE = '''\
"""Naps, as short as they are countable."""

import time

from makespan import dag, node

RAN = []


@node
def nap(name, seconds):
    RAN.append(name)
    time.sleep(seconds)
    print("a word of the user's")
    return name


@node
def pick(names, fail=False):
    if fail:
        raise LookupError("nobody sleeps")
    return sorted(names)[0]


@node(profile=False, hint_s=0.01, stand_in=None)
def mail(name):
    RAN.append("mail")


@dag
def naps(n=2, fail=False):
    long = nap("long", 0.004)
    return pick([nap("a", 0.002), nap("b", 0.002), nap(long, 0.002)], fail)


@dag
def long_naps():
    return pick([nap("a", 0.3), nap("b", 0.3), nap("c", 0.2)])


@dag
def mails(n=2):
    return mail(nap("a", 0.001))


def sets():
    yield (1,)
    yield {"n": 2}


def up():
    RAN.append("up")


def down():
    RAN.append("down")
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    path = list(sys.path)
    sys.modules.pop("pipeline", None)
    yield tmp_path
    sys.path[:] = path
    sys.modules.pop("pipeline", None)
    importlib.invalidate_caches()


@pytest.fixture
def cli(folder, capfd):
    """Run ``makespan tune``, and return how it ended."""

    def run(*words):
        capfd.readouterr()
        code = main(["tune", *map(str, words)])
        return Outcome(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A profile and a plan of the naps."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "pipeline.py").write_text(PIPELINE)
    before, path = os.getcwd(), list(sys.path)
    os.chdir(folder)
    sys.modules.pop("pipeline", None)
    try:
        assert main(["profile", "pipeline:naps", "--runs", "1", "--sampler", "clocks", "-q"]) == 0
        assert main(["optimize", "--threads", "2", "--time-limit", "1", "-q"]) == 0
    finally:
        os.chdir(before)
        sys.path[:] = path
        sys.modules.pop("pipeline", None)
    return load_profile(folder / "profile.json"), load_plan(folder / "plan.json")


class Fake:
    """In the place of the race: it says what it was asked, and ends as the test says."""

    def __init__(self, made):
        self.profile, self.plan = made
        self.evidence = FASTER
        self.interrupted = False
        self.error: BaseException | None = None
        self.asked: dict[str, Any] = {}
        self.state: bytes | None = b'{"format": "makespan-tune/1"}'
        self.found: bytes | None = None

    def __call__(self, dag, args=(), kwargs=None, **asked):
        self.asked = asked
        state = asked["state"]
        if state is not None:
            self.found = Path(state).read_bytes() if Path(state).exists() else None
            if self.state is not None:
                Path(state).write_bytes(self.state)
        asked["say"]("profile: 2 runs")
        asked["progress"](1, 4, "turn 1")
        if self.error is not None:
            raise self.error
        plan = msgspec.structs.replace(self.plan, evidence=self.evidence)
        return tuning.Tuned(plan, self.profile, self.evidence, self.interrupted)


@pytest.fixture
def fake(made, monkeypatch):
    its = Fake(made)
    monkeypatch.setattr(tuning, "tune", its)
    return its


# -- what it shows and writes


def test_table_headline_and_what_comes_next(cli, fake, folder):
    done = cli("pipeline:naps", "--args", '{"n": 1}')
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split("  ")[0] == "way"
    assert lines[1].startswith("plan, 2 threads, 2 processes        2    13  1.34 s  1.31 s to 1.38 s")
    assert lines[6].startswith("plan, 2 threads, 2 processes: 1.34 s, 0.62 × the default order (0.58–0.66)")
    assert lines[8].startswith("the model was wrong: load beside parse took 722 ms")
    assert "profile: 2 runs\n" in done.err
    assert "wrote plan.json\n" in done.err
    assert "makespan run pipeline:naps --args '{\"n\": 1}' --plan plan.json" in done.err
    assert load_plan("plan.json").evidence == FASTER
    assert sorted(file.name for file in folder.iterdir()) == ["pipeline.py", "plan.json"]


def test_where_nothing_is_faster_that_is_the_outcome(cli, fake):
    fake.evidence = changed(NO_ROOM, clear=True)
    done = cli("pipeline:naps")
    assert done.code == 0
    assert "no plan is measurably faster than the default order; kept the default" in done.out


@pytest.mark.parametrize("words", [["--json"], ["-o", "-"], ["--json", "-q"]])
def test_as_json_it_is_the_plan(cli, fake, words):
    done = cli("pipeline:naps", *words)
    assert done.code == 0
    data = json.loads(done.out)
    assert data["format"] == "makespan-plan/1"
    assert data["evidence"]["winner"] == FASTER.winner
    assert Path("plan.json").exists() == ("-" not in words)


def test_quiet_it_says_nothing(cli, fake):
    assert cli("pipeline:naps", "-q") == (0, "", "")
    assert load_plan("plan.json").evidence == FASTER


def test_the_options_arrive(cli, fake):
    done = cli(
        *("pipeline:naps", "--args", "[1]", "--args", '{"n": 2}', "--threads", 3, "--processes", 0),
        *("--no-native-threads", "--time-limit", 5, "--confidence", 0.9, "--runs", 4, "--seed", 7),
        *("--hint", "pick=0.5s:io", "--setup", "pipeline:up", "--teardown", "pipeline:down"),
    )
    assert done.code == 0, done.err
    asked = fake.asked
    for name, value in {
        "threads": 3,
        "processes": 0,
        "native_threads": False,
        "time_limit_s": 5.0,
        "confidence": 0.9,
        "profile": None,
        "runs": 4,
        "seed": 7,
        "run_all": False,
        "hints": {"pick": "0.5s:io"},
        "inputs": [((1,), {}), ((), {"n": 2})],
        "target": "pipeline:naps",
    }.items():
        assert asked[name] == value, name
    assert (asked["setup"].__name__, asked["teardown"].__name__) == ("up", "down")
    assert cli("pipeline:naps", "--threads", "auto", "--inputs", "pipeline:sets").code == 0
    assert fake.asked["threads"] is None
    assert fake.asked["inputs"] == [(1,), {"n": 2}]


def test_settings_are_defaults(cli, fake, folder, monkeypatch):
    (folder / "pyproject.toml").write_text(
        '[tool.makespan]\ntarget = "pipeline:naps"\nconfidence = 0.8\nthreads = "auto"\n'
        "native-threads = false\n"
    )
    monkeypatch.setenv("MAKESPAN_PROCESSES", "1")
    monkeypatch.setenv("MAKESPAN_TIME_LIMIT", "4")
    assert cli().code == 0
    asked = fake.asked
    assert (asked["confidence"], asked["threads"], asked["native_threads"]) == (0.8, None, False)
    assert (asked["processes"], asked["time_limit_s"]) == (1, 4.0)
    assert cli("--processes", 0, "--confidence", "0.99", "--native-threads").code == 0
    asked = fake.asked
    assert (asked["processes"], asked["confidence"], asked["native_threads"]) == (0, 0.99, True)


def test_a_given_profile_and_a_saved_one(cli, fake, folder):
    fake.profile.save("known.json")
    assert cli("pipeline:naps", "--profile", "known.json", "--save-profile", "known.json").code == 0
    assert fake.asked["profile"] == fake.profile
    assert load_profile("known.json") == fake.profile  # replaced, not merged with itself
    done = cli("pipeline:mails", "--save-profile", "known.json")
    assert done.code == Exit.USAGE
    assert "known.json: is a profile of another DAG ('naps')" in done.err
    assert cli("pipeline:mails", "--save-profile", "known.json", "-f").code == 0


def test_hostile_names_steer_nothing(cli, fake):
    name = "esc\x1b[31mred\nline \u202eevil </b>"
    fake.evidence = changed(
        FASTER,
        winner=name,
        stopped=name,
        ways=(Raced(name, 2, 3, 1.0, left=name), *FASTER.ways[1:]),
        misjudged=(Misjudged((name,), 1.0, 2.0, name),),
    )
    done = cli("pipeline:naps", "-o", "a plan;.json", "--args", '{"n": 1}')
    assert done.code == 0
    assert len(done.out.splitlines()) == 1 + 4 + 1 + 3
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", done.out + done.err)
    assert "--plan 'a plan;.json'" in done.err
    assert load_plan("a plan;.json").evidence == fake.evidence


# -- the state beside the plan


def test_a_settled_race_leaves_no_state(cli, fake):
    assert cli("pipeline:naps").code == 0
    assert not Path("plan.tune.json").exists()


def test_beside_a_device_nothing_is_kept(cli, fake):
    fake.evidence = NO_ROOM
    done = cli("pipeline:naps", "-o", "/dev/null")
    assert done.code == 0
    assert fake.asked["state"] is None
    assert not Path("/dev/null.tune.json").exists()
    assert "resume" not in done.err


def test_one_that_is_not_settled_can_go_on(cli, fake):
    fake.evidence = NO_ROOM
    done = cli("pipeline:naps", "-o", "p.json")
    assert "not settled; the same command with --resume goes on\n" in done.err
    assert Path("p.tune.json").read_bytes() == fake.state
    assert cli("pipeline:naps", "-o", "p.json", "--resume").code == 0
    assert fake.found == fake.state
    done = cli("pipeline:naps", "-o", "p.json")
    assert "beginning anew; --resume would have gone on with the race in p.tune.json\n" in done.err
    assert fake.found is None


def test_there_may_be_nothing_to_resume(cli, fake):
    done = cli("pipeline:naps", "--resume")
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert "--resume: there is no race to go on with: plan.tune.json is missing" in done.err
    done = cli("pipeline:naps", "--resume", "-o", "-")
    assert "--resume: needs a plan that is a file: the race is kept beside it" in done.err
    assert fake.asked == {}


@pytest.mark.parametrize("words", [[], ["--resume"]])
def test_somebody_elses_file_is_not_taken_for_a_race(cli, fake, words):
    Path("plan.tune.json").write_text('{"mine": 1}')
    done = cli("pipeline:naps", *words)
    assert done.code == Exit.USAGE
    assert "plan.tune.json: holds something other than a makespan-tune file" in done.err
    assert Path("plan.tune.json").read_text() == '{"mine": 1}'
    assert fake.asked == {}


# -- Ctrl-C


def test_ctrl_c_in_the_race_keeps_the_best_so_far(cli, fake):
    fake.interrupted = True
    done = cli("pipeline:naps")
    assert done.code == Exit.INTERRUPTED
    assert done.out.startswith("way ")
    assert done.err.endswith(
        "makespan: interrupted; the best so far was kept; the same command with --resume goes on\n"
    )
    assert load_plan("plan.json").evidence == FASTER
    assert Path("plan.tune.json").exists()


def test_a_reader_that_has_gone_changes_nothing(fake, folder, monkeypatch):
    from makespan.cli import terminal

    def emit(self, data):
        raise terminal.ReaderGoneError

    monkeypatch.setattr(terminal.Terminal, "emit", emit)
    assert main(["tune", "pipeline:naps"]) == 0
    fake.interrupted = True
    assert main(["tune", "pipeline:naps"]) == Exit.INTERRUPTED
    assert load_plan("plan.json").evidence == FASTER


def test_without_the_solver_nothing_is_run(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "ortools", None)
    done = cli("pipeline:naps")
    assert done.code == Exit.USAGE
    assert done.err == "makespan: error: makespan tune needs OR-Tools (pip install 'makespan[optimize]')\n"
    assert sys.modules["pipeline"].RAN == []


@pytest.mark.parametrize("state", [True, False])
def test_ctrl_c_before_anything_was_raced(cli, fake, state):
    fake.error = KeyboardInterrupt()
    fake.error.partial = fake.profile
    fake.state = fake.state if state else None
    done = cli("pipeline:naps", "--save-profile", "profile.json")
    assert (done.code, done.out) == (Exit.INTERRUPTED, "")
    assert "interrupted before every way was run: no plan was written" in done.err
    assert ("--resume goes on" in done.err) is state
    assert not Path("plan.json").exists()
    assert load_profile("profile.json") == fake.profile


# -- what it refuses, and what fails


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--confidence", "1"], "the confidence is a number from 0.5 to 0.9999, not '1'"),
        (["--time-limit", "0"], "a time limit in seconds is a number above 0"),
        (["--processes", "-1"], "the number of worker processes is a whole number from 0 to 64, not '-1'"),
        (["--runs", "0"], "the number of counted runs is a whole number from 1"),
        (["--profile", "nix.json"], "nix.json: cannot be read: No such file"),
        (["--profile", "known.json", "--runs", "2"], "--runs: is for profiling, and --profile gives"),
        (["--profile", "known.json", "--hint", "a=1s:io"], "--hint: is for profiling, and --profile gives"),
        (["--args", "3"], "--args: is a JSON list or object, not 3"),
        (["--args", "[1, 2, 3]"], "--args: "),
        (["--args", "[1]", "--inputs", "pipeline:sets"], "give --args or --inputs, not both"),
        (["--setup", "pipeline:nobody"], "--setup: "),
        (["-o", "pipeline.py"], "pipeline.py: holds something other than a makespan-plan file"),
        (["-o", "nix/plan.json"], "nix/plan.json: its folder does not exist"),
        (["--save-profile", "-"], "--save-profile: takes a file: stdout is for the plan"),
        (["--save-profile", "./plan.json"], "./plan.json is where the plan goes, or the race"),
        (["--save-profile", "plan.tune.json"], "plan.tune.json is where the plan goes, or the race"),
        (["-o", "/dev/null", "--resume"], "--resume: needs a plan that is a file"),
        (["--save-profile", "pipeline.py"], "pipeline.py: holds something other than a makespan-profile"),
    ],
)
def test_what_is_refused_before_anything_ran(cli, fake, folder, words, said):
    before = sorted(file.name for file in folder.iterdir())
    done = cli("pipeline:naps", *words)
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert said in done.err
    assert fake.asked == {}
    assert sorted(file.name for file in folder.iterdir()) == before
    assert sys.modules["pipeline"].RAN == [] if "pipeline" in sys.modules else True


def test_a_node_that_raises_late(cli, fake):
    fake.error = LookupError("nobody sleeps")
    fake.error.add_note("in node 'pick' (pipeline.py:21)")
    done = cli("pipeline:naps")
    assert (done.code, done.out) == (Exit.JUDGED, "")
    assert "LookupError: nobody sleeps\nin node 'pick' (pipeline.py:21)" in done.err
    assert done.err.endswith(
        "makespan: error: a node raised; no plan was written; the same command with --resume goes on\n"
    )
    assert not Path("plan.json").exists()


def test_a_fault_of_makespans_own_is_not_hidden(cli, fake):
    fake.error = ZeroDivisionError("of the race itself")
    done = cli("pipeline:naps")
    assert done.code == Exit.INTERNAL
    assert "a fault of makespan itself: ZeroDivisionError" in done.err


# -- real races


@pytest.fixture
def known(made, folder):
    """The options of a race that needs no profile."""
    made[0].save("known.json")
    return ["pipeline:naps", "--profile", "known.json", "--threads", 2, "--processes", 0]


def test_a_race_and_how_it_goes_on(cli, known, folder):
    done = cli(*known, "--time-limit", 1.5, "--confidence", 0.9999, "--save-profile", "learnt.json")
    assert done.code == 0, done.err
    assert re.search(r"race: \d ways, within [\d.]+ m?s\n  default order, 2 threads: .* expected\n", done.err)
    assert "a word of the user's" in done.err
    assert "a word of the user's" not in done.out
    first = load_plan("plan.json").evidence
    assert first.default == "default order, 2 threads"
    assert first.over_default <= 1
    assert [way.name for way in first.ways if way.name in done.out] == [way.name for way in first.ways]
    assert load_profile("learnt.json").dag.name == "naps"
    again = "not settled; the same command with --resume goes on" in done.err
    assert Path("plan.tune.json").exists() == again == (not first.clear)
    if again:
        done = cli(*known, "--time-limit", 1, "--confidence", 0.9999, "--resume")
        assert done.code == 0, done.err
        assert "going on with the race in plan.tune.json" in done.err
        assert sum(way.runs for way in load_plan("plan.json").evidence.ways) > sum(
            way.runs for way in first.ways
        )
    assert main(["run", "pipeline:naps", "--plan", "plan.json", "-q"]) == 0
    assert main(["check", "plan.json", "pipeline:naps"]) == 0


@pytest.fixture
def ended(cli, known, monkeypatch):
    """Return what ends a race by Ctrl-C after so many runs."""
    from makespan_optimizer.tuning.race import Race

    record = Race.record

    def end(runs, *words):
        count = 0

        def recorded(race, way, seconds):
            nonlocal count
            record(race, way, seconds)
            count += 1
            if count == runs:
                os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(Race, "record", recorded)
        done = cli(*known, "--time-limit", 20, *words)
        monkeypatch.setattr(Race, "record", record)
        return done

    return end


def test_ctrl_c_before_every_way_was_run_and_on_from_there(ended, cli, known):
    done = ended(1)
    assert (done.code, done.out) == (Exit.INTERRUPTED, "")
    assert "no plan was written; the same command with --resume goes on\n" in done.err
    assert not Path("plan.json").exists()
    done = ended(8, "--resume")
    assert done.code == Exit.INTERRUPTED
    assert "the best so far was kept; the same command with --resume goes on\n" in done.err
    plan = load_plan("plan.json")
    assert plan.evidence.stopped.startswith("interrupted")
    assert main(["run", "pipeline:naps", "--plan", "plan.json", "-q"]) == 0


def test_a_race_of_other_options_or_of_another_dag_does_not_go_on(ended, cli, known, folder):
    assert ended(1).code == Exit.INTERRUPTED
    done = cli(*known, "--resume", "--confidence", 0.8)
    assert done.code == Exit.USAGE
    assert "plan.tune.json: this race cannot go on: confidence: 0.95 there, 0.8 here" in done.err
    kept = Path("plan.tune.json").read_text()
    Path("plan.tune.json").write_text(kept[: len(kept) // 2])
    assert cli(*known, "--resume").code == Exit.USAGE
    Path("plan.tune.json").write_text(kept)
    (folder / "pipeline.py").write_text(PIPELINE.replace("sorted(names)[0]", "sorted(names)[-1]"))
    sys.modules.pop("pipeline")
    importlib.invalidate_caches()
    done = cli(*known, "--resume")
    assert done.code == Exit.USAGE
    assert "plan.tune.json: this race cannot go on: the code of pick changed" in done.err
    (folder / "pipeline.py").write_text(PIPELINE.replace("pick(", "choose("))
    sys.modules.pop("pipeline")
    importlib.invalidate_caches()
    done = cli(*known[:1], *known[3:], "--resume")
    assert done.code == Exit.USAGE
    assert "this race cannot go on: it is of another DAG or of another state of it ('naps')" in done.err
    done = cli(*known, "--time-limit", 2)
    assert done.code == Exit.USAGE
    assert "known.json: is of another DAG, or of another state of it ('naps')" in done.err
    assert "beginning anew" not in done.err
    assert not Path("plan.json").exists()


def test_a_race_that_cannot_begin_leaves_the_earlier_one(cli, fake, known):
    fake.evidence = NO_ROOM
    assert cli(*known).code == 0
    kept = Path("plan.tune.json").read_bytes()
    fake.error, fake.state = MakespanError("before anything ran"), None
    assert cli(*known).code == Exit.USAGE
    assert Path("plan.tune.json").read_bytes() == kept
    fake.state = b'{"format": "makespan-tune/1", "new": true}'
    assert cli(*known).code == Exit.USAGE
    assert Path("plan.tune.json").read_bytes() == fake.state


def test_ctrl_c_while_profiling_keeps_nothing_but_its_runs(cli, folder):
    text = PIPELINE.replace(
        "    RAN.append(name)\n    time.sleep(seconds)",
        "    RAN.append(name)\n    time.sleep(seconds)\n"
        "    if len(RAN) == 14:\n        import os, signal\n        os.kill(os.getpid(), signal.SIGINT)",
    )
    (folder / "pipeline.py").write_text(text)
    done = cli("pipeline:naps", "--save-profile", "profile.json", "--time-limit", 5)
    assert (done.code, done.out) == (Exit.INTERRUPTED, "")
    assert done.err.endswith("makespan: interrupted before every way was run: no plan was written\n")
    assert sorted(file.name for file in folder.iterdir()) == ["pipeline.py", "profile.json"]
    assert load_profile("profile.json").runs


def test_a_profile_of_older_code_is_told(cli, fake, folder):
    fake.profile.save("known.json")
    assert "changed since" not in cli("pipeline:naps", "--profile", "known.json").err
    (folder / "pipeline.py").write_text(PIPELINE.replace("sorted(names)[0]", "sorted(names)[-1]"))
    sys.modules.pop("pipeline")
    importlib.invalidate_caches()
    done = cli("pipeline:naps", "--profile", "known.json")
    assert done.code == 0
    assert "warning: known.json: the code of pick changed since: predictions may be wrong\n" in done.err


def test_a_node_that_raises_at_once(cli, folder):
    done = cli("pipeline:naps", "--args", '{"fail": true}', "--time-limit", 3)
    assert (done.code, done.out) == (Exit.JUDGED, "")
    assert "LookupError: nobody sleeps\nin node 'pick' (pipeline.py:" in done.err
    assert "makespan_optimizer" not in done.err
    assert done.err.endswith("makespan: error: a node raised; no plan was written\n")
    assert sorted(file.name for file in folder.iterdir()) == ["pipeline.py"]


def test_what_is_not_to_run_sleeps_in_the_race(cli, folder):
    words = ["pipeline:mails", "--time-limit", 1, "--threads", 1, "--processes", 0]
    done = cli(*words)
    assert done.code == 0, done.err
    assert "not run, but slept for as long as was said: mail\n" in done.err
    assert "mail" not in sys.modules["pipeline"].RAN


def test_ctrl_c_while_garbage_is_collected_is_heard_after_it():
    """What a callback of the collector raises is lost."""
    sent = []

    def collects(phase, _):
        if phase == "stop" and not sent:
            sent.append(phase)
            signal.raise_signal(signal.SIGINT)

    gc.callbacks.append(collects)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with HeardOnce():
            gc.collect()
            assert sent
            with pytest.raises(KeyboardInterrupt):
                time.sleep(10)
    finally:
        signal.signal(signal.SIGINT, before)
        gc.callbacks.remove(collects)


def test_ctrl_c_in_a_shell(folder):
    words = command("tune", "pipeline:long_naps", "--runs", "1", "--time-limit", "90", "-v")
    with subprocess.Popen(
        [*words, "--processes", "0"],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_ctrl_c,
    ) as process:
        try:
            seen = ""
            while "turn 2" not in seen:
                line = process.stderr.readline()
                assert line, seen
                seen += line
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == Exit.INTERRUPTED, err
    assert out.startswith("way ")
    assert "the best so far was kept" in err
    assert load_plan("plan.json").evidence.stopped.startswith("interrupted")
