"""``makespan demo``: the folder, the race, the words, and the whole path on a small DAG."""

from __future__ import annotations

import importlib.util
import itertools
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import MakespanError, MissingExtraError, OptionError, load_plan, load_profile, load_record
from makespan_optimizer.demo import DemoResult, demo, driver
from makespan_optimizer.demo import folder as place
from makespan_optimizer.demo.race import MEASURED_RUNS, measured, race, spread, steps

TINY = '''
"""A small stand-in for the survey."""
import time
from makespan import dag, node

calls = []

@node
def wait(seconds, *after):
    calls.append(seconds)
    time.sleep(seconds)
    return seconds

@node(lock="one")
def total(*parts):
    return sum(parts)

@dag
def survey(files=3):
    slow = wait(0.03)
    first = wait(0.01)
    second = wait(0.01, first)
    third = wait(0.01, second)
    return {"sum": total(slow, third), "first": total(first), "files": total(files)}
'''


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Put a DAG of a few hundredths of a second in the survey's place; return where."""
    source = tmp_path / "shipped" / place.EXAMPLE
    source.parent.mkdir()
    source.write_text(TINY)
    monkeypatch.setattr(place, "find_example", lambda: source)
    monkeypatch.setattr(driver, "PROFILE_RUNS", 1)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "stdlib_survey", raising=False)
    yield source
    sys.modules.pop("stdlib_survey", None)


QUICK = {"repeats": 2, "time_limit_s": 1.0}


# -- the folder


def test_the_example_is_found():
    assert place.find_example() == Path(__file__).parents[1] / "examples" / "stdlib_survey.py"


def test_a_new_folder_and_the_demos_own_files_are_fine(tmp_path):
    place.ensure_usable(tmp_path / "new", b"text")
    assert not (tmp_path / "new").exists()
    (tmp_path / "plan.json").write_text('{"format": "makespan-plan/1", "dag": {"name": "survey"}}')
    (tmp_path / "report.html").write_text("<!doctype html>")
    place.put_example(tmp_path, b"text")
    place.ensure_usable(tmp_path, b"text")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("profile.json", '{"mine": 1}'),
        ("plan.json", '{"format": "makespan-run/1"}'),
        ("plan.json", '{"format": "makespan-plan/1", "dag": {"name": "mine"}}'),
        ("run.json", "notes"),
        ("report.html", "my report"),
        ("gantt.png", "a picture"),
        ("stdlib_survey.py", "changed"),
    ],
)
def test_files_of_others_are_kept(tmp_path, tiny, name, text):
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / name).write_text(text)
    with pytest.raises(OptionError, match=name):
        demo(folder, **QUICK)
    assert [path.name for path in folder.iterdir()] == [name]
    assert (folder / name).read_text() == text
    place.ensure_usable(folder, b"text", force=True)


def test_a_file_is_not_a_folder(tmp_path, tiny):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OptionError, match="is not a folder"):
        demo(tmp_path / "file", **QUICK)
    with pytest.raises(OptionError, match="cannot be made"):
        demo(tmp_path / "file" / "below", **QUICK)


@pytest.mark.parametrize(
    "wrong",
    [
        {"threads": 0},
        {"threads": -1},
        {"threads": math.nan},
        {"repeats": 0},
        {"repeats": 2.5},
        {"time_limit_s": math.nan},
        {"time_limit_s": 0},
        {"files": 0},
    ],
)
def test_wrong_options_are_refused_before_anything(tmp_path, tiny, wrong):
    with pytest.raises(OptionError):
        demo(tmp_path / "demo", **wrong)
    assert not (tmp_path / "demo").exists()


def test_a_missing_package_is_named_before_anything(tmp_path, tiny, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.delitem(sys.modules, "matplotlib", raising=False)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else found(name)
    )
    with pytest.raises(MissingExtraError, match=r"matplotlib.*makespan\[all\]"):
        demo(tmp_path / "demo", **QUICK)
    assert not (tmp_path / "demo").exists()


# -- the race


