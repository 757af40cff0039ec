"""A survey of the Python standard library on this disk: a DAG of 37 nodes that takes a few seconds.

::

    list_files ─┬─ read_files ─┬─ digest ×2, archive ────────────────────────────────────────┐
                │              ├─ shrink (zlib) ─────────────┐                               │
                │              └─ sample ×2 ─┬─ shrink (bz2) ┴─ draw_ratios ─────────────────┤
                │                            ├─ shingles ────────────────────────────────────┤
                │                            ├─ count_tokens ×3 ── tokens ── draw_tokens ────┤
                │                            ├─ count_words ×3 ── words ── draw_words ───────┼─ report
                │                            └─ parse ×4 ─┬─ rank_imports ── draw_imports ───┤
                │                                         └─ table ── aggregate ─┬─ draw_packages
                └─ fetch_downloads ───────────────────────────────────────────── rank ── draw_rank
    fetch_index ── fetch_releases ── fetch_notes ────────────────────────────────────────────┘

Nothing is downloaded: the fetches ask a server on the loopback that takes its time. All kinds of nodes meet:
`parse` and the counts hold the GIL, so two at once gain nothing; `archive`, `shrink` and the arrays release
it, so a second core can have them; fetches only wait; figures share one lock, parsers another.

The longest way to the end in *nodes* is not the longest in *seconds*: `archive` and the last fetch are slow
and stand next to the end, so an order that counts nodes starts them late. A measured one does not:

    makespan profile  stdlib_survey.py:survey -o profile.json
    makespan optimize profile.json --threads 4 -o plan.json
    makespan run      stdlib_survey.py:survey --plan plan.json
"""

# ruff: noqa: D101, D102, D103 - the names say it
from __future__ import annotations

import ast
import bz2
import hashlib
import io
import json
import lzma
import os
import re
import sqlite3
import sysconfig
import threading
import time
import tokenize
import warnings
import zlib
from collections import Counter
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from makespan import dag, node

LIBRARY = Path(sysconfig.get_path("stdlib"))
# Parsing warns of odd escapes in other people's files. Said once: catch_warnings is not for threads.
warnings.filterwarnings("ignore", module="stdlib")

Rows = list[dict[str, Any]]  # one for each file


class Sources(NamedTuple):
    names: list[str]
    texts: list[bytes]
    joined: bytes

    def part(self, number: int, of: int) -> list[tuple[str, bytes]]:
        first, end = number * len(self.names) // of, (number + 1) * len(self.names) // of
        return list(zip(self.names[first:end], self.texts[first:end], strict=True))


@node
def list_files() -> tuple[list[str], list[str]]:
    """Return all .py files, and the packages or modules that they belong to."""
    found: list[Path] = []
    for folder, below, names in os.walk(LIBRARY):
        below[:] = [name for name in below if name not in {"__pycache__", "site-packages", "dist-packages"}]
        found += [Path(folder, name) for name in names if name.endswith(".py")]
    if not found:
        raise FileNotFoundError(f"the standard library has no .py files in {LIBRARY}")
    files = sorted(path.relative_to(LIBRARY).as_posix() for path in found)
    return files, sorted(set(map(package_of, files)))


def package_of(name: str) -> str:
    return name.partition("/")[0].removesuffix(".py")


@node
def read_files(names: list[str]) -> Sources:
    texts = [(LIBRARY / name).read_bytes() for name in names]
    return Sources(names, texts, b"".join(texts))


