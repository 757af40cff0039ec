"""Arguments that hold results of other nodes, at any depth of lists, tuples and dicts.

While a DAG is described, every placeholder in an argument becomes a `Ref`; an argument without placeholders
stays the user's own object, untouched. For a run, each node's references are numbered (slots), and a small
builder puts the slots' values back into the places of the tree.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.errors import DescribeError
from makespan.placeholder import INPUT, Placeholder, holds_placeholder, label, parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Ref(NamedTuple):
    """A node's result (or, with `is_input`, an input of the DAG), indexed by `path`."""

    name: str
    path: tuple[Any, ...] = ()
    is_input: bool = False


class Tree(NamedTuple):
    """A container of an argument that holds references somewhere inside.

    `make` rebuilds the container from the list of its items.
    """

    make: Callable[[list[Any]], Any]
    items: list[Any]


MAX_DEPTH = (
    200  # of containers around a result; far from the interpreter's limit, which is an error at any place
)
# Used up by the first run: the second would silently compute with nothing.
_ONE_PASS = frozenset({type(_ for _ in ()), map, filter, zip, enumerate, reversed})


def reference(value: Any, owner: object, where: str | None) -> Any:
    """Replace placeholders by `Ref`, and the containers that hold them by `Tree`.

    Parameters
    ----------
    value : Any
        An argument as the user gave it.
    owner : object
        The DAG that the placeholders must belong to.
    where : str or None
        The place of the call, for errors.

    Raises
    ------
    DescribeError
        A placeholder of another DAG; a placeholder inside a container that cannot be rebuilt; a generator.
    """
    if type(value) in _ONE_PASS:
        raise DescribeError(
            f"a {type(value).__name__} can be read once only, but a DAG runs many times",
            where=where,
            hint="hand over a list: list(…)",
        )
    if type(value) is not Placeholder and not holds_placeholder(value):
        return value
    return _reference(value, owner, where, set())


def _reference(value: Any, owner: object, where: str | None, around: set[int]) -> Any:
    """Return `value` itself when it holds no placeholder."""
    kind: Any = type(value)
    if kind is Placeholder:
        its_owner, name, path = parts(value)
        if its_owner is not owner:
            raise DescribeError(
                f"{label(value)} belongs to another DAG",
                where=where,
                hint="use it within the function, or the DAG, that made it",
            )
        return Ref(name.removeprefix(INPUT), path, is_input=name.startswith(INPUT))
    named = getattr(kind, "_make", None) if issubclass(kind, tuple) else None  # a named tuple's own maker
    if kind not in {list, tuple, dict} and named is None:
        if holds_placeholder(value):
            raise DescribeError(
                f"results inside a {kind.__name__} are not seen by makespan",
                where=where,
                hint="hand them over in a list, a tuple or a dict",
            )
        return value
    if id(value) in around:
        raise DescribeError("an argument that holds results contains itself", where=where)
    if len(around) == MAX_DEPTH:
        raise DescribeError("an argument that holds results is nested too deeply", where=where)
    around.add(id(value))
    items = list(value.values()) if kind is dict else list(value)
    made = [_reference(item, owner, where, around) for item in items]
    around.discard(id(value))
    if kind is dict and any(map(holds_placeholder, value)):
        raise DescribeError("a result cannot be (part of) a dict key", where=where)
    if all(new is old for new, old in zip(made, items, strict=True)):
        return value
    if kind is dict:
        keys = list(value)
        return Tree(lambda values: dict(zip(keys, values, strict=True)), made)
    return Tree(named or kind, made)


def references(value: Any) -> list[Ref]:
    """Return the references of a referenced argument, in order, repeats included."""
    if type(value) is Ref:
        return [value]
    if type(value) is Tree:
        return [ref for item in value.items for ref in references(item)]
    return []


def builder(value: Any, slots_left: Iterator[int]) -> Callable[[list[Any]], Any]:
    """Return a function that puts the values of the slots into a referenced argument.

    References are numbered in the order of `references`: each takes the next of `slots_left`.
    """
    if type(value) is Ref:
        return itemgetter(next(slots_left))
    if type(value) is Tree:
        make, inner = value.make, [builder(item, slots_left) for item in value.items]
        return lambda slots: make([build(slots) for build in inner])
    return lambda _: value


def follow(value: Any, path: tuple[Any, ...]) -> Any:
    """Index a value by each key of a path."""
    for key in path:
        value = value[key]
    return value
