"""The worker processes of this process: numbered, kept warm, shared by all runs.

A node that may run in any of them gets an idle one, the lowest number first, so that few are started and
these stay warm; a cluster is bound to the worker of its number, which no other node of its run gets. A call
takes one worker and waits for nothing else while it has it, so nobody waits in a circle.
"""

from __future__ import annotations

import atexit
import os
import sys
from itertools import count, islice
from threading import Condition
from typing import TYPE_CHECKING, Any

from makespan.errors import OptionError
from makespan.machine import THREAD_VARIABLES, usable_cores
from makespan.processes import codec
from makespan.processes.resident import NOBODY, Parcel, Resident, Unread
from makespan.processes.ticket import Abandoned, Ticket
from makespan.processes.worker import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from makespan.processes.imports import Needed

_MOST = 256


class Pool:
    """Resident workers by number."""

    def __init__(self) -> None:
        self._turn = Condition()
        self._all: dict[int, Resident | None] = {}
        """None: it is being started."""
        self._idle: set[int] = set()
        self._most: int | None = None
        self._first: tuple[bytes, Sequence[Any]] | None = None
        self.files: dict[str, str] = {}
        """Modules that a worker would not find by their name, and their files."""

    def configure(
        self, workers: int | None, initializer: Callable[..., Any] | None, initargs: tuple[Any, ...]
    ) -> None:
        """See `makespan.processes.configure`."""
        _check_count(workers)
        first = None
        if initializer is not None:
            if not callable(initializer):
                raise OptionError(f"is a function, not {initializer!r}", where="initializer")
            try:
                first = codec.dumps((codec.named(initializer), tuple(initargs), {}), beside=False)
            except Exception as error:
                raise OptionError(
                    f"cannot be sent to a worker process: {codec.told(error)}", where="initializer"
                ) from error
        with self._turn:
            self._most, self._first = workers, first
        self.close()  # the next ones are started as is wanted now

    @property
    def most(self) -> int:
        """How many workers may be started for nodes that are bound to none."""
        if self._most is None:
            self._most = max(1, round(usable_cores()))
        return self._most

    def call(
        self,
        node: str,
        parcel: Parcel,
        number: int | None,
        ticket: Ticket,
        members: Mapping[int, str] = NOBODY,
        told: Callable[[int, int], None] | None = None,
        bound: frozenset[int] = frozenset(),
        ahead: tuple[bytes, ...] = (),
    ) -> Any:
        """Have some worker (or the one of this number) make a call, and return the result.

        Without a number it is none of `bound`: those are for the clusters of the run. Before the call it
        reads the functions `ahead`.

        Raises
        ------
        Abandoned
            The call was killed before it had a worker.
        WorkerDied, WorkerError, InMember, BaseException
            See `Resident.call`.
        """
        try:
            while True:
                try:
                    worker = self._take(number, ticket, bound)
                    if ahead:
                        worker.read_ahead(ahead, self._state())
                    return worker.call(node, parcel, self._state(), members, told)
                except Unread:
                    self._give_back(ticket)  # and another one, or a new one, is asked
        finally:
            parcel.clear()
            self._give_back(ticket)

    def kill(self, ticket: Ticket) -> None:
        """End a call, and the worker that makes it; from any thread, at any time."""
        with self._turn:
            ticket.over = True
            if ticket.worker is not None:
                ticket.worker.kill_soon()
            self._turn.notify_all()

    def warm(self, workers: int | None) -> None:
        """Start so many workers, and wait until they are ready."""
        _check_count(workers)
        ready = codec.dumps((int, (), {}))
        tickets = []
        try:
            for i in range(self.most if workers is None else workers):
                if i not in self._all:
                    tickets.append(Ticket())
                    self._take(i, tickets[-1])
            for ticket in tickets:
                if ticket.worker is not None:
                    ticket.worker.call("warm", list(ready), self._state())
        finally:
            for ticket in tickets:
                self._give_back(ticket)

    def numbers(self, bound: frozenset[int], free: int) -> list[int]:
        """Return the numbers of so many workers that are not bound, as far as there may be so many."""
        with self._turn:
            there = sorted(self._all.keys() - bound)
            missing = max(0, min(free, self.most) - len(there))
            unused = (i for i in count() if i not in self._all and i not in bound)
            return [*there[:free], *islice(unused, missing)]

    def ahead(self, needed: Needed) -> None:
        """Start workers that will be asked soon, and have them import; do not wait until they are ready."""
        bound, free = frozenset(needed.bound), needed.free
        if self._first is not None:
            return  # whoever asks a new worker first waits for the initializer
        while True:
            with self._turn:
                missing = sorted(bound - self._all.keys())
                if not missing and len(self._all.keys() - bound) < min(free, self.most):
                    missing = [self._unused(bound)]
                if not missing:
                    return
                self._all[missing[0]] = None
            worker = None
            try:
                worker = Resident(missing[0], self._environment())
                if functions := needed.bound.get(missing[0]):  # of the others nobody knows which it gets
                    worker.read_ahead(functions, self._state())
            except OSError:
                return  # whoever asks for it is told
            finally:
                with self._turn:
                    if worker is None:
                        self._all.pop(missing[0], None)
                    else:
                        self._all[missing[0]] = worker
                        self._idle.add(missing[0])
                    self._turn.notify_all()

    def close(self) -> None:
        """End all workers: idle ones in order, at once those that are at work."""
        with self._turn:
            idle = [worker for i in sorted(self._idle) if (worker := self._all.pop(i)) is not None]
            busy = [worker for worker in self._all.values() if worker is not None]
            self._idle.clear()
            self._all = {i: worker for i, worker in self._all.items() if worker is None}
            self._turn.notify_all()  # who waits for one of these may start another
        for worker in busy:
            worker.kill_soon()
        for worker in idle:
            worker.stop()
        for worker in idle:
            worker.join()
        for worker in busy:
            worker.bury()

    def forget(self) -> None:
        """Begin anew in a child of this process: the workers are its parent's."""
        for worker in self._all.values():
            if worker is not None:
                worker.forget()
        most, first, files = self._most, self._first, self.files
        self.__init__()  # type: ignore[misc]
        self._most, self._first, self.files = most, first, files

    # -- who has which -------------------------------------------------------------------------------------

    def _take(self, number: int | None, ticket: Ticket, bound: frozenset[int] = frozenset()) -> Resident:
        # The ticket has it before the pool is without it: Ctrl-C may come between any two lines.
        with self._turn:
            while (chosen := self._choice(number, bound)) is None or ticket.over:
                if ticket.over:
                    raise Abandoned
                self._turn.wait()
            ticket.number = chosen
            worker = self._all.get(chosen)
            if worker is not None and worker.alive:
                ticket.worker = worker
                self._idle.discard(chosen)
                return worker
            ticket.starting = True
            self._all[chosen] = None  # others wait for it until it is started, outside the lock
            self._idle.discard(chosen)
        if worker is not None:
            worker.kill()  # it ended while it was idle
        worker = self._started(chosen)
        with self._turn:
            ticket.worker = self._all[chosen] = worker
            ticket.starting = False
            if ticket.over:
                raise Abandoned
        return worker

    def _choice(self, number: int | None, bound: frozenset[int]) -> int | None:
        """Return the number of a worker that is idle or may be started; None: wait."""
        if number is not None:
            return number if number in self._idle or number not in self._all else None
        if idle := self._idle - bound:
            return min(idle)
        if len(self._all.keys() - bound) < self.most:
            return self._unused(bound)
        return None

    def _unused(self, bound: frozenset[int]) -> int:
        return next(i for i in count() if i not in self._all and i not in bound)

    def _started(self, number: int) -> Resident:
        worker = Resident(number, self._environment())
        if self._first is not None:
            try:
                worker.call("initializer", list(self._first), self._state())
            except BaseException as error:
                worker.kill()
                if isinstance(error, Exception):
                    error.add_note("in the initializer of a worker process")
                raise
        return worker

    def _give_back(self, ticket: Ticket) -> None:
        with self._turn:
            worker, ticket.worker = ticket.worker, None
            known = worker is not None and self._all.get(ticket.number) is worker  # else the pool was closed
            well = known and worker is not None and not worker.killed
            if well:
                self._idle.add(ticket.number)
                self._turn.notify_all()
        if worker is not None and not well:
            worker.kill()
        if ticket.starting or (known and not well):
            with self._turn:
                del self._all[ticket.number]
                self._turn.notify_all()

    # -- what they know ------------------------------------------------------------------------------------

    def _state(self) -> State:
        try:
            folder = os.getcwd()  # noqa: PTH109 (as text, once a call)
        except OSError:  # it was deleted
            folder = "/"
        path = tuple(entry for entry in sys.path if isinstance(entry, str))
        return State(path, folder, tuple(self.files.items()), tuple(sys.argv))

    def _environment(self) -> dict[str, str]:
        """Return a worker's environment: its native libraries share the cores, if nothing else is said."""
        environment = dict(os.environ)
        threads = max(1, round(usable_cores()) // self.most)
        for name in THREAD_VARIABLES:
            if name != "OMP_THREAD_LIMIT":
                environment.setdefault(name, str(threads))
        return environment


def _check_count(workers: Any) -> None:
    if workers is None or (type(workers) is int and 1 <= workers <= _MOST):
        return
    raise OptionError(f"is a whole number from 1 to {_MOST}, not {workers!r}", where="workers")


pool = Pool()
atexit.register(pool.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.forget)
