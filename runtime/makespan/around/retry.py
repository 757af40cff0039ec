"""Trying a node again: after which exceptions, how often, how long to wait.

Each failed attempt leaves a note on the exception that is raised in the end. A wait is doubled each time, up
to a minute, and ends at once with the run: then the last exception is raised as it is.
"""

from __future__ import annotations

import time
from _thread import allocate_lock
from typing import TYPE_CHECKING, Any

from makespan.around.pausing import acquired
from makespan.engine.cancelling import next_attempt, run_is_over
from makespan.engine.executor import tracing
from makespan.engine.failure import GivenUp

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan.describing.options import Options

MAX_WAIT_S = 60.0
_LONG = 200  # letters of an exception's text in a note


def retried(number: int, options: Options, fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls `fn` up to ``1 + retries`` times.

    Parameters
    ----------
    number : int
        The node's: its attempts are counted in the run's trace.
    options : Options
        `retries`, `retry_wait_s`, `retry_on`.
    fn : callable
    """
    last = options.retries + 1
    first_wait_s, kinds = min(options.retry_wait_s, MAX_WAIT_S), options.retry_on

    def call(*args: Any, **kwargs: Any) -> Any:
        notes: list[str] = []
        wait_s = first_wait_s
        for attempt in range(1, last + 1):
            begun = time.perf_counter()
            try:
                return fn(*args, **kwargs)
            except Exception as error:
                notes.append(f"attempt {attempt} of {last} failed after {_took(begun)}: {_said(error)}")
                again = attempt < last and isinstance(error, kinds) and _waited(wait_s)
                if not again:
                    if attempt > 1:
                        _note(error, notes)
                    raise
            wait_s = min(2 * wait_s, MAX_WAIT_S)
            if (trace := tracing.get()) is not None:
                trace.attempts[number] = attempt + 1
        raise AssertionError  # the last attempt returned or raised

    return call


def _waited(wait_s: float) -> bool:
    """Wait; say whether to try again: the run goes on, and waits for the node."""
    if wait_s > 0:
        lock = allocate_lock()
        lock.acquire()
        try:
            acquired(lock, wait_s)
        except (GivenUp, TimeoutError):
            return False
    return not run_is_over() and next_attempt()


def _took(begun: float) -> str:
    took_s = time.perf_counter() - begun
    from makespan.showing.words import seconds

    return seconds(took_s)


def _said(error: BaseException) -> str:
    """Return an exception in one line, as the interpreter would print it."""
    kind = type(error).__name__
    try:
        text = " ".join(str(error).split())
    except Exception:
        return kind
    return f"{kind}: {text[:_LONG]}{'…' if len(text) > _LONG else ''}" if text else kind


def _note(error: BaseException, notes: list[str]) -> None:
    try:
        for note in notes:
            error.add_note(note)
    except Exception:  # noqa: S110 (an exception class of the user's that takes no notes is handed on as it is)
        pass
