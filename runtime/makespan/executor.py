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

from _thread import RLock, allocate_lock
from contextlib import suppress
from contextvars import copy_context
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any

from makespan.cancelling import Cancels, canceller, inside
from makespan.crew import crew
from makespan.deadlines import Watch, node_late, run_late
from makespan.dispatch import Dispatch
from makespan.tables import Tables
from makespan.terms import PLAIN_TERMS, Terms
from makespan.tracing import Trace, tracing
from makespan.workers import SIGNALS_S, Workers, nobody_waits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from makespan.crew import Helpers
    from makespan.program import Program
    from makespan.rules import Rules

__all__ = ["PLAIN_TERMS", "Execution", "Terms", "Trace", "tables_of", "tracing"]

_inside = inside  # of whoever runs nodes in a way of his own


def is_plain(rules: Rules, terms: Terms = PLAIN_TERMS) -> bool:
    """Whether the plain engine can run it."""
    return rules.plain and not terms.go_on and terms.timeout_s is None and not terms.timeouts_s


def tables_of(program: Program, rules: Rules, terms: Terms = PLAIN_TERMS) -> Tables:
    """Return what `Execution` looks up; made once for many runs."""
    return Tables(program, rules, terms.worth, plain=is_plain(rules, terms))


class Execution(Workers):
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

    __slots__ = ("_budget", "_callers", "_terms")

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
        self._crew = crew
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
        self.error = None
        self.failures = []
        self.slots = tables.slots(inputs, trace)
        if tables.plain:
            self.ready = tables.roots.copy()
            self.waiting = tables.waiting.copy()
            self.core = self.watch = None
        else:
            self.core = Dispatch(rules, go_on=terms.go_on)
            self.core.budget = budget
            self.watch = None
        self.overdue = []
        self.dropped = {}
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

    # -- inner -----------------------------------------------------------------------------------------------

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
                wake.acquire(timeout=SIGNALS_S if wait_s is None else min(wait_s, SIGNALS_S))

    def _end_from_outside(self) -> None:
        self.abandon(TimeoutError("the node that ran this was ended"))

    def _end(self) -> None:
        """Let go of what the run held, once it is over."""
        self._cancels.rearm = nobody_waits
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
            error = None
            timeout_s = self._terms.timeout_s
            if timeout_s is not None and monotonic() >= watch.until:
                error = run_late(timeout_s, names, watch.running())
            else:
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
