"""Arguments that hold results of other nodes, at any depth of lists, tuples and dicts.

While a DAG is described, every placeholder in an argument becomes a `Ref`; an argument without placeholders
stays the user's own object, untouched. For a run, each node's references are numbered (slots), and a small
builder puts the slots' values back into the places of the tree.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.errors import DescribeError
from makespan.placeholder import INPUT, Placeholder, label, parts

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


def holds_placeholder(value: Any) -> bool:
    """Say whether a placeholder is somewhere in nested lists, tuples, dicts and sets.

    Iterative, and safe with containers that contain themselves.
    """
    kind = type(value)
    if kind in _LEAVES:
        return False
    if kind is Placeholder:
        return True
    stack, seen = [value], set()
    while stack:
        item = stack.pop()
        kind = type(item)
        if kind in _LEAVES:
            continue
        if kind is Placeholder:
            return True
        if isinstance(item, dict | list | tuple | set | frozenset):
            if id(item) in seen:
                continue
            seen.add(id(item))
            if isinstance(item, dict):
                stack.extend(item.keys())
                stack.extend(item.values())
            else:
                stack.extend(item)
        elif hasattr(kind, "__dataclass_fields__"):
            stack.extend(getattr(item, field, None) for field in kind.__dataclass_fields__)
    return False


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
        A placeholder of another DAG; a placeholder inside a container that cannot be rebuilt.
    """
    if not holds_placeholder(value):
        return value
    return _reference(value, owner, where, ())


def _reference(value: Any, owner: object, where: str | None, around: tuple[int, ...]) -> Any:
    kind = type(value)
    if kind is Placeholder:
        its_owner, name, path = parts(value)
        if its_owner is not owner:
            raise DescribeError(
                f"the result of {label(value)} belongs to another DAG",
                where=where,
                hint="use it within the function, or the DAG, that made it",
            )
        return Ref(name.removeprefix(INPUT), path, is_input=name.startswith(INPUT))
    if not holds_placeholder(value):
        return value
    if id(value) in around:
        raise DescribeError("an argument that holds results contains itself", where=where)
    around = (*around, id(value))

    def each(items: Any) -> list[Any]:
        return [_reference(item, owner, where, around) for item in items]

    if kind is list:
        return Tree(list, each(value))
    if kind is tuple:
        return Tree(tuple, each(value))
    if kind is dict:
        if any(holds_placeholder(key) for key in value):
            raise DescribeError("a result cannot be (part of) a dict key", where=where)
        keys = list(value)
        return Tree(lambda items: dict(zip(keys, items, strict=True)), each(value.values()))
    if isinstance(value, tuple) and hasattr(kind, "_make"):  # a named tuple
        return Tree(kind._make, each(value))
    raise DescribeError(
        f"results inside a {kind.__name__} are not seen by makespan",
        where=where,
        hint="hand them over in a list, a tuple or a dict",
    )


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


_LEAVES = frozenset({str, bytes, int, float, bool, complex, type(None), type(Ellipsis)})
