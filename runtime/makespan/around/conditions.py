"""Nodes that run on a condition, and what follows from a skipped one.

::

    is_new ╌╌when╌╌▶ fetch ──▶ parse ──▶ save        is_new is false: fetch is skipped; parse and save take
                       └╌╌╌╌after╌╌╌╌▶ log           (what came of) its result, so they are too; log only
                                                     waits for it, so it runs

The rule: a node is skipped when its ``when`` is false, or when it takes the result of a skipped node,
wherever that stands in its arguments. A node with ``on_skipped="none"`` runs, with None in place of such a
result. What the DAG returns has None in place of a skipped one. A ``when`` that is itself the result of a
skipped node is false.

A skipped node's result is `SKIPPED`, which goes through slots as any value does. Only nodes that can meet it
are called through a test of their arguments; it never comes to a function of the user's. The truth of a
``when`` is asked for once a run, in the node's own call: what that raises is the node's failure.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import msgspec

from makespan.describing.arguments import Ref, Tree, builder, follow, references
from makespan.engine.tracing import tracing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan.describing.building import Node


class _Skipped:
    """The type of `SKIPPED`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<skipped>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("that a node was skipped is known in the process that runs the DAG only")


SKIPPED: Any = _Skipped()
"""The result of a skipped node, between nodes."""


class Touched(NamedTuple):
    """Node numbers that conditions reach.

    Attributes
    ----------
    skippable : frozenset of int
        Nodes whose result may be `SKIPPED`.
    testing : frozenset of int
        Nodes with a condition, and those that take a result that may be `SKIPPED`.
    """

    skippable: frozenset[int]
    testing: frozenset[int]


NOWHERE = Touched(frozenset(), frozenset())


def touched(nodes: Sequence[Node], order: Sequence[int]) -> Touched:
    """Find what conditions reach; `order` is topological."""
    if all(node.when is True for node in nodes):
        return NOWHERE
    number = {node.name: i for i, node in enumerate(nodes)}
    skippable: set[int] = set()
    testing: set[int] = set()
    for i in order:
        node = nodes[i]
        if node.when is not True:
            testing.add(i)
            skippable.add(i)
        elif any(number[ref.name] in skippable for ref in _taken(node) if not ref.is_input):
            testing.add(i)
            if node.options.on_skipped == "skip":
                skippable.add(i)
    return Touched(frozenset(skippable), frozenset(testing))


def _taken(node: Node) -> list[Ref]:
    return [ref for value in (*node.args, *node.kwargs.values()) for ref in references(value)]


def bare(node: Node) -> Node:
    """Return the node with whole results in place of indexed ones: a skipped result has no parts."""
    return msgspec.structs.replace(
        node,
        args=tuple(map(_without_paths, node.args)),
        kwargs={key: _without_paths(value) for key, value in node.kwargs.items()},
    )


def _without_paths(value: Any) -> Any:
    if type(value) is Ref:
        return value._replace(path=())
    if type(value) is Tree:
        return value._replace(items=list(map(_without_paths, value.items)))
    return value


def tested(
    number: int,
    node: Node,
    call: Callable[..., Any],
    template: Sequence[Any],
    refs: Sequence[tuple[int, Ref]],
) -> tuple[Callable[..., Any], list[Any] | tuple[Any, ...], list[tuple[int, Ref]]]:
    """Put the tests round a compiled node.

    Parameters
    ----------
    number : int
    node : Node
        As it was declared, with its paths.
    call, template, refs
        What its `bare` form was compiled to.

    Returns
    -------
    call, template, refs
        The same with the condition's references in further slots, which the call tests and takes away.
    """
    many = len(template)
    indexed = _taken(node)  # in the order of `refs`
    takes = [(slot, ref.path, ref.name) for (slot, _), ref in zip(refs, indexed, strict=True)]
    flags = references(node.when)
    flag_paths = [(slot, ref.path, ref.name) for slot, ref in enumerate(flags)]
    flag = builder(node.when, count())
    conditional, fill = node.when is not True, node.options.on_skipped == "none"

    def test(*given: Any) -> Any:
        slots = list(given)
        del given
        if conditional:
            asked = slots[many:]
            del slots[many:]
            for slot, path, name in flag_paths:
                if asked[slot] is SKIPPED:
                    return _passed_over(number)
                asked[slot] = follow(asked[slot], path, name)
            if not flag(asked):
                return _passed_over(number)
            del asked
        for slot, path, name in takes:
            if slots[slot] is not SKIPPED:
                slots[slot] = follow(slots[slot], path, name)
            elif fill:
                slots[slot] = None
            else:
                return _passed_over(number)
        return call(*slots)

    all_refs = [(slot, ref) for (slot, _), ref in zip(refs, indexed, strict=True)]
    all_refs += [(many + slot, ref) for slot, ref in enumerate(flags)]
    if not all_refs:
        return test, tuple(template), []
    return test, [*template, *([None] * len(flags))], all_refs


def _passed_over(number: int) -> Any:
    trace = tracing.get()
    if trace is not None:
        trace.skipped.add(number)
    return SKIPPED
