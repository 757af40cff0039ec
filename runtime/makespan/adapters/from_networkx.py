"""A networkx ``DiGraph`` whose nodes carry functions.

::

    graph.add_node("load", fn=load)
    graph.add_node("show", fn=show, options={"lock": "matplotlib"})
    graph.add_edge("load", "words")                # words(load's result)
    graph.add_edge("load", "show", arg="page")     # show(page=load's result, title=words' result)
    graph.add_edge("words", "show", arg="title")

A node is called with the results of its predecessors. Where there is more than one, each edge says which
parameter it feeds: ``arg``, a name or a position. The order of edges says nothing: ``graph.copy()`` changes
it, and that of a sub-graph hangs on the hash of strings.

Tested with networkx 3.2 to 3.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan.adapters.from_graphlib import TAKES, keyword
from makespan.adapters.graphs import add, check_edges, names_of
from makespan.errors import DescribeError
from makespan.graph import DAG

if TYPE_CHECKING:
    from makespan.adapters.from_graphlib import Takes

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
    graph: Any, *, fn: str = "fn", takes: Takes = "arguments", name: str | None = None
) -> DAG[..., Any]:
    """Return the DAG of a networkx ``DiGraph``.

    Parameters
    ----------
    graph : networkx.DiGraph
        Each node has its function as an attribute, and may have ``options``, a mapping of
        `makespan.NodeOptions`.
    fn : str
        The name of the attribute that holds the function.
    takes : {"arguments", "names", "nothing"}
        How nodes get the results of their predecessors: as the edges' ``arg`` says; as keyword arguments, by
        the names of the predecessors; not at all.
    name : str, optional
        How files and reports call the DAG; the graph's own name when omitted.

    Returns
    -------
    DAG
        It takes no inputs and returns the results of its last nodes, by name.

    Raises
    ------
    DescribeError
        A cycle, a node without a function, an undirected graph or one with parallel edges, an edge that does
        not say its parameter where several end, a parameter that two edges claim.
    """
    if not knows(graph):
        raise DescribeError(f"a networkx.DiGraph is needed, not {type(graph).__name__}")
    if takes not in TAKES:
        raise DescribeError(f"takes is {' or '.join(map(repr, TAKES))}, not {takes!r}")
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
        before = {names[p]: graph.edges[p, node].get("arg") for p in graph.predecessors(node)}
        options = attributes.get("options")
        if takes == "nothing":
            add(dag, names[node], attributes[fn], after=sorted(before), options=options)
            continue
        if takes == "names":
            before = {p: keyword(p, names[node]) for p in before}
        args, kwargs = _arguments(names[node], before)
        refs = {parameter: dag.ref(p) for parameter, p in kwargs.items()}
        add(dag, names[node], attributes[fn], [dag.ref(p) for p in args], refs, options=options)
    check_edges(dag, {names[node]: {names[p] for p in graph.predecessors(node)} for node in graph})
    return dag


def _arguments(node: str, before: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Return the predecessors that are positional arguments, and by parameter those that are not."""
    if len(before) == 1 and None in before.values():
        return list(before), {}
    said: dict[Any, str] = {}
    for p in sorted(before):
        arg = before[p]
        if arg is None:
            raise DescribeError(
                f"node {node!r} takes {len(before)} results, "
                f"and the edge from {p!r} does not say which it is",
                hint="graph.add_edge(…, arg='parameter'); or takes='names', takes='nothing'",
            )
        if not isinstance(arg, str) and (isinstance(arg, bool) or not isinstance(arg, int)):
            raise DescribeError(f"the edge from {p!r} to {node!r} says arg={arg!r}: no parameter's name")
        if arg in said:
            raise DescribeError(
                f"the edge from {p!r} to {node!r} says arg={arg!r}: that from {said[arg]!r} has it"
            )
        said[arg] = p
    positions = sorted(arg for arg in said if isinstance(arg, int))
    if positions != list(range(len(positions))):
        raise DescribeError(f"node {node!r} has edges at the positions {positions}: they count from 0")
    return [said[i] for i in positions], {arg: p for arg, p in said.items() if isinstance(arg, str)}