class Runner:
    """Stands for a prepared DAG; its runs take the seconds it is given."""

    def __init__(self, name, log, seconds=(1.0,), result=42):
        self.name, self.log, self.result = name, log, result
        self.seconds = itertools.cycle(seconds)

    def run(self, *, measure, **inputs):
        self.log.append(self.name.upper() if measure else self.name)
        return SimpleNamespace(result=self.result, makespan_s=next(self.seconds), inputs=inputs)


def test_rounds_take_turns():
    log, labels = [], []
    found = race(
        Runner("d", log, [3.0, 2.0]),
        Runner("p", log, [2.0, 2.5, 1.0, 4.0]),
        Runner("s", log),
        {},
        42,
        repeats=4,
        step=labels.append,
    )
    assert "".join(log) == "dpspdsdpspd"
    assert len(labels) + MEASURED_RUNS == steps(4) == 14
    assert found.default_s == (3.0, 2.0, 3.0, 2.0)
    assert found.planned_s == (2.0, 2.5, 1.0, 4.0)
    assert found.sequential_s == (1.0, 1.0, 1.0)
    assert found.wins == 2


def test_the_measured_run_that_is_shown_is_nearest_to_the_race():
    log = []
    assert measured(Runner("p", log, [4.0, 2.2, 1.0]), {}, 42, 2.0).makespan_s == 2.2
    assert log == ["P"] * MEASURED_RUNS
    with pytest.raises(MakespanError, match="returned something else"):
        measured(Runner("p", log, result=41), {}, 42, 2.0)


@pytest.mark.parametrize("wrong", ["d", "p", "s"])
def test_another_result_is_refused(wrong):
    default, planned, sequential = (Runner(name, [], result=41 if name == wrong else 42) for name in "dps")
    with pytest.raises(MakespanError, match="returned something else") as raised:
        race(default, planned, sequential, {}, 42, repeats=1)
    assert raised.value.where.startswith({"d": "default", "p": "plan", "s": "one after"}[wrong])


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=9))
@settings(deadline=None, max_examples=60)
def test_spread_is_of_the_values_and_not_of_their_order(values):
    assert spread(tuple(values)) >= 0
    assert spread(tuple(reversed(values))) == spread(tuple(values))
    assert spread((2.0,) * len(values)) == 0


# -- the words


def made(default, planned, **more):
    wins = sum(p < d for p, d in zip(planned, default, strict=True))
    fields = {
        "folder": "demo",
        "target": "stdlib_survey.py:survey",
        "nodes": 32,
        "threads": 4,
        "threads_why": "as asked",
        "cores": 2.0,
        "sequential_s": 5.0,
        "profiled_s": 5.0,
        "default_runs_s": tuple(default),
        "planned_runs_s": tuple(planned),
        "wins": wins,
        "predicted_s": 2.0,
        "lower_bound_s": 1.9,
        "binding": "GIL",
        "gap": 0.05,
        "winner": "cp-sat",
        "unsteady": False,
        "files": ("plan.json",),
    }
    return DemoResult(**{**fields, **more})


@pytest.mark.parametrize(
    ("default", "planned", "said"),
    [
        ([2.5, 2.5, 2.5], [2.0, 2.0, 2.0], "gained 20% over the default order: faster in 3 of 3 rounds"),
        ([2.0, 2.0, 2.0], [2.01, 1.99, 2.01], "No gain that counts (+0.5%, faster in 1 of 3 rounds)"),
        ([2.0, 2.0, 2.0], [2.5, 2.5, 2.5], "gained nothing here: 25% slower"),
        (
            [2.0, 2.0, 3.0],
            [1.8, 2.1, 1.5],
            "Nothing is proven: the medians differ by -10%, but the plan was faster",
        ),
        (
            [2.0, 2.0, 2.0],
            [1.8, 2.2, 2.2],
            "Nothing is proven: the medians differ by +10%, but the plan was faster",
        ),
    ],
)
def test_gain_and_loss_are_said_plainly(default, planned, said):
    result = made(default, planned)
    assert said in result.verdict()
    assert result.verdict() in result.text()


