"""A DAG's nodes as a profile keeps them: what a plan needs to know of them when the code is not at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan.fingerprints.code import Memory, code_fingerprint
from makespan.fingerprints.fingerprint import location, relative_place
from makespan.profile import Shape

if TYPE_CHECKING:
    from collections.abc import Container

    from makespan.graph import DAG


def shapes(dag: DAG[..., Any], unrun: Container[str] = ()) -> tuple[Shape, ...]:
    """Return the shapes of a DAG's nodes, in declaration order; `unrun` ones are hinted at."""
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
        )
        for i, node in enumerate(dag.nodes.values())
    )
