"""``@node`` and ``@dag``: calling a described function records a DAG.

::

    @node
    def fetch(url): ...

    @node(lock="matplotlib")
    def render(page): ...

    @dag
    def news(url):
        page = fetch(url)       # a placeholder: nothing runs yet
        return render(page)

    news("http://…")            # runs

Outside a description a node is its plain function, so it can be tested and called as ever. Which DAG is being
described is a context variable: threads and coroutines that describe or run others are not disturbed.
"""

from __future__ import annotations

from functools import update_wrapper
from types import FunctionType, MethodType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    NoReturn,
    ParamSpec,
    Protocol,
    TypeVar,
    cast,
    overload,
)

import msgspec

from makespan.describing.inline import Scope, bind, is_describing, scope
from makespan.describing.node_options import CALL, checked_options, joined, joined_calls
from makespan.describing.options import NO_OPTIONS, Options, function_name
from makespan.describing.place import caller_place, function_place
from makespan.describing.placeholder import INPUT, Placeholder, label, shown_placeholder
from makespan.describing.returned import outputs_of, returns_late
from makespan.errors import DescribeError
from makespan.graph import DAG

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Concatenate, Self

    from typing_extensions import Unpack

    from makespan.describing.node_options import CallOptions, NodeOptions

    S = TypeVar("S")
    Q = ParamSpec("Q")

__all__ = ["NodeFunction", "bind", "dag", "is_describing", "node"]

P = ParamSpec("P")
R = TypeVar("R")

# Flags of a code object; `inspect` has names for them, and costs more to import than this package.
_VARIABLE_ARGUMENTS = 0x04 | 0x08
_GENERATOR = 0x20
_ASYNC = 0x80 | 0x200


class NodeFunction(Generic[P, R]):
    """A function that becomes a node when it is called within a description, and is itself otherwise."""

    is_node_function: ClassVar[bool] = True
    __wrapped__: Callable[P, Any]

    def __init__(self, fn: Callable[P, R], options: Options, call: dict[str, Any] | None = None) -> None:
        update_wrapper(self, fn, updated=())
        self.__makespan_node__ = (fn, options)
        self._call = call or {}

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function; within a description, record a node instead."""
        fn, options = self.__makespan_node__
        now = scope.get()
        if now is None:
            for value in (*args, *kwargs.values()):
                if found := shown_placeholder(value):
                    raise DescribeError(
                        f"{function_name(fn)!r} got {label(found[0])}, but no DAG is being described",
                        where=caller_place(),
                        hint="call it inside a function under @dag, or use DAG.add",
                    )
            return fn(*args, **kwargs)
        result = now.dag.record(
            fn, args, kwargs, prefix=now.prefix, options=options, place=caller_place(), **self._call
        )
        return cast("R", result)

    def options(self, **options: Unpack[CallOptions]) -> NodeFunction[P, R]:
        """Return the same node with further options for one call: ``render.options(name="cover")(page)``.

        Options are those of `makespan.DAG.add`: ``name``, ``after``, ``when``, and those of
        `makespan.NodeOptions`. What is said here lies over what was said before; locks, tags and ``after``
        add up.

        Raises
        ------
        DescribeError
            An option that is unknown, or cannot be.
        """
        fn, base = self.__makespan_node__
        fields = checked_options(options, caller_place, of_a_call=True)
        call: dict[str, Any] = {key: options[key] for key in CALL if key in options}  # type: ignore[literal-required]
        return NodeFunction(fn, joined(base, fields), joined_calls(self._call, call, caller_place()))

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(
        self: NodeFunction[Concatenate[S, Q], R], instance: S, owner: Any = None
    ) -> NodeFunction[Q, R]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Bind like a function, so that a method can be a node."""
        fn, options = self.__makespan_node__
        if instance is None or not hasattr(type(fn), "__get__"):
            return self
        return NodeFunction(fn.__get__(instance, owner), options, self._call)

    def __reduce__(self) -> str:
        """Pickle by reference, as functions are."""
        fn, _ = self.__makespan_node__
        return str(getattr(fn, "__qualname__", function_name(fn)))

    def __repr__(self) -> str:
        return f"<node {function_name(self.__makespan_node__[0])}>"

    if not TYPE_CHECKING:

        def __getattr__(self, attribute: str) -> Any:
            """Find what the function itself has: ``fetch.cache_clear``."""
            made = self.__dict__.get("__makespan_node__")
            if made is None:
                raise AttributeError(attribute)
            return getattr(made[0], attribute)


