"""What a function says about what it returns: how many values, and whether it runs when it is called.

``-> tuple[A, B]`` or a named tuple says how many; coroutines are awaited, and generators refused.
"""

from __future__ import annotations

from functools import partial
from types import FunctionType, MethodType
from typing import Any

_GENERATOR = 0x20
_COROUTINE = 0x80
_ASYNC_GENERATOR = 0x200


def returns_late(fn: Any) -> tuple[str, str] | None:
    """Return (what it is, what to do) for a function that is a generator; of any kind of callable.

    >>> def lines(): yield 1
    >>> returns_late(partial(lines))
    ('a generator function', 'return a list: its values would be read once only')
    """
    flags = _flags(fn)
    if flags & _ASYNC_GENERATOR:
        return "an asynchronous generator function", "return a list: its values would be read once only"
    if flags & _GENERATOR:
        return "a generator function", "return a list: its values would be read once only"
    return None


def is_coroutine_function(fn: Any) -> bool:
    """Say whether calling it makes a coroutine, which is to be awaited; of any kind of callable.

    >>> async def fetch(): ...
    >>> is_coroutine_function(partial(fetch)), is_coroutine_function(len)
    (True, False)
    """
    return bool(_flags(fn) & _COROUTINE)


def _flags(fn: Any) -> int:
    """Return the flags of the code that a call of `fn` runs; 0 where there is no Python code."""
    while True:
        if isinstance(fn, partial):
            fn = fn.func
        elif isinstance(fn, MethodType):
            fn = fn.__func__
        elif isinstance(fn, FunctionType):
            return fn.__code__.co_flags
        else:  # an object with a __call__ of its own
            fn = None if isinstance(fn, type) else getattr(type(fn), "__call__", None)  # noqa: B004
            if not isinstance(fn, FunctionType):
                return 0


def outputs_of(fn: Any) -> int | None:
    """Return the number of values that a function says it returns; None when it does not say.

    >>> def pair() -> tuple[int, dict[str, int]]: ...
    >>> outputs_of(pair)
    2
    """
    while isinstance(fn, partial):
        fn = fn.func
    try:
        said = fn.__annotations__["return"]
    except Exception:
        return None  # no annotations; from Python 3.14 on, names in them may not exist yet
    if isinstance(said, str):  # from __future__ import annotations: counted, never evaluated
        text = said.replace(" ", "").strip("'\"")
        for head in ("tuple[", "Tuple[", "typing.Tuple[", "t.Tuple["):
            if text.startswith(head) and text.endswith("]"):
                return _count(text[len(head) : -1].removesuffix(","))
        said = getattr(fn, "__globals__", {}).get(text)
    if isinstance(said, type) and issubclass(said, tuple):
        return len(getattr(said, "_fields", ())) or None
    arguments = getattr(said, "__args__", None)
    if getattr(said, "__origin__", None) is tuple and arguments and arguments[-1] is not ...:
        return None if any(map(_is_many, arguments)) else len(arguments)
    return None


def _is_many(argument: Any) -> bool:
    """Say whether an argument stands for any number: ``*Ts``, ``*tuple[int, ...]``."""
    return bool(
        getattr(argument, "__unpacked__", False)
        or getattr(argument, "__typing_is_unpacked_typevartuple__", False)
    )


def _count(inner: str) -> int | None:
    """Count the items between the brackets of ``tuple[…]``; None when it is no tuple of a known size."""
    if not inner or inner == "()" or inner.endswith("...") or "*" in inner or "Unpack[" in inner:
        return None
    depth, count, quote = 0, 1, ""
    for letter in inner:
        if quote or letter in "'\"":
            quote = "" if letter == quote else quote or letter
            continue
        depth += letter in "[("
        depth -= letter in "])"
        if depth < 0:  # tuple[A, B] | tuple[A, B, C]
            return None
        count += letter == "," and depth == 0
    return count
