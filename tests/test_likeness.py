"""What one pair says about its like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makespan.measurement import PairTrial
from makespan_optimizer.measure.trials.likeness import likenesses, progress_rates, side_by_side, taken_over
from makespan_optimizer.measure.trials.pairs import Candidate


def trial(a, b, alone, together, **more):
    return PairTrial(nodes=(a, b), alone_s=alone, together_s=together, repeats=3, **more)


seconds = st.floats(0.01, 10)
rates = st.floats(0.1, 1.0)


@given(st.tuples(seconds, seconds), st.tuples(rates, rates))
def test_rates_are_found_again_in_the_ends_that_they_make(alone_s, given_rates):
    ends_s = side_by_side(alone_s, given_rates)
    again = side_by_side(alone_s, progress_rates(alone_s, ends_s))
    assert again == pytest.approx(ends_s)
    swapped = progress_rates(alone_s[::-1], ends_s[::-1])
    assert swapped == pytest.approx(progress_rates(alone_s, ends_s)[::-1])


@given(st.tuples(seconds, seconds), st.tuples(seconds, seconds))
def test_whatever_was_measured_gives_rates_that_can_be_used(alone_s, together_s):
    assert all(0.02 <= rate <= 1.5 for rate in progress_rates(alone_s, together_s))


def test_a_likeness_says_whose_it_is_and_turns_with_its_nodes():
    # c holds the other back and is not held back itself.
    measured = trial("c", "d", (1.0, 1.0), (1.0, 1.9))
    like = taken_over(measured, ("a", "b"), (2.0, 4.0))
    assert like.like == ("c", "d")
    assert like.together_s[0] == pytest.approx(2.0)
    assert like.together_s[1] == pytest.approx(2.0 + 4.0 - 0.1 * 2.0)
    turned = taken_over(measured, ("a", "b"), (2.0, 4.0), swapped=True)
    assert turned.together_s[1] == pytest.approx(4.0)


def test_only_what_was_not_measured_and_has_a_like_is_taken_over():
    loop, chat, big = ("loop",), ("chat",), ("big",)
    wanted = [
        Candidate((0, 1), 1.0, (loop, chat)),
        Candidate((2, 3), 1.0, (chat, loop)),
        Candidate((0, 2), 1.0, (loop, loop)),
        Candidate((1, 3), 1.0, (big, loop)),
    ]
    measured = [
        trial("a", "b", (1.0, 1.0), (1.0, 1.9)),
        trial("a", "b", (1.0, 1.0), (1.0, 1.0), switch_interval_s=0.001),
        trial("a", "c", (1.0, 1.0), (2.0, 2.0)),
    ]
    (like,) = likenesses(wanted, measured, "abcd", [1.0, 1.0, 4.0, 2.0], 0.005)
    assert (like.nodes, like.like) == (("c", "d"), ("a", "b"))
    assert like.alone_s == (4.0, 2.0)
    assert like.together_s == pytest.approx((2.0 + 4.0 - 0.1 * 2.0, 2.0))
