"""``makespan compare`` on the command line."""

from __future__ import annotations

import json
import sys
import types

import pytest

from makespan.cli import main
from makespan.cli.codes import Exit
from tests.builders import make_profile
from tests.cli_tools import Outcome
from tests.report_data import blog_run


@pytest.fixture
def cli(tmp_path, monkeypatch, capfd):
    """Run the verb in a folder with a plan, a run and a profile, and return how it ended."""
    monkeypatch.chdir(tmp_path)
    run = blog_run()
    run.save("run.json")
    assert run.plan is not None
    run.plan.save("plan.json")
    make_profile({"a": []}).save("profile.json")

    def call(*words):
        capfd.readouterr()
        code = main(["compare", *words])
        return Outcome(code, *capfd.readouterr())

    return call


def test_the_kind_of_a_file_is_seen_from_its_format(cli):
    assert "planned 3.00 s, actual" in cli("plan.json", "run.json").out
    assert cli("run.json", "plan.json").out == cli("plan.json", "run.json").out
    assert cli("run.json", "run.json").out.endswith("no difference\n")
    assert cli("plan.json", "plan.json").code == Exit.OK


def test_json(cli):
    done = cli("plan.json", "run.json", "--json")
    data = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert (data["kind"], data["a"]["label"], data["b"]["label"]) == ("plan and run", "plan.json", "run.json")


def test_one_from_stdin(cli, tmp_path, monkeypatch):
    data = (tmp_path / "run.json").read_bytes()
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=types.SimpleNamespace(read=lambda: data)))
    assert cli("plan.json", "-").code == Exit.OK
    done = cli("-", "-")
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert "only one of the two can come from stdin" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan.json"], "the following arguments are required: B"),
        (["plan.json", "run.json", "run.json"], "a word too many: 'run.json'"),
        (["plan.json", "none.json"], "none.json: cannot be read: No such file or directory"),
        (["plan.json", "profile.json"], "profile.json: is a profile (plans and runs are compared)"),
        (["plan.json", "text.json"], "text.json: is not a makespan-run file"),
        (["run.json", "torn.json"], "torn.json: is not JSON"),
        (["run.json", "other.json"], "other.json: is of another DAG ('mail') than run.json ('"),
    ],
)
def test_what_is_refused(cli, tmp_path, words, said):
    (tmp_path / "text.json").write_text('{"hello": 1}')
    text = (tmp_path / "run.json").read_text()
    (tmp_path / "torn.json").write_text(text[:300])
    (tmp_path / "other.json").write_text(text.replace('"news"', '"mail"').replace("f" * 64, "e" * 64))
    done = cli(*words)
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert done.err.count("\n") == 1
    assert said in done.err
