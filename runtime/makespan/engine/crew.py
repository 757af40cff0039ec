"""Helper threads, shared by all runs of the process.

The caller of a run works too, or only waits; helpers come when a run has more ready nodes than workers. They
are daemon threads that park on a lock of their own, are never joined, and go from run to run: whichever run
wanted a helper first, and could not have one, gets the next that is free. There are as many as the largest
budget that was asked for; and one more wherever a run's caller only waits and nothing else works on it, so
that no run waits for another one's nodes.

A helper that sits in a node of an abandoned run is written off until it returns: another takes its place.
"""

from __future__ import annotations

import os
import threading
from _thread import allocate_lock
from collections import deque
from threading import get_ident
from typing import Protocol

MOST_WRITTEN_OFF = 1024
"""Nodes that never return must not take all the threads that the system has."""


class Work(Protocol):
    """A run, as far as helpers know it."""

    wanted: bool
    """It waits in the queue for a helper."""

    def help(self) -> None:
        """Work until nothing can be started; called in a helper thread."""


class Helpers(Protocol):
    """Who works on a run beside its caller; see `Crew`."""

    def reserve(self, helpers: int) -> None:
        """Allow for at least so many helpers."""

    def call(self, work: Work, *, must: bool = False) -> bool:
        """Send a helper to a run; False when there is none to wait for."""
        ...

    def withdraw(self, work: Work) -> None:
        """Forget a run that is over and still waits for a helper."""

    def write_off(self, work: Work) -> None:
        """Do not count the helpers that are still in nodes of a run."""


class _Helper:
    __slots__ = ("park", "work", "written_off")

    def __init__(self, work: Work) -> None:
        self.park = allocate_lock()
        self.park.acquire()
        self.work: Work | None = work
        self.written_off = False


class Crew:
    """The helpers of a process.

    Attributes
    ----------
    most : int
        How many there may be.
    """

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._idle: list[_Helper] = []
        self._queue: deque[Work] = deque()
        self._helpers: set[_Helper] = set()
        self._size = 0
        self.most = 0
        self._written_off = 0
        self._idents: set[int] = set()
        self._aside = 0

    @property
    def queue(self) -> deque[Work]:
        """The runs that wait for a helper; only to be looked at."""
        return self._queue

    def reserve(self, helpers: int) -> None:
        """Allow for at least so many helpers; they are started when they are first needed."""
        if helpers > self.most:
            with self._lock:
                self.most = max(self.most, helpers)

    def call(self, work: Work, *, must: bool = False) -> bool:
        """Send a helper to a run: an idle one, a new one, or the next that becomes free.

        Parameters
        ----------
        work : Work
        must : bool
            Nothing works on it: start one more rather than let it wait.

        Returns
        -------
        bool
            False when there is no helper to wait for: no thread can be started (the system has no more; or
            the interpreter is about to end, and lets none begin).
        """
        with self._lock:
            if self._idle:
                # No call between taking the helper and telling it: Ctrl-C is looked for after calls only,
                # and a helper that is neither idle nor told would be lost for good.
                helper = self._idle[-1]
                helper.work = work
                del self._idle[-1]
                helper.park.release()
                return True
            if (must or self._size < self.most + self._aside) and self._start(work):
                return True
            if must or not self._size:
                return False
            if not work.wanted:
                work.wanted = True
                self._queue.append(work)
            return True

    def withdraw(self, work: Work) -> None:
        """Forget a run that is over and still waits for a helper; it holds its inputs and results."""
        with self._lock:
            if work.wanted:
                work.wanted = False
                self._queue.remove(work)

    def write_off(self, work: Work) -> None:
        """Do not count the helpers that are still in nodes of a run: nobody waits for these any more."""
        with self._lock:
            for helper in self._helpers:
                if helper.work is work and not helper.written_off:
                    if self._written_off >= MOST_WRITTEN_OFF:
                        return
                    helper.written_off = True
                    self._written_off += 1
                    self._size -= 1

    def step_aside(self) -> bool:
        """Say that the present thread only waits from now on, for a coroutine: another may work meanwhile.

        Else many runs that wait for as many answers would wait for each other. Returns whether this is a
        helper, who must then `step_back`.
        """
        if get_ident() not in self._idents:
            return False
        with self._lock:
            self._aside += 1
            if self._queue and not self._idle:
                work = self._queue.popleft()
                work.wanted = False
                if not self._start(work):
                    work.wanted = True
                    self._queue.appendleft(work)
        return True

    def step_back(self) -> None:
        """Say that the helper works again; one that is too many goes when it has nothing to do."""
        with self._lock:
            self._aside -= 1

    def _start(self, work: Work) -> bool:
        helper = _Helper(work)
        name = f"makespan-helper-{len(self._helpers) + 1}"
        thread = threading.Thread(target=self._serve, args=(helper,), name=name, daemon=True)
        self._helpers.add(helper)
        self._size += 1
        try:
            thread.start()
        except Exception:  # no more threads or memory to be had, or the end of the interpreter
            self._helpers.discard(helper)
            self._size -= 1
            return False
        except BaseException:  # Ctrl-C: nobody knows whether the thread has begun. If so, it comes back.
            helper.written_off = True
            self._written_off += 1
            self._size -= 1
            raise
        return True

    def _serve(self, helper: _Helper) -> None:
        self._idents.add(get_ident())
        while True:
            work = helper.work
            if work is not None:
                work.help()
            del work
            with self._lock:
                helper.work = None
                if helper.written_off:
                    helper.written_off = False
                    self._written_off -= 1
                    self._size += 1
                if self._queue:
                    helper.work = self._queue.popleft()
                    helper.work.wanted = False
                    continue
                if self._size > self.most + self._aside:
                    self._size -= 1
                    self._helpers.discard(helper)
                    self._idents.discard(get_ident())
                    return
                self._idle.append(helper)
            helper.park.acquire()


crew = Crew()


def _after_fork() -> None:
    """Threads do not survive a fork: the child begins with a crew of its own."""
    crew.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
