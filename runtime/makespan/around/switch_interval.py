"""The interpreter's switch interval while a run with another one is under way.

It is one number for the whole process. Of runs at the same time that want different ones, the smallest wins:
a plan asks for a short interval so that nodes that wait need not wait long, and a shorter one does that too.
The usual one comes back when the last of them is over, whatever became of them.
"""

from __future__ import annotations

from typing import Self

from makespan.around.holding import Held, Wish, interpreter_switch_interval

_HELD = Held([interpreter_switch_interval()])


class held:  # noqa: N801 - used as a function
    """Hold the switch interval, within a ``with`` block or from `take` to `drop`.

    Parameters
    ----------
    interval_s : float
        Seconds.

    >>> import sys
    >>> with held(0.001):
    ...     print(sys.getswitchinterval())
    0.001
    """

    __slots__ = ("_interval_s", "_wish")

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._wish = Wish()

    def take(self) -> None:
        """Set it; `drop` is to be called whatever comes of it."""
        _HELD.take(self._wish, self._interval_s)

    def drop(self) -> None:
        """Let go. More than once does no harm; again after Ctrl-C, it does the rest."""
        _HELD.drop(self._wish)

    def end(self) -> None:
        """Let go whatever happens: for a ``finally``."""
        try:
            self.drop()
        except BaseException:  # Ctrl-C on the way into it
            self.drop()
            raise

    def __enter__(self) -> Self:
        try:
            self.take()
        except BaseException:  # Ctrl-C on the way: there will be no __exit__
            self.drop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
