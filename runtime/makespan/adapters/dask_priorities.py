"""A plan's order as priorities of a dask cluster.

::

    x = prioritised(plan, total)            # instead of total
    client.compute(x)                       # or x.compute(): with a Client, on the cluster

``dask.annotate(priority=…)`` holds for the layers that are built under it, and is lost when dask fuses tasks.
So the graph is taken as dask's scheduler would get it, optimised, and each task gets the priority of its node
in the plan. It is not optimised again.

Of the plan a cluster keeps the order among tasks that are ready, no more: locks, groups and the thread budget
are not carried, and a worker's own queue has the last word.

Tested with dask and distributed 2026.8.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from makespan.adapters.dask_names import names_of
from makespan.adapters.from_dask import captured, dag_of

if TYPE_CHECKING:
    from makespan.plan import Plan

_LAYER = "makespan"


class Prioritised:
    """A dask collection of one value: a graph whose tasks have the priorities of a plan."""

    __dask_optimize__ = None  # a fused task would have no priority

    def __init__(self, graph: Any, key: Any) -> None:
        self._graph = graph
        self._key = key

    def __dask_graph__(self) -> Any:
        return self._graph

    def __dask_keys__(self) -> list[Any]:
        return [self._key]

    def __dask_layers__(self) -> tuple[str, ...]:
        return (_LAYER,)

    def __dask_tokenize__(self) -> Any:
        return _LAYER, self._key

    @property
    def __dask_scheduler__(self) -> Any:
        return import_module("dask.threaded").get

    def __dask_postcompute__(self) -> Any:
        return import_module("dask.delayed").single_key, ()

    def __dask_postpersist__(self) -> Any:
        return self._rebuilt, ()

    def _rebuilt(self, graph: Any, *_: Any, **__: Any) -> Prioritised:
        return Prioritised(graph, self._key)

    def compute(self, **how: Any) -> Any:
        """Compute it, as collections of dask's are computed."""
        (value,) = import_module("dask").compute(self, **how)
        return value


def prioritised(plan: Plan, collection: Any) -> Prioritised:
    """Return a collection or delayed value whose tasks have the priorities of a plan.

    Parameters
    ----------
    plan : Plan
        Made from `makespan.adapters.from_dask` of the same collection.
    collection
        One collection or delayed value.

    Returns
    -------
    Prioritised
        A dask collection; computed, it has the value of the one that was given.

    Raises
    ------
    PlanError
        The plan is for another graph.
    DescribeError
        It is no collection, or cannot be read.
    """
    dsk, keys, _ = captured((collection,))  # says what to install
    graphs = import_module("dask.highlevelgraph")
    dag, _ = dag_of(dsk, keys)
    dag.prepare(plan)  # checked like any use of it
    spec = import_module("dask._task_spec")
    tasks = dict(spec.convert_legacy_graph(dict(dsk if isinstance(dsk, dict) else dsk.__dask_graph__())))
    priority = _priorities(plan, dsk, keys)
    # Data and aliases cost nothing, and others wait for them: they go first.
    annotations = {"priority": lambda key: priority.get(key, len(priority) + 1)}
    layer = graphs.MaterializedLayer(tasks, annotations=annotations)
    return Prioritised(graphs.HighLevelGraph({_LAYER: layer}, {_LAYER: set()}), keys[0])


def _priorities(plan: Plan, dsk: Any, keys: list[Any]) -> dict[Any, int]:
    """Return a number for each task's key, the largest for what is to start first."""
    from makespan.adapters.dask_graph import read_graph

    ranks = {node.name: node.rank for node in plan.nodes}
    named = names_of((step.key, step.chain) for step in read_graph(dsk, keys).steps)
    return {key: len(ranks) - ranks[its.name] for key, its in named.items()}
