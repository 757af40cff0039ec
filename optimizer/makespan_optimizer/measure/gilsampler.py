"""The GIL sampler's inner half: starts the process that samples, hands out watches, reads what was counted.

::

    this process ──starts──▶ a process that forks and ends at once ──▶ the one that samples
         └──────────── a board of shared memory (`outside`) ────────────────┘

The one that samples is adopted by the system: no ``os.wait()`` of a node can meet it. It ends when it is told
to, or when this process's memory is gone. A process forked off by a node leaves board and sampler alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import platform
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from makespan_optimizer.measure import outside
from makespan_optimizer.measure.gil import GilNotFoundError, locate_gil, thread_state
from makespan_optimizer.measure.outside import ASKS_AT, LOW, RECORDS_AT, SLOTS, STATES_AT, WORDS
from makespan_optimizer.measure.systemcalls import SYSTEM_CALLS
from makespan_optimizer.measure.watch import BlindWatch, SamplerUnavailableError, Seen, SourceName, Watch

if TYPE_CHECKING:
    from collections.abc import Sequence

RATE_HZ = 1000.0
_START_S = 3.0
_STOP_S = 0.25
_STALL_S = 1.0  # so long without a sample: the sampler does not run any more
_PR_SET_PTRACER = 0x59616D61
_CPUCLOCK_SCHED = 2  # a process's CPU clock is ~pid << 3 | 2 (clock_getcpuclockid(3))
_CODE = "import sys; sys.path.insert(0, sys.argv[1]); from makespan_optimizer.measure.outside import main; "
_CODE += "sys.exit(main(*map(int, sys.argv[2:5]), float(sys.argv[5])))"
_REASONS = {
    outside.NO_ACCESS: "the sampler may not read this process's memory",
    outside.NO_CALLS: "the sampler may not see this process's system calls",
}


class OutsideSampler:
    """Samples threads of this process from another one; 256 at most, further ones are not seen.

    Raises
    ------
    SamplerUnavailableError
        Not Linux, not CPython, no GIL, or the other process may not look into this one.
    """

    name: SourceName = "gil"

    def __init__(self, rate_hz: float = RATE_HZ) -> None:
        self.lost: str | None = None
        self._rate_hz = self._wanted_hz = rate_hz
        self._cpu_s = 0.0
        self._owner = os.getpid()
        self._watches: list[weakref.ref[OutsideWatch] | None] = [None] * SLOTS
        self._calls = [0] * SLOTS
        self._lock = threading.RLock()
        self._process: _Process | None = None
        holder_at = _find()
        fd = os.memfd_create("makespan-sampler")
        try:
            os.ftruncate(fd, outside.BOARD_BYTES)
            self._map = mmap.mmap(fd, outside.BOARD_BYTES)
            self._board = memoryview(self._map).cast("Q")
            try:
                self._start(holder_at, fd)
            except BaseException:
                self.close()
                raise
        finally:
            os.close(fd)

    @property
    def pid(self) -> int | None:
        """Process id of the one that samples, while there is one."""
        return self._process.pid if self._process is not None else None

    @property
    def rate_hz(self) -> float:
        """Samples a second, at present: fewer than wanted when they would take too much of a core."""
        with contextlib.suppress(ValueError):
            if period_us := self._board[outside.PERIOD_US]:
                self._rate_hz = 1e6 / period_us
        return self._rate_hz

    @property
    def notes(self) -> tuple[str, ...]:
        """Say that it samples less often than wanted."""
        if self.rate_hz > self._wanted_hz / 2:
            return ()
        return (f"{self.rate_hz:.0f} samples a second: more take over {outside.CPU_SHARE:.0%} of a core",)

    def cpu_s(self) -> float:
        """Return the CPU seconds of the process that samples."""
        process = self._process
        with contextlib.suppress(OSError):
            if process is not None:
                return time.clock_gettime((~process.pid << 3) | _CPUCLOCK_SCHED)
        with contextlib.suppress(ValueError):  # it ended: what it last said
            self._cpu_s = max(self._cpu_s, self._board[outside.CPU_US] / 1e6)
        return self._cpu_s

    def watch(self) -> Watch:
        """Return a watch on the calling thread; one that sees nothing when there is no room for more."""
        with self._lock:
            free = self._free_slot()
            if free is None or self._process is None or os.getpid() != self._owner:
                return BlindWatch()
            watch = OutsideWatch(self, free, threading.get_native_id(), self._calls[free])
            self._watches[free] = weakref.ref(watch)
            self._board[STATES_AT + free] = thread_state()
            self._board[outside.USED] = max(self._board[outside.USED], free + 1)
            return watch

    def _free_slot(self) -> int | None:
        for slot, known in enumerate(self._watches):
            if known is None or known() is None:
                return slot
        for slot, known in enumerate(self._watches):
            watch = known() if known is not None else None
            if watch is not None and not os.path.exists(f"/proc/self/task/{watch.thread}"):  # noqa: PTH110
                self.free(watch)  # its thread ended, and did not close it
                return slot
        return None

    def free(self, watch: OutsideWatch) -> None:
        """Give up a watch's slot."""
        with self._lock, contextlib.suppress(ValueError):
            known = self._watches[watch.slot]
            if known is None or known() is not watch or os.getpid() != self._owner:
                return
            self._board[ASKS_AT + watch.slot] = 0
            self._calls[watch.slot] = watch.call
            self._watches[watch.slot] = None
            used = [slot for slot, known in enumerate(self._watches) if known is not None]
            self._board[outside.USED] = max(used, default=-1) + 1

    def alive(self) -> bool:
        """Say whether it samples; when not, `lost` says why."""
        process = self._process
        if self.lost is not None or process is None:
            return False
        if process.ended():
            self.lost = "it was ended from outside"
        elif time.monotonic_ns() - self._board[outside.TICKED_NS] > _STALL_S * 1e9:
            self.lost = "it stopped sampling"
        return self.lost is None

    def _start(self, holder_at: int, fd: int) -> None:
        """Start the other process, and wait until it samples."""
        board = self._board
        root = Path(outside.__file__).resolve().parents[2]
        arguments = [str(each) for each in (root, self._owner, holder_at, fd, 1 / self._rate_hz)]
        try:
            started = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _CODE, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(fd,),
                start_new_session=True,  # Ctrl-C in a terminal is for this process alone
            )
        except OSError as error:
            raise SamplerUnavailableError(f"the sampler does not start: {error}") from error
        try:
            code = started.wait(_START_S)
        except BaseException as error:
            started.kill()
            started.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise SamplerUnavailableError("the sampler did not start") from error
            raise
        until = time.monotonic() + _START_S
        while code == 0 and not board[outside.PID] and time.monotonic() < until:
            time.sleep(0.001)
        if not board[outside.PID]:
            raise SamplerUnavailableError("the sampler did not start")
        self._process = process = _Process(board[outside.PID])
        _allow(process.pid)
        while (status := board[outside.STATUS]) == outside.STARTING:
            if process.ended() or time.monotonic() > until:
                break
            time.sleep(0.001)
        if status != outside.SAMPLING:
            raise SamplerUnavailableError(_REASONS.get(status, "the sampler did not start"))

    def close(self) -> None:
        """Stop the other process, and kill it if it does not stop at once."""
        if os.getpid() != self._owner:
            return
        with self._lock:
            process, self._process = self._process, None
            with contextlib.suppress(ValueError, BufferError):
                self._rate_hz = self.rate_hz
                self._cpu_s = self.cpu_s()
                self._board[outside.STOP] = 1
                self._board.release()
                self._map.close()
        if process is not None:
            process.end(_STOP_S)
            _allow(0)


