"""Nodes that run with so many native threads: told to the libraries when they start, put back when they end.

Where a library keeps a number for each thread (OpenMP, so scikit-learn, torch and faiss; numba), the node's
own thread is told, and no other one notices. Where there is one number for the process (OpenBLAS, OpenCV,
pyarrow, numexpr), it holds for as long as a node that wants it runs: of nodes at the same time that want
different ones the smallest wins, and nodes without a limit beside them have it too. The usual number comes
back with the end of the last one; see `makespan.around.holding`.

A node that is still running when its run was given up keeps its number until it returns. Nodes that run
elsewhere (worker processes) are limited there.

What a node imports while it runs is limited from the next node on. Processes that a node starts by itself
are not limited: they get this process's environment, which cannot be changed safely beside other threads.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

from makespan.around.holding import Held, Number, Wish
from makespan.around.native_pools import Pool, loaded_pools
from makespan.errors import MissingExtraError, OptionError
from makespan.machine import THREAD_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan.graph import Node
    from makespan.preparing.fit import Fit


class Libraries:
    """What is loaded in this process; looked at again only when modules were imported since.

    Attributes
    ----------
    local : list of Pool
        Those that are told in each thread.
    """

    def __init__(self, find: Callable[[], tuple[list[Pool], dict[str, str]]] = loaded_pools) -> None:
        self._find = find
        self._seen = -1
        self._idle = False
        self._known: set[tuple[str, str]] = set()
        self._looking = Lock()
        self.local: list[Pool] = []
        self.process = Held()

    def look(self) -> None:
        """Find what was loaded since the last look."""
        count = len(sys.modules)
        if count == self._seen and not self._idle:
            return
        with self._looking:
            pools, missed = self._find()
            # Several may have one name: numpy and scipy bring an OpenBLAS each.
            new = [pool for pool in pools if (pool.name, pool.path) not in self._known]
            self.process.join([Number(pool.get, pool.set) for pool in new if not pool.local])
            self.local = [*self.local, *(pool for pool in new if pool.local)]  # others may walk the old one
            self._known.update(
                (pool.name, pool.path) for pool in new
            )  # last: Ctrl-C before, and it is done again
            self._idle = "numba" in missed and "numba" in sys.modules  # its threads start without an import
            self._seen = count


_LIBRARIES = Libraries()


class limit:  # noqa: N801 - used as a function
    """Limit the native threads of what runs in this thread, within a ``with`` block: ``with limit(2): …``.

    Parameters
    ----------
    threads : int
        From 1.
    """

    __slots__ = ("_befores", "_libraries", "_threads", "_wish")

    def __init__(self, threads: int, libraries: Libraries | None = None) -> None:
        self._threads = threads
        self._libraries = _LIBRARIES if libraries is None else libraries
        self._befores: list[tuple[Pool, int]] = []
        self._wish = Wish()

    def take(self) -> None:
        """Tell the libraries; `drop` is to be called whatever comes of it."""
        self._libraries.look()
        # All are looked at before one is changed: a thread's first look at torch's number sets OpenMP's.
        self._befores = [(pool, n) for pool in self._libraries.local if (n := _number(pool)) is not None]
        for pool, _ in self._befores:
            _tell(pool, self._threads)
        self._libraries.process.take(self._wish, self._threads)

    def drop(self) -> None:
        """Put back what was changed. Called again after Ctrl-C, it does the rest."""
        for pool, before in self._befores:  # OpenMP's before torch's, which then is right already
            if _number(pool) == self._threads:  # else the node set it for good
                _tell(pool, before)
        self._befores = []
        self._libraries.process.drop(self._wish)

    def __enter__(self) -> Self:
        try:
            self.take()
        except BaseException:  # Ctrl-C on the way: there will be no __exit__
            self.drop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()


class Limited:
    """A function that runs with so many native threads; it can be pickled if the function can.

    Parameters
    ----------
    fn : callable
    threads : int
    """

    __slots__ = ("fn", "threads")

    def __init__(self, fn: Callable[..., Any], threads: int) -> None:
        self.fn = fn
        self.threads = threads

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        held = limit(self.threads)
        # Not `with`: Ctrl-C on the way into its __exit__ would leave the limit.
        try:
            held.take()
            return self.fn(*args, **kwargs)
        finally:
            try:
                held.drop()
            except BaseException:
                held.drop()
                raise


def child_environment(threads: int) -> dict[str, str]:
    """Return the environment variables that limit the native threads of a process that is yet to start.

    >>> child_environment(2)["OMP_NUM_THREADS"]
    '2'
    """
    return dict.fromkeys(THREAD_VARIABLES, str(threads))


def limited_functions(nodes: Sequence[Node], fitted: Fit) -> dict[str, Callable[..., Any]]:
    """Return what is called in the place of the functions of nodes that run in this process with a limit.

    Raises
    ------
    MissingExtraError
        threadpoolctl is not installed.
    OptionError
        A coroutine function: between two of its steps other nodes run in its thread.
    """
    from makespan.describing.returned import is_coroutine_function

    elsewhere = {name for cluster in fitted.clusters for name in cluster.nodes}
    made: dict[str, Callable[..., Any]] = {}
    for i, threads in sorted(fitted.native.items()):
        node = nodes[i]
        if i in fitted.vacant or fitted.modes.get(i) == "process" or node.name in elsewhere:
            continue  # it does not run, or its worker limits it
        if is_coroutine_function(node.fn):
            raise OptionError(
                "a coroutine function has no native threads of its own: others run in its thread meanwhile",
                where=node.place or node.name,
                hint=f"leave out native_threads of node {node.name!r}",
            )
        _ensure_limitable(node.name, threads)
        made[node.name] = Limited(node.fn, threads)
    return made


def _ensure_limitable(node: str, threads: int) -> None:
    """Refuse a limit that would be left out in silence.

    Raises
    ------
    MissingExtraError
        threadpoolctl, which tells BLAS and OpenMP, is not installed.
    """
    try:
        import_module("threadpoolctl")
    except ImportError:
        raise MissingExtraError(
            f"node {node!r} is to run with {threads} native thread{'' if threads == 1 else 's'}, and telling "
            "BLAS and OpenMP so needs threadpoolctl",
            hint="pip install threadpoolctl, or run it without native_threads",
        ) from None


def _number(pool: Pool) -> int | None:
    try:
        return pool.get()
    except Exception:
        return None


def _tell(pool: Pool, threads: int) -> None:
    with suppress(Exception):  # a library that refuses keeps its own number
        pool.set(threads)
