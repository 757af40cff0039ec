"""A networkx ``DiGraph`` whose nodes carry functions.

::

    graph.add_node("load", fn=load)
    graph.add_node("show", fn=show, options={"lock": "matplotlib"})
    graph.add_edge("load", "show")                 # show(load's result)
    graph.add_edge("words", "show", arg="title")   # show(…, title=words' result)

A node is called with the results of its predecessors, in the order in which the edges were added; an edge
with an attribute ``arg`` says the parameter. Where edges into one node carry no ``arg``, its meaning hangs on
the order of ``add_edge`` calls: networkx keeps that order in the graph, but not in every file format, so name
the parameters of graphs that are read from files.

Tested with networkx 3.2 to 3.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan.adapters.graphs import add, check_edges, names_of
from makespan.errors import DescribeError
from makespan.graph import DAG

if TYPE_CHECKING:
    from collections.abc import Mapping

LIBRARY = "networkx"
TESTED = ("3.2", "3.6")


def knows(thing: Any) -> bool:
    """Say whether it is a networkx graph, without importing networkx."""
    return any(cls.__module__.partition(".")[0] == LIBRARY for cls in type(thing).__mro__) and hasattr(
        thing, "adj"
    )


def adapt(thing: Any) -> DAG[..., Any]:
    """Return the DAG of a networkx graph; see `from_networkx`."""
    return from_networkx(thing)


def from_networkx(
    graph: Any, *, fn: str = "fn", takes: str = "arguments", name: str | None = None
) -> DAG[..., Any]:
    """Return the DAG of a networkx ``DiGraph``.

    Parameters
    ----------
    graph : networkx.DiGraph
        Each node has its function as an attribute, and may have ``options``, a mapping of
        `makespan.NodeOptions`.
    fn : str
        The name of the attribute that holds the function.
    takes : {"arguments", "nothing"}
        Whether nodes are called with the results of their predecessors.
    name : str, optional
        How files and reports call the DAG; the graph's own name when omitted.

    Returns
    -------
    DAG
        It takes no inputs and returns the results of its last nodes, by name.

    Raises
    ------
    DescribeError
        A cycle, a node without a function, an undirected graph or one with parallel edges, a parameter that
        two edges claim.
    """
    if not knows(graph):
        raise DescribeError(f"a networkx.DiGraph is needed, not {type(graph).__name__}")
    if takes not in {"arguments", "nothing"}:
        raise DescribeError(f"takes is 'arguments' or 'nothing', not {takes!r}")
    if not graph.is_directed():
        raise DescribeError("the graph is undirected: it does not say which node waits", hint="DiGraph")
    if graph.is_multigraph():
        raise DescribeError(
            "the graph may have parallel edges, of which only one could be taken over",
            hint="networkx.DiGraph(graph), when no two nodes share several edges",
        )
    names = names_of(graph)
    dag: DAG[..., Any] = DAG(name or str(graph.graph.get("name") or "graph"))
    for node, attributes in graph.nodes(data=True):
        if fn not in attributes:
            raise DescribeError(
                f"node {names[node]!r} has no function", hint=f"graph.add_node({node!r}, {fn}=…)"
            )
        before = [(names[p], graph.edges[p, node]) for p in graph.predecessors(node)]
        options = attributes.get("options")
        if takes == "nothing":
            add(dag, names[node], attributes[fn], after=[p for p, _ in before], options=options)
        else:
            args, kwargs = _arguments(dag, names[node], before)
            add(dag, names[node], attributes[fn], args, kwargs, options=options)
    check_edges(dag, {names[node]: {names[p] for p in graph.predecessors(node)} for node in graph})
    return dag


def _arguments(
    dag: DAG[..., Any], node: str, before: list[tuple[str, Mapping[str, Any]]]
) -> tuple[list[Any], dict[str, Any]]:
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for p, its in before:
        parameter = its.get("arg")
        if parameter is None:
            args.append(dag.ref(p))
        elif not isinstance(parameter, str) or parameter in kwargs:
            raise DescribeError(
                f"the edge from {p!r} to {node!r} says arg={parameter!r}: "
                + ("another edge has it" if isinstance(parameter, str) else "it is no parameter's name")
            )
        else:
            kwargs[parameter] = dag.ref(p)
    return args, kwargs
