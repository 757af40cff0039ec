"""How many bytes a node's result is, roughly, without running any code of the user's.

Arrays and buffers say it themselves; containers are walked, a bounded number of items deep and wide (long
ones by a sample of their items); anything else counts as its own memory and that of its attributes.
"""

from __future__ import annotations

import sys
from array import array
from itertools import islice
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_ITEMS = 32  # looked at in each container
_OBJECTS = 5000  # looked at in all
_DEPTH = 8

_PLAIN = frozenset(
    {int, float, complex, bool, type(None), str, bytes, bytearray, array, range, slice, type(Ellipsis)}
)
# What they refer to is there once, whoever refers to them.
_NAMED = (type, ModuleType, FunctionType, BuiltinFunctionType)
# Libraries whose objects know their size; what they answer is their own code, not the user's.
_KNOWN: dict[str, Callable[[Any], Any]] = {
    "numpy": lambda value: value.nbytes,
    "torch": lambda value: value.nbytes,
    "pyarrow": lambda value: value.nbytes,
    "polars": lambda value: value.estimated_size(),
    "pandas": lambda value: value.memory_usage(deep=False),
}


def size_of(value: Any) -> int | None:
    """Return the approximate size of a value in bytes, or None when it cannot be told.

    >>> size_of(b"x" * 1000) >= 1000
    True
    """
    try:
        return round(_Walk().size(value, _DEPTH))
    except Exception:  # an object that resists being looked at has no known size
        return None


class _Walk:
    def __init__(self) -> None:
        self.left = _OBJECTS
        self.seen: set[int] = set()

    def size(self, value: Any, depth: int) -> float:
        kind = type(value)
        self.left -= 1
        if kind in _PLAIN:
            return sys.getsizeof(value)
        if kind is memoryview:
            return float(value.nbytes)
        if id(value) in self.seen or depth < 0 or self.left < 0:
            return 0.0
        self.seen.add(id(value))
        module = type.__getattribute__(kind, "__module__")
        ask = _KNOWN.get(module.partition(".")[0]) if type(module) is str else None
        if ask is not None:
            try:
                said = ask(value)
                return float(said if isinstance(said, int) else said.sum())
            except (AttributeError, TypeError):
                pass
        return self.contents(value, depth)

    def contents(self, value: Any, depth: int) -> float:
        """Return the size of an object and of what it holds.

        The base classes' own methods walk it, and its type is asked for, never its ``__class__``.
        """
        kind = type(value)
        if issubclass(kind, _NAMED):
            return object.__sizeof__(value)
        if issubclass(kind, dict):
            own, length = dict.__sizeof__(value), dict.__len__(value)
            return (
                own
                + self.sample(dict.keys(value), length, depth)
                + self.sample(dict.values(value), length, depth)
            )
        base: Any  # mypy would have every base's method take every base's objects
        for base in (list, tuple, set, frozenset):
            if issubclass(kind, base):
                own, length = base.__sizeof__(value), base.__len__(value)
                return float(own + self.sample(base.__iter__(value), length, depth))
        for plain in (str, bytes, bytearray, int, float):
            if issubclass(kind, plain):
                return plain.__sizeof__(value)
        # Some objects leave their length undefined (generators on 3.11): their fixed part counts.
        varies = type.__getattribute__(kind, "__itemsize__")
        own = type.__getattribute__(kind, "__basicsize__") if varies else object.__sizeof__(value)
        try:
            attributes = object.__getattribute__(value, "__dict__")
        except AttributeError:
            return own
        return own + (self.size(attributes, depth - 1) if type(attributes) is dict else 0.0)

    def sample(self, items: Iterable[Any], length: int, depth: int) -> float:
        """Return the size of `length` items, judged by the first ones, as many as the walk may still see."""
        total, count = 0.0, 0
        for item in islice(items, _ITEMS):
            if self.left < 0:
                break
            total += self.size(item, depth - 1)
            count += 1
        return total * length / count if count else 0.0
