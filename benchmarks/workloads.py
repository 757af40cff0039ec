"""Workloads of known nature: what a profiler's figures, and predictions for pairs, are held against.

Each is a small function with its inputs made beforehand. It is sized once, to about a tenth of a second, and
then stays as it is. What is known by construction is written down: a Python loop holds the GIL all the time,
a sleep never does. Where only a trace of the interpreter's lock can tell (how much of a fit of scikit-learn
holds it?), the share is None. Packages that are not installed are named by `missing`.

    with prepared(workload) as ready:
        ready.fn()
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TARGET_S = 0.08
_MANY_BYTES = 4096  # hashlib gives the GIL back from 2 KiB on
_CHUNK = 1 << 20


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
    """Wall of the last call while it was sized."""


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
            fn()
            began = time.perf_counter()
            fn()
            took_s = max(time.perf_counter() - began, 1e-6)
            better = size if workload.fixed else max(1, round(size * min(100.0, target_s / took_s)))
            if last or better == size or 0.7 * target_s <= took_s <= 1.4 * target_s:
                if isinstance(fn, Parts):
                    fn.took_s = [0.0] * len(fn.parts)
                yield Ready(workload.name, fn, size, took_s)
                return
        size = better


def _module(name: str) -> Any:
    return importlib.import_module(name)


# -- Python ------------------------------------------------------------------------------------------------


def _loop(size: int, _: ExitStack) -> Callable[[], Any]:
    def loop() -> int:
        total = 0
        for i in range(size):
            total += i % 7
        return total

    return loop


def _records(size: int) -> list[dict[str, Any]]:
    return [{"id": i, "name": f"name {i}", "values": [i, i / 7, None, True]} for i in range(size)]


def _json_dumps(size: int, _: ExitStack) -> Callable[[], Any]:
    import json

    records = _records(size)
    return lambda: len(json.dumps(records))


def _json_loads(size: int, _: ExitStack) -> Callable[[], Any]:
    import json

    text = json.dumps(_records(size))
    return lambda: len(json.loads(text))


class _Item:
    __slots__ = ("key",)

    def __init__(self, key: float) -> None:
        self.key = key

    def __lt__(self, other: _Item) -> bool:
        return self.key < other.key


def _sort_objects(size: int, _: ExitStack) -> Callable[[], Any]:
    import random

    draw = random.Random(1)
    items = [_Item(draw.random()) for _ in range(size)]
    return lambda: len(sorted(items))


def _sort_strings(size: int, _: ExitStack) -> Callable[[], Any]:
    import random

    draw = random.Random(1)
    texts = [f"{draw.random():.12f}" for _ in range(size)]
    return lambda: len(sorted(texts))


def _regex(size: int, _: ExitStack) -> Callable[[], Any]:
    import re

    pattern = re.compile("a+c")
    text = ("a" * 100 + "b") * size  # 5,000 steps back in each hundred
    return lambda: len(pattern.findall(text))


def _threads(size: int, stack: ExitStack) -> Callable[[], Any]:
    loop = _loop(size, stack)

    def threads() -> None:
        started = [threading.Thread(target=loop) for _ in range(2)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()

    return threads


# -- native ------------------------------------------------------------------------------------------------


def _numpy_small(size: int, _: ExitStack) -> Callable[[], Any]:
    np = _module("numpy")
    a, b = np.arange(16.0), np.ones(16)

    def numpy_small() -> Any:
        total = a
        for _ in range(size):
            total = total * b + a
        return total

    return numpy_small


def _numpy_elementwise(size: int, _: ExitStack) -> Callable[[], Any]:
    np = _module("numpy")
    a = np.linspace(0.0, 1.0, 1_000_000)
    out = np.empty_like(a)

    def numpy_elementwise() -> None:
        for _ in range(size):
            np.exp(a, out=out)
            np.sqrt(out, out=out)

    return numpy_elementwise


def _matmul(threads: int) -> Callable[[int, ExitStack], Callable[[], Any]]:
    def setup(size: int, _: ExitStack) -> Callable[[], Any]:
        np = _module("numpy")
        a = np.random.default_rng(1).random((700, 700))
        out = np.empty_like(a)
        a @ a  # the library is there now, and the controller finds it
        pools = _module("threadpoolctl").ThreadpoolController()

        def matmul() -> None:
            with pools.limit(limits=threads, user_api="blas"):
                for _ in range(size):
                    np.matmul(a, a, out=out)

        return matmul

    return setup


def _text(size: int) -> bytes:
    import random

    draw = random.Random(1)
    words = [bytes(draw.choices(b"abcdefghijklmnop", k=draw.randint(2, 9))) for _ in range(997)]
    some = b" ".join(draw.choices(words, k=20_000))
    return (some * (size // len(some) + 1))[:size]


def _compress(module: str) -> Callable[[int, ExitStack], Callable[[], Any]]:
    def setup(size: int, _: ExitStack) -> Callable[[], Any]:
        compress = _module(module).compress
        data = _text(size)
        return lambda: len(compress(data))

    return setup


def _sha256_big(size: int, _: ExitStack) -> Callable[[], Any]:
    import hashlib

    data = bytes(size)
    return lambda: hashlib.sha256(data).digest()


def _sha256_many(size: int, _: ExitStack) -> Callable[[], Any]:
    import hashlib

    data = bytes(_MANY_BYTES)

    def sha256_many() -> None:
        for _ in range(size):
            hashlib.sha256(data).digest()

    return sha256_many


# -- waiting -----------------------------------------------------------------------------------------------


def _sleep(size: int, _: ExitStack) -> Callable[[], Any]:
    return lambda: time.sleep(size / 1000)


def _sleep_many(size: int, _: ExitStack) -> Callable[[], Any]:
    def sleep_many() -> None:
        for _ in range(size):
            time.sleep(0.001)

    return sleep_many


def _lock_wait(size: int, _: ExitStack) -> Callable[[], Any]:
    lock = threading.Lock()

    def lock_wait() -> None:
        lock.acquire()
        later = threading.Timer(size / 1000, lock.release)
        later.start()
        with lock:
            pass
        later.join()

    return lock_wait


def _file(stack: ExitStack, size: int) -> Path:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="makespan-benchmark-"))
    path = Path(folder, "file")
    with path.open("wb") as file:
        for _ in range(size):
            file.write(os.urandom(_CHUNK))
        file.flush()
        os.fsync(file.fileno())
    return path


def _file_warm(size: int, stack: ExitStack) -> Callable[[], Any]:
    path, chunk = _file(stack, 1), bytes(_CHUNK)

    def file_warm() -> int:
        with path.open("wb", buffering=0) as file:
            for _ in range(size):
                file.write(chunk)
        with path.open("rb", buffering=0) as file:
            return sum(len(file.read(_CHUNK)) for _ in range(size))

    return file_warm


def _file_cold(size: int, stack: ExitStack) -> Callable[[], Any]:
    path = _file(stack, size)

    def file_cold() -> int:
        with path.open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            return sum(len(file.read(_CHUNK)) for _ in range(size))

    return file_cold


_SERVER = """
import socket, sys, time
wait_s = float(sys.argv[1])
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    talk, _ = server.accept()
    talk.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while asked := talk.recv(64):
        if wait_s:
            time.sleep(wait_s)
        talk.sendall(asked)
