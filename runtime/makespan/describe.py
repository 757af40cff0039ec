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

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, TypeVar, cast, overload

import msgspec

from makespan.arguments import Ref, Tree, holds_placeholder
from makespan.errors import DescribeError, did_you_mean
from makespan.graph import DAG, Options, caller_place, function_name, make_options
from makespan.placeholder import INPUT, Placeholder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

P = ParamSpec("P")
R = TypeVar("R")


class _Scope(NamedTuple):
    """The DAG being described, and the prefix of a sub-DAG's names."""

    dag: DAG[..., Any]
    prefix: str


_scope: ContextVar[_Scope | None] = ContextVar("makespan_scope", default=None)


def is_describing() -> bool:
    """Say whether a DAG is being described in this context."""
    return _scope.get() is not None


class NodeFunction(Generic[P, R]):
    """A function that becomes a node when it is called within a description, and is itself otherwise."""

    def __init__(self, fn: Callable[P, R], options: Options) -> None:
        functools.update_wrapper(self, fn)
        self.__makespan_node__ = (fn, options)
        self._call: dict[str, Any] = {}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        fn, options = self.__makespan_node__
        scope = _scope.get()
        if scope is None:
            if any(map(holds_placeholder, (*args, *kwargs.values()))):
                raise DescribeError(
                    f"{function_name(fn)!r} got the result of a node, but no DAG is being described",
                    where=caller_place(),
                    hint="call it inside a function under @dag, or use DAG.add",
                )
            return fn(*args, **kwargs)
        result = scope.dag.record(
            fn, args, kwargs, prefix=scope.prefix, options=options, place=caller_place(), **self._call
        )
        return cast("R", result)

    def options(
        self,
        *,
        name: str | None = None,
        after: Iterable[Any] = (),
        lock: str | Iterable[str] = (),
        exclusive: bool = False,
        tags: str | Iterable[str] = (),
        outputs: int | None = None,
        hint_s: float | None = None,
    ) -> NodeFunction[P, R]:
        """Return the same node with further options for one call: ``render.options(name="cover")(page)``.

        Parameters are those of `makespan.DAG.add`; locks and tags add to those of the decorator.

        Raises
        ------
        DescribeError
            An option that cannot be.
        """
        from makespan.graph import _overlaid

        fn, base = self.__makespan_node__
        more = make_options(lock, exclusive, tags, outputs, hint_s, where=caller_place())
        copy = NodeFunction(fn, _overlaid(base, more))
        copy._call = {"name": name, "after": (after,) if isinstance(after, str | Placeholder) else tuple(after)}
        return copy

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Bind like a function, so that a method can be a node."""
        if instance is None:
            return self
        fn, options = self.__makespan_node__
        return NodeFunction(fn.__get__(instance, owner), options)

    def __reduce__(self) -> str:
        """Pickle by reference, as functions are."""
        return str(self.__qualname__)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return f"<node {function_name(self.__makespan_node__[0])}>"


@overload
def node(fn: Callable[P, R], /) -> NodeFunction[P, R]: ...
@overload
def node(
    *,
    lock: str | Iterable[str] = (),
    exclusive: bool = False,
    tags: str | Iterable[str] = (),
    outputs: int | None = None,
    hint_s: float | None = None,
) -> Callable[[Callable[P, R]], NodeFunction[P, R]]: ...
def node(
    fn: Callable[P, R] | None = None,
    /,
    *,
    lock: str | Iterable[str] = (),
    exclusive: bool = False,
    tags: str | Iterable[str] = (),
    outputs: int | None = None,
    hint_s: float | None = None,
) -> Any:
    """Make a function usable as a node of a DAG.

    Parameters
    ----------
    lock : str or iterable of str
        Nodes that share a lock never overlap: ``lock="matplotlib"``.
    exclusive : bool
        Runs alone.
    tags : str or iterable of str
    outputs : int, optional
        How many values it returns, when its result is unpacked; read from ``-> tuple[A, B]`` otherwise.
    hint_s : float, optional
        Expected seconds, for the order as long as there is no plan.

    Raises
    ------
    DescribeError
        An option that cannot be.
    """
    where = caller_place()
    options = make_options(lock, exclusive, tags, outputs, hint_s, where=where)

    def decorate(fn: Callable[P, R]) -> NodeFunction[P, R]:
        if not callable(fn):
            raise DescribeError(f"@node takes a function, not {fn!r}", where=where)
        if options.outputs is None:
            return NodeFunction(fn, msgspec.structs.replace(options, outputs=_outputs_of(fn)))
        return NodeFunction(fn, options)

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
        A parameter that cannot be an input (``*args``, ``**kwargs``).
    """
    where = caller_place()

    def decorate(fn: Callable[P, R]) -> DAG[P, R]:
        made: DAG[P, R] = DAG(name or function_name(fn))
        _declare_inputs(made, fn, where)
        made._describe = lambda: _record(made, fn)  # noqa: SLF001
        functools.update_wrapper(made, fn, updated=())
        made.__makespan_function__ = fn  # type: ignore[attr-defined]
        return made

    return decorate if fn is None else decorate(fn)


