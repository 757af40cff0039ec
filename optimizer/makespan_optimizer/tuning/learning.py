"""What real runs teach: nodes that the model had wrong are measured again, and new plans come of it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.errors import MakespanError
from makespan.machine import this_machine
from makespan.profile import Profile, ProfileWarning
from makespan_optimizer.tuning.candidates import planned_again
from makespan_optimizer.tuning.feedback import fed_back, remeasured
from makespan_optimizer.tuning.misjudged import misjudged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from makespan.graph import DAG
    from makespan.plan import Misjudged
    from makespan.record import RunRecord
    from makespan_optimizer.tuning.ways import Way

_OTHERS = 2  # runs of each other way


class Learnt(NamedTuple):
    """What came of it; the same profile and no ways where nothing was learnt."""

    profile: Profile
    misjudged: tuple[Misjudged, ...] = ()
    ways: tuple[Way, ...] = ()


def learnt(
    dag: DAG[..., Any],
    profile: Profile,
    ways: Sequence[Way],
    records: Mapping[str, Sequence[RunRecord]],
    *,
    leader: Way,
    limit_s: float,
    native_threads: bool,
    seed: int,
    inputs: Sequence[Mapping[str, Any]],
    hooks: Mapping[str, Any],
    say: Callable[[str], Any],
    tell: Callable[[str], Any],
) -> Learnt:
    """Look for what the model had wrong of the leader, measure that again, and plan anew.

    Parameters
    ----------
    dag : DAG
    profile : Profile
    ways : sequence of Way
        The fastest first.
    records : mapping of str to sequence of RunRecord
        Last runs, by way.
    limit_s : float
        Half for measuring, half for planning.
    inputs, hooks
        For runs of the DAG.
    say, tell : callable
        Told a line of prose; what is going on.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C. Its attribute `partial` holds a `Learnt` of what was learnt until then.
    """
    if leader.plan.machine.differences(this_machine()):
        return Learnt(profile)  # what is measured here is not to be mixed with it
    others = [
        record
        for way in ways
        if way.name != leader.name
        for record in list(records.get(way.name, ()))[-_OTHERS:]
    ]
    tell("what the model had wrong")
    after = profile
    found: tuple[Misjudged, ...] = ()
    try:
        found = misjudged(profile, leader.plan, list(records.get(leader.name, ())), others=others)
        if not found:
            say("the model was right about what decides")
            return Learnt(profile)
        for its in found:
            say(f"{' beside '.join(its.nodes)}: {its.why}")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ProfileWarning)
            after = fed_back(
                dag,
                (),
                {},
                profile,
                found,
                limit_s / 2,
                lambda done, total, words: tell(f"measured again: {words} ({done} of {total})"),
                plan=leader.plan,
                inputs=[dict(values) for values in inputs],
                **hooks,
            )
        for warning in caught:
            say(f"warning: {warning.message}")
        found = remeasured(found, profile, after)
        if after is profile:
            return Learnt(profile, found)
        tell("plans of what was learnt")
        again = planned_again(
            after,
            [way.plan for way in _unlike(ways)],
            seed=seed,
            limit_s=limit_s / 2,
            native_threads=native_threads,
        )
    except MakespanError as error:
        say(f"nothing was learnt: {error}")
        return Learnt(profile)
    except KeyboardInterrupt as stopped:
        partial = getattr(stopped, "partial", None)
        after = partial if isinstance(partial, Profile) else after
        stopped.partial = Learnt(after, remeasured(found, profile, after))  # type: ignore[attr-defined]
        raise
    return Learnt(after, found, tuple(_renamed(again, {way.name for way in ways})))


def _renamed(again: Sequence[Way], taken: set[str]) -> Iterator[Way]:
    """Yield the ways under names that say where they come from, and that no other way has."""
    for way in again:
        name, k = f"{way.name}, measured again", 1
        while name in taken:
            k += 1
            name = f"{way.name}, measured again ({k})"
        taken.add(name)
        yield way._replace(name=name)


def _unlike(ways: Sequence[Way]) -> list[Way]:
    """Return the best plan, and the best of the other kind: with worker processes, or without."""
    plans = [way for way in ways if not way.plain]
    unlike = [way for way in plans if bool(way.processes) != bool(plans[0].processes)]
    return [*plans[:1], *(unlike or plans[1:])[:1]]
