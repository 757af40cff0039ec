"""The GIL sampler's outer half: a process that watches threads of another one, and never stops them.

At each sample it reads, without any privilege beyond being the same user:

- ``locked`` and ``last_holder`` of the interpreter's lock, from ``/proc/<pid>/mem``, three times: at once
  twice (the "near" pair) and again at the end (the "far" one). A thread that holds the lock in one reading of
  a pair and not in the other took it or gave it away meanwhile;
- for each thread with a call under way that does not hold the lock, ``/proc/<pid>/task/<tid>/syscall``:
  ``running``, or the number and arguments of the system call in which the thread is blocked. A futex whose
  address lies inside the lock is a wait for the GIL.

It counts what it saw in a board of shared memory of fixed size, so no run is too long::

    header │ asks: SLOTS words │ thread states: SLOTS words │ records: SLOTS * WORDS words

A slot is a watched thread. Its ask is one word, call number and thread id: 0 while no call is under way.
Every word of its record carries the call that it counts for: what was counted for an old call is never read
as that of a new one, in whatever order words arrive. Each word is written by one side only, as a whole.

The intervals between samples are random (uniform, half to one and a half periods): a node that works in step
with the sampler would otherwise be seen in one phase only. The period grows when sampling takes more than its
share of a core. It ends when told to, or when the other process's memory is gone.

It needs the standard library alone, and is started by `makespan_optimizer.measure.gilsampler`.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import random
import signal
import struct
import time

from makespan_optimizer.measure.systemcalls import HOLD, SYSTEM_CALLS, categorize

# Words of a record: first how often the thread was seen in each state (`systemcalls`). Then samples in which
# another thread held the GIL; changes from not holding to holding it between samples; such changes within far
# pairs, and the pairs' summed gaps; the same of near pairs; number of both.
OTHER_HOLD, RETAKES, PAIRS_UP, PAIR_GAP, NEAR_UP, NEAR_GAP, PAIRS = range(8, 15)
GAP_UNIT_NS = 64  # of the summed gaps, so that the sum of days fits into its word
WORDS = 16

SLOTS = 256
# The header. The child writes the first five, the parent the others.
STATUS, TICKS, TICKED_NS, PERIOD_US, CPU_US, PID, STOP, USED = 0, 1, 2, 3, 4, 5, 8, 9
ASKS_AT = 16
STATES_AT = ASKS_AT + SLOTS
RECORDS_AT = STATES_AT + SLOTS
BOARD_BYTES = 8 * (RECORDS_AT + SLOTS * WORDS)
STARTING, SAMPLING, NO_ACCESS, NO_CALLS = range(4)
LOW = 0xFFFFFFFF  # an ask is call << 32 | thread id; a word of a record is call << 32 | count

# Of one core, at most.
CPU_SHARE = 0.05
_REVIEW_NS = 100_000_000
_SLOWEST_S = 0.05
_PREEMPTED_NS = 200_000  # a pair so far apart: the sampler lost its core between the readings

_HELD = struct.Struct("=Qi")


def main(pid: int, holder_at: int, board_fd: int, period_s: float) -> int:
    """Sample until the other process asks to stop, or is gone."""
    board = memoryview(mmap.mmap(board_fd, BOARD_BYTES)).cast("Q")
    if os.fork():  # whoever started this one waits for it at once, and never for the one that samples
        os._exit(0)
    board[PID] = os.getpid()
    _prepare()
    memory = _open_memory(pid)
    if memory < 0:
        board[STATUS] = NO_ACCESS
        return 1
    try:
        os.close(os.open(f"/proc/{pid}/task/{pid}/syscall", os.O_RDONLY))
    except OSError:
        board[STATUS] = NO_CALLS
        return 1
    threads = _Threads(pid, board, *SYSTEM_CALLS[os.uname().machine], holder_at - 8)
    pace = _Pace(board, period_s)
    sleep, pread, clock = time.sleep, os.pread, time.monotonic_ns
    ticks = 0
    while True:
        board[TICKED_NS] = clock()
        board[STATUS] = SAMPLING
        if (left_s := pace.left_s()) > 0:
            sleep(left_s)
        if board[STOP]:
            return 0
        board[TICKS] = ticks = ticks + 1
        first_ns = clock()
        early = pread(memory, 12, holder_at)
        if len(early) < 12:  # the memory is gone: its process ended, or became another program
            return 0
        asks = board[ASKS_AT : ASKS_AT + board[USED]].tolist()
        if not any(asks):
            continue
        second_ns = clock()
        holds = _holder(pread(memory, 12, holder_at))
        looked = threads.look(asks, holds)
        third_ns = clock()
        readings = (_holder(early), _holder(pread(memory, 12, holder_at)))
        threads.count(
            looked,
            holds,
            readings if third_ns - first_ns < _PREEMPTED_NS else None,
            (second_ns - first_ns, third_ns - second_ns),
        )


def _holder(raw: bytes) -> int:
    """Return the state of the thread that holds the lock, 0 when none does."""
    who, locked = _HELD.unpack(raw)
    return int(who) if locked else 0


class _Threads:
    """The watched threads: what each does, and the counts of its call."""

    def __init__(self, pid: int, board: memoryview, futex: int, calls: dict[int, int], lock_at: int) -> None:
        self._pid, self._board = pid, board
        self._futex, self._calls, self._lock_at = futex, calls, lock_at
        self._files: dict[int, tuple[int, int]] = {}  # slot -> thread id, descriptor
        self._gone: dict[int, int] = {}  # slot -> an ask of a thread that is not there
        self._before: dict[int, tuple[int, bool]] = {}  # slot -> ask, whether it held the lock

    def look(self, asks: list[int], who: int) -> list[tuple[int, int, int, int]]:
        """Return (slot, ask, thread state, what it does) of each thread with a call under way."""
        board, looked = self._board, []
        for slot, ask in enumerate(asks):
            if not ask:
                continue
            state = board[STATES_AT + slot]
            does = HOLD if who == state else self._syscall(slot, ask)
            # The call is still the same one: then all that was read is of this call.
            if does >= 0 and board[ASKS_AT + slot] == ask:
                looked.append((slot, ask, state, does))
        return looked

    def _syscall(self, slot: int, ask: int) -> int:
        """Return what a thread does that does not hold the lock; -1: it is gone."""
        if self._gone.get(slot) == ask:
            return -1
        thread = ask & LOW
        for _ in range(2):  # a thread id may have been that of a thread that ended
            known, file = self._files.get(slot, (0, -1))
            try:
                if known != thread:
                    self._forget(slot)
                    file = os.open(f"/proc/{self._pid}/task/{thread}/syscall", os.O_RDONLY)
                    self._files[slot] = thread, file
                return categorize(os.pread(file, 64, 0), self._futex, self._calls, self._lock_at)
            except (OSError, ValueError):
                self._forget(slot)
        self._gone[slot] = ask
        return -1

    def _forget(self, slot: int) -> None:
        _, file = self._files.pop(slot, (0, -1))
        if file >= 0:
            os.close(file)

    def count(
        self,
        looked: list[tuple[int, int, int, int]],
        holds: int,
        readings: tuple[int, int] | None,
        gaps_ns: tuple[int, int],
    ) -> None:
        """Add a sample to the record of each call.

        Parameters
        ----------
        looked : list of (slot, ask, thread state, what it does)
        holds : int
            State of the thread that holds the lock.
        readings : (int, int) or None
            The same shortly before and some time after; None: the readings were torn apart.
        gaps_ns : (int, int)
            Nanoseconds between the readings.
        """
        for slot, ask, state, does in looked:
            ask_before, held_before = self._before.get(slot, (0, False))
            held = does == HOLD
            self._before[slot] = ask, held
            self._add(slot, ask, does)
            if holds and not held:
                self._add(slot, ask, OTHER_HOLD)
            if held and not held_before and ask_before == ask:
                self._add(slot, ask, RETAKES)
            if readings is None:
                continue
            early, late = readings
            self._add(slot, ask, PAIRS)
            self._add(slot, ask, NEAR_GAP, gaps_ns[0] // GAP_UNIT_NS)
            self._add(slot, ask, PAIR_GAP, gaps_ns[1] // GAP_UNIT_NS)
            if held and early != state:
                self._add(slot, ask, NEAR_UP)
            if not held and late == state:
                self._add(slot, ask, PAIRS_UP)

    def _add(self, slot: int, ask: int, word: int, by: int = 1) -> None:
        at = RECORDS_AT + slot * WORDS + word
        tag = ask & ~LOW
        old = self._board[at]
        self._board[at] = tag | (min(LOW, (old & LOW) + by) if old & ~LOW == tag else by)


class _Pace:
    """When the next sample is due; slower when sampling takes more than its share of a core."""

    def __init__(self, board: memoryview, period_s: float) -> None:
        self._board = board
        self._wanted_s = self._period_s = period_s
        self._draw = random.Random(1).random  # noqa: S311 (intervals, not secrets)
        self._due_s = time.monotonic()
        self._reviewed_ns, self._cpu_ns = time.monotonic_ns(), time.process_time_ns()
        board[PERIOD_US] = round(period_s * 1e6)

    def left_s(self) -> float:
        """Return the seconds until the next sample."""
        now_s = time.monotonic()
        self._review(round(now_s * 1e9))
        self._due_s += self._period_s * (0.5 + self._draw())
        self._due_s = max(self._due_s, now_s)
        return self._due_s - now_s

    def _review(self, now_ns: int) -> None:
        if now_ns - self._reviewed_ns < _REVIEW_NS:
            return
        cpu_ns = time.process_time_ns()
        share = (cpu_ns - self._cpu_ns) / (now_ns - self._reviewed_ns)
        self._reviewed_ns, self._cpu_ns = now_ns, cpu_ns
        self._board[CPU_US] = cpu_ns // 1000
        self._period_s = paced(self._period_s, self._wanted_s, share)
        self._board[PERIOD_US] = round(self._period_s * 1e6)


def paced(period_s: float, wanted_s: float, cpu_share: float) -> float:
    """Return the period at which sampling takes its share of a core at most.

    >>> paced(0.001, 0.001, 0.1), paced(0.002, 0.001, 0.03), paced(0.002, 0.001, 0.01)
    (0.002, 0.002, 0.001)
    """
    if cpu_share > CPU_SHARE:
        return min(_SLOWEST_S, period_s * cpu_share / CPU_SHARE)
    if cpu_share < CPU_SHARE / 2:
        return max(wanted_s, period_s / 2)
    return period_s


def _prepare() -> None:
    """Wake up on time, and let nothing interfere."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the other process's to handle
    with contextlib.suppress(Exception):
        import ctypes

        ctypes.CDLL(None).prctl(29, 1, 0, 0, 0)  # PR_SET_TIMERSLACK: 1 ns
    import gc

    gc.disable()


def _open_memory(pid: int) -> int:
    """Open the other process's memory; it may take a moment until it has allowed that (yama)."""
    for _ in range(50):
        try:
            return os.open(f"/proc/{pid}/mem", os.O_RDONLY)
        except OSError:
            time.sleep(0.01)
    return -1
