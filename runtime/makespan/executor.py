"""Threads around the dispatch core: one run of a program.

One mutex for each run, taken once a node: finish the last one, decide the next, decide whether another worker
is worth calling. The engines (`makespan.plain`, `makespan.general`) are what a worker does; this is what the
workers of a run share, and how it begins and ends. Who works:

- the caller and helpers: the caller is one of the workers, and waits for the others when it finds nothing;
- helpers alone, while the caller *coordinates*: it looks at the clock, runs the nodes that only it may run,
  and sees Ctrl-C at once. An event loop is such a caller: `start`, `tend`, `abandon`.

What holds, whatever happens:

- when `Execution.run` returns, nothing of the run is still running. Ctrl-C, a limit of time that is over, and
  a fault outside any node (no memory, say) are raised at once: nodes that run in helpers are asked to end
  (`makespan.cancelling`) or finish on their own, and their results are dropped;
- after a failure nothing new starts (or nothing that depends on the failed node); every exception is kept;
- each node runs in a copy of the caller's context variables;
- a value is held only by the slots of the nodes that will take it.

A run inside a node (a node that calls a DAG) has a budget of one, in that node's place: the budget holds at
any depth.
"""

from __future__ import annotations

import time
from _thread import TIMEOUT_MAX, RLock, allocate_lock
from contextlib import suppress
from contextvars import ContextVar, copy_context
from heapq import heappush
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan import general, plain
from makespan.cancelling import Cancels, canceller, inside
from makespan.crew import crew
from makespan.deadlines import Watch, node_late, run_late
from makespan.dispatch import Dispatch
from makespan.failure import blame
from makespan.tables import Tables

if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable, Mapping, Sequence

    from makespan.crew import Helpers
    from makespan.program import Program
    from makespan.rules import Rules

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


def is_plain(rules: Rules, terms: Terms = PLAIN_TERMS) -> bool:
    """Whether the plain engine can run it."""
    return rules.plain and not terms.go_on and terms.timeout_s is None and not terms.timeouts_s


def tables_of(program: Program, rules: Rules, terms: Terms = PLAIN_TERMS) -> Tables:
    """Return what `Execution` looks up; made once for many runs."""
    return Tables(program, rules, terms.worth, plain=is_plain(rules, terms))


