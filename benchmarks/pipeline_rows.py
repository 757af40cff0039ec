"""What was measured, as rows: a way to run a pipeline, how often it ran, and how long it took."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Literal

import msgspec

from makespan.showing.interval import interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Native = Literal["default", "one", "planned"]
SEQUENTIAL = "one after the other"
TUNED, PLANNED, DEFAULT = "makespan tuned", "makespan planned", "makespan default"
OURS = (DEFAULT, PLANNED, TUNED)


class Way(msgspec.Struct, frozen=True, order=True):
    """An engine, and how it is set."""

    engine: str
    threads: int
    native: Native
    """Native threads: the libraries' defaults, one a node, or as a plan says."""
    default: bool = False
    """It is what the engine does when nobody says anything; `threads` tells what that comes to."""
    order: int = 0
    """0: nodes declared as written; others: in a drawn topological order."""

    def text(self) -> str:
        """Return it in words: ``dask.threaded, 2 threads, 1 native, order 3``."""
        parts = [self.engine]
        if not self.default:
            parts.append(f"{self.threads} thread{'s' if self.threads != 1 else ''}")
        elif self.engine not in {TUNED, SEQUENTIAL}:  # these have no other way
            parts.append("default")
        parts += ["1 native" if self.native == "one" else "", f"order {self.order}" if self.order else ""]
        return ", ".join(part for part in parts if part)


class Sample(msgspec.Struct, frozen=True):
    """One run."""

    way: Way
    stage: int
    turn: int
    """Runs of the same turn ran beside one another in time."""
    seconds: float
    load: float | None = None
    """Share of the cores that others took."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """All runs of one way in one stage."""

    pipeline: str
    engine: str
    threads: int
    order: int
    median_s: float | None
    """None: it failed; see `error`."""
    low_s: float | None = None
    """With `high_s` the 95 % interval of the median; None: too few runs."""
    high_s: float | None = None
    predicted_s: float | None = None
    bound_s: float | None = None
    """The smallest of all plans' lower bounds: for any budget and any number of processes."""
    native: Native
    default: bool
    stage: int
    """1: every setting; 2: the best of each engine, in all orders; 3: finals."""
    runs: int
    turns: tuple[int, ...] = ()
    seconds: tuple[float, ...] = ()
    loads: tuple[float | None, ...] = ()
    error: str = ""
    plan: str = ""
    """Which way a tuned plan is, in its own words; or which candidate won."""

    @property
    def way(self) -> Way:
        """What ran."""
        return Way(self.engine, self.threads, self.native, self.default, self.order)


class Promise(msgspec.Struct, frozen=True):
    """What a plan says before it runs."""

    predicted_s: float
    plan: str


def rows_of(
    pipeline: str,
    samples: Iterable[Sample],
    promises: Mapping[Way, Promise],
    failed: Mapping[Way, str],
    bound_s: float | None,
) -> list[Row]:
    """Return a row for each way and stage, and for each way that failed.

    A plan promises the same whatever the order of declaration.
    """
    grouped: dict[tuple[int, Way], list[Sample]] = {}
    for its in samples:
        grouped.setdefault((its.stage, its.way), []).append(its)
    rows = []
    for (stage, way), some in sorted(grouped.items()):
        seconds = tuple(its.seconds for its in some)
        spread = interval(seconds, [1.0] * len(seconds), together=True)
        promise = promises.get(msgspec.structs.replace(way, order=0))
        rows.append(
            Row(
                pipeline=pipeline,
                engine=way.engine,
                threads=way.threads,
                order=way.order,
                median_s=median(seconds),
                low_s=spread[0] if spread else None,
                high_s=spread[1] if spread else None,
                predicted_s=promise.predicted_s if promise else None,
                bound_s=bound_s,
                native=way.native,
                default=way.default,
                stage=stage,
                runs=len(some),
                turns=tuple(its.turn for its in some),
                seconds=tuple(round(s, 6) for s in seconds),
                loads=tuple(None if its.load is None else round(its.load, 4) for its in some),
                plan=promise.plan if promise else "",
            )
        )
    for way, error in sorted(failed.items()):
        rows.append(
            Row(
                pipeline=pipeline,
                engine=way.engine,
                threads=way.threads,
                order=way.order,
                median_s=None,
                bound_s=bound_s,
                native=way.native,
                default=way.default,
                stage=1,
                runs=0,
                error=error,
            )
        )
    return rows
