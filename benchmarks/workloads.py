"""Workloads of known nature: what a profiler's figures, and predictions for pairs, are held against.

Each is a small function with its inputs made beforehand. It is sized once, to about a tenth of a second, and
then stays as it is. What is known by construction is written down: a Python loop holds the GIL all the time,
a sleep never does. Where only a trace of the interpreter's lock can tell (how much of a fit of scikit-learn
holds it?), the share is None. Packages that are not installed are named by `missing`.

    with prepared(workload) as ready:
        ready.fn()
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import time
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import benchmarks.setups as std
import benchmarks.setups_packages as lib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TARGET_S = 0.08
_SIZED_BY = 3  # calls
_MANY_BYTES = 4096  # hashlib gives the GIL back from 2 KiB on


class Truth(NamedTuple):
    """Shares of the wall; None where it is not known by construction."""

    gil: float | None = None
    """Held by the threads of the node."""
    blocked: float | None = None
    """Of the calling thread: asleep, in IO, at a lock, for a child process."""
    cpu: float | None = None
    """Of the calling thread."""


class Workload(NamedTuple):
    """Something to measure.

    `setup(size, stack)` makes the inputs and returns the function; what must be undone is left to the stack.
    """

    name: str
    setup: Callable[[int, ExitStack], Callable[[], Any]]
    size: int
    """To begin with; multiplied until a call takes about `TARGET_S`."""
    classes: frozenset[str]
    """Right answers to what kind of node it is."""
    truth: Truth = Truth()
    packages: tuple[str, ...] = ()
    fixed: bool = False
    """The size is a time by itself."""


class Ready(NamedTuple):
    """A workload that can be called."""

    name: str
    fn: Callable[[], Any]
    size: int
    seconds: float
    """Wall of a call when it was sized."""


class Parts:
    """Functions called one after the other, each of known GIL share; `gil` follows from their walls."""

    def __init__(self, *parts: tuple[Callable[[], Any], float]) -> None:
        self.parts = parts
        self.took_s = [0.0] * len(parts)

    def __call__(self) -> None:
        """Call them, and add up what each takes."""
        for i, (fn, _) in enumerate(self.parts):
            began = time.perf_counter()
            fn()
            self.took_s[i] += time.perf_counter() - began

    @property
    def gil(self) -> float | None:
        """GIL share over all calls so far."""
        total_s = sum(self.took_s)
        if not total_s:
            return None
        return sum(took * part[1] for took, part in zip(self.took_s, self.parts, strict=True)) / total_s


class ManyHashes:
    """Hashes small buffers. What of it is native follows from how long a large buffer takes, by the byte."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self) -> None:
        """Hash."""
        data, sha256 = bytes(_MANY_BYTES), hashlib.sha256
        for _ in range(self.count):
            sha256(data).digest()

    @property
    def gil(self) -> float:
        """GIL share of the CPU time, measured now: what a large buffer takes by the byte is native."""
        large = bytes(256 * _MANY_BYTES)
        native_s = min(_cpu_s(lambda: hashlib.sha256(large).digest()) for _ in range(9)) / 256
        call_s = min(_cpu_s(self) for _ in range(3)) / self.count
        return max(0.0, 1 - native_s / call_s)


def _cpu_s(fn: Callable[[], Any]) -> float:
    began = time.thread_time()
    fn()
    return time.thread_time() - began


def missing(workload: Workload) -> tuple[str, ...]:
    """Return the packages that a workload needs and that are not installed."""
    return tuple(name for name in workload.packages if importlib.util.find_spec(name) is None)


@contextmanager
def prepared(workload: Workload, target_s: float = TARGET_S) -> Iterator[Ready]:
    """Make the inputs and find the size at which a call takes about `target_s`."""
    size = workload.size
    for last in (False, False, False, True):
        with ExitStack() as stack:
            fn = workload.setup(size, stack)
            took_s = _settled_s(fn, target_s)
            better = size if workload.fixed else max(1, round(size * min(100.0, target_s / took_s)))
            if last or better == size or 0.7 * target_s <= took_s <= 1.4 * target_s:
                if isinstance(fn, Parts):
                    fn.took_s = [0.0] * len(fn.parts)
                yield Ready(workload.name, fn, size, took_s)
                return
        size = better


def _settled_s(fn: Callable[[], Any], warm_s: float) -> float:
    """Return the wall of a call once the first ones, which may be slow, are over: a median."""
    until = time.perf_counter() + warm_s
    fn()
    while time.perf_counter() < until:
        fn()
    walls_s = []
    for _ in range(_SIZED_BY):
        began = time.perf_counter()
        fn()
        walls_s.append(time.perf_counter() - began)
    return max(median(walls_s), 1e-6)