@node
def sample(everything: Sources, files: int, times: int) -> Sources:
    """Take about `times` × `files` files, evenly spread."""
    every = max(1, len(everything.names) // (times * files))
    return Sources(everything.names[::every], everything.texts[::every], b"".join(everything.texts[::every]))


# -- Python, which holds the GIL
@node(lock="ast")  # before Python 3.11.8, ast.parse fails when two threads are in it
def parse(sources: Sources, part: int, of: int) -> Rows:
    return [row_of(name, text) for name, text in sources.part(part, of)]


def row_of(name: str, text: bytes) -> dict[str, Any]:
    try:
        items = list(ast.walk(ast.parse(text, filename="stdlib")))
    except (SyntaxError, ValueError):  # some test files are wrong on purpose
        items = []
    return {
        "package": package_of(name),
        "lines": text.count(b"\n"),
        "functions": sum(isinstance(its, ast.FunctionDef | ast.AsyncFunctionDef) for its in items),
        "branches": sum(isinstance(its, ast.If | ast.For | ast.While | ast.Try) for its in items),
        "imports": [alias.name for its in items if isinstance(its, ast.Import) for alias in its.names],
    }


@node
def count_words(sources: Sources, part: int, of: int) -> Counter[str]:
    text = b"\n".join(text for _, text in sources.part(part, of))
    return Counter(re.findall(r"[A-Za-z_]\w+", text.decode("utf-8", "replace")))


@node
def count_tokens(sources: Sources, part: int, of: int) -> Counter[str]:
    kinds: Counter[str] = Counter()
    for _, text in sources.part(part, of):
        try:
            kinds.update(tokenize.tok_name[its.type] for its in tokenize.tokenize(io.BytesIO(text).readline))
        except (SyntaxError, tokenize.TokenError):
            kinds["broken"] += 1
    return kinds


@node
def most_common(parts: list[Counter[str]]) -> dict[str, int]:
    counts = sum(parts, Counter[str]())
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:25])


# -- native code, which releases it
@node
def shrink(sources: Sources, how: str) -> float:
    compress: Any = {"zlib": zlib, "bz2": bz2}[how].compress
    return len(sources.joined) / len(compress(sources.joined, 1))


@node
def archive(sources: Sources) -> str:
    return hashlib.sha256(lzma.compress(sources.joined, preset=0)).hexdigest()


@node
def digest(sources: Sources, algorithm: str) -> str:
    return hashlib.new(algorithm, sources.joined).hexdigest()


@node
def shingles(sources: Sources) -> list[int]:
    """Count distinct runs of 2, 4 and 8 bytes."""
    text = np.frombuffer(sources.joined[: len(sources.joined) // 8 * 8], dtype=np.uint8)
    return [len(np.unique(text.view(f"u{size}"))) for size in (2, 4, 8)]


# -- tables
@node
def table(parts: list[Rows]) -> Any:
    return pd.DataFrame([row for rows in parts for row in rows]).drop(columns="imports")


@node
def aggregate(files: Any) -> Any:
    """Sum up by package in SQLite; all rows go in as one JSON text, so it is one statement."""
    columns = ["lines", "functions", "branches"]
    sums = ", ".join(f"sum(json_extract(value, '$.{name}'))" for name in columns)
    query = f"SELECT json_extract(value, '$.package') AS p, count(*), {sums} FROM json_each(?) GROUP BY p"
    database = sqlite3.connect(":memory:")
    rows = database.execute(query, [files.to_json(orient="records")]).fetchall()
    database.close()
    return pd.DataFrame(rows, columns=["package", "files", *columns]).sort_values("package")


@node
def rank_imports(parts: list[Rows]) -> dict[str, float]:
    """Return the 25 packages that matter most to the others (PageRank)."""
    rows = [row for rows in parts for row in rows]
    place = {package: i for i, package in enumerate(sorted({row["package"] for row in rows}))}
    links = np.full((len(place), len(place)), 0.01)
    for row in rows:
        links[[place[name] for name in row["imports"] if name in place], place[row["package"]]] += 1
    score = np.ones(len(place))
    for _ in range(50):
        score = (links / links.sum(axis=0) * score).sum(axis=1)
    return dict(pd.Series(score.round(6), index=list(place)).nlargest(25))


@node
def rank(packages: Any, downloads: dict[str, int]) -> Any:
    return packages.assign(downloads=packages["package"].map(downloads)).sort_values(["downloads", "package"])


# -- fetches, which wait
class LateAnswer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        _, _, seconds, names = self.path.split("/")
        time.sleep(float(seconds))
        numbers = {name: zlib.crc32(name.encode()) % 10_000 for name in names.split(",")}
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(numbers).encode())

    def log_message(self, *_: Any) -> None: ...


@node
def fetch(what: str, names: list[str] | dict[str, int], latency_s: float, times: int) -> dict[str, int]:
    """Ask for a number for each name; the answer takes `times` × `latency_s`. The server goes with it."""
    with HTTPServer(("127.0.0.1", 0), LateAnswer) as server:
        server.timeout = 5.0
        answering = threading.Thread(target=server.handle_request, daemon=True)
        answering.start()
        connection = HTTPConnection("127.0.0.1", server.server_port)
        try:
            connection.request("GET", f"/{what}/{times * latency_s}/{','.join(sorted(names))}")
            return dict(json.load(connection.getresponse()))
        finally:
            connection.close()
            answering.join()


# -- figures: matplotlib is not thread-safe
@node(lock="matplotlib")
def draw(title: str, kind: str, what: Any) -> str:
    """Draw a figure, and return a hash of its PNG."""
    figure = Figure(figsize=(7, 4), dpi=72)
    axes = figure.subplots()
    axes.set_title(title)
    if kind == "bars":
        axes.barh(list(what), list(what.values()))
    else:
        x, y = kind.split()
        axes.scatter(what[x], what[y], s=20 * what["files"], alpha=0.4)
        axes.set(xscale="symlog", yscale="symlog", xlabel=x, ylabel=y)
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file)  # type: ignore[no-untyped-call]
    return hashlib.sha256(file.getbuffer()).hexdigest()


