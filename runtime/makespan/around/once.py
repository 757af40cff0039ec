"""A value that is computed once, whoever asks first; others wait for it.

When computing fails, the exception is the asker's who computed; the next of those who wait computes anew.
Nobody waits for ever: who would wait for a value that (through others) waits for the asker itself gets a
`CircleError`.

::

    run 1   get ──▶ computes ┄┄┄┄┄┄▶ value
    run 2       get ──▶ waits ┄┄┄┄┄▶ value
"""

from __future__ import annotations

import os
from _thread import allocate_lock
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from makespan.around.pausing import acquired

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

_EMPTY: Any = object()

_computing: ContextVar[tuple[Once, ...]] = ContextVar("makespan_computing", default=())
"""What is being computed around the present call, outermost first."""


class CircleError(Exception):
    """A value needs itself."""


class Once:
    """A value to come.

    Invariant: `waits_for` of a value holds what is waited for while it is computed; these form no circle.
    All fields but the value are guarded by one lock for all, which is held for a few steps only.
    """

    __slots__ = ("_by", "_tells", "_value", "waits_for")

    def __init__(self) -> None:
        self._value = _EMPTY
        self._by = 0  # the process in which it is being computed
        self._tells: list[Any] = []
        self.waits_for: list[Once] = []

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
                    self._tells, self.waits_for = [], []
                    break
                if around and self._leads_to(around):
                    raise CircleError
                told = allocate_lock()
                told.acquire()
                self._tells.append(told)
                for one in around:
                    one.waits_for.append(self)
            try:
                acquired(told)
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

    def _leads_to(self, ends: tuple[Once, ...]) -> bool:
        """Say whether it is one of `ends`, or waits for one of them through others."""
        seen: set[int] = set()
        left = [self]
        while left:
            one = left.pop()
            if id(one) in seen:
                continue
            seen.add(id(one))
            if any(one is end for end in ends):
                return True
            left += one.waits_for
        return False


_lock = allocate_lock()


def _guard() -> AbstractContextManager[Any]:
    return _lock


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 (another thread may have held it)
    _lock = allocate_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
