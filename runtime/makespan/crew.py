"""Helper threads, shared by all runs of the process.

The caller of a run works too (worker 0); helpers come when a run has more ready nodes than workers. They
are daemon threads that park on a lock of their own, are never joined, and go from run to run: whichever run
wanted a helper first, and could not have one, gets the next that is free.
"""

from __future__ import annotations

import os
import threading
from _thread import allocate_lock
from collections import deque
from typing import Protocol


class Work(Protocol):
    """A run, as far as helpers know it."""

    wanted: bool
    """It waits in the queue for a helper."""

    def help(self) -> None:
        """Work until nothing can be started; called in a helper thread."""


class _Helper:
    __slots__ = ("park", "work")

    def __init__(self, work: Work) -> None:
        self.park = allocate_lock()
        self.park.acquire()
        self.work: Work | None = work


class Crew:
    """The helpers of a process: as many as the largest budget that was asked for, less one."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._idle: list[_Helper] = []
        self._queue: deque[Work] = deque()
        self._size = 0
        self._most = 0

    def reserve(self, helpers: int) -> None:
        """Allow for at least so many helpers; they are started when they are first needed."""
        with self._lock:
            self._most = max(self._most, helpers)

    def call(self, work: Work) -> None:
        """Send a helper to a run: an idle one, a new one, or the next that becomes free."""
        with self._lock:
            if self._idle:
                # No call between taking the helper and telling it: Ctrl-C is looked for after calls only,
                # and a helper that is neither idle nor told would be lost for good.
                helper = self._idle[-1]
                helper.work = work
                del self._idle[-1]
                helper.park.release()
                return
            if self._size >= self._most:
                if not work.wanted:
                    work.wanted = True
                    self._queue.append(work)
                return
            name = f"makespan-helper-{self._size + 1}"
            thread = threading.Thread(target=self._serve, args=(_Helper(work),), name=name, daemon=True)
            self._size += 1
            try:
                thread.start()
            except Exception:  # no more threads or memory to be had, or the end: the caller does the work
                self._size -= 1

    def withdraw(self, work: Work) -> None:
        """Forget a run that is over and still waits for a helper; it holds its inputs and results."""
        with self._lock:
            if work.wanted:
                work.wanted = False
                self._queue.remove(work)

    def _serve(self, helper: _Helper) -> None:
        while True:
            work = helper.work
            helper.work = None
            if work is not None:
                work.help()
            del work
            with self._lock:
                if self._queue:
                    helper.work = self._queue.popleft()
                    helper.work.wanted = False
                    continue
                self._idle.append(helper)
            helper.park.acquire()


crew = Crew()


def _after_fork() -> None:
    """Threads do not survive a fork: the child begins with a crew of its own."""
    crew.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
