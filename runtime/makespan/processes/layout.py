"""Which nodes of a DAG run in worker processes, and how: checked before anything runs.

A node runs there by itself, or as a member of a cluster. A cluster runs node by node in its worker where one
of its nodes has something round it that belongs to this process: what it set up once, kept results, a
condition, attempts to be counted, a time limit of its own, or a declaration that it runs elsewhere.
"""

from __future__ import annotations

import sys
from collections import Counter
from functools import partial
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.describing.returned import is_coroutine_function
from makespan.errors import DescribeError, OptionError, PlanError
from makespan.preparing.parts import Part
from makespan.processes import ensure_installed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from makespan.graph import DAG, Node
    from makespan.plan import PlanCluster
    from makespan.preparing.fit import Fit


class Layout(NamedTuple):
    """What runs in workers.

    Attributes
    ----------
    functions : dict of str to callable
        What is called in the place of nodes' functions.
    parts : list of Part
        Clusters.
    fitted : Fit
        With the modes that came of it, and the workers as groups.
    ahead : callable or None
        Starts workers that a run will need, and does not wait for them.
    warm : callable or None
        Does, within a time limit, and returns how many seconds it took.
    """

    functions: dict[str, Callable[..., Any]]
    parts: list[Part]
    fitted: Fit
    ahead: Callable[[], None] | None = None
    warm: Callable[[float | None], float] | None = None


def lay_out(dag: DAG[..., Any], fitted: Fit, where: str, *, go_on: bool = False) -> Layout:
    """Decide it.

    Parameters
    ----------
    dag : DAG
    fitted : Fit
    where : str
        The plan, for errors.
    go_on : bool
        Runs go on after a failure: of what needs a cluster, only what needs the failed member does not run.

    Raises
    ------
    MissingExtraError
        What it needs is not installed.
    OptionError
        A coroutine function is declared to run in a worker process.
    PlanError, DescribeError
        A function cannot be sent to a worker process.
    """
    nodes = list(dag.nodes.values())
    number = {node.name: i for i, node in enumerate(nodes)}
    modes = dict(fitted.modes)
    its = [nodes[i].name for i, mode in sorted(modes.items()) if mode == "process"]
    its += [name for cluster in fitted.clusters for name in cluster.nodes]
    ensure_installed(f"node {its[0]!r} is to run in a worker process, which")
    from makespan.around.native_limits import _ensure_limitable
    from makespan.processes import worker
    from makespan.processes.calls import Limited, ProcessCall
    from makespan.processes.clusters import cluster_call
    from makespan.processes.imports import Needed, pickled, warm
    from makespan.processes.members import run_steps
    from makespan.processes.pool import pool

    if worker.link is not None:  # a worker makes its own DAGs' nodes in its own process
        modes = {i: mode for i, mode in modes.items() if mode != "process"}
        return Layout({}, [], fitted._replace(modes=modes, clusters=()))
    notes = list(fitted.notes)
    bound: dict[int, int] = {}
    there: dict[int, list[int]] = {}
    parts: list[Part] = []
    kept: list[PlanCluster] = []
    testing = _testing(nodes, fitted)
    for cluster in fitted.clusters:
        members = tuple(number[name] for name in cluster.nodes)
        again = tuple(number[name] for name in cluster.again)
        there.setdefault(cluster.worker, []).extend((*members, *again))
        bound |= dict.fromkeys(members, cluster.worker)
        for i in members:
            if nodes[i].options.mode is None and not is_coroutine_function(nodes[i].fn):
                modes[i] = "process"
        if len(members) + len(again) == 1:
            continue
        reasons = [
            f"{nodes[i].name!r} {why}" for i in (*members, *again) if (why := _own(nodes[i], i in testing))
        ]
        if go_on:
            reasons.append("after a failure the others go on")
        if reasons:
            notes.append(f"the nodes of {cluster.name!r} run one by one in their worker: {reasons[0]}")
            continue
        kept.append(cluster)
        parts.append(Part(members, partial(cluster_call, cluster.worker, again), again))
    for i in sorted(fitted.native):
        if modes.get(i) == "process":
            _ensure_limitable(nodes[i].name, fitted.native[i])
    together = {i for part in parts for i in (*part.nodes, *part.again)}
    inside = {i for part in parts for i in part.nodes}
    functions: dict[str, Callable[..., Any]] = {}
    others = frozenset(bound.values())
    for i, mode in sorted(modes.items()):
        if mode != "process" or i in fitted.vacant:
            continue
        node = nodes[i]
        if is_coroutine_function(node.fn):
            if node.options.mode != "process":
                modes.pop(i)
                continue
            raise stays_here(node)
        if i in inside:
            continue
        functions[node.name] = ProcessCall(node.fn, node.name, i, bound.get(i), fitted.native.get(i), others)
        _check(node, where, pool.files)
    for i in together:
        _check(nodes[i], where, pool.files)
        if i in inside and i in fitted.native:
            functions[nodes[i].name] = Limited(nodes[i].fn, fitted.native[i])
    groups = [*fitted.groups, *_groups(modes, bound, pool.most)]
    fitted = fitted._replace(modes=modes, clusters=kept, groups=groups, notes=tuple(notes))
    free = [i for i, mode in modes.items() if mode == "process" and i not in bound and i not in fitted.vacant]

    def sent(its: Iterable[int], *more: Callable[..., Any]) -> tuple[bytes, ...]:
        limited = [Limited(nodes[i].fn, fitted.native[i]) for i in its if i in fitted.native]
        return pickled([*(nodes[i].fn for i in its), *limited, *more])

    needed = Needed(
        {worker: sent(its, run_steps) for worker, its in there.items()},
        _at_once(nodes, fitted, free),
        sent(free),
    )
    return Layout(functions, parts, fitted, partial(pool.ahead, needed), partial(warm, pool, needed))


