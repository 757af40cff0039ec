"""Which ways to run a pipeline are worth measuring again: three stages, each with fewer ways and more runs.

1. Every engine, with its default and with several thread counts, native libraries as they are and with one
   thread: once. A thread count between two that are both a quarter slower than the engine's best is left
   out; so are further counts of a native setting that is half as slow again as the other, and of the
   libraries' own where one thread each was the same, within a twentieth, for two counts.
2. The two best of each engine and the best one in every order of declaration: twice. Every plan: once.
   Other orders, and a second way, are for those that are at most half as slow again as the best of others.
3. Finals: of each engine its default and its best way as written; its best way in the order that was luckiest
   for it, when that may beat all others; and the tuned plan. What is best by one to three runs may not be: so
   the next nearest settings of others within a tenth of their best come along. The tables come from here.

Pure: nothing here runs or knows a clock.
"""

from __future__ import annotations

from random import Random
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from benchmarks.pipeline_rows import DEFAULT, OURS, PLANNED, Native, Sample, Way

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_FINE = 1.25
_HOPELESS = 1.5
_SAME = 0.05
_NEAR = 1.10
_NEXT = 4  # of all engines together, beside the best of each
_LUCKY = 0.98  # times the best as written: less is noise


def coarse(threads: Sequence[int], cores: int) -> list[int]:
    """Return the thread counts to begin with: the cores, the most, twice the cores, the fewest.

    >>> coarse(range(1, 9), 2)
    [2, 8, 4, 1]
    """
    wanted = [cores, max(threads), 2 * cores, min(threads)]
    return [k for k in dict.fromkeys(wanted) if k in threads] or list(threads)[:1]


def every(
    defaults: Mapping[str, int | None], threaded: Mapping[str, bool], threads: Sequence[int], cores: int
) -> list[Way]:
    """Return all ways of stage 1 but those of plans, the most telling first.

    Parameters
    ----------
    defaults : mapping of str to int or None
        Each peer, and how many threads its default comes to; None: its default is no way of its own.
    threaded : mapping of str to bool
        Of each peer: whether it takes a number of threads.
    threads : sequence of int
    cores : int
    """
    natives: tuple[Native, ...] = ("one", "default")
    first = coarse(threads, cores)
    ways = [Way(DEFAULT, max(2, cores), "default", default=True)]
    ways += [Way(name, k, "default", default=True) for name, k in defaults.items() if k]
    ways += [Way(name, k, "one") for k in first[:2] for name in defaults if threaded[name]]
    ways += [Way(name, k, "one", default=True) for name, k in defaults.items() if k]
    for k in [*first, *[k for k in threads if k not in first]]:
        ways += [Way(name, k, native) for name in defaults if threaded[name] for native in natives]
        ways.append(Way(DEFAULT, k, "default"))
    return list(dict.fromkeys(ways))


def worth(way: Way, measured: Mapping[Way, float], threads: Sequence[int], cores: int) -> bool:
    """Say whether a way of stage 1 may still be its engine's best, by what was measured so far."""
    if way.default:
        return True
    its = {other: s for other, s in measured.items() if other.engine == way.engine}
    by_native: dict[Native, dict[int, float]] = {"one": {}, "default": {}}
    for other, s in its.items():
        if not other.default:
            by_native[other.native][other.threads] = s
    plain, one = by_native[way.native], by_native["one"]
    if not plain:
        return True
    best_s = min(its.values())
    if min(plain.values()) > _HOPELESS * best_s:
        return False  # the other setting of native threads is far better
    if way.native == "default" and one:
        both = [plain[k] / one[k] for k in plain.keys() & one.keys()]
        if len(both) > 1 and all(abs(x - 1) < _SAME for x in both):
            return False
    if way.threads in coarse(threads, cores):
        return True
    below = max((k for k in plain if k < way.threads), default=None)
    above = min((k for k in plain if k > way.threads), default=None)
    return any(plain[k] <= _FINE * best_s for k in (below, above) if k is not None)


def typical(samples: Iterable[Sample], stages: Sequence[int] = (1, 2)) -> dict[Way, float]:
    """Return the median seconds of each way in some stages."""
    found: dict[Way, list[float]] = {}
    for its in samples:
        if its.stage in stages:
            found.setdefault(its.way, []).append(its.seconds)
    return {way: median(seconds) for way, seconds in found.items()}


def contenders(samples: Iterable[Sample], orders: int) -> list[Way]:
    """Return the ways of stage 2."""
    known = typical(samples, (1,))
    best_s = min((s for way, s in known.items() if way.engine not in OURS), default=0.0)
    ways = []
    for engine in dict.fromkeys(way.engine for way in known):
        some = sorted((way for way in known if way.engine == engine), key=lambda way: (known[way], way))
        near = engine in OURS or known[some[0]] <= _HOPELESS * best_s
        ways += some if engine == PLANNED else some[: 1 + near]
        ways += [msgspec.structs.replace(some[0], order=order) for order in range(1, orders if near else 1)]
    return ways


def finalists(samples: Iterable[Sample]) -> list[Way]:
    """Return the ways of stage 3, in a stable order: ours last."""
    known = typical(samples)
    peers_s = min((s for way, s in known.items() if way.engine not in OURS and not way.order), default=0.0)
    near = sorted(
        (s, way)
        for way, s in known.items()
        if way.engine not in OURS and not way.order and s <= _NEAR * peers_s
    )
    ways: list[Way] = []
    for engine in dict.fromkeys(way.engine for way in sorted(known, key=_ours_last)):
        here = {way: s for way, s in known.items() if way.engine == engine}
        written = {way: s for way, s in here.items() if way.order == 0}
        if not written:  # it failed since
            continue
        best = min(written, key=lambda way: (written[way], way))
        ways.append(best)
        ways += [way for way in written if way.default and way.native != "one" and way != best]
        lucky = min(here, key=lambda way: (here[way], way))
        if engine not in OURS and here[lucky] < _LUCKY * min(written[best], peers_s):
            ways.append(lucky)
    also = [way for _, way in near if way not in ways][:_NEXT]
    return sorted([*ways, *also], key=lambda way: OURS.index(way.engine) if way.engine in OURS else -1)


def turn_of(ways: Sequence[Way], turn: int) -> list[Way]:
    """Return the ways in the order of a turn: nobody always runs first, or after the same other.

    >>> turn_of([], 3)
    []
    """
    return Random(turn).sample(list(ways), len(ways))


def _ours_last(way: Way) -> tuple[int, Way]:
    return (OURS.index(way.engine) + 1 if way.engine in OURS else 0, way)
