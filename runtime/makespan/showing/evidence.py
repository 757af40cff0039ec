"""What a race of real runs showed, in words and in a table: the same in terminal, page and notebook.

The words never say more than the runs do: a way whose interval reaches 1 × the default is not called faster.
Names of ways and nodes may be anyone's (a plan is a file), and are cleaned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from makespan.showing.words import TIMES, clean, percent, plural, seconds, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from makespan.plan import Evidence, Misjudged, Raced

HEADS = (
    "way",
    "threads",
    "runs",
    "median",
    "95 % interval",
    "predicted",
    f"{TIMES} default",
    "left the race",
)
ALIGN = "<>>>>>><"
DASH = "\N{EN DASH}"
MOST_NAME = 60
MOST_WHY = 200
MOST_MISJUDGED = 5
LEAST_RUNS = 3
"""Of the default and of another way: after fewer nothing is said of which is faster."""


class Speedup(NamedTuple):
    """Medians of the default and of the plan, and the interval of their ratio."""

    default_s: float
    plan_s: float
    runs: int
    """Of each, at least."""
    interval: tuple[float, float] | None


def way_of(evidence: Evidence, name: str) -> Raced | None:
    """Return the way of that name; None: it was not run."""
    return next((way for way in evidence.ways if way.name == name), None)


def is_faster(evidence: Evidence) -> bool:
    """Say whether the winner is measurably faster than the default: by its interval as it is shown."""
    high = evidence.over_default_high
    return evidence.winner != evidence.default and high is not None and round(high, 2) < 1


def headline(evidence: Evidence) -> str:
    """Say in one sentence what the plan takes, against the default order, and how sure that is."""
    winner = way_of(evidence, evidence.winner)
    took = [seconds(winner.median_s)] if winner is not None else []
    if winner is not None and winner.predicted_s is not None:
        predicted = f"predicted {seconds(winner.predicted_s)}"
    else:
        predicted = ""
    if evidence.winner == evidence.default:
        kept = ", ".join(word for word in (*took, predicted) if word)
        name = clean(evidence.default, MOST_NAME)
        return f"{_why_kept(evidence)}; kept the default ({name}): {kept}{_sure(evidence)}"
    told = ", ".join(word for word in (*took, ratio(evidence), predicted) if word)
    doubt = "" if is_faster(evidence) else "; not proven faster than the default order"
    return f"{clean(evidence.winner, MOST_NAME)}: {told}{doubt}{_sure(evidence)}"


def _why_kept(evidence: Evidence) -> str:
    if len(evidence.ways) < 2:
        return "nothing else was run"
    default = way_of(evidence, evidence.default)
    most = max((way.runs for way in evidence.ways if way.name != evidence.default), default=0)
    if min(most, default.runs if default is not None else most) < LEAST_RUNS:
        return "too few runs to tell what is faster"
    return "no plan is measurably faster than the default order"


def ratio(evidence: Evidence) -> str:
    """Say how long the winner takes in times of the default, with the interval.

    >>> from makespan.plan import Evidence, Raced
    >>> ways = (Raced("plan", 2, 9, 0.62), Raced("default", 2, 9, 1.0))
    >>> ratio(Evidence("plan", "default", 0.95, True, "", 9.0, ways, 0.62, 0.58, 0.66))
    '0.62 × the default order (0.58–0.66)'
    """
    low, high = evidence.over_default_low, evidence.over_default_high
    between = "" if low is None or high is None else f" ({low:.2f}{DASH}{high:.2f})"
    return f"{evidence.over_default:.2f} {TIMES} the default order{between}"


def _sure(evidence: Evidence) -> str:
    if len(evidence.ways) < 2:
        return ""
    return f"; {'clear' if evidence.clear else 'not clear'} at {confidence(evidence)}"


def confidence(evidence: Evidence) -> str:
    """Write the confidence: the percentage with the decimals that it has."""
    return f"{100 * evidence.confidence:.4g} %"


def race_words(evidence: Evidence) -> str:
    """Say how much was run, why the race ended, and what else the machine did."""
    runs = sum(way.runs for way in evidence.ways)
    told = f"{plural(len(evidence.ways), 'way')}, {plural(runs, 'run')} in {seconds(evidence.used_s)}"
    if evidence.stopped:
        told += f"; stopped: {clean(evidence.stopped, MOST_WHY)}"
    if evidence.foreign_load is not None and evidence.foreign_load >= 0.005:
        told += f"; other programs took {percent(evidence.foreign_load)} of the cores meanwhile"
    return told


def over_default(evidence: Evidence, way: Raced) -> str:
    """Return a way's median in times of the default's; empty when there is none to compare with."""
    default = way_of(evidence, evidence.default)
    if default is None or default.median_s <= 0:
        return ""
    return f"{way.median_s / default.median_s:.2f}"


def between(way: Raced) -> str:
    """Write the interval of a way's median; empty: too few runs to tell."""
    if way.low_s is None or way.high_s is None:
        return ""
    return f"{seconds(way.low_s)} to {seconds(way.high_s)}"


def marks(evidence: Evidence, way: Raced) -> str:
    """Say what a way is beside its name."""
    found = ["kept"] if way.name == evidence.winner else []
    found += ["default"] if way.name == evidence.default else []
    return ", ".join(found)


def rows(evidence: Evidence) -> list[list[str]]:
    """Return a row a way, the fastest first; see `HEADS`."""
    return [
        [
            clean(way.name, MOST_NAME),
            f"{way.threads:,}",
            f"{way.runs:,}",
            seconds(way.median_s),
            between(way),
            "" if way.predicted_s is None else seconds(way.predicted_s),
            over_default(evidence, way),
            clean(way.left, MOST_WHY) or marks(evidence, way),
        ]
        for way in evidence.ways
    ]


def race_table(evidence: Evidence) -> str:
    """Return the ways as a table for the terminal."""
    return table(HEADS, rows(evidence), ALIGN)


def misjudged_words(its: Misjudged) -> str:
    """Say what the model had wrong of a node, or of a node beside another."""
    names = " beside ".join(clean(name, 40) for name in its.nodes)
    again = "; measured again" if its.remeasured else ""
    why = f": {clean(its.why, MOST_WHY)}" if its.why else ""
    return f"{names} took {seconds(its.actual_s)}, the model said {seconds(its.planned_s)}{why}{again}"


def misjudged_lines(evidence: Evidence, most: int = MOST_MISJUDGED) -> list[str]:
    """Say what the model had wrong, the first few; never cut without saying so."""
    told = [f"the model was wrong: {misjudged_words(its)}" for its in evidence.misjudged[:most]]
    left = len(evidence.misjudged) - most
    return [*told, f"the model was wrong about {left:,} more"] if left > 0 else told


def evidence_lines(evidence: Evidence | None) -> Iterable[str]:
    """Say in a line or two what was measured, for summaries; nothing without evidence."""
    if evidence is None:
        return
    yield f"measured: {headline(evidence)}"
    yield f"the race: {race_words(evidence)}"
    yield from misjudged_lines(evidence, 3)


def speedup(evidence: Evidence | None) -> Speedup | None:
    """Return what was measured of the gain; None: no race, or no way to tell."""
    if evidence is None:
        return None
    winner, default = way_of(evidence, evidence.winner), way_of(evidence, evidence.default)
    if winner is None or default is None or winner.median_s <= 0:
        return None
    low, high = evidence.over_default_low, evidence.over_default_high
    interval = None if low is None or high is None else (1 / high, 1 / low)
    return Speedup(default.median_s, winner.median_s, min(winner.runs, default.runs), interval)
