"""Preparing: a plan is checked against the DAG and in itself before anything runs, wherever it came from."""

from __future__ import annotations

import sys

import msgspec
import pytest

from makespan import DAG, OptionError, PlanError
from makespan.errors import MissingExtraError
from makespan.plan import PlanGroup
from makespan_optimizer.measure.isolate import profile
from makespan_optimizer.optimize import optimize

replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def pair():
    made = DAG("pair")
    made.add(abs, made.add(abs, -1, name="a"), name="b")
    made.add(abs, -3, name="c")
    return made, optimize(profile(made, (), {}, runs=1, sampler="clocks"), threads=2)


def test_a_plan_that_fits(pair):
    made, plan = pair
    assert made.prepare(plan)() == {"b": 1, "c": 3}
    assert made.prepare(plan).threads == 2


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda plan: replace(plan, nodes=[replace(n, rank=0) for n in plan.nodes]), "ranks are not 0..2"),
        (
            lambda plan: replace(plan, nodes=[replace(n, rank=n.rank + 5) for n in plan.nodes]),
            "ranks are not",
        ),
        (lambda plan: replace(plan, threads=0), "threads"),
        (lambda plan: replace(plan, groups=[PlanGroup("g", ("a",), limit=0, reason="gil")]), "limit"),
        (lambda plan: replace(plan, groups=[PlanGroup("g", ("zz",), reason="gil")]), "zz"),
        (lambda plan: replace(plan, groups=[PlanGroup("g", ("a", "a"), reason="gil")]), "twice"),
        (lambda _: 123, "not a plan but int"),
        (lambda _: {"nodes": []}, "not a plan but dict"),
        (lambda _: b"{}", "not a plan but bytes"),
    ],
)
def test_a_plan_made_in_memory_is_checked_like_a_file(pair, change, problem):
    made, plan = pair
    with pytest.raises(PlanError) as caught:
        made.prepare(change(plan))
    assert problem in str(caught.value)


def test_beside_a_plan_threads_are_an_upper_limit(pair):
    made, plan = pair
    with pytest.raises(PlanError, match="the plan is for 2 threads, more than the 1 allowed"):
        made.prepare(plan, 1)
    assert made.prepare(plan, 8).threads == 2


def test_what_the_measuring_half_lacks_is_not_told_as_its_absence(pair, monkeypatch):
    def lacking(name):
        class Finder:
            @staticmethod
            def find_spec(wanted, *_):
                if wanted == "makespan_optimizer.measure.insitu":
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        return Finder

    monkeypatch.delitem(sys.modules, "makespan_optimizer.measure.insitu", raising=False)
    monkeypatch.setattr(sys, "meta_path", [lacking("numpy"), *sys.meta_path])
    with pytest.raises(ModuleNotFoundError, match="numpy"):
        pair[0].run(measure=True)
    monkeypatch.setattr(sys, "meta_path", [lacking("makespan_optimizer"), *sys.meta_path])
    with pytest.raises(MissingExtraError, match="not installed here"):
        pair[0].run(measure=True)


@pytest.mark.parametrize("threads", [0, -1, True, 1.5, float("nan"), "2", 5000])
def test_a_budget_that_cannot_be(pair, threads):
    with pytest.raises(OptionError, match="thread budget"):
        pair[0].prepare(threads=threads)


def test_without_a_plan_it_is_prepared_once_for_each_budget(pair):
    made, _ = pair
    assert made.prepare(threads=3) is made.prepare(threads=3)
    assert made.prepare(threads=3) is not made.prepare(threads=2)
