"""A plan's choice of threads or processes for each function, as pipefunc's ``Pipeline.map`` takes it.

::

    with executors(plan) as by_output:
        pipeline.map(inputs, executor=by_output)

pipefunc then runs the pipeline its own way, one generation after the other: of the plan it keeps who runs
where and how many at once. Order, locks and groups are not carried; `makespan.adapters.from_pipefunc` has
them all.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

    from makespan.plan import Plan


@contextmanager
def executors(plan: Plan) -> Iterator[dict[Any, Executor]]:
    """Open pools for the functions of a pipeline, and close them.

    Parameters
    ----------
    plan : Plan
        Made from `makespan.adapters.from_pipefunc`.

    Yields
    ------
    dict
        From output name (a tuple for several) to the pool of threads, or of processes, that the plan says.
    """
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
    from multiprocessing import get_context

    in_processes = [node.name for node in plan.nodes if node.mode == "process"]
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(plan.threads))
        found: dict[Any, Executor] = {"": threads}
        if in_processes:
            many = min(len(in_processes), plan.threads)
            # Not forked: other threads may hold locks.
            processes = stack.enter_context(ProcessPoolExecutor(many, get_context("spawn")))
        for node in plan.nodes:
            outputs = node.name.split("+")
            pool = processes if node.mode == "process" else threads
            found[tuple(outputs) if len(outputs) > 1 else node.name] = pool
        yield found
