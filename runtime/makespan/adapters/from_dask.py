"""dask collections and delayed values as DAGs: one node for each task of the graph that dask would run.

::

    dag = from_dask(total, mean)            # instead of dask.compute(total, mean)
    plan = dag.profile(runs=3).optimize(threads=4)
    dag(), dag.run(plan=plan)               # (total's value, mean's value)
    dask.compute(total, mean, scheduler=plan.get)

What is taken over is what dask hands to its scheduler: after its own optimisation (fused, culled), and with
the tasks that put the pieces of a collection together. So ``plan.get`` sees the same graph, and a plan that
does not fit it is refused before anything runs.

Locks and limits cannot be read from a dask graph; say them by kind of task: ``options={"render": {"lock":
"matplotlib"}}``. Annotations of ``dask.annotate`` are for dask's cluster and mean nothing here.

Tested with dask 2025.4 to 2026.8.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from makespan.adapters.dask_graph import read_graph, task_spec
from makespan.adapters.dask_names import names_of
from makespan.adapters.graphs import add, check_edges, checked_mapping
from makespan.errors import DescribeError, did_you_mean
from makespan.graph import DAG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LIBRARY = "dask"
TESTED = ("2025.4", "2026.8")


class _Mark:
    """Stands where the result of a key is to be."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key


def knows(thing: Any) -> bool:
    """Say whether it is a dask collection or a delayed value, without importing dask."""
    kind = type(thing)
    mine = any(cls.__module__.partition(".")[0] in {"dask", "dask_expr"} for cls in kind.__mro__)
    return mine and hasattr(kind, "__dask_graph__") and hasattr(kind, "__dask_keys__")


def adapt(thing: Any) -> DAG[..., Any]:
    """Return the DAG of a dask collection; see `from_dask`."""
    return from_dask(thing)


def from_dask(
    *collections: Any,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    optimize_graph: bool = True,
    name: str = "dask",
) -> DAG[..., Any]:
    """Return the DAG of the tasks that ``dask.compute(*collections)`` would run.

    Parameters
    ----------
    *collections
        Collections and delayed values, also within lists, tuples and dicts.
    options : mapping of str to mapping, optional
        `makespan.NodeOptions` by kind of task: the key without token and indices.
    optimize_graph : bool
        As ``dask.compute`` has it.
    name : str
        How files and reports call the DAG.

    Returns
    -------
    DAG
        It takes no inputs, and returns what ``dask.compute`` returns; for one collection its value alone.
        Each node has the kind of its task as a tag.

    Raises
    ------
    DescribeError
        Nothing to compute, options for a kind that no task has, a result that lives on a cluster.
    MissingExtraError
        dask is not installed, or too old.
    """
    options = checked_mapping("options", options)
    dsk, keys, shape = captured(collections, optimize_graph=optimize_graph)
    dag, results = dag_of(dsk, keys, options=options, name=name)
    dag.returns(_filled(shape if len(shape) != 1 else shape[0], results))
    return dag


def captured(collections: tuple[Any, ...], *, optimize_graph: bool = True) -> tuple[Any, list[Any], Any]:
    """Return the graph and the keys that dask hands to its scheduler, and the shape of what it returns.

    Raises
    ------
    DescribeError
        There is nothing to compute.
    MissingExtraError
        dask is not installed.
    """
    task_spec()
    seen: list[tuple[Any, list[Any]]] = []

    def looked_at(dsk: Any, keys: Any, **_: Any) -> list[_Mark]:
        seen.append((dsk, list(keys)))
        return [_Mark(key) for key in keys]

    shape = import_module("dask").compute(*collections, scheduler=looked_at, optimize_graph=optimize_graph)
    if len(seen) != 1:
        what = "there is no dask collection" if not seen else "dask asked its scheduler more than once"
        raise DescribeError(what, where="from_dask", hint="give what you would give to dask.compute")
    return (*seen[0], shape)


def dag_of(
    dsk: Any,
    keys: Iterable[Any],
    *,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    declared: Mapping[str, Mapping[str, Any]] | None = None,
    name: str = "dask",
) -> tuple[DAG[..., Any], Callable[[Any], Any]]:
    """Return the DAG of a dask graph, and a function from wanted key to placeholder or value.

    Options are given by kind of task; what was `declared` before, by name, as far as there are such tasks.

    Raises
    ------
    DescribeError
        See `makespan.adapters.dask_graph.read_graph`.
    """
    graph = read_graph(dsk, keys)
    named = names_of((step.key, step.chain) for step in graph.steps)
    _refuse_unknown_kinds(options or {}, {its.kind for its in named.values()})
    dag: DAG[..., Any] = DAG(name)
    made: dict[Any, Any] = {}
    for step in graph.steps:
        its = named[step.key]
        said = {**(declared or {}).get(its.name, {}), **(options or {}).get(its.kind, {})}
        tags = said.get("tags", ())
        said["tags"] = (its.kind, *((tags,) if isinstance(tags, str) else tags))
        before = [made[key] for key in step.before]
        made[step.key] = add(dag, its.name, step.call, before, options=said, code=_plain(step.call))
    check_edges(dag, {named[step.key].name: {named[key].name for key in step.before} for step in graph.steps})

    def result(key: Any) -> Any:
        is_task, found = graph.results[key]
        return made[found] if is_task else found

    return dag, result


def _plain(call: Any) -> Any:
    inner = call.__wrapped__
    return getattr(inner, "func", inner)


def _refuse_unknown_kinds(options: Mapping[str, Any], kinds: set[str]) -> None:
    for kind, said in options.items():
        if not isinstance(said, Mapping):
            raise DescribeError(f"the options of {kind!r} are no mapping", hint="{'lock': 'matplotlib'}")
        if kind not in kinds:
            hint = did_you_mean(str(kind), sorted(kinds)) or f"kinds are {', '.join(sorted(kinds)[:8])}"
            raise DescribeError(f"options are given for {kind!r}, and no task is of that kind", hint=hint)


def _filled(shape: Any, result: Callable[[Any], Any]) -> Any:
    """Put results into what dask returned, in lists, tuples and dicts."""
    kind = type(shape)
    if kind is _Mark:
        return result(shape.key)
    if kind is list:
        return [_filled(item, result) for item in shape]
    if kind is tuple:
        return tuple(_filled(item, result) for item in shape)
    if kind is dict:
        return {_whole(key): _filled(item, result) for key, item in shape.items()}
    return _whole(shape)


def _whole(value: Any) -> Any:
    """Return a value that holds no result.

    Raises
    ------
    DescribeError
        It does: in a set, a data class, a named tuple or a slice.
    """
    from gc import get_referents

    left, seen = [value], set[int]()
    for _ in range(4):
        inner = []
        for item in left:
            if type(item) is _Mark:
                raise DescribeError(
                    f"a collection inside a {type(value).__name__} cannot be taken over",
                    where="from_dask",
                    hint="give collections alone or in lists, tuples and dicts",
                )
            if id(item) not in seen and not isinstance(item, type) and len(seen) < 10_000:
                seen.add(id(item))
                inner += get_referents(item)
        left = inner
    return value
