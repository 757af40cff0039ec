"""A process that this one started and that the system adopted: not a child, so nothing of it is waited for.

A child that samples could be met by a node's bare ``os.wait()``. So it is started by a process in between
that ends at once. What a parent may know of a child is had by other means: a descriptor of the process tells
when it ended (`pidfd_open(2)`), and its CPU clock what it used.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

_PR_SET_PTRACER = 0x59616D61
_KILL_S = 1.0
_POLLIN, _POLLNVAL = 0x01, 0x20
_CPUCLOCK_SCHED = 2  # a process's CPU clock is ~pid << 3 | 2 (clock_getcpuclockid(3))


class _Poll(ctypes.Structure):
    _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short))


class Adopted:
    """A process that is not a child of this one: whether it ended, and how to end it.

    Once `end` returned, its number may be another process's: nothing is asked of that number any more.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._over = False
        self._fd = -1
        with contextlib.suppress(OSError, AttributeError):  # no pidfd in old kernels
            self._fd = os.pidfd_open(pid)
        self._poll = ctypes.PyDLL(None).poll  # unlike select.poll it keeps the GIL: no turn is lost
        self._asked = _Poll(self._fd, _POLLIN, 0)

    def ended(self) -> bool:
        """Say whether it ended."""
        if self._over:
            return True
        if self._fd >= 0:
            self._asked.revents = 0
            self._poll(ctypes.byref(self._asked), ctypes.c_ulong(1), 0)
            if not self._asked.revents & _POLLNVAL:
                return bool(self._asked.revents & _POLLIN)
            self._fd = -1  # a node closed it (`os.closerange`)
        said = self._said()
        return not said or said[0] in {"Z", "X"}  # a zombie is left where nobody waits for orphans

    def is_child(self) -> bool:
        """Say whether it was this process that adopted it, as number 1 of a container does."""
        return self._said()[1:2] == [str(os.getpid())]

    def _said(self) -> list[str]:
        """Return what the system says of it, from its state and its parent on; empty when it is gone."""
        try:
            said = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return []
        return said.rpartition(")")[2].split()

    def cpu_s(self) -> float | None:
        """Return the CPU seconds that it used; None when it ended."""
        if self._over:
            return None
        try:
            return time.clock_gettime((~self.pid << 3) | _CPUCLOCK_SCHED)
        except OSError:
            return None

    def end(self, patience_s: float) -> None:
        """Wait until it ends, and end it when that takes too long. It may be called twice."""
        if self._over:
            return
        until = time.monotonic() + patience_s
        while not self.ended() and time.monotonic() < until:
            time.sleep(0.001)
        with contextlib.suppress(OSError):
            if not self.ended():
                self._kill()
        until = time.monotonic() + _KILL_S
        while not self.ended() and time.monotonic() < until:
            time.sleep(0.001)
        with contextlib.suppress(OSError):  # a process that adopts orphans (as number 1 does) adopted it
            os.waitpid(self.pid, os.WNOHANG)
        self._over = True
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def _kill(self) -> None:
        if self._fd >= 0:
            signal.pidfd_send_signal(self._fd, signal.SIGKILL)
        else:
            os.kill(self.pid, signal.SIGKILL)


# Process id -> the one process that may look into it: yama keeps no more than one, and the last one named
# would take the place of the one before. A forked child begins without.
_allowed: dict[int, int] = {}


def allow(pid: int) -> bool:
    """Let `pid` look into this process where yama restricts that to one named process.

    Returns
    -------
    bool
        False: another one is allowed to already, and goes on.
    """
    if not _is_restricted():
        return True
    if _allowed.setdefault(os.getpid(), pid) != pid:  # one step: two threads cannot both be first
        return False
    _name_tracer(pid)
    return True


def forbid(pid: int) -> None:
    """Let `pid` look no more; without effect unless it was allowed to."""
    if _allowed.get(os.getpid()) == pid:
        _name_tracer(0)
        del _allowed[os.getpid()]


def _is_restricted() -> bool:
    try:
        return Path("/proc/sys/kernel/yama/ptrace_scope").read_bytes().strip() == b"1"
    except OSError:
        return False


def _name_tracer(pid: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, pid, 0, 0, 0)
