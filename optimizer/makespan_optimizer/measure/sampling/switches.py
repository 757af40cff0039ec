"""Counting how often a node takes the GIL, with the interpreter's own count of changes of hands.

CPython numbers the changes: whenever the GIL is taken by another thread than the one that had it last, its
``switch_number`` grows by one. A thread that only sleeps and looks at that number (the canary) sees, after
each pause, whether anybody took the GIL meanwhile::

    node      ▂▁▁▁▁▁▂▂▁▁▁▁▁▁▁▁▁▁▁▁▂▁▁     takes, each for some microseconds
    canary    │   │   │   │   │   │        pauses: 1 1 0 0 1 → 3 of 5 with a take

Takes that are far too short to be seen by sampling are told so. With takes at random, a pause has none with
the probability exp(-rate · pause). Beyond three takes a pause hardly one is without: then the count is a
lower bound. A pause whose end came late does not count: somebody kept the GIL, and the canary's question made
him give it away and take it back.

Source: ``take_gil`` of CPython's ``Python/ceval_gil.c`` (3.11: ``ceval_gil.h``), FORCE_SWITCHING.
"""

from __future__ import annotations

import ctypes
import math
import threading
import time
from _thread import allocate_lock
from typing import TYPE_CHECKING, NamedTuple

from makespan_optimizer.measure.sampling.gil import GilNotFoundError, locate_gil

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

PAUSE_S = 0.001
_LATE_S = 0.001  # an answer later than this: somebody kept the GIL
_LATE_SHARE = 0.8  # when more are late, too little was seen
_FULL_SHARE = 0.95  # of the pauses with a take: beyond it, the number is a lower bound
_LEAST = 5  # pauses
_NUMBER_AT = 16  # bytes from last_holder: that pointer, and the lock's int with its padding


class Takes(NamedTuple):
    """How often the GIL was taken during a call."""

    number: float
    at_least: bool = False


def takes_from(pauses: int, taken: int, late: int) -> Takes | None:
    """Return how often the GIL was taken; None: that cannot be told.

    Parameters
    ----------
    pauses : int
        In all.
    taken : int
        Those with a take, of the ones that were not late.
    late : int

    >>> takes_from(pauses=100, taken=20, late=0)
    Takes(number=22.31..., at_least=False)
    >>> takes_from(pauses=100, taken=100, late=0).at_least
    True
    """
    on_time = pauses - late
    if on_time < _LEAST or late > _LATE_SHARE * pauses:
        return None
    share = min(taken / on_time, _FULL_SHARE)
    return Takes(-math.log1p(-share) * pauses, taken > _FULL_SHARE * on_time)


class SwitchWatch:
    """Counts takes from `begin` to `end`; a context manager, to be used in the thread that makes the calls.

    Parameters
    ----------
    number : callable, optional
        Returns the number of changes; by default CPython's own.
    """

    def __init__(self, number: Callable[[], int] | None = None) -> None:
        self._number = number or _interpreters_number()
        self._go, self._idle = allocate_lock(), allocate_lock()
        self._go.acquire()
        self._idle.acquire()
        self._on = self._over = False
        self._counts = [0, 0, 0]
        self._thread = threading.Thread(target=self._run, name="makespan-switches", daemon=True)

    @property
    def works(self) -> bool:
        """Whether the interpreter tells its number."""
        return self._number is not None

    def __enter__(self) -> Self:
        if self.works:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread.ident is not None:
            self._over, self._on = True, False
            self._go.release()
            self._thread.join()

    def begin(self) -> None:
        """Begin to count."""
        if self.works:
            self._counts = [0, 0, 0]
            self._on = True
            self._go.release()

    def end(self) -> Takes | None:
        """Return the takes since `begin`; None when they cannot be told."""
        if not self.works:
            return None
        self._on = False
        while not self._idle.acquire(timeout=1.0):
            if not self._thread.is_alive():
                return None
        pauses, taken, late = self._counts
        return takes_from(pauses, taken, late)

    def _run(self) -> None:
        number, clock, sleep = self._number, time.perf_counter, time.sleep
        assert number is not None
        while True:
            self._go.acquire()
            if self._over:
                return
            counts = self._counts
            before = number()
            while self._on:
                asleep_s = clock()
                sleep(PAUSE_S)
                late = clock() - asleep_s > PAUSE_S + _LATE_S
                now = number()
                if self._on:
                    counts[0] += 1
                    counts[1] += now != before and not late
                    counts[2] += late
                before = now
            self._idle.release()


def _interpreters_number() -> Callable[[], int] | None:
    """Return what reads CPython's number of changes; None where it cannot be found."""
    try:
        word = ctypes.c_ulong.from_address(locate_gil() + _NUMBER_AT)
    except GilNotFoundError:
        return None
    before = word.value
    other = threading.Thread(target=time.sleep, args=(0.0,))
    other.start()
    other.join()
    changes = word.value - before  # it took the GIL and gave it back: some few
    return (lambda: word.value) if 1 <= changes < 1000 else None
