"""Two nodes started at the same moment: one in the calling thread, one beside it.

The other thread waits for a lock that the caller opens, and then has to get the GIL, as a helper in a run
has to. Seconds count from the opening of the lock to each node's own end.

A node cannot be stopped from outside: after Ctrl-C the one in the other thread is given `GRACE_S` to end. If
it takes longer, it goes on while the exception is on its way, so `teardown` of a run may find it at work.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan_optimizer.measure.walk import Outcome, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    Inputs = Mapping[str, Any] | Callable[[], AbstractContextManager[Mapping[str, Any]]]


GRACE_S = 1.0


class Both(NamedTuple):
    """What became of two nodes, and when each ended, in seconds from the common start."""

    outcomes: tuple[Outcome, Outcome]
    ends_s: tuple[float, float]


def together(first: Work, second: Work, clock: Callable[[], float] = time.perf_counter) -> Both:
    """Run the first in the calling thread and the second in another one, from the same moment on.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C, after `GRACE_S` at the latest; the second one ends on its own, and its result is dropped.
    """
    ready, go, done = threading.Lock(), threading.Lock(), threading.Lock()
    for lock in (ready, go, done):
        lock.acquire()
    ended: list[Any] = []
    works = [second]
    del second

    def other() -> None:
        ready.release()
        go.acquire()
        with suppress(IndexError):  # it was given up
            work = works.pop()
            outcome = called(work)
            ended.append((clock(), outcome))
        done.release()

    try:
        threading.Thread(target=other, name="makespan-pair", daemon=True).start()
        ready.acquire()
        began = clock()
        go.release()
        mine = called(first)
        at = clock()
        if isinstance(mine.error, KeyboardInterrupt):
            raise mine.error  # noqa: TRY301 (as if it came here)
        done.acquire()
    except BaseException:
        try:
            works.pop()  # what did not begin does not begin any more
        except IndexError:
            done.acquire(timeout=GRACE_S)
        else:
            if go.locked():
                go.release()
        raise
    theirs_at, theirs = ended.pop()
    return Both((mine, theirs), (at - began, theirs_at - began))


def called(work: Work) -> Outcome:
    """Call a node; an exception, whichever, is its outcome."""
    try:
        return Outcome(work.fn(*work.args))
    except BaseException as error:
        return Outcome(None, error)


def at_interval(interval_s: float, first: Work, second: Work) -> Both:
    """Run two nodes together under a switch interval; the former one is put back, whatever happens."""
    before = sys.getswitchinterval()
    try:
        if interval_s != before:
            sys.setswitchinterval(interval_s)
        return together(first, second)
    finally:
        if interval_s != before:
            sys.setswitchinterval(before)


def fresh(inputs: Inputs) -> AbstractContextManager[Mapping[str, Any]]:
    """Return the inputs of one run, as a context manager that may set up and tear down something."""
    return inputs() if callable(inputs) else nullcontext(inputs)
