"""A graph of another library written down as a DAG: one node for each of its own, by one way in.

Every adapter that builds a DAG node by node goes through `add`, so that names, options and functions are
refused in one place and in the same words, with the node's name.

Invariant: an edge that went in is an edge of the DAG. `check_edges` holds what was built against what was
read; it costs nothing beside running even one node.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from makespan.describing.node_options import checked_options, joined
from makespan.describing.options import NO_OPTIONS, check_name
from makespan.describing.place import function_place
from makespan.describing.placeholder import search
from makespan.errors import DescribeError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from makespan.graph import DAG
    from makespan.plan import Plan


def add(
    dag: DAG[..., Any],
    name: str,
    fn: Callable[..., Any],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    after: Iterable[str] = (),
    options: Mapping[str, Any] | None = None,
    code: Any = None,
) -> Any:
    """Add a node of another library's graph, and return the placeholder of its result.

    Parameters
    ----------
    name : str
    fn : callable
        What is called.
    args, kwargs
        Arguments, with placeholders.
    after : iterable of str
        Names of nodes to wait for without taking their results.
    options : mapping, optional
        Those of `makespan.NodeOptions`.
    code : callable, optional
        The user's function, when `fn` is something around it: errors and reports tell its line.

    Raises
    ------
    DescribeError
        With the node's name: an option that is unknown or cannot be, no callable, a generator.
    """
    place = function_place(fn if code is None else code) or ""
    where = f"node {name!r}"
    its = NO_OPTIONS
    if options is not None and not isinstance(options, Mapping):
        raise DescribeError(
            f"the options of node {name!r} are of type {type(options).__name__}, not a mapping",
            hint="{'lock': 'matplotlib'}",
        )
    if getattr(type(fn), "is_node_function", False):  # made by @node: it brings its options along
        fn, its = fn.__makespan_node__  # type: ignore[attr-defined]
    try:
        its = joined(its, checked_options(options, lambda: where)) if options else its
        return dag.record(fn, args, kwargs or {}, name=name, after=tuple(after), options=its, place=place)
    except DescribeError as error:
        if repr(name) in str(error):
            raise
        raise DescribeError(
            f"node {name!r} cannot be taken over: {error.problem}",
            where=place or error.where or None,
            hint=error.hint,
        ) from error


def declared_in(plan: Plan | None) -> dict[str, dict[str, Any]]:
    """Return the locks of a plan's nodes, and which run alone, as options by name.

    A plan does not carry what the DAG declares itself. A graph that is read anew from its library declares
    nothing; so what was said when the plan was made is taken from there.
    """
    if plan is None:
        return {}
    return {
        node.name: {"lock": node.locks, "exclusive": node.exclusive}
        for node in plan.nodes
        if node.locks or node.exclusive
    }


def names_of(keys: Iterable[Any], what: str = "node") -> dict[Any, str]:
    """Return the name of each node of another library's graph, as text.

    Raises
    ------
    DescribeError
        Two nodes would have one name (1 and '1'), or a name cannot be written.
    """
    names: dict[Any, str] = {}
    taken: dict[str, Any] = {}
    for key in keys:
        name = check_name(what, key if isinstance(key, str) else _text(key, what), lambda: "graph")
        if name in taken:
            raise DescribeError(
                f"two nodes would be named {name!r}: {taken[name]!r} and {key!r}",
                hint="rename one of them",
            )
        taken[name] = key
        names[key] = name
    return names


def _text(key: Any, what: str) -> str:
    kind = type(key)
    shown: tuple[Any, Any] = (kind.__str__, kind.__repr__)
    if shown == (object.__str__, object.__repr__):
        raise DescribeError(
            f"a {what} of type {kind.__name__} has no name that lasts longer than this process",
            hint="use strings, numbers or tuples as nodes, or give the type a __str__",
        )
    return str(key)


def refuse_unknown(what: str, said: Collection[Any], known: Collection[Any]) -> None:
    """Refuse names that the graph has not.

    Raises
    ------
    DescribeError
    """
    for name in said:
        if name not in known:
            near = did_you_mean(str(name), [str(one) for one in known])
            raise DescribeError(f"{what} {name!r}, which is not in the graph", hint=near)


def checked_mapping(what: str, said: Any) -> Mapping[Any, Any]:
    """Return a mapping; an empty one for None.

    Raises
    ------
    DescribeError
        It is something else.
    """
    if said is None:
        return {}
    if not isinstance(said, Mapping):
        raise DescribeError(f"{what} are a mapping, not of type {type(said).__name__}", hint="{name: …}")
    return said


def refuse_once(what: str, value: Any, seen: set[int] | None = None) -> None:
    """Refuse a value that a second run would find used up, also inside containers; files are not looked at.

    Parameters
    ----------
    what : str
        What the value is, for the error.
    value : Any
    seen : set of int, optional
        As `makespan.describing.placeholder.search` takes it: shared by calls, while all values are alive.

    Raises
    ------
    DescribeError
    """
    found, _ = search(value, once=True, seen=set() if seen is None else seen)
    if found is not None:
        holds = "is" if found is value else "holds"
        kind = type(found).__name__
        raise DescribeError(
            f"{what} {holds} a {kind}, which can be read once only, but a DAG runs many times",
            hint="hand over a list: list(…)",
        )


def given_input(
    dag: DAG[..., Any], name: str, values: Mapping[str, Any], *, keep: Mapping[str, Any] | None = None
) -> Any:
    """Declare an input of the DAG, with its value as the default; a name that is no identifier is a constant.

    Raises
    ------
    DescribeError
        A value that can be read once only; no value for a name that is no identifier.
    """
    known = values if name in values or keep is None else keep
    if name in known:
        refuse_once(f"the input {name!r}", known[name])
    if name.isidentifier():
        return dag.input(name, known[name]) if name in known else dag.input(name)
    if name not in known:
        raise DescribeError(f"the input {name!r} is no identifier", hint="give it in inputs={…}")
    return known[name]


def check_edges(dag: DAG[..., Any], wanted: Mapping[str, Collection[str]]) -> None:
    """Hold a DAG against the edges that were read: each node waits for these, and for nothing else.

    Raises
    ------
    DescribeError
        They differ; also when the graph has a cycle.
    """
    structure = dag.check()
    names = structure.names
    for name, preds in zip(names, structure.preds, strict=True):
        if {names[p] for p in preds} != set(wanted[name]):
            raise DescribeError(
                f"node {name!r} waits for {sorted(names[p] for p in preds)} as taken over, "
                f"and for {sorted(wanted[name])} in the graph: it cannot be taken over"
            )
    if len(names) != len(wanted):
        raise DescribeError(f"{len(wanted) - len(names)} nodes of the graph were not taken over")
