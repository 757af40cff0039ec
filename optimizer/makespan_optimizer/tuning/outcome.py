"""What a race shows while it is run, and what it showed, as it stands in the plan that won. Pure."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from makespan.plan import Evidence, Raced
from makespan.showing.interval import interval
from makespan.showing.words import TIMES, plural
from makespan.showing.words import seconds as in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.plan import Misjudged, Plan
    from makespan.profile import Profile
    from makespan_optimizer.tuning.race import Race
    from makespan_optimizer.tuning.ways import Way


class Tuned(NamedTuple):
    """What came of it.

    Attributes
    ----------
    plan : Plan
        The way that won, with its evidence.
    profile : Profile
        With what was learnt on the way.
    evidence : Evidence
        That of the plan.
    interrupted : bool
        Ctrl-C ended the race: the plan is the best so far.
    """

    plan: Plan
    profile: Profile
    evidence: Evidence
    interrupted: bool


def label(race: Race, ways: Sequence[Way], i: int) -> str:
    """Say how a race stands in which a way is about to be run."""
    what = f"turn {race.turns + 1}" if i in race.first_s else "first run"
    best = ""
    if race.turns:  # what the race is about comes first: a terminal may be narrow
        its_s, default_s = race.in_common(race.leader)
        over = f" {median(its_s) / median(default_s):.2f} {TIMES} default" if race.leader else ""
        best = f" · best {ways[race.leader].name} {in_words(median(its_s))}{over}"
    return f"{what}, {plural(len(race.live), 'way')}{best} · now {ways[i].name}"


def evidence_of(
    race: Race,
    ways: Sequence[Way],
    *,
    confidence: float,
    used_s: float,
    foreign_load: float | None = None,
    misjudged: tuple[Misjudged, ...] = (),
) -> Evidence:
    """Return the evidence of a race in which at least the default was run."""
    winner = race.winner
    raced = [its for i in range(len(ways)) if (its := _raced(race, ways[i], i)) is not None]
    raced.sort(key=lambda its: (its.median_s, its.threads, its.name))
    its_s, default_s = race.in_common(winner)
    ratio = median(its_s) / median(default_s)
    between = interval(its_s, default_s, together=True) if winner != 0 else None
    return Evidence(
        winner=ways[winner].name,
        default=ways[0].name,
        confidence=confidence,
        clear=race.clear,
        stopped=_stopped(race),
        used_s=round(used_s, 3),
        ways=tuple(raced),
        over_default=round(ratio, 9),
        over_default_low=None if between is None else round(between[0], 9),
        over_default_high=None if between is None else round(between[1], 9),
        foreign_load=None if foreign_load is None else round(foreign_load, 4),
        misjudged=misjudged,
    )


def _stopped(race: Race) -> str:
    short_s = race.short_s
    more = f"; {in_words(short_s)} of runs are missing until a plan may win" if short_s else ""
    return f"{race.why}{more}"


def _raced(race: Race, way: Way, i: int) -> Raced | None:
    seconds = race.seconds(i) or ([race.first_s[i]] if i in race.first_s else [])
    if not seconds:
        return None
    between = interval(seconds, [1.0] * len(seconds), together=True)
    return Raced(
        name=way.name,
        threads=way.plan.threads,
        runs=len(seconds),
        median_s=round(median(seconds), 9),
        low_s=None if between is None else round(between[0], 9),
        high_s=None if between is None else round(between[1], 9),
        predicted_s=way.plan.makespan_s,
        left=race.left.get(i, ""),
    )
