"""An unmodified Tawazi DAG, watched while Tawazi's own scheduler runs it: the "before" of a comparison.

A copy of the DAG is run whose functions read a clock before and after; the user's own DAG is as it was (but
for set-up nodes, whose results Tawazi keeps in it). The clocks cost a few microseconds a node, where Tawazi's
scheduler takes some two hundred.
"""

from __future__ import annotations

import asyncio
import datetime
from contextlib import suppress
from copy import copy
from functools import wraps
from threading import get_ident
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan._version import __version__
from makespan.adapters.tawazi.reading import Reading
from makespan.adapters.tawazi.walk import from_tawazi
from makespan.errors import OptionError
from makespan.machine import this_machine
from makespan.plan import DagId
from makespan.record import RunNode, RunRecord
from makespan.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan.graph import DAG
    from makespan.plan import Plan


class Span(NamedTuple):
    """One call of a node's function."""

    name: str
    start_s: float
    end_s: float
    thread: int


def run_by_tawazi(dag: Any, *args: Any, plan: Plan | None = None, debug: bool | None = None) -> Run:
    """Run a DAG by Tawazi itself, and return a `makespan.Run`: its result, and what started where and when.

    Parameters
    ----------
    dag : tawazi.DAG or tawazi.AsyncDAG
    *args : Any
        What it is called with.
    plan : Plan, optional
        The plan that it was configured with, to be drawn beside what happened.
    debug : bool, optional
        As Tawazi's ``RUN_DEBUG_NODES`` says unless given; then it must say the same.

    Raises
    ------
    DescribeError, PlanError, OptionError
        The DAG cannot be taken over; the plan is for another one; an event loop is running in this thread.
    Exception
        What a node raised, as Tawazi hands it on.
    """
    with suppress(RuntimeError):
        asyncio.get_running_loop()
        raise OptionError(
            "Tawazi starts an event loop of its own, and one is running in this thread",
            where="run_by_tawazi",
            hint="await asyncio.to_thread(run_by_tawazi, dag, …)",
        )
    ours = from_tawazi(dag, debug=debug)
    if plan is not None:
        plan.ranks(ours.check(), fingerprint=ours.fingerprint)
    reading = Reading(dag, debug=debug)
    spans: list[Span] = []
    watched = copy(dag)
    watched.exec_nodes = copy(dag.exec_nodes)
    for id_, xn in reading.work.items():
        its = copy(xn)
        object.__setattr__(its, "exec_function", _watched(id_, xn.exec_function, spans))
        watched.exec_nodes.force_set(id_, its)
    caller = get_ident()
    started = datetime.datetime.now(datetime.UTC)
    zero_s = perf_counter()
    result = watched(*args)
    if asyncio.iscoroutine(result):
        result = asyncio.run(result)
    makespan_s = perf_counter() - zero_s
    nodes = _nodes(ours, spans, zero_s, caller, set(reading.values))
    record = RunRecord(
        makespan_version=__version__,
        dag=DagId(ours.name, ours.fingerprint),
        machine=this_machine(),
        started_at=started.isoformat(timespec="milliseconds"),
        threads=ours.default_threads or 1,
        status="ok",
        makespan_s=makespan_s,
        left_out=tuple(sorted(ours.nodes.keys() - {node.name for node in nodes})),
        notes=("run by Tawazi's own scheduler",),
        nodes=nodes,
        plan=plan,
    )
    return Run(result, record)


def _watched(id_: str, fn: Callable[..., Any], spans: list[Span]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        start_s = perf_counter()
        try:
            return fn(*args, **kwargs)
        finally:
            spans.append(Span(id_, start_s, perf_counter(), get_ident()))

    with suppress(Exception):
        return wraps(fn)(call)
    return call


def _nodes(
    ours: DAG[..., Any], spans: list[Span], zero_s: float, caller: int, known: set[str]
) -> tuple[RunNode, ...]:
    """Return what ran, in the order of the starts, and what was passed over when it could have run."""
    threads = {caller: 0}
    rows: dict[str, RunNode] = {}
    for span in sorted(spans, key=lambda span: span.start_s):
        number = threads.setdefault(span.thread, len(threads))
        rows[span.name] = RunNode(
            span.name,
            span.start_s - zero_s,
            span.end_s - zero_s,
            number,
            after=ours.nodes[span.name].depends_on,
        )
    structure = ours.check()
    for i in structure.order:
        name = structure.names[i]
        if name in rows or name in known:
            continue
        ends = [rows[p].end_s for p in ours.nodes[name].depends_on if p in rows]
        at_s = max(ends, default=0.0)
        rows[name] = RunNode(name, at_s, at_s, 0, status="skipped", after=ours.nodes[name].depends_on)
    return tuple(sorted(rows.values(), key=lambda node: node.start_s))
