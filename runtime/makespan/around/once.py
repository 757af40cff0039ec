"""A value that is computed once, whoever asks first; others wait for it.

When computing fails, the exception is the asker's who computed; the next of those who wait computes anew.
Nobody waits for ever: who would wait for a value that (through others) waits for the asker itself gets a
`CircleError`; who blocks an event loop on which the value is being computed, a `BlockedLoopError`.

::

    run 1   get ──▶ computes ┄┄┄┄┄┄▶ value
    run 2       get ──▶ waits ┄┄┄┄┄▶ value
"""

from __future__ import annotations

import os
from _thread import allocate_lock
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from makespan.around.pausing import acquired
from makespan.engine.cancelling import waited_by
from makespan.errors import BlockedLoopError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

_EMPTY: Any = object()

_computing: ContextVar[tuple[Once, ...]] = ContextVar("makespan_computing", default=())
"""What is being computed around the present call, outermost first."""


class CircleError(Exception):
    """A value needs itself."""


class OnLoop(Protocol):
    """A coroutine on an event loop, and the thread that waits for it."""

    loop_thread: int
    over: bool
    """It has come to its end."""


def computing() -> tuple[Once, ...]:
    """Return what is being computed around the present call, outermost first."""
    return _computing.get()


class Once:
    """A value to come.

    Invariant: `waits_for` of a value holds what is waited for while it is computed; these form no circle.
    All fields but the value are guarded by one lock for all, which is held for a few steps only.
    """

    __slots__ = ("_by", "_tells", "_value", "on_loops", "waits_for")

    def __init__(self) -> None:
        self._value = _EMPTY
        self._by = 0  # the process in which it is being computed
        self._tells: list[Any] = []
        self.waits_for: list[Once] = []
        self.on_loops: list[OnLoop] = []
        """What computing it awaits now, and on which loops."""

    @property
    def is_there(self) -> bool:
        """Whether it was computed."""
        return self._value is not _EMPTY

    def get(self, compute: Callable[[], Any]) -> Any:
        """Return the value; `compute` it, or wait for it, if it is not there.

        Raises
        ------
        CircleError
            It is being computed by who asks, or by one who waits for what who asks computes.
        BlockedLoopError
            It is being computed on an event loop that is blocked by who asks.
        GivenUp, TimeoutError
            The run of who waited ended, or the node's time was up.
        """
        if self._value is not _EMPTY:
            return self._value
        around = _computing.get()
        while True:
            with _guard():
                if self._value is not _EMPTY:
                    return self._value
                if self._by != os.getpid():  # nobody, or a thread that the fork left behind
                    self._by = os.getpid()
                    self._tells, self.waits_for, self.on_loops = [], [], []
                    break
                if around and self._leads_to(around):
                    raise CircleError
                told = allocate_lock()
                told.acquire()
                self._tells.append(told)
                for one in around:
                    one.waits_for.append(self)
            try:
                acquired(told, look=self._refuse_blocked)
            finally:
                with _guard():
                    for one in around:
                        one.waits_for.remove(self)
        return self._compute(compute, around)

    def _compute(self, compute: Callable[[], Any], around: tuple[Once, ...]) -> Any:
        token = _computing.set((*around, self))
        value = _EMPTY
        try:
            value = compute()
        finally:
            _computing.reset(token)
            with _guard():
                self._value = value
                self._by = 0
                tells, self._tells = self._tells, []
            for told in tells:
                with suppress(RuntimeError):  # it was told to give up
                    told.release()
        return value

    def _refuse_blocked(self) -> None:
        """Raise an error if this is computed on an event loop that cannot go on before who asks does."""
        blocked = waited_by()
        with _guard():
            awaited = [on for one in self._needed() for on in one.on_loops]
        if any(on.loop_thread in blocked and not on.over for on in awaited):
            raise BlockedLoopError(
                "this call blocks an event loop, and waits for a result that is being awaited on that loop",
                hint="in code of an event loop: await dag.acall(…)",
            )

    def _leads_to(self, ends: tuple[Once, ...]) -> bool:
        """Say whether it is one of `ends`, or waits for one of them through others."""
        return any(one is end for one in self._needed() for end in ends)

    def _needed(self) -> list[Once]:
        """Return this and all that it waits for, through others."""
        found: list[Once] = []
        seen: set[int] = set()
        left = [self]
        while left:
            one = left.pop()
            if id(one) in seen:
                continue
            seen.add(id(one))
            found.append(one)
            left += one.waits_for
        return found


_lock = allocate_lock()


def _guard() -> AbstractContextManager[Any]:
    return _lock


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 (another thread may have held it)
    _lock = allocate_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
