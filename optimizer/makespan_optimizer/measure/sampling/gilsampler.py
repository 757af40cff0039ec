"""The GIL sampler's inner half: starts the process that samples, hands out watches, reads what was counted.

::

    this process ──starts──▶ a process that forks and ends at once ──▶ the one that samples
         └──────────── a board of shared memory (`outside`) ────────────────┘

The one that samples is adopted by the system: no ``os.wait()`` of a node can meet it. It ends when it is told
to, or when this process's memory is gone. A process forked off by a node leaves board and sampler alone.
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
import weakref
from pathlib import Path

from makespan_optimizer.measure.clocks import close_same, file_of
from makespan_optimizer.measure.sampling import outside
from makespan_optimizer.measure.sampling.adopted import Adopted, allow, forbid
from makespan_optimizer.measure.sampling.gil import GilNotFoundError, locate_gil, thread_state
from makespan_optimizer.measure.sampling.outside import ASKS_AT, SLOTS, STATES_AT
from makespan_optimizer.measure.sampling.pace import CPU_SHARE
from makespan_optimizer.measure.sampling.slots import OutsideWatch
from makespan_optimizer.measure.sampling.systemcalls import SYSTEM_CALLS
from makespan_optimizer.measure.sampling.watch import BlindWatch, SamplerUnavailableError, SourceName, Watch

RATE_HZ = 1000.0
_START_S = 3.0
_STOP_S = 0.25
_STALL_S = 1.0  # so long without a sample: the sampler does not run any more
_CODE = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    "from makespan_optimizer.measure.sampling.outside import main;"
    "sys.exit(main(*map(int, sys.argv[2:5]), float(sys.argv[5])))"
)
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
        self.starts = 0
        self.calls = [0] * SLOTS
        """Number of the last call in each slot: none is used twice."""
        self._rate_hz = self._wanted_hz = rate_hz
        self._cpu_s = 0.0
        self._owner = os.getpid()
        self._watches: list[weakref.ref[OutsideWatch] | None] = [None] * SLOTS
        self._lock = threading.RLock()
        self._process: Adopted | None = None
        self._missed_calls = 0
        self._notes: tuple[str, ...] = ()
        self._holder_at = _find()
        self._fd = os.memfd_create("makespan-sampler")
        self._file = file_of(self._fd)
        try:
            os.ftruncate(self._fd, outside.BOARD_BYTES)
            self._map = mmap.mmap(self._fd, outside.BOARD_BYTES)
            self._board = memoryview(self._map).cast("Q")
            self._start()
        except BaseException:
            self.close()
            raise

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
        """Say that it was started again, could not see all, and samples less often than wanted."""
        notes = self._notes
        if calls := self._missed_calls:
            which = "a call was" if calls == 1 else f"{calls} calls were"
            notes += (f"{which} not sampled: what the thread did could not be read in more than 5% of looks",)
        if self.rate_hz > self._wanted_hz / 2:
            return notes
        share = f"{CPU_SHARE:.0%} of a core"
        return (*notes, f"{self.rate_hz:.0f} samples a second: more would take over {share}")

    def missed_call(self) -> None:
        """Take note that too much of a call could not be read."""
        with self._lock:
            self._missed_calls += 1

    def cpu_s(self) -> float:
        """Return the CPU seconds of the process that samples."""
        process = self._process
        now_s = process.cpu_s() if process is not None else None
        if now_s is None:
            with contextlib.suppress(ValueError):  # it ended: what it last said
                now_s = self._board[outside.CPU_US] / 1e6
        return self._cpu_s + (now_s or 0.0)

    def watch(self) -> Watch:
        """Return a watch on the calling thread; one that sees nothing when there is no room for more."""
        if os.getpid() != self._owner:
            return BlindWatch()
        with self._lock:
            free = self._free_slot()
            if free is None:
                note = f"more than {SLOTS} threads were measured at once: some were not sampled"
                self._notes = tuple(dict.fromkeys((*self._notes, note)))
                return BlindWatch()
            if self._process is None:
                return BlindWatch()
            watch = OutsideWatch(self, self._board, free)
            self._watches[free] = weakref.ref(watch)
            self._board[ASKS_AT + free] = 0
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
            watch.open = False
            self._board[ASKS_AT + watch.slot] = 0
            self._watches[watch.slot] = None
            used = [slot for slot, known in enumerate(self._watches) if known is not None]
            self._board[outside.USED] = max(used, default=-1) + 1

    def sampled_since(self, start: int) -> bool:
        """Say whether it samples, and did so all the time since its start of that number.

        When it does not, it is started again, once; after that `lost` says why.
        """
        process = self._process
        if self.lost is not None or process is None:
            return False
        if process.ended():
            self._restart(start, "it was ended from outside")
        elif time.monotonic_ns() - self._board[outside.TICKED_NS] > _STALL_S * 1e9:
            self._restart(start, "it stopped sampling")
        return self.lost is None and self.starts == start

    def _restart(self, start: int, fault: str) -> None:
        with self._lock:
            process = self._process
            if self.starts != start or process is None:
                return  # another thread was faster
            self.lost = fault
            if start > 1:
                return
            self._cpu_s = self.cpu_s()
            self._process = None
            _end(process, 0.0)
            for word in range(STATES_AT - ASKS_AT):
                self._board[ASKS_AT + word] = 0  # no call under way is sampled any further
            for word in (outside.STATUS, outside.PID, outside.CPU_US):
                self._board[word] = 0
            try:
                self._start()
            except SamplerUnavailableError as error:
                self.lost = f"{fault}; {error}"
                half_started, self._process = self._process, None
                if half_started is not None:
                    _end(half_started, 0.0)
            else:
                self.lost = None
                said = f"the sampler was lost once ({fault}) and started again"
                self._notes = (*self._notes, f"{said}; calls under way then were not sampled")

    def _start(self) -> None:
        """Start the other process, and wait until it samples."""
        board = self._board
        root = Path(outside.__file__).resolve().parents[3]
        arguments = [
            str(each) for each in (root, self._owner, self._holder_at, self._fd, 1 / self._wanted_hz)
        ]
        try:
            started = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _CODE, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(self._fd,),
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
        self._process = process = Adopted(board[outside.PID])
        if not allow(process.pid):
            raise SamplerUnavailableError(
                "another sampler watches this process, and the system lets one at a time (ptrace_scope is 1)"
            )
        while (status := board[outside.STATUS]) == outside.STARTING:
            if process.ended() or time.monotonic() > until:
                break
            time.sleep(0.001)
        if status != outside.SAMPLING:
            raise SamplerUnavailableError(_REASONS.get(status, "the sampler did not start"))
        self.starts += 1
        if process.is_child():
            note = "this process adopts orphans: a node's bare os.wait() waits for the sampler"
            self._notes = tuple(dict.fromkeys((*self._notes, note)))

    def close(self) -> None:
        """Stop the other process, and kill it if it does not stop at once."""
        if os.getpid() != self._owner:
            return
        with self._lock:
            process, self._process = self._process, None
            fd, self._fd = self._fd, -1
            close_same(fd, self._file)
            with contextlib.suppress(ValueError, BufferError, AttributeError):
                self._rate_hz = self.rate_hz
                self._board[outside.STOP] = 1
                self._board.release()
                self._map.close()
        if process is not None:
            _end(process, _STOP_S)


def _end(process: Adopted, patience_s: float) -> None:
    process.end(patience_s)
    forbid(process.pid)


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
