"""Numbers of the whole process that several want changed at once: the smallest wins, the first is put back.

::

    usual 8 ──A wants 2──▶ 2 ──B wants 1──▶ 1 ──B is over──▶ 2 ──A is over──▶ 8

Each keeping for itself what it found would not do: B would put back A's 2 after A put back the 8. So the
usual number is kept once, from the first to the last who wants another one. What somebody else changed
meanwhile is theirs, and is left.
"""

from __future__ import annotations

import os
import weakref
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Number:
    """A number of the process, and what it was before it was changed."""

    __slots__ = ("_changed", "_get", "_now", "_set", "_usual", "_wanted")

    def __init__(self, get: Callable[[], Any], put: Callable[[Any], object]) -> None:
        self._get = get
        self._set = put
        self._changed = False
        self._usual: Any = None
        self._wanted: Any = None
        self._now: Any = None
        """What it became: some round, some take less. None: Ctrl-C came before that was known."""

    def become(self, value: float) -> None:
        """Set it; what it was first is kept."""
        if not self._changed:
            self._usual = self._wanted = self._now = self._get()
            self._changed = True
        if self._wanted != value:
            self._now = None
            self._wanted = value
            self._set(value)
            self._now = self._get()

    def put_back(self) -> None:
        """Set it to what it was, unless somebody else set it meanwhile."""
        if self._changed:
            if self._now is None or (self._now != self._usual and self._get() == self._now):
                self._set(self._usual)
            self._changed = False


class Wish:
    """Somebody who wants another number; `Held.take` and `Held.drop` take it."""

    __slots__ = ("thread",)

    def __init__(self) -> None:
        self.thread = get_ident()


class Held:
    """Numbers that are changed together, for as long as somebody wants it.

    >>> import sys
    >>> usual, wish, held = sys.getswitchinterval(), Wish(), Held([interpreter_switch_interval()])
    >>> held.take(wish, 0.001)
    >>> sys.getswitchinterval()
    0.001
    >>> held.drop(wish)
    >>> sys.getswitchinterval() == usual
    True
    """

    def __init__(self, numbers: Iterable[Number] = ()) -> None:
        self._numbers = list(numbers)
        self._wishes: dict[Wish, float] = {}
        self._lock = Lock()
        _all.add(self)

    def take(self, wish: Wish, value: float) -> None:
        """Change the numbers to `value`, or to less where another one wants less."""
        with self._lock:
            self._wishes[wish] = value
            self._apply()

    def drop(self, wish: Wish) -> None:
        """Forget a wish, if it is there; the last one puts back. Again after Ctrl-C: it does the rest."""
        with self._lock:
            self._wishes.pop(wish, None)
            self._apply()

    def join(self, numbers: Iterable[Number]) -> None:
        """Take further numbers, at what is wanted now."""
        with self._lock:
            self._numbers += numbers
            self._apply()

    def _apply(self) -> None:
        smallest = min(self._wishes.values(), default=None)
        for number in self._numbers:
            try:
                if smallest is None:
                    number.put_back()
                else:
                    number.become(smallest)
            except Exception:  # noqa: S112
                continue  # a library that refuses keeps its own number

    def after_fork(self) -> None:
        """In a child process: the other threads are gone, and with them what they wanted."""
        self._lock = Lock()
        here = get_ident()
        self._wishes = {wish: value for wish, value in self._wishes.items() if wish.thread == here}


def interpreter_switch_interval() -> Number:
    """Return the number of the interpreter's switch interval."""
    import sys

    return Number(sys.getswitchinterval, sys.setswitchinterval)


_all: weakref.WeakSet[Held] = weakref.WeakSet()


def _after_fork() -> None:
    for held in list(_all):
        held.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
