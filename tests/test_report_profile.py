"""A profile beside a run: what it fills, what it refuses; why nodes have their rank; the report as JSON."""

from __future__ import annotations

import json

import msgspec
import pytest

from makespan import DAG
from makespan.cli import main
from makespan.cli.codes import Exit
from makespan.errors import ProfileError
from makespan.machine import Machine
from makespan.measurement import Measured, Pickling, ThreadTrial, ThreadTrials
from makespan.plan import PlanBound, PlanGroup
from makespan.record import RunNode
from makespan.showing.figures import Shares
from makespan.showing.report import render, report_of, report_of_plan
from makespan.showing.words import clean
from tests.builders import make_profile
from tests.cli_tools import Outcome
from tests.report_data import HOSTILE, MACHINE, blog_run, make_plan, make_record, node_plan, random_run

replace = msgspec.structs.replace


def a_profile(**changes):
    profile = make_profile(
        {"a": [], "c": ["a"], "d": ["a"], "e": ["c", "d"], "b": ["a"]},
        {"a": 1.0, "c": 0.8, "d": 1.0, "e": 1.0, "b": 0.5},
        {"a": "io", "c": "python"},
    )
    nodes = tuple(replace(node, **changes.get(node.name, {})) for node in profile.nodes)
    return replace(profile, nodes=nodes, machine=MACHINE)


def row(report, name):
    return next(node for node in report.nodes if node.name == name)


def test_a_run_without_a_plan_is_filled_by_the_profile():
    record = replace(blog_run(), plan=None)
    plain, filled = report_of(record), report_of(record, profile=a_profile())
    assert {bar.shares for bar in plain.actual_bars} == {None}
    c = row(filled, "c")
    assert (c.kind, c.alone_s) == ("python", 0.8)
    bar = next(bar for bar in filled.actual_bars if bar.name == "c")
    assert isinstance(bar.shares, Shares)
    assert bar.shares.longer == pytest.approx(0.4 / 1.2)
    assert filled.gil_demand
    assert "planned times are not known" in filled.notes[0]
    assert "shares" not in filled.notes[0]


def test_the_plan_says_what_a_node_takes_and_the_profile_says_more():
    report = report_of(blog_run(), profile=a_profile())
    c = row(report, "c")
    assert (c.kind, c.alone_s) == ("mixed", 1.0)  # the plan's
    assert dict(c.profiled)["alone"].startswith("800 ms")
    assert report.actual_bars == report_of(blog_run()).actual_bars
    assert row(report_of(blog_run()), "c").profiled == ()


def test_what_the_profile_says_in_words():
    more = {
        "threads_used": 3,
        "gil_retakes": 1200,
        "gil_burst_max_s": 0.04,
        "first_s": 9.0,
        "args_pickling": Pickling(True, 0.001, 0.002, 1000),
        "result_pickling": Pickling(False, reason="a lock\x1b[2J"),
        "native_threads": ThreadTrials(
            ("openblas",), ThreadTrial(4, 1.0, 2.0, 3), (ThreadTrial(1, 0.9, 0.9, 3),)
        ),
        "blocked_s": {"io": 0.2, "sleep": 0.1},
    }
    told = dict(row(report_of(blog_run(), profile=a_profile(c=more)), "c").profiled)
    assert told["takes the GIL"] == "1,200 times"
    assert told["longest hold"] == "40 ms"
    assert told["threads"] == "3 on a core at once"
    assert told["first call"] == "9.00 s"
    assert told["native threads"] == "1 → 900 ms; by default 4 → 1.00 s"
    assert told["pickling"] == r"arguments 3.0 ms for 1,000 bytes; result cannot be pickled (a lock\x1b[2J)"
    assert told["blocked"].endswith(": 200 ms in IO, 100 ms asleep")


def test_a_node_that_was_not_measured_says_so():
    profile = a_profile()
    profile = replace(profile, nodes=tuple(node for node in profile.nodes if node.name != "b"))
    assert row(report_of(blog_run(), profile=profile), "b").profiled[0] == ("profile", "not measured")


def test_locks_and_coroutines_are_known_from_the_profile_alone():
    profile = a_profile()
    shapes = [
        replace(shape, locks=("db",) if shape.name in "cd" else (), stays="it is a coroutine function")
        if shape.name in "cda"
        else shape
        for shape in profile.shape
    ]
    record = make_record([RunNode("c", 0, 1, 0), RunNode("d", 1, 2, 1), RunNode("a", 2, 3, 0)], threads=2)
    report = report_of(record, profile=replace(profile, shape=tuple(shapes)))
    assert [(band.name, band.kind) for band in report.bands] == [("db", "lock")]
    assert (row(report, "c").locks, row(report, "a").mode) == (("db",), "coroutine")
    assert [its.cause for its in report.idle if (its.row, its.start_s) == (1, 0)] == ["lock"]


