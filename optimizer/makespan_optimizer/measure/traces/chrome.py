"""Traces in Chrome's Trace Event format as profiles, where flow events tell what waits for what.

::

    thread 1   ▕ load ▏s ───────┐
    thread 2                    └─▶ f▕ parse ▏

A flow begins (``s``) within the slice of a task, or at its end, and ends (``f``, by way of any ``t``) at the
slice that takes the result. Flows bind as trace viewers bind them: ``s`` and ``t`` to the slice around them,
``f`` to the next slice of its track, with ``"bp": "e"`` to the one around it; or slices say themselves which
flows leave and enter them (``bind_id``, ``flow_out``, ``flow_in``). Where a flow begins between two
slices, only the one that is over before the taker begins can be meant; if both can, it is refused.

What a trace cannot tell is refused, never guessed: no flow events at all, a flow without a begin or a slice,
a task that takes from one that was not over, tasks within tasks. Slices around tasks (a worker's loop) are
left out, and tasks without flows are taken to wait for nothing; both are named in a warning.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from makespan.errors import MakespanError, ProfileError
from makespan.profile import ProfileWarning
from makespan.showing.words import plural, some
from makespan_optimizer.measure.hints import Hint, hinted, parse_kind
from makespan_optimizer.measure.traces.flows import slice_at, takes_of
from makespan_optimizer.measure.traces.records import Row
from makespan_optimizer.measure.traces.slices import lanes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from makespan_optimizer.measure.traces.flows import Place
    from makespan_optimizer.measure.traces.slices import Lane, Slice, Track

_ASYNCHRONOUS = frozenset("bneSTpF")


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
    takes = takes_of(events, lanes, at)
    if asynchronous := sum(event["ph"] in _ASYNCHRONOUS for event in events):
        _warn(f"{where}: {plural(asynchronous, 'asynchronous event')} (b, e), left out: not on one thread")
    count = sum(len(lane.slices) for lane in lanes.values())
    if not takes and count != 1:
        raise ProfileError(
            "has no flow events (s, f): what waits for what is not told" if count else "tells of nothing",
            where=where,
            hint="a CSV with a column 'predecessors' tells it" if count else None,
        )
    places = _tasks(lanes, takes, at)
    names = _names([slice_at(lanes, place) for place in places])
    named = dict(zip(places, names, strict=True))
    return [
        Row(
            _node(named[place], slice_at(lanes, place), f"{at}/{slice_at(lanes, place).number}"),
            tuple(named[before] for before in takes.get(place, ())),
            where=f"{at}/{slice_at(lanes, place).number}",
            where_after=f"{at}/{slice_at(lanes, place).number}",
        )
        for place in places
    ]


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
        names = some(sorted({slice_at(lanes, place).name for place in around}), 8)
        _warn(f"{file}: slices around tasks, left out: {names}")
    if alone and bound:
        names = some(sorted({its.name for its in alone}), 8)
        count = plural(len(alone), "task")
        _warn(f"{file}: {count} without flows, taken to wait for nothing: {names}")
    return sorted(found, key=lambda place: (slice_at(lanes, place).start_us, slice_at(lanes, place).number))


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
