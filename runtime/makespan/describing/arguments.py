"""Arguments that hold results of other nodes, at any depth of lists, tuples and dicts.

While a DAG is described, every placeholder in an argument becomes a `Ref`; an argument without placeholders
stays the user's own object, untouched. For a run, each node's references are numbered (slots), and a small
builder puts the slots' values back into the places of the tree.
"""

from __future__ import annotations

from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.describing.options import function_name
from makespan.describing.placeholder import (
    INPUT,
    LEAVES,
    PLAIN,
    VIEWS,
    Placeholder,
    Unpacked,
    holds_placeholder,
    label,
    parts,
    search,
)
from makespan.describing.returned import returns_late
from makespan.errors import DescribeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from makespan.describing.building import Node


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
_LARGE = 1000  # things in a constant that is remembered, so that a hundred nodes may share a million numbers


def reference(value: Any, owner: object, where: str | None, known: dict[int, Any] | None = None) -> Any:
    """Replace placeholders by `Ref`, and the containers that hold them by `Tree`.

    Parameters
    ----------
    value : Any
        An argument as the user gave it.
    owner : object
        The DAG that the placeholders must belong to.
    where : str or None
        The place of the call, for errors.
    known : dict, optional
        Large constants that were searched before in this description, kept alive; added to. They, as all
        constants, are looked at again by `late_placeholder` when the DAG is checked.

    Raises
    ------
    DescribeError
        A placeholder of another DAG; a placeholder inside what cannot be rebuilt; an iterator.
    """
    kind = type(value)
    if kind in LEAVES:
        return value
    if kind is Placeholder:
        return _reference(value, owner, where, set())
    size = len(value) if kind in PLAIN else 0
    if known and id(value) in known and known[id(value)][1] == size:
        return value
    found, walked = search(value, once=True, seen=set())
    if found is None:
        if known is not None and walked > _LARGE:
            known[id(value)] = (value, size)
        return value
    if type(found) is not Placeholder:
        raise DescribeError(
            f"a {type(found).__name__} can be read once only, but a DAG runs many times",
            where=where,
            hint="hand over a list: list(…)",
        )
    return _reference(value, owner, where, set())


def refuse_function(fn: Any, place: str) -> None:
    """Refuse what cannot be the function of a node.

    Raises
    ------
    DescribeError
        It holds a result (a closure, a partial, a method's object), or its call would not run it.
    """
    if type(fn) is Placeholder:
        raise DescribeError(
            f"{label(fn)} cannot be a node's function", where=place, hint="call it inside a node"
        )
    if not callable(fn):
        raise DescribeError(f"{fn!r} is not callable", where=place)
    if late := returns_late(fn):
        raise DescribeError(f"{function_name(fn)!r} is {late[0]}", where=place, hint=late[1])
    found, _ = search(fn, once=False, seen=set())
    if found is not None:
        raise DescribeError(
            f"{function_name(fn)!r} holds {label(found)}, which is not seen by makespan",
            where=place,
            hint="hand it over as an argument",
        )


def refuse_changed(dag: str, nodes: Iterable[Node], output: Any) -> None:
    """Look again at what was handed over as a constant: results may have been put into it since.

    Raises
    ------
    DescribeError
        A list was changed after it was handed to a node, or after it was said to be returned.
    """
    seen: set[int] = set()
    for node in nodes:
        if late := _late((node.fn, *node.args, *node.kwargs.values(), node.when), seen):
            raise DescribeError(
                f"a {type(late[0]).__name__} was changed after it was handed to {node.name!r}: "
                f"it holds {label(late[1])} by now",
                where=node.place,
                hint="hand over a copy: list(res)",
            )
    if late := _late((output,), seen):
        raise DescribeError(
            f"what {dag!r} returns was changed after it was handed over: it holds {label(late[1])} by now",
            where=dag,
            hint="return it when it is complete",
        )


def _late(values: Iterable[Any], seen: set[int]) -> tuple[Any, Any] | None:
    """Return (constant, placeholder) when a constant of referenced arguments holds one by now."""
    for value in values:
        kind = type(value)
        if kind in LEAVES or kind is Ref or id(value) in seen:
            continue
        if kind is Tree:
            late = _late(value.items, seen)
        else:
            found, _ = search(value, once=False, seen=seen)
            late = None if found is None else (value, found)
        if late:
            return late
    return None


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
    if kind in VIEWS and holds_placeholder(value):
        value, kind = list(value), list
    named = getattr(kind, "_make", None) if issubclass(kind, tuple) else None  # a named tuple's own maker
    if kind not in {list, tuple, dict} and named is None:
        if holds_placeholder(value):
            raise DescribeError(
                f"results inside a {kind.__name__} are not seen by makespan",
                where=where,
                hint="hand them over as arguments, alone or in a list, a tuple or a dict",
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


def follow(value: Any, path: tuple[Any, ...], name: str = "") -> Any:
    """Index the result of a node (or an input) by each key of a path.

    Raises
    ------
    ValueError, TypeError
        It was unpacked, and has not that many values.
    """
    for key in path:
        value = _unpacked(value, key, name) if type(key) is Unpacked else value[key]
    return value


def _unpacked(value: Any, key: Unpacked, name: str) -> Any:
    if type(value) is not tuple and type(value) is not list:
        try:
            values = iter(value)
        except TypeError:
            raise TypeError(
                f"{name!r} returned a non-iterable {type(value).__name__}, {key.of} values were unpacked"
            ) from None
        value = tuple(islice(values, key.of + 1))
        many = f"more than {key.of}" if len(value) > key.of else str(len(value))
    else:
        many = str(len(value))
    if len(value) != key.of:
        values_said = "value" if many == "1" else "values"
        raise ValueError(f"{name!r} returned {many} {values_said}, {key.of} were unpacked")
    return value[key.at]


class _Read(tuple[Any, ...]):
    """The first values of an iterator: one more than were asked for says that there were more."""

    __slots__ = ()


def unpackable(call: Callable[..., Any], count: int) -> Callable[..., Any]:
    """Return a call whose result several nodes can unpack: an iterator is read here, once."""

    def reading(*given: Any) -> Any:
        value = call(*given)
        return _Read(islice(value, count + 1)) if hasattr(type(value), "__next__") else value

    return reading
