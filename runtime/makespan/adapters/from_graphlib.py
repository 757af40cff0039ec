"""graphlib's own form of a graph: ``{node: predecessors}``, with a callable for each node.

::

    graph = {"load": [], "words": ["load"], "show": ["words", "load"]}
    calls = {"load": load, "words": words, "show": show}     # show(words, load)
    dag = from_graphlib(graph, calls)

What graphlib leaves open is how results travel. Here a node is called with the results of its predecessors,
in the order in which they are listed; with ``takes="names"`` by keyword; with ``takes="nothing"`` not at all
(functions that speak through files, or a shared dict). A set has no order that lasts, so a node that takes
two results from a set of predecessors is refused.

Tested with Python 3.11 to 3.13.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Literal

from makespan.adapters.graphs import add, check_edges, checked_mapping, names_of, refuse_unknown
from makespan.errors import DescribeError
from makespan.graph import DAG

if TYPE_CHECKING:
    from collections.abc import Callable

Takes = Literal["arguments", "names", "nothing"]
TAKES = ("arguments", "names", "nothing")


def from_graphlib(
    graph: Mapping[Any, Iterable[Any]],
    functions: Mapping[Any, Callable[..., Any]],
    *,
    takes: Takes = "arguments",
    options: Mapping[Any, Mapping[str, Any]] | None = None,
    name: str = "graph",
) -> DAG[..., Any]:
    """Return the DAG of a graph as graphlib takes it, and of what its nodes call.

    Parameters
    ----------
    graph : mapping of node to iterable of nodes
        What each node waits for. As in graphlib, what only stands among the predecessors is a node too.
    functions : mapping of node to callable
        One for each node.
    takes : {"arguments", "names", "nothing"}
        How a node gets the results of its predecessors: as arguments, in their order; as keyword arguments,
        by their names; not at all.
    options : mapping of node to mapping, optional
        `makespan.NodeOptions` of some nodes: ``{"show": {"lock": "matplotlib"}}``.
    name : str
        How files and reports call the DAG.

    Returns
    -------
    DAG
        It takes no inputs and returns the results of its last nodes, by name.

    Raises
    ------
    DescribeError
        A cycle (named in order), a node without a function or a function without a node, predecessors in a
        set where their order counts.

    >>> from_graphlib({"b": ["a"]}, {"a": lambda: 20, "b": lambda a: a + 1})()
    {'b': 21}
    """
    if takes not in TAKES:
        raise DescribeError(f"takes is {' or '.join(map(repr, TAKES))}, not {takes!r}")
    if not isinstance(functions, Mapping):
        raise DescribeError(f"functions are a mapping of node to callable, not {type(functions).__name__}")
    options = checked_mapping("options", options)
    preds = _predecessors(graph, takes)
    names = names_of(preds)
    refuse_unknown("there is a function for", list(functions), preds)
    refuse_unknown("there are options for", list(options), preds)
    dag: DAG[..., Any] = DAG(name)
    for node, before in preds.items():
        if node not in functions:
            raise DescribeError(f"node {names[node]!r} has no function", hint="give one for each node")
        results = [dag.ref(names[p]) for p in before]
        said = options.get(node)
        if takes == "arguments":
            add(dag, names[node], functions[node], results, options=said)
        elif takes == "names":
            by_name = {keyword(p, names[node]): its for p, its in zip(before, results, strict=True)}
            add(dag, names[node], functions[node], kwargs=by_name, options=said)
        else:
            add(dag, names[node], functions[node], after=[names[p] for p in before], options=said)
    check_edges(dag, {names[node]: {names[p] for p in before} for node, before in preds.items()})
    return dag


def _predecessors(graph: Mapping[Any, Iterable[Any]], takes: Takes) -> dict[Any, list[Any]]:
    """Return the predecessors of each node, read once, each once, in an order that lasts."""
    if not isinstance(graph, Mapping):
        raise DescribeError(
            f"a graph is a mapping of nodes to their predecessors, not of type {type(graph).__name__}"
        )
    preds: dict[Any, list[Any]] = {}
    unordered: set[Any] = set()
    for node, before in graph.items():
        if isinstance(before, str | bytes) or not isinstance(before, Iterable):
            raise DescribeError(
                f"the predecessors of {node!r} are {before!r}: a list of nodes is needed",
                hint=f"[{before!r}]",
            )
        listed = list(before)
        preds[node] = list(dict.fromkeys(listed))
        if len(preds[node]) < len(listed) and takes == "arguments":
            raise DescribeError(
                f"node {node!r} lists a predecessor twice: {listed!r}",
                hint="list each once, and hand its result to both parameters inside the function",
            )
        if isinstance(before, AbstractSet):
            unordered.add(node)
            if takes == "arguments" and len(preds[node]) > 1:
                raise DescribeError(
                    f"node {node!r} takes {len(preds[node])} results, and a set of predecessors has no order",
                    hint="list them, or takes='names', or takes='nothing'",
                )
    seen = dict(preds)
    for node, before in preds.items():
        if node in unordered:
            before.sort(key=lambda p: (type(p).__name__, str(p)))
        for p in before:
            seen.setdefault(p, [])
    return seen


def keyword(node: Any, of: str) -> str:
    """Return a predecessor's name as the parameter of `of` that takes its result.

    Raises
    ------
    DescribeError
        It is no identifier.
    """
    if not isinstance(node, str) or not node.isidentifier():
        raise DescribeError(f"node {of!r} cannot take the result of {node!r} by name: it is no identifier")
    return node
