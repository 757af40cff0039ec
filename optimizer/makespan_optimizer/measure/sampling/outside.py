"""The GIL sampler's outer half: a process that watches threads of another one, and never stops them.

At each sample it reads, without any privilege beyond being the same user:

- ``locked`` and ``last_holder`` of the interpreter's lock, from ``/proc/<pid>/mem``, twice: a thread that
  does not hold the lock at first, and does the second time, took it meanwhile. The second look follows at
  once in every fourth sample (a near pair), else when everything else was read (a far one);
- for each thread with a call under way that does not hold the lock, ``/proc/<pid>/task/<tid>/syscall``:
  ``running``, or the number and arguments of the system call in which the thread is blocked. A futex whose
  address lies inside the lock is a wait for the GIL.

It counts what it saw in a board of shared memory of fixed size, so no run is too long::

    header │ asks: SLOTS words │ thread states: SLOTS words │ records: SLOTS * WORDS words

A slot is a watched thread. Its ask is one word, call number and thread id: 0 while no call is under way.
Every word of its record carries the call that it counts for: what was counted for an old call is never read
as that of a new one, in whatever order words arrive. Each word is written by one side only, as a whole.

The intervals between samples are random, and grow when sampling takes more than its share of a core (`pace`).
It ends when told to, or when the other process's memory is gone.

It needs the standard library alone, and is started by `makespan_optimizer.measure.sampling.gilsampler`.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import struct
import time

from makespan_optimizer.measure.sampling.pace import Pace
from makespan_optimizer.measure.sampling.systemcalls import HOLD, SYSTEM_CALLS, categorize

# Words of a record: first how often the thread was seen in each state (`systemcalls`). Then samples in which
# another thread held the GIL; changes from not holding to holding it between samples, between samples that
# are a short interval apart, within far pairs, within near pairs. Then looks that failed: the thread did not
# hold the GIL, and what it did could not be read.
OTHER_HOLD, RETAKES, SHORT_UP, PAIRS_UP, NEAR_UP, UNREAD = range(8, 14)
WORDS = 16

SLOTS = 256
# The header. The child writes the first 14 words: six of them are sums over all samples, pairs and their gaps
# (ns) by sort; the parent takes the difference over a call. The parent writes the last two.
STATUS, TICKS, TICKED_NS, PERIOD_US, CPU_US, PID = range(6)
GAPS_AT = 8
NEAR, FAR, SHORT = 0, 2, 4
STOP, USED = 14, 15
ASKS_AT = 16
STATES_AT = ASKS_AT + SLOTS
RECORDS_AT = STATES_AT + SLOTS
BOARD_BYTES = 8 * (RECORDS_AT + SLOTS * WORDS)
STARTING, SAMPLING, NO_ACCESS, NO_CALLS = range(4)
LOW = 0xFFFFFFFF  # an ask is call << 32 | thread id; a word of a record is call << 32 | count

_SHORT = 0.4  # of the period: intervals below it are short
_NEAR_EVERY = 4
_IDLE_LOOK = 16  # without a call under way: looks whether the other process is still there
_PREEMPTED_NS = 200_000  # a pair so far apart: the sampler lost its core between the readings

_HELD = struct.Struct("=Qi")
_NOTHING = (b"", HOLD)
_Look = tuple[int, int, int, int]  # slot, ask, thread state, what it does


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
    pace = Pace(period_s)
    sleep, pread, clock = time.sleep, os.pread, time.monotonic_ns
    ticks = before_ns = period_us = 0
    idle = True
    while True:
        board[TICKED_NS] = clock()
        board[STATUS] = SAMPLING
        left_s = pace.left_s(idle=idle)
        board[CPU_US] = pace.cpu_us
        if pace.period_us != period_us:
            board[PERIOD_US] = period_us = pace.period_us
        if left_s > 0:
            sleep(left_s)
        if board[STOP]:
            return 0
        board[TICKS] = ticks = ticks + 1
        asks = board[ASKS_AT : ASKS_AT + board[USED]].tolist()
        idle = not any(asks)
        if idle and ticks % _IDLE_LOOK:
            before_ns = 0
            continue
        first_ns = clock()
        raw = pread(memory, 12, holder_at)
        if len(raw) < 12:  # the memory is gone: its process ended, or became another program
            return 0
        if idle:
            continue
        near = ticks % _NEAR_EVERY == 0
        if near:
            second_ns = clock()
            late = pread(memory, 12, holder_at)
        holds = _holder(raw)
        looked = threads.look(asks, holds)
        if not near:
            second_ns = clock()
            late = pread(memory, 12, holder_at)
        gap_ns = second_ns - first_ns
        later = _holder(late) if gap_ns < _PREEMPTED_NS else -1
        short = first_ns - before_ns < _SHORT * board[PERIOD_US] * 1000
        if later >= 0:
            _sum(board, NEAR if near else FAR, gap_ns)
        if short:
            _sum(board, SHORT, first_ns - before_ns)
        threads.count(looked, holds, later, NEAR_UP if near else PAIRS_UP, short=short)
        before_ns = first_ns


def _sum(board: memoryview, sort: int, gap_ns: int) -> None:
    """Count a pair."""
    board[GAPS_AT + sort] += 1
    board[GAPS_AT + sort + 1] += gap_ns


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
        self._said: dict[int, tuple[bytes, int]] = {}  # slot -> its last line, and what that means
        self._gone: dict[int, int] = {}  # slot -> an ask of a thread that is not there
        self._before: dict[int, tuple[int, int]] = {}  # slot -> ask, what it did

    def look(self, asks: list[int], holds: int) -> list[_Look]:
        """Look at each thread with a call under way; `holds` is the state of the one that holds the lock."""
        board, looked = self._board, []
        for slot, ask in enumerate(asks):
            if not ask:
                continue
            state = board[STATES_AT + slot]
            does = HOLD if holds == state else self._syscall(slot, ask)
            # The call is still the same one: then all that was read is of this call.
            if board[ASKS_AT + slot] == ask:
                looked.append((slot, ask, state, does))
        return looked

    def _syscall(self, slot: int, ask: int) -> int:
        """Return what a thread does that does not hold the lock; -1: it is gone, or may not be looked at."""
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
                said = os.pread(file, 64, 0)
                before, does = self._said.get(slot, _NOTHING)
                if said != before:
                    does = categorize(said, self._futex, self._calls, self._lock_at)
                    self._said[slot] = said, does
                return does  # noqa: TRY300
            except (OSError, ValueError):
                self._forget(slot)
        self._gone[slot] = ask
        return -1

    def _forget(self, slot: int) -> None:
        _, file = self._files.pop(slot, (0, -1))
        if file >= 0:
            os.close(file)

    def count(self, looked: list[_Look], holds: int, later: int, up: int, *, short: bool) -> None:
        """Add a sample to the record of each call.

        Parameters
        ----------
        looked : list
        holds, later : int
            State of the thread that held the lock at the first and at the second look; -1: it came too late.
        up : int
            The word that counts changes between the two looks.
        short : bool
            The sample before was a short interval ago.
        """
        for slot, ask, state, does in looked:
            if does < 0:
                self._add(slot, ask, UNREAD)
                continue
            ask_before, did = self._before.get(slot, (0, HOLD))
            self._before[slot] = ask, does
            self._add(slot, ask, does)
            if does == HOLD:
                if did != HOLD and ask_before == ask:
                    self._add(slot, ask, RETAKES)
                    if short:
                        self._add(slot, ask, SHORT_UP)
                continue
            if holds:
                self._add(slot, ask, OTHER_HOLD)
            if later == state:
                self._add(slot, ask, up)

    def _add(self, slot: int, ask: int, word: int) -> None:
        at = RECORDS_AT + slot * WORDS + word
        tag = ask & ~LOW
        old = self._board[at]
        self._board[at] = old + 1 if old & ~LOW == tag else tag + 1


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
