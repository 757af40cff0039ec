"""What a thread does that does not run Python code, told by the system call in which it is blocked."""

from __future__ import annotations

# What a sample can be; the counts of a call are in this order.
HOLD, RUNNING, GIL_WAIT, SLEEP, IO, LOCK, CHILD, OTHER = range(8)

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
