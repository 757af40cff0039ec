"""What a node lets others do to end it early: kill its process, cancel its coroutine.

A thread cannot be ended from outside, but what it waits for often can. While a node's call waits for
something of that kind it says how to end it::

    with canceller(worker.kill):
        return worker.result()

`cancel` is called, once or twice and from another thread, when the node's time is up or its run is abandoned
(Ctrl-C, the run's own timeout). It must not block. The call is expected to end soon after by raising; what it
raises because its time was up leaves the block as a TimeoutError. `cancel` may come a moment too late: it
must know what it ends, and do nothing when that is over.
"""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar
from threading import get_ident
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


class Cancels:
    """What can be cancelled in one run, and in the runs inside its nodes.

    Parameters
    ----------
    around : Cancels or bool
        Those of the run around this one, if it is inside a node.
    """

    __slots__ = ("around", "caller", "closed", "open", "rearm", "stopping")

    def __init__(self, around: Cancels | bool = False) -> None:
        self.around = around
        self.open: dict[canceller, None] = around.open if isinstance(around, Cancels) else {}
        self.caller = 0
        """The thread that waits for the run; 0: none does, an event loop awaits it."""
        self.closed = False
        self.stopping = False
        """A node failed, and nothing new starts."""
        self.rearm: Callable[[], bool] | None = None
        """Gives the node that runs in the calling thread its whole time again, unless it was given up."""

    def within(self, other: Cancels) -> bool:
        """Whether this is the other one, or inside it."""
        cancels: Cancels | bool = self
        while isinstance(cancels, Cancels):
            if cancels is other:
                return True
            cancels = cancels.around
        return False

    def close(self) -> None:
        """Cancel all, now and from now on: the run is abandoned."""
        self.closed = True
        for entry in list(self.open):
            if entry.cancels.within(self):
                entry.call()

    @property
    def abandoned(self) -> bool:
        """Whether this run was abandoned, or one around it."""
        cancels: Cancels | bool = self
        while isinstance(cancels, Cancels):
            if cancels.closed:
                return True
            cancels = cancels.around
        return False

    @property
    def ending(self) -> bool:
        """Whether nothing new starts in this run, or in one around it."""
        cancels: Cancels | bool = self
        while isinstance(cancels, Cancels):
            if cancels.closed or cancels.stopping:
                return True
            cancels = cancels.around
        return False

    def time_is_up(self, ident: int) -> bool:
        """Cancel what the node in a thread waits for; return whether there was anything."""
        entries = [entry for entry in list(self.open) if entry.ident == ident]
        for entry in entries:
            entry.timed_out = True
            entry.call()
        return bool(entries)


def nobody_waits() -> bool:
    """Say to a node of a run that is over that it need not be tried again; holds nothing of the run."""
    return False


inside: ContextVar[Cancels | bool] = ContextVar("makespan_inside", default=False)
"""True, or what can be cancelled in the run that the current code is a node of; False outside any."""


elsewhere: dict[int, Callable[[], str]] = {}
"""By thread, what shows where the coroutine is that it waits for; empty when that cannot be told."""


def next_attempt() -> bool:
    """Say, in a node's thread, that the node is tried once more: its timeout counts from now.

    False: its time was up, and nobody waits for it any more.
    """
    cancels = inside.get()
    return not isinstance(cancels, Cancels) or cancels.rearm is None or cancels.rearm()


def run_is_over() -> bool:
    """Say, in a node's thread, whether its run was abandoned or stops: nothing more should be begun."""
    cancels = inside.get()
    if not isinstance(cancels, Cancels):
        return False
    return cancels.ending


def waited_by() -> set[int]:
    """Return the threads that can do nothing else before the current code ends: this one, and its callers."""
    threads = {get_ident()}
    cancels = inside.get()
    while isinstance(cancels, Cancels):
        threads.add(cancels.caller)
        cancels = cancels.around
    return threads


class canceller:  # noqa: N801 (used like a function)
    """Say how to end what the current node waits for, as a context manager.

    Parameters
    ----------
    cancel : callable
        Ends it. Called from another thread, perhaps twice, perhaps a moment too late.

    Attributes
    ----------
    timed_out : bool
        `cancel` was called because the node's time was up.
    """

    __slots__ = ("_cancel", "cancels", "ident", "timed_out")

    def __init__(self, cancel: Callable[[], object]) -> None:
        self._cancel = cancel
        self.cancels = NOTHING
        self.ident = 0
        self.timed_out = False

    def call(self) -> None:
        """Cancel; what goes wrong with that is the node's to find out."""
        with suppress(Exception):
            self._cancel()

    def __enter__(self) -> Self:
        cancels = inside.get()
        if isinstance(cancels, Cancels):
            self.cancels = cancels
            self.ident = get_ident()
            cancels.open[self] = None
            if cancels.abandoned:  # after it is in: either `close` sees it, or this sees that it is closed
                self.call()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancels.open.pop(self, None)
        if self.timed_out and error is not None and not isinstance(error, TimeoutError):
            raise TimeoutError("it was ended because its time was up") from error


NOTHING = Cancels()
