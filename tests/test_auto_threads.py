"""The thread budget at the knee."""

from __future__ import annotations

import time
from itertools import chain, repeat
from types import SimpleNamespace

import pytest

import makespan_optimizer.optimize as optimize_module
from makespan.errors import OptionError
from makespan_optimizer.choice.auto_threads import smallest_good_budget
from makespan_optimizer.instance import instance_of
from makespan_optimizer.optimize import optimize
from makespan_optimizer.options import check_budget
from tests.builders import make_profile
from tests.varying import varied, varying


def knee(profile, over=lambda: False):
    return smallest_good_budget(None, instance_of(profile), 0, over)


def test_as_many_threads_as_help():
    assert knee(make_profile({name: [] for name in "abcdef"})) == 6
    assert knee(make_profile({"a": [], "b": ["a"], "c": ["b"]})) == 1
    assert knee(make_profile({name: [] for name in "abcdef"}, 1.0, "python")) == 1
    # Three threads: the long node is longer than the two others' halves already with two.
    assert knee(make_profile({"long": [], "b": [], "c": []}, [2.0, 1.0, 1.0])) == 2


def test_out_of_time_the_budgets_so_far_are_compared():
    # The largest is the first of them: what was not compared must not be missing from a run.
    assert knee(make_profile({name: [] for name in "abcdef"}), over=lambda: True) == 6


def test_a_choice_that_the_time_cut_short_is_no_secret(monkeypatch):
    profile = make_profile({name: [] for name in "abcdef"})
    assert "cut short" not in optimize(profile, "auto", what_if=[]).solver.stopped

    def hurried(profile, instance, seed, over):
        return 1 if over() else 6

    monkeypatch.setattr(optimize_module, "smallest_good_budget", hurried)
    clock = chain([time.monotonic() - 5], repeat(time.monotonic()))
    monkeypatch.setattr(optimize_module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    plan = optimize(profile, "auto", what_if=[], time_limit_s=16)
    assert plan.threads == 1
    assert "the thread budget was cut short" in plan.solver.stopped


def test_auto_is_a_budget_for_optimize():
    plan = optimize(make_profile({name: [] for name in "abc"}), "auto")
    assert plan.threads == 3
    assert plan.makespan_s == 1.0
    profile = varying(12, 1, 0.1)
    again = [optimize(profile, "auto", time_limit_s=2, what_if=[], gap=0.2) for _ in range(2)]
    assert again[0].to_json() == again[1].to_json()


def test_other_words_are_refused():
    profile = make_profile({"a": []})
    assert check_budget("auto", profile) == check_budget(None, profile) == 2
    with pytest.raises(OptionError, match="threads"):
        optimize(profile, "some")  # type: ignore[arg-type]


def test_expected_makespans_decide_where_durations_vary():
    import random

    profile = varied(make_profile({name: [] for name in "abcd"}), random.Random(3))
    found = smallest_good_budget(profile, instance_of(profile), 0, lambda: False)
    assert found == 4
