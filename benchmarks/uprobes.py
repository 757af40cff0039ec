"""What really happened in a call, by tracing CPython's own `take_gil` and `drop_gil`: truth for the profiler.

::

    take_gil ──┬─ waits ─┬── holds the lock ──┬── native, asleep, … ──┬─ take_gil
             enters   returns           drop_gil enters             enters

Probes on both functions and the kernel's events of threads that leave and enter a core, all on one clock,
give exact seconds: on a core with the lock, on a core without it, waiting for it, blocked, runnable but not
on a core. Needs root, tracefs and a symbol table.

A probe takes a microsecond or two, in every process that runs the same interpreter, and a call that changes
hands a hundred thousand times a second feels that. So calls are traced twice: the kernel's events alone tell
what was on a core and what was blocked; the probes tell which share of the time on a core had the lock. What
a probe costs is measured, and taken off both shares alike: half of it falls into each.

Source: Linux, Documentation/trace/uprobetracer.rst and events.rst; CPython, Python/ceval_gil.c.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.uprobe_events import BEGIN, END, Exact, exact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Self

TRACEFS = Path("/sys/kernel/tracing")
_BUFFER_KB = 32_768  # of each core
_SCHED = ("sched/sched_switch", "sched/sched_wakeup", "sched/sched_wakeup_new")
_GROUP = "makespan_"
_SYMBOLS = ("take_gil", "drop_gil")


class TracingUnavailableError(Exception):
    """The interpreter's lock cannot be traced here; the message says why."""


class Tracer:
    """Traces calls of this process; a context manager that takes all probes away again.

    Raises
    ------
    TracingUnavailableError
        When it is entered: not Linux, not root, no tracefs, no symbols.
    """

    def __init__(self) -> None:
        self._group = f"{_GROUP}{os.getpid()}"
        self._instance = TRACEFS / "instances" / self._group
        self.probe_s = 0.0

    def __enter__(self) -> Self:
        if sys.platform != "linux" or os.geteuid() != 0:
            raise TracingUnavailableError("it needs Linux and root")
        if not (TRACEFS / "uprobe_events").exists():
            raise TracingUnavailableError("no tracefs: mount -t tracefs nodev /sys/kernel/tracing")
        _sweep()
        path, offsets = _find()
        try:
            for name, kind, symbol in (
                ("take_in", "p", "take_gil"),
                ("take_out", "r", "take_gil"),
                ("drop_in", "p", "drop_gil"),
            ):
                _append(TRACEFS / "uprobe_events", f"{kind}:{self._group}/{name} {path}:{offsets[symbol]:#x}")
            self._instance.mkdir()
            for file, text in (
                ("tracing_on", "0"),
                ("trace_clock", "mono"),
                ("buffer_size_kb", str(_BUFFER_KB)),
                ("options/record-tgid", "1"),
                ("options/overwrite", "0"),
            ):
                (self._instance / file).write_text(text)
            self.probe_s = self._calibrate()
        except (OSError, ValueError) as error:
            self._close()
            raise TracingUnavailableError(f"no probes can be set: {error}") from error
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        _remove(self._group)

    def _enable(self, value: str, *groups: str) -> None:
        for group in groups:
            (self._instance / "events" / group / "enable").write_text(value)

    def trace(self, fn: Callable[[], Any], times: int = 1, *, probes: bool = True) -> Exact:
        """Call `fn` some times while its thread is traced, and return the sums.

        Raises
        ------
        ValueError
            Events were lost.
        """
        instance = self._instance
        groups = (*_SCHED, self._group) if probes else _SCHED
        (instance / "trace").write_text("")
        on = os.open(instance / "tracing_on", os.O_WRONLY)
        marker = os.open(instance / "trace_marker", os.O_WRONLY)
        try:
            self._enable("1", *groups)
            os.write(on, b"1")
            os.write(marker, BEGIN.encode())
            for _ in range(times):
                fn()
            os.write(marker, END.encode())
        finally:
            os.write(on, b"0")
            os.close(on)
            os.close(marker)
            self._enable("0", *groups)
        with (instance / "trace").open(encoding="utf-8", errors="replace") as lines:
            return exact(lines, threading.get_native_id(), os.getpid())

    def _calibrate(self) -> float:
        """Return half of what the probes of one hand-over add outside take_gil, in seconds."""
        data = bytes(4096)

        def chatty() -> None:
            for _ in range(2000):
                hashlib.sha256(data).digest()

        chatty()
        plain_s = min(timed(chatty) for _ in range(5))
        probed = min((self.trace(chatty) for _ in range(5)), key=lambda made: made.cpu_s)
        return max(0.0, (probed.held_s + probed.native_s - plain_s) / (2 * probed.takes))


