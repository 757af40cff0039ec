"""A plan as the configuration that Tawazi takes: JSON or YAML, or applied to a DAG in one line.

::

    apply_to(dag, plan)                        # then call dag as ever: Tawazi runs it in the plan's order
    tawazi_config(plan, dag).save("tawazi.json")        # dag.config_from_json("tawazi.json")

Tawazi reads three things: a priority and ``is_sequential`` of each node, and ``max_concurrency``. The order
goes into priorities (`makespan.adapters.tawazi.priorities`). Nodes that must not overlap because a lock says
so become sequential, all but the longest: that is safe, and stops everything else too. What has no place is
listed in words.
"""

from __future__ import annotations

import json
from dataclasses import is_dataclass
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

import msgspec

from makespan.adapters.tawazi.not_carried import not_carried
from makespan.adapters.tawazi.priorities import encode
from makespan.adapters.tawazi.reading import Reading, is_stub
from makespan.adapters.tawazi.walk import from_tawazi
from makespan.errors import PlanError
from makespan.files import write_atomic
from makespan.plan import checked_plan

if TYPE_CHECKING:
    import os

    from makespan.plan import Plan


class TawaziConfig(msgspec.Struct, frozen=True):
    """What ``config_from_dict``, ``config_from_json`` and ``config_from_yaml`` of a Tawazi DAG take.

    Attributes
    ----------
    config : dict
        ``{"nodes": {id: {"priority": int, "is_sequential": bool}}, "max_concurrency": int}``.
    order : tuple of str
        The nodes in the order in which Tawazi will prefer them.
    not_carried : tuple of str
        What the plan says and Tawazi cannot do, a sentence each.
    """

    config: dict[str, Any]
    order: tuple[str, ...]
    not_carried: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the text for ``config_from_json``."""
        return json.dumps(self.config, indent=1) + "\n"

    def to_yaml(self) -> str:
        """Return the text for ``config_from_yaml``."""
        import yaml  # type: ignore[import-untyped,unused-ignore]  # Tawazi brings it

        return str(yaml.safe_dump(self.config, sort_keys=False, width=10_000))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it whole, as YAML where the name ends so, else as JSON."""
        is_yaml = str(path).lower().endswith((".yaml", ".yml"))
        write_atomic(path, (self.to_yaml() if is_yaml else self.to_json()).encode())


def tawazi_config(plan: Plan, dag: Any, *, debug: bool | None = None) -> TawaziConfig:
    """Return the configuration with which Tawazi follows a plan.

    Parameters
    ----------
    plan : Plan
    dag : tawazi.DAG or tawazi.AsyncDAG
        The one that was planned.
    debug : bool, optional
        Whether debug nodes run; as when it was profiled.

    Raises
    ------
    PlanError
        The plan is for another DAG, or Tawazi would take a node's id for a tag.
    DescribeError
        The DAG cannot be taken over.
    """
    plan = checked_plan(plan, "plan")
    ours = from_tawazi(dag, debug=debug)
    structure = ours.check()
    ranks = plan.ranks(structure, fingerprint=ours.fingerprint)
    reading = Reading(dag, debug=debug)
    order = _with_stubs(_order(plan, structure.names, structure.preds, ranks), reading)
    sequential = _sequential(plan)
    priorities = encode(_successors(dag), order)
    nodes: dict[str, dict[str, Any]] = {}
    for id_ in [*order, *sorted(reading.left_out)]:
        _refuse_tag(dag, id_)
        nodes[id_] = {
            "priority": priorities.get(id_, 0),
            "is_sequential": id_ in sequential or bool(reading.xns[id_].is_sequential and id_ in ours.nodes),
        }
    for id_ in nodes:
        fn = reading.xns[id_].exec_function
        if is_dataclass(fn) and not isinstance(fn, type):
            raise PlanError(
                f"node {id_!r} is called through a data class, which Tawazi turns into a dict when a DAG is "
                "configured",
                hint="give Tawazi a function",
            )
    words = not_carried(plan, reading, sequential, nodes)
    return TawaziConfig({"nodes": nodes, "max_concurrency": plan.threads}, tuple(order), words)