class OutsideWatch:
    """Watches the thread that made it."""

    overhead_s = 0.0

    def __init__(self, sampler: OutsideSampler, slot: int, thread: int, call: int) -> None:
        self.slot = slot
        self.thread = thread
        self.call = call
        """Number of the last call; never one that was used in this slot before."""
        self._sampler = sampler
        self._board = sampler._board  # noqa: SLF001 (two halves of one thing)
        self._owner = os.getpid()
        self._sums_before = [0] * 6
        self._ask_at = ASKS_AT + slot
        self._record_at = RECORDS_AT + slot * WORDS

    def begin(self) -> None:
        """Announce the next call."""
        if os.getpid() != self._owner:
            return
        self.call = call = self.call % LOW + 1
        with contextlib.suppress(ValueError):
            self._sums_before = self._sums()
            self._board[self._ask_at] = call << 32 | self.thread

    def end(self) -> Seen | None:
        """Return what was seen since `begin`; None when the sampler is gone."""
        if os.getpid() != self._owner:
            return None
        try:
            self._board[self._ask_at] = 0
            words = self._board[self._record_at : self._record_at + WORDS].tolist()
            sums = self._sums()
            if not self._sampler.alive():
                return None  # it may have gone in the middle of this call
        except ValueError:  # closed
            return None
        return seen_in(
            words, self.call, [now - then for now, then in zip(sums, self._sums_before, strict=True)]
        )

    def _sums(self) -> list[int]:
        return self._board[outside.GAPS_AT : outside.GAPS_AT + 6].tolist()

    def close(self) -> None:
        """Give up the slot."""
        self._sampler.free(self)


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


