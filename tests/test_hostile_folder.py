"""makespan in a folder whose files bear the names of its own rooms and of the standard library's."""

from __future__ import annotations

import json

import pytest

from makespan.record import load_record
from tests.cli_tools import PIPELINE, run_process

# Names of our folders and modules; `profile` and `queue` are Python's own too (cProfile imports the first).
HOSTILE = (
    "runtime",
    "optimizer",
    "plan",
    "graph",
    "profile",
    "dispatch",
    "describe",
    "record",
    "run",
    "cli",
    "queue",
)

# The pipeline asks for what the hostile files would hide.
ASKING = (
    "import cProfile\nimport queue\n\nassert cProfile.Profile and queue.SimpleQueue\n\n"
    + PIPELINE
    + '\n\n@node(mode="process")\ndef count(word):\n    return len(word)\n'
    + '\n\n@dag\ndef counts(word="abc"):\n    return count(word)\n'
)


@pytest.fixture
def folder(tmp_path):
    for name in HOSTILE:
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('{name}.py of the user was imported')\n")
    (tmp_path / "pipeline.py").write_text(ASKING)
    return tmp_path


@pytest.mark.parametrize("module", [False, True], ids=["script", "python -m"])
def test_the_whole_path_in_a_hostile_folder(folder, module):
    for words in (
        ["profile", "pipeline:news", "--runs", "1"],
        ["optimize", "profile.json", "--threads", "2", "--time-limit", "3"],
        ["run", "pipeline.py:news", "--plan", "plan.json"],
        ["tune", "pipeline:news", "--profile", "profile.json", "--time-limit", "0.5", "-o", "tuned.json"],
        ["report", "run.json"],
        ["report", "run.json", "-o", "gantt.png"],
        ["what-if", "profile.json", "--threads", "1,2"],
        ["explain", "plan.json", "render"],
        ["compare", "plan.json", "run.json"],
        ["check", "plan.json", "pipeline:news"],
        ["doctor"],
        ["run", "pipeline.py:counts", "-o", "counts.json"],
    ):
        done = run_process(*words, folder=folder, module=module)
        assert done.code == 0, (words, done.err)
        assert "was imported" not in done.err
    assert load_record(folder / "run.json").plan is not None
    assert [node.process for node in load_record(folder / "counts.json").nodes] == [0]


@pytest.mark.parametrize("module", [False, True], ids=["script", "python -m"])
def test_a_target_of_such_a_name_is_the_users_file(folder, module):
    (folder / "profile.py").write_text(PIPELINE)
    (folder / "graph.py").write_text(PIPELINE)
    for target in ("profile:news", "profile.py:news", "graph:news", "./graph.py"):
        done = run_process(
            "run", target, "--json", "-o", f"{target.count('.')}.json", folder=folder, module=module
        )
        assert done.code == 0, (target, done.err)
        assert json.loads(done.out)["dag"]["target"] == target


@pytest.mark.parametrize("module", [False, True], ids=["script", "python -m"])
def test_a_hostile_target_is_shown_as_what_it_is(folder, module):
    done = run_process("run", "profile:news", folder=folder, module=module)
    assert done.code == 2
    assert "RuntimeError: profile.py of the user was imported" in done.err
    assert done.err.splitlines()[-1].startswith(
        "makespan: error: profile:news: the module raised RuntimeError"
    )