def apply_to(dag: Any, plan: Plan, *, debug: bool | None = None) -> TawaziConfig:
    """Configure a Tawazi DAG so that Tawazi follows a plan, and return what was said to it.

    Raises
    ------
    PlanError, DescribeError
        As `tawazi_config`; then the DAG is as it was.
    """
    made = tawazi_config(plan, dag, debug=debug)
    before = dict(dag.exec_nodes), dag.max_concurrency, dag.graph_ids
    try:
        dag.config_from_dict(made.config)
    except BaseException:  # Tawazi copies each function, and one may refuse to be copied
        xns, dag.max_concurrency, dag.graph_ids = before
        for id_, xn in xns.items():
            dag.exec_nodes.force_set(id_, xn)
        raise
    return made


def export_plan(plan: Plan) -> tuple[str, tuple[str, ...]]:
    """Return a plan as JSON for ``config_from_json``, and what it does not carry.

    Raises
    ------
    PlanError
        The plan does not say where its DAG is, or that is none of Tawazi's.
    """
    from makespan.cli.target import load_target

    if plan.dag.target is None:
        raise PlanError(
            "the plan does not say where its DAG is, and Tawazi's priorities depend on its whole graph",
            hint="profile it by its target (makespan profile api:pipeline), or call tawazi_config(plan, dag)",
        )
    origin = load_target(plan.dag.target).origin
    if origin is None:
        raise PlanError(
            f"{plan.dag.target!r} is not a DAG of Tawazi's", where="--to tawazi", hint="--to csv, --to dot"
        )
    made = tawazi_config(plan, origin)
    return made.to_json(), made.not_carried


def _order(plan: Plan, names: Any, preds: Any, ranks: list[int]) -> list[str]:
    """Return the order in which one thread would run the plan; what it starts after counts as an edge."""
    at = {name: i for i, name in enumerate(names)}
    before = [set(its) for its in preds]
    for node in plan.nodes:
        before[at[node.name]].update(at[name] for name in node.starts_after)
    succs: list[list[int]] = [[] for _ in names]
    for i, its in enumerate(before):
        for p in its:
            succs[p].append(i)
    waiting = [len(its) for its in before]
    ready = [(ranks[i], i) for i, count in enumerate(waiting) if not count]
    heapify(ready)
    order: list[str] = []
    while ready:
        _, i = heappop(ready)
        order.append(names[i])
        for s in succs[i]:
            waiting[s] -= 1
            if not waiting[s]:
                heappush(ready, (ranks[s], s))
    return order


def _with_stubs(order: list[str], reading: Reading) -> list[str]:
    """Put what hands arguments on to sub-DAGs right behind what it waits for: it takes no time."""
    rank = {id_: at for at, id_ in enumerate(order)}
    graph = reading.dag.graph_ids
    behind: dict[str, tuple[int, ...]] = {}

    def place(id_: str) -> tuple[int, ...]:
        if id_ in rank:
            return (rank[id_],)
        if id_ not in behind:
            its = max((place(p) for p in graph.predecessors(id_)), default=(-1,))
            behind[id_] = (*its, len(behind))
        return behind[id_]

    stubs = [i for i, xn in reading.xns.items() if i not in rank and is_stub(xn) and i not in reading.inputs]
    for id_ in stubs:
        place(id_)
    return sorted([*order, *stubs], key=place)


def _successors(dag: Any) -> dict[str, list[str]]:
    graph = dag.graph_ids
    return {node: list(graph.successors(node)) for node in graph}


def _sequential(plan: Plan) -> frozenset[str]:
    """Return the nodes that must run alone so that no two overlap which the plan keeps apart for good."""
    seconds = {node.name: node.duration_s for node in plan.nodes}
    apart: dict[str, set[str]] = {}
    for node in plan.nodes:
        for lock in node.locks:
            apart.setdefault(lock, set()).add(node.name)
    sets = [*apart.values()]
    sets += [set(g.nodes) for g in plan.groups if g.reason in {"lock", "pinned"} and g.limit == 1]
    alone = {node.name for node in plan.nodes if node.exclusive}
    for nodes in sets:
        left = sorted(nodes - alone, key=lambda name: (seconds[name], name))
        alone.update(left[:-1])
    return frozenset(alone)


def _refuse_tag(dag: Any, id_: str) -> None:
    """Refuse an id that is also a tag of other nodes: Tawazi would configure those."""
    if (tagged := dag.graph_ids.get_tagged_nodes(id_)) and tagged != [id_]:
        raise PlanError(
            f"Tawazi would take {id_!r} for the tag of {', '.join(map(repr, tagged))}",
            hint="rename the tag",
        )
