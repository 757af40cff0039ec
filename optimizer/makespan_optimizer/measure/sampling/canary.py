"""A thread that asks for the GIL and times the answer: what can be told of the GIL without any privilege.

::

    canary        ┄┄sleeps┄┄│ask ─────── waits ───────▶│got it┄┄sleeps┄┄│ask▶│got it
    others        ══════════ hold the GIL ═════════════        native ────────────

When nobody holds the GIL, the answer comes at once. Python code gives way after a switch interval. A single
call of C code that keeps the GIL answers when it is done, however long that takes: the longest wait, less the
switch interval, is at most the longest hold without a safe point, and less by a pause at most.

Time for which the canary, or the thread that it watches, waited for a core is taken off: a thread that lost
its core while it held the GIL did not hold it by its own doing. The switch interval is never changed.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from makespan_optimizer.measure.clocks import RunDelay, voluntary_switches

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

_LOOK_S = 0.1  # how often to look whether the canary is still there, while it is waited for
_LATE_S = 0.0003  # an answer later than this: somebody held the GIL


class Answers(NamedTuple):
    """What a canary was answered during one call."""

    asks: int = 0
    longest_s: float = 0.0
    """Of the waits for the GIL."""
    held_s: float = 0.0
    """Seconds in which somebody held the GIL: all waits, and the pauses at whose end somebody held it."""
    total_s: float = 0.0
    """Seconds that were looked at."""
    late: int = 0
    """Questions for which somebody had to give away the GIL."""

    def and_one(self, pause_s: float, waited_s: float) -> Answers:
        """Return them with one more answer, after a pause.

        >>> Answers().and_one(0.001, 0.005).and_one(0.002, 0.0)
        Answers(asks=2, longest_s=0.005, held_s=0.006, total_s=0.008, late=1)
        """
        late = waited_s > _LATE_S
        held_s = pause_s + waited_s if late else 0.0
        return Answers(
            self.asks + 1,
            max(self.longest_s, waited_s),
            self.held_s + held_s,
            self.total_s + pause_s + waited_s,
            self.late + late,
        )


class Canary:
    """Asks for the GIL from `begin` to `end`, and is asleep otherwise; a context manager.

    To be entered in the thread that makes the calls.

    Parameters
    ----------
    pause_s : callable
        Seconds from an answer to the next question.
    """

    def __init__(self, pause_s: Callable[[], float]) -> None:
        self._pause_s = pause_s
        self._owner = os.getpid()
        self._thread = threading.Thread(target=self._run, name="makespan-canary", daemon=True)
        self._go, self._bell, self._parked = (threading.Semaphore(0) for _ in range(3))
        self._asking = self._over = self._stopping = False
        self._began_s = self._began_delay_s = 0.0
        self._answers = Answers()
        self._others_delay = RunDelay()

    def __enter__(self) -> Self:
        self._others_delay.__enter__()
        try:
            self._thread.start()
        except BaseException:
            self._others_delay.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the thread. It may be called twice."""
        if os.getpid() != self._owner or self._stopping:
            return
        self.end()
        self._stopping = True
        self._go.release()
        self._thread.join()
        self._others_delay.__exit__(None, None, None)

    @property
    def dead(self) -> bool:
        """Its thread ended by a fault: nothing is asked any more."""
        return not self._stopping and self._thread.ident is not None and not self._thread.is_alive()

    def cpu_s(self) -> float:
        """Return the CPU seconds of the canary's thread, where the system tells."""
        with suppress(AttributeError, OSError):
            if self._thread.ident is not None and self._thread.is_alive():
                return time.clock_gettime(time.pthread_getcpuclockid(self._thread.ident))
        return 0.0

    def begin(self) -> None:
        """Begin to ask; the first question is asked at once."""
        if os.getpid() != self._owner or self._stopping:
            return
        self.end()  # one that was interrupted
        self._answers = Answers()
        if self.dead:
            return
        self._over = False
        self._asking = True
        self._began_delay_s = self._others_delay.read_s()
        self._began_s = time.perf_counter()
        self._go.release()

    def end(self) -> Answers:
        """Stop asking, wait for the last answer, and return what was answered since `begin`."""
        if self._asking and os.getpid() == self._owner:
            if not self._over:
                self._over = True
                self._bell.release()
            while not self._parked.acquire(timeout=_LOOK_S):
                if self.dead:
                    self._answers = Answers()  # not asked to the end
                    break
            self._asking = False
        return self._answers

    def _run(self) -> None:
        with RunDelay() as own_delay:
            while True:
                self._go.acquire()
                if self._stopping:
                    return
                others_s, own_s, sleeps = self._began_delay_s, own_delay.read_s(), voluntary_switches()
                due_s, pause_s = self._began_s, 0.0
                while True:
                    now_s, switches = time.perf_counter(), voluntary_switches()
                    others_now_s, own_now_s = self._others_delay.read_s(), own_delay.read_s()
                    if now_s >= due_s:  # else the bell rang before it was time to ask
                        # It slept once to pause, and once a switch interval to wait; only when it woke for
                        # the last time was the GIL free.
                        last_s = (own_now_s - own_s) / max(1, switches - sleeps)
                        waited_s = max(0.0, now_s - due_s - (others_now_s - others_s) - last_s)
                        self._answers = self._answers.and_one(pause_s, waited_s)
                    if self._over:
                        break
                    others_s, own_s, sleeps = others_now_s, own_now_s, switches
                    pause_s = self._pause_s()
                    due_s = time.perf_counter() + pause_s
                    self._bell.acquire(timeout=pause_s)
                while self._bell.acquire(blocking=False):
                    pass
                self._parked.release()


class BurstWatch:
    """Finds how long one call keeps the GIL without a safe point; a context manager.

    >>> with BurstWatch() as burst:
    ...     burst.begin()
    ...     time.sleep(0.01)
    ...     seconds = burst.end()
    >>> 0.0 <= seconds
    True
    """

    def __init__(self) -> None:
        self._canary = Canary(sys.getswitchinterval)  # a pause so long keeps the hand-overs rare

    def __enter__(self) -> Self:
        self._canary.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._canary.close()

    def begin(self) -> None:
        """Begin to ask for the GIL."""
        self._canary.begin()

    def end(self) -> float:
        """Return the longest wait for the GIL since `begin`, less the switch interval, in seconds.

        Call it when the call's clocks were read: it waits for the last answer.
        """
        return max(0.0, self._canary.end().longest_s - sys.getswitchinterval())
