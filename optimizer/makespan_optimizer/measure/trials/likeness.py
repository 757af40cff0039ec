"""What a measured pair says about other pairs whose nodes demand the same. Pure.

While both nodes of a pair run, each advances at a rate that follows from the trial (1: as fast as alone);
the one that is left over goes on at rate 1. The rates are what is taken over, not the seconds::

    a ████████████▌          alone: a 1 s, b 3 s; rates .5 and .5:
    b ████████████▌▓▓▓▓▓▓    a ends after 2 s, b has 2 s of work left, and ends after 4 s
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.measurement import PairTrial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan_optimizer.measure.trials.pairs import Candidate

_LEAST_RATE, _MOST_RATE = 0.02, 1.5


def likenesses(
    wanted: Sequence[Candidate],
    measured: Sequence[PairTrial],
    names: Sequence[str],
    walls_s: Sequence[float],
    switch_interval_s: float,
) -> list[PairTrial]:
    """Return the wanted pairs that were not measured, as the first measured one of their kind suggests."""
    trial_of = {
        its.nodes: its for its in measured if its.switch_interval_s == switch_interval_s and not its.limited
    }
    by_kind: dict[tuple[object, ...], tuple[PairTrial, Candidate]] = {}
    left = []
    for pair in wanted:
        a, b = pair.nodes
        trial = trial_of.get((names[a], names[b]))
        if trial is None:
            left.append(pair)
        else:
            by_kind.setdefault(pair.like, (trial, pair))
    found = []
    for pair in left:
        if pair.like in by_kind:
            trial, model = by_kind[pair.like]
            a, b = pair.nodes
            swapped = pair.likes != model.likes
            alone_s = walls_s[a], walls_s[b]
            found.append(taken_over(trial, (names[a], names[b]), alone_s, swapped=swapped))
    return found


def taken_over(
    trial: PairTrial, nodes: tuple[str, str], alone_s: tuple[float, float], *, swapped: bool = False
) -> PairTrial:
    """Return what a measured pair says about two other nodes that demand the same (`swapped`: crosswise)."""
    first, second = progress_rates(trial.alone_s, trial.together_s)
    if swapped:
        first, second = second, first
    return PairTrial(
        nodes=nodes,
        alone_s=alone_s,
        together_s=side_by_side(alone_s, (first, second)),
        repeats=trial.repeats,
        switch_interval_s=trial.switch_interval_s,
        spread=trial.spread,
        like=trial.nodes,
    )


def progress_rates(alone_s: tuple[float, float], together_s: tuple[float, float]) -> tuple[float, float]:
    """Return how fast each of two nodes advanced while both ran.

    >>> progress_rates((1.0, 1.0), (2.0, 2.0))
    (0.5, 0.5)
    """
    swapped = together_s[0] > together_s[1]
    (short_s, long_s), (early_s, late_s) = alone_s, together_s
    if swapped:
        short_s, long_s, early_s, late_s = long_s, short_s, late_s, early_s
    if early_s <= 0:
        return 1.0, 1.0
    early = short_s / early_s
    late = (long_s - (late_s - early_s)) / early_s
    rates = tuple(max(_LEAST_RATE, min(_MOST_RATE, rate)) for rate in (early, late))
    return (rates[1], rates[0]) if swapped else (rates[0], rates[1])


def side_by_side(alone_s: tuple[float, float], rates: tuple[float, float]) -> tuple[float, float]:
    """Return when each of two nodes ends that start together.

    >>> side_by_side((1.0, 3.0), (0.5, 0.5))
    (2.0, 4.0)
    """
    ends = [alone_s[0] / rates[0], alone_s[1] / rates[1]]
    first = 0 if ends[0] <= ends[1] else 1
    other = 1 - first
    ends[other] = ends[first] + max(0.0, alone_s[other] - rates[other] * ends[first])
    return ends[0], ends[1]
