"""The example that was written for Tawazi, and the benchmark that runs it three ways."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from makespan import load_record
from makespan.adapters.tawazi import from_tawazi, run_by_tawazi
from makespan.cli.target import load_target

ROOT = Path(__file__).parents[1]


def test_the_example_gives_the_same_here_as_there() -> None:
    made: Any = load_target(f"{ROOT / 'examples' / 'tawazi_letters.py'}:letters").origin
    ours = from_tawazi(made)
    assert len(ours) == 27
    assert ours.default_threads == 4
    assert sum(its.options.exclusive for its in ours.nodes.values()) == 4
    there = run_by_tawazi(made, "2024")
    assert ours("2024") == there.result
    assert set(there.result) == {"paid", "bytes", "previews"}


def test_the_benchmark_compares_and_reports(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(
        "import time\nfrom tawazi import dag, xn\n"
        "@xn\ndef a(x):\n    time.sleep(0.002)\n    return x\n"
        "@dag(max_concurrency=2)\ndef pipe(x):\n    return a(a(x)), a(x)\n"
    )
    script = ROOT / "benchmarks" / "tawazi_before_after.py"
    said = ["--target", f"{tmp_path / 'small.py'}:pipe", "--args", "[3]", "--runs", "1", "--repeats", "2"]
    done = subprocess.run(
        [sys.executable, str(script), *said, "--seeds", "2", "--report", str(tmp_path / "out"), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    body = json.loads(done.stdout)
    assert body["facts"]["threads"] == 2
    assert len(body["rows"]) == 2 * 2 * 4
    assert {row["seed"] for row in body["rows"]} == {0, 1}
    for name in ("before", "configured", "after"):
        record = load_record(tmp_path / "out" / f"{name}.json")
        assert len(record.nodes) == 3
        assert (record.plan is None) == (name == "before")
