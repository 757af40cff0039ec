"""Slices of a trace in Chrome's Trace Event format: what ran when, on which track, inside of what.

``X`` events are slices; so are pairs of ``B`` and ``E``, the last begun ended first. A track is a pair of
process and thread. On one track slices lie beside or inside one another; a slice that ends in the middle of
another one is refused, as is a pair that is not closed: then times are missing or mixed up.

Format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU; times in µs.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.errors import ProfileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROUNDING_US = 1.0
"""Writers round times to whole microseconds; so much does not count as an overlap."""
Track = tuple[Any, Any]


class Slice(NamedTuple):
    """Something that ran; µs."""

    name: str
    start_us: float
    end_us: float
    track: Track
    number: int
    """Of the event that tells its begin."""
    args: dict[str, Any]


class Lane:
    """The slices of one track: sorted by begin, the outer before the inner.

    Attributes
    ----------
    slices : list of Slice
    inside : list of (int or None)
        The slice that each lies directly inside of.
    """

    def __init__(self, slices: Iterable[Slice], where: str) -> None:
        self.slices = sorted(slices, key=lambda its: (its.start_us, -its.end_us, its.number))
        self.inside: list[int | None] = []
        self._starts = [its.start_us for its in self.slices]
        open_: list[int] = []
        for k, its in enumerate(self.slices):
            while open_ and self._is_over(self.slices[open_[-1]], its):
                open_.pop()
            if open_ and its.end_us > self.slices[open_[-1]].end_us:
                outer = self.slices[open_[-1]].name
                raise ProfileError(
                    f"{its.name!r} begins within {outer!r} and ends after it, on one thread",
                    where=f"{where}/{its.number}",
                )
            self.inside.append(open_[-1] if open_ else None)
            open_.append(k)

    @staticmethod
    def _is_over(outer: Slice, its: Slice) -> bool:
        if its.start_us >= outer.end_us:
            return True
        return its.end_us > outer.end_us and its.start_us >= outer.end_us - ROUNDING_US

    def around(self, moment_us: float) -> int | None:
        """Return the innermost slice that has begun at a moment, and ends later or begins just then."""
        k: int | None = bisect_right(self._starts, moment_us) - 1
        while k is not None and k >= 0:
            its = self.slices[k]
            if moment_us < its.end_us or moment_us == its.start_us:
                return k
            k = self.inside[k]
        return None

    def ending(self, moment_us: float) -> list[int]:
        """Return the slices that end at a moment, the innermost first."""
        found = []
        k = bisect_right(self._starts, moment_us) - 1
        while k >= 0 and self.slices[k].start_us == moment_us:  # those that take no time
            if self.slices[k].end_us == moment_us:
                found.append(k)
            k -= 1
        at: int | None = k
        while at is not None and at >= 0:
            if self.slices[at].end_us == moment_us:
                found.append(at)
            if self.slices[at].end_us > moment_us:
                return found
            at = self.inside[at]
        return found

    def beginning_with(self, k: int) -> list[int]:
        """Return the slices that begin at the same moment as one, without it."""
        start_us = self.slices[k].start_us
        first, end = bisect_left(self._starts, start_us), bisect_right(self._starts, start_us)
        return [other for other in range(first, end) if other != k]

    def next_from(self, moment_us: float) -> int | None:
        """Return the first slice that begins at a moment or later."""
        k = bisect_left(self._starts, moment_us)
        return k if k < len(self.slices) else None


def lanes_of(events: Sequence[Any], where: str) -> dict[Track, Lane]:
    """Return the slices of a trace by track.

    Raises
    ------
    ProfileError
        An event that is none, a pair that is not closed, slices that overlap; with its number.
    """
    slices: dict[Track, list[Slice]] = {}
    open_: dict[Track, list[tuple[str, float, int, dict[str, Any]]]] = {}
    timed = []
    for number, event in enumerate(events):
        place = f"{where}/{number}"
        if not isinstance(event, dict) or not isinstance(event.get("ph"), str):
            raise ProfileError("is not an event of a trace", where=place)
        if event["ph"] in {"X", "B", "E"}:
            timed.append((number_of(event, "ts", place), number, event))
    for moment_us, number, event in sorted(timed, key=lambda its: its[:2]):
        place = f"{where}/{number}"
        track = track_of(event, place)
        if event["ph"] == "E":
            if not open_.get(track):
                raise ProfileError("ends what has not begun", where=place)
            ended, start_us, begun, args = open_[track].pop()
            if event.get("name", ended) != ended:
                raise ProfileError(f"ends {event['name']!r} while {ended!r} goes on", where=place)
            args |= _args(event)
            slices.setdefault(track, []).append(Slice(ended, start_us, moment_us, track, begun, args))
            continue
        name = event.get("name")
        if not isinstance(name, str) or not name.strip():
            raise ProfileError("has no name", where=place)
        if event["ph"] == "B":
            open_.setdefault(track, []).append((name, moment_us, number, _args(event)))
            continue
        length_us = number_of(event, "dur", place)
        if length_us < 0:
            raise ProfileError(f"{name!r} ends before it begins", where=place)
        its = Slice(name, moment_us, moment_us + length_us, track, number, _args(event))
        slices.setdefault(track, []).append(its)
    for begun_here in open_.values():
        if begun_here:
            name, _, number, _ = begun_here[-1]
            raise ProfileError(f"{name!r} begins and never ends", where=f"{where}/{number}")
    return {track: Lane(its, where) for track, its in slices.items()}


def track_of(event: dict[str, Any], where: str) -> Track:
    """Return process and thread of an event."""
    found = event.get("pid"), event.get("tid")
    if not all(isinstance(part, int | str) for part in found):
        raise ProfileError("tells no process and thread (pid, tid)", where=where)
    return found


def number_of(event: dict[str, Any], field: str, where: str) -> float:
    """Return a number of an event."""
    value = event.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e18:
        raise ProfileError(f"its {field!r} is {value!r}, not a number of microseconds", where=where)
    return float(value)


def _args(event: dict[str, Any]) -> dict[str, Any]:
    args = event.get("args")
    return dict(args) if isinstance(args, dict) else {}
