"""What the workers of one run share, and how they come and go.

A worker is a thread that is in an engine (`makespan.engine.plain`, `makespan.engine.general`): the caller,
unless it coordinates, and helpers. Each runs one node at a time, so there are never more workers than the
budget has places; one that finds nothing to start leaves (a helper) or parks (the caller), and whoever makes
more nodes ready than it can take itself offers them: to the parked caller first, else to a helper, one at a
time.

All under one lock, which is never held while anything of the user's runs.
"""

from __future__ import annotations

from _thread import allocate_lock
from heapq import heappush
from threading import get_ident
from typing import TYPE_CHECKING, Any

from makespan.engine import general, plain
from makespan.engine.cancelling import nobody_waits
from makespan.engine.deadlines import node_late
from makespan.engine.failure import blame

if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable
    from contextvars import Context

    from makespan.engine.cancelling import Cancels
    from makespan.engine.crew import Helpers
    from makespan.engine.deadlines import Watch
    from makespan.engine.tables import Tables
    from makespan.engine.tracing import Trace
    from makespan.preparing.program import Program

SIGNALS_S = 0.5
"""A signal that comes just before a thread begins to wait is seen when it stops waiting for a moment."""


class Workers:
    """A run, as its workers see it; `makespan.engine.executor.Execution` makes it.

    Attributes
    ----------
    lock : RLock
        Guards all of this. It knows who holds it when Ctrl-C comes.
    slots, ready, waiting : list
        Of the plain engine; see `makespan.engine.tables`.
    core : Dispatch or None
        What decides; None: the plain engine does.
    spare : bool
        Somebody could take another node.
    parked : bool
        The caller waits for `wake`.
    stopped : bool
        Nothing starts any more.
    coordinated, deals : bool
        The caller only waits; but some nodes are for it to run.
    """

    __slots__ = (
        "_alone",
        "_called",
        "_cancels",
        "_crew",
        "_program",
        "_room",
        "active",
        "base",
        "coordinated",
        "core",
        "deals",
        "dropped",
        "error",
        "failures",
        "lock",
        "notify",
        "over",
        "overdue",
        "parked",
        "ready",
        "slots",
        "spare",
        "stopped",
        "tables",
        "trace",
        "waiting",
        "wake",
        "wanted",
        "watch",
    )

    _alone: bool
    _called: bool
    _cancels: Cancels
    _crew: Helpers
    _program: Program
    _room: int
    active: int
    base: Context
    coordinated: bool
    core: Any
    deals: bool
    dropped: dict[int, int]
    error: BaseException | None
    failures: list[tuple[int, BaseException]]
    lock: Any
    notify: Callable[[], object]
    over: bool
    overdue: list[int]
    parked: bool
    ready: list[int]
    slots: list[Any]
    spare: bool
    stopped: bool
    tables: Tables
    trace: Trace | None
    waiting: list[int]
    wake: LockType
    wanted: bool
    watch: Watch | None

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

    def wait(self) -> None:
        """Wait, as the caller that parked and without the lock, until there is something to do."""
        while not self.wake.acquire(timeout=SIGNALS_S):
            pass

    def may_leave(self, k: int) -> bool:
        """Whether a helper may go to another run now; if so, its next node is queued again (plain engine)."""
        if self.active < 2:
            return False
        heappush(self.ready, k)
        return True

    def caught(self, i: int, raised: BaseException, *, helping: bool) -> None:
        """Keep what a node raised; without the lock.

        Raises
        ------
        KeyboardInterrupt
            In the caller's thread: Ctrl-C.
        """
        node, error = blame(i, raised)
        if isinstance(error, KeyboardInterrupt) and not helping:
            if self.trace is not None:
                self.trace.end[node] = 0  # it did not come to its end
            context = error.__context__
            try:
                raise error
            finally:
                error.__context__ = context  # not what a part raised around it
        with self.lock:
            core, watch = self.core, self.watch
            if self.over:
                return  # it was abandoned
            if core is None:
                self.failures.append((node, error))
                self._stop()
                return
            if watch is not None:
                ticket = watch.ended(get_ident())
                if ticket.given_up:
                    self._free(i)
                    return
                if ticket.asked and isinstance(error, TimeoutError):
                    late = node_late(self._program.structure.names[node], watch.limit_s(i))
                    late.__cause__ = error
                    error = late
                    self.overdue.append(node)
            self.failures.append((node, error))
            self._lose(node, core.fail(i))

    def returned(self, i: int) -> bool:
        """Note that a node returned in this thread; return whether it is too late (general engine)."""
        late = self.watch is not None and self.watch.ended(get_ident()).given_up
        if late:
            self._free(i)
        return late

    def _engine(self, *, helping: bool) -> None:
        if self.core is None:
            plain.work(self, helping=helping)
        else:
            general.work(self, helping=helping)

    def _stop(self) -> None:
        self.stopped = self._cancels.stopping = True
        if self.core is None:
            self.ready.clear()
        else:
            self.core.stop()

    def _lose(self, node: int, dropped: list[int]) -> None:
        for i in dropped:
            self.dropped[i] = node
        self.stopped = self._cancels.stopping = self.core.stopped

    def _free(self, i: int) -> None:
        self.core.free(i)
        self._room -= 1
        self._set_spare()

    def _set_spare(self) -> None:
        self.spare = self.parked or (self._room > 0 and not self._called)

    def _offer_if_any(self) -> Callable[[], object] | None:
        core = self.core
        if not (self.ready if core is None else core.may_start):
            return None
        if self.wanted and not self.active:  # it waits in the queue, and nothing works on it
            return self._hire
        return self.offer()

    def _hire(self) -> None:
        """Call a helper; without the lock."""
        at_it = self.active if self.core is None else self.active - self.core.stuck
        if not (self._crew.call(self, must=True) if at_it <= 0 else self._crew.call(self)):
            with self.lock:
                self._called = False
                self._room = 0
                self._set_spare()
                self._alone = not self.active
            if self._alone:
                self.notify()
