"""What a node declares about itself, and the checks of names and budgets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import msgspec

from makespan.errors import DescribeError, OptionError

MAX_THREADS = 1024

Mode = Literal["thread", "process", "caller"]


class StandIn:
    """A node's result while it is not run, or a function that makes it; see `makespan.node`."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "<stand-in>"  # it is the user's value


class Options(msgspec.Struct, frozen=True):
    """What a node declares about itself: `makespan.NodeOptions`, checked."""

    locks: tuple[str, ...] = ()
    exclusive: bool = False
    tags: tuple[str, ...] = ()
    outputs: int | None = None
    hint_s: float | None = None
    profile: bool = True
    stand_in: StandIn | None = None
    mode: Mode | None = None
    setup: bool = False
    retries: int = 0
    retry_wait_s: float = 0.1
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    timeout_s: float | None = None
    cache: Callable[..., Any] | None = None
    cache_size: int = 128
    native_threads: int | None = None
    on_skipped: Literal["skip", "none"] = "skip"


NO_OPTIONS = Options()


def check_name(what: str, name: Any, where: Callable[[], str]) -> str:
    """Return a name that can be written to a file.

    Raises
    ------
    DescribeError
        No string, empty, or half a character (a lone surrogate).
    """
    if not isinstance(name, str) or not name:
        raise DescribeError(f"a {what} is named by a string, not {name!r}", where=where())
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DescribeError(
            f"the name {name!r} of a {what} cannot be written as UTF-8", where=where()
        ) from None
    if "\x00" in name:
        raise DescribeError(f"the name {name!r} of a {what} holds a null character", where=where())
    return name


def check_threads(threads: Any, *, where: str = "threads") -> int:
    """Return a thread budget, checked.

    Raises
    ------
    OptionError
        Not a whole number from 1 to 1024.
    """
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= MAX_THREADS:
        raise OptionError(
            f"a thread budget is a whole number from 1 to {MAX_THREADS}, not {threads!r}", where=where
        )
    return threads


def function_name(fn: Any) -> str:
    """Return a readable name of any callable: a function's, a partial's function's, a class's.

    >>> function_name(partial(print, 1)), function_name(dict)
    ('print', 'dict')
    """
    while isinstance(fn, partial):
        fn = fn.func
    name = getattr(fn, "__name__", None)
    if not isinstance(name, str) or not name:
        name = type(fn).__name__
    return "function" if name == "<lambda>" else name
