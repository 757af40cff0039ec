"""The verbs, in one folder, one after the other; and what each refuses."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import types
from typing import Any

import msgspec
import pytest

from makespan.cli import check, main
from makespan.cli.codes import Exit
from makespan.errors import MakespanError, OptionError
from makespan.plan import load_plan
from makespan.profile import load_profile
from makespan.record import RunRecord, load_record, parse_record
from makespan_optimizer.measure.insitu import InSitu
from tests.builders import make_profile
from tests.cli_tools import PIPELINE, Outcome


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with a pipeline; forget what was imported from it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    sys.modules.pop("pipeline", None)  # of another module's tests
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def cli(folder, capfd):
    """Run a verb, and return how it ended."""

    def run(*words):
        capfd.readouterr()
        code = main([str(word) for word in words])
        return Outcome(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Files of the pipeline, made once by the verbs themselves."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "pipeline.py").write_text(PIPELINE)
    before, path = os.getcwd(), list(sys.path)
    os.chdir(folder)
    sys.modules.pop("pipeline", None)
    try:
        assert main(["profile", "pipeline:news", "--runs", "2", "--sampler", "clocks", "-q"]) == 0
        assert main(["optimize", "--threads", "2", "--time-limit", "2", "-q"]) == 0
        assert main(["run", "pipeline:news", "--plan", "plan.json", "-q"]) == 0
    finally:
        os.chdir(before)
        sys.path[:] = path
        sys.modules.pop("pipeline", None)
    return folder


@pytest.fixture
def files(made, folder):
    """The same files in the folder of the test."""
    for name in ("profile.json", "plan.json", "run.json"):
        (folder / name).write_bytes((made / name).read_bytes())
    return folder


# -- profile -------------------------------------------------------------------------------------------


def test_profile_writes_merges_and_tells(cli, folder):
    done = cli("profile", "pipeline:news", "--args", '["x/y"]', "--runs", 1, "--sampler", "clocks")
    assert done.code == 0
    assert done.out == "a word of the user's\n" * 4  # stdout is the user's as long as it carries no data
    assert "news: 5 nodes" in done.err
    assert done.err.endswith("wrote profile.json\n")
    first = load_profile("profile.json")
    assert first.dag.target == "pipeline:news"
    assert cli("profile", "pipeline:news", "--runs", 2, "--sampler", "clocks", "-q").code == 0
    again = load_profile("profile.json")
    assert [run.repeats for run in again.runs] == [1, 2]
    assert {node.runs for node in again.nodes} == {3}


@pytest.mark.parametrize("words", [["--json"], ["-o", "-"], ["-o", "/dev/stdout"], ["--json", "-o", "-"]])
def test_data_on_stdout_is_not_disturbed_by_the_users_words(cli, folder, words):
    done = cli("profile", "pipeline:news", "--runs", 1, "--sampler", "clocks", *words)
    assert json.loads(done.out)["format"] == "makespan-profile/1"
    assert "a word of the user's" in done.err
    done = cli("run", "pipeline:news", *words)
    assert parse_record(done.out.encode()).status == "ok"
    assert "a word of the user's" in done.err


def test_a_child_process_of_the_users_writes_to_stderr_too(cli, folder):
    text = PIPELINE.replace('print("a word of the user\'s")', 'import os; os.system("echo from a child")')
    (folder / "pipeline.py").write_text(text)
    done = cli("run", "pipeline:news", "--json")
    assert json.loads(done.out)["status"] == "ok"
    assert done.err.count("from a child") == 2


def test_profile_of_a_node_that_raises(cli, folder):
    done = cli("profile", "pipeline:news", "--args", '{"fail": true}', "--runs", 1, "--sampler", "clocks")
    assert done.code == Exit.JUDGED
    assert "LookupError: nothing at a/b\nin node 'fetch' (pipeline.py:" in done.err
    assert "makespan_optimizer" not in done.err
    assert not (folder / "profile.json").exists()


def test_profile_refuses_another_dags_file_before_it_measures(cli, files):
    (files / "pipeline.py").write_text(
        PIPELINE.replace("def parse", "def divide").replace("parse(", "divide(")
    )
    done = cli("profile", "pipeline:news")
    assert done.code == Exit.USAGE
    assert done.out == ""
    assert "profile.json: is a profile of another DAG ('news'), or of this one before it changed" in done.err
    assert cli("profile", "pipeline:news", "--runs", 1, "--sampler", "clocks", "-f").code == 0
    assert "divide" in (files / "profile.json").read_text()


def test_profile_refuses_another_machines_file_before_it_measures(cli, files):
    profile = load_profile("profile.json")
    elsewhere = msgspec.structs.replace(
        profile, machine=msgspec.structs.replace(profile.machine, cpu="abacus")
    )
    (files / "profile.json").write_bytes(elsewhere.to_json())
    done = cli("profile", "pipeline:news")
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert "is a profile of another machine (CPU: abacus there" in done.err


def test_ctrl_c_while_profiling_keeps_the_complete_runs(cli, folder, monkeypatch):
    from makespan_optimizer.measure import isolate

    def interrupted(*_args, **_options):
        error: Any = KeyboardInterrupt()
        error.partial = make_profile({"a": []})
        raise error

    monkeypatch.setattr(isolate, "profile", interrupted)
    done = cli("profile", "pipeline:news")
    assert done.code == Exit.INTERRUPTED
    assert "the complete runs were kept" in done.err
    assert load_profile("profile.json").nodes[0].name == "a"

    def at_once(*_args, **_options):
        error: Any = KeyboardInterrupt()
        error.partial = None
        raise error

    monkeypatch.setattr(isolate, "profile", at_once)
    assert cli("profile", "pipeline:news", "-o", "other.json").code == Exit.INTERRUPTED
    assert not (folder / "other.json").exists()


def test_nothing_is_pickled_when_the_user_says_no(cli, folder):
    for option, measured in (((), True), (("--no-pickling",), False)):
        done = cli("profile", "pipeline:news", "--runs", 1, "--sampler", "clocks", *option, "-f")
        assert done.code == 0
        nodes = load_profile("profile.json").nodes
        assert all((node.result_pickling is not None) is measured for node in nodes)


# -- optimize, what-if, explain ------------------------------------------------------------------------


def test_optimize_closes_with_what_the_plan_promises(cli, files):
    done = cli("optimize", "profile.json", "--threads", 2, "--time-limit", 2)
    assert (done.code, done.out) == (0, "")
    assert "with 2 threads" in done.err
    assert "lower bound" in done.err
    assert "share lock pen" in done.err
    assert "found by " in done.err
    assert load_plan("plan.json").solver.stopped.removeprefix("proven: ") in done.err
    assert load_plan("plan.json").threads == 2


def test_the_same_seed_gives_the_same_plan(cli, files):
    plans = [cli("optimize", "--seed", 7, "--time-limit", 2, "--threads", 2, "-o", "-").out for _ in range(2)]
    assert plans[0] == plans[1]
    assert json.loads(plans[0])["solver"]["seed"] == 7


def test_optimize_reads_stdin_and_writes_stdout(cli, files, monkeypatch):
    data = (files / "profile.json").read_bytes()
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=types.SimpleNamespace(read=lambda: data)))
    done = cli("optimize", "-", "-o", "-", "--time-limit", 1)
    assert json.loads(done.out)["format"] == "makespan-plan/1"


def test_a_profile_from_elsewhere_is_flagged(cli, folder):
    (folder / "profile.json").write_bytes(make_profile({"a": [], "b": ["a"]}).to_json())
    done = cli("optimize", "--time-limit", 1)
    assert done.code == 0
    assert "makespan: warning: profile.json is of another machine (CPU: a test's own there" in done.err
    assert "warning" in cli("what-if", "--threads", "1,2").err


def test_no_plan_in_time_is_3(cli, files, monkeypatch):
    from makespan_optimizer import optimize

    done = cli("optimize", "-o", "late.json", "--time-limit", "0.000001")
    assert (done.code, done.out) == (Exit.NO_PLAN, "")
    assert done.err.startswith(
        "makespan: error: no plan in time: 5 nodes take more than the time limit of 1e-06"
    )
    assert done.err.endswith("(raise the time limit (--time-limit, time_limit_s))\n")
    assert not (files / "late.json").exists()

    def stray(*_args, **_options):
        raise TimeoutError("a network file")

    monkeypatch.setattr(optimize, "optimize", stray)
    assert cli("optimize").code == Exit.INTERNAL


def test_what_if_prints_a_row_for_each_budget(cli, files):
    done = cli("what-if", "profile.json", "--threads", "1..3,8")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split() == ["threads", "makespan", "bound", "gain", "binds"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3", "8"]
    rows = json.loads(cli("what-if", "profile.json", "--threads", "2,1", "--json").out)
    assert [row["threads"] for row in rows] == [1, 2]
    assert rows[0]["gain"] == 0
    assert all(row["lower_bound_s"] <= row["makespan_s"] for row in rows)


def test_first_calls_are_planned_for_and_go_with_no_statistic(cli, folder):
    slow = make_profile({"a": [], "b": ["a"]}, 1.0, first_s={"a": 5.0, "b": 5.0})
    (folder / "profile.json").write_bytes(slow.to_json())
    rows = json.loads(cli("what-if", "--threads", "1", "--first-call", "--json").out)
    assert rows[0]["makespan_s"] == pytest.approx(10.0)
    for verb in ("optimize", "what-if"):
        done = cli(verb, "--first-call", "--statistic", "p90")
        assert (done.code, done.out) == (Exit.USAGE, "")
        assert "--first-call: takes the durations of first calls" in done.err
    (folder / "pyproject.toml").write_text('[tool.makespan]\nstatistic = "p90"\n')
    assert cli("what-if", "--threads", "1", "--first-call").code == 0


def test_explain_a_plan_and_a_node(cli, files):
    assert "lower bound" in cli("explain").out
    assert cli("explain", "plan.json", "render_2").out.startswith("render_2 ")
    assert json.loads(cli("explain", "--json", "plan.json", "render_2").out)["node"]["name"] == "render_2"
    done = cli("explain", "plan.json", "rendr")
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert "did you mean 'render'?" in done.err


# -- run -----------------------------------------------------------------------------------------------


def test_run_records_and_tells(cli, files):
    done = cli("run", "pipeline:news", "--args", '{"url": "x"}', "--plan", "plan.json", "-f")
    assert done.code == 0
    assert done.err.endswith("wrote run.json\n")
    record = load_record("run.json")
    assert (record.status, record.dag.target, len(record.nodes)) == ("ok", "pipeline:news", 5)
    assert record.plan == load_plan("plan.json")


def test_a_measured_run_says_what_its_nodes_did(cli, files):
    done = cli("run", "pipeline:news", "--plan", "plan.json", "--measure", "--sampler", "clocks", "-f")
    assert done.code == 0
    assert "measured by clocks alone" in done.err
    record = load_record("run.json")
    assert record.sampler == "clocks"
    assert all(node.measured is not None for node in record.nodes)
    assert cli("report").code == 0


def test_a_sampler_is_for_measured_runs_on_the_command_line_but_a_setting_may_stand(cli, folder):
    done = cli("run", "pipeline:news", "--sampler", "gil")
    assert done.code == Exit.USAGE
    assert "--sampler: is for runs with --measure" in done.err
    (folder / "pyproject.toml").write_text('[tool.makespan]\nsampler = "clocks"\n')
    assert cli("run", "pipeline:news").code == 0
    assert load_record("run.json").sampler is None
    assert cli("run", "pipeline:news", "--measure").code == 0
    assert load_record("run.json").sampler == "clocks"


def test_auto_threads_of_a_run_are_those_of_its_plan(cli, files):
    assert cli("run", "pipeline:news", "--plan", "plan.json", "--threads", "auto").code == 0
    assert load_record("run.json").threads == 2
    done = cli("run", "pipeline:news", "--threads", "auto", "-o", "no.json")
    assert (done.code, done.out, (files / "no.json").exists()) == (Exit.USAGE, "", False)
    assert "--threads: auto is chosen from a profile, when a plan is made; this run has no plan" in done.err
    (files / "pyproject.toml").write_text('[tool.makespan]\nthreads = "auto"\n')
    assert cli("run", "pipeline:news", "--plan", "plan.json").code == 0
    assert cli("run", "pipeline:news", "--threads", 1).code == 0
    assert "the setting 'threads': auto is chosen from a profile" in cli("run", "pipeline:news").err
    assert "the fewest that are expected within 1 %" in cli("optimize", "--time-limit", 2).err


def test_inputs_may_be_called_like_options(cli, folder):
    text = (
        PIPELINE.replace("url, fail", "measure, sampler")
        .replace("url=", "measure=")
        .replace("fail=", "sampler=")
    )
    text = text.replace("if fail", "if sampler").replace("{url}", "{measure}").replace("url.up", "measure.up")
    (folder / "pipeline.py").write_text(text)
    done = cli("run", "pipeline:news", "--args", '{"measure": "x", "sampler": false}', "--measure")
    assert done.code == 0, done.err


def test_quiet_says_nothing(cli, files):
    assert cli("run", "pipeline:news", "-q").err == ""
    assert "wrote" not in cli("profile", "pipeline:news", "--runs", 1, "--sampler", "clocks", "-q").err
    assert cli("optimize", "--time-limit", 1, "-q") == (0, "", "")
    assert cli("report", "-q") == (0, "", "")
    assert cli("check", "plan.json", "pipeline:news", "-q") == (0, "", "")


def test_a_node_that_raises_is_1_and_leaves_a_record(cli, folder):
    done = cli("run", "pipeline:news", "--args", '{"fail": true}')
    assert done.code == Exit.JUDGED
    assert "LookupError: nothing at a/b\nin node 'fetch' (pipeline.py:" in done.err
    assert done.err.endswith("makespan: error: a node raised: 'fetch'\n")
    assert "makespan/engine" not in done.err
    record = load_record("run.json")
    assert record.status == "failed"
    assert record.failures[0].node == "fetch"
    assert "collect" in record.not_started
    assert cli("report").code == 0


def test_a_bad_word_of_a_nodes_own_is_still_the_nodes(cli, folder):
    """What a node raises is judged, even when it is of our own types."""
    text = PIPELINE.replace("LookupError(", "makespan.MakespanError(").replace(
        "from", "import makespan\nfrom", 1
    )
    (folder / "pipeline.py").write_text(text)
    assert cli("run", "pipeline:news", "--args", '{"fail": true}').code == Exit.JUDGED
    words = ("--args", '{"fail": true}', "--runs", 1, "--sampler", "clocks")
    done = cli("profile", "pipeline:news", *words)
    assert done.code == Exit.JUDGED
    assert "in node 'fetch'" in done.err


def test_ctrl_c_is_130_and_leaves_a_record(cli, folder):
    text = PIPELINE.replace("raise LookupError(", "raise KeyboardInterrupt(")
    (folder / "pipeline.py").write_text(text)
    done = cli("run", "pipeline:news", "--args", '{"fail": true}')
    assert done.code == Exit.INTERRUPTED
    assert done.err.endswith("makespan: interrupted\n")
    assert load_record("run.json").status == "interrupted"


def test_a_plan_for_more_threads_than_allowed(cli, files):
    done = cli("run", "pipeline:news", "--plan", "plan.json", "--threads", 1)
    assert done.code == Exit.USAGE
    assert "plan.json: the plan is for 2 threads, more than the 1 allowed" in done.err


def test_a_plan_of_another_machine_is_flagged_and_used(cli, files):
    plan = load_plan("plan.json")
    elsewhere = msgspec.structs.replace(plan, machine=msgspec.structs.replace(plan.machine, cpu="abacus"))
    (files / "plan.json").write_bytes(elsewhere.to_json())
    done = cli("run", "pipeline:news", "--plan", "plan.json")
    assert done.code == 0
    assert "warning: plan.json was made for another machine (CPU: abacus there" in done.err


def test_ctrl_c_is_heard_once_and_again_when_it_was_swallowed(monkeypatch):
    from makespan.cli import ctrl_c

    assert threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    with ctrl_c.HeardOnce() as heard:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        monkeypatch.setattr(ctrl_c, "AGAIN_S", 0.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        heard.deaf = True
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("makespan.run.this_machine", ()),
        ("makespan.record.RunRecord.save", ()),
        ("makespan.record.RunRecord.save", ("--measure", "--sampler", "clocks")),
        ("makespan_optimizer.measure.insitu.InSitu.close", ("--measure", "--sampler", "clocks")),
    ],
)
def test_ctrl_c_after_the_last_node_does_not_cost_the_record(cli, folder, monkeypatch, place, words):
    """The first one, while the record is built or written: the run is over, there is nothing to end."""
    module, _, name = place.rpartition(".")
    owner = {"makespan.record.RunRecord": RunRecord, "makespan_optimizer.measure.insitu.InSitu": InSitu}.get(
        module
    ) or importlib.import_module(module)
    true = getattr(owner, name)

    def disturbed(*args, **options):
        signal.raise_signal(signal.SIGINT)
        return true(*args, **options)

    monkeypatch.setattr(owner, name, disturbed)
    assert cli("run", "pipeline:news", *words).code == Exit.OK
    record = load_record("run.json")
    assert record.status == "ok"
    assert all(node.measured for node in record.nodes) == bool(words)


# -- report --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "name", "begins"),
    [
        ([], "report.html", b"<!doctype html"),
        (["-o", "x.svg"], "x.svg", b"<"),
        (["-o", "x.png"], "x.png", b"\x89PNG"),
        (["--format", "pdf"], "report.pdf", b"%PDF"),
        (["--format", "text"], "report.txt", b"makespan report"),
        (["--format", "trace"], "report.trace.json", b'{\n "format": "makespan-trace/1"'),
        (["-o", "x.json"], "x.json", b'{\n "format": "makespan-report/1"'),
        (["-o", "x.dat", "--format", "html"], "x.dat", b"<!doctype html"),
    ],
)
def test_report_formats(cli, files, words, name, begins):
    done = cli("report", "run.json", *words)
    assert (done.code, done.out, done.err) == (0, "", f"wrote {name}\n")
    assert (files / name).read_bytes().lower().startswith(begins.lower())
    assert cli("report", "run.json", *words).code == 0  # its own kind is replaced


def test_report_on_stdout_and_of_a_plan(cli, files):
    assert cli("report", "--format", "text", "-o", "-").out.startswith("makespan report · news")
    assert "not run yet" in cli("report", "plan.json", "--format", "text", "-o", "-").out
    assert json.loads(cli("report", "--json").out)["status"] == "ok"


def test_report_refuses(cli, files):
    done = cli("report", "--format", "htlm")
    assert "'htlm' is none of html, png, svg, pdf, text, trace, json (did you mean 'html'?)" in done.err
    assert "none of" in cli("report", "-o", "x.doc").err
    assert "stdout cannot be opened" in cli("report", "--open", "-o", "-").err
    assert "is not a makespan-run file: it is a makespan-profile file" in cli("report", "profile.json").err
    assert "No such file" in cli("report", "zzz.json").err
    (files / "report.html").write_text("my own notes")
    done = cli("report")
    assert done.code == Exit.USAGE
    assert "holds something other than a html file (-f overwrites it)" in done.err
    assert (files / "report.html").read_text() == "my own notes"
    assert cli("report", "-f").code == 0


def test_report_opens_a_browser(cli, files, monkeypatch):
    import webbrowser

    opened = []

    def refuse(url):
        opened.append(url)
        return False

    monkeypatch.setattr(webbrowser, "open", refuse)
    done = cli("report", "--open")
    assert opened == [(files / "report.html").as_uri()]
    assert "no browser could be started" in done.err


# -- check ---------------------------------------------------------------------------------------------


def test_check_a_plan_that_fits(cli, files):
    done = cli("check", "plan.json", "pipeline:news", "--profile", "profile.json")
    assert (done.code, done.out, done.err) == (0, "plan.json fits pipeline:news\n", "")
    verdict = json.loads(cli("check", "plan.json", "pipeline.py", "--json").out)
    assert verdict == {
        "plan": "plan.json",
        "target": "pipeline.py",
        "fits": True,
        "reasons": [],
        "notes": [],
        "drift": [],
    }


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("render(page, 2)]", "render(page, 2), render(page, 3)]", "it lacks 'render_3'"),
        ("[render(page, 1), ", "[", "it has 'render_2', which the DAG has not"),
        ("collect(parse(page), ", "collect(page, ", "it has 'parse', which the DAG has not"),
        (
            "[render(page, 1)",
            "[render(url, 1)",
            "'render' waited for 'fetch' in the plan, and waits for nothing now",
        ),
    ],
)
def test_check_a_plan_of_another_dag(cli, files, old, new, reason):
    assert old in PIPELINE
    (files / "pipeline.py").write_text(PIPELINE.replace(old, new))
    done = cli("check", "plan.json", "pipeline:news")
    assert done.code == Exit.JUDGED
    assert done.out.startswith("plan.json does not fit pipeline:news:\n  the plan is for another DAG: ")
    assert reason in done.out
    assert cli("run", "pipeline:news", "--plan", "plan.json").code == Exit.USAGE


def test_check_another_machine(cli, files):
    plan = load_plan("plan.json")
    elsewhere = msgspec.structs.replace(plan, machine=msgspec.structs.replace(plan.machine, cores=64.0))
    (files / "plan.json").write_bytes(elsewhere.to_json())
    done = cli("check", "plan.json", "pipeline:news")
    assert done.code == Exit.JUDGED
    assert "made on another machine: usable cores: 64.0 there" in done.out
    done = cli("check", "plan.json", "pipeline:news", "--any-machine")
    assert done.code == Exit.OK
    assert "  note: made on another machine" in done.out


def test_check_finds_drift(files):
    plan, profile = load_plan("plan.json"), load_profile("profile.json")
    assert check.drift_by_profile(plan, profile) == []
    slow = msgspec.structs.replace(profile.nodes[0].wall_net_s, median=1.0)
    nodes = (msgspec.structs.replace(profile.nodes[0], wall_net_s=slow), *profile.nodes[1:-1])
    found = check.drift_by_profile(plan, msgspec.structs.replace(profile, nodes=nodes))
    assert len(found) == 2
    assert any("'fetch' takes 1.00 s now, the plan counted on" in text for text in found)
    assert any("'collect' was not measured" in text for text in found)
    other = msgspec.structs.replace(profile.dag, fingerprint="sha256:0")
    assert "another DAG" in check.drift_by_profile(plan, msgspec.structs.replace(profile, dag=other))[0]


def test_check_what_cannot_be_judged_is_2(cli, files):
    (files / "cut.json").write_bytes((files / "plan.json").read_bytes()[:-40])
    (files / "altered.json").write_bytes(
        (files / "plan.json").read_bytes().replace(b'"rank": 0', b'"rank": 1')
    )
    for name, said in (
        ("cut.json", "is not JSON"),
        ("altered.json", "was altered"),
        ("profile.json", "is not a makespan-plan file"),
        ("pipeline.py", "is not JSON"),
        ("zzz.json", "cannot be read"),
    ):
        done = cli("check", name, "pipeline:news")
        assert (done.code, done.out) == (Exit.USAGE, "")
        assert said in done.err
    assert cli("check", "plan.json", "zzz:news").code == Exit.USAGE
    assert cli("check", "plan.json").code == Exit.USAGE


# -- doctor, demo --------------------------------------------------------------------------------------


def test_doctor(cli, monkeypatch):
    from makespan_optimizer.measure import doctor as measure

    class Found(msgspec.Struct):
        cores: float

        def text(self):
            return f"cores {self.cores}"

    monkeypatch.setattr(measure, "doctor", lambda: Found(2.0))
    assert cli("doctor") == (0, "cores 2.0\n", "")
    assert json.loads(cli("doctor", "--json").out) == {"cores": 2.0}


def test_demo(cli, monkeypatch):
    class Result(msgspec.Struct):
        folder: str
        threads: int | None

        def text(self):
            return "what was gained"

    def demo(folder, *, threads, repeats, progress, say, force, time_limit_s=0.0):
        print("the example's own words")
        progress(1, 2, "profile")
        say(f"{repeats} repeats, {time_limit_s:g} s, {force}")
        return Result(folder, threads)

    import makespan_optimizer.demo as package

    monkeypatch.setattr(package, "demo", demo)
    done = cli("demo", "--repeats", 3, "--time-limit", 2, "-f")
    assert done.out.endswith("what was gained\n")
    assert done.err == "3 repeats, 2 s, True\n"
    done = cli("demo", "-o", "there", "--threads", 2, "--json")
    assert json.loads(done.out) == {"folder": "there", "threads": 2}
    assert "the example's own words" in done.err
    assert json.loads(cli("demo", "--threads", "auto", "--json").out)["threads"] is None


def test_a_demo_whose_results_differ_is_judged(cli, monkeypatch):
    import makespan_optimizer.demo as package

    def demo(folder, *, say, **_options):
        if folder == "lacks":
            raise MakespanError("this installation lacks it")
        say("first")
        raise (OptionError if folder == "bad" else MakespanError)("something else", where="plan, run 2")

    monkeypatch.setattr(package, "demo", demo)
    done = cli("demo")
    assert done.code == Exit.JUDGED
    assert done.err.endswith(
        "makespan: error: a result differs from the sequential one: plan, run 2: something else\n"
    )
    assert cli("demo", "-o", "bad").code == Exit.USAGE
    assert cli("demo", "-o", "lacks").code == Exit.USAGE


# -- bad input that every verb with such a word refuses ------------------------------------------------


@pytest.mark.parametrize("verb", ["profile", "run"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "--args: is not JSON"),
        ("3", "--args: is a JSON list or object, not 3"),
        ('"x"', """one text: --args '["text"]'"""),
        ("[NaN]", "--args: NaN is not a number that JSON can hold"),
        ('{"url": 1, "url": 2}', "--args: the key 'url' stands twice"),
        ("@zzz.json", "zzz.json: cannot be read"),
        ('{"ulr": 1}', "--args: 'news' has no input 'ulr' (did you mean 'url'?)"),
        ("[1, 2, 3]", "--args: 'news' takes 2 positional inputs (url, fail), got 3"),
        ("[" * 100_000, "--args: is nested too deeply"),
    ],
)
def test_bad_args(cli, folder, verb, text, said):
    done = cli(verb, "pipeline:news", "--args", text)
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert said in done.err
    assert done.err.count("\n") == 1
    assert list(folder.glob("*.json")) == []


def test_args_from_a_file(cli, folder):
    (folder / "in.json").write_text('{"url": "x/y/z"}')
    assert cli("run", "pipeline:news", "--args", "@in.json", "-q").code == 0


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("zzz/out.json", "its folder does not exist (mkdir -p zzz)"),
        (".", "is a folder"),
        ("pipeline.py", "holds something other than a makespan-"),
        ("pipeline.py/out.json", "Not a directory"),
        ("x" * 300, "name too long"),
    ],
)
@pytest.mark.parametrize("words", [["profile", "pipeline:news"], ["run", "pipeline:news"], ["optimize"]])
def test_an_output_that_cannot_be_is_refused_before_the_work(cli, files, words, path, said):
    done = cli(*words, "-o", path)
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert said.lower() in done.err.lower()
    assert (files / "pipeline.py").read_text() == PIPELINE


@pytest.mark.parametrize("path", ["/dev/full", "/proc/makespan-zzz"])
def test_an_output_that_fails_at_the_end(cli, files, path):
    done = cli("run", "pipeline:news", "-o", path)
    assert done.code == Exit.USAGE
    assert f"makespan: error: {path}: cannot write: " in done.err


def test_the_files_of_each_verb_are_not_mistaken_for_each_other(cli, files):
    before = {name: (files / name).read_bytes() for name in ("profile.json", "plan.json", "run.json")}
    for words in (
        ["profile", "pipeline:news", "-o", "plan.json"],
        ["optimize", "profile.json", "-o", "profile.json"],
        ["run", "pipeline:news", "-o", "plan.json"],
        ["report", "run.json", "-o", "run.json"],
        ["optimize", "plan.json"],
        ["optimize", "run.json"],
        ["what-if", "plan.json"],
        ["explain", "profile.json"],
        ["run", "pipeline:news", "--plan", "profile.json"],
    ):
        done = cli(*words)
        assert done.code == Exit.USAGE, words
        assert done.err.startswith("makespan: error: ")
    assert before == {name: (files / name).read_bytes() for name in before}


@pytest.mark.parametrize("value", ["-1.0", "1e999", "1e9", "NaN", '"1"', "null"])
def test_a_duration_that_cannot_be_is_dropped_and_its_node_named(cli, folder, value):
    text = make_profile({"a": [], "b": ["a"]}).to_json().decode()
    assert '"median": 1.0' in text
    (folder / "profile.json").write_text(text.replace('"median": 1.0', f'"median": {value}', 1))
    done = cli("optimize", "--time-limit", 1)
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert "warning: the record of node 'a' is dropped" in done.err
    assert "makespan: error: " in done.err
    assert not (folder / "plan.json").exists()


def test_a_cyclic_dag_and_a_cyclic_profile(cli, folder):
    (folder / "circle.py").write_text(
        "from makespan import DAG\nd = DAG('circle')\n"
        "d.add(abs, d.ref('b'), name='a')\nd.add(abs, d.ref('a'), name='b')\n"
    )
    for verb in ("run", "profile"):
        done = cli(verb, "circle:d")
        assert done.code == Exit.USAGE
        assert "in a circle: a → b → a" in done.err
    text = make_profile({"a": [], "b": ["a"]}).to_json().decode()
    (folder / "profile.json").write_text(text.replace('"after": []', '"after": ["b"]', 1))
    done = cli("optimize")
    assert done.code == Exit.USAGE
    assert "circle" in done.err
