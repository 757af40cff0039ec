"""Flows of a trace: which slice takes from which; see `makespan_optimizer.measure.traces.chrome`.

A flow that cannot be bound is refused: left out, it would be a dependency that is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.errors import ProfileError
from makespan_optimizer.measure.traces.slices import ROUNDING_US, number_of, track_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from makespan_optimizer.measure.traces.slices import Lane, Slice, Track

Place = tuple["Track", int]
_ORDER = {"s": 0, "t": 1, "f": 2}


class _Step(NamedTuple):
    """One event of a flow."""

    ts: float
    order: int
    number: int
    event: dict[str, Any]


def slice_at(lanes: Mapping[Track, Lane], place: Place) -> Slice:
    """Return the slice at a place."""
    return lanes[place[0]].slices[place[1]]


def takes_of(events: Sequence[Any], lanes: Mapping[Track, Lane], at: str) -> dict[Place, dict[Place, None]]:
    """Return the slices that each slice takes from, by flows.

    Raises
    ------
    ProfileError
        A flow without a begin, an end or a slice; one that is no dependency; with the event's number.
    """
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
    _add_bound(takes, events, lanes, at)
    return takes


def _add_bound(
    takes: dict[Place, dict[Place, None]], events: Sequence[Any], lanes: Mapping[Track, Lane], at: str
) -> None:
    """Add the flows of the second form: slices with a ``bind_id``, and ``flow_out`` or ``flow_in``."""
    places = {its.number: (track, k) for track, lane in lanes.items() for k, its in enumerate(lane.slices)}
    flows: dict[Any, list[tuple[float, int]]] = {}
    for number, event in enumerate(events):
        if not (event.get("flow_in") or event.get("flow_out")):
            continue
        where = f"{at}/{number}"
        if number not in places:
            raise ProfileError("a flow is bound to what is no slice", where=where)
        if not isinstance(event.get("bind_id"), int | str):
            raise ProfileError("is a flow without a bind_id", where=where)
        flows.setdefault(event["bind_id"], []).append((slice_at(lanes, places[number]).start_us, number))
    for steps in flows.values():
        before: Place | None = None
        taken = False
        for _, number in sorted(steps):
            place, event, where = places[number], events[number], f"{at}/{number}"
            if event.get("flow_in"):
                if before is None:
                    raise ProfileError("a flow goes on that has not begun", where=where)
                takes.setdefault(place, {})[_giver([before], place, lanes, where)] = None
                taken = True
            if event.get("flow_out"):
                if before is not None and not taken:
                    break
                before, taken = place, False
        if before is not None and not taken:
            number = slice_at(lanes, before).number
            raise ProfileError("a flow begins here and never ends", where=f"{at}/{number}")


def _refuse_open(begun: _Step | None, at: str) -> None:
    if begun is not None:
        raise ProfileError("a flow begins here and never ends", where=f"{at}/{begun.number}")


def _givers(step: _Step, lanes: Mapping[Track, Lane], where: str) -> list[Place]:
    """Return the slices that a flow may begin in: around its moment, or ending just then."""
    track = track_of(step.event, where)
    lane = lanes.get(track)
    found: list[int | None] = []
    if lane is not None:
        around = lane.around(step.ts)
        found = [around, *lane.ending(step.ts)]
        if around is not None and lane.slices[around].start_us == step.ts:
            found += lane.beginning_with(around)
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
    if lane is not None and lane.slices[k].start_us == step.ts:
        for other in lane.beginning_with(k):
            names = f"{lane.slices[k].name!r} and {lane.slices[other].name!r}"
            raise ProfileError(f"a flow ends where {names} begin, and may be for either", where=where)
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
    its = slice_at(lanes, taker)
    latest_us = its.start_us + ROUNDING_US
    over = [place for place in before if place != taker and slice_at(lanes, place).end_us <= latest_us]
    if not over:
        first = slice_at(lanes, before[0])
        raise ProfileError(
            f"{its.name!r} takes from {first.name!r} by a flow, but began before that was over: "
            "the flows of this trace are not dependencies of tasks",
            where=where,
        )
    if len(over) > 1:
        names = " or ".join(repr(slice_at(lanes, place).name) for place in over)
        raise ProfileError(f"a flow may be of {names}: both fit its begin", where=where)
    return over[0]
