"""The GIL sampler's inner half: starts the child process, announces calls, reads what was counted.

`Sampler` is the seam: an object that is told when a call begins and ends, and returns what was seen
meanwhile, or None. `OutsideSampler` samples from a child process; `NoSampler` sees nothing, and leaves the
GIL share an upper bound. Neither ever raises into the user's run; a sampler that is lost in mid-run says so
in `lost`.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from makespan.errors import OptionError
from makespan.machine import gil_enabled
from makespan_optimizer.measure import outside
from makespan_optimizer.measure.gil import GilNotFoundError, locate_gil, thread_state

RATE_HZ = 1000.0
_START_S = 3.0
_STOP_S = 0.25
_STALL_S = 1.0  # a call so long without a single sample: the sampler does not run any more
_PR_SET_PTRACER = 0x59616D61
_CPUCLOCK_SCHED = 2  # a process's CPU clock is ~pid << 3 | 2 (clock_getcpuclockid(3))

SamplerName = Literal["auto", "gil", "clocks"]
SourceName = Literal["clocks", "canary", "gil"]


class Seen(NamedTuple):
    """How often the measured thread was seen in each state during one call.

    `other_hold` counts samples in which another thread held the GIL, whatever the measured one did; `retakes`
    counts changes from not holding to holding between samples (a lower bound of how often it was taken).
    """

    hold: int = 0
    running: int = 0
    gil_wait: int = 0
    sleep: int = 0
    io: int = 0
    lock: int = 0
    child: int = 0
    other: int = 0
    other_hold: int = 0
    retakes: int = 0

    @property
    def samples(self) -> int:
        """How many samples fell into the call."""
        return sum(self[: outside.OTHER_HOLD])


class Sampler(Protocol):
    """Something that watches the calling thread while a call runs."""

    name: SourceName
    rate_hz: float | None
    lost: str | None
    """Why nothing is seen any more, once that is so."""

    def begin(self) -> None:
        """Take note that a call begins in this thread."""

    def end(self) -> Seen | None:
        """Return what was seen since `begin`; None when nothing was watched."""

    def cpu_s(self) -> float:
        """Return the CPU seconds that watching takes in another process, so far."""

    def close(self) -> None:
        """End whatever was started. It may be called twice."""


class NoSampler:
    """Clocks alone."""

    name: SourceName = "clocks"
    rate_hz: float | None = None
    lost: str | None = None

    def begin(self) -> None:
        """Do nothing."""

    def end(self) -> Seen | None:
        """Return None."""
        return None

    def cpu_s(self) -> float:
        """Return 0."""
        return 0.0

    def close(self) -> None:
        """Do nothing."""


class SamplerUnavailableError(Exception):
    """The outside sampler cannot work here; the message says why."""


class OutsideSampler:
    """Samples the thread that made it, from a child process.

    Raises
    ------
    SamplerUnavailableError
        Not Linux, not CPython, no GIL, or the child may not look into this process.
    """

    name: SourceName = "gil"

    def __init__(self, rate_hz: float = RATE_HZ) -> None:
        self.rate_hz: float | None = rate_hz
        self.lost: str | None = None
        self._call = 0
        self._ticks = 0
        self._began = 0.0
        self._owner = os.getpid()
        self._child: subprocess.Popen[bytes] | None = None
        holder_at = _find()
        fd = os.memfd_create("makespan-sampler")
        try:
            os.ftruncate(fd, outside.BOARD_BYTES)
            self._board = mmap.mmap(fd, outside.BOARD_BYTES)
            self._thread = threading.get_native_id()
            self._state = thread_state()
            self._ask(0)
            self._start(holder_at, fd, 1 / rate_hz)
        finally:
            os.close(fd)

    @property
    def pid(self) -> int | None:
        """The child's process id while there is one."""
        return self._child.pid if self._child is not None else None

    def cpu_s(self) -> float:
        """Return the CPU seconds that the child has used, as long as it was not waited for."""
        if self._child is None:
            return 0.0
        try:
            return time.clock_gettime((~self._child.pid << 3) | _CPUCLOCK_SCHED)
        except OSError:
            return 0.0

    def _start(self, holder_at: int, fd: int, period_s: float) -> None:
        script = str(Path(outside.__file__).resolve())
        numbers = [str(number) for number in (self._owner, holder_at, fd, period_s)]
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", script, *numbers],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(fd,),
                start_new_session=True,  # Ctrl-C in a terminal is for this process alone
            )
        except OSError as error:
            raise SamplerUnavailableError(f"the sampler does not start: {error}") from error
        try:
            _allow(self._child.pid)
            until = time.monotonic() + _START_S
            while (status := outside.SAYS.unpack_from(self._board)[0]) == outside.STARTING:
                if self._child.poll() is not None or time.monotonic() > until:
                    break
                time.sleep(0.001)
        except BaseException:
            self.close()
            raise
        if status != outside.SAMPLING:
            self.close()
            raise SamplerUnavailableError(
                "the sampler may not read this process's memory"
                if status == outside.NO_ACCESS
                else "the sampler did not start"
            )

    def _ask(self, call: int) -> None:
        outside.ASKS.pack_into(self._board, outside.ASKS_AT, 0, self._thread, self._state, call)

    def begin(self) -> None:
        """Announce the next call."""
        self._call += 1
        self._ticks = outside.SAYS.unpack_from(self._board)[1]
        self._began = time.monotonic()
        self._ask(self._call)

    def end(self) -> Seen | None:
        """Return what was seen since `begin`; None when the sampler is gone."""
        call = self._call
        self._ask(0)
        found = outside.RECORD.unpack_from(self._board, outside.RECORD_AT[call & 1])
        ticks = outside.SAYS.unpack_from(self._board)[1]
        if self.lost is None and ticks == self._ticks and time.monotonic() - self._began > _STALL_S:
            self.lost = "it stopped sampling"
        if self.lost is None and self._child is not None and (code := self._child.poll()) is not None:
            self.lost = f"signal {-code}" if code < 0 else f"exit code {code}"
        if self.lost is not None:
            return None  # it may have gone in the middle of this call
        return Seen(*found[1:]) if found[0] == call else Seen()

    def close(self) -> None:
        """Stop the child, and kill it if it does not stop at once."""
        child, self._child = self._child, None
        if child is None or os.getpid() != self._owner:
            return
        outside.ASKS.pack_into(self._board, outside.ASKS_AT, 1, 0, 0, 0)
        try:
            child.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if child.returncode is None:
                child.kill()
                child.wait()
            _allow(0)
            self._board.close()


