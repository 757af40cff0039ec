"""From a Tawazi DAG to one of ours: the same names, the same edges, the same results.

::

    tawazi: f ──▶ f<<1>> ──▶ sub.sub>!>x (stub) ──▶ sub.g        ours: f ──▶ f<<1>> ──▶ sub.g

A node keeps its id as its name, so plans speak of both. What Tawazi does is done here, also where it
surprises: a condition is the truth of the *whole* result that it comes from, even where it was indexed (a
warning says so); what takes the result of an inactive node takes None; the budget is ``max_concurrency``
as long as neither a plan nor the caller says otherwise. What cannot be done is refused, with the node's name.
"""

from __future__ import annotations

import re
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

from makespan.adapters.graphs import check_edges
from makespan.adapters.tawazi.reading import SEPARATOR, Constant, Reading, Use, is_stub
from makespan.describing.options import MAX_THREADS, Options
from makespan.describing.placeholder import Placeholder
from makespan.describing.returned import is_coroutine_function
from makespan.errors import DescribeError, MissingExtraError
from makespan.graph import DAG

if TYPE_CHECKING:
    from collections.abc import Callable

RESERVED = frozenset({"twz_tag", "twz_active", "twz_unpack_to"})


class TawaziWarning(UserWarning):
    """Tawazi does something that the DAG's text does not say, and it was taken over as Tawazi does it."""


def from_tawazi(dag: Any, *args: Any, debug: bool | None = None, name: str | None = None) -> DAG[..., Any]:
    """Return the makespan DAG of a Tawazi ``DAG`` or ``AsyncDAG``.

    Parameters
    ----------
    dag : tawazi.DAG or tawazi.AsyncDAG
    *args : Any
        Values that become the defaults of its first inputs.
    debug : bool, optional
        Whether its debug nodes run; as Tawazi's ``RUN_DEBUG_NODES`` says now unless given.
    name : str, optional
        How files and reports call it; the function's name unless given.

    Returns
    -------
    DAG
        Nodes are named by Tawazi's ids. Set-up nodes that ran already are not run again.

    Raises
    ------
    DescribeError
        No DAG of Tawazi's; a result where Tawazi does not see it (inside a list, as an index, in a closure);
        a coroutine function or a generator as a node; with the node's name.
    MissingExtraError
        Tawazi is not installed.
    """
    reading = _read(dag, debug)
    inputs = _input_names(reading.inputs)
    if len(args) > len(inputs):
        raise DescribeError(
            f"{dag.qualname!r} takes {len(inputs)} inputs, and {len(args)} values were given",
            hint=f"its inputs: {', '.join(inputs.values()) or 'none'}",
        )
    made: DAG[..., Any] = DAG(name or dag.qualname.rpartition(".")[2])
    made.origin = dag
    made.default_threads = min(dag.max_concurrency, MAX_THREADS)
    for at, (id_, as_name) in enumerate(inputs.items()):
        if at < len(args):
            made.input(as_name, args[at])
        elif id_ in reading.values:
            made.input(as_name, reading.values[id_])
        else:
            made.input(as_name)

    def value_of(uxn: Any, where: str, place: str | None) -> Any:
        use = reading.use(uxn, where, place)
        if isinstance(use, Constant):
            return use.value
        return _placeholder(made, use, inputs)

    fills = any(xn.active is not None for xn in reading.work.values())
    for id_, xn in _in_order(reading):
        _add(made, reading, id_, xn, value_of, fills=fills)
    check_edges(made, {id_: _all_edges(reading, id_, xn) for id_, xn in reading.work.items()})
    made.returns(_returned(dag, value_of))
    made.check()
    for id_ in reading.work:
        if id_ in reading.values:  # a set-up node that Tawazi has run: once for both
            made._setups.of(id_).get(partial(reading.values.__getitem__, id_))  # noqa: SLF001
    return made


def _read(dag: Any, debug: bool | None) -> Reading:
    from makespan.adapters.tawazi import knows

    if not knows(dag):
        raise DescribeError(
            f"of type {type(dag).__name__}, not a DAG of Tawazi's", hint="a function under Tawazi's @dag"
        )
    try:
        return Reading(dag, debug=debug)
    except ImportError as error:
        raise MissingExtraError(
            f"the DAG needs Tawazi as it is in 0.6.2: {error}", hint="pip install 'tawazi==0.6.2'"
        ) from error
    except AttributeError as error:
        raise DescribeError(
            f"this DAG is not built as those of Tawazi 0.6.2 are: {error}",
            hint="pip install 'tawazi==0.6.2'",
        ) from error


def _input_names(ids: list[str]) -> dict[str, str]:
    """Return a name for each input: the parameter's own where it has one."""
    names: dict[str, str] = {}
    for at, id_ in enumerate(ids, 1):
        own = id_.rpartition(SEPARATOR)[2]
        if not own.isidentifier():  # inputs of a composed DAG are called by the node that they stand for
            own = re.sub(r"\W+", "_", own.rpartition(".")[2]).strip("_")
        if not own.isidentifier():
            own = f"input_{at}"
        base, again = own, 1
        while own in names.values():
            again += 1
            own = f"{base}_{again}"
        names[id_] = own
    return names


