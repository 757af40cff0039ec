"""makespan run: a part of a DAG, a time limit, going on after errors; what it says, writes and returns."""

from __future__ import annotations

import importlib
import json
import signal
import subprocess
import sys
import time

import pytest

from makespan import close_workers
from makespan.cli import main, options
from makespan.cli.config import settings as config
from makespan.cli.parser import verb_module, verb_parser
from makespan.record import load_record
from tests.cli_tools import clean_environment, command, listen_to_ctrl_c

SOURCE = """
import time
from makespan import dag, node

@node(tags="io")
def fetch():
    return 1

@node
def parse(x):
    return x + 1

@node
def bad(x):
    raise ValueError("broken")

@node
def after_bad(x):
    return x

@node
def count(x):
    return x

@node(retries=1, retry_wait_s=0)
def flaky(tried=[]):
    tried.append(1)
    if len(tried) % 2:
        raise OSError("once")

@dag
def news(publish=False):
    raw = fetch()
    parsed = parse(raw)
    flaky()
    return count(parsed), fetch.options(when=publish, name="published")()

@dag
def broken():
    raw = fetch()
    return after_bad(bad(raw)), count(raw)

@node
def slow(s):
    time.sleep(s)

@dag
def elsewhere():
    slow.options(mode="process", timeout_s=0.05)(60)
    return bad.options(mode="process")(1)

@dag
def sleepy(s: float = 0.3):
    return count(slow(s))
"""


