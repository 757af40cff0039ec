"""How often the GIL was taken: the estimate beside simulated threads of which it is known."""

from __future__ import annotations

import bisect
import random
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan_optimizer.measure.sampling.takes import takes_of
from makespan_optimizer.measure.sampling.watch import Seen

PERIOD_S, FAR_S, NEAR_S = 1e-3, 10e-6, 3e-6


def simulated(
    rate: float, share: float, wall_s: float, rng: random.Random, *, regular: bool
) -> tuple[int, Seen]:
    """Return the number of takes of a thread that holds the GIL by turns, and what a sampler sees of it."""

    def lasts(mean_s: float) -> float:
        return mean_s if regular else rng.expovariate(1 / mean_s)

    hold_s, free_s = share / rate, (1 - share) / rate
    at, changes = -rng.random() / rate, []
    while at < wall_s + PERIOD_S:
        at += lasts(free_s)
        changes.append(at)
        at += lasts(hold_s)
        changes.append(at)

    def holds(at: float) -> bool:
        return bisect.bisect_right(changes, at) % 2 == 1

    n = dict.fromkeys(Seen._fields, 0)
    at, before, gap_s, k = rng.random() * PERIOD_S, None, 1.0, 0
    while at < wall_s:
        held, short = holds(at), gap_s < 0.4 * PERIOD_S
        n["hold" if held else "running"] += 1
        if before is not None:
            n["retakes"] += held and not before
            n["short_up"] += held and not before and short
            n["short_pairs"] += short
            n["short_gap_ns"] += round(gap_s * 1e9) * short
        name, far_s = ("near", NEAR_S) if k % 4 == 0 else ("pair", FAR_S)
        n["near_up" if name == "near" else "pairs_up"] += not held and holds(at + far_s)
        n["near_pairs" if name == "near" else "pairs"] += 1
        n[name + "_gap_ns"] += round(far_s * 1e9)
        before, k = held, k + 1
        gap_s = PERIOD_S * (rng.uniform(0.1, 0.3) if rng.random() < 0.25 else rng.uniform(0.767, 1.767))
        at += gap_s
    return sum(0 < change < wall_s for change in changes[::2]), Seen(**n)


@pytest.mark.parametrize("regular", [False, True], ids=["random", "regular"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("rate", [10, 100, 1000, 10_000, 50_000])
def test_rates_from_ten_to_fifty_thousand_a_second(rate, share, regular):
    rng = random.Random(rate * 1000 + round(share * 100))
    ratios = []
    for _ in range(9 if rate < 5000 else 3):
        wall_s = 1.0 if rate > 5000 else 2.0
        takes, seen = simulated(rate, share, wall_s, rng, regular=regular)
        found = takes_of(seen, wall_s)
        assert found is not None
        assert found >= seen.retakes
        ratios.append(found / takes)
    # States of 1 µs are shorter than any pair; and those that do not end at random are told less well.
    low = 0.15 if rate == 50_000 and not 0.1 < share < 0.9 else 0.5
    assert low < median(ratios) < (4.5 if regular else 2.5)


def test_what_never_changes_was_never_taken():
    assert takes_of(Seen(hold=1000, pairs=750, pair_gap_ns=7_500_000), 1.0) == 0
    assert takes_of(Seen(sleep=1000, pairs=750, pair_gap_ns=7_500_000), 1.0) == 0


def test_without_a_look_nothing_is_said():
    assert takes_of(Seen(), 1.0) is None
    assert takes_of(Seen(hold=3), 0.0) is None


def test_one_change_within_microseconds_is_chance():
    alone = Seen(hold=50, running=50, pairs_up=1, pairs=75, pair_gap_ns=750_000)
    assert takes_of(alone, 0.1) == 0
    assert takes_of(alone._replace(pairs_up=5), 0.1) > 100


COUNTS = st.integers(0, 10_000)


@given(st.builds(Seen, **dict.fromkeys(Seen._fields, COUNTS)), st.floats(1e-6, 1e5))
@settings(deadline=None)
def test_whatever_was_counted_the_estimate_is_at_least_what_was_seen(seen, wall_s):
    found = takes_of(seen, wall_s)
    assert found is None or seen.retakes <= found < float("inf")
