"""What stands for a node's result while a DAG is described: a handle that refuses to be used as a value.

``fetch(url)`` inside a described function returns a `Placeholder`. It may be handed to other nodes, inside
lists, tuples and dicts too, be indexed (``x["k"][0]``) and be unpacked. Anything else (comparing, testing,
printing, arithmetic) would silently compute with the handle instead of the value, and is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from makespan.errors import DescribeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


# Inputs live beside nodes; a character that no identifier has keeps their names apart.
INPUT = "\x00input:"


class Placeholder:
    """The future result of a node, or a future input of the DAG, while it is described.

    Attributes are private by name mangling, so that ``placeholder.anything`` is never silently found.
    """

    __slots__ = ("__name", "__outputs", "__owner", "__path")

    def __init__(self, owner: object, name: str, path: tuple[Any, ...] = (), outputs: int | None = None) -> None:
        self.__owner = owner
        self.__name = name
        self.__path = path
        self.__outputs = outputs

    def __getitem__(self, key: Any) -> Placeholder:
        if isinstance(key, Placeholder):
            _refuse(self, "be indexed by another result", "index it inside a node")
        return Placeholder(self.__owner, self.__name, (*self.__path, key))

    def __iter__(self) -> Iterator[Placeholder]:
        if self.__outputs is None:
            _refuse(
                self,
                "be unpacked: how many values it has is not known",
                f"say @node(outputs=2) where {self.__name!r} is defined, annotate it '-> tuple[A, B]', "
                "or index the result: x[0], x[1]",
            )
        return (self[i] for i in range(self.__outputs))

    def __len__(self) -> int:
        if self.__outputs is None:
            _refuse(self, "have a length", "take the length inside a node")
        return self.__outputs

    def __repr__(self) -> str:
        return f"<result of {label(self)}>"

    def __getattr__(self, attribute: str) -> NoReturn:
        if attribute.startswith("__") and attribute.endswith("__"):
            raise AttributeError(attribute)  # protocols ask for these: copy, numpy, inspect
        _refuse(self, f"have its attribute {attribute!r} read", "read it inside a node")

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        _refuse(self, "be called", "call it inside a node")

    def __reduce_ex__(self, _: Any) -> NoReturn:
        _refuse(self, "be copied or pickled", "hand it to a node as it is")


def _refuse(placeholder: Placeholder, what: str, hint: str = "do this inside a node") -> NoReturn:
    raise DescribeError(
        f"the result of {label(placeholder)} is not known while the DAG is described, and cannot {what}", hint=hint
    )


def _refusal(what: str) -> Callable[..., NoReturn]:
    def method(self: Placeholder, *_: Any) -> NoReturn:
        _refuse(self, what)

    return method


for _what, _methods in {
    "be compared": "eq ne lt le gt ge",
    "be tested for truth": "bool",
    "be printed or formatted": "str format",
    "be a key or a member of a set": "hash",
    "be searched": "contains",
    "be changed": "setitem delitem",
    "be computed with": "add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod pow rpow "
    "matmul rmatmul and rand or ror xor rxor lshift rlshift rshift rrshift neg pos abs invert int float index",
    "be entered": "enter exit",
    "be awaited": "await",
    "be converted to an array": "array",
}.items():
    for _method in _methods.split():
        setattr(Placeholder, f"__{_method}__", _refusal(_what))
del _what, _methods, _method


def parts(placeholder: Placeholder) -> tuple[object, str, tuple[Any, ...]]:
    """Return (owner, name, path) of a placeholder."""
    read = object.__getattribute__
    return (
        read(placeholder, "_Placeholder__owner"),
        read(placeholder, "_Placeholder__name"),
        read(placeholder, "_Placeholder__path"),
    )


def label(placeholder: Placeholder) -> str:
    """Return how a placeholder is called in messages: ``'split'[0]``."""
    _, name, path = parts(placeholder)
    return repr(name.removeprefix(INPUT)) + "".join(f"[{key!r}]" for key in path)
