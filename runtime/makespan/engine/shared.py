"""What the workers of one run share, and what becomes of a node that fails.

All under one lock, which is never held while anything of the user's runs.
"""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any

from makespan.engine.deadlines import node_late
from makespan.engine.failure import GivenUp, blame

if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable, Iterator
    from contextvars import Context

    from makespan.engine.cancelling import Cancels
    from makespan.engine.crew import Helpers
    from makespan.engine.deadlines import Watch
    from makespan.engine.tables import Tables
    from makespan.engine.tracing import Trace
    from makespan.engine.watching import Entry
    from makespan.preparing.program import Program


class Shared:
    """A run, as its workers see it.

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
    at : int
        Changes with every node that starts (general engine).
    taken : bool
        Others have come to a run that its caller began alone.
    stopped : bool
        Nothing starts any more.
    coordinated, deals : bool
        The caller only waits; but some nodes are for it to run.
    """

    __slots__ = (
        "_alone",
        "_brief",
        "_called",
        "_cancels",
        "_crew",
        "_entry",
        "_program",
        "_room",
        "_solo",
        "active",
        "at",
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
        "taken",
        "trace",
        "waiting",
        "wake",
        "wanted",
        "watch",
    )

    _alone: bool
    _brief: bool
    _called: bool
    _cancels: Cancels
    _crew: Helpers
    _entry: Entry | None
    _program: Program
    _room: int
    _solo: Iterator[int] | None
    active: int
    at: int
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
    taken: bool
    trace: Trace | None
    waiting: list[int]
    wake: LockType
    wanted: bool
    watch: Watch | None

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
                self._failed(node, error)
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
            self._failed(node, error)
            self._lose(node, core.fail(i))

    def _failed(self, node: int, error: BaseException) -> None:
        if isinstance(error, GivenUp) and self.failures:  # it waited, and these ended the run
            if self.trace is not None:
                self.trace.end[node] = 0  # it did not come to its end
        else:
            self.failures.append((node, error))

    def returned(self, i: int) -> bool:
        """Note that a node returned in this thread; return whether it is too late (general engine)."""
        late = self.watch is not None and self.watch.ended(get_ident()).given_up
        if late:
            self._free(i)
        return late

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