def test_profiles_that_do_not_fit_are_refused_or_told():
    with pytest.raises(ProfileError, match=r"of another DAG .* no node in common"):
        report_of(blog_run(), profile=make_profile({"z": []}))
    plan = blog_run().plan
    assert plan is not None
    with pytest.raises(ProfileError):
        report_of_plan(plan, profile=make_profile({"z": []}))
    part = report_of(blog_run(), profile=make_profile({"a": []}))
    assert "the profile does not have 4 nodes of those shown" in part.notes
    elsewhere = replace(a_profile(), machine=Machine("CPython 3.13.0", True, "linux", "x", 8.0, 0.005))
    assert any(
        "the profile is of another machine" in note for note in report_of_plan(plan, profile=elsewhere).notes
    )
    assert report_of_plan(plan, profile=a_profile()).notes == ()
    report_of(random_run(0), profile=a_profile())  # nothing ran: nothing can be in common


# -- why -----------------------------------------------------------------------------------------------


def test_why_a_node_has_its_rank_and_groups():
    plan = make_plan(
        [
            node_plan("a", 0, 0.0, 1.0, 0, critical=True),
            node_plan("b", 1, 1.0, 2.0, 0, after=("a",), critical=True, locks=("db",)),
            node_plan("c", 2, 0.0, 1.5, 1, slack_s=1.0, locks=("db",)),
        ],
        groups=(
            PlanGroup("lock db", ("b", "c"), 1, "lock", "declared"),
            PlanGroup("GIL holders", ("a", "c"), 1, "gil", "each holds the GIL; 3 s instead of 4 s"),
        ),
        bounds=(PlanBound("threads", 2.25), PlanBound("critical path", 3.0)),
    )
    report = report_of_plan(plan)
    assert row(report, "a").why == (
        "Critical: a delay of it delays the end. Rank 0 of 3: 2.00 s come after it (b). "
        "At most one of GIL holders at a time, with c: each holds the GIL; 3 s instead of 4 s."
    )
    assert row(report, "c").why.startswith(
        "Slack 1.00 s: so much later would not delay the end. Rank 2 of 3: nothing comes after it. "
        "Never beside b: lock db."
    )
    assert [bound.name for bound in report.bounds] == ["critical path", "threads"]  # the largest first
    assert row(report, "b").rank == 1


def test_whys_of_hostile_names_are_clean():
    for node in report_of(random_run(len(HOSTILE), names=HOSTILE)).nodes:
        assert clean(node.why) == node.why
        node.why.encode()


# -- JSON ----------------------------------------------------------------------------------------------


def test_the_json_holds_what_follows_from_others():
    record = random_run(12)
    report = report_of(record)
    data = json.loads(render(record, "json"))
    assert (data["format"], data["kind"]) == ("makespan-report/1", "run")
    assert data["speedup"] == report.speedup
    assert data["error_share"] == report.error_share
    assert data["extent_s"] == report.extent_s
    assert [node["error_s"] for node in data["nodes"]] == [node.error_s for node in report.nodes]
    assert data["lanes"] == json.loads(msgspec.json.encode(report.lanes))
    assert record.plan is not None
    assert json.loads(render(record.plan, "json"))["kind"] == "plan"


def test_the_json_of_hostile_names_is_read_again():
    data = render(random_run(len(HOSTILE), names=HOSTILE), "json")
    assert {node["name"] for node in json.loads(data)["nodes"]} == set(HOSTILE)


def test_the_cause_of_an_error_is_in_it():
    plan = make_plan([node_plan("a", 0, 0.0, 0.5, 0, gil_s=0.5)])
    its = Measured(gil_s=0.5, native_s=0.0, gil_wait_s=0.5, samples=900)
    record = make_record([RunNode("a", 0.0, 1.0, 0, measured=its)], plan=plan, sampler="gil")
    assert json.loads(render(record, "json"))["nodes"][0]["cause"] == "GIL wait 500 ms"


# -- the verb ------------------------------------------------------------------------------------------


@pytest.fixture
def cli(tmp_path, monkeypatch, capfd):
    """Run ``makespan report`` in a folder with runs, a plan and profiles."""
    monkeypatch.chdir(tmp_path)
    record = blog_run()
    record.save("run.json")
    record.plan.save("plan.json")
    for i, makespan_s in enumerate((3.2, 3.3, 3.4, 3.25, 3.5)):
        replace(record, makespan_s=makespan_s).save(f"old{i}.json")
        replace(record, makespan_s=makespan_s - 0.5).save(f"new{i}.json")
    a_profile().save("profile.json")
    make_profile({"z": []}).save("other.json")

    def call(*words):
        capfd.readouterr()
        code = main(["report", *words])
        return Outcome(code, *capfd.readouterr())

    return call


