"""The installed command in processes of its own: signals, pipes, what is imported, the whole path."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest

from makespan.cli.parser import SUBVERBS, VERBS, verb_module
from makespan.record import load_record, parse_record
from tests.cli_tools import PIPELINE, clean_environment, command, listen_to_ctrl_c, run_process

SLOW = """\
import time
from pathlib import Path

from makespan import dag, node


@node
def quick():
    return 1


@node
def slow(x, name):
    Path(f"{name}.started").touch()
    time.sleep(60)


@dag
def waits():
    x = quick()
    return [slow(x, "one"), slow(x, "two")]
"""

LOUD = """\
import os
import sys
import threading
import time
from pathlib import Path

from makespan import dag, node


@node
def loud(name):
    Path(f"{name}.started").touch()
    while True:
        if threading.current_thread() is threading.main_thread():
            time.sleep(0.01)
        else:
            print("loud", flush=True)
            os.write(1, b"loud too\\n")
            time.sleep(0.0001)


@dag
def both():
    return [loud("one"), loud("two")]
"""

HEAVY = ("numpy", "networkx", "pandas", "matplotlib", "ortools", "cloudpickle", "makespan_optimizer")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    (tmp_path / "slow.py").write_text(SLOW)
    return tmp_path


@pytest.mark.parametrize("module", [False, True])
def test_both_entries(folder, module):
    done = run_process("--version", folder=folder, module=module)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("makespan ")
    done = run_process("optimise", folder=folder, module=module)
    assert (done.code, done.out) == (2, "")
    assert done.err == "makespan: error: unknown verb 'optimise' (did you mean 'optimize'?)\n"
    done = run_process("run", "--help", folder=folder, module=module)
    assert done.out.startswith("usage: makespan run ")


def test_the_examples_of_the_help_work_as_they_are_pasted(folder):
    """In the order of the verbs, each finds the files of the one before; the demo has a test of its own."""
    examples = [
        (verb, shlex.split(example))
        for verb in [*VERBS, *SUBVERBS]
        if verb != "demo"
        for example in verb_module(verb).EXAMPLES
    ]
    for verb, words in examples:
        assert words[: 1 + len(verb.split())] == ["makespan", *verb.split()]
    code = "import json, sys\nfrom makespan.cli import main\n"  # one process for all: starting takes longest
    code += (
        "for words in json.load(sys.stdin):\n    print(words, code := main(words))\n    assert code == 0\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=folder,
        env=clean_environment(),
        input=json.dumps([words[1:] for _, words in examples]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout[-300:], done.stderr)
    for name in ("profile.json", "plan.json", "run.json", "report.html"):
        assert (folder / name).stat().st_size


@pytest.mark.parametrize("threads", ["1", "2"])
def test_ctrl_c_is_130_at_once_and_the_record_is_written(folder, threads):
    words = command("run", "slow:waits", "--threads", threads)
    with subprocess.Popen(
        words,
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_ctrl_c,
    ) as process:
        try:
            wanted = {"one.started", "two.started"} if threads == "2" else {"one.started"}
            deadline = time.monotonic() + 30
            while not all((folder / name).exists() for name in wanted) and time.monotonic() < deadline:
                time.sleep(0.01)
            sent = time.monotonic()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130, err
    assert time.monotonic() - sent < 20  # the nodes sleep for 60 s
    assert out == ""
    assert "Traceback" not in err
    assert err.endswith("makespan: interrupted\n")
    record = load_record(folder / "run.json")
    assert record.status == "interrupted"
    status = {node.name: node.status for node in record.nodes}
    assert status["quick"] == "ok"
    assert status["slow"] == "unfinished"
    assert ("slow_2" in status) == (threads == "2")


def test_ctrl_c_while_profiling(folder):
    words = command("profile", "slow:waits", "--sampler", "clocks")
    with subprocess.Popen(
        words,
        cwd=folder,
        env=clean_environment(),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_ctrl_c,
    ) as process:
        try:
            deadline = time.monotonic() + 30
            while not (folder / "one.started").exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130, err
    assert err.endswith("makespan: interrupted before a counted run was complete: nothing to keep\n")
    assert "Traceback" not in err
    assert not (folder / "profile.json").exists()


@pytest.mark.parametrize("pause_s", [0.02, 0.05])
@pytest.mark.parametrize("output", ["run.json", "-"])
def test_a_second_ctrl_c_costs_nothing(folder, pause_s, output):
    """Neither the record nor its readability: the helper goes on printing while the record is written."""
    (folder / "loud.py").write_text(LOUD)
    with subprocess.Popen(
        command("run", "loud:both", "--threads", "2", "-o", output, "--json"),
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_ctrl_c,
    ) as process:
        try:
            deadline = time.monotonic() + 30
            while not all((folder / f"{name}.started").exists() for name in ("one", "two")):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            time.sleep(pause_s)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "loud" in err
    assert parse_record(out.encode()).status == "interrupted"
    if output != "-":
        assert load_record(folder / output).status == "interrupted"


def test_a_closed_pipe_is_not_a_traceback(folder):
    run_process("profile", "pipeline:news", "--runs", "1", "--sampler", "clocks", "-q", folder=folder)
    run_process("optimize", "--time-limit", "1", "-q", folder=folder)
    failing = ["run", "pipeline:news", "--args", '{"fail": true}']
    for words, code in (
        (["--help"], 0),
        (["run", "pipeline:news", "-o", "-"], 0),
        (["run", "pipeline:news", "--json", "-q"], 0),
        ([*failing, "--json"], 1),
        ([*failing, "-o", "-"], 1),
        (["check", "plan.json", "pipeline:news", "--json"], 0),
        (["check", "plan.json", "slow:waits"], 1),
        (["check", "plan.json", "slow:waits", "--json"], 1),
    ):
        reading, writing = os.pipe()
        os.close(reading)
        try:
            done = subprocess.run(
                command(*words),
                cwd=folder,
                env=clean_environment(),
                stdout=writing,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        finally:
            os.close(writing)
        assert done.returncode == code, (words, done.stderr)
        assert ("Traceback" in done.stderr) == ("run" in words and code == 1)  # the node's own
        assert "BrokenPipe" not in done.stderr


def test_a_full_disk_behind_stdout_is_an_error(folder):
    with open("/dev/full", "w") as full:
        done = run_process(
            "run",
            "pipeline:news",
            "-o",
            "-",
            folder=folder,
            capture_output=False,
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert done.code == 2
    assert done.err.endswith("makespan: error: standard output: cannot write: No space left on device\n")


def test_stdin_to_stdout(folder):
    run_process("profile", "pipeline:news", "--runs", "1", "--sampler", "clocks", "-q", folder=folder)
    profile = (folder / "profile.json").read_text()
    plan = run_process("optimize", "-", "-o", "-", "--time-limit", "2", folder=folder, input=profile)
    assert plan.code == 0, plan.err
    record = run_process("run", "pipeline:news", "--plan", "-", "-o", "-", folder=folder, input=plan.out)
    assert record.code == 0, record.err
    report = run_process("report", "-", "-o", "-", folder=folder, input=record.out)
    assert report.out.lower().startswith("<!doctype html")
    assert (
        json.loads(run_process("explain", "-", "--json", folder=folder, input=plan.out).out)["dag"] == "news"
    )


def test_a_node_that_raises_and_a_stale_plan_are_1(folder):
    done = run_process("run", "pipeline:news", "--args", '{"fail": true}', folder=folder)
    assert done.code == 1
    assert "LookupError: nothing at a/b" in done.err
    assert load_record(folder / "run.json").status == "failed"


def test_a_locale_without_utf8(folder):
    """An arrow that the locale cannot say is written as an escape."""
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    run_process("run", "pipeline:news", "-q", folder=folder)
    done = run_process("report", "--format", "text", "-o", "-", folder=folder, environment=environment)
    assert done.code == 0, done.err
    assert done.out.startswith("makespan report")


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        (["--version"], None),
        (["--help"], None),
        (["run", "--help"], "run"),
        (["run", "pipeline:news", "-q"], "run"),
        (["run", "pipeline:news", "-q", "-f"], "run"),
        (["report", "run.json", "-q"], "report"),
    ],
)
def test_what_production_runs_stays_light(folder, words, verb):
    run_process("run", "pipeline:news", "-q", folder=folder)
    text = (
        "import sys\nfrom makespan.cli import main\n"
        f"code = main({words!r})\nprint('loaded', *sys.modules, file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stderr.splitlines()[-1].split()[1:])
    assert not loaded & set(HEAVY)
    verbs = {module for module, _ in VERBS.values()}
    assert {name for name in verbs if f"makespan.cli.{name}" in loaded} == ({verb} if verb else set())
    assert "tomllib" not in loaded


def test_a_missing_extra_names_the_pip_line(folder):
    run_process("profile", "pipeline:news", "--runs", "1", "--sampler", "clocks", "-q", folder=folder)
    text = (
        "import sys\nsys.modules['ortools'] = None\n"
        "from makespan.cli import main\nsys.exit(main(['optimize']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "pip install 'makespan[optimize]'" in done.stderr
    assert "Traceback" not in done.stderr
