"""A closer look at a call, once for each node: threads used, how often and for how long it kept the GIL.

Both are looked at beside a call of the last counted run. Every thread's time on a core is read from
``/proc/self/task/<tid>/schedstat`` (its first field, nanoseconds) before the clocks start and after they have
stopped, so that nothing of this falls into the timed part. A thread counts when it was on a core for
`USED_S` or a hundredth of the call, whichever is longer: waking up to find nothing to do is no use. The
calling thread always counts.

Threads that both began and ended meanwhile leave no trace in ``/proc``; what CPU time the process used beyond
that of the threads seen is counted as theirs, as many as could have used it at the least.

How long a call keeps the GIL without a safe point is told by another thread that asks for it (`canary`), in
nodes that held it for more than `HOLDS_S` in a counted call before. That perturbs the call: at each question
Python code gives the GIL away and takes it back, 130 times a second, about 20 µs each (a quarter of a percent
of the wall), and as many voluntary switches. Where the cores are busy, the thread then waits for a core
without the GIL, and looks as if it were on one: a loop had a GIL share of .85. So the GIL share and the takes
of such a call do not count. Where the node's own Python threads pass the GIL to each other, how long the
question took says nothing, and is dropped.

How often a node takes the GIL is counted (`switches`) in those that hold it for less than that: a thread
wakes a thousand times a second, and holds the GIL for some microseconds each time.
"""

from __future__ import annotations

import math
import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from makespan.machine import gil_enabled
from makespan_optimizer.measure.sampling.canary import BurstWatch
from makespan_optimizer.measure.sampling.switches import SwitchWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from makespan.profile import Call
    from makespan_optimizer.measure.clocks import Clocks
    from makespan_optimizer.measure.sampling.switches import Takes

LONG_S = 0.001  # shorter calls are not looked at
HOLDS_S = 0.01
_PASSED_SHARE = 0.1  # of the time held: more by other threads than the calling one
USED_S = 1e-4
_SHARE = 0.01
_GONE_S = 0.01  # the kernel brings the time of a running thread up to date once a tick only
_TASKS = Path("/proc/self/task")


class Measures(Protocol):
    """What is needed of a `Meter`."""

    @property
    def last(self) -> Call | None:
        """The record of the last call that returned."""

    @property
    def clocks(self) -> Clocks | None:
        """What passed on the clocks meanwhile."""

    def call(self, run: str, fn: Callable[..., Any], *args: Any) -> Any:
        """Call ``fn(*args)``, and leave its record in `last`."""


class Bursts(Protocol):
    """What is needed of a `BurstWatch`."""

    def begin(self) -> None:
        """Begin to ask for the GIL."""

    def end(self) -> float:
        """Return the longest hold without a safe point since `begin`, in seconds."""


class Counts(Protocol):
    """What is needed of a `SwitchWatch`."""

    def begin(self) -> None:
        """Begin to count."""

    def end(self) -> Takes | None:
        """Return how often the GIL was taken since `begin`."""


