"""What the terminal shows, word for word (tests/golden).

Rewrite the golden files with ``UPDATE_GOLDEN=1 pytest tests/test_text.py``, and read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from makespan.plan import PlanGroup, Robust, Solver, WhatIf
from makespan.profile import Quality
from makespan.record import Comparison
from makespan.showing.report import render
from makespan.showing.text import plan_summary, profile_summary, run_summary
from tests.builders import make_profile
from tests.report_data import HOSTILE, blog_run, failed_run, make_plan, measured_run, node_plan, random_run

GOLDEN = Path(__file__).parent / "golden"
replace = msgspec.structs.replace


def golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text + "\n", encoding="utf-8")
    assert text + "\n" == path.read_text(encoding="utf-8")


def a_plan(**fields: Any) -> Any:
    names = ("fetch", "render", "plot", "score", "rank", "dedupe")
    nodes = [node_plan(name, i, 0.5 * i, 0.5, i % 2) for i, name in enumerate(names)]
    settled: dict[str, Any] = {
        "makespan_s": 3.46,
        "default_makespan_s": 3.96,
        "lower_bound_s": 3.44,
        "gap": 0.0058,
        "groups": (
            PlanGroup("matplotlib", ("render", "plot"), 1, "lock"),
            PlanGroup("gil", ("score", "rank", "dedupe"), 1, "gil"),
        ),
        "what_if": (
            WhatIf(1, 6.1, 6.1),
            WhatIf(2, 3.46, 3.44),
            WhatIf(3, 2.6, 2.5),
            WhatIf(4, 2.4, 2.4),
            WhatIf(6, 2.395, 2.39),
            WhatIf(8, 2.395, 2.39),
        ),
    }
    return make_plan(nodes, **(settled | fields))


def test_plan_summary_word_for_word() -> None:
    golden("plan.txt", plan_summary(a_plan()))


def test_plan_summary_says_why_the_search_stopped_when_nothing_is_proven() -> None:
    plan = a_plan(solver=Solver("cp-sat", "feasible", "the time limit of 10 s", 0, 10.0))
    assert "gap 0.6 %, the time limit of 10 s" in plan_summary(plan)
    assert "optimal" not in plan_summary(plan)


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ([(3, 3.46), (4, 3.45)], "more threads: 3 → no gain"),
        ([(3, 3.46), (4, 2.0), (5, 2.0)], "more threads: 4 → 2.00 s, 5 → no gain"),
        ([(8, 2.0)], "more threads: 8 → 2.00 s"),
        ([], ""),
    ],
)
def test_more_threads(cases: list[tuple[int, float]], said: str) -> None:
    plan = a_plan(groups=(), what_if=tuple(WhatIf(threads, span, span) for threads, span in cases))
    assert [*plan_summary(plan).splitlines()[1:], ""][0] == said


def test_groups_are_named_with_their_reason_and_limit() -> None:
    groups = (
        PlanGroup("x", ("fetch",), 1, "exclusive"),
        PlanGroup("cores", ("render", "plot"), 2, "cores"),
        PlanGroup("pair", ("score", "rank"), 1, "measured", "1.1 times slower together"),
    )
    line = plan_summary(a_plan(groups=groups)).splitlines()[1]
    assert line == (
        "3 sequential groups: {fetch} runs beside nothing else; {render, plot} fill the cores, 2 at once; "
        "{score, rank} measured slower side by side"
    )


def test_a_computed_group_tells_its_gain() -> None:
    evidence = "each holds the GIL for 90% or more of its time; one at a time gives 9 s, not 10 s (-10.0%)"
    group = PlanGroup("GIL holders", ("rank", "score"), 1, "gil", evidence)
    line = plan_summary(a_plan(groups=(group,))).splitlines()[1]
    assert line == "1 sequential group: {rank, score} hold the GIL, saves 10.0%"


def test_what_a_run_is_expected_to_take() -> None:
    plan = a_plan(groups=(), robust=Robust(80, 3.6, 4.0, 4.5, 3.75))
    assert plan_summary(plan).splitlines()[1] == (
        "expected 3.60 s over 80 scenarios (default order 4.50 s, −20 %; critical path 3.75 s, −4.0 %) · "
        "nine in ten runs below 4.00 s"
    )


def test_an_empty_plan_has_a_summary() -> None:
    assert plan_summary(make_plan([])).startswith("0 s with 2 threads · lower bound 0 s")


def test_profile_summary_word_for_word() -> None:
    profile = make_profile(
        {"load": [], "parse": ["load"], "hash": ["load"], "mix": ["parse", "hash"], "lost": []},
        {"load": 0.8, "parse": 0.3, "hash": 0.0421, "mix": 1.2, "lost": 1.0},
        {"parse": "python", "hash": "native", "mix": "mixed"},
        missing=["lost"],
        sampler="clocks",
    )
    worse = Quality(run_delay_share=0.2, cv=0.3, samples=5, spoiled=2)
    changed = {"parse": {"quality": worse}, "hash": {"origin": "hint"}}
    nodes = tuple(replace(node, **changed.get(node.name, {})) for node in profile.nodes)
    golden("profile.txt", profile_summary(replace(profile, nodes=nodes)))


def test_an_empty_profile_has_a_summary() -> None:
    how = "5 counted runs, GIL sampled"
    assert profile_summary(make_profile({})) == f"dag: 0 nodes, 0 s one after the other\n{how}"


def test_run_summaries_word_for_word() -> None:
    golden("run.txt", run_summary(blog_run()))
    golden("run_failed.txt", run_summary(failed_run()))
    golden("run_plain.txt", run_summary(replace(random_run(7), plan=None, comparison=None)))
    golden("run_random.txt", run_summary(random_run(34)))
    golden("run_measured.txt", run_summary(measured_run(34)))
    golden("run_measured_plain.txt", run_summary(replace(measured_run(7), plan=None, comparison=None)))


def test_a_measured_comparison_is_said_to_be_measured() -> None:
    record = replace(blog_run(), comparison=Comparison((4.0, 4.2, 4.1), (3.1, 3.3, 3.2)))
    assert "measured: default order 4.10 s, plan 3.20 s, medians of 3 runs each (1.28×)" in run_summary(
        record
    )


def test_the_file_begins_with_the_words_by_which_it_is_known_again() -> None:
    assert render(blog_run(), "text").startswith(b"makespan report ")


def test_hostile_names_cannot_steer_the_terminal() -> None:
    record = random_run(len(HOSTILE), names=HOSTILE)
    assert record.plan is not None
    failed = replace(
        failed_run(), failures=(replace(failed_run().failures[0], type="\x1b[2J", place="\x07"),)
    )
    profile = make_profile({name: [] for name in HOSTILE if "\ud800" not in name})
    for text in (
        run_summary(record),
        plan_summary(record.plan),
        run_summary(failed),
        profile_summary(profile),
    ):
        text.encode()
        assert not [mark for mark in text if (ord(mark) < 32 and mark != "\n") or mark in "\x7f\u202e\u2028"]
        assert max(map(len, text.splitlines())) < 900


def test_the_small_gantt_is_as_wide_as_it_says_at_any_size() -> None:
    for n in (1, 10, 1000):
        lanes = [
            line
            for line in run_summary(random_run(n)).splitlines()
            if line.startswith(("caller ", "thread "))
        ]
        assert lanes
        assert max(map(len, lanes)) <= 73
