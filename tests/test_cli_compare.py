"""``makespan compare`` on the command line."""

from __future__ import annotations

import json
import sys
import types

import msgspec
import pytest

from makespan.cli import main
from makespan.cli.codes import Exit
from tests.builders import make_profile
from tests.cli_tools import Outcome
from tests.report_data import blog_run, make_plan, node_plan


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


# -- the gate ------------------------------------------------------------------------------------------------


@pytest.fixture
def groups(cli, tmp_path):
    """Write old-0.json … and new-0.json …, where new takes `times` as long."""

    def write(times, old=5, new=5):
        for name, count, factor in (("old", old, 1.0), ("new", new, times)):
            for i in range(count):
                at = f"2025-11-22T20:{i:02}:00.000+00:00"
                run = blog_run()
                stretched = msgspec.structs.replace(
                    run,
                    makespan_s=run.makespan_s * (factor + 0.01 * (i % 3)) + 1.0 * factor,
                    started_at=at,
                )
                stretched.save(tmp_path / f"{name}-{i}.json")
        return cli

    return write


GROUPS = ("old-*.json", "--against", "new-*.json")


def test_the_gate_closes_and_opens(groups):
    done = groups(1.3)(*GROUPS, "--fail-if-slower", "5%")
    assert (done.code, done.err) == (Exit.JUDGED, "")
    assert done.out.startswith("slower by more than 5 %: b takes 3")
    assert "a: old-0.json and 4 more, median of 5 runs" in done.out
    assert groups(1.3)(*GROUPS, "--fail-if-slower", "60%").code == Exit.OK
    done = groups(1.0)(*GROUPS, "--fail-if-slower", "5%", "--strict")
    assert (done.code, done.err) == (Exit.OK, "")
    assert done.out.startswith("not slower by more than 5 %: b takes as long as a\n")


def test_too_few_runs_are_a_warning_or_with_strict_a_failure(groups):
    cli = groups(1.3, new=3)
    done = cli(*GROUPS, "--fail-if-slower", "5%")
    assert done.code == Exit.OK
    assert done.err.count("\n") == 1
    assert "cannot tell whether b is slower by more than 5 %" in done.err
    assert "2 more of b are needed (5 a side at least)" in done.err
    assert cli(*GROUPS, "--fail-if-slower", "5%", "--strict").code == Exit.JUDGED
    done = cli("old-0.json", "new-0.json", "--fail-if-slower", "5%")
    assert done.code == Exit.OK
    assert "4 more of a and 4 more of b are needed" in done.err
    assert "b: new-0.json, one run " in done.out


def test_two_plans_are_compared_by_what_they_expect(cli, tmp_path):
    slow = make_plan([node_plan("a", 0, 0.0, 5.0, 0)])
    make_plan([node_plan("a", 0, 0.0, 4.0, 0)]).save(tmp_path / "fast.json")
    slow.save(tmp_path / "slow.json")
    done = cli("fast.json", "slow.json", "--fail-if-slower", "5%")
    assert (done.code, done.err) == (Exit.JUDGED, "")
    assert done.out.startswith("slower by more than 5 %: b is expected to take 25 % longer than a\n")
    assert "no test, nothing was run" in done.out
    assert cli("slow.json", "fast.json", "--fail-if-slower", "5%", "--strict").code == Exit.OK


def test_the_gate_as_json(groups):
    data = json.loads(groups(1.3)(*GROUPS, "--fail-if-slower", "5%", "--json").out)
    gate = data["gate"]
    assert (data["kind"], gate["answer"], gate["by"], gate["tolerance"]) == ("runs", "slower", "runs", 0.05)
    assert 1.2 < gate["low"] <= gate["ratio"] <= gate["high"] < 1.4
    assert gate["labels"] == ["old-0.json and 4 more", "new-0.json and 4 more"]


def test_groups_without_a_gate_are_compared_too(groups):
    done = groups(1.3)(*GROUPS)
    assert (done.code, done.err) == (Exit.OK, "")
    assert done.out.startswith("b takes 3")
    assert "95 % interval of b against a" in done.out
    assert "critical chain of b" in done.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan.json", "run.json", "--fail-if-slower", "5%"], "plan.json: is a plan: the gate takes runs"),
        (
            ["run.json", "run.json", "--fail-if-slower", "5"],
            "a share is written as 5%, from 0% to 1000%, not",
        ),
        (["run.json", "run.json", "--fail-if-slower", "nan%"], "a share is written as 5%"),
        (["run.json", "run.json", "--fail-if-slower", "-1%"], "--fail-if-slower: expected one argument"),
        (["run.json", "run.json", "--strict"], "--strict: is for the gate (--fail-if-slower 5% --strict)"),
        (["run.json", "--against", "none*.json"], "none*.json: no file has such a name"),
        (["--against", "run.json"], "the following arguments are required: A, B"),
        ([], "the following arguments are required: A, B"),
        (["-", "--against", "-"], "only one of the two can come from stdin"),
        (["run.json", "--against", "plan.json"], "plan.json: is a plan: the gate takes runs"),
        (["run.json", "profile.json", "--fail-if-slower", "5%"], "profile.json: is a profile"),
    ],
)
def test_what_the_gate_refuses(cli, words, said):
    done = cli(*words)
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert done.err.count("\n") == 1
    assert said in done.err
