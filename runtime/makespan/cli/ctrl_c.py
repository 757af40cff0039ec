"""Ctrl-C while a DAG runs: the first one ends the run, and no other one can cost the record.

The stack of the interrupted thread tells: while nodes run, Ctrl-C ends the run; once the record is being
built or written, the run is over and there is nothing left to end.

What a callback of the garbage collector raises is printed and lost, and the profiler has one: a Ctrl-C that
comes while garbage is collected is heard as soon as that is over.
"""

from __future__ import annotations

import _thread
import gc
import math
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from makespan.engine.executor import Execution
from makespan.engine.recording import Recording
from makespan.engine.straight import StraightExecution

if TYPE_CHECKING:
    from types import CodeType, FrameType, TracebackType

AGAIN_S = 1.0  # who still waits after this has code that swallowed the first one: the next one counts again
_SOON_S = 0.01

_NODES = frozenset({Execution.run.__code__, StraightExecution.run.__code__})
_RECORD = frozenset({Recording.end.__code__})


class HeardOnce:
    """A SIGINT handler around a run, as a context manager.

    Attributes
    ----------
    deaf : bool
        Ctrl-C is ignored from now on: the record is being written.
    """

    def __init__(self) -> None:
        self.deaf = False
        self._heard_at = -math.inf
        self._before: Any = None
        self._soon: threading.Timer | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if callable(before):  # else it is ignored (a background job) or ends the process, as was wished
                self._before = before
                signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon.join()
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.deaf or now - self._heard_at < AGAIN_S:
            return
        if _is_on_stack(_RECORD, frame) and not _is_on_stack(_NODES, frame):
            return
        if _is_on_stack(_collecting(), frame):
            self._soon = threading.Timer(_SOON_S, _again, (number,))
            self._soon.daemon = True
            self._soon.start()
            return
        self._heard_at = now
        # Raises KeyboardInterrupt, unless the user's code has a handler of its own.
        self._before(number, frame)


def _collecting() -> frozenset[CodeType]:
    """Return the code of callbacks of the garbage collector."""
    callbacks: list[Any] = [getattr(its, "__func__", its) for its in gc.callbacks]
    return frozenset(its.__code__ for its in callbacks if hasattr(its, "__code__"))


def _again(number: int) -> None:
    """Send the main thread a signal: as it came, where the system can; else it ends no wait."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, number)
    else:
        _thread.interrupt_main(signal.Signals(number))


def _is_on_stack(codes: frozenset[CodeType], frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code in codes:
            return True
        frame = frame.f_back
    return False
