"""What running a DAG costs, beside the engines people use today.

    python benchmarks/runtime.py                       a table, half an hour (most of it peers at 100,000)
    python benchmarks/runtime.py --json                rows case, n, threads, engine, us_per_node
    python benchmarks/runtime.py --cases chain,call --threads 2 --engines "makespan,plain loop"

Cases: random, chain, fan (microseconds for each node that does nothing); call (a DAG of 12 nodes called again
and again: p50_us, p99_us, calls_per_s, with 1 and 4 clients); memory (live_arrays in a chain of 50 × 10 MB);
error (error_us from a node's raise to the caller's except); feature (what one node's lock, retries or cache
cost the others); sleeping (executed over planned); processes (two nodes that hold the GIL for 500 ms).

Every engine is prepared once (its DAG built, its pool made) and then called in turn with the others, repeat
by repeat, so that all of them see the same machine; the median of the repeats counts. Results are checked.
An engine that is not installed is named as missing. "makespan" has a plan that knows nothing but that nodes
are worth a hand-off; "short nodes" one that knows they are not; "no plan" knows nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script: its neighbours

from benchmarks import runtime_cases
from benchmarks.runtime_cases import nothing, prepared
from benchmarks.runtime_engines import ENGINES
from benchmarks.runtime_peers import Edges, sinks_of
from makespan.testing import random_edges

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OVERHEAD = ("random", "chain", "fan")
CASES = (*OVERHEAD, "call", "memory", "error", "feature", "sleeping", "processes")
SLOWEST_S = 2.0
"""An engine that takes longer for one round is not called again in a case."""


class Case(NamedTuple):
    """A DAG to run."""

    name: str
    preds: Edges


def cases(sizes: Sequence[int]) -> list[Case]:
    """Return the DAGs: layered random ones, a chain, a fan."""
    return [
        *(
            Case("random", random_edges(n, 1.6, seed=1, layers=min(n, 40 if n <= 1000 else 100)))
            for n in sizes
        ),
        Case("chain", [[], *([i] for i in range(999))]),
        Case("fan", [[], *[[0]] * 998, list(range(1, 999))]),
    ]


def measure(
    case: Case, threads: int, engines: Sequence[str], repeats: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Run all engines on one case, interleaved; return a row for each."""
    expected = [1] * len(sinks_of(case.preds))
    inner = max(1, 1_000 // len(case.preds))  # small DAGs are called many times a repeat
    with ExitStack() as stack:
        runs = prepared(case.preds, threads, nothing, engines, stack, say)
        seconds: dict[str, list[float]] = {engine: [] for engine in runs}
        slow: set[str] = set()
        for repeat in range(repeats + 2):
            for engine, run in runs.items():
                if engine in slow:
                    continue
                begun = time.perf_counter()
                try:
                    for _ in range(inner):
                        got = run()
                except RecursionError:
                    say(f"{engine} recurses too deeply for {case.name} {len(case.preds)}")
                    slow.add(engine)
                    continue
                took = (time.perf_counter() - begun) / inner
                if got != expected:
                    raise SystemExit(f"{engine} gave a wrong result for {case.name}")
                if took > SLOWEST_S:
                    slow.add(engine)
                if repeat > 1 or engine in slow:  # the first rounds warm up
                    seconds[engine].append(took)
    return [
        {
            "case": case.name,
            "n": len(case.preds),
            "threads": threads,
            "engine": engine,
            "us_per_node": round(statistics.median(took) / len(case.preds) * 1e6, 3),
        }
        for engine, took in seconds.items()
        if took
    ]


_WHAT = {
    "p50_us": "p50 µs",
    "p99_us": "p99 µs",
    "calls_per_s": "calls/s",
    "clients": "clients",
    "live_arrays": "live arrays",
    "error_us": "µs to except",
    "planned_s": "planned s",
    "executed_s": "executed s",
    "ratio": "ratio",
}


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as text, each with its ratio to makespan in the same case."""
    lines = [f"{'case':<14}{'n':>7}{'threads':>9}  {'engine':<29}{'µs/node':>9}{'× makespan':>12}"]
    ours: dict[tuple[Any, ...], float] = {}
    for row in rows:
        us = row.get("us_per_node")
        key = (row["case"], row["n"], row["threads"], row.get("clients"))
        if row["engine"] == "makespan" and us:
            ours[key] = us
        ratio = f"{us / ours[key]:.2f}" if us and ours.get(key) else "–"
        more = ", ".join(f"{row[name]:,} {told}" for name, told in _WHAT.items() if name in row)
        shown = f"{us:.3f}" if us is not None else "–"
        lines.append(
            f"{row['case']:<14}{row['n']:>7}{row['threads']:>9}  {row['engine']:<29}"
            f"{shown:>9}{ratio:>12}  {more}".rstrip()
        )
    return "\n".join(lines)


def measured(options: argparse.Namespace, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Return the rows of all cases that are asked for."""
    wanted, engines = options.cases.split(","), options.engines.split(",")
    budgets = [int(threads) for threads in options.threads.split(",")]
    rows: list[dict[str, Any]] = []
    for case in cases([int(size) for size in options.sizes.split(",")]):
        if case.name not in wanted:
            continue
        for threads in budgets:
            say(f"{case.name} {len(case.preds)}, {threads} threads")
            rows += measure(case, threads, engines, options.repeats, say)
    for threads in budgets:
        for name in (name for name in CASES if name in wanted and name not in OVERHEAD):
            say(f"{name}, {threads} threads")
            match name:
                case "call":
                    for clients in (1, 4):
                        rows += runtime_cases.latency(engines, threads, clients, options.seconds, say)
                case "memory":
                    rows += runtime_cases.memory(engines, threads, say)
                case "error" if threads > 1:
                    rows += runtime_cases.errors(engines, threads, options.repeats, say)
                case "feature":
                    rows += runtime_cases.features(threads, options.repeats)
                case "sleeping" if threads in {2, 4}:
                    rows += runtime_cases.sleeping(threads)
                case "processes" if threads == 2:
                    rows += runtime_cases.processes(options.repeats)
    return rows


def main(argv: list[str] | None = None) -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", default=",".join(CASES), help="which cases, comma-separated")
    parser.add_argument("--sizes", default="1000,10000,100000", help="sizes of the random case")
    parser.add_argument("--threads", default="1,2,4,8", help="thread budgets, comma-separated")
    parser.add_argument("--engines", default=",".join(ENGINES), help="which engines, comma-separated")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="how long each engine is called for 'call'"
    )
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    options = parser.parse_args(argv)
    for what, given, known in (
        ("engines", options.engines, ENGINES),
        ("cases", options.cases, dict.fromkeys(CASES)),
    ):
        unknown = [name for name in given.split(",") if name not in known]
        if unknown:
            parser.error(f"unknown {what} {unknown}; known: {', '.join(known)}")
    with redirect_stdout(sys.stderr):  # peers print when a node raises
        rows = measured(options, lambda text: print(text, file=sys.stderr, flush=True))
    print(json.dumps(rows, indent=1) if options.json else table(rows))


if __name__ == "__main__":
    main()
