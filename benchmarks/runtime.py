"""What dispatching costs: microseconds for each node that does nothing, beside the engines people use today.

    python benchmarks/runtime.py                       a table, about two minutes
    python benchmarks/runtime.py --json                rows case, n, threads, engine, us_per_node
    python benchmarks/runtime.py --cases chain,call --threads 2 --repeats 9

Every engine is prepared once (its DAG built, its pool made) and then called in turn with the others, repeat
by repeat, so that all of them see the same machine; the median of the repeats counts. Results are checked.
An engine that is not installed is named as missing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.testing import dag_of, random_edges

if TYPE_CHECKING:
    from collections.abc import Callable

Edges = list[list[int]]


def nothing(*_: Any) -> int:
    """Do nothing: the node of every case."""
    return 1


class Case(NamedTuple):
    """A DAG to run."""

    name: str
    preds: Edges


def cases() -> list[Case]:
    """Return the DAGs: layered random, a chain, a fan, and the small call of a service."""
    call: Edges = [[], [0], [0], [1], [1, 2], [2], [3], [4], [5], [6, 7], [8], [9, 10]]
    return [
        Case("random", random_edges(1_000, 1.6, seed=1, layers=40)),
        Case("random", random_edges(10_000, 1.6, seed=1, layers=100)),
        Case("chain", [[]] + [[i] for i in range(999)]),
        Case("fan", [[]] + [[0]] * 998 + [list(range(1, 999))]),
        Case("call", call),
    ]


def sinks_of(preds: Edges) -> list[int]:
    """Return the nodes that no other takes."""
    taken = {p for some in preds for p in some}
    return [i for i in range(len(preds)) if i not in taken]


def prepare_makespan(preds: Edges, threads: int) -> Callable[[], Any]:
    """Prepare the DAG in its default order."""
    fast = dag_of(preds, lambda _: nothing).prepare(threads=threads)
    return lambda: list(fast().values())


def prepare_makespan_traced(preds: Edges, threads: int) -> Callable[[], Any]:
    """Prepare a run that records starts, ends and threads."""
    fast = dag_of(preds, lambda _: nothing).prepare(threads=threads)
    return lambda: list(fast.run().result.values())


def prepare_tawazi(preds: Edges, threads: int) -> Callable[[], Any]:
    """Build a Tawazi DAG; building 10,000 nodes takes it about ten seconds."""
    from tawazi import dag, xn

    step = xn(nothing)

    @dag(max_concurrency=threads)  # type: ignore[untyped-decorator]
    def made() -> Any:
        results: list[Any] = []
        for some in preds:
            results.append(step(*[results[p] for p in some]))
        return [results[i] for i in sinks_of(preds)]

    return lambda: list(made())


def prepare_dask(preds: Edges, threads: int) -> Callable[[], Any]:
    """Make a dask graph and a pool for dask.threaded."""
    from concurrent.futures import ThreadPoolExecutor

    import dask.threaded

    graph = {i: (nothing, *some) for i, some in enumerate(preds)}
    pool = ThreadPoolExecutor(threads)
    sinks = sinks_of(preds)
    return lambda: list(dask.threaded.get(graph, sinks, pool=pool))


def prepare_graphlib(preds: Edges, threads: int) -> Callable[[], Any]:
    """Follow the recipe of the standard library: TopologicalSorter and a persistent ThreadPoolExecutor."""
    import queue
    from concurrent.futures import Future, ThreadPoolExecutor
    from graphlib import TopologicalSorter

    pool = ThreadPoolExecutor(threads)
    graph = dict(enumerate(preds))
    sinks = sinks_of(preds)

    def run() -> list[Any]:
        results: dict[int, Any] = {}
        node_of: dict[Future[Any], int] = {}
        sorter = TopologicalSorter(graph)
        sorter.prepare()
        finished: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        while sorter.is_active():
            for i in sorter.get_ready():
                future = pool.submit(nothing, *[results[p] for p in preds[i]])
                node_of[future] = i
                future.add_done_callback(finished.put)
            future = finished.get()
            i = node_of.pop(future)
            results[i] = future.result()
            sorter.done(i)
        return [results[i] for i in sinks]

    return run


def prepare_loop(preds: Edges, _: int) -> Callable[[], Any]:
    """Call one after the other, with results in a dict: no threads, no scheduling."""
    sinks = sinks_of(preds)

    def run() -> list[Any]:
        results: dict[int, Any] = {}
        for i, some in enumerate(preds):
            results[i] = nothing(*[results[p] for p in some])
        return [results[i] for i in sinks]

    return run


ENGINES: dict[str, Callable[[Edges, int], Callable[[], Any]]] = {
    "makespan": prepare_makespan,
    "makespan traced": prepare_makespan_traced,
    "tawazi": prepare_tawazi,
    "dask.threaded": prepare_dask,
    "graphlib+ThreadPoolExecutor": prepare_graphlib,
    "plain loop": prepare_loop,
}


def measure(
    case: Case, threads: int, engines: list[str], repeats: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Run all engines on one case, interleaved; return a row for each."""
    prepared: dict[str, Callable[[], Any]] = {}
    for engine in engines:
        say(f"{case.name} {len(case.preds)}, {threads} threads: preparing {engine}")
        try:
            prepared[engine] = ENGINES[engine](case.preds, threads)
        except ImportError as error:
            say(f"{engine} is not installed and is left out ({error})")
    expected = [1] * len(sinks_of(case.preds))
    inner = max(1, 1_000 // len(case.preds))  # small DAGs are called many times a repeat
    seconds: dict[str, list[float]] = {engine: [] for engine in prepared}
    for repeat in range(repeats + 1):
        for engine, run in prepared.items():
            begun = time.perf_counter()
            for _ in range(inner):
                got = run()
            took = (time.perf_counter() - begun) / inner
            if got != expected:
                raise SystemExit(f"{engine} gave a wrong result for {case.name}")
            if repeat:  # the first round warms up
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
    ]


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as text, each with its ratio to makespan in the same case."""
    lines = [f"{'case':<8}{'n':>7}{'threads':>9}  {'engine':<29}{'µs/node':>9}{'× makespan':>12}"]
    ours: dict[tuple[str, int, int], float] = {}
    for row in rows:
        key = (row["case"], row["n"], row["threads"])
        if row["engine"] == "makespan":
            ours[key] = row["us_per_node"]
        ratio = f"{row['us_per_node'] / ours[key]:.1f}" if ours.get(key) else "–"
        lines.append(
            f"{row['case']:<8}{row['n']:>7}{row['threads']:>9}  {row['engine']:<29}"
            f"{row['us_per_node']:>9.2f}{ratio:>12}"
        )
    return "\n".join(lines)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", default="random,chain,fan,call", help="which cases, comma-separated")
    parser.add_argument("--sizes", default="1000,10000", help="sizes of the random case")
    parser.add_argument("--threads", default="1,2,4,8", help="thread budgets, comma-separated")
    parser.add_argument("--engines", default=",".join(ENGINES), help="which engines, comma-separated")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    options = parser.parse_args()
    engines = options.engines.split(",")
    unknown = [engine for engine in engines if engine not in ENGINES]
    if unknown:
        parser.error(f"unknown engines {unknown}; known: {', '.join(ENGINES)}")
    if "makespan" not in engines:
        parser.error("ratios need the engine 'makespan'")
    wanted = options.cases.split(",")
    sizes = [int(size) for size in options.sizes.split(",")]
    rows: list[dict[str, Any]] = []
    for case in cases():
        if case.name not in wanted or (case.name == "random" and len(case.preds) not in sizes):
            continue
        for threads in map(int, options.threads.split(",")):
            rows += measure(
                case, threads, engines, options.repeats, lambda text: print(text, file=sys.stderr, flush=True)
            )
    print(json.dumps(rows, indent=1) if options.json else table(rows))


if __name__ == "__main__":
    main()
