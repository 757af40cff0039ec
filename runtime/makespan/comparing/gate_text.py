"""The verdict of the gate in a few lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.showing.interval import LEAST_REPEATS
from makespan.showing.words import clean, percent, plural, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.comparing.gate import Verdict

_OF = {"runs": "median of {}", "evidence": "measured median of {}", "expected": "expected"}


def verdict_text(
    its: Verdict, labels: tuple[str, str], notes: Sequence[str] = (), *, gate: bool = True
) -> str:
    """Return the verdict in words: the answer first, then what it rests on; `gate`: there was a question.

    >>> from makespan.comparing.gate import judge_expected
    >>> print(verdict_text(judge_expected(1.0, 1.2, 0.05), ("old.json", "new.json")))
    slower by more than 5 %: b is expected to take 20 % longer than a
    a: old.json, expected 1.00 s
    b: new.json, expected 1.20 s
    what two plans expect is compared as it is: no test, nothing was run
    """
    lines = [headline(its) if gate else difference(its)]
    for word, label, value_s, runs in (
        ("a", labels[0], its.a_s, its.a_runs),
        ("b", labels[1], its.b_s, its.b_runs),
    ):
        of = "one run" if its.by == "runs" and runs == 1 else _OF[its.by].format(plural(runs, "run"))
        lines.append(f"{word}: {clean(label, 80)}, {of} {seconds(value_s)}")
    lines += [reason(its, gate=gate), *(f"note: {clean(note, 200)}" for note in notes)]
    return "\n".join(lines)


def headline(its: Verdict) -> str:
    """Return the answer in one line."""
    by = f"by more than {allowed(its.tolerance)}"
    head = f"cannot tell whether b is slower {by}" if its.answer == "cannot tell" else f"{its.answer} {by}"
    return f"{head}: {difference(its)}"


def difference(its: Verdict) -> str:
    """Say how much longer or shorter b takes."""
    if its.ratio is None:
        return "a took no time"
    change = its.ratio - 1
    takes = "is expected to take" if its.by == "expected" else "takes"
    if percent(change) == "0 %":
        return f"b {takes} as long as a"
    return f"b {takes} {percent(abs(change))} {'longer' if change > 0 else 'less'} than a"


def allowed(tolerance: float) -> str:
    """Write the tolerance as it was given.

    >>> allowed(0.05), allowed(0.125)
    ('5 %', '12.5 %')
    """
    return f"{tolerance * 100:.6g} %"


def reason(its: Verdict, *, gate: bool = True) -> str:
    """Say what the answer rests on, and what is missing where there is none."""
    if its.by == "expected":
        return "what two plans expect is compared as it is: no test, nothing was run"
    if its.a_lacks or its.b_lacks:
        wants = [
            f"{lacks:,} more of {word}" for word, lacks in (("a", its.a_lacks), ("b", its.b_lacks)) if lacks
        ]
        return (
            f"too few runs to tell chance from change: {' and '.join(wants)} are needed "
            f"({LEAST_REPEATS} a side at least)"
        )
    if its.low is None or its.high is None:
        return "no interval: a run took no time"
    turns = ", run in turns" if its.in_turns else ""
    span = f"95 % interval of b against a{turns}: {_signed(its.low)} … {_signed(its.high)}"
    if its.answer != "cannot tell" or not gate:
        return span
    more = (
        "the difference is too near what is allowed"
        if its.advised is None
        else f"about {plural(its.advised, 'run')} a side may tell"
    )
    return f"{span}, both sides of +{allowed(its.tolerance)}; {more}"


def _signed(ratio: float) -> str:
    return percent(ratio - 1, signed=True)
