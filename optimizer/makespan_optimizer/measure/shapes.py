"""A DAG's nodes as a profile keeps them: what a plan needs to know of them when the code is not at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan.describing.returned import is_coroutine_function
from makespan.fingerprints.code import Memory, code_fingerprint
from makespan.fingerprints.fingerprint import location, relative_place
from makespan.profile import Shape

if TYPE_CHECKING:
    from collections.abc import Container

    from makespan.graph import DAG, Node


def shapes(dag: DAG[..., Any], unrun: Container[str] = ()) -> tuple[Shape, ...]:
    """Return the shapes of a DAG's nodes, in declaration order; `unrun` ones are hinted at.

    Raises
    ------
    OptionError
        A coroutine function is declared to run in a worker process: no run would take it.
    """
    structure = dag.check()
    seen: dict[str, str] = {}
    memory = Memory()
    return tuple(
        Shape(
            name=node.name,
            after=tuple(structure.names[p] for p in structure.preds[i]),
            locks=structure.locks[i],
            exclusive=node.options.exclusive,
            tags=node.options.tags,
            location=location(node.fn, seen),
            place=relative_place(node.place),
            code=code_fingerprint(node.fn, memory),
            measure=node.options.profile and node.name not in unrun,
            stays=_stays(node),
            caller=node.options.mode == "caller" and not is_coroutine_function(node.fn),
            process=_goes(node),
        )
        for i, node in enumerate(dag.nodes.values())
    )


def _stays(node: Node) -> str:
    """Say why a run would not let it go to a worker process; see `makespan.processes.layout`."""
    if is_coroutine_function(node.fn):
        return "it is a coroutine function, which runs on an event loop of this process"
    if node.options.setup:
        return "it is set up once, and its result is kept in this process"
    if node.options.mode in {"thread", "caller"}:
        return f"it is declared to run in mode {node.options.mode!r}"
    return ""


def _goes(node: Node) -> bool:
    """Say whether it is declared to run in a worker process."""
    if node.options.mode != "process":
        return False
    if is_coroutine_function(node.fn):
        from makespan.processes.layout import stays_here

        raise stays_here(node)
    return True