class Closer:
    """Measures calls, and looks more closely at those that are long enough.

    Parameters
    ----------
    meter : Measures
    bursts : Bursts, optional
        Entered in this thread; without it, bursts are not looked for.
    counts : Counts, optional
        The same, for takes of the GIL.
    """

    def __init__(self, meter: Measures, bursts: Bursts | None = None, counts: Counts | None = None) -> None:
        self._meter = meter
        self._bursts = bursts
        self._counts = counts
        self._ignore = own_threads()
        self._caller = threading.get_native_id()

    def call(
        self,
        run: str,
        fn: Callable[..., Any],
        args: Sequence[Any],
        before: Call | None,
        *,
        counted: bool = True,
    ) -> tuple[Any, Call]:
        """Call ``fn(*args)``; return its value and record.

        Parameters
        ----------
        run : str
            Id of the profile's header.
        before : Call or None
            The record of the same node's call before this one.
        counted : bool
            Whether that one counts; else the GIL share of this one is needed, and is not perturbed.
        """
        meter = self._meter
        if before is None or before.wall_s < LONG_S:
            value = meter.call(run, fn, *args)
            assert meter.last is not None
            return value, meter.last
        holds = holds_s(before) > HOLDS_S
        bursts = self._bursts if counted and holds else None
        counts = self._counts if not holds else None
        burst_s: float | None = None
        takes: Takes | None = None
        readings = on_core_s()
        if bursts is not None:
            bursts.begin()
        if counts is not None:
            counts.begin()
        try:
            value = meter.call(run, fn, *args)
        finally:
            if bursts is not None:
                burst_s = bursts.end()
            if counts is not None:
                takes = counts.end()
        after = on_core_s()
        assert meter.last is not None
        call = meter.last
        if meter.clocks is not None:
            used = threads_used(readings, after, meter.clocks, caller=self._caller, ignore=self._ignore)
            call = msgspec.structs.replace(call, threads_used=used)
        if bursts is not None:
            if call.other_gil_s > _PASSED_SHARE * holds_s(call):
                burst_s = None
            call = msgspec.structs.replace(
                call, gil_burst_max_s=burst_s, gil_retakes=None, gil_share=None, gil_samples=0
            )
        if takes is not None:
            number = max(takes.number, call.gil_retakes or 0) if takes.at_least else takes.number
            call = msgspec.structs.replace(call, gil_retakes=round(number), takes_counted=not takes.at_least)
        return value, call


@contextmanager
def looking_closely(meter: Measures) -> Iterator[Closer]:
    """Return what looks more closely at calls of this thread."""
    if not gil_enabled():
        yield Closer(meter)
        return
    with BurstWatch() as bursts, SwitchWatch() as counts:
        yield Closer(meter, bursts, counts)


def holds_s(call: Call) -> float:
    """Return the seconds for which a call held the GIL; its CPU time, when that was not sampled."""
    return call.cpu_s * (1.0 if call.gil_share is None else call.gil_share) + call.other_gil_s


def on_core_s() -> dict[int, float]:
    """Return the seconds that each thread of this process was on a core; empty where that is not told."""
    found: dict[int, float] = {}
    try:
        threads = os.listdir(_TASKS)  # noqa: PTH208 (a Path for each would take as long as reading it)
    except OSError:
        return found
    for thread in threads:
        try:
            with open(f"{_TASKS}/{thread}/schedstat", "rb") as file:  # noqa: PTH123
                found[int(thread)] = int(file.read().split()[0]) / 1e9
        except (OSError, ValueError, IndexError):  # it ended just now
            continue
    return found


def own_threads() -> frozenset[int]:
    """Return the native ids of threads that measure."""
    return frozenset(
        thread.native_id
        for thread in threading.enumerate()
        if thread.native_id is not None and thread.name.startswith("makespan-")
    )


def threads_used(
    before: Mapping[int, float],
    after: Mapping[int, float],
    passed: Clocks,
    *,
    caller: int,
    ignore: Collection[int] = (),
) -> int | None:
    """Return how many threads were on a core between two readings; None when there are no readings.

    Parameters
    ----------
    before, after : mapping
        Seconds on a core by thread id.
    passed : Clocks
        What passed in between.
    caller : int
        Native id of the thread that called.
    ignore : collection of int
        Threads that are none of the node's.
    """
    if caller not in before or caller not in after:
        return None
    used_s = max(USED_S, _SHARE * passed.wall_s)
    others = [
        seconds - before.get(thread, 0.0)
        for thread, seconds in after.items()
        if thread != caller and thread not in ignore
    ]
    ignored_s = sum(after[thread] - before.get(thread, 0.0) for thread in ignore if thread in after)
    gone_s = passed.process_s - passed.cpu_s - sum(others) - ignored_s
    gone = math.ceil(gone_s / passed.wall_s - _SHARE) if gone_s >= max(_GONE_S, 5 * used_s) else 0
    return 1 + sum(seconds >= used_s for seconds in others) + max(0, gone)
