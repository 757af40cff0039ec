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
import random
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from makespan_optimizer.measure.clocks import RunDelay
from makespan_optimizer.measure.watch import Seen

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from makespan_optimizer.measure.watch import SourceName, Watch

_PAUSE_S = 0.001  # of the sampler, on average
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

    def and_one(self, pause_s: float, waited_s: float) -> Answers:
        """Return them with one more answer, after a pause.

        >>> Answers().and_one(0.001, 0.005).and_one(0.002, 0.0)
        Answers(asks=2, longest_s=0.005, held_s=0.006, total_s=0.008)
        """
        held_s = pause_s + waited_s if waited_s > _LATE_S else 0.0
        return Answers(
            self.asks + 1,
            max(self.longest_s, waited_s),
            self.held_s + held_s,
            self.total_s + pause_s + waited_s,
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
            self._parked.acquire()
            self._asking = False
        return self._answers

    def _run(self) -> None:
        with RunDelay() as own_delay:

            def delays_s() -> float:
                return own_delay.read_s() + self._others_delay.read_s()

            while True:
                self._go.acquire()
                if self._stopping:
                    return
                delay_s, due_s, pause_s = self._began_delay_s + own_delay.read_s(), self._began_s, 0.0
                while True:
                    now_s, delayed_s = time.perf_counter(), delays_s()
                    if now_s >= due_s:  # else the bell rang before it was time to ask
                        waited_s = max(0.0, now_s - due_s - (delayed_s - delay_s))
                        self._answers = self._answers.and_one(pause_s, waited_s)
                    if self._over:
                        break
                    pause_s, delay_s = self._pause_s(), delayed_s
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


class CanarySampler:
    """Tells holding the GIL from running without it by asking for it: where nobody may look from outside.

    It cannot tell threads apart: of calls that overlap it sees nothing. Nor can it tell what a thread that is
    blocked waits for, or how often the GIL was taken.
    """

    name: SourceName = "canary"
    lost: str | None = None
    notes: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.calls_open = 0
        self.calls_begun = 0
        self.lock = threading.Lock()
        self._watches: list[CanaryWatch] = []
        self._draw = random.Random(1).uniform  # noqa: S311 (pauses, not secrets)

    @property
    def rate_hz(self) -> float | None:
        """Questions a second when the GIL is free; a thread that holds it is asked less often."""
        return 1 / _PAUSE_S

    def watch(self) -> Watch:
        """Return a watch on the calling thread."""
        watch = CanaryWatch(self, Canary(lambda: self._draw(0.5 * _PAUSE_S, 1.5 * _PAUSE_S)))
        with self.lock:
            self._watches.append(watch)
        return watch

    def cpu_s(self) -> float:
        """Return 0: all of it is this process."""
        return 0.0

    def close(self) -> None:
        """End all canaries."""
        with self.lock:
            watches, self._watches = self._watches, []
        for watch in watches:
            watch.close()


class CanaryWatch:
    """Watches the thread that made it, by a canary of its own."""

    def __init__(self, sampler: CanarySampler, canary: Canary) -> None:
        self.overhead_s = 0.0
        self._sampler = sampler
        self._canary = canary
        self._began: tuple[float, float, float, int] | None = None
        canary.__enter__()

    def begin(self) -> None:
        """Begin to ask."""
        sampler = self._sampler
        with sampler.lock:
            sampler.calls_open += 1
            sampler.calls_begun += 1
            # When another call is under way, no later number of begun calls is right.
            begun = sampler.calls_begun if sampler.calls_open == 1 else -1
        self._began = self._canary.cpu_s(), time.perf_counter(), time.thread_time(), begun
        self._canary.begin()

    def end(self) -> Seen | None:
        """Return what the answers tell; None for a call that overlapped another one."""
        if self._began is None:
            return None
        cpu_s, wall_s = time.thread_time(), time.perf_counter()
        overhead_s, began_s, cpu_began_s, begun = self._began
        self._began = None
        answers = self._canary.end()
        self.overhead_s = max(0.0, self._canary.cpu_s() - overhead_s)
        sampler = self._sampler
        with sampler.lock:
            sampler.calls_open -= 1
            alone = sampler.calls_begun == begun
        wall_s, cpu_s = wall_s - began_s, cpu_s - cpu_began_s
        return seen_by(answers, cpu_s / wall_s if wall_s > 0 else 0.0) if alone else None

    def close(self) -> None:
        """End the canary."""
        self._canary.close()


def seen_by(answers: Answers, cpu_share: float) -> Seen:
    """Return answers as samples of a thread that was on a core for a share of its call.

    >>> seen_by(Answers(asks=10, held_s=0.003, total_s=0.01), 0.8)[:8]
    (3, 5, 0, 0, 0, 0, 0, 2)
    """
    n = answers.asks
    held = answers.held_s / answers.total_s if answers.total_s > 0 else 0.0
    on = round(n * min(1.0, cpu_share))
    hold = min(on, round(n * held))
    return Seen(hold=hold, running=on - hold, other=n - on, other_hold=max(0, round(n * held) - on))
