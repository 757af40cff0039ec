"""Inputs and functions of the workloads that need the standard library alone; see `benchmarks.workloads`.

Each takes a size and a stack, and returns the function; what must be undone is left to the stack.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

_CHUNK = 1 << 20


# -- Python ------------------------------------------------------------------------------------------------


def make_loop(size: int, _: ExitStack) -> Callable[[], Any]:
    """Bytecode alone."""

    def loop() -> int:
        total = 0
        for i in range(size):
            total += i % 7
        return total

    return loop


def _records(size: int) -> list[dict[str, Any]]:
    return [{"id": i, "name": f"name {i}", "values": [i, i / 7, None, True]} for i in range(size)]


def make_json_dumps(size: int, _: ExitStack) -> Callable[[], Any]:
    """One C call over many small objects."""
    import json

    records = _records(size)
    return lambda: len(json.dumps(records))


def make_json_loads(size: int, _: ExitStack) -> Callable[[], Any]:
    """One C call that makes many small objects."""
    import json

    text = json.dumps(_records(size))
    return lambda: len(json.loads(text))


class _Item:
    __slots__ = ("key",)

    def __init__(self, key: float) -> None:
        self.key = key

    def __lt__(self, other: _Item) -> bool:
        return self.key < other.key


def make_sort_objects(size: int, _: ExitStack) -> Callable[[], Any]:
    """Sort with a comparison in Python."""
    import random

    draw = random.Random(1)
    items = [_Item(draw.random()) for _ in range(size)]
    return lambda: len(sorted(items))


def make_sort_strings(size: int, _: ExitStack) -> Callable[[], Any]:
    """Sort with a comparison in C: one call without a safe point."""
    import random

    draw = random.Random(1)
    texts = [f"{draw.random():.12f}" for _ in range(size)]
    return lambda: len(sorted(texts))


def make_regex(size: int, _: ExitStack) -> Callable[[], Any]:
    """One search that steps back a lot, but not exponentially."""
    import re

    pattern = re.compile("a+c")
    text = ("a" * 100 + "b") * size  # 5,000 steps back in each hundred
    return lambda: len(pattern.findall(text))


def make_threads(size: int, stack: ExitStack) -> Callable[[], Any]:
    """Two Python threads that the node starts, one waiting for the other."""
    loop = make_loop(size, stack)

    def threads() -> None:
        started = [threading.Thread(target=loop) for _ in range(2)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()

    return threads


def _text(size: int) -> bytes:
    import random

    draw = random.Random(1)
    words = [bytes(draw.choices(b"abcdefghijklmnop", k=draw.randint(2, 9))) for _ in range(997)]
    some = b" ".join(draw.choices(words, k=20_000))
    return (some * (size // len(some) + 1))[:size]


def make_compress(module: str) -> Callable[[int, ExitStack], Callable[[], Any]]:
    """One call of zlib, bz2 or lzma over text."""

    def setup(size: int, _: ExitStack) -> Callable[[], Any]:
        compress = importlib.import_module(module).compress
        data = _text(size)
        return lambda: len(compress(data))

    return setup


def make_sha256_big(size: int, _: ExitStack) -> Callable[[], Any]:
    """One long call that gives the GIL back."""
    import hashlib

    data = bytes(size)
    return lambda: hashlib.sha256(data).digest()


def make_sqlite(size: int, stack: ExitStack) -> Callable[[], Any]:
    """Query a table in memory."""
    import sqlite3

    base = sqlite3.connect(":memory:", check_same_thread=False)
    stack.callback(base.close)
    base.execute("create table numbers (x integer, y real)")
    base.executemany("insert into numbers values (?, ?)", ((i % 97, i / 3) for i in range(size)))
    query = "select x, sum(y), avg(y * y) from numbers group by x order by 2 desc limit 3"
    return lambda: base.execute(query).fetchall()


# -- waiting -----------------------------------------------------------------------------------------------


def make_sleep(size: int, _: ExitStack) -> Callable[[], Any]:
    """One sleep of `size` milliseconds."""
    return lambda: time.sleep(size / 1000)


def make_sleep_many(size: int, _: ExitStack) -> Callable[[], Any]:
    """Sleeps of a millisecond."""

    def sleep_many() -> None:
        for _ in range(size):
            time.sleep(0.001)

    return sleep_many


def make_lock_wait(size: int, _: ExitStack) -> Callable[[], Any]:
    """Wait for a lock that another thread gives back."""
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


def make_file_warm(size: int, stack: ExitStack) -> Callable[[], Any]:
    """Write a file and read it again, from the page cache."""
    path, chunk = _file(stack, 1), bytes(_CHUNK)

    def file_warm() -> int:
        with path.open("wb", buffering=0) as file:
            for _ in range(size):
                file.write(chunk)
        with path.open("rb", buffering=0) as file:
            return sum(len(file.read(_CHUNK)) for _ in range(size))

    return file_warm


def make_file_cold(size: int, stack: ExitStack) -> Callable[[], Any]:
    """Read a file that the page cache was told to forget."""
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


def make_socket_slow(size: int, stack: ExitStack) -> Callable[[], Any]:
    """One question to another process, which takes its time."""
    talk = _connect(stack, size / 1000)

    def socket_slow() -> bytes:
        talk.sendall(b"question")
        answer: bytes = talk.recv(64)
        return answer

    return socket_slow


def make_socket_chatty(size: int, stack: ExitStack) -> Callable[[], Any]:
    """Many questions to another process, answered at once."""
    talk = _connect(stack, 0)

    def socket_chatty() -> None:
        for _ in range(size):
            talk.sendall(b"question")
            talk.recv(64)

    return socket_chatty


def make_child(size: int, _: ExitStack) -> Callable[[], Any]:
    """Run a child process that is busy."""
    command = [sys.executable, "-S", "-c", f"for i in range({size}): i * i"]
    return lambda: subprocess.run(command, check=True)
