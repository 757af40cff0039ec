"""The gate: when b counts as slower than a, how often that is a false alarm, and what is refused."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.comparing.gate import (
    Measured,
    Repeats,
    interval_of_ratio,
    judge_expected,
    judge_measured,
    judge_runs,
    pairs_in_turns,
)
from makespan.comparing.gate_sides import Named, judge
from makespan.comparing.gate_text import verdict_text
from makespan.errors import MakespanError, RecordError
from makespan.plan_parts import Evidence, Raced
from makespan.record import Comparison
from makespan.showing import interval as intervals
from tests.report_data import blog_run, make_plan, node_plan

NOISE = {
    "normal": lambda rng: max(0.2, rng.gauss(1, 0.05)),
    "skewed": lambda rng: rng.lognormvariate(0, 0.1),
    "spikes": lambda rng: 1 + rng.expovariate(30) + (0.4 if rng.random() < 0.15 else 0),
    "two modes": lambda rng: (1.0 if rng.random() < 0.6 else 1.12) * rng.gauss(1, 0.01),
}


def alarms(noise, times, runs, tries=120, seed=3):
    """Return how often b, `times` as slow as a, was called slower by more than 5 %."""
    rng = random.Random(seed)
    found = 0
    for _ in range(tries):
        a = [NOISE[noise](rng) for _ in range(runs)]
        b = [times * NOISE[noise](rng) for _ in range(runs)]
        found += judge_runs(Repeats(a), Repeats(b), 0.05).answer == "slower"
    return found / tries


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(intervals, "DRAWS", 200)


@pytest.mark.parametrize(("noise", "runs"), [*((noise, 5) for noise in NOISE), ("skewed", 9)])
def test_false_alarms_are_rare_even_when_b_is_slower_by_just_what_is_allowed(quick, noise, runs):
    # A share of 5 % in 120 tries is at most 10 % (two and a half standard deviations of the count more).
    assert alarms(noise, 1.05, runs) <= 0.1
    assert alarms(noise, 1.0, runs, tries=40) <= 0.05


@pytest.mark.parametrize(
    ("noise", "times", "runs"), [("normal", 1.2, 7), ("skewed", 1.4, 7), ("spikes", 1.5, 9)]
)
def test_what_is_clearly_slower_is_found(quick, noise, times, runs):
    assert alarms(noise, times, runs, tries=40) >= 0.9


def test_more_runs_tell_more(quick):
    assert alarms("normal", 1.12, 5, tries=40) + 0.2 < alarms("normal", 1.12, 20, tries=40)


def test_runs_in_turns_tell_what_a_drifting_load_hides(quick):
    rng = random.Random(8)
    apart = together = 0
    for _ in range(40):
        load = [1 + rng.expovariate(2) for _ in range(7)]
        a = [value * rng.gauss(1, 0.01) for value in load]
        b = [1.15 * value * rng.gauss(1, 0.01) for value in load]
        first, second = [f"08:{2 * i:02}" for i in range(7)], [f"08:{2 * i + 1:02}" for i in range(7)]
        apart += judge_runs(Repeats(a), Repeats(b), 0.05).answer == "slower"
        turns = judge_runs(Repeats(a, first), Repeats(b, second), 0.05)
        assert turns.in_turns
        together += turns.answer == "slower"
    assert together > apart + 10


def test_only_turns_are_drawn_together():
    a, b = [1.0, 2.0, 3.0], [1.5, 2.5, 3.5]
    assert pairs_in_turns(Repeats(a, ["1", "4", "5"]), Repeats(b, ["2", "3", "6"])) == (
        a,
        b,
    )  # order may turn
    assert pairs_in_turns(Repeats(a, ["1", "2", "5"]), Repeats(b, ["3", "4", "6"])) is None
    assert pairs_in_turns(Repeats(a, ["1", "3", "5"]), Repeats(b[:2], ["2", "4"])) is None
    assert pairs_in_turns(Repeats(a), Repeats(b)) is None
    shuffled = Repeats([3.0, 1.0, 2.0], ["5", "1", "3"])
    assert pairs_in_turns(shuffled, Repeats(b, ["2", "4", "6"])) == (a, b)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.floats(0.5, 2), min_size=5, max_size=9), st.floats(0, 0.5))
def test_a_side_is_never_slower_than_itself_and_scale_does_not_matter(values, tolerance):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intervals, "DRAWS", 100)
        a, b = Repeats(values), Repeats([1.2 * value for value in values])
        assert judge_runs(a, a, tolerance).answer != "slower"
        assert judge_runs(a, Repeats([1000 * value for value in values]), tolerance).answer == "slower"
        verdict = judge_runs(a, b, tolerance)
        scaled = judge_runs(*(Repeats([4 * value for value in its.makespans_s]) for its in (a, b)), tolerance)
        assert (verdict.answer, verdict.low) == (scaled.answer, scaled.low)


def test_the_three_answers_follow_from_the_interval():
    a = Repeats([1.0] * 5)
    assert judge_runs(a, Repeats([1.05] * 5), 0.05).answer == "not slower"  # exactly what is allowed
    assert judge_runs(a, Repeats([1.06] * 5), 0.05).answer == "slower"
    wide = judge_runs(a, Repeats([0.9, 1.0, 1.1, 1.2, 1.3]), 0.05)
    assert (wide.answer, wide.advised is None or wide.advised > 5) == ("cannot tell", True)
    assert judge_runs(a, Repeats([0.5] * 5), 0.0).answer == "not slower"
    assert judge_runs(Repeats([0.0] * 5), Repeats([1.0] * 5), 0.05).ratio is None


def test_advised_runs_would_tell():
    rng = random.Random(4)

    def runs(times, count):
        return Repeats([times * rng.lognormvariate(0, 0.12) for _ in range(count)])

    verdict = next(
        its
        for its in (judge_runs(runs(1, 9), runs(1.2, 9), 0.05) for _ in range(40))
        if its.answer == "cannot tell" and its.advised is not None
    )
    assert 9 < verdict.advised <= 100
    assert f"about {verdict.advised} runs a side may tell" in verdict_text(verdict, ("a", "b"))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0.1, 10), min_size=6, max_size=6))
def test_the_interval_of_a_ratio_lies_within_what_the_ends_allow(values):
    top, bottom = (Measured(m, lo, hi) for lo, m, hi in (sorted(values[:3]), sorted(values[3:])))
    low, high = interval_of_ratio(top, bottom)
    assert top.low_s / bottom.high_s <= low * (1 + 1e-9)
    assert low <= top.median_s / bottom.median_s * (1 + 1e-9)
    assert high <= top.high_s / bottom.low_s * (1 + 1e-9)


def test_measured_medians_need_more_than_intervals_that_touch():
    old = Measured(1.0, 0.97, 1.03)
    assert judge_measured(old, Measured(1.2, 1.17, 1.23), 0.05).answer == "slower"
    assert judge_measured(old, Measured(1.08, 1.05, 1.11), 0.05).answer == "cannot tell"
    assert judge_measured(old, Measured(1.0, 0.98, 1.02), 0.05).answer == "not slower"
    assert judge_measured(old, Measured(1.2, 0.0, 1.3), 0.05).answer == "cannot tell"


def test_expected_makespans_are_compared_as_they_are():
    assert judge_expected(1.0, 1.051, 0.05).answer == "slower"
    assert judge_expected(1.0, 1.05, 0.05).answer == "not slower"
    assert judge_expected(0.0, 0.0, 0.05).answer == "not slower"


# -- sides ---------------------------------------------------------------------------------------------------


def run_of(makespan_s, **fields):
    run = blog_run()
    stretch = makespan_s / run.makespan_s
    nodes = tuple(
        msgspec.structs.replace(n, start_s=n.start_s * stretch, end_s=n.end_s * stretch) for n in run.nodes
    )
    return msgspec.structs.replace(run, makespan_s=makespan_s, nodes=nodes, **fields)


def side(name, values, **fields):
    return [
        Named(f"{name}-{i}.json", run_of(value, started_at=f"2025-11-22T20:{i:02}:00.000+00:00", **fields))
        for i, value in enumerate(values)
    ]


OLD = [2.0, 2.02, 2.01, 1.99, 2.03]
NEW = [2.4, 2.42, 2.41, 2.39, 2.43]


def test_the_median_runs_are_looked_into():
    judged = judge(side("old", OLD), side("new", NEW), 0.05)
    assert judged.verdict.answer == "slower"
    assert [named.where for named in judged.drawn] == ["old-2.json", "new-2.json"]
    assert judged.notes == ()


def test_one_run_that_was_repeated_stands_for_its_repeats():
    demo = Named("run.json", run_of(2.0, comparison=Comparison((2.5,) * 5, tuple(OLD))))
    verdict = judge([demo], side("new", NEW), 0.05).verdict
    assert (verdict.answer, verdict.a_runs, verdict.a_s) == ("slower", 5, 2.01)


def test_what_does_not_count_is_said():
    old = [*side("old", OLD), Named("copy.json", side("old", OLD)[0].its)]
    ended_early = Named("stopped.json", run_of(0.1, status="interrupted"))
    judged = judge(old, [*side("new", NEW), ended_early], 0.05)
    assert judged.verdict.a_runs == judged.verdict.b_runs == 5
    assert judged.notes == (
        "a: 6 files hold 5 runs; a copy does not count",
        "b: 1 run that did not reach the end left out: stopped.json",
    )
    fewer = judge(side("old", OLD, threads=3), side("new", NEW, sampler="clocks"), 0.05)
    assert any("a ran with 3 threads" in note for note in fewer.notes)
    assert any("b was measured while it ran" in note for note in fewer.notes)


def test_what_cannot_be_judged_is_refused():
    old = side("old", OLD)
    other = msgspec.structs.replace(blog_run(), dag=msgspec.structs.replace(blog_run().dag, name="mail"))
    plan = Named("plan.json", blog_run().plan)
    cases = [
        ([Named("other.json", other)], "other.json: is of another DAG ('mail') than old-0.json"),
        ([Named("stopped.json", run_of(1.0, status="failed"))], "stopped.json: did not reach its end"),
        (side("part", NEW, left_out=("render",)), "part-0.json: ran another part of the DAG than old-0.json"),
        ([plan], "plan.json: is a plan: the gate takes runs on both sides, or one plan on each"),
    ]
    for new, said in cases:
        with pytest.raises(RecordError) as raised:
            judge(old, new, 0.05)
        assert said in str(raised.value)
    with pytest.raises(MakespanError, match="one plan on each"):
        judge([plan, plan], [plan], 0.05)


def raced_plan(makespan_s, median_s, *, interval=True):
    plan = make_plan([node_plan("a", 0, 0.0, makespan_s, 0)])
    low_s, high_s = (median_s * 0.98, median_s * 1.02) if interval else (None, None)
    evidence = Evidence(
        winner="plan, 2 threads",
        default="default order, 2 threads",
        confidence=0.95,
        clear=True,
        stopped="the winner was clear",
        used_s=10.0,
        ways=(
            Raced("plan, 2 threads", 2, 9, median_s, low_s, high_s),
            Raced("default order, 2 threads", 2, 9, 9.0, 8.9, 9.1),
        ),
        over_default=median_s / 9.0,
    )
    return msgspec.structs.replace(plan, evidence=evidence)


def test_plans_are_judged_by_what_was_measured_where_both_were():
    old, new = raced_plan(1.0, 1.3), raced_plan(2.0, 1.31)
    judged = judge([Named("old.json", old)], [Named("new.json", new)], 0.05)
    assert (judged.verdict.by, judged.verdict.answer, judged.verdict.b_runs) == ("evidence", "not slower", 9)
    for without in (raced_plan(2.0, 1.31, interval=False), msgspec.structs.replace(new, evidence=None)):
        judged = judge([Named("old.json", old)], [Named("new.json", without)], 0.05)
        assert (judged.verdict.by, judged.verdict.answer) == ("expected", "slower")
        assert judged.notes == (
            "only one of the plans holds measured evidence with an interval; expected are compared",
        )
