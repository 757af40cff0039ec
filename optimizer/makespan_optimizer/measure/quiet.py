"""Waiting until the threads of the call before are quiet, so that the next one is not billed for them.

Native pools keep spinning for some time when their work is done, hoping for more: OpenBLAS for 2^26 cycles
(about 30 ms), OpenMP runtimes for up to 200 ms. Measured right after a matmul, a call of zlib seems to use
1.4 cores. So after a call with other threads at work, nothing is measured until other threads of the process
are off the cores. Where a thread of the user's never rests, waiting is given up for good.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan.profile import Call

LIMIT_S = 0.3
WORTH_S = 0.001  # CPU of other threads, from which on it is worth waiting
_LOOK_S = 0.002
_QUIET_SHARE = 0.05
_GIVE_UP = 3  # times in a row that the limit was reached


class Quiet:
    """Waits before calls, as long as it is of use; to be used in the thread that calls.

    Parameters
    ----------
    clock, sleep, others_s : callable
        Seconds, sleep for seconds, CPU seconds of all other threads of the process so far.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
        others_s: Callable[[], float] = lambda: time.process_time() - time.thread_time(),
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._others_s = others_s
        self._failures = 0

    def after(self, last: Call | None) -> None:
        """Wait until what the last call left behind is over."""
        if last is None or last.other_cpu_s < WORTH_S or self._failures >= _GIVE_UP:
            return
        until = self._clock() + LIMIT_S
        while (began := self._clock()) < until:
            before_s = self._others_s()
            self._sleep(_LOOK_S)
            if self._others_s() - before_s < _QUIET_SHARE * (self._clock() - began):
                self._failures = 0
                return
        self._failures += 1
