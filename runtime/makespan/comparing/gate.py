"""Is b slower than a by more than a tolerance? A judgement for CI, on the ratio of medians.

The question has three answers, read off the 95 % interval of b / a::

                        1 + tolerance
    ──────────────────────────┼──────────────────────────▶ b / a
      not slower: ├──────┤    │    ├──────┤ :slower
                  cannot tell: ├──┼──┤

*Slower* only when the whole interval lies beyond the tolerance: runs that differ by chance, or by the
tolerance exactly, are called slower in fewer than 5 of 100 cases, whatever the noise looks like (tests try
it out). With fewer than `LEAST_REPEATS` runs a side there is no interval, and the answer is *cannot tell*.

Runs are drawn as in `makespan.showing.interval`; together when the two sides ran in turns. Of two raced plans
only medians and their intervals are known: the interval of the ratio is recovered from those, in logarithms
(Zou & Donner, Construction of confidence limits about effect measures, Statistics in Medicine 2008).
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from makespan.showing.interval import LEAST_REPEATS, interval

if TYPE_CHECKING:
    from collections.abc import Sequence

Answer = Literal["slower", "not slower", "cannot tell"]
By = Literal["runs", "evidence", "expected"]
MOST_ADVISED = 100
"""More runs than this are not asked for: the difference is then too near the tolerance to be told."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether b is slower than a by more than the tolerance."""

    answer: Answer
    by: By
    """What was compared: runs, the measured evidence of two plans, or what two plans expect (no test)."""
    tolerance: float
    """0.05 is 5 %."""
    a_s: float
    """Median of the runs, or the plan's figure."""
    b_s: float
    ratio: float | None
    """b / a; None when a took no time."""
    low: float | None = None
    """With `high` the 95 % interval of `ratio`; None: there is none."""
    high: float | None = None
    a_runs: int = 0
    b_runs: int = 0
    in_turns: bool = False
    """The runs of the two sides alternated, and were drawn together."""
    a_lacks: int = 0
    """How many more runs of a are needed before anything can be told."""
    b_lacks: int = 0
    advised: int | None = None
    """How many runs a side would probably tell, when the interval is too wide; None: not known."""

    @property
    def shown_ratio(self) -> float:
        """`ratio`, infinite where it is None."""
        return math.inf if self.ratio is None else self.ratio


class Repeats(NamedTuple):
    """The runs of one side."""

    makespans_s: Sequence[float]
    started_at: Sequence[str] = ()
    """UTC, ISO 8601; empty: not known."""


class Measured(NamedTuple):
    """A median with its 95 % interval."""

    median_s: float
    low_s: float
    high_s: float


def judge_runs(a: Repeats, b: Repeats, tolerance: float) -> Verdict:
    """Return whether the median run of b is slower than that of a.

    >>> a = Repeats([1.0, 1.1, 1.0, 1.05, 1.02])
    >>> judge_runs(a, Repeats([1.3, 1.32, 1.3, 1.4, 1.31]), 0.05).answer
    'slower'
    >>> judge_runs(a, a, 0.20).answer
    'not slower'
    >>> judge_runs(a, Repeats([1.3]), 0.05).b_lacks
    4
    """
    a_s, b_s = median(a.makespans_s), median(b.makespans_s)
    turns = pairs_in_turns(a, b)
    known = Verdict(
        answer="cannot tell",
        by="runs",
        tolerance=tolerance,
        a_s=a_s,
        b_s=b_s,
        ratio=b_s / a_s if a_s > 0 else None,
        a_runs=len(a.makespans_s),
        b_runs=len(b.makespans_s),
        a_lacks=max(0, LEAST_REPEATS - len(a.makespans_s)),
        b_lacks=max(0, LEAST_REPEATS - len(b.makespans_s)),
    )
    if turns is None:
        found = interval(b.makespans_s, a.makespans_s)
    else:
        found = interval(turns[1], turns[0], together=True)
        known = msgspec.structs.replace(known, in_turns=True)
    return _answered(known, found)


