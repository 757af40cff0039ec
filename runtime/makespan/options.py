"""What a node declares about itself, checked where it is said."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from makespan.errors import DescribeError, OptionError
from makespan.placeholder import holds_placeholder

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    """What a node declares about itself.

    Attributes
    ----------
    locks : tuple of str
        Named mutual exclusions: nodes that share one never overlap within one run.
    exclusive : bool
        The node runs alone.
    tags : tuple of str
    outputs : int or None
        How many values it returns, when its result is unpacked.
    hint_s : float or None
        How long it is expected to take, used for the order as long as there is no plan.
    profile : bool
        Whether it is run while profiling; else a hint says how long it takes.
    stand_in : StandIn or None
        Its result while it is not run.
    mode : {"thread", "process", "caller"} or None
        Where it runs: any thread, a worker process, the thread that called. None: the plan says.
    setup : bool
        It runs once for a DAG object; its result is kept for all later runs.
    retries : int
        How often it is tried again after an exception of `retry_on`.
    retry_wait_s : float
        Seconds before the first retry; doubled before each further one.
    retry_on : tuple of exception types
    timeout_s : float or None
        After so many seconds it has failed with a TimeoutError.
    cache : callable or None
        Called with the node's arguments; its (hashable) result is the key under which the node's result is
        kept.
    cache_size : int
        How many results are kept; the one that was used longest ago goes first.
    native_threads : int or None
        How many threads native libraries may use in it. None: the plan says.
    on_skipped : {"skip", "none"}
        What it does when a node was skipped whose result it takes: it is skipped too, or takes None.
    """

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

    def joined(self, over: Options) -> Options:
        """Return these options with those of one call laid over them: locks and tags add up."""
        return Options(
            tuple(sorted({*self.locks, *over.locks})),
            self.exclusive or over.exclusive,
            tuple(sorted({*self.tags, *over.tags})),
            over.outputs if over.outputs is not None else self.outputs,
            over.hint_s if over.hint_s is not None else self.hint_s,
            self.profile and over.profile,
            over.stand_in if over.stand_in is not None else self.stand_in,
        )


NO_OPTIONS = Options()
_NONE: Any = ()


def make_options(
    lock: str | Iterable[str],
    exclusive: bool,
    tags: str | Iterable[str],
    outputs: int | None,
    hint_s: float | None,
    *,
    profile: bool = True,
    stand_in: Any = msgspec.UNSET,
    where: Callable[[], str],
) -> Options:
    """Check a node's options.

    Raises
    ------
    DescribeError
        A lock or tag that is no string, outputs below 1, a hint that is not a duration.
    """
    plain = profile is True and stand_in is msgspec.UNSET
    if (
        plain
        and lock is _NONE
        and tags is _NONE
        and exclusive is False
        and outputs is None
        and hint_s is None
    ):
        return NO_OPTIONS
    if not isinstance(profile, bool):
        raise DescribeError(f"profile is True or False, not {profile!r}", where=where())
    if stand_in is not msgspec.UNSET and holds_placeholder(stand_in):
        raise DescribeError("a stand-in is a value or a function, not another node's result", where=where())
    if not isinstance(exclusive, bool):
        raise DescribeError(f"exclusive is True or False, not {exclusive!r}", where=where())
    if outputs is not None and (not isinstance(outputs, int) or isinstance(outputs, bool) or outputs < 1):
        raise DescribeError(f"outputs is a whole number from 1, not {outputs!r}", where=where())
    if hint_s is not None and (
        isinstance(hint_s, bool) or not isinstance(hint_s, int | float) or not 0 <= hint_s <= 1e8
    ):
        raise DescribeError(f"hint_s is a number of seconds, not {hint_s!r}", where=where())
    return Options(
        _words("lock", lock, where),
        exclusive,
        _words("tag", tags, where),
        outputs,
        hint_s,
        profile,
        None if stand_in is msgspec.UNSET else StandIn(stand_in),
    )


def _words(what: str, value: Any, where: Callable[[], str]) -> tuple[str, ...]:
    try:
        some = {value} if isinstance(value, str) else set(value)
        for word in some:
            check_name(what, word, where)
    except TypeError:
        raise DescribeError(f"a {what} is named by a string, not {value!r}", where=where()) from None
    return tuple(sorted(some))


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
