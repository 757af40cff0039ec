"""Who looks after runs that began without help: one thread for the process.

A run that is thought to be brief (`makespan.engine.pace`) puts itself on a list in place of calling a helper.
The watcher looks at the list every half a millisecond or so: a run that is over is dropped; one that has not
got on since the last look, or drags on, is helped. So a wrong guess costs a moment and never stops a run:
nodes that wait for each other, or one that takes long for once, are no harm.

Nobody waits for the watcher, and nobody tells it anything while it is awake: who puts a run on the list (one
append) looks only then whether the watcher is awake; and the watcher says that it goes to sleep before it
looks at the list for the last time. One of the two sees the other.
"""

from __future__ import annotations

import os
import threading
from _thread import allocate_lock
from collections import deque
from time import monotonic, sleep
from typing import TYPE_CHECKING, Protocol

from makespan.engine.pace import LOOK_S

if TYPE_CHECKING:
    from makespan.engine.tables import Tables

LINGER = 100
"""So many looks at nothing, and the watcher sleeps."""

_LATE_S = 3 * LOOK_S
_PATIENCE = 4
"""When looks come late, threads wait for the interpreter: one look without progress proves little."""


Entry = list["Brief | None"]
"""A run on the list, alone; None when it is over: what it held is not to be kept for the watcher's sake."""


class Brief(Protocol):
    """A run, as far as the watcher knows it."""

    tables: Tables

    def left(self) -> int:
        """Return a number that changes with every node that starts."""
        ...

    def relieve(self) -> None:
        """Call for help, if there is any need."""


class _Watched:
    """A run that the watcher has seen before."""

    __slots__ = ("at", "entry", "idle", "looks")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.at = -1
        self.idle = self.looks = 0

    def look(self, *, late: bool) -> bool:
        """Look whether the run gets on, help it if not; return whether to look again."""
        run = self.entry[0]
        if run is None:
            return False
        at = run.left()
        if at != self.at:
            self.at, self.idle = at, 0
        else:
            self.idle += 1 if late else _PATIENCE
        self.looks += 1
        if self.idle < _PATIENCE and self.looks <= run.tables.pace.looks:
            return True
        try:
            run.relieve()
        except Exception:  # no memory, say: the next look may have more luck
            return True
        return False


class Watcher:
    """Looks after brief runs.

    Attributes
    ----------
    late : bool
        Its last look came late: threads wait for the interpreter, or for a processor.
    """

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._park = allocate_lock()
        self._park.acquire()
        self._fresh: deque[Entry] = deque()
        self._thread: object = None
        self._awake = False
        self.late = False

    def watch(self, entry: Entry) -> None:
        """Look after a run from now on."""
        self._fresh.append(entry)
        if not self._awake:
            self._wake()

    def _wake(self) -> None:
        with self._lock:
            if self._awake:
                return
            self._awake = True
            if self._thread is not None:
                # No call between the two: Ctrl-C is looked for after calls only.
                self._park.release()
                return
            self._thread = token = object()
            try:
                name = "makespan-helper-watch"
                threading.Thread(target=self._serve, args=(token,), name=name, daemon=True).start()
            except BaseException as error:
                self._thread, self._awake = None, False  # if it has begun, it goes
                self._relieve_all()
                if not isinstance(error, Exception):  # Ctrl-C; else no more threads or memory to be had
                    raise

    def _relieve_all(self) -> None:
        """Help all runs on the list: nobody will look at them."""
        while self._fresh:
            run = self._fresh.popleft()[0]
            if run is not None:
                run.relieve()

    def _serve(self, token: object) -> None:
        watched: list[_Watched] = []
        fresh = self._fresh
        idle, before = 0, monotonic()
        while self._thread is token:
            sleep(LOOK_S)
            now = monotonic()
            late = self.late = now - before > _LATE_S
            before = now
            idle += 1
            while fresh:
                idle = 0
                entry = fresh.popleft()
                if entry[0] is not None:
                    watched.append(_Watched(entry))
                del entry
            if watched:
                idle = 0
                watched = [seen for seen in watched if seen.look(late=late)]
            elif idle > LINGER:
                with self._lock:
                    self._awake = False
                    if fresh:
                        self._awake = True
                        continue
                self.late = False
                self._park.acquire()
                idle, before = 0, monotonic()


watcher = Watcher()


def _after_fork() -> None:
    """Threads do not survive a fork: the child begins with a watcher of its own."""
    watcher.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
