"""Pairs in one pass: disjoint, and without a circle."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.structure import build
from makespan_optimizer.measure.trials.packing import packed, steps
from makespan_optimizer.measure.trials.pairs import reachable
from tests.strategies import cases


def structure_of(preds):
    names = [f"n{i}" for i in range(len(preds))]
    return build(names, [[names[p] for p in some] for some in preds])


def acyclic_by_force(structure, pairs):
    """Draw each pair as one node, and take away nodes that nothing waits for until none is left."""
    group = list(range(len(structure)))
    for a, b in pairs:
        group[b] = group[a]
    edges = {(group[p], group[i]) for i in range(len(structure)) for p in structure.preds[i]}
    left = set(group)
    while left:
        free = {g for g in left if not any(b == g and a in left for a, b in edges)}
        if not free:
            return False
        left -= free
    return True


def overlapping(structure):
    reaches = reachable(structure, range(len(structure)))
    every = combinations(range(len(structure)), 2)
    return [(a, b) for a, b in every if b not in reaches[a] and a not in reaches[b]]


@settings(deadline=None, max_examples=200)
@given(cases(8), st.randoms(use_true_random=False))
def test_whether_pairs_fit_is_what_drawing_them_as_nodes_says(case, random):
    structure = structure_of(case.preds)
    pairs = overlapping(structure)
    random.shuffle(pairs)
    chosen = []
    for pair in pairs:
        if not {i for one in chosen for i in one} & set(pair):
            chosen.append(pair)
            assert (len(packed(structure, chosen)) == 1) == acyclic_by_force(structure, chosen)


@settings(deadline=None)
@given(cases(8), st.randoms(use_true_random=False))
def test_every_pair_is_in_one_pass_that_can_be_walked(case, random):
    structure = structure_of(case.preds)
    pairs = overlapping(structure)
    random.shuffle(pairs)
    passes = packed(structure, pairs)
    assert sorted(k for its in passes for k in its) == list(range(len(pairs)))
    if pairs:
        assert passes[0][0] == 0
    for its in passes:
        order = steps(structure, [pairs[k] for k in its], range(len(structure)))
        assert sorted(i for step in order for i in step) == list(range(len(structure)))
        assert {step for step in order if len(step) == 2} == {pairs[k] for k in its}
        done = set()
        for step in order:
            assert all(set(structure.preds[i]) <= done for i in step)
            done |= set(step)


def test_a_circle_of_pairs_makes_two_passes():
    structure = structure_of([[], [], [0], [1]])
    assert packed(structure, [(0, 3), (1, 2)]) == [[0], [1]]
    with pytest.raises(ValueError, match="in a circle"):
        steps(structure, [(0, 3), (1, 2)], range(4))


def test_a_circle_through_a_node_that_is_in_no_pair():
    structure = structure_of([[], [0], [], [1], [2]])  # 0 > 1 > 3 and 2 > 4
    assert packed(structure, [(0, 4), (2, 3)]) == [[0], [1]]


def test_nodes_that_are_left_out_hold_nothing_up():
    structure = structure_of([[], [0], [0], [1]])
    assert steps(structure, [(1, 2)], [1, 2]) == [(1, 2)]
    assert steps(structure, [], [0, 2]) == [(0,), (2,)]