class _Poll(ctypes.Structure):
    _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short))


class _Process:
    """A process that is not a child of this one: whether it ended, and how to end it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._fd = -1
        with contextlib.suppress(OSError, AttributeError):  # no pidfd in old kernels
            self._fd = os.pidfd_open(pid)
        self._poll = ctypes.PyDLL(None).poll  # unlike select.poll it keeps the GIL: no turn is lost
        self._asked = _Poll(self._fd, 1, 0)

    def ended(self) -> bool:
        """Say whether it ended."""
        if self._fd >= 0:
            self._asked.revents = 0
            self._poll(ctypes.byref(self._asked), ctypes.c_ulong(1), 0)
            return bool(self._asked.revents & 1)
        try:
            os.kill(self.pid, 0)
        except OSError:
            return True
        return False

    def end(self, patience_s: float) -> None:
        """Wait until it ends, and end it when that takes too long."""
        until = time.monotonic() + patience_s
        while not self.ended() and time.monotonic() < until:
            time.sleep(0.001)
        with contextlib.suppress(OSError):
            if not self.ended():
                os.kill(self.pid, signal.SIGKILL)
        until = time.monotonic() + patience_s
        while not self.ended() and time.monotonic() < until:
            time.sleep(0.001)
        with contextlib.suppress(OSError):  # a process that adopts orphans (as number 1 does) adopted it
            os.waitpid(self.pid, os.WNOHANG)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _find() -> int:
    """Check what the sampler needs, and locate the GIL."""
    if sys.platform != "linux" or not hasattr(os, "memfd_create"):
        raise SamplerUnavailableError(f"it needs Linux, not {sys.platform}")
    if platform.machine() not in SYSTEM_CALLS:
        raise SamplerUnavailableError(f"the system calls of {platform.machine()} are not known")
    if "python" not in Path(sys.executable or "").name.lower() or getattr(sys, "frozen", False):
        raise SamplerUnavailableError("this program is not a Python interpreter that could run the sampler")
    try:
        return locate_gil()
    except GilNotFoundError as error:
        raise SamplerUnavailableError(str(error)) from error


def _allow(pid: int) -> None:
    """Let `pid` (0: nobody any more) look into this process where yama restricts it to named ones."""
    with contextlib.suppress(OSError, AttributeError):
        if Path("/proc/sys/kernel/yama/ptrace_scope").read_bytes().strip() == b"1":
            ctypes.CDLL(None).prctl(_PR_SET_PTRACER, pid, 0, 0, 0)
