"""Real pipelines of one to three seconds: what `reality.py` predicts and then runs. This half: stdlib alone.

*survey* is the demo's DAG; *text* is Python nearly all the time, with regular expressions that hold the GIL
for long; *aggregator* asks a slow server in another process, partly through a client that takes one call at a
time, while Python works on the answers; *images* hashes, compresses and scales pictures.
Those that need other packages stand in `real_dags_packages.py`.
"""

# ruff: noqa: D103 - the names say it
from __future__ import annotations

import ast
import bz2
import gzip
import hashlib
import importlib
import json
import lzma
import random
import re
import subprocess
import sys
import sysconfig
import zlib
from collections import Counter
from contextlib import contextmanager
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan import DAG, dag, node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = Path(sysconfig.get_path("stdlib"))

# A server that takes its time, in another process: GET /seconds/bytes.
SERVER = """
import http.server, json, random, sys, time
class Slow(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        _, seconds, size = self.path.split("/")
        time.sleep(float(seconds))
        drawn = random.Random(self.path)
        body = json.dumps([{"id": i, "value": drawn.random()} for i in range(int(size) // 40)]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
print(server.server_port, flush=True)
server.serve_forever()
"""


class Pipeline(NamedTuple):
    """A DAG to predict and run.

    Attributes
    ----------
    name : str
    load : callable
        Returns the DAG and its arguments; imports what it needs.
    packages : tuple of str
        What has to be installed.
    serves : bool
        It takes the port of a `server` as its one argument.
    """

    name: str
    load: Callable[[], tuple[DAG[..., Any], tuple[Any, ...]]]
    packages: tuple[str, ...] = ()
    serves: bool = False

    @property
    def missing(self) -> list[str]:
        """Packages that are not installed."""
        return [name for name in self.packages if find_spec(name) is None]


@contextmanager
def server() -> Iterator[int]:
    """Run the slow server; yields its port."""
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def ask(port: int, seconds: float, size: int) -> Any:
    """Ask the server; the answer comes after so many seconds and has about so many bytes."""
    connection = HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", f"/{seconds}/{size}")
        return json.load(connection.getresponse())
    finally:
        connection.close()


def sources(files: int) -> list[str]:
    """Return the text of so many files of the standard library, evenly spread."""
    found = sorted(path for path in LIBRARY.glob("*.py"))
    return [path.read_text("utf-8", "replace") for path in found[:: max(1, len(found) // files)]]


# -- text: Python, regular expressions, JSON
@node
def read_texts(files: int) -> list[str]:
    return sources(files)


@node
def find_words(texts: list[str]) -> Counter[str]:
    return Counter(word.lower() for text in texts for word in re.findall(r"[A-Za-z_]\w+", text))


@node
def find_strings(texts: list[str]) -> int:
    pattern = re.compile(r"(?s)(\"\"\".*?\"\"\"|'[^'\n]*'|\"[^\"\n]*\")")
    return sum(len(pattern.findall(text)) for text in texts)


@node(lock="ast")
def parse(texts: list[str]) -> Counter[str]:
    kinds: Counter[str] = Counter()
    for text in texts:
        kinds.update(type(item).__name__ for item in ast.walk(ast.parse(text)))
    return kinds


@node
def to_json(texts: list[str], times: int) -> str:
    rows = [{"line": line, "length": len(line)} for text in texts for line in text.splitlines()]
    return json.dumps(rows * times)


@node
def from_json(text: str) -> int:
    return sum(row["length"] for row in json.loads(text))


@node
def pack(text: str) -> int:
    return len(zlib.compress(text.encode(), 6))


@node
def gather(*parts: Any) -> int:
    return len(repr(parts))


@dag
def text(files: int = 40) -> Any:
    texts = read_texts(files)
    dumped = to_json(texts, 3)
    return gather(
        find_words(texts), find_strings(texts), parse(texts), from_json(dumped), pack(dumped), pack(dumped)
    )


# -- aggregator: slow answers, some through a client that takes one call at a time
@node
def fetch(port: int, seconds: float, size: int) -> list[dict[str, float]]:
    return list(ask(port, seconds, size))


@node(lock="client")
def fetch_one_at_a_time(port: int, seconds: float, size: int) -> list[dict[str, float]]:
    return list(ask(port, seconds, size))


@node
def score(rows: list[dict[str, float]], rounds: int) -> float:
    total = 0.0
    for _ in range(rounds):
        for row in rows:
            total = (total * 31 + row["value"] * row["id"]) % 1e6
    return total


@node
def merge(parts: list[Any]) -> list[Any]:
    return sorted((row["value"], row["id"]) for rows in parts for row in rows)


@node
def archive(rows: list[Any]) -> int:
    return len(lzma.compress(json.dumps(rows).encode(), preset=1))


@dag
def aggregator(port: int) -> Any:
    fast = [fetch(port, 0.05 + 0.04 * k, 200_000) for k in range(5)]
    single = [fetch_one_at_a_time(port, 0.12, 100_000) for _ in range(4)]
    scores = [score(rows, 12 + 6 * k) for k, rows in enumerate([*fast, *single])]
    later = [fetch(port, 0.2, 50_000) for _ in range(2)]
    return gather(scores, archive(merge(fast)), archive(merge(single)), [score(rows, 60) for rows in later])


# -- images: raw pixels, hashed, compressed, scaled
@node
def draw(number: int, size: int) -> bytes:
    drawn = random.Random(number)
    row = bytes(drawn.randrange(256) for _ in range(3 * size))
    return b"".join(row[k % size :] + row[: k % size] for k in range(size))


@node
def digest(pixels: bytes, times: int) -> str:
    found = hashlib.blake2b()
    for _ in range(times):
        found.update(pixels)
    return found.hexdigest()


@node
def compress(pixels: bytes, how: str) -> int:
    if how == "gzip":
        return len(gzip.compress(pixels, 5, mtime=0))
    return len(bz2.compress(pixels, 9))


@node
def halve(pixels: bytes, size: int) -> list[int]:
    """Average neighbours, in Python."""
    return [
        (a + b) // 2 for a, b in zip(pixels[: size * size : 2], pixels[1 : size * size : 2], strict=False)
    ]


@node
def histogram(values: list[int]) -> Counter[int]:
    return Counter(values)


@dag
def images(size: int = 900) -> Any:
    found = []
    for number in range(6):
        pixels = draw(number, size)
        how = "gzip" if number % 2 else "bz2"
        found += [digest(pixels, 20), compress(pixels, how), histogram(halve(pixels, size))]
    return gather(*found)


def _survey() -> tuple[DAG[..., Any], tuple[Any, ...]]:
    sys.path.insert(0, str(ROOT / "examples"))
    return importlib.import_module("stdlib_survey").survey, ()


def pipelines() -> list[Pipeline]:
    """Return all pipelines."""
    from benchmarks import real_dags_packages as other

    return [
        Pipeline("survey", _survey, ("numpy", "pandas", "matplotlib")),
        Pipeline("text", lambda: (text, ())),
        Pipeline("aggregator", lambda: (aggregator, ()), serves=True),
        Pipeline("images", lambda: (images, ())),
        Pipeline("documents", other.documents, ("numpy", "cv2", "sklearn"), serves=True),
        Pipeline("tabular", other.tabular, ("numpy", "pandas", "pyarrow")),
        Pipeline("numeric", other.numeric, ("numpy", "scipy")),
        Pipeline("sql", other.sql, ("duckdb", "pandas")),
    ]
