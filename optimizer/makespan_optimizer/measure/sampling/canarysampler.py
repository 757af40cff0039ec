"""A sampler that needs no privilege and no knowledge of the interpreter: a canary for each measured thread.

Of the time in which the canary waits for the GIL, somebody holds it; and of the pauses between its questions,
those count as held at whose end somebody did. The rest of the thread's CPU time ran without the GIL.
"""

from __future__ import annotations

import os
import random
import threading
import time
from typing import TYPE_CHECKING

from makespan_optimizer.measure.sampling.canary import Answers, Canary
from makespan_optimizer.measure.sampling.watch import Seen

if TYPE_CHECKING:
    from makespan_optimizer.measure.sampling.watch import SourceName, Watch

_PAUSE_S = 0.001  # on average
_SWITCHES = 2  # of a thread that gives the GIL away: it waits until that is taken, and for its own turn


class CanarySampler:
    """Tells holding the GIL from running without it by asking for it: where nobody may look from outside.

    It cannot tell threads apart: of calls that overlap it sees nothing. Nor can it tell what a thread that is
    blocked waits for, or how often the GIL was taken.
    """

    name: SourceName = "canary"
    lost: str | None = None
    notes: tuple[str, ...] = ()

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        """Why the GIL is not sampled from outside, if that was wanted."""
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
        self.overhead_switches = 0
        self._sampler = sampler
        self._canary = canary
        self._owner = os.getpid()
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
        if self._canary.dead and os.getpid() == self._owner:
            self._sampler.lost = "its thread ended"
        self.overhead_switches = _SWITCHES * answers.late
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
