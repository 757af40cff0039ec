"""The options of a node as users write them, and their checks, for ``@node``, ``.options`` and `DAG.add`.

What one call says lies over what the decorator said; locks, tags and ``after`` add up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any, Final, Literal, TypedDict

import msgspec

from makespan.describing.options import MAX_THREADS, NO_OPTIONS, Mode, Options, StandIn, check_name
from makespan.describing.placeholder import Placeholder, holds_placeholder
from makespan.errors import DescribeError, did_you_mean

Where = Callable[[], str]


class NodeOptions(TypedDict, total=False):
    """Options of ``@node``, of `NodeFunction.options` and of `DAG.add`.

    Parameters
    ----------
    lock : str or iterable of str
        Nodes that share a lock never overlap within one run: ``lock="matplotlib"``.
    exclusive : bool
        It runs alone.
    tags : str or iterable of str
    outputs : int
        How many values it returns, when its result is unpacked; read from ``-> tuple[A, B]`` otherwise.
    hint_s : float
        Expected seconds, for the order as long as there is no plan.
    profile : bool
        False: it is not run while profiling (it costs money, it sends mails); `hint_s`, or a hint given
        while profiling, says how long it takes.
    stand_in : value or callable
        Its result while it is not run, for the nodes that take it; a callable is called in its place.
    mode : {"thread", "process", "caller"}
        Where it runs: in any thread of the run; in a worker process; in the thread that called the DAG (for
        libraries that must stay in the main thread). Without one the plan chooses between the first two.
    setup : bool
        It runs once for a DAG object (it loads a model, say), and its result is kept for all later runs. It
        takes constants and results of other set-up nodes only. See `DAG.setup` and `DAG.forget_setup`.
    retries : int
        How often it is tried again after an exception of `retry_on`; each failed attempt leaves a note on
        the exception that is raised in the end.
    retry_wait_s : float
        Seconds before the first retry, 0.1 unless said; doubled before each further one, up to a minute.
    retry_on : exception type or iterable of them
        `Exception` unless said. Ctrl-C and ``sys.exit`` are never retried.
    timeout_s : float
        After so many seconds it has failed with a `TimeoutError`. A coroutine is cancelled and a worker
        process killed; a thread cannot be stopped: it keeps its place in the run until it returns.
    cache : callable
        Called with the node's arguments; returns a hashable key. The result is kept in memory, with the DAG
        object, and taken instead of a call when the key comes again; runs that miss the same key at the same
        time compute it once. See `DAG.cache_info` and `DAG.clear_cache`.
    cache_size : int
        How many results are kept, 128 unless said; the one that was used longest ago goes first.
    native_threads : int
        How many threads native libraries (BLAS, OpenMP) may use in it; else the plan says.
    on_skipped : {"skip", "none"}
        What it does when a node was skipped whose result it takes: it is skipped too, or takes None.
    """

    lock: str | Iterable[str]
    exclusive: bool
    tags: str | Iterable[str]
    outputs: int | None
    hint_s: float | None
    profile: bool
    stand_in: Any
    mode: Mode | None
    setup: bool
    retries: int
    retry_wait_s: float
    retry_on: type[Exception] | Iterable[type[Exception]]
    timeout_s: float | None
    cache: Callable[..., Any] | None
    cache_size: int
    native_threads: int | None
    on_skipped: Literal["skip", "none"]


class CallOptions(NodeOptions, total=False):
    """What `NodeFunction.options` and `DAG.add` take beside `NodeOptions`: options of one call.

    Parameters
    ----------
    name : str
        A name of its own; else the function's name, numbered when it is taken.
    after : iterable of results or names
        Nodes to wait for without taking their results; names may be of nodes added later.
    when : result or value
        The node is skipped when it is false. It waits for the result; nodes that take the result of a
        skipped node are skipped too (but see `on_skipped`); those that only wait for it run.
    """

    name: str | None
    after: Iterable[Any]
    when: Any


CALL: Final = frozenset({"name", "after", "when"})
"""What belongs to one call, and is no field of `Options`."""


def checked_options(said: Mapping[str, Any], where: Where, *, of_a_call: bool = False) -> dict[str, Any]:
    """Return the fields of `Options` that were said, checked; those of a call are left to their users.

    Raises
    ------
    DescribeError
        An unknown option, or one with a value that it cannot have.
    """
    fields: dict[str, Any] = {}
    for name, value in said.items():
        check = _CHECKS.get(name)
        if check is not None:
            if value is not msgspec.UNSET:
                fields[_FIELDS.get(name, name)] = check(name, value, where)
        elif not of_a_call or name not in CALL:
            raise _unknown(name, where, of_a_call=of_a_call)
    return fields


def joined(base: Options, fields: Mapping[str, Any]) -> Options:
    """Lay what was said over options; locks and tags add up.

    >>> joined(Options(locks=("a",), retries=2), {"locks": ("b",), "retries": 0}).locks
    ('a', 'b')
    """
    if not fields:
        return base
    if base is NO_OPTIONS:
        return Options(**fields)
    added = {
        name: tuple(sorted({*getattr(base, name), *fields[name]}))
        for name in ("locks", "tags")
        if name in fields
    }
    return msgspec.structs.replace(base, **{**fields, **added})


def joined_calls(base: Mapping[str, Any], call: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Lay one call's name, after and when over an earlier one's; what it waits for adds up.

    Raises
    ------
    DescribeError
        What it waits for is no sequence.
    """
    both = {**base, **{key: value for key, value in call.items() if key == "when" or value is not None}}
    if "after" in call:
        after = call["after"]
        try:
            added = (after,) if isinstance(after, str | Placeholder) else tuple(after)
        except TypeError:
            raise DescribeError("'after' takes results or names of nodes", where=place) from None
        both["after"] = (*base.get("after", ()), *added)
    return both


