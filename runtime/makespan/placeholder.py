"""What stands for a node's result while a DAG is described: a handle that refuses to be used as a value.

``fetch(url)`` inside a described function returns a `Placeholder`. It may be handed to other nodes, inside
lists, tuples and dicts too, be indexed (``x["k"][0]``) and be unpacked. Anything else (comparing, testing,
printing, arithmetic) would silently compute with the handle instead of the value, and is refused with the
place. Two things cannot be seen: ``x is None``, and ``repr(x)``, which debuggers need.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NoReturn

from makespan.errors import DescribeError
from makespan.place import caller_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


# Inputs live beside nodes; a character that no identifier has keeps their names apart.
INPUT = "\x00input:"


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
        return iter([self[i] for i in range(self.__outputs)])

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
        _refuse(self, f"have its attribute {attribute!r} deleted")

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: the value is not there yet."""
        _refuse(self, "be called", "call it inside a node")

    def __reduce_ex__(self, _: Any) -> NoReturn:
        _refuse(self, "be copied or pickled", "hand it to a node as it is")


def _refuse(placeholder: Placeholder, what: str, hint: str = "do this inside a node") -> NoReturn:
    raise DescribeError(
        f"{label(placeholder)} is not known while the DAG is described, and cannot {what}",
        where=caller_place(),
        hint=hint,
    )


def _refusal(what: str) -> Callable[..., NoReturn]:
    def method(self: Placeholder, *_: Any) -> NoReturn:
        _refuse(self, what)

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
        f"[{key!r}]" if type(key) in {str, int} else "[…]" for key in path
    )


_LEAVES = frozenset({str, bytes, int, float, bool, complex, type(None), type(Ellipsis)})


def holds_placeholder(value: Any) -> bool:
    """Say whether a placeholder is somewhere in nested lists, tuples, dicts, sets, slices and data classes.

    Iterative, and safe with containers that contain themselves. Containers are read by their built-in
    methods, so that no code of a subclass runs.
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
        inner = _inside(item, kind)
        if inner and id(item) not in seen:
            seen.add(id(item))
            stack.extend(inner)
    return False


def _inside(item: Any, kind: type) -> Any:
    """Return what a container holds, or nothing."""
    for base in (list, tuple, set, frozenset, deque):
        if issubclass(kind, base):
            return list(base.__iter__(item))
    if issubclass(kind, dict):
        return [*dict.keys(item), *dict.values(item)]
    if kind is slice:
        return (item.start, item.stop, item.step)
    fields = getattr(kind, "__dataclass_fields__", None) or getattr(kind, "__struct_fields__", None)
    if isinstance(fields, dict | tuple):
        try:
            return [getattr(item, field, None) for field in fields]
        except Exception:
            return ()  # a property of the user's that fails is not this module's affair
    return ()
