"""Threads around the dispatch core: one run of a program.

One mutex for each run, taken once a node: finish the last one, decide the next, decide whether another worker
is worth calling. The engines (`makespan.engine.plain`, `makespan.engine.general`) are what a worker does;
this is what the workers of a run share, and how it begins and ends. Who works:

- the caller and helpers: the caller is one of the workers, and waits for the others when it finds nothing;
- helpers alone, while the caller *coordinates*: it looks at the clock, runs the nodes that only it may run,
  and sees Ctrl-C at once. An event loop is such a caller: `start`, `tend`, `abandon`.

What holds, whatever happens:

- when `Execution.run` returns, nothing of the run is still running. Ctrl-C, a limit of time that is over, and
  a fault outside any node (no memory, say) are raised at once: nodes that run in helpers are asked to end
  (`makespan.engine.cancelling`) or finish on their own, and their results are dropped;
- after a failure nothing new starts (or nothing that depends on the failed node); every exception is kept;
- each node runs in a copy of the caller's context variables;
- a value is held only by the slots of the nodes that will take it.

A run inside a node (a node that calls a DAG) has a budget of one, in that node's place: the budget holds at
any depth.
"""

from __future__ import annotations

from _thread import RLock
from contextvars import copy_context
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any

from makespan.dispatch import Dispatch
from makespan.engine.cancelling import Cancels, inside
from makespan.engine.coordinating import Coordinator
from makespan.engine.crew import crew
from makespan.engine.tables import Tables
from makespan.engine.terms import PLAIN_TERMS, Terms
from makespan.engine.tracing import Trace, tracing
from makespan.engine.watching import watcher

if TYPE_CHECKING:
    from collections.abc import Mapping

    from makespan.preparing.program import Program
    from makespan.rules import Rules

__all__ = ["PLAIN_TERMS", "Execution", "Terms", "Trace", "tables_of", "tracing"]

_inside = inside  # of whoever runs nodes in a way of his own


def is_plain(rules: Rules, terms: Terms = PLAIN_TERMS) -> bool:
    """Whether the plain engine can run it."""
    return rules.plain and not terms.go_on and terms.timeout_s is None and not terms.timeouts_s


def tables_of(program: Program, rules: Rules, terms: Terms = PLAIN_TERMS) -> Tables:
    """Return what `Execution` looks up; made once for many runs."""
    return Tables(program, rules, terms.worth, plain=is_plain(rules, terms))


class Execution(Coordinator):
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

    __slots__ = ()

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
        self._brief = tables.pace.brief
        self._entry = self._solo = None
        self.taken = False
        self.at = -1
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
        self._cancels.caller = get_ident()
        try:
            if self.coordinated:
                self._wait_for_helpers()
            elif self._room:
                begun = monotonic()
                if not (self._brief and self.core is None and self._work_alone()):
                    self._engine(helping=False)
                self.tables.pace.ended(monotonic() - begun, crowded=watcher.late)
            else:
                self._engine(helping=False)
        except BaseException as error:
            self.abandon(error)
            raise
        self._end()