def stays_here(node: Node) -> OptionError:
    """Return what is said of a coroutine function that is declared to run in a worker process."""
    return OptionError(
        "a coroutine function runs on an event loop of this process, not in a worker process",
        where=node.place or node.name,
        hint=f"leave out mode='process' of node {node.name!r}",
    )


def _at_once(nodes: Sequence[Node], fitted: Fit, free: Sequence[int]) -> int:
    """Return how many nodes that are bound to no worker may well run at once: those of one depth.

    Of what may not run at all (it has a condition, or its result is kept) none counts.
    """
    from makespan.around.conditions import touched

    structure = fitted.structure
    unsure = touched(nodes, structure.order).testing
    depth = [0] * len(structure)
    for i in structure.order:
        depth[i] = max((depth[p] + 1 for p in structure.preds[i]), default=0)
    sure = Counter(
        depth[i]
        for i in free
        if i not in unsure and not nodes[i].options.setup and nodes[i].options.cache is None
    )
    return min(fitted.threads, max(sure.values(), default=0))


def _groups(modes: dict[int, str], bound: dict[int, int], most: int) -> Iterable[tuple[list[int], int]]:
    """Yield what cannot run at once because there are so many workers: no thread need wait for one."""
    free = [i for i, mode in modes.items() if mode == "process" and i not in bound]
    if len(free) > most:
        yield sorted(free), most
    for number in sorted(set(bound.values())):
        yield sorted(i for i, its in bound.items() if its == number and modes.get(i) == "process"), 1


def _testing(nodes: Sequence[Node], fitted: Fit) -> frozenset[int]:
    if not fitted.clusters:
        return frozenset()
    from makespan.around.conditions import touched

    return touched(nodes, fitted.structure.order).testing


def _own(node: Node, testing: bool) -> str:
    """Say what a node has round it that belongs to this process; empty when it may be in a cluster."""
    options = node.options
    if is_coroutine_function(node.fn):
        return "is a coroutine function"
    if options.mode not in {None, "process"}:
        return f"is declared to run in mode {options.mode!r}"
    if testing:
        return "runs on a condition, or takes the result of one that does"
    for word, had in (
        ("is set up once", options.setup),
        ("has retries", options.retries),
        ("has a cache", options.cache is not None),
        ("has a timeout", options.timeout_s is not None),
    ):
        if had:
            return word
    return ""


def _check(node: Node, where: str, files: dict[str, str]) -> None:
    """Refuse a function that cannot be sent; note where its module is if its name does not tell."""
    from makespan.processes import codec

    module = sys.modules.get(getattr(node.fn, "__module__", None) or "")
    if module is not None and (file := _own_file(module)):
        files[module.__name__] = file
    if not (fault := codec.fault_of(codec.named(node.fn))):
        return
    declared = node.options.mode == "process"
    kind: type[DescribeError | PlanError] = DescribeError if declared else PlanError
    raise kind(
        f"node {node.name!r} is to run in a worker process, and its function cannot be sent there: {fault}",
        where=node.place or node.name if declared else where,
        hint="define it at the top level of a module"
        if declared
        else f"or optimize with --pin '{node.name} thread'",
    )


def _own_file(module: Any) -> str:
    """Return the file of a module that was not imported by its name; else nothing."""
    name, file = module.__name__, getattr(module, "__file__", None)
    if name == "__main__" or not isinstance(file, str):
        return ""
    top = name.partition(".")[0]
    spec = PathFinder.find_spec(top)
    if spec is None or (top == name and spec.origin != file):
        return file
    return ""
