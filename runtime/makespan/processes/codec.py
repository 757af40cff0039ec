"""What goes to another process, and how: values by pickle, functions by name where that can be.

The standard library's pickle is tried first, because it is many times faster than cloudpickle on values of
plain types. What it cannot take (lambdas, closures), and what is of ``__main__``, which the other process has
not, is told by cloudpickle: functions and classes by what they are made of. A class that comes back is the
class that was sent.

A function under ``@node`` is hidden behind the node of its name; it is told by that name all the same.
"""

from __future__ import annotations

import io
import pickle
import sys
from importlib import import_module
from types import FunctionType
from typing import TYPE_CHECKING, Any

from makespan.processes import wire

if TYPE_CHECKING:
    from collections.abc import Callable

_OF_MAIN = b"__main__"


def hidden_function(module: str, path: str) -> Any:
    """Return the function of the node that stands under a name in a module."""
    value: Any = import_module(module)
    for part in path.split("."):
        value = getattr(value, part)
    return value.__makespan_node__[0]


class Named:
    """A function told by the node that hides it."""

    __slots__ = ("fn",)

    def __init__(self, fn: Any) -> None:
        self.fn = fn

    def __reduce__(self) -> tuple[Any, ...]:
        return hidden_function, (self.fn.__module__, self.fn.__qualname__)


def is_hidden(fn: FunctionType) -> bool:
    """Say whether a function is the one of the node of its name, in a module that can be imported."""
    if fn.__module__ == "__main__" or "<locals>" in fn.__qualname__:
        return False
    value: Any = sys.modules.get(fn.__module__)
    for part in fn.__qualname__.split("."):
        value = getattr(value, part, None)
    node = getattr(value, "__makespan_node__", None)
    return node is not None and node[0] is fn


def named(fn: Callable[..., Any]) -> Any:
    """Return what stands for a function in a message: itself, or its name when a node hides it."""
    return Named(fn) if type(fn) is FunctionType and is_hidden(fn) else fn


def dumps(value: Any, *, beside: bool = True) -> tuple[bytes, list[memoryview]]:
    """Return the stream of a value and its large buffers (none, unless they may be `beside` the stream).

    Raises
    ------
    Exception
        Whatever the pickling of it raises.
    """
    buffers: list[memoryview] = []

    def handed_out(buffer: pickle.PickleBuffer) -> bool:
        """Take a large buffer out of the stream."""
        raw = buffer.raw()
        if raw.nbytes < wire.LARGE:
            return True
        buffers.append(raw)
        return False

    callback = handed_out if beside and wire.HAS_MEMORY else None
    try:
        stream = pickle.dumps(value, 5, buffer_callback=callback)
        if _OF_MAIN not in stream:
            return stream, buffers
    except Exception:  # noqa: S110 (cloudpickle says what it is, if it cannot do it either)
        pass
    buffers.clear()
    from makespan.processes.by_code import Pickler

    with io.BytesIO() as file:
        pickler = Pickler(file, 5, buffer_callback=callback)  # pyright: ignore[reportCallIssue]
        pickler.dump(value)
        return file.getvalue(), buffers


def loads(message: wire.Message) -> Any:
    """Return the value of a message.

    Raises
    ------
    Exception
        Whatever the unpickling of it raises.
    """
    return pickle.loads(message.stream, buffers=message.buffers)  # noqa: S301 (of a process of our own)


def fault_of(value: Any) -> str:
    """Say why a value cannot be sent; empty when it can.

    >>> fault_of(iter([1]))
    ''
    >>> fault_of((x for x in "a"))
    "TypeError: cannot pickle 'generator' object"
    """
    try:
        dumps(value)
    except Exception as error:
        return told(error)
    return ""


def told(error: BaseException) -> str:
    """Return type and text of an exception, whatever its ``__str__`` does."""
    try:
        text = str(error)
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def kind(value: Any) -> str:
    """Return the type of a value with its article.

    >>> kind([]), kind(0)
    ('a list', 'an int')
    """
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
