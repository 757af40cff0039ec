"""Traces in Chrome's Trace Event format as profiles, where flow events tell what waits for what.

::

    thread 1   ▕ load ▏s ───────┐
    thread 2                    └─▶ f▕ parse ▏

A flow begins (``s``) within the slice of a task, or at its end, and ends (``f``, by way of any ``t``) at the
slice that takes the result. Flows bind as trace viewers bind them: ``s`` and ``t`` to the slice around them,
``f`` to the next slice of its track, with ``"bp": "e"`` to the one around it. Where a flow begins between two
slices, only the one that is over before the taker begins can be meant; if both can, it is refused.

What a trace cannot tell is refused, never guessed: no flow events at all, a flow without a begin or a slice,
a task that takes from one that was not over, tasks within tasks. Slices around tasks (a worker's loop) are
left out, and tasks without flows are taken to wait for nothing; both are named in a warning.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.errors import MakespanError, ProfileError
from makespan.profile import ProfileWarning
from makespan.showing.words import plural, some
from makespan_optimizer.measure.hints import Hint, hinted, parse_kind
from makespan_optimizer.measure.traces.records import Row
from makespan_optimizer.measure.traces.slices import ROUNDING_US, lanes_of, number_of, track_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from makespan_optimizer.measure.traces.slices import Lane, Slice, Track

Place = tuple["Track", int]
_ORDER = {"s": 0, "t": 1, "f": 2}


class _Step(NamedTuple):
    """One event of a flow."""

    ts: float
    order: int
    number: int
    event: dict[str, Any]


def is_chrome_trace(body: Any) -> bool:
    """Say whether parsed JSON is a trace: an object with ``traceEvents``, or a list of events."""
    if isinstance(body, dict):
        return isinstance(body.get("traceEvents"), list)
    return (
        isinstance(body, list)
        and bool(body)
        and all(isinstance(its, dict) and "ph" in its for its in body[:3])
    )


def rows_of(body: Any, where: str) -> list[Row]:
    """Return the tasks of a trace: seconds, and what each waited for.

    Raises
    ------
    ProfileError
        The trace does not tell it, or tells what cannot be; with the number of the event.
    """
    if isinstance(body, dict) and str(body.get("format", "")).startswith("makespan-trace/"):
        raise ProfileError(
            "is a picture that makespan drew of a run, without all that the run tells",
            where=where,
            hint="makespan export run.json --to csv -o run.csv, then --from run.csv",
        )
    events: Sequence[Any] = body["traceEvents"] if isinstance(body, dict) else body
    at = f"{where}#/traceEvents" if isinstance(body, dict) else f"{where}#"
    lanes = lanes_of(events, at)
    takes = _takes(events, lanes, at)
    count = sum(len(lane.slices) for lane in lanes.values())
    if not takes and count != 1:
        raise ProfileError(
            "has no flow events (s, f): what waits for what is not told" if count else "tells of nothing",
            where=where,
            hint="a CSV with a column 'predecessors' tells it" if count else None,
        )
    places = _tasks(lanes, takes, at)
    names = _names([_at(lanes, place) for place in places])
    named = dict(zip(places, names, strict=True))
    return [
        Row(
            _node(named[place], _at(lanes, place), f"{at}/{_at(lanes, place).number}"),
            tuple(named[before] for before in takes.get(place, ())),
            where=f"{at}/{_at(lanes, place).number}",
            where_after=f"{at}/{_at(lanes, place).number}",
        )
        for place in places
    ]


def _at(lanes: Mapping[Track, Lane], place: Place) -> Slice:
    return lanes[place[0]].slices[place[1]]


def _takes(events: Sequence[Any], lanes: Mapping[Track, Lane], at: str) -> dict[Place, dict[Place, None]]:
    """Return the slices that each slice takes from, by flows."""
    flows: dict[tuple[Any, ...], list[_Step]] = {}
    for number, event in enumerate(events):
        if event["ph"] in _ORDER:
            place = f"{at}/{number}"
            if not isinstance(event.get("id"), int | str):
                raise ProfileError("is a flow without an id", where=place)
            key = (event["id"], event.get("cat"), event.get("name"))
            step = _Step(number_of(event, "ts", place), _ORDER[event["ph"]], number, event)
            flows.setdefault(key, []).append(step)
    takes: dict[Place, dict[Place, None]] = {}
    for steps in flows.values():
        before: list[Place] | None = None
        begun: _Step | None = None
        for step in sorted(steps, key=lambda its: its[:3]):
            place = f"{at}/{step.number}"
            if step.event["ph"] == "s":
                _refuse_open(begun, at)
                before, begun = _givers(step, lanes, place), step
                continue
            if before is None:
                raise ProfileError("a flow goes on that has not begun", where=place)
            taker = _taker(step, lanes, place)
            takes.setdefault(taker, {})[_giver(before, taker, lanes, place)] = None
            begun = None
            if step.event["ph"] == "t":
                before, begun = [taker], step
        _refuse_open(begun, at)
    return takes


def _refuse_open(begun: _Step | None, at: str) -> None:
    if begun is not None:
        raise ProfileError("a flow begins here and never ends", where=f"{at}/{begun.number}")


def _givers(step: _Step, lanes: Mapping[Track, Lane], where: str) -> list[Place]:
    """Return the slices that a flow may begin in: around its moment, or ending just then."""
    track = track_of(step.event, where)
    lane = lanes.get(track)
    found = [] if lane is None else [lane.around(step.ts), *lane.ending(step.ts)]
    places = [(track, k) for k in dict.fromkeys(found) if k is not None]
    if not places:
        raise ProfileError("a flow begins outside of all slices of its thread", where=where)
    return places


def _taker(step: _Step, lanes: Mapping[Track, Lane], where: str) -> Place:
    track = track_of(step.event, where)
    lane = lanes.get(track)
    enclosing = step.event["ph"] == "t" or step.event.get("bp") == "e"
    k = None
    if lane is not None:
        k = lane.around(step.ts) if enclosing else lane.next_from(step.ts)
        if enclosing and k is None:
            k = next(iter(lane.ending(step.ts)), None)
        _refuse_rounded(step, lane, where, enclosing=enclosing)
    if k is None:
        raise ProfileError(
            "a flow ends outside of all slices of its thread"
            if enclosing
            else "a flow ends where no slice of its thread begins",
            where=where,
            hint=None if enclosing else '"bp": "e" binds it to the slice around it',
        )
    return track, k


def _refuse_rounded(step: _Step, lane: Lane, where: str, *, enclosing: bool) -> None:
    """Refuse a flow to the next slice that was told just after the begin of one: that may be meant."""
    k = lane.around(step.ts)
    if enclosing or k is None:
        return
    its = lane.slices[k]
    if 0 < step.ts - its.start_us <= ROUNDING_US:
        raise ProfileError(
            f"a flow ends just after {its.name!r} begins, and may be for it or for the next slice",
            where=where,
            hint='"bp": "e" binds it to the slice around it',
        )


def _giver(before: list[Place], taker: Place, lanes: Mapping[Track, Lane], where: str) -> Place:
    """Return the one slice that a taker can have waited for."""
    its = _at(lanes, taker)
    over = [
        place for place in before if place != taker and _at(lanes, place).end_us <= its.start_us + ROUNDING_US
    ]
    if not over:
        first = _at(lanes, before[0])
        raise ProfileError(
            f"{its.name!r} takes from {first.name!r} by a flow, but began before that was over: "
            "the flows of this trace are not dependencies of tasks",
            where=where,
        )
    if len(over) > 1:
        names = " or ".join(repr(_at(lanes, place).name) for place in over)
        raise ProfileError(f"a flow begins between two slices, and may be of {names}", where=where)
    return over[0]


def _tasks(lanes: Mapping[Track, Lane], takes: Mapping[Place, Iterable[Place]], at: str) -> list[Place]:
    """Return the slices that are tasks, in the order of their begins."""
    bound = {*takes, *(before for some_ in takes.values() for before in some_)}
    around: set[Place] = set()
    for track, k in bound:
        lane = lanes[track]
        outer = lane.inside[k]
        while outer is not None:
            if (track, outer) in bound:
                around_it = lane.slices[outer].name
                raise ProfileError(
                    f"{lane.slices[k].name!r} runs within {around_it!r}; flows bind to both",
                    where=f"{at}/{lane.slices[k].number}",
                    hint="which is the task cannot be told",
                )
            around.add((track, outer))
            outer = lane.inside[outer]
    found, alone = [], []
    for track, lane in lanes.items():
        within = [False] * len(lane.slices)  # of a task
        for k, outer in enumerate(lane.inside):
            place = (track, k)
            within[k] = outer is not None and (within[outer] or (track, outer) not in around)
            if within[k] or place in around:
                continue
            found.append(place)
            if place not in bound:
                alone.append(lane.slices[k])
    file = at.partition("#")[0]
    if around:
        names = some(sorted({_at(lanes, place).name for place in around}), 8)
        _warn(f"{file}: slices around tasks, left out: {names}")
    if alone and bound:
        names = some(sorted({its.name for its in alone}), 8)
        count = plural(len(alone), "task")
        _warn(f"{file}: {count} without flows, taken to wait for nothing: {names}")
    return sorted(found, key=lambda place: (_at(lanes, place).start_us, _at(lanes, place).number))


def _warn(text: str) -> None:
    warnings.warn(text, ProfileWarning, stacklevel=6)


def _names(slices: Sequence[Slice]) -> list[str]:
    """Name tasks as nodes are named: ``step``, ``step_2``; a name of a task's own comes first."""
    own = {its.name.strip() for its in slices}
    found: dict[str, None] = {}
    count: dict[str, int] = {}
    for its in slices:
        base = its.name.strip()
        name = base
        while name in found or (name != base and name in own):
            count[base] = count.get(base, 1) + 1
            name = f"{base}_{count[base]}"
        found[name] = None
    return list(found)


def _node(name: str, its: Slice, where: str) -> Any:
    wall_s = (its.end_us - its.start_us) / 1e6
    word = its.args.get("class")
    try:
        hint = Hint(wall_s, *parse_kind(word, where)) if isinstance(word, str) and word else Hint(wall_s)
    except MakespanError:  # some other tool's word
        hint = Hint(wall_s)
    return hinted(name, hint, origin="trace")
