"""One slot of the GIL sampler's board: a thread's watch, which announces calls and reads what was counted."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

from makespan_optimizer.measure.sampling import outside
from makespan_optimizer.measure.sampling.outside import ASKS_AT, LOW, RECORDS_AT, WORDS
from makespan_optimizer.measure.sampling.watch import Seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan_optimizer.measure.sampling.gilsampler import OutsideSampler


_STATES = outside.OTHER_HOLD  # the first words of a record: how often the thread was seen in each state
_UNREAD_SHARE = 0.05  # of the looks: a call is not sampled when more say nothing of what its thread does


class OutsideWatch:
    """Watches the thread that made it."""

    overhead_s = 0.0
    overhead_switches = 0

    def __init__(self, sampler: OutsideSampler, board: memoryview, slot: int) -> None:
        self.slot = slot
        self.thread = threading.get_native_id()
        self.open = True
        self._sampler = sampler
        self._board = board
        self._owner = os.getpid()
        self._call = self._start = 0
        self._sums_before = [0] * 6

    def begin(self) -> None:
        """Announce the next call."""
        if not self.open or os.getpid() != self._owner:
            return
        calls, slot = self._sampler.calls, self.slot
        self._call = calls[slot] = call = calls[slot] % LOW + 1
        self._start = self._sampler.starts
        with contextlib.suppress(ValueError):  # closed
            self._sums_before = self._sums()
            self._board[ASKS_AT + slot] = call << 32 | self.thread

    def end(self) -> Seen | None:
        """Return what was seen since `begin`; None when it was not seen to the end."""
        if not self.open or os.getpid() != self._owner:
            return None
        at = RECORDS_AT + self.slot * WORDS
        try:
            self._board[ASKS_AT + self.slot] = 0
            words, sums = self._board[at : at + WORDS].tolist(), self._sums()
            if not self._sampler.sampled_since(self._start):
                return None
        except ValueError:  # closed
            return None
        if unread_share(words, self._call) > _UNREAD_SHARE:
            self._sampler.missed_call()
            return None
        return seen_in(
            words, self._call, [now - then for now, then in zip(sums, self._sums_before, strict=True)]
        )

    def _sums(self) -> list[int]:
        return self._board[outside.GAPS_AT : outside.GAPS_AT + 6].tolist()

    def close(self) -> None:
        """Give up the slot."""
        self._sampler.free(self)


def unread_share(words: Sequence[int], call: int) -> float:
    """Return the share of the looks at a call's thread that could not tell what it did.

    Holding the GIL is always told, anything else needs a file of the system's: without this such looks would
    be missing on one side alone.

    >>> call = 7 << 32
    >>> unread_share([call + 3, *[0] * 12, call + 1, 0, 0], 7)
    0.25
    """
    looks = [word & LOW if word >> 32 == call else 0 for word in (*words[:_STATES], words[outside.UNREAD])]
    return looks[-1] / sum(looks) if looks[-1] else 0.0


def seen_in(words: Sequence[int], call: int, sums: Sequence[int]) -> Seen:
    """Return what a record says of a call; words that count for another call are none of it."""
    counts = [word & LOW if word >> 32 == call else 0 for word in words]
    pairs = [
        (counts[up], sums[sort + 1], sums[sort])
        for up, sort in (
            (outside.PAIRS_UP, outside.FAR),
            (outside.NEAR_UP, outside.NEAR),
            (outside.SHORT_UP, outside.SHORT),
        )
    ]
    return Seen(*counts[: outside.SHORT_UP], *(figure for pair in pairs for figure in pair))
