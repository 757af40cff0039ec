"""What a run notes while it goes: which node started and ended when, in which thread."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

tracing: ContextVar[Trace | None] = ContextVar("makespan_tracing", default=None)
"""The trace of the run that the node runs in, for calls that have more to tell than start and end."""


class Trace:
    """Starts and ends of the nodes of one run, in nanoseconds of its clock; 0 is 'not yet'.

    By node number, where there is something to tell: which were `skipped`, how many `attempts` it took, the
    id of the worker `process` that a node ran in.
    """

    __slots__ = ("attempts", "clock", "end", "ident", "process", "skipped", "start")

    def __init__(self, n: int, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self.clock = clock
        self.start = [0] * n
        self.end = [0] * n
        self.ident = [0] * n
        self.skipped: set[int] = set()
        self.attempts: dict[int, int] = {}
        self.process: dict[int, int] = {}

    def copy(self) -> Trace:
        """Return what is known now, apart from what goes on."""
        copied = Trace(0, self.clock)
        copied.start, copied.end, copied.ident = self.start.copy(), self.end.copy(), self.ident.copy()
        copied.skipped, copied.attempts = self.skipped.copy(), self.attempts.copy()
        copied.process = self.process.copy()
        return copied