def _placeholder(made: DAG[..., Any], use: Use, inputs: dict[str, str]) -> Any:
    if not use.is_input:
        return Placeholder(made, use.id, use.keys)
    from makespan.describing.placeholder import INPUT

    return Placeholder(made, INPUT + inputs[use.id], use.keys)


def _add(
    made: DAG[..., Any],
    reading: Reading,
    id_: str,
    xn: Any,
    value_of: Callable[[Any, str, str | None], Any],
    *,
    fills: bool,
) -> None:
    """Add one node."""
    where, place = f"node {id_!r}", xn.call_location
    if (found := reading.handle_in(xn.exec_function)) is not None:
        raise DescribeError(
            f"the function of {where} holds the result of {found.id!r} (a closure, a default, a partial): "
            "Tawazi does not wait for it",
            where=place or None,
            hint="hand it over as an argument",
        )
    if is_coroutine_function(xn.exec_function):
        raise DescribeError(
            f"{where} is a coroutine function: Tawazi hands the coroutine on without awaiting it",
            where=place or None,
            hint="with makespan's own @node and @dag, a coroutine function is awaited",
        )
    kwargs: dict[str, Any] = {}
    for key, uxn in xn.kwargs.items():
        own = key.split(".")[-1]  # within a sub-DAG Tawazi calls them 'sub.key'
        if key in RESERVED:
            continue
        if own in kwargs:
            raise DescribeError(f"{where} is given two arguments named {own!r}", where=place or None)
        kwargs[own] = value_of(uxn, where, place)
    seen = {
        uxn.id for uxn in (*xn.args, *xn.kwargs.values(), *([xn.active] if xn.active is not None else []))
    }
    also = sorted(_all_edges(reading, id_, xn) - seen)
    tags = (xn.tag,) if isinstance(xn.tag, str) else tuple(xn.tag or ())
    try:
        made.record(
            xn.exec_function,
            [value_of(uxn, where, place) for uxn in xn.args],
            kwargs,
            name=id_,
            after=[Placeholder(made, before) for before in also],
            when=True if xn.active is None else _condition(xn, value_of),
            options=Options(
                exclusive=bool(xn.is_sequential) and not is_stub(xn),
                tags=tuple(sorted({tag for tag in tags if tag})),
                setup=bool(xn.setup),
                mode="caller" if xn.resource.value == "main-thread" and not is_stub(xn) else None,
                on_skipped="none" if fills else "skip",
            ),
            place=place,
        )
    except DescribeError as error:
        if repr(id_) in error.problem:
            raise
        raise DescribeError(f"{where}: {error.problem}", where=error.where, hint=error.hint) from error


def _condition(xn: Any, value_of: Callable[[Any, str, str | None], Any]) -> Any:
    """Return what ``twz_active`` comes to: Tawazi tests the whole result, whatever it is indexed by."""
    uxn = xn.active
    if uxn.key:
        warnings.warn(
            f"node {xn.id!r} is active on {uxn.id!r} indexed with {uxn.key!r}, but Tawazi 0.6.2 tests the "
            f"whole result of {uxn.id!r} for truth; so does makespan here",
            TawaziWarning,
            stacklevel=2,
        )
    return value_of(type(uxn)(uxn.id), f"the condition of node {xn.id!r}", xn.call_location)


def _all_edges(reading: Reading, id_: str, xn: Any) -> set[str]:
    """Return the work that a node waits for: by its arguments, and by the graph that Tawazi schedules."""
    uses = [reading.use(uxn, f"node {id_!r}", xn.call_location) for uxn in xn.dependencies]
    by_arguments = {use.id for use in uses if isinstance(use, Use) and not use.is_input}
    return by_arguments | reading.waits_for(id_)


def _returned(dag: Any, value_of: Callable[[Any, str, str | None], Any]) -> Any:
    returned = dag.return_uxns
    where = f"what {dag.qualname!r} returns"
    if isinstance(returned, dict):
        return {key: value_of(uxn, where, None) for key, uxn in returned.items()}
    if isinstance(returned, tuple | list):
        return type(returned)(value_of(uxn, where, None) for uxn in returned)
    return None if returned is None else value_of(returned, where, None)


def _in_order(reading: Reading) -> list[tuple[str, Any]]:
    """Return the work in an order that is the same in every process.

    A described DAG has its nodes in the order of its calls. A composed one has them in the order of a set of
    strings: there, the order of the ids.
    """
    rows = list(reading.work.items())
    if hasattr(reading.dag, "__wrapped__"):
        return rows
    return sorted(rows, key=lambda row: [int(w) if w.isdigit() else w for w in re.split(r"(\d+)", row[0])])
