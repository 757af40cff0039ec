"""DAGs of other libraries, as they are: pointed at, taken over, never copied by hand.

Each adapter is a module that says what it `knows` without importing the library (the name of a type's
module is enough). Its `adapt` returns a `makespan.DAG` whose results are those of the library, or raises an
error that names the node which cannot be taken over. ``LIBRARY`` and ``TESTED`` of an adapter say which
package, and which versions (oldest, newest) its tests ran with.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan.graph import DAG


class Adapter(Protocol):
    """What a module here is."""

    LIBRARY: str
    TESTED: tuple[str, str]
    knows: Callable[[Any], bool]
    """Whether a thing is one of the library's that `adapt` takes over, or refuses in words."""
    adapt: Callable[[Any], DAG[..., Any]]


ADAPTERS = {
    "tawazi": "tawazi",
    "dask": "from_dask",
    "hamilton": "from_hamilton",
    "pipefunc": "from_pipefunc",
    "networkx": "from_networkx",
}
"""Modules of this room by the package that a type must come from (a base class counts)."""


def adapter_of(thing: Any) -> Adapter | None:
    """Return the adapter that knows a thing, or None; imports nothing where there is none."""
    packages = {_package(kind) for kind in type.__dict__["__mro__"].__get__(type(thing))}
    for package, module in ADAPTERS.items():
        if package in packages:
            found = load_adapter(module)
            if found is not None and found.knows(thing):
                return found
    return None


def load_adapter(module: str) -> Adapter | None:
    """Import an adapter of this room; None when this installation has none of that name."""
    name = f"{__name__}.{module}"
    try:
        return cast("Adapter", import_module(name))
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


def adapt(thing: Any) -> DAG[..., Any] | None:
    """Return the DAG of another library's graph; None when no adapter knows it.

    Raises
    ------
    MakespanError
        It is known, and cannot be taken over: with the node's name and what to do.

    >>> adapt("no graph at all") is None
    True
    """
    adapter = adapter_of(thing)
    return None if adapter is None else adapter.adapt(thing)


def _package(kind: type) -> str:
    module = kind.__module__
    return module.partition(".")[0] if isinstance(module, str) else ""
