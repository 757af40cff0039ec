"""How a prepared DAG runs, beside its plan: which nodes, how long, what a failure stops, who is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MethodType
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from makespan.describing.options import function_name
from makespan.describing.placeholder import INPUT, Placeholder, holds_placeholder, parts
from makespan.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    from makespan.around.hooks import Hooks
    from makespan.graph import DAG

OnError = Literal["stop", "continue"]
Names = str | Callable[..., Any] | Iterable[Any]
"""One name of a node, or several; a node may be named by its result or by its function too."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What `DAG.prepare` is told beside plan and threads.

    Attributes
    ----------
    targets, roots, without : tuple of str, or None
        Which nodes run; see `makespan.preparing.selection`.
    given : mapping of str to Any
        Results of nodes that do not run, by name.
    on_error : {"stop", "continue"}
        After a failure nothing new starts; or everything that does not depend on the failed node goes on.
    timeout_s : float or None
        Of the whole run.
    hooks : tuple of Hooks
    allow_stale : bool
        Whether a plan for another state of the DAG is followed where it still speaks of the same nodes.
    drift : callable, bool or None
        Whether each node's wall time is counted in production, and who is told when it leaves the plan.
    """

    targets: tuple[str, ...] | None = None
    roots: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    given: Mapping[str, Any] = {}
    on_error: OnError = "stop"
    timeout_s: float | None = None
    hooks: tuple[Any, ...] = ()
    allow_stale: bool = False
    drift: Callable[..., Any] | bool | None = None


PLAIN = Settings()
_DEFAULTS: dict[str, Any] = {"without": (), "on_error": "stop", "allow_stale": False, "drift": None}


def make_settings(dag: DAG[..., Any], **said: Any) -> Settings:
    """Check settings; `PLAIN` itself when nothing is set. Names are checked where nodes are chosen.

    Raises
    ------
    OptionError
        A value that a setting cannot have; `where` is the parameter's name.
    """
    set_ = {name: value for name, value in said.items() if value is not _DEFAULTS.get(name)}
    if not set_:
        return PLAIN
    return Settings(**{name: _CHECKS[name](dag, name, value) for name, value in set_.items()})


def names_of(dag: DAG[..., Any], where: str, value: Any) -> tuple[str, ...]:
    """Return names of nodes, each once: from one or several names, results of `DAG.add`, functions.

    Raises
    ------
    OptionError
        Something that names no node, or more than one.
    """
    one = isinstance(value, str | Placeholder) or callable(value)
    items: Any = [value] if one else value
    try:
        some: list[Any] = list(items)
    except TypeError:
        raise _not_a_name(where, value) from None
    if isinstance(value, set | frozenset):
        some.sort(key=str)
    return tuple(dict.fromkeys([_name_of(dag, where, item) for item in some]))


def _name_of(dag: DAG[..., Any], where: str, item: Any) -> str:
    if type(item) is Placeholder:
        owner, name, path = parts(item)
        if owner is not dag or path or name.startswith(INPUT):
            raise OptionError("takes results of this DAG's own nodes, as they are", where=where)
        return name
    if isinstance(item, str):
        return item
    if not callable(item):
        raise _not_a_name(where, item)
    fn: Any = item
    if getattr(type(item), "is_node_function", False):
        fn = fn.__makespan_node__[0]
    bound = type(fn) is MethodType  # a new object each time it is asked for
    found = [
        name
        for name, node in dag.nodes.items()
        if node.fn is fn or (bound and type(node.fn) is MethodType and node.fn == fn)
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise OptionError(f"{dag.name!r} does not call {function_name(fn)!r}", where=where)
    raise OptionError(
        f"{dag.name!r} calls {function_name(fn)!r} {len(found)} times",
        where=where,
        hint="name the node: " + ", ".join(map(repr, found[:5])) + (" …" if len(found) > 5 else ""),
    )


def _a(value: Any) -> str:
    """Name a value's type, None and classes as they are: values themselves are not shown.

    >>> _a(5), _a([]), _a(None), _a(int)
    ('an int', 'a list', 'None', 'the class int')
    """
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _not_a_name(where: str, value: Any) -> OptionError:
    return OptionError(f"takes names of nodes, not {_a(value)}", where=where)


def _given(dag: DAG[..., Any], where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise OptionError(f"is a mapping of node to result, not {_a(value)}", where=where)
    given: dict[str, Any] = {}
    for key, result in value.items():
        name = _name_of(dag, where, key)
        if name in given:
            raise OptionError(f"the result of {name!r} is given twice", where=where)
        if holds_placeholder(result):
            raise OptionError(f"the result of {name!r} is given a placeholder, not a value", where=where)
        given[name] = result
    return given


def _on_error(_: Any, where: str, value: Any) -> OnError:
    if value == "stop" or value == "continue":  # noqa: PLR1714 (mypy narrows this one)
        return value  # type: ignore[no-any-return]
    hint = did_you_mean(value, ("stop", "continue")) if isinstance(value, str) else None
    raise OptionError(f"is 'stop' or 'continue', not {value!r}", where=where, hint=hint)


def _timeout_s(_: Any, where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1e8:
        raise OptionError(
            f"is a positive number of seconds up to 1e8, not {value!r}", where=where, hint="None: no limit"
        )
    return value


def _hooks(_: Any, where: str, value: Any) -> tuple[Hooks, ...]:
    from makespan.around.hooks import Hooks

    try:
        some = (value,) if isinstance(value, Hooks) else tuple(value)
    except TypeError:
        some = (value,)
    for one in some:
        if not isinstance(one, Hooks):
            raise OptionError(
                f"takes objects of subclasses of makespan.Hooks, not {_a(one)}",
                where=where,
                hint="make an object of it" if isinstance(one, type) and issubclass(one, Hooks) else None,
            )
    return some


def _truth(_: Any, where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise OptionError(f"is True or False, not {value!r}", where=where)
    return value


def _drift(_: Any, where: str, value: Any) -> Callable[..., Any] | bool:
    if not isinstance(value, bool) and not callable(value):
        raise OptionError(f"is True, False or a function, not {value!r}", where=where)
    return value  # type: ignore[no-any-return]


def _names(dag: DAG[..., Any], where: str, value: Any) -> tuple[str, ...]:
    return names_of(dag, where, value)


_CHECKS: dict[str, Callable[[Any, str, Any], Any]] = {
    "targets": _names,
    "roots": _names,
    "without": _names,
    "given": _given,
    "on_error": _on_error,
    "timeout_s": _timeout_s,
    "hooks": _hooks,
    "allow_stale": _truth,
    "drift": _drift,
}
