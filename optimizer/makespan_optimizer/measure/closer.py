"""A closer look at a call, once for each node: how many threads it used.

Beside a call of the last counted run, every thread's time on a core is read from
``/proc/self/task/<tid>/schedstat`` (its first field, nanoseconds) before the clocks start and after they have
stopped, so that nothing of this falls into the timed part. A thread counts when it was on a core for
`USED_S` or a hundredth of the call, whichever is longer: waking up to find nothing to do is no use. The
calling thread always counts.

Threads that both began and ended meanwhile leave no trace in ``/proc``; what CPU time the process used beyond
that of the threads seen is counted as theirs, as many as could have used it at the least.
"""

from __future__ import annotations

import math
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from makespan.profile import Call
    from makespan_optimizer.measure.clocks import Clocks

LONG_S = 0.001  # shorter calls are not looked at
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


def call_closely(meter: Measures, run: str, fn: Callable[..., Any], args: Sequence[Any]) -> tuple[Any, Call]:
    """Measure a call, and look more closely; return its value and record."""
    ignore = own_threads()
    before = on_core_s()
    value = meter.call(run, fn, *args)
    after = on_core_s()
    assert meter.last is not None
    assert meter.clocks is not None
    used = threads_used(before, after, meter.clocks, caller=threading.get_native_id(), ignore=ignore)
    return value, msgspec.structs.replace(meter.last, threads_used=used)


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
