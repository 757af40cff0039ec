"""Waiting inside a node: for a while, or for another thread; it ends at once when the run does.

A run ends before its nodes on Ctrl-C, when its time is up, and when another node failed. Who waits then has
nothing to wait for.
"""

from __future__ import annotations

from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from makespan.engine.cancelling import canceller, run_is_over
from makespan.engine.failure import GivenUp

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_S = 0.1
"""How often who waits looks whether the run stopped; where locks are deaf to Ctrl-C, whether that came."""


def acquired(lock: Any, timeout_s: float | None = None, look: Callable[[], object] | None = None) -> bool:
    """Wait until another thread releases a lock; return False when that took too long.

    Parameters
    ----------
    lock
    timeout_s : float, optional
    look : callable, optional
        Called now and then; what it raises ends the waiting.

    Raises
    ------
    GivenUp
        The run ended meanwhile.
    TimeoutError
        The node's time was up.
    """
    until = None if timeout_s is None else monotonic() + timeout_s
    cancelled = False

    def cancel() -> None:
        nonlocal cancelled
        cancelled = True
        with suppress(RuntimeError):  # it is released already
            lock.release()

    with canceller(cancel):
        while not cancelled:
            left_s = _LOOK_S if until is None else min(_LOOK_S, until - monotonic())
            if left_s <= 0:
                return False
            if lock.acquire(timeout=left_s):
                break
            if run_is_over():
                cancelled = True
            elif look is not None:
                look()
        if cancelled:
            raise GivenUp("the run ended while this node waited")
    return True
