"""The GIL sampler's outer half: a child process that watches one thread of its parent, and never stops it.

At each sample it reads two things, both without any privilege beyond being the same user:

- ``locked`` and ``last_holder`` of the interpreter's lock, from ``/proc/<pid>/mem``;
- ``/proc/<pid>/task/<tid>/syscall``: ``running``, or the number and arguments of the system call in which the
  thread is blocked. A futex whose address lies inside the lock is a wait for the GIL.

It counts what it saw in a board of shared memory, for the call that the parent has announced there. The board
has a fixed size, so no run is too long; the parent never waits, and reads the counts when the call is over.
The intervals between samples are random (uniform, half to one and a half periods): a node that works in step
with the sampler would otherwise be seen in one phase only.

The file is run as a script by `makespan_optimizer.measure.sampler`, and needs the standard library alone.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import struct
import sys
import time

# What a sample can be; the counts of a call are in this order.
HOLD, RUNNING, GIL_WAIT, SLEEP, IO, LOCK, CHILD, OTHER = range(8)
# Two more counts: samples in which another thread held the GIL, and changes from not holding to holding it.
OTHER_HOLD, RETAKES = 8, 9
COUNTS = 10

# The board: what the child says, what the parent says, and two records, used in turn by odd and even calls.
SAYS = struct.Struct("=qQ")  # status, number of samples taken
ASKS = struct.Struct("=QQQQ")  # stop, thread id, thread state, call (0: none)
ASKS_AT = 64
RECORD = struct.Struct(f"=Q{COUNTS}Q")  # call, counts
RECORD_AT = (128, 256)
BOARD_BYTES = 4096
STARTING, SAMPLING, NO_ACCESS = 0, 1, -1

# Bytes from the start of the lock's struct to the end of its condition variables, at most.
LOCK_BYTES = 256

_IO = IO
# By machine: the number of futex, and the categories of other calls that block.
SYSTEM_CALLS: dict[str, tuple[int, dict[int, int]]] = {
    "x86_64": (
        202,
        {
            **dict.fromkeys((35, 230), SLEEP),  # nanosleep, clock_nanosleep
            **dict.fromkeys((61, 247), CHILD),  # wait4, waitid
            **dict.fromkeys((72, 73), LOCK),  # fcntl, flock
            **dict.fromkeys((0, 1, 17, 18, 19, 20, 295, 296, 40, 275, 326), _IO),  # read, write and their kin
            **dict.fromkeys((7, 271, 23, 270, 232, 281, 441), _IO),  # poll, select, epoll_wait
            **dict.fromkeys((42, 43, 288, 44, 45, 46, 47, 299, 307), _IO),  # sockets
            **dict.fromkeys((2, 257, 4, 5, 6, 262, 332, 74, 75, 26, 162, 277, 306), _IO),  # open, stat, fsync
            **dict.fromkeys(
                (76, 77, 82, 264, 316, 83, 84, 87, 263, 217, 78, 208, 426), _IO
            ),  # rename, unlink, …
            -1: _IO,  # not in a call: a page that must be read from the disk
        },
    ),
    "aarch64": (
        98,
        {
            **dict.fromkeys((101, 115), SLEEP),
            **dict.fromkeys((260, 95), CHILD),
            **dict.fromkeys((25, 32), LOCK),
            **dict.fromkeys((63, 64, 65, 66, 67, 68, 69, 70, 71, 76, 285), _IO),
            **dict.fromkeys((73, 72, 22, 441), _IO),
            **dict.fromkeys((203, 202, 242, 206, 207, 211, 212, 243, 269), _IO),
            **dict.fromkeys((56, 79, 80, 291, 82, 83, 227, 81, 84, 267), _IO),
            **dict.fromkeys((45, 46, 38, 276, 34, 35, 61, 4, 426), _IO),
            -1: _IO,
        },
    ),
}


def categorize(said: bytes, futex: int, calls: dict[int, int], lock_at: int) -> int:
    """Say what a line of ``/proc/<pid>/task/<tid>/syscall`` means for a thread that does not hold the GIL.

    >>> futex, calls = SYSTEM_CALLS["x86_64"]
    >>> [categorize(said, futex, calls, 0x1000) for said in (b"running", b"230 0x0", b"202 0x1010 0x0")]
    [1, 3, 2]
    """
    if said[:1] == b"r":
        return RUNNING
    number, _, rest = said.partition(b" ")
    call = int(number)
    if call == futex:
        address = int(rest.partition(b" ")[0], 16)
        return GIL_WAIT if lock_at <= address < lock_at + LOCK_BYTES else LOCK
    return calls.get(call, OTHER)


def main(pid: int, holder_at: int, board_fd: int, period_s: float) -> int:
    """Sample until the parent asks to stop, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    board = mmap.mmap(board_fd, BOARD_BYTES)
    _prepare()
    futex, calls = SYSTEM_CALLS[os.uname().machine]
    memory = _open_memory(pid)
    if memory < 0:
        SAYS.pack_into(board, 0, NO_ACCESS, 0)
        return 1
    lock_at = holder_at - 8
    holder = struct.Struct("=Qi")
    draw = random.Random(1).random  # noqa: S311 (intervals, not secrets)
    clock, sleep, pread, parent = time.perf_counter, time.sleep, os.pread, os.getppid
    thread, state_file, current, before, ticks = 0, -1, 0, OTHER, 0
    counts = [0] * COUNTS
    due = clock()
    while parent() == pid:
        SAYS.pack_into(board, 0, SAMPLING, ticks)
        due += period_s * (0.5 + draw())
        left = due - clock()
        if left > 0:
            sleep(left)
        else:
            due = clock()
        stop, tid, tstate, call = ASKS.unpack_from(board, ASKS_AT)
        if stop:
            return 0
        ticks += 1
        if not call:
            continue
        if tid != thread:
            if state_file >= 0:
                os.close(state_file)
            thread, state_file = tid, os.open(f"/proc/{pid}/task/{tid}/syscall", os.O_RDONLY)
        try:
            raw = pread(memory, 12, holder_at)
            said = pread(state_file, 64, 0)
        except OSError:
            continue
        if len(raw) < 12:  # the parent's memory is gone: it ended, or became another program
            return 0
        if ASKS.unpack_from(board, ASKS_AT)[3] != call:
            continue
        if call != current:
            current, before, counts = call, OTHER, [0] * COUNTS
        who, locked = holder.unpack(raw)
        if locked and who == tstate:
            seen = HOLD
            counts[RETAKES] += before != HOLD and sum(counts[:OTHER_HOLD]) > 0
        else:
            seen = categorize(said, futex, calls, lock_at)
            counts[OTHER_HOLD] += bool(locked)
        counts[seen] += 1
        before = seen
        RECORD.pack_into(board, RECORD_AT[call & 1], call, *counts)
    return 0


def _prepare() -> None:
    """Wake up on time, and die with the parent; both are niceties."""
    try:
        import ctypes

        control = ctypes.CDLL(None).prctl
        control(29, 1, 0, 0, 0)  # PR_SET_TIMERSLACK: 1 ns
        control(1, int(signal.SIGKILL), 0, 0, 0)  # PR_SET_PDEATHSIG
    except Exception:  # noqa: S110
        pass
    import gc

    gc.disable()


def _open_memory(pid: int) -> int:
    """Open the parent's memory; it may take a moment until the parent has allowed it (yama)."""
    for _ in range(50):
        try:
            return os.open(f"/proc/{pid}/mem", os.O_RDONLY)
        except OSError:
            time.sleep(0.01)
    return -1


if __name__ == "__main__":
    try:
        sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
    except Exception:
        sys.exit(2)