def _loop_sleep(size: int, stack: ExitStack) -> Callable[[], Any]:
    return Parts((std.make_loop(size * 14_000, stack), 1.0), (std.make_sleep(size, stack), 0.0))


def _loop_sha256(size: int, stack: ExitStack) -> Callable[[], Any]:
    return Parts(
        (std.make_loop(size * 10_000, stack), 1.0), (std.make_sha256_big(size * 1_000_000, stack), 0.0)
    )


def _json_zlib(size: int, stack: ExitStack) -> Callable[[], Any]:
    return Parts(
        (std.make_json_dumps(size * 200, stack), 1.0), (std.make_compress("zlib")(size * 20_000, stack), 0.0)
    )


def _sha256_many(size: int, _: ExitStack) -> Callable[[], Any]:
    return ManyHashes(size)


def workloads() -> list[Workload]:
    """Return all workloads."""

    def is_any(*kinds: str) -> frozenset[str]:
        return frozenset(kinds)

    held, native, blocked = Truth(1.0, 0.0, 1.0), Truth(0.0, 0.0, 1.0), Truth(0.0, 1.0, 0.0)
    python, holds = is_any("python"), is_any("holds", "python")
    return [
        Workload("loop", std.make_loop, 1_000_000, python, held),
        Workload("json_dumps", std.make_json_dumps, 20_000, holds, held),
        Workload("json_loads", std.make_json_loads, 20_000, holds, held),
        Workload("sort_objects", std.make_sort_objects, 30_000, python, held),
        Workload("sort_strings", std.make_sort_strings, 100_000, holds, held),
        Workload("regex", std.make_regex, 1_000, holds, held),
        Workload("threads", std.make_threads, 500_000, python, Truth(1.0, None, None)),
        Workload("numpy_small", lib.make_numpy_small, 30_000, python, held, ("numpy",)),
        Workload("numpy_elementwise", lib.make_numpy_elementwise, 10, is_any("native"), packages=("numpy",)),
        Workload("matmul_1", lib.make_matmul(1), 5, is_any("native"), native, ("numpy", "threadpoolctl")),
        Workload(
            "matmul_2",
            lib.make_matmul(2),
            10,
            is_any("parallel") if len(os.sched_getaffinity(0)) > 1 else is_any("native"),
            Truth(0.0),
            ("numpy", "threadpoolctl"),
        ),
        Workload("zlib", std.make_compress("zlib"), 2_000_000, is_any("native"), native),
        Workload("bz2", std.make_compress("bz2"), 1_000_000, is_any("native"), native),
        Workload("lzma", std.make_compress("lzma"), 200_000, is_any("native"), native),
        Workload("sha256_big", std.make_sha256_big, 50_000_000, is_any("native"), native),
        Workload("sha256_many", _sha256_many, 10_000, is_any("chatty", "native"), Truth(None, 0.0, 1.0)),
        Workload("sleep", std.make_sleep, 80, is_any("io"), blocked, fixed=True),
        Workload("sleep_many", std.make_sleep_many, 70, is_any("chatty")),
        Workload("lock_wait", std.make_lock_wait, 80, is_any("io"), blocked, fixed=True),
        Workload(
            "file_warm", std.make_file_warm, 50, is_any("native", "chatty", "mixed"), Truth(None, None, None)
        ),
        Workload("file_cold", std.make_file_cold, 20, is_any("native", "io", "chatty", "mixed")),
        Workload("socket_slow", std.make_socket_slow, 80, is_any("io"), blocked, fixed=True),
        Workload("socket_chatty", std.make_socket_chatty, 1_000, is_any("chatty")),
        Workload("child", std.make_child, 1_000_000, is_any("native", "io"), Truth(None, 1.0, 0.0)),
        Workload("sqlite", std.make_sqlite, 100_000, is_any("native"), native),
        Workload("groupby", lib.make_groupby, 200_000, is_any("native", "mixed"), packages=("pandas",)),
        Workload("forest", lib.make_forest, 10, is_any("mixed", "chatty"), packages=("sklearn",)),
        Workload(
            "logistic", lib.make_logistic, 5, is_any("mixed", "python", "chatty"), packages=("sklearn",)
        ),
        Workload("savefig", lib.make_savefig, 1, is_any("chatty", "mixed"), packages=("matplotlib",)),
        Workload("loop_sleep", _loop_sleep, 40, is_any("mixed")),
        Workload("loop_sha256", _loop_sha256, 40, is_any("mixed")),
        Workload("json_zlib", _json_zlib, 40, is_any("mixed")),
    ]