@pytest.fixture
def ran(tmp_path, monkeypatch, capfd):
    """Run the command line on that source; returns (exit code, stdout, stderr, record or None)."""
    (tmp_path / "pipes_of_run.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)

    def go(*words):
        code = main(["run", *words])
        said = capfd.readouterr()
        record = load_record("run.json") if (tmp_path / "run.json").exists() else None
        return code, said.out, said.err, record

    yield go
    sys.path[:] = path
    sys.modules.pop("pipes_of_run", None)
    importlib.invalidate_caches()


def statuses(record):
    return {node.name: node.status for node in record.nodes}


def test_a_part_of_a_dag(ran):
    code, _, err, record = ran("pipes_of_run.py:news", "--target", "parse", "--without", "flaky")
    assert code == 0
    assert statuses(record) == {"fetch": "ok", "parse": "ok"}
    assert set(record.left_out) == {"count", "flaky", "published"}
    assert "left out: flaky, count, published" in err
    code, _, _, record = ran("pipes_of_run.py:news", "--target", "tag:io")
    assert code == 0
    assert statuses(record) == {"fetch": "ok", "published": "skipped"}


def test_skipped_and_tried_again(ran):
    code, _, err, record = ran("pipes_of_run.py:news")
    assert code == 0
    assert statuses(record)["published"] == "skipped"
    assert "skipped: published" in err
    assert {node.name: node.attempts for node in record.nodes}["flaky"] == 2
    assert "tried again: flaky (2 attempts)" in err
    code, _, _, record = ran("pipes_of_run.py:news", "--args", '{"publish": true}')
    assert statuses(record)["published"] == "ok"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--target", "pars"], "--target: 'news' has no node 'pars' (did you mean 'parse'?)"),
        (["--target", "flaky", "--without", "flaky"], "--target: 'flaky' is asked for, and left out as well"),
        (["--root", "parze"], "--root: 'news' has no node 'parze' (did you mean 'parse'?)"),
        (["--without", "tag:oi"], "--without: no node of 'news' has the tag 'oi' (tags: io)"),
        (
            ["--root", "count"],
            "--root: 'count' would run, but takes the result of 'parse', which does not run",
        ),
        (["--timeout", "0"], "a time limit for the run in seconds is a number above 0"),
        (["--timeout", "nan"], "a time limit for the run in seconds is a number above 0"),
        (["--on-error", "go"], "after an error the run can stop or continue, not 'go'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(ran, words, said):
    code, _, err, record = ran("pipes_of_run.py:news", *words)
    assert code == 2
    assert said in err
    assert record is None


def test_an_error_stops_or_not(ran):
    code, _, err, record = ran("pipes_of_run.py:broken", "--on-error", "continue")
    assert code == 1
    assert statuses(record) == {"fetch": "ok", "bad": "failed", "count": "ok"}
    assert record.dropped == ("after_bad",)
    assert record.status == "failed"
    assert "not run, after a failure of what it waits for: after_bad" in err
    assert "ValueError: broken" in err
    assert "a node raised: 'bad'" in err
    code, _, err, record = ran("pipes_of_run.py:broken", "--threads", "1")
    assert code == 1
    assert record.dropped == ()
    assert "after_bad" in record.not_started


def test_what_goes_wrong_in_a_worker_is_told_without_frames_of_makespan(ran):
    code, _, err, record = ran("pipes_of_run.py:elsewhere", "--on-error", "continue", "--threads", "2")
    close_workers()
    assert code == 1
    assert statuses(record) == {"slow": "timed out", "bad": "failed"}
    assert "ValueError: broken" in err
    assert 'pipes_of_run.py", line' in err  # in the worker
    assert "TimeoutError: node 'slow' took longer than its timeout of 0.05 s" in err
    for ours in ("resident.py", "general.py", "plain.py", "WorkerDied", "its time was up"):
        assert ours not in err


def test_a_run_that_takes_too_long(ran):
    code, _, err, record = ran("pipes_of_run.py:sleepy", "--timeout", "0.05", "--threads", "2")
    assert code == 1
    assert record.status == "timed out"
    assert statuses(record) == {"slow": "unfinished"}
    assert record.not_started == ("count",)
    assert "timed out after" in err
    assert "error: the run took longer than its timeout of 0.05 s; still running: 'slow'" in err
    code, _, _, record = ran("pipes_of_run.py:sleepy", "--timeout", "60", "--args", "[0]")
    assert (code, record.status) == (0, "ok")


def test_defaults_come_from_settings_and_give_way_to_options(tmp_path):
    def read(table, environment, *words):
        (tmp_path / "pyproject.toml").write_text(f"[tool.makespan]\n{table}")
        parser = verb_parser("run", verb_module("run"))
        parser.set_defaults(**config(parser, tmp_path, environment))
        return parser.read(words)

    found = read(
        'timeout = 5\non-error = "continue"\ntargets = ["a", "b"]\nwithout = "c"\nallow-stale = true', {}
    )
    assert (found.timeout, found.on_error, found.allow_stale) == (5.0, "continue", True)
    assert (found.targets, found.without, found.roots) == (["a", "b"], ["c"], None)
    found = read('targets = ["a", "b"]', {"MAKESPAN_ROOTS": "r, s"}, "--target", "x", "--target=y")
    assert (found.targets, found.roots) == (["x", "y"], ["r", "s"])
    for wrong in ("targets = [1]", "targets = 1", "on-error = 'go'", "timeout = -1"):
        with pytest.raises(options.OptionError):
            read(wrong, {})


def test_the_record_on_stdout_is_only_the_record(ran):
    code, out, _, _ = ran("pipes_of_run.py:news", "--without", "fetch", "--json")
    assert code == 0
    assert set(json.loads(out)["left_out"]) == {"fetch", "parse", "count"}


# -- several runs --------------------------------------------------------------------------------------------


def test_repeated_runs_have_a_record_each(ran, tmp_path):
    code, out, err, record = ran("pipes_of_run.py:news", "--repeat", "3", "--threads", "2")
    assert (code, out, record) == (0, "", None)
    files = sorted(path.name for path in tmp_path.glob("run-*.json"))
    assert files == ["run-1.json", "run-2.json", "run-3.json"]
    assert [f"wrote {name}" in err for name in files] == [True] * 3
    records = [load_record(tmp_path / name) for name in files]
    assert [statuses(its) for its in records] == [statuses(records[0])] * 3
    assert sorted({its.started_at for its in records}) == [its.started_at for its in records]
    assert ran("pipes_of_run.py:news", "--repeat", "2", "-o", "made/of-{}.json", "-q")[0] == 2  # no folder
    (tmp_path / "made").mkdir()
    code, out, err, _ = ran("pipes_of_run.py:news", "--repeat", "1", "-o", "made/of-{}.json", "-q", "--json")
    assert (code, err, [its["status"] for its in json.loads(out)]) == (0, "", ["ok"])
    assert (tmp_path / "made" / "of-1.json").exists()


def test_repeating_ends_at_the_first_run_that_fails(ran, tmp_path):
    code, _, err, _ = ran("pipes_of_run.py:broken", "--repeat", "3")
    assert (code, err.count("a node raised: 'bad'")) == (1, 1)
    assert [path.name for path in tmp_path.glob("run-*.json")] == ["run-1.json"]
    assert load_record(tmp_path / "run-1.json").status == "failed"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--repeat", "2", "-o", "run.json"], "--repeat: 2 runs go to 2 files, 'run.json' is one"),
        (["--repeat", "2", "-o", "-"], "--repeat: 2 runs go to 2 files, '-' is one"),
        (["--repeat", "0"], "the number of runs is a whole number from 1 to 1000, not '0'"),
    ],
)
def test_repeats_that_cannot_be_written_are_refused(ran, words, said):
    code, out, err, record = ran("pipes_of_run.py:news", *words)
    assert (code, out, record) == (2, "", None)
    assert said in err


def test_a_file_of_another_kind_is_found_before_the_first_run(ran, tmp_path):
    (tmp_path / "run-3.json").write_text("mine")
    code, _, err, _ = ran("pipes_of_run.py:news", "--repeat", "3")
    assert code == 2
    assert "run-3.json" in err
    assert [path.name for path in tmp_path.glob("run-*.json")] == ["run-3.json"]


SECOND_WAITS = """
import pathlib, time
from makespan import dag, node

@node
def waits():
    if pathlib.Path("run-1.json").exists():
        pathlib.Path("started").touch()
        time.sleep(60)

@dag
def twice():
    waits()
"""


def test_ctrl_c_ends_all_repeats_and_keeps_the_records(tmp_path):
    (tmp_path / "twice.py").write_text(SECOND_WAITS)
    words = command("run", "twice.py", "--repeat", "3")
    with subprocess.Popen(
        words,
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_ctrl_c,
    ) as process:
        try:
            deadline = time.monotonic() + 30
            while not (tmp_path / "started").exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert [load_record(tmp_path / f"run-{i}.json").status for i in (1, 2)] == ["ok", "interrupted"]
    assert not (tmp_path / "run-3.json").exists()
