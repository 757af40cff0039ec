"""The interpreter's switch interval while a run with another one is under way.

It is one number for the whole process. Of runs at the same time that want different ones, the smallest wins:
a plan asks for a short interval so that nodes that wait need not wait long, and a shorter one does that too.
The usual one comes back when the last of them is over, whatever became of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from makespan.holding import Held, Wish, interpreter_switch_interval

if TYPE_CHECKING:
    from types import TracebackType

_HELD = Held([interpreter_switch_interval()])


class held:  # noqa: N801 - used as a function
    """Hold the switch interval within a ``with`` block: ``with held(plan.switch_interval_s): …``.

    Ctrl-C at any moment inside leaves nothing behind.

    Parameters
    ----------
    interval_s : float
        Seconds.
    """

    __slots__ = ("_interval_s", "_wish")

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._wish = Wish()

    def __enter__(self) -> Self:
        try:
            _HELD.take(self._wish, self._interval_s)
        except BaseException:  # Ctrl-C when it is set already: there will be no __exit__
            self.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Let go; more than once does no harm."""
        try:
            _HELD.drop(self._wish)
        except BaseException:  # Ctrl-C before it was done
            _HELD.drop(self._wish)
            raise


def hold(interval_s: float | None) -> held | None:
    """Set the switch interval until `held.release` is called on what this returns; None: nothing to do.

    Whoever cannot use ``with`` (a run that ends in another function) takes this.
    """
    return None if interval_s is None else held(interval_s).__enter__()
