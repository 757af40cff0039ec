"""Clocks of one call: what the kernel and the interpreter count exactly, read before and after.

::

    wall ├─ cpu ────────┤├─ run delay ─┤├─ blocked ────────────────┤
          on a core       runnable, but   asleep in a system call
                          not on a core   (or waiting for the GIL)

Run delay is the second field of ``/proc/thread-self/schedstat`` (nanoseconds). A thread without a voluntary
switch of context was never blocked: whatever is missing then was taken by the hypervisor or by a quota, and
counts as run delay too.
"""

from __future__ import annotations

import ctypes
import gc
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_THREAD = getattr(resource, "RUSAGE_THREAD", None)
_CHILDREN = getattr(resource, "RUSAGE_CHILDREN", None)

_JITTER_S = 2e-6  # process and thread clocks cannot be read at one moment
_PREEMPTED_S = 1e-4  # reading all clocks takes a tenth of this, unless the thread loses its core
_TRIES = 5


class Clocks(NamedTuple):
    """Readings, or the difference of two: seconds and counts."""

    wall_s: float
    cpu_s: float
    process_s: float
    """CPU of all threads of the process."""
    run_delay_s: float
    children_s: float
    """CPU of child processes that were waited for."""
    nvcsw: int
    nivcsw: int
    minflt: int
    gc_s: float

    @property
    def other_cpu_s(self) -> float:
        """CPU of other threads, and of children that were waited for."""
        others_s = self.process_s - self.cpu_s
        return (others_s if others_s > _JITTER_S else 0.0) + self.children_s


class RunDelay:
    """Reads the run delay of the thread that entered it.

    The file is kept open (opening it costs ten times as much as reading it), and read without giving away
    the GIL: a thread that must first wait its turn would measure that. A node may close it (`os.closerange`)
    and open another file under its number: once it does not read as expected it is read no more, and it is
    closed only as long as it is the same file.
    """

    def __init__(self) -> None:
        self._descriptor = -1
        self._file: tuple[int, int] | None = None
        self._lost = False
        self._last_s = 0.0
        self._buffer = ctypes.create_string_buffer(64)
        self._pread: Any = None

    def __enter__(self) -> Self:
        try:
            self._pread = ctypes.PyDLL(None).pread
            self._pread.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64)
            self._pread.restype = ctypes.c_ssize_t
            self._descriptor = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
            self._file = file_of(self._descriptor)
            self.read_s()
        except (OSError, AttributeError, TypeError):
            self.__exit__(None, None, None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        close_same(descriptor, self._file)

    def read_s(self) -> float:
        """Return the seconds so far; 0 where the system does not tell (any more)."""
        if self._descriptor < 0 or self._lost:
            return 0.0
        length = self._pread(self._descriptor, self._buffer, 63, 0)
        try:
            _, delay_ns, _ = map(int, self._buffer.raw[: max(0, length)].split())
        except ValueError:  # nothing, or another file
            self._lost = True
            return 0.0
        if delay_ns / 1e9 < self._last_s:
            self._lost = True
            return 0.0
        self._last_s = delay_ns / 1e9
        return self._last_s


def file_of(descriptor: int) -> tuple[int, int]:
    """Return what tells an open file from another one: device and inode."""
    its = os.fstat(descriptor)
    return its.st_dev, its.st_ino


def close_same(descriptor: int, file: tuple[int, int] | None) -> None:
    """Close a file, unless a node did so before and the number is free or another file's."""
    with suppress(OSError):
        if descriptor >= 0 and file_of(descriptor) == file:
            os.close(descriptor)


class Stopwatch:
    """Reads the clocks of the calling thread; use it in the thread that made it, as a context manager."""

    def __init__(self) -> None:
        self._gc_s = 0.0
        self._gc_began = 0.0
        self._run_delay = RunDelay()
        self.counts_switches = _THREAD is not None

    def __enter__(self) -> Self:
        self._run_delay.__enter__()
        gc.callbacks.append(self._collects)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ValueError):  # a node may have cleared them
            gc.callbacks.remove(self._collects)
        self._run_delay.__exit__(None, None, None)

    def _collects(self, phase: str, _: dict[str, Any]) -> None:
        if phase == "start":
            self._gc_began = time.perf_counter()
        else:
            self._gc_s += time.perf_counter() - self._gc_began

    def begin(self) -> Clocks:
        """Read all clocks, the wall last; again, when this thread lost its core meanwhile."""
        for _ in range(_TRIES):
            before_s = time.perf_counter()
            delay_s = self._run_delay.read_s()
            children_s, switches = _usage()
            # Process and thread in the same order at both ends: the time between the readings cancels out.
            process_s = time.process_time()
            cpu_s = time.thread_time()
            wall_s = time.perf_counter()
            if wall_s - before_s < _PREEMPTED_S:
                break
        return Clocks(wall_s, cpu_s, process_s, delay_s, children_s, *switches, self._gc_s)

    def end(self, began: Clocks) -> Clocks:
        """Read all clocks, the wall first, and return what passed since `began`."""
        wall_s = time.perf_counter()
        process_s = time.process_time()
        cpu_s = time.thread_time()
        children_s, switches = _usage()
        delay_s = self._run_delay.read_s()
        late_s = time.perf_counter() - wall_s
        if late_s > _PREEMPTED_S:  # the core was lost after the wall was read: that is not the call's delay
            delay_s -= late_s
        ended = Clocks(wall_s, cpu_s, process_s, delay_s, children_s, *switches, self._gc_s)
        passed = Clocks._make(max(type(a)(0), b - a) for a, b in zip(began, ended, strict=True))
        return passed if not self.counts_switches else _never_blocked(passed)


def _never_blocked(passed: Clocks) -> Clocks:
    """Without a voluntary switch, time off the core is run delay, whoever took the core."""
    missing_s = passed.wall_s - passed.cpu_s
    if passed.nvcsw or missing_s <= passed.run_delay_s:
        return passed
    return passed._replace(run_delay_s=missing_s)


def voluntary_switches() -> int:
    """Return how often the calling thread went to sleep; 0 where the system does not tell."""
    return resource.getrusage(_THREAD).ru_nvcsw if _THREAD is not None else 0


def _usage() -> tuple[float, tuple[int, int, int]]:
    """Return CPU seconds of children, and this thread's (voluntary, involuntary switches, minor faults)."""
    if _THREAD is None or _CHILDREN is None:
        return 0.0, (0, 0, 0)
    mine, children = resource.getrusage(_THREAD), resource.getrusage(_CHILDREN)
    return children.ru_utime + children.ru_stime, (mine.ru_nvcsw, mine.ru_nivcsw, mine.ru_minflt)