def open_sampler(wanted: SamplerName) -> tuple[Sampler, tuple[str, ...]]:
    """Return the best sampler that works here, and notes that say why it is not a better one.

    Raises
    ------
    OptionError
        An unknown name; or ``gil`` was asked for and cannot be had.
    """
    if wanted not in ("auto", "gil", "clocks"):
        raise OptionError(f"is auto, gil or clocks, not {wanted!r}", where="sampler")
    if wanted == "clocks":
        return NoSampler(), (("no GIL in this build",) if not gil_enabled() else ())
    try:
        return OutsideSampler(), ()
    except SamplerUnavailableError as error:
        if wanted == "gil":
            raise unavailable(str(error)) from error
        return NoSampler(), (fallback_note(str(error)),)


def unavailable(reason: str) -> OptionError:
    """Return the error for a sampler that was asked for by name and cannot be had."""
    return OptionError(
        f"the GIL cannot be sampled here: {reason}", where="sampler", hint="use auto or clocks"
    )


def fallback_note(reason: str) -> str:
    """Say that only clocks measure, and why."""
    if not gil_enabled():
        return "no GIL in this build"
    return f"clocks only, the GIL share is an upper bound: {reason}"


def _find() -> int:
    """Check what the sampler needs, and locate the GIL."""
    if sys.platform != "linux" or not hasattr(os, "memfd_create"):
        raise SamplerUnavailableError(f"it needs Linux, not {sys.platform}")
    if platform.machine() not in outside.SYSTEM_CALLS:
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
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_PTRACER, pid, 0, 0, 0)
