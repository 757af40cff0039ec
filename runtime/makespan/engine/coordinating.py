"""A caller that works on nothing itself: it looks at the clock, runs the nodes that only it may, and waits.

So it sees Ctrl-C, errors and the end of its time at once, whatever the nodes do. An event loop is such a
caller: it calls `Coordinator.start` once, and `Coordinator.tend` whenever it is told to.
"""

from __future__ import annotations

from _thread import allocate_lock
from contextlib import suppress
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING

from makespan.engine.cancelling import canceller, nobody_waits
from makespan.engine.deadlines import Watch, node_late, run_late
from makespan.engine.workers import SIGNALS_S, Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan.engine.crew import Helpers
    from makespan.engine.terms import Terms


class Coordinator(Workers):
    """A run, as who coordinates it sees it."""

    __slots__ = ("_budget", "_callers", "_terms")

    _budget: int
    _callers: bool
    _terms: Terms

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

    def _coordinate(self) -> None:
        """Have helpers do all the work (but the nodes that only the caller may run)."""
        self.notify = nobody_waits  # until `start`: Ctrl-C may come before
        self.coordinated = True
        self._brief = False
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
        self._forget()
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
