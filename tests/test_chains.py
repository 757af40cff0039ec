"""Fused chains."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from makespan.plan import parse_plan
from makespan.structure import build
from makespan_optimizer.choice.chains import back_to_back, candidates, consecutive, fuse
from makespan_optimizer.instance import instance_from
from makespan_optimizer.optimize import optimize
from makespan_optimizer.simulate import simulate
from tests.builders import make_profile
from tests.strategies import cases


def chains(after, wall, **options):
    names = "abcdefgh"[: len(after)]
    return candidates(instance_from(build(names, after, **options), wall))


def test_a_chain_is_as_long_as_it_can_be():
    assert chains(["", "a", "b", "c"], [5] * 4) == [(0, 1, 2, 3)]


def test_forks_and_joins_end_a_chain():
    #  a ─ b ─┬─ c ─ e ─┬─ g ─ h
    #         └─ d ─ f ─┘
    assert chains(["", "a", "b", "b", "c", "d", "ef", "g"], [5] * 8) == [(0, 1), (2, 4), (3, 5), (6, 7)]


def test_only_links_whose_hand_over_counts():
    assert chains(["", "a", "b"], [10_000_000, 20, 10_000_000]) == [(0, 1, 2)]
    assert chains(["", "a"], [10_000_000, 10_000_000]) == []


def test_locks_and_exclusive_nodes_are_not_joined_to_others():
    assert chains(["", "a"], [5, 5], locks=[["x"], []]) == []
    assert chains(["", "a"], [5, 5], locks=[["x"], ["x"]]) == [(0, 1)]
    assert chains(["", "a"], [5, 5], exclusive=[False, True]) == []


def test_consecutive_ranks_keep_the_order_of_the_others():
    assert consecutive([3, 0, 2, 1], [(1, 0)]) == [1, 0, 3, 2]


@settings(deadline=None, max_examples=80)
@given(cases(8))
def test_fusing_costs_nothing_and_what_is_fused_runs_back_to_back(case):
    instance = case.instance()
    ranks = list(range(len(instance)))
    before = simulate(instance, ranks, case.budget)

    def worsens(other):
        schedule = simulate(instance, other, case.budget)
        return schedule if schedule.makespan <= before.makespan else None

    found = fuse(instance, ranks, (), before, worsens)
    assert sorted(found.ranks) == ranks
    assert found.schedule == simulate(instance, found.ranks, case.budget)
    assert found.schedule.makespan <= before.makespan
    members = [i for chain in found.chains for i in chain]
    assert len(members) == len(set(members))
    for chain in found.chains:
        assert len(chain) > 1
        assert back_to_back(found.schedule, chain)


def test_a_plan_names_its_chains():
    plan = optimize(make_profile({"a": [], "b": ["a"], "c": ["b"], "d": []}, 50e-6), 2)
    assert plan.chains == (("a", "b", "c"),)
    assert parse_plan(plan.to_json()) == plan


def test_a_chain_that_would_delay_the_end_is_not_fused():
    # Back to back, b would hold up the long node: one thread, and c with its long follower ready after a.
    plan = optimize(make_profile({"a": [], "b": ["a"]}, 5.0), 2)
    assert plan.chains == ()
    assert plan.makespan_s == pytest.approx(10.0)
