"""Limits of time: of a run, and of its nodes.

The thread that called the run looks at the clock, and nobody else: it sleeps until the next deadline, or
until it is told of an earlier one. A node whose time is up is asked to end, if it said how
(`makespan.engine.cancelling`), and is left a moment for it; else it has failed where it stands. What it
returns later is dropped.
"""

from __future__ import annotations

import math
import sys
import traceback
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING

from makespan.engine.cancelling import elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from makespan.dispatch import Dispatch
    from makespan.engine.cancelling import Cancels

GRACE_S = 5.0
"""A node that was asked to end has this long to do so, and to try again."""

_HERE = __file__[: -len("engine/deadlines.py")]


class Ticket:
    """A node that runs.

    Attributes
    ----------
    node, ident : int
        Its number and its thread.
    until : float
        When its time is up; infinite without a limit.
    asked : bool
        It was asked to end.
    given_up : bool
        Its result is not waited for any more.
    """

    __slots__ = ("asked", "given_up", "ident", "node", "until")

    def __init__(self, node: int, ident: int, until: float) -> None:
        self.node = node
        self.ident = ident
        self.until = until
        self.asked = False
        self.given_up = False


class Watch:
    """Who runs, and until when; used under the run's lock.

    Attributes
    ----------
    until : float
        When the run's time is up.
    looks_at : float
        When the calling thread looks at the clock next.
    """

    __slots__ = ("_blocked", "_limits_s", "_running", "looks_at", "until")

    def __init__(self, timeout_s: float | None, timeouts_s: Mapping[int, float]) -> None:
        self._limits_s = timeouts_s
        self._running: dict[int, Ticket] = {}
        self.until = math.inf if timeout_s is None else monotonic() + timeout_s
        self.looks_at = math.inf
        self._blocked = math.inf

    def begin(self, node: int, ident: int) -> bool:
        """Node starts in a thread; return whether the calling thread must look at the clock earlier."""
        limit_s = self._limits_s.get(node)
        until = math.inf if limit_s is None else monotonic() + limit_s
        self._running[ident] = Ticket(node, ident, until)
        return until < self.looks_at

    def again(self, ident: int) -> bool:
        """Give the node in a thread its whole time again; return as `begin` does."""
        ticket = self._running.get(ident)
        if ticket is None or ticket.given_up or ticket.node not in self._limits_s:
            return False
        ticket.asked = False
        ticket.until = monotonic() + self._limits_s[ticket.node]
        return ticket.until < self.looks_at

    def gave_up(self, ident: int) -> bool:
        """Whether the node in a thread is not waited for any more."""
        ticket = self._running.get(ident)
        return ticket is not None and ticket.given_up

    def ended(self, ident: int) -> Ticket:
        """Forget the node in a thread, which returned or raised."""
        return self._running.pop(ident)

    def limit_s(self, node: int) -> float:
        """How long a node may take."""
        return self._limits_s[node]

    def running(self) -> list[Ticket]:
        """Return who runs and is waited for, in the order of node numbers."""
        return sorted((t for t in self._running.values() if not t.given_up), key=lambda t: t.node)

    def overdue(self, cancels: Cancels) -> list[Ticket]:
        """Ask nodes to end whose time is up; return those that cannot be asked, or were and did not."""
        now = monotonic()
        found = []
        for ticket in self.running():
            if ticket.until > now:
                continue
            if not ticket.asked and cancels.time_is_up(ticket.ident):
                ticket.asked = True
                ticket.until = now + GRACE_S
            else:
                found.append(ticket)
        return found

    def is_blocked(self, core: Dispatch) -> bool:
        """Whether all that is left has waited long enough for what nodes hold that were given up."""
        if not core.stuck or core.running > core.stuck or core.may_start or core.done:
            self._blocked = math.inf
            return False
        now = monotonic()
        self._blocked = min(self._blocked, now + GRACE_S)
        return now >= self._blocked

    def next_look_s(self) -> float | None:
        """Return the seconds until the next deadline; None: there is none."""
        ends = [t.until for t in self._running.values() if not t.given_up]
        self.looks_at = min([self.until, self._blocked, *ends])
        return None if self.looks_at == math.inf else max(0.0, self.looks_at - monotonic())


def node_late(name: str, limit_s: float, ident: int | None = None) -> TimeoutError:
    """Return the failure of a node whose time is up, with the stack of its thread."""
    error = TimeoutError(f"node {name!r} took longer than its timeout of {limit_s:g} s")
    if ident is not None:
        _note_stacks(error, [(name, ident)])
    return error


def run_late(limit_s: float, names: Sequence[str], running: Iterable[Ticket]) -> TimeoutError:
    """Return what a run raises when its time is up, with the stacks of the nodes that run."""
    who = [(names[ticket.node], ticket.ident) for ticket in running]
    text = f"the run took longer than its timeout of {limit_s:g} s"
    if who:
        text += f"; still running: {', '.join(repr(name) for name, _ in who)}"
    error = TimeoutError(text)
    _note_stacks(error, who)
    return error


def _note_stacks(error: TimeoutError, who: Sequence[tuple[str, int]]) -> None:
    frames = sys._current_frames()  # noqa: SLF001
    try:
        for name, ident in who:
            if ident not in frames or ident == get_ident():
                continue
            if (told := elsewhere.get(ident)) and (lines := told()):
                error.add_note(f"node {name!r} waits here (most recent call last):\n{lines}")
                continue
            stack = traceback.extract_stack(frames[ident])
            ours = [at for at, frame in enumerate(stack) if frame.filename.startswith(_HERE)]
            theirs = (stack[ours[-1] + 1 :] if ours else []) or stack[-8:]
            lines = "".join(traceback.format_list(theirs)).rstrip("\n")
            error.add_note(f"node {name!r} is here (most recent call last):\n{lines}")
    finally:
        frames.clear()
