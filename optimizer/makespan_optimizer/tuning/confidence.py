"""How sure it is that one way is slower than another, from runs in turns, looked at again and again.

A turn runs every way once, in random order, so a machine that drifts is unfair to none (a randomized block
design, Fisher 1935). Of each turn the logarithm of the ratio of two ways is taken, and Student's one-sided t
test (Biometrika 1908) asked about its mean; logarithms, because what disturbs a run lengthens it by a share.

Who looks after every turn and stops when it suits him is fooled sooner or later. So there are `LOOKS` looks
at most, after a growing number of turns, each at its share of the error that is allowed; and a pair of ways
gets its share of it, too (Bonferroni over pairs and looks). Only pairs with the way that is truly fastest can
do harm, one with each other way. What is promised then, whatever the number of looks: with the stated
confidence the fastest way is not left behind, and no way is called as fast that is slower by more than
`MARGIN`. Group-sequential tests with a correlation between looks (Pocock 1977) would need a fifth fewer
turns, and normal times.
"""

from __future__ import annotations

import math
from functools import cache
from statistics import fmean, stdev
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOKS = 10
GROWTH = 1.5
MARGIN = 0.03
"""A way that is slower by less is as fast."""
_LEAST_SPREAD = 1e-4
"""Of a logarithm of a ratio: clocks and their rounding are not better than this."""


class Verdict(NamedTuple):
    """One way beside another.

    Attributes
    ----------
    ratio : float
        Seconds of the one / seconds of the other: the geometric mean over turns.
    low, high : float
        One-sided limits of it.
    """

    ratio: float
    low: float
    high: float

    @property
    def slower(self) -> bool:
        """The one is slower than the other."""
        return self.low > 1

    @property
    def as_fast(self) -> bool:
        """The one is not slower than the other by more than the margin."""
        return self.high < 1 + MARGIN


def looks(first: int) -> tuple[int, ...]:
    """Return after how many turns to look.

    >>> looks(5)
    (5, 8, 12, 18, 27, 41, 62, 93, 140, 210)
    """
    found = [first]
    while len(found) < LOOKS:
        found.append(max(found[-1] + 1, math.ceil(found[-1] * GROWTH)))
    return tuple(found)


def level(confidence: float, ways: int) -> float:
    """Return the error that one look at one pair may make, for each of the two things that may be wrong.

    >>> round(level(0.95, 6), 6)
    0.0005
    """
    return (1 - confidence) / 2 / max(1, ways - 1) / LOOKS


def verdict(one_s: Sequence[float], other_s: Sequence[float], error: float) -> Verdict:
    """Compare two ways by the seconds of common turns, at least two.

    >>> verdict([1.21, 1.19, 1.2, 1.22], [1.0, 1.0, 1.01, 1.0], 0.001).slower
    True
    """
    logs = [math.log(one / other) for one, other in zip(one_s, other_s, strict=True)]
    mean = fmean(logs)
    spread = max(_LEAST_SPREAD, stdev(logs)) / math.sqrt(len(logs))
    reach = t_point(error, len(logs) - 1) * spread
    return Verdict(math.exp(mean), math.exp(min(700.0, mean - reach)), math.exp(min(700.0, mean + reach)))


@cache
def t_point(tail: float, freedom: int) -> float:
    """Return what Student's t exceeds with probability `tail`, below one half.

    >>> round(t_point(0.025, 4), 3), round(t_point(0.001, 30), 3)
    (2.776, 3.385)
    """
    low, high = 0.0, 1.0
    while t_tail(high, freedom) > tail:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if t_tail(middle, freedom) > tail else (low, middle)
    return high


def t_tail(t: float, freedom: int) -> float:
    """Return the probability that Student's t exceeds a number of at least zero.

    By the incomplete beta function: Abramowitz and Stegun 26.7.1, its continued fraction 26.5.8.

    >>> round(t_tail(1.0, 1), 6)
    0.25
    """
    x = freedom / (freedom + t * t)
    return 0.5 * _beta(freedom / 2, 0.5, x)


def _beta(a: float, b: float, x: float) -> float:
    """Return the regularized incomplete beta function."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly
        return 1.0 - _beta(b, a, 1.0 - x)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    return front / a / _fraction(a, b, x)


def _fraction(a: float, b: float, x: float) -> float:
    """Return the continued fraction by Lentz's method, as modified by Thompson and Barnett (1986)."""
    tiny = 1e-300
    value = upper = 1.0
    lower = 0.0
    for k in range(1, 1000):
        m = k // 2
        if k % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1.0 / (1.0 + term * lower or tiny)
        upper = 1.0 + term / upper or tiny
        step = lower * upper
        value *= step
        if abs(step - 1.0) < 1e-15:
            break
    return value
