"""What a node does with its time alone, as a sequence of phases that can be simulated.

The totals of the phases are those that were measured, and so is the number of cycles::

    hold ── native ── blocked ── hold ── native ── blocked ── … ── hold

A call begins and ends with the GIL: the first hold is cut in two. Lengths vary from half to one and a half
times their mean by a low-discrepancy sequence, so that two nodes do not lock into step. A hold without a safe
point that is longer than a cycle's comes once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

HOLD, NATIVE, CHAT, BLOCKED, DONE = range(5)  # up to CHAT: on a core
GOLDEN = 0.6180339887498949
_EXACT = 256  # so many cycles are drawn beforehand, so that their mean is exact
_NOTHING_S = 1e-12
_WHOLE = 0.9  # of the wall


class Demand(NamedTuple):
    """What a node does with its time alone; the three phases add up to its wall.

    Attributes
    ----------
    hold_s, native_s, blocked_s : float
        Seconds in all: with the GIL; on cores without it; neither.
    cycles : int
        How often it takes the GIL.
    burst_s : float
        Its longest hold without a safe point; 0: it can be made to drop the GIL at any moment.
    width : float
        Cores that it keeps busy in a native phase.
    """

    hold_s: float
    native_s: float = 0.0
    blocked_s: float = 0.0
    cycles: int = 1
    burst_s: float = 0.0
    width: float = 1.0

    @property
    def wall_s(self) -> float:
        """Seconds alone."""
        return self.hold_s + self.native_s + self.blocked_s


class Phases(Protocol):
    """The phases of a thread, one after the other."""

    def next(self) -> tuple[int, float]:
        """Return the next phase: HOLD, NATIVE, CHAT, BLOCKED or DONE, and its seconds at full speed."""

    def skip(self, seconds: float) -> None:
        """Go on as if phases of so many seconds in all had been returned."""

    def left_s(self) -> float:
        """Return the seconds of all phases to come."""


class Thread(NamedTuple):
    """What a thread does.

    Attributes
    ----------
    phases : Phases
    burst_s : float
        Seconds between safe points while it holds the GIL; 0: everywhere.
    width : float
        Cores that it keeps busy in a native phase, or while it chats.
    duty : float
        Share of the GIL that it holds while it chats.
    cycle_s : float
        From one take to the next while it chats.
    """

    phases: Phases
    burst_s: float = 0.0
    width: float = 1.0
    duty: float = 0.0
    cycle_s: float = 0.0


class Rules(NamedTuple):
    """The machine and the interpreter; see `makespan_optimizer.contention.together.together`."""

    cores: float
    interval_s: float
    wake_s: float
    collide_s: float
    crowding: float = 0.0


class Listed:
    """Phases from a list.

    Parameters
    ----------
    phases : iterable of (kind, seconds)
    """

    __slots__ = ("_phases",)

    def __init__(self, phases: Iterable[tuple[int, float]]) -> None:
        self._phases = list(phases)[::-1]

    def next(self) -> tuple[int, float]:
        """Return the next one."""
        return self._phases.pop() if self._phases else (DONE, 0.0)

    def skip(self, seconds: float) -> None:
        """Leave out so much."""
        while self._phases and seconds > 0:
            kind, length = self._phases.pop()
            if length > seconds:
                self._phases.append((kind, length - seconds))
            seconds -= length

    def left_s(self) -> float:
        """Return the seconds to come."""
        return sum(length for _, length in self._phases)


def _cut(node: Demand, offset: float) -> float:
    """Return the part of the first hold that comes at the start, the rest of it at the end.

    A hold without a safe point stays whole, and so does one that nothing interrupts.
    """
    if node.hold_s > _WHOLE * node.wall_s:
        return 1.0
    return float(round(offset)) if node.cycles == 1 and node.burst_s > node.hold_s / 2 else offset


class Cycles:
    """The phases of a node.

    Parameters
    ----------
    node : Demand
    offset : float
        From 0 to 1: where the sequence of lengths begins, where the first hold is cut, and when the long hold
        comes.
    """

    __slots__ = (
        "_at",
        "_burst_s",
        "_cut",
        "_cycle",
        "_hold_s",
        "_left_s",
        "_mean",
        "_node",
        "_offset",
        "_share",
        "_tail_s",
    )

    def __init__(self, node: Demand, offset: float) -> None:
        self._node, self._offset = node, offset
        self._cycle = 0
        n = node.cycles
        self._mean = sum(self._drawn(j) for j in range(n)) / n if n <= _EXACT else 1.0
        burst_s = min(node.burst_s, node.hold_s)
        self._burst_s = burst_s if n > 1 and burst_s > 1.5 * node.hold_s / n else 0.0
        self._hold_s = (node.hold_s - self._burst_s) / n
        self._share = self._drawn(0) / self._mean / n
        first_s = self._hold_s * self._share * n
        self._cut = _cut(node, offset)
        self._tail_s = first_s * (1 - self._cut)
        self._left_s = node.wall_s - self._tail_s
        self._at = -1  # before the first hold; then native, blocked, hold in turn

    def _drawn(self, cycle: int) -> float:
        return 0.5 + (self._offset + cycle * GOLDEN) % 1.0

    def next(self) -> tuple[int, float]:
        """Return the next phase; those of no length are left out, except for the first and the last."""
        node = self._node
        while self._left_s > _NOTHING_S or self._at < 0:
            if self._at < 0:
                self._at = 0
                return self._give(HOLD, self._hold_s * self._share * node.cycles * self._cut)
            kind = (NATIVE, BLOCKED, HOLD)[self._at]
            self._at = (self._at + 1) % 3
            if kind == NATIVE and node.native_s:
                return self._give(NATIVE, node.native_s * self._share)
            if kind == BLOCKED and node.blocked_s:
                return self._give(BLOCKED, node.blocked_s * self._share)
            if kind == HOLD:
                return self._next_cycle()
        if self._tail_s >= 0:
            tail_s, self._tail_s = self._tail_s, -1.0
            return HOLD, tail_s
        return DONE, 0.0

    def _next_cycle(self) -> tuple[int, float]:
        n = self._node.cycles
        self._cycle += 1
        self._share = self._drawn(self._cycle) / self._mean / n
        hold_s = self._hold_s * self._share * n
        if self._burst_s and self._left_s <= (1 - self._offset) * self._node.wall_s + self._burst_s:
            hold_s, self._burst_s = hold_s + self._burst_s, 0.0
        return self._give(HOLD, hold_s)

    def _give(self, kind: int, seconds: float) -> tuple[int, float]:
        seconds = min(seconds, self._left_s)
        self._left_s -= seconds
        return kind, seconds

    def skip(self, seconds: float) -> None:
        """Leave out so much."""
        before_tail_s = min(seconds, self._left_s)
        self._left_s -= before_tail_s
        if before_tail_s:
            self._cycle += round(before_tail_s / self._node.wall_s * self._node.cycles)
        if self._tail_s > 0:
            self._tail_s = max(0.0, self._tail_s - (seconds - before_tail_s))

    def left_s(self) -> float:
        """Return the seconds to come."""
        return self._left_s + max(0.0, self._tail_s)