def judge_measured(a: Measured, b: Measured, tolerance: float, runs: tuple[int, int] = (0, 0)) -> Verdict:
    """Return whether b is slower than a, of medians whose intervals are known.

    >>> judge_measured(Measured(1.0, 0.98, 1.02), Measured(1.2, 1.18, 1.23), 0.05).answer
    'slower'
    """
    known = Verdict(
        answer="cannot tell",
        by="evidence",
        tolerance=tolerance,
        a_s=a.median_s,
        b_s=b.median_s,
        ratio=b.median_s / a.median_s if a.median_s > 0 else None,
        a_runs=runs[0],
        b_runs=runs[1],
    )
    return _answered(known, interval_of_ratio(b, a))


def judge_expected(a_s: float, b_s: float, tolerance: float) -> Verdict:
    """Return whether b is expected to take longer; figures of plans are compared as they are, without a test.

    >>> judge_expected(1.0, 1.04, 0.05).answer
    'not slower'
    """
    slower = b_s > a_s * (1 + tolerance)
    return Verdict(
        answer="slower" if slower else "not slower",
        by="expected",
        tolerance=tolerance,
        a_s=a_s,
        b_s=b_s,
        ratio=b_s / a_s if a_s > 0 else None,
    )


def interval_of_ratio(top: Measured, bottom: Measured) -> tuple[float, float] | None:
    """Return the 95 % interval of top / bottom; None where a figure is not above zero.

    >>> low, high = interval_of_ratio(Measured(2, 2, 2), Measured(1, 0.8, 1.25))
    >>> round(low, 6), round(high, 6)
    (1.6, 2.5)
    """
    if min(*top, *bottom) <= 0:
        return None
    (t, t_low, t_high), (u, u_low, u_high) = ([math.log(value) for value in its] for its in (top, bottom))
    low = t - u - math.hypot(t - t_low, u_high - u)
    high = t - u + math.hypot(t_high - t, u - u_low)
    return math.exp(low), math.exp(high)


def pairs_in_turns(a: Repeats, b: Repeats) -> tuple[list[float], list[float]] | None:
    """Return both sides' makespans turn by turn; None unless each turn ran one of a and one of b.

    >>> pairs_in_turns(Repeats([1, 2], ["08:00", "08:02"]), Repeats([3, 4], ["08:01", "08:03"]))
    ([1, 2], [3, 4])
    >>> pairs_in_turns(Repeats([1, 2], ["08:00", "08:01"]), Repeats([3, 4], ["08:02", "08:03"]))
    """
    if not len(a.makespans_s) == len(b.makespans_s) == len(a.started_at) == len(b.started_at):
        return None
    one, other = (sorted(zip(its.started_at, its.makespans_s, strict=True)) for its in (a, b))
    ends = [max(x[0], y[0]) for x, y in zip(one, other, strict=True)]
    begins = [min(x[0], y[0]) for x, y in zip(one, other, strict=True)]
    if any(begin <= end for end, begin in zip(ends, begins[1:], strict=False)):
        return None
    return [value for _, value in one], [value for _, value in other]


def _answered(known: Verdict, found: tuple[float, float] | None) -> Verdict:
    if found is None or known.ratio is None:
        return known
    low, high = found
    limit = 1 + known.tolerance
    answer: Answer = "slower" if low > limit else "not slower" if high <= limit else "cannot tell"
    advised = _advised(known, low, high) if answer == "cannot tell" else None
    return msgspec.structs.replace(known, answer=answer, low=low, high=high, advised=advised)


def _advised(known: Verdict, low: float, high: float) -> int | None:
    """Return how many runs a side would shrink the interval until it leaves the tolerance on one side.

    An interval shrinks with the root of the number of runs.
    """
    limit, ratio = 1 + known.tolerance, known.shown_ratio
    away = abs(ratio - limit)
    reach = ratio - low if ratio > limit else high - ratio
    least = min(known.a_runs, known.b_runs)
    if not least or away <= 0:
        return None
    needed = math.ceil(least * (reach / away) ** 2)
    return max(needed, least + 1) if needed <= MOST_ADVISED else None
