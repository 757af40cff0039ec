"""Which pairs are worth a trial, and what one tells about its like."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings

from makespan.measured_pairs import fault_of, merged_pairs
from makespan.measurement import PairTrial
from makespan_optimizer.measure.trials.pairs import (
    Appetite,
    at_stake_s,
    candidates,
    chattiest,
    reachable,
    runnable,
)
from tests.builders import make_profile
from tests.strategies import cases


def found(profile):
    names = profile.structure().names
    return {(names[a], names[b]) for a, b in (pair.nodes for pair in candidates(profile))}


def trial(a="a", b="b", alone=(1.0, 1.0), together=(2.0, 2.0), **more):
    return PairTrial(nodes=(a, b), alone_s=alone, together_s=together, repeats=3, **more)


# -- which -------------------------------------------------------------------------------------------------


def test_python_beside_python_counts_and_io_does_not():
    made = make_profile({"a": [], "b": [], "c": []}, 1.0, {"a": "python", "b": "python", "c": "io"})
    assert found(made) == {("a", "b")}


def test_a_path_a_common_lock_and_an_exclusive_node_keep_a_pair_out():
    after = {"a": [], "b": ["a"], "c": ["b"], "d": [], "e": []}
    made = make_profile(after, 1.0, "python", locks={"c": ["x"], "d": ["x"]}, exclusive=["e"])
    assert found(made) == {("a", "d"), ("b", "d")}


@settings(deadline=None)
@given(cases(7))
def test_exactly_the_pairs_that_can_overlap(case):
    names = [f"n{i}" for i in range(len(case.wall))]
    made = make_profile(
        {name: [names[p] for p in case.preds[i]] for i, name in enumerate(names)},
        1.0,
        "python",
        locks={name: case.locks[i] for i, name in enumerate(names)},
        exclusive=[name for i, name in enumerate(names) if case.exclusive[i]],
    )

    def leads(a, b):
        return a in case.preds[b] or any(leads(a, p) for p in case.preds[b])

    expected = {
        (names[a], names[b])
        for b in range(len(names))
        for a in range(b)
        if not leads(a, b)
        and not set(case.locks[a]) & set(case.locks[b])
        and not case.exclusive[a]
        and not case.exclusive[b]
    }
    assert found(made) == expected


def test_short_nodes_do_not_count():
    made = make_profile({"a": [], "b": [], "c": []}, {"a": 1.0, "b": 0.001, "c": 0.004}, "python")
    assert found(made) == set()
    made = make_profile({"a": [], "b": [], "c": []}, {"a": 1.0, "b": 0.001, "c": 0.01}, "python")
    assert found(made) == {("a", "c")}


def test_native_nodes_count_when_they_want_more_cores_than_there_are():
    after = {"a": [], "b": []}
    assert found(make_profile(after, 1.0, "parallel", cores=2.0)) == {("a", "b")}
    assert found(make_profile(after, 1.0, "parallel", cores=4.0)) == set()
    assert found(make_profile(after, 1.0, "native", cores=2.0)) == set()
    assert found(make_profile(after, 1.0, "native", cores=1.0)) == {("a", "b")}


def chatter():
    made = make_profile({"chat": [], "loop": [], "wait": []}, 0.2, {"loop": "python"})
    (chat, *others) = made.nodes
    chat = msgspec.structs.replace(chat, blocked_s={"sleep": 0.2}, nvcsw=150)
    return msgspec.structs.replace(made, nodes=(chat, *others))


def test_a_chatty_node_counts_beside_a_python_one_only():
    made = chatter()
    assert found(made) == {("chat", "loop")}
    assert chattiest(made, candidates(made), made.structure()) == (0, 1)


def test_the_largest_benefit_comes_first_but_every_kind_before_its_like():
    after = {name: [] for name in "abcde"}
    kinds = {"a": "python", "b": "python", "c": "python", "d": "parallel", "e": "parallel"}
    made = make_profile(after, {"a": 3.0, "b": 2.0, "c": 2.5, "d": 0.1, "e": 0.1}, kinds)
    names = [tuple("abcde"[i] for i in pair.nodes) for pair in candidates(made)]
    assert names == [("a", "c"), ("d", "e"), ("a", "b"), ("b", "c")]


def test_hinted_nodes_and_what_needs_them_are_not_run():
    made = make_profile({"a": [], "b": ["a"], "c": [], "d": []}, 1.0, "python")
    nodes = [
        msgspec.structs.replace(node, origin="hint") if node.name == "a" else node for node in made.nodes
    ]
    made = msgspec.structs.replace(made, nodes=tuple(nodes))
    assert runnable(made, made.structure()) == {2, 3}
    assert found(made) == {("c", "d")}
    names = {pair.nodes for pair in candidates(made, walked={1, 2, 3})}
    assert names == {(1, 2), (1, 3), (2, 3)}


def test_thousands_of_nodes_give_a_bounded_list_of_the_longest():
    after = {f"n{i}": [f"n{i - 500}"] if i >= 500 else [] for i in range(5000)}
    made = make_profile(after, {name: 1.0 if name[-1] == "0" else 0.05 for name in after}, "python")
    pairs = candidates(made)
    assert 0 < len(pairs) <= 400
    assert all(i % 10 == 0 for pair in pairs for i in pair.nodes)


def test_what_is_at_stake():
    loop = Appetite(1.0, 1.0, 0.0, 0.0)
    half = Appetite(4.0, 0.5, 0.5, 0.0)
    chat = Appetite(0.5, 0.02, 0.0, 0.98, retakes_per_s=800.0)
    assert at_stake_s(loop, half, 2) == pytest.approx(0.5)
    assert at_stake_s(chat, loop, 2) == at_stake_s(loop, chat, 2) == pytest.approx(0.5)
    assert at_stake_s(chat, chat, 2) == 0


@settings(deadline=None)
@given(cases(8))
def test_reachable_is_what_paths_lead_to(case):
    names = [f"n{i}" for i in range(len(case.wall))]
    made = make_profile({name: [names[p] for p in case.preds[i]] for i, name in enumerate(names)})
    structure = made.structure()
    some = [i for i in range(len(names)) if i % 2 == 0]

    def below(i):
        return set(structure.succs[i]).union(*(below(s) for s in structure.succs[i]))

    assert reachable(structure, some) == {i: frozenset(below(i) & set(some)) for i in some}


# -- of a profile ------------------------------------------------------------------------------------------

ORDER = {name: i for i, name in enumerate("abcd")}


def test_the_later_trial_wins_but_no_likeness_over_a_measurement():
    old = [trial("a", "b"), trial("c", "d", like=("a", "b")), trial("a", "c")]
    new = [
        trial("a", "b", together=(1.5, 1.5)),
        trial("a", "c", like=("a", "b"), together=(9.0, 9.0)),
        trial("c", "d", together=(1.0, 1.0)),
        trial("a", "b", switch_interval_s=0.001),
    ]
    pairs = merged_pairs(old, new, ORDER)
    assert [(p.nodes, p.switch_interval_s, p.makespan_s, p.like) for p in pairs] == [
        (("a", "b"), 0.005, 1.5, None),
        (("a", "b"), 0.001, 2.0, None),
        (("a", "c"), 0.005, 2.0, None),
        (("c", "d"), 0.005, 1.0, None),
    ]
    assert merged_pairs(pairs, pairs, ORDER) == pairs


def test_trials_of_changed_or_vanished_nodes_are_dropped():
    old = [trial("a", "b"), trial("c", "d"), trial("a", "z"), trial("a", "d", like=("b", "c"))]
    assert [p.nodes for p in merged_pairs(old, [], ORDER, stale=["b"])] == [("c", "d")]
    assert [p.nodes for p in merged_pairs(old, [trial("a", "b")], ORDER, stale=["b"])] == [
        ("a", "b"),
        ("c", "d"),
    ]


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (trial("a", "a"), "stands twice"),
        (trial("a", "x"), "x is not in the DAG"),
        (trial("a", "b", like=("a", "y")), "y is not in the DAG"),
        (trial("b", "a"), "comes after"),
        (trial("a", "b", switch_interval_s=0.0), "not measured"),
    ],
)
def test_pairs_that_cannot_be(pair, words):
    assert words in (fault_of(pair, ORDER) or "")
    assert fault_of(trial(), ORDER) is None
