"""Admission limits."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import msgspec
import pytest

from makespan.profile import PairTrial
from makespan_optimizer.choice.gates import Gate, apart, gates, try_gates
from makespan_optimizer.choice.trial import Option, Trial
from makespan_optimizer.instance import instance_of
from makespan_optimizer.optimize import optimize
from makespan_optimizer.pins.order import Ordering
from tests.builders import make_profile


def never():
    return False


def paired(profile, *pairs):
    """Return a profile with pairs: (a, b, seconds together), each alone a second."""
    found = [
        PairTrial(nodes=(a, b), alone_s=(1.0, 1.0), together_s=(took, took), repeats=3)
        for a, b, took in pairs
    ]
    return msgspec.structs.replace(profile, pairs=tuple(found))


LOOPS = make_profile({name: [] for name in "abcd"}, 1.0, "python")


def test_holders_get_limits_below_the_budget():
    found = gates(instance_of(LOOPS), 4, LOOPS)
    assert found == [Gate("gil", (0, 1, 2, 3), 1), Gate("gil", (0, 1, 2, 3), 2)]
    assert gates(instance_of(LOOPS), 1, LOOPS) == []


def test_two_holders_on_two_threads_may_be_kept_apart():
    two = make_profile({"a": [], "b": [], "c": []}, 1.0, ["python", "python", "io"])
    assert gates(instance_of(two), 2, two) == [Gate("gil", (0, 1), 1)]


def test_native_nodes_get_limits_about_the_cores():
    native = make_profile({name: [] for name in "abcdef"}, 1.0, "native", cores=2)
    found = gates(instance_of(native), 6, native)
    assert [(its.reason, its.limit) for its in found] == [("cores", 1), ("cores", 2), ("cores", 3)]


def test_pairs_that_lose_are_gathered_into_cliques():
    profile = paired(
        make_profile({name: [] for name in "abcd"}),
        ("a", "b", 2.6), ("a", "c", 2.5), ("b", "c", 2.4), ("c", "d", 2.2), ("a", "d", 1.1),
    )  # fmt: skip
    assert apart(instance_of(profile), profile) == [(0, 1, 2), (2, 3)]


def test_pairs_that_gain_or_hardly_lose_are_left_alone():
    profile = paired(make_profile({name: [] for name in "abc"}), ("a", "b", 1.2), ("b", "c", 2.02))
    assert apart(instance_of(profile), profile) == []


def gate_trial(profile, budget):
    instance = instance_of(profile)
    trial, fresh = (Trial(instance, budget, [instance.wall], never) for _ in range(2))
    best = fresh.judge(Option("as declared", list(range(len(instance)))))
    return try_gates(trial, fresh, best, [], gates(instance, budget, profile), 10_000), best


def test_a_gate_is_kept_where_it_helps():
    waiting = make_profile(
        {"a": [], "b": [], "c": [], "wait": ["a"]},
        [4.0, 4.0, 4.0, 8.0],
        ["python", "python", "python", "io"],
    )
    (best, gained), before = gate_trial(waiting, 4)
    (its,) = gained
    assert its.gate == Gate("gil", (0, 1, 2), 1)
    assert (its.with_it, its.without) == (pytest.approx(12e6), pytest.approx(before.mean))
    assert best.option.groups == (((0, 1, 2), 1),)
    assert best.mean == its.with_it


def test_what_an_order_gains_is_no_merit_of_a_gate():
    profile = make_profile({"a": [], "b": [], "wait": [], "end": ["a"]}, [1.0, 1.0, 1.0, 4.0])
    instance = instance_of(profile)
    trial, fresh = (Trial(instance, 2, [instance.wall], never) for _ in range(2))
    best = fresh.judge(Option("as declared", [3, 1, 0, 2]))
    good = Option("critical path", [0, 1, 2, 3])
    assert trial.judge(good).mean < 0.9 * best.mean
    kept, gained = try_gates(trial, fresh, best, [good], [Gate("gil", (0, 3), 1)], 10_000)
    assert not gained
    assert kept.option == best.option


def test_no_gate_where_it_gains_nothing():
    (best, gained), before = gate_trial(LOOPS, 4)
    assert gained == []
    assert best == before


def test_no_group_is_made_where_sharing_loses_nothing():
    assert optimize(LOOPS, 4, what_if=[], time_limit_s=2).groups == ()


def test_no_limit_lets_a_node_be_overtaken_that_has_to_come_first():
    two = make_profile({"a": [], "b": [], "c": []}, 1.0, ["python", "python", "io"])
    found = [Gate("gil", (0, 1), 1)]
    for order, kept in (("abc", []), ("ac", []), ("ab", found), ("cab", found)):
        ordering = Ordering("abc", list(pairwise(order)), {})
        assert gates(dataclasses.replace(instance_of(two), ordering=ordering), 2, two) == kept