def test_text_has_every_figure():
    text = made([2.5, 2.6, 2.4], [2.1, 2.2, 2.0]).text()
    for word in (
        "5.00 s",
        "2.50 s",
        "2.10 s",
        "2.00 s",
        "1.90 s",
        "GIL",
        "gap 5.0%",
        "5.0% later",
        "4 threads",
    ):
        assert word in text
    assert "busy" not in text
    assert "busy" in made([2.5], [2.1], unsteady=True).text()
    assert "itself" not in text
    assert "machine itself was 25% slower" in made([2.5], [2.1], profiled_s=4.0).text()


# -- the whole path


def test_everything_is_written_and_can_be_read(tmp_path, tiny):
    folder, said, counts = tmp_path / "a b", [], []
    result = demo(
        folder,
        **QUICK,
        files=5,
        say=said.append,
        progress=lambda done, total, label: counts.append((done, total)),
    )
    assert sorted(path.name for path in folder.iterdir()) == sorted((place.EXAMPLE, *place.KINDS))
    profile, plan = load_profile(folder / "profile.json"), load_plan(folder / "plan.json")
    record = load_record(folder / "run.json")
    assert profile.dag == plan.dag == record.dag
    assert record.dag.target == result.target == "stdlib_survey.py:survey"
    assert record.plan == plan
    assert record.threads == plan.threads == result.threads
    assert record.comparison.default_s == result.default_runs_s
    assert record.comparison.planned_s == result.planned_runs_s
    assert record.comparison.sequential_s == result.sequential_s
    assert record.sampler is not None  # the run that is shown was measured
    assert (result.predicted_s, result.lower_bound_s) == (plan.makespan_s, plan.lower_bound_s)
    assert (folder / "report.html").read_bytes().lower().startswith(b"<!doctype html")
    assert (folder / "gantt.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / place.EXAMPLE).read_text() == TINY
    assert all(0 <= done <= total for done, total in counts)
    assert "expected:" in "".join(said)
    assert "cd 'a b'" not in result.text()  # the folder as it was given, which is absolute here
    assert str(folder) in result.text()
    assert json.loads((folder / "run.json").read_text())["nodes"]
    assert result.profiled_s == pytest.approx(sum(node.wall_net_s.median for node in profile.nodes))


def test_a_second_demo_in_the_same_folder(tmp_path, tiny):
    first = demo(tmp_path / "demo", **QUICK, threads=2)
    again = demo(tmp_path / "demo", **QUICK, threads=3)
    assert (first.threads, again.threads) == (2, 3)
    assert again.threads_why == "as asked"
    assert load_plan(tmp_path / "demo" / "plan.json").threads == 3


@pytest.mark.parametrize("stop_at", [1, 7, 11, 14])
def test_ctrl_c_leaves_whole_files_or_none(tmp_path, tiny, stop_at):
    """Calls 1 to 4 are the reference, 5 to 12 the profile, then comes the race."""
    tiny.write_text(
        TINY.replace("time.sleep(seconds)", f"if len(calls) == {stop_at}: raise KeyboardInterrupt").replace(
            "wait(0.03)", "wait(0.0)"
        )
    )
    with pytest.raises(KeyboardInterrupt):
        demo(tmp_path / "demo", **QUICK, threads=1)
    there = {path.name for path in (tmp_path / "demo").iterdir()}
    assert there == ({place.EXAMPLE} if stop_at <= 12 else {place.EXAMPLE, "profile.json", "plan.json"})
    if stop_at > 12:
        load_profile(tmp_path / "demo" / "profile.json")
        load_plan(tmp_path / "demo" / "plan.json")


def test_an_exception_of_a_node_arrives_as_it_is(tmp_path, tiny):
    tiny.write_text(TINY.replace("time.sleep(seconds)", "raise ZeroDivisionError"))
    with pytest.raises(ZeroDivisionError) as raised:
        demo(tmp_path / "demo", **QUICK)
    assert "in node 'wait" in raised.value.__notes__[0]


def test_a_result_that_varies_is_refused(tmp_path, tiny):
    tiny.write_text(TINY.replace("return seconds", "return len(calls)"))
    with pytest.raises(MakespanError, match="returned something else"):
        demo(tmp_path / "demo", **QUICK)
    assert not (tmp_path / "demo" / "run.json").exists()
