"""What describing costs: seconds to record a DAG of n calls and to check it, beside the libraries people use.

    python benchmarks/describe.py             a table, about a minute
    python benchmarks/describe.py --json      rows case, n, library, seconds
    python benchmarks/describe.py --slow      Tawazi (10 s) and dask.delayed (60 s) at 10,000 nodes too

The same nested loop of calls is recorded by each library. Described and checked means: ready to be run, with
names, edges, an order, and cycles looked for. Medians of repeats, the libraries taking turns, each time from
nothing. A library that is not installed is named as missing.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

from makespan import DAG, dag, node
from makespan.testing import random_edges

if TYPE_CHECKING:
    from collections.abc import Callable

Edges = list[list[int]]


def nothing(*_: Any) -> int:
    """Do nothing: the node of every case."""
    return 1


def sinks_of(preds: Edges) -> list[int]:
    """Return the nodes that no other takes."""
    taken = {p for some in preds for p in some}
    return [i for i in range(len(preds)) if i not in taken]


def call_all(step: Callable[..., Any], preds: Edges) -> list[Any]:
    """Call a node for each entry; what every library records."""
    results: list[Any] = []
    for some in preds:
        results.append(step(*[results[p] for p in some]))
    return [results[i] for i in sinks_of(preds)]


def describe_makespan(preds: Edges) -> int:
    """Record with @node and @dag, and check."""
    step = node(nothing)

    @dag
    def made() -> list[Any]:
        return call_all(step, preds)

    return len(made.check())


def build_makespan(preds: Edges) -> int:
    """Record with DAG.add, and check."""
    made = DAG("made")
    made.returns(call_all(lambda *given: made.add(nothing, *given), preds))
    return len(made.check())


def fingerprint_makespan(preds: Edges) -> int:
    """Record, check, compile and hash: everything before a plan can be followed."""
    step = node(nothing)

    @dag
    def made() -> list[Any]:
        return call_all(step, preds)

    return len(made.prepare(threads=2).program.calls) if made.fingerprint else 0


def describe_tawazi(preds: Edges) -> int:
    """Record with xn and dag; Tawazi checks as it builds."""
    import tawazi

    step = tawazi.xn(nothing)

    @tawazi.dag  # type: ignore[untyped-decorator]
    def made() -> Any:
        return call_all(step, preds)

    return len([name for name in made.exec_nodes if name.startswith("nothing")])


def describe_dask(preds: Edges) -> int:
    """Record with dask.delayed, and make the graph and its order."""
    import dask
    import dask.order

    step = dask.delayed(nothing, pure=False)
    last = dask.delayed(list)(call_all(step, preds))
    graph = dict(last.__dask_graph__())
    dask.order.order(graph)
    return len([key for key in graph if str(key).startswith("nothing")])


def sort_graphlib(preds: Edges) -> int:
    """Sort and check numbers with the standard library: no names, no arguments, the least there is."""
    from graphlib import TopologicalSorter

    return len(list(TopologicalSorter(dict(enumerate(preds))).static_order()))


LIBRARIES: dict[str, Callable[[Edges], int]] = {
    "makespan": describe_makespan,
    "makespan DAG.add": build_makespan,
    "makespan ready to plan": fingerprint_makespan,
    "tawazi": describe_tawazi,
    "dask.delayed": describe_dask,
    "graphlib": sort_graphlib,
}
# From how many nodes on a library takes so long that it is asked for with --slow only.
SLOW_FROM = {"tawazi": 2_000, "dask.delayed": 2_000}
SHAPES: dict[str, Callable[[int], Edges]] = {
    "chain": lambda n: [[i - 1] if i else [] for i in range(n)],
    "random": lambda n: random_edges(n, 1.6, seed=1, layers=max(2, n // 100)),
}


def measure(
    case: str, n: int, libraries: list[str], repeats: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Let the libraries take turns; return a row for each."""
    preds = SHAPES[case](n)
    seconds: dict[str, list[float]] = {library: [] for library in libraries}
    for repeat in range(repeats):
        for library in list(seconds):
            say(f"{case} {n}: {library}, {repeat + 1} of {repeats}")
            gc.collect()
            begun = time.perf_counter()
            try:
                count = LIBRARIES[library](preds)
            except ImportError as error:
                say(f"{library} is not installed and is left out ({error})")
                del seconds[library]
                continue
            seconds[library].append(time.perf_counter() - begun)
            if count != n:
                raise SystemExit(f"{library} recorded {count} nodes instead of {n}")
    return [
        {"case": case, "n": n, "library": library, "seconds": round(statistics.median(took), 5)}
        for library, took in seconds.items()
    ]


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as text, with microseconds a node: flat where a library is linear."""
    lines = [f"{'case':<8}{'n':>8}  {'library':<28}{'seconds':>10}{'µs/node':>10}{'× makespan':>12}"]
    ours = {(row["case"], row["n"]): row["seconds"] for row in rows if row["library"] == "makespan"}
    for row in rows:
        base = ours.get((row["case"], row["n"]))
        ratio = f"{row['seconds'] / base:.2f}" if base else "–"
        lines.append(
            f"{row['case']:<8}{row['n']:>8}  {row['library']:<28}{row['seconds']:>10.4f}"
            f"{row['seconds'] / row['n'] * 1e6:>10.1f}{ratio:>12}"
        )
    return "\n".join(lines)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", default=",".join(SHAPES), help="which shapes, comma-separated")
    parser.add_argument("--sizes", default="1000,10000,100000", help="numbers of nodes, comma-separated")
    parser.add_argument("--libraries", default=",".join(LIBRARIES), help="which libraries, comma-separated")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--slow", action="store_true", help="measure every library at every size")
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    options = parser.parse_args()
    wanted = options.libraries.split(",")
    if not set(wanted) <= set(LIBRARIES) or not set(options.cases.split(",")) <= set(SHAPES):
        parser.error(f"libraries are {', '.join(LIBRARIES)}; cases are {', '.join(SHAPES)}")
    rows: list[dict[str, Any]] = []
    for case in options.cases.split(","):
        for n in map(int, options.sizes.split(",")):
            libraries = [library for library in wanted if options.slow or n < SLOW_FROM.get(library, n + 1)]
            rows += measure(
                case,
                n,
                libraries,
                options.repeats,
                lambda text: print(text, file=sys.stderr, flush=True),
            )
    print(json.dumps(rows, indent=1) if options.json else table(rows))


if __name__ == "__main__":
    main()