"""


def _connect(stack: ExitStack, wait_s: float) -> Any:
    import socket

    child = subprocess.Popen([sys.executable, "-c", _SERVER, str(wait_s)], stdout=subprocess.PIPE)
    stack.callback(child.wait)
    stack.callback(child.kill)
    assert child.stdout is not None
    stack.callback(child.stdout.close)
    talk = socket.create_connection(("127.0.0.1", int(child.stdout.readline())))
    talk.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stack.enter_context(talk)


def _socket_slow(size: int, stack: ExitStack) -> Callable[[], Any]:
    talk = _connect(stack, size / 1000)

    def socket_slow() -> bytes:
        talk.sendall(b"question")
        answer: bytes = talk.recv(64)
        return answer

    return socket_slow


def _socket_chatty(size: int, stack: ExitStack) -> Callable[[], Any]:
    talk = _connect(stack, 0)

    def socket_chatty() -> None:
        for _ in range(size):
            talk.sendall(b"question")
            talk.recv(64)

    return socket_chatty


def _child(size: int, _: ExitStack) -> Callable[[], Any]:
    command = [sys.executable, "-S", "-c", f"for i in range({size}): i * i"]
    return lambda: subprocess.run(command, check=True)


# -- libraries ---------------------------------------------------------------------------------------------


def _sqlite(size: int, stack: ExitStack) -> Callable[[], Any]:
    import sqlite3

    base = sqlite3.connect(":memory:", check_same_thread=False)
    stack.callback(base.close)
    base.execute("create table numbers (x integer, y real)")
    base.executemany("insert into numbers values (?, ?)", ((i % 97, i / 3) for i in range(size)))
    query = "select x, sum(y), avg(y * y) from numbers group by x order by 2 desc limit 3"
    return lambda: base.execute(query).fetchall()


def _groupby(size: int, _: ExitStack) -> Callable[[], Any]:
    np, pd = _module("numpy"), _module("pandas")
    draw = np.random.default_rng(1)
    frame = pd.DataFrame(
        {"key": draw.integers(0, 1000, size), "x": draw.random(size), "y": draw.random(size)}
    )
    return lambda: frame.groupby("key").agg({"x": ["mean", "std"], "y": ["sum", "max"]})


def _data(rows: int) -> tuple[Any, Any]:
    np = _module("numpy")
    draw = np.random.default_rng(1)
    x = draw.random((rows, 20))
    return x, (x[:, 0] + x[:, 1] * x[:, 2] + 0.1 * draw.random(rows) > 0.8).astype(int)


def _forest(size: int, _: ExitStack) -> Callable[[], Any]:
    forest = _module("sklearn.ensemble").RandomForestClassifier(n_estimators=size, n_jobs=1, random_state=1)
    x, y = _data(500)
    return lambda: forest.fit(x, y)


def _logistic(size: int, _: ExitStack) -> Callable[[], Any]:
    model = _module("sklearn.linear_model").LogisticRegression
    x, y = _data(2000)

    def logistic() -> None:
        for _ in range(size):
            model(max_iter=200).fit(x, y)

    return logistic


def _savefig(size: int, _: ExitStack) -> Callable[[], Any]:
    import io

    figure = _module("matplotlib.figure").Figure()
    _module("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    figure.subplots().plot([i * i % 17 for i in range(200)])

    def savefig() -> None:
        for _ in range(size):
            figure.savefig(io.BytesIO(), format="png")

    return savefig


# -- mixes -------------------------------------------------------------------------------------------------


def _loop_sleep(size: int, stack: ExitStack) -> Callable[[], Any]:
    return Parts((_loop(size * 10_000, stack), 1.0), (_sleep(size, stack), 0.0))


def _loop_sha256(size: int, stack: ExitStack) -> Callable[[], Any]:
    return Parts((_loop(size * 10_000, stack), 1.0), (_sha256_big(size * 1_000_000, stack), 0.0))


def _json_zlib(size: int, stack: ExitStack) -> Callable[[], Any]:
    return Parts((_json_dumps(size * 200, stack), 1.0), (_compress("zlib")(size * 20_000, stack), 0.0))


def workloads() -> list[Workload]:
    """Return all workloads."""

    def is_any(*kinds: str) -> frozenset[str]:
        return frozenset(kinds)

    held, native, blocked = Truth(1.0, 0.0, 1.0), Truth(0.0, 0.0, 1.0), Truth(0.0, 1.0, 0.0)
    python, holds = is_any("python"), is_any("holds", "python")
    return [
        Workload("loop", _loop, 1_000_000, python, held),
        Workload("json_dumps", _json_dumps, 20_000, holds, held),
        Workload("json_loads", _json_loads, 20_000, holds, held),
        Workload("sort_objects", _sort_objects, 30_000, python, held),
        Workload("sort_strings", _sort_strings, 100_000, holds, held),
        Workload("regex", _regex, 1_000, holds, held),
        Workload("threads", _threads, 500_000, python, Truth(1.0, None, None)),
        Workload("numpy_small", _numpy_small, 30_000, python, held, ("numpy",)),
        Workload("numpy_elementwise", _numpy_elementwise, 10, is_any("native"), packages=("numpy",)),
        Workload("matmul_1", _matmul(1), 5, is_any("native"), native, ("numpy", "threadpoolctl")),
        Workload(
            "matmul_2",
            _matmul(2),
            10,
            is_any("parallel") if len(os.sched_getaffinity(0)) > 1 else is_any("native"),
            Truth(0.0),
            ("numpy", "threadpoolctl"),
        ),
        Workload("zlib", _compress("zlib"), 2_000_000, is_any("native"), native),
        Workload("bz2", _compress("bz2"), 1_000_000, is_any("native"), native),
        Workload("lzma", _compress("lzma"), 200_000, is_any("native"), native),
        Workload("sha256_big", _sha256_big, 50_000_000, is_any("native"), native),
        Workload("sha256_many", _sha256_many, 10_000, is_any("chatty", "native"), Truth(None, 0.0, 1.0)),
        Workload("sleep", _sleep, 80, is_any("io"), blocked, fixed=True),
        Workload("sleep_many", _sleep_many, 70, is_any("chatty")),
        Workload("lock_wait", _lock_wait, 80, is_any("io"), blocked, fixed=True),
        Workload("file_warm", _file_warm, 50, is_any("native", "chatty", "mixed"), Truth(None, None, None)),
        Workload("file_cold", _file_cold, 20, is_any("native", "io", "chatty", "mixed")),
        Workload("socket_slow", _socket_slow, 80, is_any("io"), blocked, fixed=True),
        Workload("socket_chatty", _socket_chatty, 1_000, is_any("chatty")),
        Workload("child", _child, 1_000_000, is_any("native", "io"), Truth(None, 1.0, 0.0)),
        Workload("sqlite", _sqlite, 100_000, is_any("native"), native),
        Workload("groupby", _groupby, 200_000, is_any("native", "mixed"), packages=("pandas",)),
        Workload("forest", _forest, 10, is_any("mixed", "chatty"), packages=("sklearn",)),
        Workload("logistic", _logistic, 5, is_any("mixed", "python", "chatty"), packages=("sklearn",)),
        Workload("savefig", _savefig, 1, is_any("python"), packages=("matplotlib",)),
        Workload("loop_sleep", _loop_sleep, 40, is_any("mixed")),
        Workload("loop_sha256", _loop_sha256, 40, is_any("mixed")),
        Workload("json_zlib", _json_zlib, 40, is_any("mixed")),
    ]