def test_the_verb_with_a_profile(cli):
    done = cli("run.json", "--profile", "profile.json", "--format", "json", "-o", "-")
    assert done.code == 0
    assert dict(json.loads(done.out)["nodes"][1]["profiled"])["alone"]
    for words, said in (
        (("--profile", "other.json"), "no node in common"),
        (("--profile", "run.json"), "is not a makespan-profile file"),
        (("--profile", "none.json"), "No such file"),
    ):
        done = cli("run.json", *words)
        assert done.code == Exit.USAGE
        assert said in done.err


def test_the_verb_with_two(cli, tmp_path):
    done = cli("old0.json", "new0.json")
    assert (done.code, done.err) == (0, "wrote report.html\n")
    done = cli("old0.json", "plan.json", "--format", "text", "-o", "-")
    assert done.out.startswith("makespan report · news · plan.json and old0.json\n")
    data = json.loads(cli("old0.json", "new0.json", "-q", "--json").out)
    assert data["headline"]["a_repeats"] == 1
    done = cli("old0.json", "new0.json", "-o", "x.png")
    assert done.code == Exit.USAGE
    assert "two runs are not drawn as png (as html, text, trace, json)" in done.err
    assert not (tmp_path / "x.png").exists()


def test_the_verb_with_two_groups(cli):
    old, new = ([f"{word}{i}.json" for i in range(5)] for word in ("old", "new"))
    done = cli(*old, "--against", *new, "--format", "json", "-o", "-")
    data = json.loads(done.out)
    assert data["labels"] == ["old0.json and 4 more", "new0.json and 4 more"]
    assert data["headline"]["difference_s"] == pytest.approx(-0.5)
    assert (data["headline"]["a_repeats"], data["headline"]["range_s"] is None) == (5, False)
    done = cli(*old)
    assert done.code == Exit.USAGE
    assert "one run or two, not 5" in done.err
    assert "--against" in done.err
    assert "only one of them can come from stdin" in cli("-", "-").err


def test_files_of_other_kinds_stay(cli, tmp_path):
    assert "holds something other than a makespan-report file" in cli("run.json", "-o", "old1.json").err
    assert cli("run.json", "-o", "x.trace.json").code == 0
    assert cli("run.json", "-o", "x.trace.json").code == 0
    assert "holds something other" in cli("run.json", "-o", "x.trace.json", "--format", "json").err
    assert json.loads((tmp_path / "x.trace.json").read_bytes())["traceEvents"]


def test_a_run_writes_its_report_with_a_profile(tmp_path):
    two = DAG("two")
    two.returns(two.add(len, two.add(list, name="a"), name="c"))
    run = two.run()
    run.report(tmp_path / "with.json", profile=a_profile())
    run.report(tmp_path / "without.json")
    told = [json.loads((tmp_path / name).read_bytes())["nodes"][0] for name in ("with.json", "without.json")]
    assert [(its["name"], its["alone_s"], bool(its["profiled"])) for its in told] == [
        ("a", 1.0, True),
        ("a", None, False),
    ]
    with pytest.raises(ProfileError, match="no node in common"):
        run.report(tmp_path / "x.json", profile=make_profile({"z": []}, {"z": 1.0}))
    assert not (tmp_path / "x.json").exists()


def test_a_file_whose_keys_another_tool_has_sorted_is_read(cli, tmp_path, capfd):
    """What it is then stands near its end; a run holds a plan that says what it is, too."""
    for name, its in (("run", blog_run()), ("plan", blog_run().plan)):
        data = json.loads(its.to_json())
        (tmp_path / f"sorted-{name}.json").write_text(json.dumps(data, sort_keys=True, indent=1))
    data = json.loads(blog_run().to_json())
    (tmp_path / "turned-run.json").write_text(json.dumps(dict(reversed(data.items()))))
    for name, said in (
        ("sorted-run", " · run of "),
        ("turned-run", " · run of "),
        ("sorted-plan", " · not run yet"),
    ):
        assert said in cli(f"{name}.json", "--format", "text", "-o", "-").out
    for words in (
        ("compare", "sorted-plan.json", "sorted-run.json"),
        ("export", "sorted-plan.json", "--to", "dot", "-o", "-"),
    ):
        assert main(list(words)) == 0, capfd.readouterr().err
