"""makespan as an engine among its peers: with and without a plan, traced, and as compiled chains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.runtime_peers import PEERS, Edges, Function, Peer, Run
from makespan import __version__
from makespan.engine.executor import Trace
from makespan.machine import this_machine
from makespan.plan import DagId, Plan, PlanNode, Solver
from makespan.testing import dag_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack

    from makespan.graph import DAG


def plan_of(
    made: DAG[..., Any], threads: int, *, duration_s: float, chains: Sequence[Sequence[str]] = ()
) -> Plan:
    """Return a plan by hand: topological order, every node planned for the same time."""
    structure = made.check()
    rank_of = {i: rank for rank, i in enumerate(structure.order)}
    nodes = [
        PlanNode(
            name=name,
            rank=rank_of[i],
            start_s=0.0,
            duration_s=duration_s,
            lane=0,
            alone_s=duration_s,
            after=tuple(structure.names[p] for p in structure.preds[i]),
        )
        for i, name in enumerate(structure.names)
    ]
    total_s = duration_s * len(nodes)
    return Plan(
        makespan_version=__version__,
        dag=DagId(made.name, made.fingerprint),
        machine=this_machine(),
        threads=threads,
        cores=2.0,
        makespan_s=total_s,
        default_makespan_s=total_s,
        lower_bound_s=0.0,
        binding="threads",
        gap=1.0,
        solver=Solver("by hand", "feasible", "written by hand", 0, 0.0),
        chains=tuple(map(tuple, chains)),
        nodes=tuple(sorted(nodes, key=lambda node: node.name)),
    )


def no_plan(preds: Edges, threads: int, function: Function, _: ExitStack) -> Run:
    """Prepare without a plan: nobody knows how long nodes take."""
    fast = dag_of(preds, lambda _: function).prepare(threads=threads)
    return lambda: list(fast().values())


def long_plan(preds: Edges, threads: int, function: Function, _: ExitStack) -> Run:
    """Prepare with a plan in which every node is worth a hand-off to another thread."""
    made = dag_of(preds, lambda _: function)
    fast = made.prepare(plan_of(made, threads, duration_s=1e-3))
    return lambda: list(fast().values())


def short_plan(preds: Edges, threads: int, function: Function, _: ExitStack) -> Run:
    """Prepare with a plan that knows the nodes to be shorter than a hand-off."""
    made = dag_of(preds, lambda _: function)
    fast = made.prepare(plan_of(made, threads, duration_s=1e-6))
    return lambda: list(fast().values())


def chain_plan(preds: Edges, threads: int, function: Function, _: ExitStack) -> Run:
    """Prepare with a plan that runs the whole chain as one."""
    if any(some != [i - 1] for i, some in enumerate(preds) if i):
        raise ValueError("not a chain")
    made = dag_of(preds, lambda _: function)
    fast = made.prepare(plan_of(made, threads, duration_s=1e-3, chains=[list(made.nodes)]))
    return lambda: list(fast().values())


def traced(preds: Edges, threads: int, function: Function, _: ExitStack) -> Run:
    """Note starts, ends and threads."""
    made = dag_of(preds, lambda _: function)
    fast = made.prepare(plan_of(made, threads, duration_s=1e-3))

    def run() -> list[Any]:
        execution = fast.execution({}, Trace(len(preds)))
        execution.run()
        if execution.failures:
            raise execution.failures[0][1]
        return list(fast.program.output(execution.kept, {}).values())

    return run


def recorded(preds: Edges, threads: int, function: Function, _: ExitStack) -> Run:
    """Trace, and make the record that a report is drawn from."""
    made = dag_of(preds, lambda _: function)
    fast = made.prepare(plan_of(made, threads, duration_s=1e-3))
    return lambda: list(fast.run().result.values())


OURS = {
    "makespan": Peer(long_plan),
    "makespan short nodes": Peer(short_plan),
    "makespan no plan": Peer(no_plan),
    "makespan chain": Peer(chain_plan),
    "makespan traced": Peer(traced),
    "makespan run()": Peer(recorded, 10_000),
}
ENGINES = OURS | PEERS
