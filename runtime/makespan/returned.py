"""How many values a function returns, read from its annotation: ``-> tuple[A, B]`` or a named tuple."""

from __future__ import annotations

from functools import partial
from typing import Any


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
        return len(arguments)
    return None


def _count(inner: str) -> int | None:
    """Count the items between the brackets of ``tuple[…]``."""
    if not inner or inner == "()" or inner.endswith("..."):
        return None
    depth, count = 0, 1
    for letter in inner:
        depth += letter in "[("
        depth -= letter in "])"
        count += letter == "," and depth == 0
    return count
