"""What stands for a node's result while a DAG is described: a handle that refuses to be used as a value.

``fetch(url)`` inside a described function returns a `Placeholder`. It may be handed to other nodes, inside
lists, tuples and dicts too, be indexed (``x["k"][0]``) and be unpacked. Anything else (comparing, testing,
printing, arithmetic) would silently compute with the handle instead of the value, and is refused with the
place. Two things cannot be seen: ``x is None``, and ``repr(x)``, which debuggers need.
"""

from __future__ import annotations

import sys
import types
from collections import OrderedDict, deque
from functools import partial
from gc import get_referents
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from makespan.describing.place import caller_place
from makespan.errors import DescribeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


# Inputs live beside nodes; a character that no identifier has keeps their names apart.
INPUT = "\x00input:"


class Unpacked(NamedTuple):
    """A step of a path: one of the values of ``a, b = split(page)``, which must be `of` in all."""

    at: int
    of: int


class Placeholder:
    """The future result of a node, or a future input of the DAG, while it is described.

    Attributes are private by name mangling, so that ``placeholder.anything`` is never silently found.
    """

    __slots__ = ("__name", "__outputs", "__owner", "__path")

    def __init__(
        self, owner: object, name: str, path: tuple[Any, ...] = (), outputs: int | None = None
    ) -> None:
        write = object.__setattr__
        write(self, "_Placeholder__owner", owner)
        write(self, "_Placeholder__name", name)
        write(self, "_Placeholder__path", path)
        write(self, "_Placeholder__outputs", outputs)

    def __getitem__(self, key: Any) -> Placeholder:
        if holds_placeholder(key):
            _refuse(self, "be indexed by another result", "index it inside a node")
        return Placeholder(self.__owner, self.__name, (*self.__path, key))

    def __iter__(self) -> Iterator[Placeholder]:
        if self.__outputs is None:
            _refuse(
                self,
                "be unpacked or looped over: how many values it has is not known",
                f"say @node(outputs=2) where {_short(self)} is defined, annotate it '-> tuple[A, B]', "
                "or index the result: x[0], x[1]",
            )
        return iter([self[Unpacked(i, self.__outputs)] for i in range(self.__outputs)])

    def __len__(self) -> int:
        if self.__outputs is None:
            _refuse(self, "have a length", "take the length inside a node")
        return self.__outputs

    def __repr__(self) -> str:
        return f"<{label(self)}>"

    def __getattr__(self, attribute: str) -> NoReturn:
        if attribute.startswith("__") and attribute.endswith("__"):
            raise AttributeError(attribute)  # protocols ask for these: copy, numpy, inspect
        _refuse(self, f"have its attribute {attribute!r} read", "read it inside a node")

    def __setattr__(self, attribute: str, _: Any) -> NoReturn:
        _refuse(self, f"have an attribute {attribute!r} set", "set it inside a node")

    def __delattr__(self, attribute: str) -> NoReturn:
        _refuse(self, f"have its attribute {attribute!r} deleted", "hand it on as it is")

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: the value is not there yet."""
        _refuse(self, "be called", "call it inside a node")

    def __reduce_ex__(self, _: Any) -> NoReturn:
        _refuse(self, "be copied or pickled", "hand it to a node as it is")


def _refuse(placeholder: Placeholder, what: str, hint: str) -> NoReturn:
    raise DescribeError(
        f"{label(placeholder)} is not known while the DAG is described, and cannot {what}",
        where=caller_place(),
        hint=hint,
    )


_HINTS = {
    "be tested for truth": "do this inside a node; what runs on a condition: render.options(when=…)(page)",
    "be awaited": "the run awaits it: hand it on as it is",
}


def _refusal(what: str) -> Callable[..., NoReturn]:
    hint = _HINTS.get(what, "do this inside a node")

    def method(self: Placeholder, *_: Any) -> NoReturn:
        _refuse(self, what, hint)

    return method


_REFUSED = {
    "be compared": "eq ne lt le gt ge",
    "be tested for truth": "bool",
    "be printed or formatted": "str format",
    "be a key or a member of a set": "hash",
    "be searched": "contains",
    "be changed": "setitem delitem",
    "be computed with": "add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod divmod "
    "rdivmod pow rpow matmul rmatmul and rand or ror xor rxor lshift rlshift rshift rrshift neg pos abs "
    "invert int float complex index round trunc floor ceil",
    "be turned into bytes": "bytes",
    "be a path": "fspath",
    "be entered": "enter exit aenter aexit",
    "be awaited": "await aiter anext",
    "be asked for its next value": "next",
    "be reversed": "reversed",
    "be converted to an array": "array",
}
for _what, _methods in _REFUSED.items():
    for _method in _methods.split():
        setattr(Placeholder, f"__{_method}__", _refusal(_what))


def parts(placeholder: Placeholder) -> tuple[object, str, tuple[Any, ...]]:
    """Return (owner, name, path) of a placeholder."""
    read = object.__getattribute__
    return (
        read(placeholder, "_Placeholder__owner"),
        read(placeholder, "_Placeholder__name"),
        read(placeholder, "_Placeholder__path"),
    )


def label(placeholder: Placeholder) -> str:
    """Return how a placeholder is called in messages: ``the result of 'split'[0]``, ``the input 'url'``."""
    _, name, _ = parts(placeholder)
    return f"the {'input' if name.startswith(INPUT) else 'result of'} {_short(placeholder)}"


def _short(placeholder: Placeholder) -> str:
    _, name, path = parts(placeholder)
    # Only keys that are plain words or numbers are shown: others are values of the user's.
    return repr(name.removeprefix(INPUT)) + "".join(
        f"[{key!r}]" if type(key) in {str, int} else f"[{key.at}]" if type(key) is Unpacked else "[…]"
        for key in path
    )


class Opaque:
    """Base of what is never looked into: a DAG."""

    __slots__ = ()


LEAVES = frozenset({str, bytes, int, float, bool, complex, type(None), type(Ellipsis)})
PLAIN = frozenset({list, tuple, dict, set, frozenset})
_MAPPINGS: tuple[dict[str, int], ...] = ({}, OrderedDict())
VIEWS = tuple(type(view) for one in _MAPPINGS for view in (one.keys(), one.values(), one.items()))
_CONTAINERS = (
    *PLAIN,
    deque,
    slice,
    types.MappingProxyType,
    partial,
    types.MethodType,
    types.BuiltinFunctionType,
    types.CellType,
    *VIEWS,
)
_SHUT = (type, types.ModuleType, types.CodeType, types.FrameType, types.TracebackType, Opaque)
_LEVELS = 2  # of attributes: an object's own, and those of the objects they hold
_ATTRIBUTES = 100_000  # looked at in one search; a model or a data frame has more than a user put there
# Read from the type itself: a metaclass may answer to anything.
_order: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
_own: Callable[[type], Mapping[str, Any]] = type.__dict__["__dict__"].__get__


def search(value: Any, *, once: bool, seen: set[int]) -> tuple[Any, int]:
    """Look for a placeholder (with `once`, for an iterator too: a second run would find it used up).

    Containers, data classes, partials and bound methods are walked to any depth. Other objects (attributes,
    slots, closures and defaults of functions) are opened two levels deep and up to 100,000 attributes, so
    that a large model handed over as a constant costs little; a result hidden deeper is not found.
    No code of the user's runs: what an object holds is asked of the garbage collector.

    Parameters
    ----------
    seen : set of int
        Identities that need no second look, added to; whoever shares it keeps the objects alive.

    Returns
    -------
    (found or None, number of things looked at)
    """
    items, walked, left = [value], 0, _ATTRIBUTES
    kinds: dict[int, str] = {}
    met: set[int] = set()  # among attributes: it may be handed over itself later, and is opened then
    for level in range(_LEVELS + 1):
        deeper: list[Any] = []
        while items:
            item = items.pop()
            kind = type(item)
            if kind in LEAVES:
                continue
            if kind is Placeholder:
                return item, walked
            if id(item) in seen or id(item) in met:
                continue
            if kind in PLAIN:
                how = "container"
            elif (how := kinds.get(id(kind), "")) == "":
                how = kinds[id(kind)] = _how(kind)
            if how == "shut" or (level == _LEVELS and how != "container"):
                continue
            if how == "iterator" and once and level == 0:
                return item, walked
            (met if level else seen).add(id(item))
            inner = _inside(item, how)
            walked += len(inner)
            if level and (left := left - len(inner)) < 0:
                return None, walked
            if not LEAVES.issuperset(map(type, inner)):
                (items if how in {"container", "array"} else deeper).extend(inner)
        items = deeper
    return None, walked


def _how(kind: type) -> str:
    """Return how things of a type are opened."""
    if issubclass(kind, _SHUT):
        return "shut"
    if issubclass(kind, _CONTAINERS):
        return "container"
    if kind is types.FunctionType:
        return "function"
    has = {name for base in _order(kind) for name in _own(base)}
    if "__dataclass_fields__" in has or "__struct_fields__" in has:
        return "container"
    if "__next__" in has and "readline" not in has:  # files are read by whoever has them
        return "iterator"
    array = getattr(sys.modules.get("numpy"), "ndarray", None)
    return "array" if array is not None and issubclass(kind, array) else "object"


def _inside(item: Any, how: str) -> list[Any]:
    if how == "function":  # never its globals
        return [item.__closure__, item.__defaults__, item.__kwdefaults__]
    if how == "array":
        array = sys.modules["numpy"].ndarray
        return list(array.flat.__get__(item)) if array.dtype.__get__(item).kind == "O" else []
    return get_referents(item)


def holds_placeholder(value: Any) -> bool:
    """Say whether a placeholder is somewhere in a value, as far as `search` sees."""
    kind = type(value)
    if kind in LEAVES:
        return False
    return kind is Placeholder or search(value, once=False, seen=set())[0] is not None


SHOWN = frozenset({Placeholder, list, tuple, dict})
"""Types of what `shown_placeholder` looks into."""


def shown_placeholder(value: Any, limit: int = 1000) -> list[Any]:
    """Return a placeholder in plain sight, in a list: in lists, tuples, dicts of up to `limit` things in all.

    For calls at run time, where a full search would cost more than the call; results that were left over
    from a description stand in short containers.
    """
    items = [value]
    while items:
        item = items.pop()
        kind = type(item)
        if kind is Placeholder:
            return [item]
        if kind in SHOWN and 0 < len(item) <= limit:
            limit -= len(item)
            inner = item.values() if kind is dict else item
            if not LEAVES.issuperset(map(type, inner)):
                items.extend(inner)
    return []
