"""Priority rules and variations."""

from itertools import islice

import pytest
from hypothesis import given, settings

from makespan.preparing.order import default_ranks
from makespan.structure import build
from makespan_optimizer.instance import instance_from
from makespan_optimizer.priorities import CRITICAL, DEFAULT, bottleneck_share, rules, variations
from tests.test_simulate import contended

CHAIN = build("abcd", ["", "a", "b", ""])


def test_default_first_then_critical_path():
    instance = instance_from(CHAIN, [1, 1, 1, 9])
    (first, ranks), (second, critical) = islice(rules(instance, 2, "threads"), 2)
    assert (first, ranks) == (DEFAULT, default_ranks(CHAIN))
    assert second == CRITICAL
    assert critical[3] == 0  # the longest, although nothing waits for it


@settings(deadline=None, max_examples=50)
@given(contended())
def test_every_rule_ranks_every_node_once(drawn):
    case, instance, _ = drawn
    found = list(rules(instance, case.budget, "GIL"))
    assert len({name for name, _ in found}) == len(found)
    for _, ranks in found:
        assert sorted(ranks) == list(range(len(case.wall)))


def test_rules_are_computed_when_asked_for():
    many = instance_from(build([str(i) for i in range(50_000)], [[]] * 50_000), [1] * 50_000)
    assert next(iter(rules(many, 2, "threads")))[0] == DEFAULT


@pytest.mark.parametrize(
    ("binding", "share"),
    [
        ("lock db", [1, 0, 0]),
        ("exclusive nodes", [0, 0, 1]),
        ("GIL", [1, 0, 0.5]),
        ("cores", [0.5, 1, 0.25]),
        ("critical path", [1, 0, 0.5]),  # the GIL is the scarcer of the two here
    ],
)
def test_bottleneck_share(binding, share):
    s = build("abc", ["", "", ""], locks=[["db"], [], []], exclusive=[False, False, True])
    instance = instance_from(s, [90, 10, 10], gil=[1000, 0, 500], core=[1000, 2000, 500])
    assert bottleneck_share(instance, 3, binding) == share


def test_no_bottleneck_where_nothing_is_scarce():
    instance = instance_from(CHAIN, [1, 1, 1, 1])
    assert bottleneck_share(instance, 2, "critical path") == [0] * 4


def test_variations_follow_the_seed():
    instance = instance_from(CHAIN, [5, 6, 7, 8])
    once, again, other = (list(islice(variations(instance, seed, [0, 1, 2, 3]), 40)) for seed in (3, 3, 4))
    assert once == again
    assert once != other
    assert all(sorted(ranks) == [0, 1, 2, 3] for ranks in once)
    assert len({tuple(ranks) for ranks in once}) > 1
