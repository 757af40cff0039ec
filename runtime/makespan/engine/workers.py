"""How the workers of one run come and go.

A worker is a thread that is in an engine (`makespan.engine.plain`, `makespan.engine.general`): the caller,
unless it coordinates, and helpers. Each runs one node at a time, so there are never more workers than the
budget has places; one that finds nothing to start leaves (a helper) or parks (the caller), and whoever makes
more nodes ready than it can take itself offers them: to the parked caller first, else to a helper, one at a
time. A run that is thought to be brief does not call its first helper at once: it is left to the watcher
(`makespan.engine.watching`).
"""

from __future__ import annotations

from _thread import allocate_lock
from heapq import heappush
from operator import length_hint
from typing import TYPE_CHECKING

from makespan.engine import general, plain, solo
from makespan.engine.cancelling import nobody_waits
from makespan.engine.shared import Shared
from makespan.engine.watching import watcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan.engine.watching import Entry

SIGNALS_S = 0.5
"""A signal that comes just before a thread begins to wait is seen when it stops waiting for a moment."""


class Workers(Shared):
    """A run, as its workers see it; `makespan.engine.executor.Execution` makes it."""

    __slots__ = ()

    def abandon(self, error: BaseException | None = None) -> None:
        """End the run at once: nothing new starts, what runs is asked to end, and its results are dropped.

        Parameters
        ----------
        error : BaseException, optional
            Why; what `tend` and `run` raise.
        """
        lock = self.lock
        if not lock._is_owned():  # noqa: SLF001  # it is when Ctrl-C came at a bad moment
            lock.acquire()
        try:
            act: Callable[[], object] | None = self.notify if self.coordinated and not self.over else None
            if self.parked:
                self.parked = False
                act = self.wake.release
            self._stop()
            self.over = True
            if self.error is None:
                self.error = error
            self.slots.clear()  # the frames of a traceback hold the same list
        finally:
            lock.release()
        self._forget()
        self._cancels.close()
        self._cancels.rearm = nobody_waits
        if self.wanted:
            self._crew.withdraw(self)
        if self.active:
            self._crew.write_off(self)
        if act is not None:
            act()

    def is_asleep(self, sleeping: int) -> bool:
        """Whether nothing will happen before one of so many sleeping nodes ends; under the lock."""
        dealt = self.core is not None and self.core.due is not None
        return self.active == sleeping and not dealt and (not self._called or self.wanted)

    def left(self) -> int:
        """Return a number that changes with every node that starts, of a run without helpers."""
        left = self._solo
        return self.at if left is None else length_hint(left)

    def relieve(self) -> None:
        """Call a helper to a run that began without one and needs it; without the lock, in any thread."""
        with self.lock:
            if self.over or not self._called:
                return
            core, left = self.core, self._solo
            if left is not None and not self.stopped:
                self._solo = None
                solo.take_over(self, left)
            if self.stopped or not (self.ready if core is None else core.may_start):
                self._called = False
                self._brief = core is not None  # until there is something to do for a helper
                self._set_spare()
                return
        self.tables.pace.helped()
        self._hire()
        if self.over:  # meanwhile
            self._crew.withdraw(self)

    # -- for workers; under the lock, unless said otherwise --------------------------------------------------

    def help(self) -> None:
        """Work on this run from a helper thread until nothing can be started; without the lock."""
        with self.lock:
            self._called = False
            if self.over or self.stopped or self._room <= 0:
                self._set_spare()
                return
            self._room -= 1
            self.active += 1
            self._set_spare()
        try:
            self._engine(helping=True)
        except BaseException as error:  # outside any node: no memory, say. The caller must not wait for ever.
            self.abandon(error)

    def offer(self) -> Callable[[], object] | None:
        """Choose who is to take what is ready; return how to call that one, once the lock is free."""
        if self.parked:
            self.parked = False
            self.active += 1
            self._set_spare()
            return self.wake.release
        if self._room > 0 and not self._called and not self.over:
            self._called = True
            self._set_spare()
            if self._brief:
                self._brief = False
                return self._defer
            return self._hire
        return None

    def pause(self, *, helping: bool, over: bool) -> Callable[[], object] | None:
        """Let a worker go that finds nothing to start; return what it is to do once the lock is free.

        Parameters
        ----------
        helping : bool
        over : bool
            Nothing starts any more, and nothing runs but what this worker and others are at.
        """
        self.active -= 1
        if helping:
            self._room += 1
        if self.over:
            return None
        if over and (self.core is not None or not self.active):
            self.over = True
            if self.parked:
                self.parked = False
                return self.wake.release
            return self.notify if self.coordinated else None
        if not helping and not self.coordinated:
            self.wake = allocate_lock()
            self.wake.acquire()
            self.parked = True
        self._set_spare()
        return self._offer_if_any() if helping or self.coordinated else None

    def may_leave(self, k: int) -> bool:
        """Whether a helper may go to another run now; if so, its next node is queued again (plain engine)."""
        if self.active < 2:
            return False
        heappush(self.ready, k)
        return True

    def _offer_if_any(self) -> Callable[[], object] | None:
        core = self.core
        if not (self.ready if core is None else core.may_start):
            return None
        if self.wanted and not self.active:  # it waits in the queue, and nothing works on it
            return self._hire
        return self.offer()

    def wait(self) -> None:
        """Wait, as the caller that parked and without the lock, until there is something to do."""
        while not self.wake.acquire(timeout=SIGNALS_S):
            pass

    def _engine(self, *, helping: bool) -> None:
        if self.core is None:
            plain.work(self, helping=helping)
        else:
            general.work(self, helping=helping)

    def _hire(self) -> None:
        """Call a helper; without the lock."""
        at_it = self.active if self.core is None else self.active - self.core.stuck
        if not (self._crew.call(self, must=True) if at_it <= 0 else self._crew.call(self)):
            with self.lock:
                self._called = False
                self._room = 0
                self._set_spare()
                self._alone = not (self.active or self.over)
            if self._alone:
                self.notify()

    def _work_alone(self) -> bool:
        """Work as the caller of a brief run (plain engine) until it is over, or others work on it too."""
        self._brief = self.spare = False
        self._called = True
        left = self._solo = iter(self.tables.order)
        self._defer()
        return solo.work(self, left)

    def _defer(self) -> None:
        """Have the watcher call a helper, should it be needed; without the lock."""
        entry: Entry = [self]
        self._entry = entry
        watcher.watch(entry)

    def _forget(self) -> None:
        """Have the watcher forget the run, which holds inputs and results."""
        entry = self._entry
        if entry is not None:
            entry[0] = self._entry = None