def _declare_inputs(made: DAG[..., Any], fn: Callable[..., Any], where: str) -> None:
    """Read the parameters from the code object (``inspect`` costs more than this whole package)."""
    code = fn.__code__
    if code.co_flags & 0x0C:  # *args, **kwargs
        raise DescribeError(
            f"{made.name!r} takes *args or **kwargs, but the inputs of a DAG are named",
            where=where,
            hint="name each input; a list or dict can be one of them",
        )
    positional = code.co_varnames[: code.co_argcount]
    defaults = fn.__defaults__ or ()
    fallback: dict[str, Any] = dict(zip(positional[len(positional) - len(defaults) :], defaults, strict=True))
    for parameter in positional:
        made.input(parameter, fallback.get(parameter, msgspec.UNSET))
    for parameter in code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]:
        made.input(parameter, (fn.__kwdefaults__ or {}).get(parameter, msgspec.UNSET), keyword_only=True)


def _record(made: DAG[..., Any], fn: Callable[..., Any]) -> None:
    """Call the described function with placeholders; a failed description leaves nothing behind."""
    token = _scope.set(_Scope(made, ""))
    try:
        given = {name: Placeholder(made, INPUT + name) for name in made._inputs}  # noqa: SLF001
        positional = [given.pop(name) for name, its in made._inputs.items() if not its.keyword_only]  # noqa: SLF001
        made._output = None  # noqa: SLF001
        made.returns(fn(*positional, **given))
        if not made._nodes:  # noqa: SLF001
            raise DescribeError(
                f"{made.name!r} calls no node", where=_where(fn), hint="put @node over the functions that it calls"
            )
    except BaseException:
        made._nodes, made._uses = {}, {}  # noqa: SLF001
        made._has_output = False  # noqa: SLF001
        raise
    finally:
        _scope.reset(token)


def _where(fn: Callable[..., Any]) -> str:
    return f"{fn.__code__.co_filename}:{fn.__code__.co_firstlineno}"


def inlined(inner: DAG[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make a DAG part of the one being described; its nodes are named ``inner.node``."""
    scope = _scope.get()
    assert scope is not None
    place = caller_place()
    outer = scope.dag
    if inner is outer:
        raise DescribeError(f"{inner.name!r} calls itself", where=place)
    given = bind(inner, args, kwargs, where=place)
    fn = getattr(inner, "__makespan_function__", None)
    prefix = outer.unused(f"{scope.prefix}{inner.name}", ()) + "."
    if fn is not None:
        token = _scope.set(_Scope(outer, prefix))
        try:
            keyword_only = {name: given.pop(name) for name, its in inner._inputs.items() if its.keyword_only}  # noqa: SLF001
            return fn(*given.values(), **keyword_only)
        except RecursionError as error:
            raise DescribeError(f"{inner.name!r} calls itself", where=place) from error
        finally:
            _scope.reset(token)
    return _copied(inner, outer, prefix, given)


def _copied(inner: DAG[..., Any], outer: DAG[..., Any], prefix: str, given: Mapping[str, Any]) -> Any:
    """Add the nodes of a DAG that was built by hand to another one."""

    def placed(value: Any) -> Any:
        if type(value) is Ref:
            found = given[value.name] if value.is_input else Placeholder(outer, prefix + value.name)
            for key in value.path:
                found = found[key]
            return found
        if type(value) is Tree:
            return value.make([placed(item) for item in value.items])
        return value

    structure = inner.check()
    nodes = list(inner.nodes.values())
    for i in structure.order:
        its = nodes[i]
        outer.record(
            its.fn,
            [placed(value) for value in its.args],
            {key: placed(value) for key, value in its.kwargs.items()},
            name=its.name,
            prefix=prefix,
            after=[prefix + name for name in its.after],
            options=its.options,
            place=its.place,
        )
    return placed(inner.output)


def bind(target: DAG[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *, where: str | None = None) -> dict[str, Any]:
    """Match arguments to a DAG's inputs, as Python does for a function.

    Raises
    ------
    DescribeError
        An input is missing, given twice, or unknown.
    """
    inputs = target.inputs if target._describe is None else target._inputs  # noqa: SLF001
    names = [name for name, its in inputs.items() if not its.keyword_only]
    if len(args) > len(names):
        raise DescribeError(
            f"{target.name!r} takes {len(names)} positional inputs ({', '.join(names) or 'none'}), got {len(args)}",
            where=where,
        )
    given = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name not in inputs:
            raise DescribeError(
                f"{target.name!r} has no input {name!r}", where=where, hint=did_you_mean(name, inputs)
            )
        if name in given:
            raise DescribeError(f"{target.name!r} got its input {name!r} twice", where=where)
        given[name] = value
    for name, its in inputs.items():
        if name not in given:
            if its.default is msgspec.UNSET:
                raise DescribeError(f"{target.name!r} needs its input {name!r}", where=where)
            given[name] = its.default
    return {name: given[name] for name in inputs}


def _outputs_of(fn: Any) -> int | None:
    """Read the number of outputs from the annotation ``-> tuple[A, B]``; None when it does not say."""
    said = getattr(fn, "__annotations__", {}).get("return")
    if isinstance(said, str):  # from __future__ import annotations: count without evaluating
        inner = said.replace(" ", "")
        for head in ("tuple[", "Tuple[", "typing.Tuple[", "t.Tuple["):
            if inner.startswith(head) and inner.endswith("]"):
                return _count_commas(inner[len(head) : -1])
        return None
    arguments = getattr(said, "__args__", None)
    if getattr(said, "__origin__", None) is tuple and arguments and arguments[-1] is not ...:
        return len(arguments)
    return None


def _count_commas(inner: str) -> int | None:
    depth, count = 0, 1
    for letter in inner:
        depth += letter in "[("
        depth -= letter in "])"
        count += letter == "," and depth == 0
    return None if inner.endswith("...") or not inner or inner == "()" else count
