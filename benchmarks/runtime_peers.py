"""What people run DAGs with today, each prepared once in its own best way, then called many times.

An engine is a function of a DAG's edges and a number of threads that returns what runs it: a call without
arguments, which returns the results of the last nodes. Every node calls the same function. Pools go on a
stack, which the caller closes.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from contextlib import ExitStack

Edges = Sequence[Sequence[int]]
Function = Callable[..., Any]
Run = Callable[[], list[Any]]


class Peer(NamedTuple):
    """An engine, and the most nodes that it prepares in reasonable time."""

    prepare: Callable[[Edges, int, Function, ExitStack], Run]
    most: int = 1_000_000
    sequential: bool = False
    """It has no threads: measured with one only."""
    shared: bool = True
    """It may be called from several threads at once."""


def sinks_of(preds: Edges) -> list[int]:
    """Return the nodes that no other takes."""
    taken = {p for some in preds for p in some}
    return [i for i in range(len(preds)) if i not in taken]


def levels_of(preds: Edges) -> list[list[int]]:
    """Return the nodes by how many others come before them on the longest path.

    >>> levels_of([[], [0], [0], [1, 2]])
    [[0], [1, 2], [3]]
    """
    level: list[int] = []
    for some in preds:
        level.append(1 + max((level[p] for p in some), default=-1))
    found: list[list[int]] = [[] for _ in range(1 + max(level, default=-1))]
    for i, at in enumerate(level):
        found[at].append(i)
    return found


def tawazi(preds: Edges, threads: int, function: Function, __: ExitStack) -> Run:
    """Build a Tawazi DAG; building 10,000 nodes takes it about ten seconds."""
    from tawazi import dag, xn

    step = xn(function)

    @dag(max_concurrency=threads)  # type: ignore[untyped-decorator]
    def made() -> Any:
        results: list[Any] = []
        for some in preds:
            results.append(step(*[results[p] for p in some]))
        return [results[i] for i in sinks_of(preds)]

    return lambda: list(made())


def dask(preds: Edges, threads: int, function: Function, stack: ExitStack) -> Run:
    """Make a dask graph, and a pool for dask.threaded."""
    from concurrent.futures import ThreadPoolExecutor

    import dask.threaded

    graph = {i: (function, *some) for i, some in enumerate(preds)}
    pool = stack.enter_context(ThreadPoolExecutor(threads))
    sinks = sinks_of(preds)
    return lambda: list(dask.threaded.get(graph, sinks, pool=pool))


def _hamilton(preds: Edges, function: Function, *adapters: Any) -> Run:
    ad_hoc_utils, driver = import_module("hamilton.ad_hoc_utils"), import_module("hamilton.driver")
    known: dict[str, Any] = {"function": function, "Any": Any}
    for i, some in enumerate(preds):
        taken = ", ".join(f"n{p}: Any" for p in some)
        given = ", ".join(f"n{p}" for p in some)
        exec(f"def n{i}({taken}) -> Any: return function({given})", known)
    module = ad_hoc_utils.create_temporary_module(*[known[f"n{i}"] for i in range(len(preds))])
    built = driver.Builder().with_modules(module).with_adapters(*adapters).build()
    names = [f"n{i}" for i in sinks_of(preds)]

    def run() -> list[Any]:
        found = built.execute(names)
        return [found[name] for name in names]

    return run


def hamilton(preds: Edges, threads: int, function: Function, __: ExitStack) -> Run:
    """Build a Hamilton driver whose nodes run in a thread pool."""
    result_builder = import_module("hamilton.base").DictResult()
    plugin = import_module("hamilton.plugins.h_threadpool")
    return _hamilton(
        preds, function, plugin.FutureAdapter(max_workers=threads, result_builder=result_builder)
    )


def hamilton_sequential(preds: Edges, _: int, function: Function, __: ExitStack) -> Run:
    """Build a Hamilton driver as it is by default: one node after the other."""
    return _hamilton(preds, function, import_module("hamilton.base").DictResult())


def pipefunc(preds: Edges, threads: int, function: Function, stack: ExitStack) -> Run:
    """Build a pipefunc pipeline and map it with a pool of threads."""
    from concurrent.futures import ThreadPoolExecutor

    package = import_module("pipefunc")
    known: dict[str, Any] = {"function": function}
    made = []
    for i, some in enumerate(preds):
        given = ", ".join(f"n{p}" for p in some)
        exec(f"def f{i}({given}): return function({given})", known)
        made.append(package.PipeFunc(known[f"f{i}"], output_name=f"n{i}"))
    pipeline = package.Pipeline(made)
    pool = stack.enter_context(ThreadPoolExecutor(threads))
    names = [f"n{i}" for i in sinks_of(preds)]

    def run() -> list[Any]:
        found = pipeline.map({}, executor=pool, storage="dict", show_progress=False)
        return [found[name].output for name in names]

    return run


def joblib(preds: Edges, threads: int, function: Function, stack: ExitStack) -> Run:
    """Run level by level with joblib's threads, as it is used for pipelines."""
    package = import_module("joblib")
    levels = levels_of(preds)
    sinks = sinks_of(preds)
    pool = stack.enter_context(package.Parallel(n_jobs=threads, backend="threading"))

    def run() -> list[Any]:
        results: dict[int, Any] = {}
        for level in levels:
            found = pool(package.delayed(function)(*[results[p] for p in preds[i]]) for i in level)
            results.update(zip(level, found, strict=True))
        return [results[i] for i in sinks]

    return run


def graphlib(preds: Edges, threads: int, function: Function, stack: ExitStack) -> Run:
    """Follow the recipe of the standard library: TopologicalSorter and a persistent ThreadPoolExecutor."""
    from concurrent.futures import Future, ThreadPoolExecutor
    from graphlib import TopologicalSorter

    pool = stack.enter_context(ThreadPoolExecutor(threads))
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
                future = pool.submit(function, *[results[p] for p in preds[i]])
                node_of[future] = i
                future.add_done_callback(finished.put)
            future = finished.get()
            i = node_of.pop(future)
            results[i] = future.result()
            sorter.done(i)
        return [results[i] for i in sinks]

    return run


def loop(preds: Edges, _: int, function: Function, __: ExitStack) -> Run:
    """Call one after the other, with results in a dict: no threads, no scheduling."""
    sinks = sinks_of(preds)

    def run() -> list[Any]:
        results: dict[int, Any] = {}
        for i, some in enumerate(preds):
            results[i] = function(*[results[p] for p in some])
        return [results[i] for i in sinks]

    return run


PEERS = {
    "tawazi": Peer(tawazi, 10_000),
    "dask.threaded": Peer(dask),
    "hamilton": Peer(hamilton, 1_000),
    "hamilton sequential": Peer(hamilton_sequential, 10_000, sequential=True),
    "pipefunc": Peer(pipefunc, 100),
    "graphlib+ThreadPoolExecutor": Peer(graphlib),
    "joblib": Peer(joblib, shared=False),
    "plain loop": Peer(loop, sequential=True),
}
