"""What people run pipelines with today: each prepared once, in its own best way, then called many times.

None of them knows locks by name. Nodes of a group therefore hold a `threading.Lock` while they run (they wait
for it in a thread of the pool); Tawazi can also keep such nodes apart by ``is_sequential``, which waits until
nothing else runs. Both are measured. What runs one node at a time needs neither.

A way of an engine to run is its *setting*: a number of threads, or None for what the library takes when
nobody says anything. joblib's own default is one thread, which nobody means: it has none here.
"""

from __future__ import annotations

import os
import queue
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.pipeline_rows import SEQUENTIAL
from benchmarks.runtime_peers import levels_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.pipeline_nodes import Pipeline


class Work(NamedTuple):
    """A pipeline's functions in an order of declaration, with locks round them where they are needed."""

    functions: Mapping[str, Callable[..., Any]]
    locked: Mapping[str, Callable[..., Any]]
    """The same, with the locks of their groups."""
    deps: Mapping[str, tuple[str, ...]]
    in_groups: frozenset[str]


class Peer(NamedTuple):
    """An engine of others."""

    prepare: Callable[[Work, int | None, ExitStack], Callable[[], dict[str, Any]]]
    package: str = ""
    """What it needs."""
    threads: bool = True
    """False: it has only its default."""
    default: bool = True
    """Whether its default is a setting of its own."""


def work_of(pipeline: Pipeline, names: list[str]) -> Work:
    """Return what peers need of a pipeline; the locks are the same for all that run it."""
    locks = {group: Lock() for group in pipeline.groups}
    functions = {name: pipeline.nodes[name][0] for name in names}
    groups = pipeline.locks()
    return Work(
        functions,
        {name: _locked(fn, [locks[group] for group in groups[name]]) for name, fn in functions.items()},
        {name: pipeline.nodes[name][1] for name in names},
        frozenset(name for name in names if groups[name]),
    )


def _locked(fn: Callable[..., Any], locks: list[Lock]) -> Callable[..., Any]:
    if not locks:
        return fn

    def locked(*args: Any) -> Any:
        with ExitStack() as held:
            for lock in locks:
                held.enter_context(lock)
            return fn(*args)

    return locked


def default_threads(engine: str) -> int:
    """Return how many threads an engine takes when nobody says anything."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if engine.startswith("Tawazi") or engine == SEQUENTIAL:
        return 1
    if engine == "graphlib+ThreadPoolExecutor":
        return min(32, cores + 4)
    if engine == "dask.threaded":
        return int(import_module("dask.system").CPU_COUNT)
    return cores


def sequential(work: Work, _: int | None, __: ExitStack) -> Callable[[], dict[str, Any]]:
    """Call one after the other."""

    def run() -> dict[str, Any]:
        results: dict[str, Any] = {}
        for name, fn in work.functions.items():
            results[name] = fn(*[results[dep] for dep in work.deps[name]])
        return results

    return run


def graphlib(work: Work, threads: int | None, stack: ExitStack) -> Callable[[], dict[str, Any]]:
    """Follow the recipe of the standard library: TopologicalSorter and a persistent ThreadPoolExecutor."""
    from concurrent.futures import Future, ThreadPoolExecutor
    from graphlib import TopologicalSorter

    pool = stack.enter_context(ThreadPoolExecutor(threads))

    def run() -> dict[str, Any]:
        results: dict[str, Any] = {}
        name_of: dict[Future[Any], str] = {}
        sorter = TopologicalSorter(work.deps)
        sorter.prepare()
        finished: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        while sorter.is_active():
            for name in sorter.get_ready():
                future = pool.submit(work.locked[name], *[results[dep] for dep in work.deps[name]])
                name_of[future] = name
                future.add_done_callback(finished.put)
            future = finished.get()
            name = name_of.pop(future)
            results[name] = future.result()
            sorter.done(name)
        return results

    return run


def _tawazi(
    work: Work, threads: int | None, functions: Mapping[str, Callable[..., Any]], alone: frozenset[str]
) -> Callable[[], dict[str, Any]]:
    from tawazi import dag, xn

    def step(number: int, name: str) -> Any:
        fn = functions[name]

        def called(*args: Any) -> Any:
            return fn(*args)

        called.__name__ = called.__qualname__ = f"n{number}"
        return xn(called, is_sequential=name in alone)

    steps = {name: step(i, name) for i, name in enumerate(work.deps)}

    def described() -> Any:
        results: dict[str, Any] = {}
        for name, deps in work.deps.items():
            results[name] = steps[name](*[results[dep] for dep in deps])
        return list(results.values())

    made = dag(described) if threads is None else dag(described, max_concurrency=threads)
    return lambda: dict(zip(work.deps, made(), strict=True))


def tawazi(work: Work, threads: int | None, _: ExitStack) -> Callable[[], dict[str, Any]]:
    """Build a Tawazi DAG; locks inside the nodes. Its default runs one node at a time."""
    return _tawazi(work, threads, work.locked, frozenset())


def tawazi_sequential(work: Work, threads: int | None, _: ExitStack) -> Callable[[], dict[str, Any]]:
    """Build a Tawazi DAG whose nodes in groups are ``is_sequential``."""
    return _tawazi(work, threads, work.functions, work.in_groups)


def dask(work: Work, threads: int | None, stack: ExitStack) -> Callable[[], dict[str, Any]]:
    """Make a dask graph for dask.threaded; a pool of its own unless the default is asked for."""
    from concurrent.futures import ThreadPoolExecutor

    import dask.threaded

    graph = {name: (work.locked[name], *deps) for name, deps in work.deps.items()}
    names = list(work.deps)
    given = {} if threads is None else {"pool": stack.enter_context(ThreadPoolExecutor(threads))}
    return lambda: dict(zip(names, dask.threaded.get(graph, names, **given), strict=True))


def joblib(work: Work, threads: int | None, stack: ExitStack) -> Callable[[], dict[str, Any]]:
    """Run level by level with joblib's threads, as it is used for pipelines."""
    package = import_module("joblib")
    names = list(work.deps)
    number = {name: i for i, name in enumerate(names)}
    levels = levels_of([[number[dep] for dep in work.deps[name]] for name in names])
    pool = stack.enter_context(package.Parallel(n_jobs=threads or 1, backend="threading"))

    def run() -> dict[str, Any]:
        results: dict[str, Any] = {}
        for level in levels:
            found = pool(
                package.delayed(work.locked[names[i]])(*[results[dep] for dep in work.deps[names[i]]])
                for i in level
            )
            results.update(zip([names[i] for i in level], found, strict=True))
        return results

    return run


PEERS = {
    SEQUENTIAL: Peer(sequential, threads=False),
    "graphlib+ThreadPoolExecutor": Peer(graphlib),
    "Tawazi": Peer(tawazi, "tawazi"),
    "Tawazi, is_sequential": Peer(tawazi_sequential, "tawazi", default=False),
    "dask.threaded": Peer(dask, "dask"),
    "joblib": Peer(joblib, "joblib", default=False),
}


def usable_peers(*, grouped: bool) -> dict[str, str]:
    """Return the peers, each with what it lacks here: empty when it can run.

    Parameters
    ----------
    grouped : bool
        Whether the pipeline has groups; without them Tawazi has nothing to keep apart.
    """
    return {
        name: f"{its.package} is not installed" if its.package and find_spec(its.package) is None else ""
        for name, its in PEERS.items()
        if grouped or name != "Tawazi, is_sequential"
    }