class NodeDecorator(Protocol):
    """What ``@node(…)`` is: it keeps the signature; a coroutine function counts as what it returns."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> NodeFunction[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> NodeFunction[P, R]: ...


@overload
def node(fn: Callable[P, Coroutine[Any, Any, R]], /) -> NodeFunction[P, R]: ...
@overload
def node(fn: Callable[P, R], /) -> NodeFunction[P, R]: ...
@overload
def node(**options: Unpack[NodeOptions]) -> NodeDecorator: ...
def node(fn: Callable[..., Any] | None = None, /, **options: Unpack[NodeOptions]) -> Any:
    """Make a function usable as a node of a DAG: ``@node``, or with options ``@node(lock="matplotlib")``.

    A coroutine function (``async def``) may be one too: the run awaits it, and hands its result on. Type
    checkers see that result; to await the function itself elsewhere: ``await fetch.__wrapped__(url)``.

    Parameters
    ----------
    fn : callable
    **options
        Those of `makespan.NodeOptions`: ``lock``, ``exclusive``, ``tags``, ``outputs``, ``hint_s``,
        ``profile``, ``stand_in``, ``mode``, ``setup``, ``retries``, ``retry_wait_s``, ``retry_on``,
        ``timeout_s``, ``cache``, ``cache_size``, ``native_threads``, ``on_skipped``.

    Raises
    ------
    DescribeError
        An option that is unknown or cannot be; not a function; a generator.
    """
    fields = checked_options(options, caller_place)

    def decorate(fn: Callable[P, R]) -> NodeFunction[P, R]:
        if isinstance(fn, NodeFunction):
            inner, base = fn.__makespan_node__
            return NodeFunction(inner, joined(base, fields), fn._call)  # noqa: SLF001
        if isinstance(fn, classmethod) or not callable(fn):
            _refuse_function("@node", fn, "options are named: @node(lock='…'); @classmethod goes above @node")
        if type(fn) is Placeholder:
            _refuse_function("@node", fn, "call it inside a node")
        if late := returns_late(fn):
            _refuse_function("@node", fn, late[1])
        made = joined(NO_OPTIONS, fields)
        if made.outputs is None and (count := outputs_of(fn)) is not None:
            made = joined(made, {"outputs": count})
        return NodeFunction(fn, made)

    return decorate if fn is None else decorate(fn)


@overload
def dag(fn: Callable[P, R], /) -> DAG[P, R]: ...
@overload
def dag(*, name: str | None = None) -> Callable[[Callable[P, R]], DAG[P, R]]: ...
def dag(fn: Callable[P, R] | None = None, /, *, name: str | None = None) -> Any:
    """Make a function that calls nodes a DAG. It is called once, with placeholders, at the DAG's first use.

    Raises
    ------
    DescribeError
        A parameter that cannot be an input (``*args``, ``**kwargs``); not a function.
    """

    def decorate(fn: Callable[P, R]) -> DAG[P, R]:
        if not isinstance(fn, FunctionType | MethodType):
            _refuse_function("@dag", fn, "a name is given as @dag(name='…'); @node goes on what it calls")
        if fn.__code__.co_flags & (_ASYNC | _GENERATOR):
            _refuse_function(
                "@dag", fn, "it is called once, to see which nodes it calls: write a plain 'def'"
            )
        made: DAG[P, R] = DAG(function_name(fn) if name is None else name)
        _declare_inputs(made, fn)
        made._function = fn  # noqa: SLF001
        made._describe = lambda: _record(made, fn)  # noqa: SLF001
        update_wrapper(made, fn, updated=())
        return made

    return decorate if fn is None else decorate(fn)


def _refuse_function(decorator: str, fn: Any, hint: str) -> NoReturn:
    raise DescribeError(f"{decorator} takes a plain function, not {fn!r}", where=caller_place(), hint=hint)


def _declare_inputs(made: DAG[..., Any], fn: Callable[..., Any]) -> None:
    """Read the parameters from the code object."""
    code = fn.__code__
    if code.co_flags & _VARIABLE_ARGUMENTS:
        raise DescribeError(
            f"{made.name!r} takes *args or **kwargs, but the inputs of a DAG are named",
            where=caller_place(),
            hint="name each input; a list or dict can be one of them",
        )
    positional = code.co_varnames[: code.co_argcount]
    keyword_only = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    fallback: dict[str, Any] = dict(fn.__kwdefaults__ or {})
    if defaults := fn.__defaults__:
        fallback.update(zip(positional[-len(defaults) :], defaults, strict=True))
    for name in positional[1:] if isinstance(fn, MethodType) else positional:
        made._declare(name, fallback.get(name, msgspec.UNSET), keyword_only=False)  # noqa: SLF001
    for name in keyword_only:
        made._declare(name, fallback.get(name, msgspec.UNSET), keyword_only=True)  # noqa: SLF001


def _record(made: DAG[..., Any], fn: Callable[..., Any]) -> None:
    """Call the described function with placeholders."""
    token = scope.set(Scope(made, "", (made,)))
    try:
        given = {name: Placeholder(made, INPUT + name) for name in made._inputs}  # noqa: SLF001
        positional = [given.pop(name) for name, its in made._inputs.items() if not its.keyword_only]  # noqa: SLF001
        made._return(fn(*positional, **given), function_place(fn))  # noqa: SLF001
    finally:
        scope.reset(token)
    if not made._nodes:  # noqa: SLF001
        raise DescribeError(
            f"{made.name!r} calls no node",
            where=function_place(fn),
            hint="put @node over the functions that it calls",
        )
