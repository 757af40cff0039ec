"""Handles of another library inside values: where that library would not see them either.

While a graph is described, a result is a handle. A library that looks for handles among the arguments of a
call only hands a list, a closure or an object that holds one on as it is: the dependency is lost in silence,
and the function gets the handle. So every constant is searched before a graph is taken over.

Containers are searched whole; other objects (a model, a data frame) three levels deep and up to 100,000
things in all. What an object holds is asked of the garbage collector: no code of the user's runs.
"""

from __future__ import annotations

import sys
import types
from gc import get_referents
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

_LEAVES = frozenset({str, bytes, bytearray, int, float, bool, complex, type(None), type(Ellipsis), range})
_SHUT = (type, types.ModuleType, types.CodeType, types.FrameType, types.TracebackType)
_LEVELS = 3
_MOST = 100_000
_kind_of = type


def find_handle(
    value: Any, kinds: tuple[type, ...], shut: tuple[type, ...] = (), *, but: Collection[int] = ()
) -> Any:
    """Return the first instance of `kinds` inside a value (or the value itself), or None.

    Parameters
    ----------
    value : Any
    kinds : tuple of type
        The library's handles; subclasses count.
    shut : tuple of type
        Never looked into: the library's own graphs, which hold handles rightly.
    but : collection of int
        Identities of handles that are known.

    >>> from fractions import Fraction
    >>> find_handle({"a": [1, (Fraction(5, 2),)]}, (Fraction,))
    Fraction(5, 2)
    """
    seen: set[int] = set()
    level, left = [value], _MOST
    for depth in range(_LEVELS + 1):
        deeper: list[Any] = []
        while level:
            item = level.pop()
            kind = _kind_of(item)
            if kind in _LEAVES or id(item) in seen:
                continue
            if issubclass(kind, kinds):
                if id(item) not in but:
                    return item
                continue
            if issubclass(kind, _SHUT) or issubclass(kind, shut):
                continue
            seen.add(id(item))
            inner, is_container = _inside(item, kind)
            if not is_container or depth:
                left -= len(inner)
                if left < 0:
                    return None
            if _LEAVES.issuperset(map(_kind_of, inner)):
                continue
            if is_container:
                level.extend(inner)
            elif depth < _LEVELS:
                deeper.extend(inner)
        level = deeper
    return None


def _inside(item: Any, kind: type) -> tuple[list[Any], bool]:
    """Return what a thing holds, and whether it counts as a container."""
    if kind is types.FunctionType:  # never its globals
        return [item.__closure__, item.__defaults__, item.__kwdefaults__], True
    array = getattr(sys.modules.get("numpy"), "ndarray", None)
    if array is not None and issubclass(kind, array):  # the garbage collector does not look into arrays
        return list(array.flat.__get__(item)) if array.dtype.__get__(item).kind == "O" else [], True
    open_ = issubclass(
        kind, list | tuple | dict | set | frozenset | slice | types.CellType | types.MethodType
    ) or _is_record(kind)
    return get_referents(item), open_


def _is_record(kind: type) -> bool:
    names = {name for base in kind.__mro__ for name in vars(base)}
    return bool(names & {"__dataclass_fields__", "__struct_fields__", "__attrs_attrs__"}) or (
        kind.__module__ in {"functools", "collections"}
    )
