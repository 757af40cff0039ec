"""Hints: how long a node takes and what it does, said by the user instead of measured.

``0.5s:io`` is half a second, blocked. The class says how the seconds are divided; without one all of them
are counted as holding the GIL, marked as an upper bound, so that no plan promises more than may come.

==============  ==========================================================================
python, holds   holds the GIL all the time (``holds``: in one call of C code)
native          on one core, the GIL released
parallel(x4)    so, on four cores (``parallel`` alone: two)
io              blocked all the time
chatty          blocked for four fifths; takes the GIL 200 times a second in the rest
mixed           half holds the GIL, half is blocked
==============  ==========================================================================
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from makespan.errors import OptionError, did_you_mean
from makespan.profile import NodeProfile, Quality, Spread

if TYPE_CHECKING:
    from makespan.measurement import Kind, Origin

_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "min": 60.0,
    "h": 3600.0,
    "": 1.0,
}
_MOST_S = 1e8
_MOST_CORES = 1024.0
# Of its wall: holds the GIL, on a core, other threads for each further core, blocked.
SPLITS: dict[str, tuple[float, float, float, float]] = {
    "python": (1.0, 1.0, 0.0, 0.0),
    "holds": (1.0, 1.0, 0.0, 0.0),
    "native": (0.0, 1.0, 0.0, 0.0),
    "parallel": (0.0, 1.0, 1.0, 0.0),
    "io": (0.0, 0.0, 0.0, 1.0),
    "chatty": (0.2, 0.2, 0.0, 0.8),
    "mixed": (0.5, 0.5, 0.0, 0.5),
    "unknown": (1.0, 1.0, 0.0, 0.0),
}
_CHATTY_PER_S = 200.0
_DURATION = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+\.)\s*([a-zµμ]*)\s*")
_PARALLEL = re.compile(r"parallel\s*\(?\s*x?\s*([0-9.]+)\s*\)?")
_FORM = "0.5s, 20ms:io or 3s:parallel(x4)"


class Hint(NamedTuple):
    """Seconds alone, and the class."""

    wall_s: float
    kind: Kind = "unknown"
    cores: float = 1.0


def parse_hint(said: Any, where: str) -> Hint:
    """Read a hint: text, or a number of seconds.

    Raises
    ------
    OptionError
        Neither; a unit or class that is not known; a duration that cannot be.

    >>> parse_hint("0.5s:io", "a")
    Hint(wall_s=0.5, kind='io', cores=1.0)
    >>> parse_hint("20 ms: parallel(x4)", "a")
    Hint(wall_s=0.02, kind='parallel', cores=4.0)
    """
    if isinstance(said, Hint):
        return said
    if isinstance(said, int | float) and not isinstance(said, bool):
        return Hint(_checked(float(said), repr(said), where))
    if not isinstance(said, str):
        raise OptionError(f"a hint is a text or a number of seconds, not {said!r}", where=where, hint=_FORM)
    duration, colon, word = said.partition(":")
    wall_s = seconds_of(duration, where)
    return Hint(wall_s, *parse_kind(word, where)) if colon else Hint(wall_s)


def seconds_of(text: str, where: str) -> float:
    """Read a duration with its unit; seconds without one.

    Raises
    ------
    OptionError
        It is none.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise OptionError(f"{text.strip()!r} is not a duration", where=where, hint=_FORM)
    if match[2] not in _UNITS:
        units = ", ".join(unit for unit in _UNITS if unit.isascii() and unit)
        raise OptionError(f"{match[2]!r} is not a unit", where=where, hint=f"units: {units}")
    return _checked(float(match[1]) * _UNITS[match[2]], text, where)


def _checked(wall_s: float, said: str, where: str) -> float:
    if not (math.isfinite(wall_s) and 0 <= wall_s <= _MOST_S):
        raise OptionError(f"{said} is not a duration from 0 to {_MOST_S:g} seconds", where=where)
    return wall_s


def parse_kind(word: str, where: str) -> tuple[Kind, float]:
    """Read a class, and how many cores a parallel one uses.

    Raises
    ------
    OptionError
        No such class, or a number of cores that cannot be.
    """
    word = word.strip().lower()
    if word in SPLITS:
        return cast("Kind", word), 2.0 if word == "parallel" else 1.0
    match = _PARALLEL.fullmatch(word)
    if match is None:
        known = [name for name in SPLITS if name != "unknown"]
        hint = did_you_mean(word, known) or f"classes: {', '.join(known)}"
        raise OptionError(f"{word!r} is not a class", where=where, hint=hint)
    try:
        cores = float(match[1])
    except ValueError:
        cores = 0.0
    if not 1 <= cores <= _MOST_CORES:
        raise OptionError(f"{match[1]} is not a number of cores from 1 to 1024", where=where)
    return "parallel", cores


def hinted(name: str, hint: Hint, *, origin: Origin = "hint", code: str = "") -> NodeProfile:
    """Return the figures of a node of which only the duration and the class are said."""
    wall_s = hint.wall_s
    gil, cpu, other, blocked = (share * wall_s for share in SPLITS[hint.kind])
    other *= hint.cores - 1
    return NodeProfile(
        name=name,
        runs=0,
        wall_net_s=Spread(wall_s, wall_s, wall_s),
        cpu_s=cpu,
        gil_s=gil,
        native_s=cpu - gil + other,
        blocked_s={"io": blocked} if blocked else {},
        other_cpu_s=other,
        cores_peak=(cpu + other) / wall_s if wall_s else 0.0,
        gil_retakes=round(_CHATTY_PER_S * wall_s) if hint.kind == "chatty" else None,
        gil_burst_max_s=wall_s if hint.kind == "holds" else None,
        kind=hint.kind,
        class_confidence=0.0 if hint.kind == "unknown" else 1.0,
        quality=Quality(gil_share_half_width=None if hint.kind == "unknown" else 0.0),
        origin=origin,
        code=code,
    )