def _nobody_waits() -> bool:
    """Say to a node of a run that is over that it need not be tried again; holds nothing of the run."""
    return False


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
    terms : Terms, optional
    tables : Tables, optional
        What `tables_of` makes of program, rules and terms.

    Attributes
    ----------
    failures : list of (int, BaseException)
        Node and exception, in the order in which they came.
    overdue : list of int
        The failed nodes whose time was up.
    dropped : dict of int to int
        Nodes that did not run because another one failed, and which (when the run goes on).
    over : bool
        It has ended, or was abandoned.
    active : int
        Workers that are at it.
    """

    __slots__ = (
        "_alone",
        "_budget",
        "_called",
        "_callers",
        "_cancels",
        "_crew",
        "_program",
        "_room",
        "_terms",
        "active",
        "base",
        "coordinated",
        "core",
        "deals",
        "dropped",
        "error",
        "failures",
        "lock",
        "notify",
        "over",
        "overdue",
        "parked",
        "ready",
        "slots",
        "spare",
        "stopped",
        "tables",
        "trace",
        "waiting",
        "wake",
        "wanted",
        "watch",
    )

    def __init__(
        self,
        program: Program,
        rules: Rules,
        inputs: Mapping[str, Any],
        trace: Trace | None = None,
        terms: Terms = PLAIN_TERMS,
        tables: Tables | None = None,
    ) -> None:
        if tables is None:
            tables = tables_of(program, rules, terms)
        self.tables = tables
        self.trace = trace
        self._program = program
        self._terms = terms
        self._crew: Helpers = crew
        self._callers = bool(rules.callers)
        around = inside.get()
        cancels = self._cancels = Cancels(around)
        self.base = base = copy_context()
        base.run(inside.set, cancels)
        if around or trace is not None:
            base.run(tracing.set, trace)  # not that of the run around it
        self.lock = RLock()  # it knows who holds it when Ctrl-C comes
        self._budget = budget = 1 if around else rules.budget
        self._room = budget - 1
        self.active = 1
        self.spare = budget > 1
        self.coordinated = self.deals = self._alone = False
        self.parked = self._called = self.wanted = self.stopped = self.over = False
        self.error: BaseException | None = None
        self.wake: LockType | None = None
        self.failures: list[tuple[int, BaseException]] = []
        self.slots = tables.slots(inputs, trace)
        if tables.plain:
            self.ready = tables.roots.copy()
            self.waiting = tables.waiting.copy()
            self.core = self.watch = None
        else:
            self.core = Dispatch(rules, go_on=terms.go_on)
            self.core.budget = budget
            self.watch: Watch | None = None
        self.overdue: list[int] = []
        self.dropped: dict[int, int] = {}
        if terms is not PLAIN_TERMS and (
            terms.timeout_s is not None or terms.timeouts_s or (terms.coordinate and not around)
        ):
            self._coordinate()
        elif budget > 1:
            if self._callers:
                self._coordinate()
            elif crew.most < budget - 1:
                crew.reserve(budget - 1)

    @property
    def kept(self) -> dict[int, Any]:
        """The results that the DAG returns and that have come, by node."""
        whole = self.over and not self.stopped and not self._terms.go_on
        return self.tables.results(self.slots, whole=whole)

    # -- for who calls ---------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run to the end; the caller's thread works too, or coordinates.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C came: at once, nothing new starts.
        TimeoutError
            The run's time was up.
        """
        try:
            if self.coordinated:
                self._wait_for_helpers()
            else:
                self._engine(helping=False)
        except BaseException as error:
            self.abandon(error)
            raise
        self._end()

    def start(self, notify: Callable[[], object], helpers: Helpers | None = None) -> None:
        """Let helpers begin; the calling thread, which may have other things to do, coordinates.

        Parameters
        ----------
        notify : callable
            Called from any thread when `tend` has something to do; it must not block.
        helpers : Helpers, optional
            Where its helpers come from; the crew of all runs.
        """
        if helpers is not None:
            self._crew = helpers
        if not self.coordinated:
            self._coordinate()
        self.notify = notify
        terms, core = self._terms, self.core
        with self.lock:
            if terms.timeout_s is not None or terms.timeouts_s:
                self.watch = Watch(terms.timeout_s, terms.timeouts_s)
                self._cancels.rearm = self._again
            if self.over:
                return
            if core is None:
                self.over = not self.ready
            else:
                self.over = core.done
                core.deal()
            act = None if self.over else self._offer_if_any()
        if act is not None:
            act()

    def tend(self) -> float | None:
        """Do, in the thread that coordinates, what is to be done now: look at the clock, run its own nodes.

        Returns
        -------
        float or None
            After how many seconds it is to be called at the latest; None: when notified. When `over` is true
            the run has ended, and is not to be tended any more.

        Raises
        ------
        TimeoutError
            The run's time is up.
        KeyboardInterrupt
            Ctrl-C in a node of the calling thread's.
        """
        wait_s = None
        try:
            if not self.over and (self.deals or self._alone):
                self._work_too()
            if not self.over and self.watch is not None:
                wait_s = self._look(self.watch)
        except BaseException as error:
            self.abandon(error)
            raise
        if self.over:
            self._end()
        return wait_s

    def abandon(self, error: BaseException | None = None) -> None:
        """End the run at once: nothing new starts, what runs is asked to end, and its results are dropped.

        Parameters
        ----------
        error : BaseException, optional
            Why; what `tend` and `run` raise.
        """
        lock = self.lock
        if not lock._is_owned():  # noqa: SLF001  # it is when Ctrl-C came at a bad moment
            lock.acquire()
        try:
            act: Callable[[], object] | None = self.notify if self.coordinated and not self.over else None
            if self.parked:
                self.parked = False
                act = self.wake.release
            self._stop()
            self.over = True
            if self.error is None:
                self.error = error
            self.slots.clear()  # the frames of a traceback hold the same list
        finally:
            lock.release()
        self._cancels.close()
        self._cancels.rearm = _nobody_waits
        if self.wanted:
            self._crew.withdraw(self)
        if self.active:
            self._crew.write_off(self)
        if act is not None:
            act()

    def is_asleep(self, sleeping: int) -> bool:
        """Whether nothing will happen before one of so many sleeping nodes ends; under the lock."""
        dealt = self.core is not None and self.core.due is not None
        return self.active == sleeping and not dealt and (not self._called or self.wanted)

    # -- for workers; under the lock, unless said otherwise --------------------------------------------------

    def help(self) -> None:
        """Work on this run from a helper thread until nothing can be started; without the lock."""
        with self.lock:
            self._called = False
            if self.over or self.stopped or self._room <= 0:
                self._set_spare()
                return
            self._room -= 1
            self.active += 1
            self._set_spare()
        try:
            self._engine(helping=True)
        except BaseException as error:  # outside any node: no memory, say. The caller must not wait for ever.
            self.abandon(error)

    def offer(self) -> Callable[[], object] | None:
        """Choose who is to take what is ready; return how to call that one, once the lock is free."""
        if self.parked:
            self.parked = False
            self.active += 1
            self._set_spare()
            return self.wake.release
        if self._room > 0 and not self._called and not self.over:
            self._called = True
            self._set_spare()
            return self._hire
        return None

    def pause(self, *, helping: bool, over: bool) -> Callable[[], object] | None:
        """Let a worker go that finds nothing to start; return what it is to do once the lock is free.

        Parameters
        ----------
        helping : bool
        over : bool
            Nothing starts any more, and nothing runs but what this worker and others are at.
        """
        self.active -= 1
        if helping:
            self._room += 1
        if self.over:
            return None
        if over and (self.core is not None or not self.active):
            self.over = True
            if self.parked:
                self.parked = False
                return self.wake.release
            return self.notify if self.coordinated else None
        if not helping and not self.coordinated:
            if self.wake is None:
                self.wake = allocate_lock()
                self.wake.acquire()
            self.parked = True
        self._set_spare()
        return self._offer_if_any() if helping or self.coordinated else None

    def may_leave(self, k: int) -> bool:
        """Whether a helper may go to another run now; if so, its next node is queued again (plain engine)."""
        if self.active < 2:
            return False
        heappush(self.ready, k)
        return True

    def caught(self, i: int, raised: BaseException, *, helping: bool) -> None:
        """Keep what a node raised; without the lock.

        Raises
        ------
        KeyboardInterrupt
            In the caller's thread: Ctrl-C.
        """
        node, error = blame(i, raised)
        if isinstance(error, KeyboardInterrupt) and not helping:
            if self.trace is not None:
                self.trace.end[node] = self.trace.end[i] = 0  # it did not come to its end
            raise error
        with self.lock:
            core, watch = self.core, self.watch
            if core is None:
                self.failures.append((node, error))
                self._stop()
                return
            if watch is not None:
                ticket = watch.ended(get_ident())
                if ticket.given_up:
                    self._free(i)
                    return
                if ticket.asked and isinstance(error, TimeoutError):
                    late = node_late(self._program.structure.names[node], watch.limit_s(i))
                    late.__cause__ = error
                    error = late
                    self.overdue.append(node)
            self.failures.append((node, error))
            self._lose(node, core.fail(i))

    def returned(self, i: int) -> bool:
        """Note that a node returned in this thread; return whether it is too late (general engine)."""
        late = self.watch is not None and self.watch.ended(get_ident()).given_up
        if late:
            self._free(i)
        return late

    # -- inner -----------------------------------------------------------------------------------------------

    def _engine(self, *, helping: bool) -> None:
        if self.core is None:
            plain.work(self, helping=helping)
        else:
            general.work(self, helping=helping)

    def _coordinate(self) -> None:
        """Have helpers do all the work (but the nodes that only the caller may run)."""
        self.coordinated = True
        self.deals = self._callers
        self.active = 0
        self._room = self._budget
        self._set_spare()
        self._crew.reserve(self._budget)

    def _wait_for_helpers(self) -> None:
        wake = allocate_lock()
        wake.acquire()

        def notify() -> None:
            with suppress(RuntimeError):  # it was told, and has not looked yet
                wake.release()

        with canceller(self._end_from_outside):
            self.start(notify)
            while True:
                wait_s = self.tend()
                if self.over:
                    return
                wake.acquire(timeout=-1 if wait_s is None else min(wait_s, TIMEOUT_MAX))

    def _end_from_outside(self) -> None:
        self.abandon(TimeoutError("the node that ran this was ended"))

    def _end(self) -> None:
        """Let go of what the run held, once it is over."""
        self._cancels.rearm = _nobody_waits
        if self.wanted:
            self._crew.withdraw(self)
        if self.core is not None and self.core.stuck:
            self._crew.write_off(self)
        if self.failures:
            # The frames of a traceback hold the same list.
            if self._terms.go_on:
                del self.slots[:-1]
            else:
                self.slots.clear()
        if self.error is not None:
            raise self.error

    def _stop(self) -> None:
        self.stopped = self._cancels.stopping = True
        if self.core is None:
            self.ready.clear()
        else:
            self.core.stop()

    def _lose(self, node: int, dropped: list[int]) -> None:
        for i in dropped:
            self.dropped[i] = node
        self.stopped = self._cancels.stopping = self.core.stopped

    def _free(self, i: int) -> None:
        self.core.free(i)
        self._room -= 1
        self._set_spare()

    def _set_spare(self) -> None:
        self.spare = self.parked or (self._room > 0 and not self._called)

    def _offer_if_any(self) -> Callable[[], object] | None:
        core = self.core
        return self.offer() if (self.ready if core is None else core.may_start) else None

    def _hire(self) -> None:
        """Call a helper; without the lock."""
        at_it = self.active if self.core is None else self.active - self.core.stuck
        comes = crew.call(self, must=True) if self._crew is crew and at_it <= 0 else self._crew.call(self)
        if comes is False:
            with self.lock:
                self._called = False
                self._room = 0
                self._set_spare()
                self._alone = not self.active
            if self._alone:
                self.notify()

    def _work_too(self) -> None:
        """Work in the thread that coordinates."""
        with self.lock:
            self.active += 1
            if self._alone:  # no thread is to be had
                self.coordinated = self.deals = False
        self._engine(helping=False)

    def _again(self) -> bool:
        with self.lock:
            watch, ident = self.watch, get_ident()
            if watch is None:
                return True
            if watch.gave_up(ident):
                return False
            earlier = watch.again(ident)
        if earlier:
            self.notify()
        return True

    def _look(self, watch: Watch) -> float | None:
        """Look at the clock; return the seconds until the next look."""
        act, core = None, self.core
        names = self._program.structure.names
        with self.lock:
            if monotonic() >= watch.until:
                error = run_late(self._terms.timeout_s, names, watch.running())
            else:
                error = None
                for ticket in watch.overdue(self._cancels):
                    ticket.given_up = True
                    limit_s = watch.limit_s(ticket.node)
                    self.failures.append((ticket.node, node_late(names[ticket.node], limit_s, ticket.ident)))
                    self.overdue.append(ticket.node)
                    self._lose(ticket.node, core.give_up(ticket.node))
                    self._room += 1
                self._set_spare()
                if watch.is_blocked(core):
                    self._stop()
                if core.done:
                    self.over = True
                elif not core.stopped:
                    act = self._offer_if_any()
            wait_s = watch.next_look_s()
        if error is not None or (self.overdue and self.stopped):
            self.abandon(error)
        if act is not None:
            act()
        return wait_s