def timed(fn: Callable[[], Any]) -> float:
    """Return the CPU seconds of a call."""
    began = time.thread_time()
    fn()
    return time.thread_time() - began


def _remove(group: str) -> None:
    """Take away the probes and the buffers of a process."""
    instance = TRACEFS / "instances" / group
    for enable in [instance / "events" / each / "enable" for each in (*_SCHED, group)]:
        with contextlib.suppress(OSError):
            enable.write_text("0")
    with contextlib.suppress(OSError):
        instance.rmdir()
    for probe in (TRACEFS / "uprobe_events").read_text().split():
        if probe[2:].startswith(f"{group}/"):
            with contextlib.suppress(OSError):
                _append(TRACEFS / "uprobe_events", f"-:{probe[2:]}")


def _sweep() -> None:
    """Take away what processes that were killed have left."""
    for line in (TRACEFS / "uprobe_events").read_text().splitlines():
        group = line.split("/")[0][2:]
        pid = group.removeprefix(_GROUP)
        if group.startswith(_GROUP) and pid.isdigit() and not Path("/proc", pid).exists():
            _remove(group)


def _append(path: Path, line: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


def _find() -> tuple[str, dict[str, int]]:
    """Return the file that holds the interpreter, and where in it the functions begin."""
    paths = [
        line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if " r-xp " in line
    ]
    for path in dict.fromkeys(paths):
        if "python" not in Path(path).name or not Path(path).is_file():
            continue
        found = symbol_offsets(Path(path).read_bytes(), _SYMBOLS)
        if len(found) == len(_SYMBOLS):
            return path, found
    raise TracingUnavailableError(
        "this interpreter has no symbols take_gil and drop_gil (stripped, or inlined)"
    )


def symbol_offsets(elf: bytes, wanted: Iterable[str]) -> dict[str, int]:
    """Return where functions begin in a 64-bit little-endian ELF file, by its symbol table."""
    if elf[:6] != b"\x7fELF\x02\x01":
        return {}
    ph_at, sh_at = struct.unpack_from("<QQ", elf, 32)
    ph_size, ph_count, sh_size, sh_count = struct.unpack_from("<4H", elf, 54)
    loads = []
    for i in range(ph_count):
        kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", elf, ph_at + i * ph_size)
        if kind == 1:
            loads.append((address, size, offset))
    sections = [struct.unpack_from("<IIQQQQII", elf, sh_at + i * sh_size) for i in range(sh_count)]
    names = {name.encode(): name for name in wanted}
    found: dict[str, int] = {}
    for _, kind, _, _, offset, size, link, _ in sections:
        if kind != 2:  # SHT_SYMTAB
            continue
        texts = sections[link][4]
        for name_at, info, _, _, value, _ in struct.iter_unpack("<IBBHQQ", elf[offset : offset + size]):
            if info & 15 != 2:  # STT_FUNC
                continue
            begin = texts + name_at
            name = names.get(elf[begin : elf.index(b"\0", begin)])
            for address, length, at in loads:
                if name is not None and address <= value < address + length:
                    found[name] = value - address + at
    return found
