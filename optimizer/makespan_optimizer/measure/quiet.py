"""Waiting until the threads of the call before are quiet, so that the next one is not billed for them.

Native pools keep spinning for some time when their work is done, hoping for more: OpenBLAS for 2^26 cycles
(about 30 ms), OpenMP runtimes for up to 200 ms. Measured right after a matmul, a call of zlib seems to use
1.4 cores. So after a call with other threads at work, nothing is measured until no other thread of the
process is runnable (``/proc/self/task/<tid>/stat``: one that spins may have lost its core, so its CPU time
alone does not tell). Where a thread of the user's never rests, waiting is given up for good.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan.profile import Call

LIMIT_S = 0.3
WORTH_S = 0.001  # CPU of other threads, from which on it is worth waiting
_LOOK_S = 0.002
_GIVE_UP = 3  # times in a row that the limit was reached


def others_run() -> bool:
    """Say whether another thread of this process is runnable; False where that is not told."""
    own = str(threading.get_native_id())
    try:
        threads = os.listdir("/proc/self/task")  # noqa: PTH208
    except OSError:
        return False
    for thread in threads:
        if thread == own:
            continue
        try:
            with open(f"/proc/self/task/{thread}/stat", "rb") as file:  # noqa: PTH123
                state = file.read().rpartition(b")")[2][1:2]
        except OSError:  # it ended just now
            continue
        if state == b"R":
            return True
    return False


class Quiet:
    """Waits before calls, as long as it is of use; to be used in the thread that calls.

    Parameters
    ----------
    clock, sleep : callable
        Seconds, sleep for seconds.
    others_run : callable
        Whether other threads are runnable.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
        others_run: Callable[[], bool] = others_run,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._others_run = others_run
        self._failures = 0

    def after(self, last: Call | None, *, unmeasured: bool = False) -> None:
        """Wait until what the last call left behind is over.

        Parameters
        ----------
        last : Call or None
            The last call that was measured.
        unmeasured : bool
            Something ran since then of which there is no record.
        """
        left = unmeasured or (last is not None and last.other_cpu_s >= WORTH_S)
        if not left or self._failures >= _GIVE_UP:
            return
        until = self._clock() + LIMIT_S
        while self._others_run():
            if self._clock() >= until:
                self._failures += 1
                return
            self._sleep(_LOOK_S)
        self._failures = 0