def _unknown(name: str, where: Where, *, of_a_call: bool) -> DescribeError:
    if name in CALL:
        hint: str | None = f"say it where the node is called: .options({name}=…)"
    else:
        hint = did_you_mean(name, [*_CHECKS, *(CALL if of_a_call else ())])
        if hint is None and of_a_call:
            hint = "keyword arguments of the function are given to DAG.add as kwargs={…}"
    return DescribeError(f"a node has no option {name!r}", where=where(), hint=hint)


def _words(name: str, value: Any, where: Where) -> tuple[str, ...]:
    what = name.removesuffix("s")
    try:
        some = {value} if isinstance(value, str) else set(value)
        for word in some:
            check_name(what, word, where)
    except TypeError:
        raise DescribeError(f"a {what} is named by a string, not {value!r}", where=where()) from None
    return tuple(sorted(some))


def _truth(name: str, value: Any, where: Where) -> bool:
    if not isinstance(value, bool):
        raise DescribeError(f"{name} is True or False, not {value!r}", where=where())
    return value


def _whole(least: int, most: float = float("inf")) -> Callable[[str, Any, Where], int]:
    range_ = f"from {least}" if most == float("inf") else f"from {least} to {most}"

    def check(name: str, value: Any, where: Where) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise DescribeError(f"{name} is a whole number {range_}, not {value!r}", where=where())
        return value

    return check


def _seconds(name: str, value: Any, where: Where) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e8:
        raise DescribeError(f"{name} is a number of seconds from 0, not {value!r}", where=where())
    return value


def _positive_seconds(name: str, value: Any, where: Where) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not (value > 0 and isfinite(value) and value <= 1e8)
    ):
        raise DescribeError(
            f"{name} is a positive number of seconds up to 1e8, not {value!r}",
            where=where(),
            hint="None: no limit",
        )
    return value


def _one_of(*words: str) -> Callable[[str, Any, Where], str]:
    def check(name: str, value: Any, where: Where) -> str:
        if not isinstance(value, str) or value not in words:
            hint = did_you_mean(value, words) if isinstance(value, str) else None
            known = ", ".join(map(repr, words[:-1])) + f" or {words[-1]!r}"
            raise DescribeError(f"{name} is {known}, not {value!r}", where=where(), hint=hint)
        return value

    return check


def _or_none(check: Callable[[str, Any, Where], Any]) -> Callable[[str, Any, Where], Any]:
    return lambda name, value, where: None if value is None else check(name, value, where)


def _exceptions(name: str, value: Any, where: Where) -> tuple[type[Exception], ...]:
    some: tuple[Any, ...]
    try:
        some = (value,) if isinstance(value, type | str) else tuple(value)
    except TypeError:
        some = (value,)
    for one in some:
        if not (isinstance(one, type) and issubclass(one, Exception)):
            raise DescribeError(
                f"{name} takes types of exceptions, not {one!r}",
                where=where(),
                hint="Exception and its subclasses; Ctrl-C and sys.exit are never retried",
            )
    return some


def _key_function(name: str, value: Any, where: Where) -> Callable[..., Any]:
    if holds_placeholder(value) or not callable(value):
        raise DescribeError(
            f"{name} is a function that makes a key of the node's arguments, not {value!r}",
            where=where(),
            hint="for example: cache=lambda url: url",
        )
    return value  # type: ignore[no-any-return]


def _stand_in(_: str, value: Any, where: Where) -> StandIn:
    if holds_placeholder(value):
        raise DescribeError("a stand-in is a value or a function, not another node's result", where=where())
    return StandIn(value)


_FIELDS: Final = {"lock": "locks"}
_CHECKS: Final[dict[str, Callable[[str, Any, Where], Any]]] = {
    "lock": _words,
    "exclusive": _truth,
    "tags": _words,
    "outputs": _or_none(_whole(1)),
    "hint_s": _or_none(_seconds),
    "profile": _truth,
    "stand_in": _stand_in,
    "mode": _or_none(_one_of("thread", "process", "caller")),
    "setup": _truth,
    "retries": _whole(0),
    "retry_wait_s": _seconds,
    "retry_on": _exceptions,
    "timeout_s": _or_none(_positive_seconds),
    "cache": _or_none(_key_function),
    "cache_size": _whole(1),
    "native_threads": _or_none(_whole(1, MAX_THREADS)),
    "on_skipped": _one_of("skip", "none"),
}
