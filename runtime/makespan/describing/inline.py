"""A DAG within a DAG, and which DAG is being described.

Called within a description, a DAG hands its nodes over to the DAG being described, under names of their own::

    @dag
    def sub(page): return render(clean(page))

    @dag
    def both(a, b): return sub(a), sub(b)       # sub.clean, sub.render, sub_2.clean, sub_2.render

A described one is called again with the given arguments; one that was built by hand is copied.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from makespan.describing.arguments import Ref, Tree
from makespan.describing.place import caller_place
from makespan.describing.placeholder import SHOWN, Placeholder, shown_placeholder
from makespan.errors import DescribeError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from makespan.graph import DAG


class Scope(NamedTuple):
    """The DAG being described, the prefix of a sub-DAG's names, and the DAGs around the present call."""

    dag: DAG[..., Any]
    prefix: str
    around: tuple[DAG[..., Any], ...]


scope: ContextVar[Scope | None] = ContextVar("makespan_scope", default=None)


def is_describing() -> bool:
    """Say whether a DAG is being described in this context."""
    return scope.get() is not None


def inlined(inner: DAG[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make a DAG part of the one being described; its nodes are named ``inner.node``.

    Raises
    ------
    DescribeError
        An input is missing or unknown; the DAG calls itself.
    """
    now = scope.get()
    assert now is not None
    place = caller_place()
    outer = now.dag
    if any(inner is one for one in now.around):
        circle = " → ".join(repr(one.name) for one in (*now.around, inner))
        raise DescribeError(f"{inner.name!r} calls itself: {circle}", where=place)
    given = _matched(inner, args, kwargs, place)
    prefix = outer.unused_prefix(now.prefix + inner.name)
    fn = inner._function  # noqa: SLF001
    if fn is None:
        return _copied(inner, outer, prefix, given)
    token = scope.set(Scope(outer, prefix, (*now.around, inner)))
    try:
        keyword_only = {name: given.pop(name) for name, its in inner._inputs.items() if its.keyword_only}  # noqa: SLF001
        return fn(*given.values(), **keyword_only)
    finally:
        scope.reset(token)


def _copied(inner: DAG[..., Any], outer: DAG[..., Any], prefix: str, given: Mapping[str, Any]) -> Any:
    """Add the nodes of a DAG that was built by hand to another one."""

    def placed(value: Any, place: str) -> Any:
        if type(value) is Ref:
            found = given[value.name] if value.is_input else Placeholder(outer, prefix + value.name)
            for key in value.path:
                try:
                    found = found[key]
                except DescribeError:
                    raise
                except Exception as error:
                    which = repr(key) if type(key) in {str, int} else f"a {type(key).__name__}"
                    raise DescribeError(
                        f"the input {value.name!r} of {inner.name!r} cannot be indexed by {which} "
                        f"({type(error).__name__})",
                        where=place,
                        hint="hand over a value that has it",
                    ) from error
            return found
        if type(value) is Tree:
            return value.make([placed(item, place) for item in value.items])
        return value

    structure = inner.check()
    nodes = list(inner.nodes.values())
    for i in structure.order:
        its = nodes[i]
        outer.record(
            its.fn,
            [placed(value, its.place) for value in its.args],
            {key: placed(value, its.place) for key, value in its.kwargs.items()},
            name=its.name,
            prefix=prefix,
            after=its.after,  # its prefix is added as to any name within a sub-DAG
            when=placed(its.when, its.place),
            options=its.options,
            place=its.place,
        )
    return placed(inner.output, caller_place())


def bind(
    target: DAG[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], names: tuple[str, ...] | None = None
) -> dict[str, Any]:
    """Match arguments to the inputs of a DAG that is about to run.

    `names`, the inputs when all can be given by position, makes the usual call quick.

    Raises
    ------
    DescribeError
        An input is missing, given twice, or unknown; a DAG is being described, so that nothing should run.
    """
    if not kwargs and names is not None and scope.get() is None and len(args) == len(names):
        for value in args:
            if type(value) in SHOWN and shown_placeholder(value):
                break  # refused below
        else:
            return dict(zip(names, args, strict=True))
    if scope.get() is not None:
        raise DescribeError(
            f"{target.name!r} cannot run while a DAG is being described",
            where=caller_place(),
            hint="call it, and its nodes become part of that DAG",
        )
    target.described()
    given = _matched(target, args, kwargs, None)
    for name, value in given.items():
        if shown_placeholder(value):  # a full search would cost more than many a run
            raise DescribeError(
                f"the input {name!r} of {target.name!r} is given a placeholder, not a value",
                where=caller_place(),
                hint="use DAG.add, or call it inside a function under @dag",
            )
    return given


def positional_names(target: DAG[..., Any]) -> tuple[str, ...] | None:
    """Return the inputs of a DAG when all can be given by position."""
    inputs = target.inputs
    return None if any(its.keyword_only for its in inputs.values()) else tuple(inputs)


_SETTINGS = (
    "allow_stale", "drift", "given", "hooks", "on_error", "plan", "roots", "targets", "threads", "timeout_s",
    "without",
)  # fmt: skip


def _setting_meant(name: str) -> str | None:
    """Return a hint where an input's name is nearly or quite that of a setting."""
    if name in _SETTINGS:
        return f"{name} is a setting: say it to DAG.prepare or DAG.run"
    hint = did_you_mean(name, _SETTINGS)
    return f"{hint[:-1]}, a setting of DAG.prepare and DAG.run?" if hint else None


def _matched(
    target: DAG[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], where: str | None
) -> dict[str, Any]:
    """Match arguments to inputs, as Python does for a function; in the order of the inputs."""
    inputs = target._inputs  # noqa: SLF001
    names = [name for name, its in inputs.items() if not its.keyword_only]
    if len(args) > len(names):
        raise DescribeError(
            f"{target.name!r} takes {len(names)} positional inputs ({', '.join(names) or 'none'}), "
            f"got {len(args)}",
            where=where or caller_place(),
        )
    given = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name not in inputs:
            raise DescribeError(
                f"{target.name!r} has no input {name!r}",
                where=where or caller_place(),
                hint=did_you_mean(name, inputs) or _setting_meant(name),
            )
        if name in given:
            raise DescribeError(
                f"{target.name!r} got its input {name!r} twice", where=where or caller_place()
            )
        given[name] = value
    for name, its in inputs.items():
        if name not in given:
            if its.default is msgspec.UNSET:
                raise DescribeError(
                    f"{target.name!r} needs its input {name!r}", where=where or caller_place()
                )
            given[name] = its.default
    return {name: given[name] for name in inputs}
