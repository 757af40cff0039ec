"""Pipelines that need packages: each function imports them and returns a DAG and its arguments."""

from __future__ import annotations

import csv
import hashlib
import importlib
import io
import json
import random
import re
import sqlite3
from collections import Counter
from typing import Any

from benchmarks.real_dags import ask, gather, sources
from makespan import DAG, dag, node

Loaded = tuple[DAG[..., Any], tuple[Any, ...]]


def _module(name: str) -> Any:
    return importlib.import_module(name)


def documents() -> Loaded:
    """Pages are fetched and cleaned with OpenCV; words are weighed with scikit-learn and kept in SQLite."""
    cv2, np, cluster_of = map(_module, ("cv2", "numpy", "sklearn.cluster"))
    text_of = _module("sklearn.feature_extraction.text")

    cv2.setNumThreads(1)

    @node
    def fetch(port: int, number: int) -> list[Any]:
        return list(ask(port, 0.05 + 0.03 * (number % 3), 60_000))

    @node
    def render(rows: list[dict[str, float]], number: int) -> Any:
        page = np.full((1400, 1000), 255, np.uint8)
        for k, row in enumerate(rows[:60]):
            cv2.putText(page, f"{row['value']:.12f} {number}", (20, 20 + 22 * k), 0, 0.7, 0, 1)
        return page

    @node
    def clean(page: Any) -> Any:
        smooth = cv2.fastNlMeansDenoising(page[:500, :500], None, 10, 7, 15)
        return cv2.adaptiveThreshold(smooth, 255, 1, 0, 31, 5)

    @node
    def boxes(page: Any) -> int:
        found, _ = cv2.findContours(255 - page, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        return len({cv2.boundingRect(contour) for contour in found})

    @node
    def words(rows: list[dict[str, float]], texts: list[str]) -> list[str]:
        return [" ".join(re.findall(r"[a-z]{3,}", text.lower())) for text in texts] + [json.dumps(rows)[:100]]

    @node
    def read(files: int) -> list[str]:
        return sources(files)

    @node
    def weigh(texts: list[str]) -> Any:
        return text_of.TfidfVectorizer(max_features=500).fit_transform(texts)

    @node
    def cluster(weights: Any) -> list[int]:
        return list(map(int, cluster_of.KMeans(4, n_init=2, random_state=0).fit(weights.toarray()).labels_))

    @node(lock="db")
    def store(texts: list[str]) -> int:
        with sqlite3.connect(":memory:") as database:
            database.execute("CREATE TABLE words (word TEXT, n INT)")
            counts = Counter(word for text in texts for word in text.split())
            database.executemany("INSERT INTO words VALUES (?, ?)", counts.items())
            return int(database.execute("SELECT count(*) FROM words WHERE n > 3").fetchone()[0])

    @dag
    def pages(port: int) -> Any:
        texts = read(40)
        found: list[Any] = []
        for number in range(5):
            rows = fetch(port, number)
            clear = clean(render(rows, number))
            found += [boxes(clear)]
            if number < 3:
                text = words(rows, texts)
                found += [cluster(weigh(text)), store(text)]
        return gather(*found)

    return pages, ()


def tabular() -> Loaded:
    """CSV is parsed by pyarrow and by Python; features by pandas and by loops; grouped and joined."""
    np, pd, pa, arrow_csv = map(_module, ("numpy", "pandas", "pyarrow", "pyarrow.csv"))

    pa.set_cpu_count(1)

    @node
    def write(rows: int, seed: int) -> bytes:
        drawn = np.random.default_rng(seed)
        frame = pd.DataFrame(
            {"key": drawn.integers(0, 500, rows), "x": drawn.random(rows), "y": drawn.normal(size=rows)}
        )
        return bytes(frame.to_csv(index=False).encode())

    @node
    def read_arrow(text: bytes) -> Any:
        return arrow_csv.read_csv(io.BytesIO(text)).to_pandas()

    @node
    def read_python(text: bytes) -> list[list[str]]:
        return list(csv.reader(io.StringIO(text.decode())))[1:]

    @node
    def loops(rows: list[list[str]]) -> float:
        return sum(float(x) ** 2 if float(y) > 0 else float(x) for _, x, y in rows)

    @node
    def features(frame: Any) -> Any:
        return frame.assign(z=np.sin(frame.x) * frame.y, rank=frame.x.rank(), top=frame.y.rolling(50).max())

    @node
    def grouped(frame: Any) -> Any:
        return frame.groupby("key").agg({"x": ["mean", "std"], "y": ["min", "max", "median"]})

    @node
    def by_row(frame: Any) -> Any:
        return frame[:6000].apply(lambda row: row.x * 2 + row.y, axis=1).sum()

    @node
    def joined(left: Any, right: Any) -> float:
        both = left[:20000].merge(right[:5000], on="key", suffixes=("", "_r"))
        return float(both.sort_values("x").y.sum())

    @dag
    def tables(rows: int = 120_000) -> Any:
        first, second = write(rows, 1), write(rows, 2)
        left, right = read_arrow(first), read_arrow(second)
        more, other = features(left), features(right)
        parts = [loops(read_python(first)), loops(read_python(second)), grouped(more), grouped(other)]
        return gather(*parts, by_row(more), by_row(other), joined(more, right))

    return tables, ()


def numeric() -> Loaded:
    """Linear algebra, transforms and a Python loop; one native thread each where the environment says so."""
    np, signal = map(_module, ("numpy", "scipy.signal"))

    @node
    def matrix(n: int, seed: int) -> Any:
        return np.random.default_rng(seed).random((n, n))

    @node
    def product(a: Any, times: int) -> Any:
        for _ in range(times):
            a = a @ a / np.abs(a).sum()
        return a

    @node
    def values(a: Any) -> float:
        return float(np.linalg.svd(a[:320, :320], compute_uv=False).sum())

    @node
    def transform(a: Any) -> float:
        return float(sum(np.abs(np.fft.rfft2(np.roll(a, k))).max() for k in range(8)))

    @node
    def smooth(a: Any) -> float:
        return float(signal.medfilt2d(a[:420, :420], 7).sum())

    @node
    def walk(steps: int, seed: int) -> float:
        drawn = random.Random(seed)
        x = 0.0
        for _ in range(steps):
            x += drawn.random() - 0.5
        return x

    @dag
    def linear(n: int = 700) -> Any:
        found: list[Any] = []
        for seed in range(3):
            a = matrix(n, seed)
            found += [values(product(a, 10)), transform(a), smooth(a), walk(700_000, seed)]
        return gather(*found)

    return linear, ()


def sql() -> Loaded:
    """Run queries in DuckDB (one thread each) beside Python that prepares and reads the rows."""
    duckdb, pd = map(_module, ("duckdb", "pandas"))

    @node
    def rows(count: int, seed: int) -> Any:
        drawn = random.Random(seed)
        return pd.DataFrame(
            {"k": [drawn.randrange(1000) for _ in range(count)], "v": [drawn.random() for _ in range(count)]}
        )

    @node
    def query(table: Any, text: str) -> Any:
        with duckdb.connect(config={"threads": 1}) as database:
            database.register("t", table)
            return database.execute(text).fetchall()

    @node
    def digest(found: list[Any]) -> str:
        return hashlib.sha256(repr(sorted(found)).encode()).hexdigest()

    @dag
    def queries(count: int = 150_000) -> Any:
        tables = [rows(count, seed) for seed in range(3)]
        texts = (
            "SELECT k, count(*), avg(v), quantile_cont(v, 0.9) FROM t GROUP BY k",
            "SELECT k, v, rank() OVER (PARTITION BY k ORDER BY v) r FROM t QUALIFY r <= 20",
            "SELECT a.k, sum(a.v * b.v) FROM t a JOIN (SELECT * FROM t LIMIT 20000) b USING (k) GROUP BY a.k",
        )
        return gather(*[digest(query(table, text)) for table in tables for text in texts])

    return queries, ()