# -- the DAG
@node
def report(packages: Any, figures: list[str], found: dict[str, Any]) -> dict[str, Any]:
    """Gather what was found: numbers and texts, the same in every run."""
    lines = packages.set_index("package")["lines"].to_dict()
    return {"lines": lines, "figures": figures, **found}


@dag
def survey(files: int = 60, latency_s: float = 0.2) -> dict[str, Any]:
    """Survey the library, and about so many of its files closely; fetches take 1 to 3 × `latency_s`."""
    names, modules = list_files()
    everything = read_files(names)
    some, more = sample(everything, files, 1), sample(everything, files, 4)

    rows = [parse(some, part, 4) for part in range(4)]
    packages = aggregate(table(rows))
    words = most_common.options(name="words")([count_words(more, part, 3) for part in range(3)])
    tokens = most_common.options(name="tokens")([count_tokens(some, part, 3) for part in range(3)])
    ratios = {"zlib": shrink(everything, "zlib"), "bz2": shrink(some, "bz2")}
    hashes = [archive(everything), *(digest(everything, algorithm) for algorithm in ("sha256", "blake2b"))]

    index = fetch.options(name="fetch_index")("index", ["3.11", "3.12", "3.13"], latency_s, 1)
    releases = fetch.options(name="fetch_releases")("releases", index, latency_s, 2)
    notes = fetch.options(name="fetch_notes")("notes", releases, latency_s, 3)
    downloads = fetch.options(name="fetch_downloads")("downloads", modules, latency_s, 2)

    bars = {"imports": rank_imports(rows), "words": words, "tokens": tokens, "ratios": ratios}
    figures = [draw.options(name=f"draw_{what}")(what, "bars", its) for what, its in bars.items()]
    figures += [
        draw.options(name="draw_packages")("packages", "lines branches", packages),
        draw.options(name="draw_rank")("rank", "downloads lines", rank(packages, downloads)),
    ]
    found = {"words": words, "shingles": shingles(some), "hashes": hashes, "notes": notes}
    return report(packages, figures, found)


if __name__ == "__main__":
    print(json.dumps(survey(), indent=1))
