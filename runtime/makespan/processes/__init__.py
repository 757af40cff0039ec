"""Nodes in worker processes: resident workers, what crosses to them, and clusters.

::

    layout ─▶ calls, clusters, imports ─▶ pool ─▶ resident ═ socket, shared memory ═ worker ─▶ members
                           └──────── codec ─ wire ─────────────────┘

Workers are started when they are first needed, kept warm for all later runs of this process, and end with it.
A worker is a new interpreter: it knows what modules hold when they are imported, not what this process has
put into them since, its sets have an order of their own, and its environment variables are those of its
start. Each node begins in the folder of this process; what it prints goes to this process's own output, not
to what stands in its place, and its input is empty. What runs there may be a function of ``__main__``: it is
sent by its code, and the script is not run again, with or without ``if __name__ == …``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["close_workers", "configure", "warm_workers"]


def configure(
    *,
    workers: int | None = None,
    initializer: Callable[..., Any] | None = None,
    initargs: tuple[Any, ...] = (),
) -> None:
    """Say how workers are started from now on; those that run are closed.

    Parameters
    ----------
    workers : int, optional
        How many at most, for nodes that no plan binds to one; the usable cores.
    initializer, initargs
        Called as ``initializer(*initargs)`` in each worker when it starts. What it raises is raised by the
        node that the worker was started for.

    Raises
    ------
    OptionError
    MissingExtraError
        What workers need is not installed.
    """
    _pool("makespan.processes.configure").configure(workers, initializer, initargs)


def warm_workers(workers: int | None = None) -> None:
    """Start workers now, all or so many, and wait until they are ready: the first run need not.

    They know no DAG yet; `Prepared.warm` also has them import what their nodes are made of.

    Raises
    ------
    OptionError
    MissingExtraError
        What workers need is not installed.
    """
    _pool("makespan.warm_workers").warm(workers)


def close_workers() -> None:
    """End all worker processes of this process; the next node that needs one starts it anew."""
    module = sys.modules.get("makespan.processes.pool")
    if module is not None:
        module.pool.close()


def ensure_installed(what: str) -> None:
    """Refuse to begin when what workers need is not installed; it is not imported yet.

    Raises
    ------
    MissingExtraError
    """
    from importlib.util import find_spec

    try:
        found = find_spec("cloudpickle") is not None
    except ValueError:  # something else stands in its place
        found = False
    if not found:
        from makespan.errors import missing_extra

        raise missing_extra(what, "cloudpickle", "processes")


def _pool(what: str) -> Any:
    ensure_installed(what)
    from makespan.processes.pool import pool

    return pool
