"""Threads around the dispatch core: one run of a program.

One bare mutex for each run, taken once a node: finish the last one, decide the next, decide whether a helper
is worth calling. The caller is worker 0. What holds, whatever happens:

- when `Execution.run` returns, nothing of the run is still running. Ctrl-C, and a fault outside any node (no
  memory, say), are raised at once: nodes that run in helpers finish on their own, and their results are
  dropped;
- after a failure nothing new starts, and every exception is kept;
- each node runs in a copy of the caller's context variables;
- a value is held only by the slots of the nodes that will take it.

A run inside a node (a node that calls a DAG) works on that node's thread alone, so the budget holds at any
depth.
"""

from __future__ import annotations

import time
from _thread import allocate_lock
from contextvars import ContextVar, copy_context
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.cancelling import inside
from makespan.crew import crew
from makespan.dispatch import Dispatch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from makespan.dispatch import Rules
    from makespan.program import Program

_inside = inside

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


class Terms(NamedTuple):
    """How a program runs, beside the rules of who may start when.

    Attributes
    ----------
    timeout_s : float or None
        Of the whole run.
    timeouts_s : mapping of int to float
        Of nodes, by number: how long each attempt may take.
    go_on : bool
        After a failure everything that does not depend on the failed node goes on.
    coordinate : bool
        The calling thread runs no nodes (but those only it may run): it waits, and sees Ctrl-C and errors at
        once. For runs with long nodes; runs with timeouts do so anyway.
    worth : sequence of bool, shape (n,), or None
        By node number: whether it takes long enough to be worth a hand-off to another thread. None: all are.
    """

    timeout_s: float | None = None
    timeouts_s: Mapping[int, float] = {}
    go_on: bool = False
    coordinate: bool = False
    worth: Sequence[bool] | None = None


PLAIN_TERMS = Terms()


class Execution:
    """One run.

    Parameters
    ----------
    program : Program
    rules : Rules
        Order, budget and groups, for the same DAG.
    inputs : mapping of str to Any
        A value for each input.
    trace : Trace, optional
        Filled with starts, ends and threads.
    """

    __slots__ = (
        "_base",
        "_broken",
        "_lock",
        "_parked",
        "_program",
        "_slots",
        "_trace",
        "_wake",
        "core",
        "failures",
        "kept",
        "wanted",
    )

    def __init__(
        self, program: Program, rules: Rules, inputs: Mapping[str, Any], trace: Trace | None = None
    ) -> None:
        self._program = program
        self._slots = program.slots(inputs)
        self._trace = trace
        self._lock = allocate_lock()
        self._wake = allocate_lock()
        self._wake.acquire()
        self._parked = False
        self._broken: BaseException | None = None
        self.core = Dispatch(rules)
        self.failures: list[tuple[int, BaseException]] = []
        """(node, exception), in the order in which they came."""
        self.kept: dict[int, Any] = {}
        self.wanted = False
        self._base = copy_context()
        if self._base.run(_inside.get):
            self._base.run(tracing.set, trace)  # not that of the run around it
            self.core.budget = 1
        else:
            if trace is not None:
                self._base.run(tracing.set, trace)
            self._base.run(_inside.set, True)
            if self.core.budget > 1:
                crew.reserve(self.core.budget - 1)

    def run(self) -> None:
        """Run to the end; the caller's thread works too.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C came: at once, nothing new starts.
        """
        try:
            self._work(helping=False)
        except BaseException:
            self.core.stop()
            raise
        finally:
            if self.wanted:
                crew.withdraw(self)
            if self.core.stopped and not self.core.running:
                self._slots.clear()  # the frames of a traceback hold the same list
        if self._broken is not None:
            raise self._broken

    def help(self) -> None:
        """Work on this run from a helper thread until nothing can be started."""
        try:
            self._work(helping=True)
        except BaseException as error:  # outside any node: no memory, say. The caller must not wait for ever.
            with self._lock:
                self._broken = error
                self.core.stop()
                if self._parked:
                    self._parked = False
                    self._wake.release()

    def _work(self, *, helping: bool) -> None:
        core, lock, trace, slots = self.core, self._lock, self._trace, self._slots
        calls, pushes, keeps = self._program.calls, self._program.pushes, self._program.keeps
        copy = self._base.copy
        if trace is not None:
            clock, start, end, ident, me = trace.clock, trace.start, trace.end, trace.ident, get_ident()
        alone = core.budget == 1
        last = -1
        error: BaseException | None = None
        while True:
            with lock:
                if error is not None:
                    core.fail(last)
                    self.failures.append((last, error))
                    error = None
                    chosen = None
                else:
                    chosen = core.next() if last < 0 else core.advance(last)
                last = -1
                if chosen is None:
                    over = core.done or self._broken is not None
                    if helping:
                        if over and self._parked:
                            self._parked = False
                            self._wake.release()
                        return
                    if over:
                        return
                    self._parked = True
                    more = wake = False
                else:
                    more = not alone and core.may_start
                    wake = more and self._parked
                    if wake:
                        self._parked = False
            if chosen is None:
                self._wake.acquire()
                continue
            if wake:
                self._wake.release()
            elif more:
                crew.call(self)
            last = chosen
            arguments = slots[last]
            slots[last] = None
            try:
                if trace is not None:
                    ident[last] = me
                    start[last] = clock()
                    try:
                        value = copy().run(calls[last], *arguments)
                    finally:
                        end[last] = clock()
                else:
                    value = copy().run(calls[last], *arguments)
            except BaseException as raised:
                if isinstance(raised, KeyboardInterrupt) and not helping:
                    if trace is not None:
                        end[last] = 0  # it did not come to its end
                    raise
                error = raised
                arguments = None
                continue
            arguments = None
            for consumer, slot in pushes[last]:
                slots[consumer][slot] = value
            if keeps[last]:
                self.kept[last] = value
            value = None
