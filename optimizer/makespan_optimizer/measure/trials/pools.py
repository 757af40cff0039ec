"""Limits on the threads that native libraries start by themselves: found, set, and put back.

Each library keeps its own number. Those with a call for it are limited by that call; BLAS and OpenMP by
`threadpoolctl`, where it is installed; child processes by their environment. A library that is not loaded
is left alone, never imported. Some cannot be limited any more once they are loaded, or only where they are
used (a session, a connection): `Pools.missed` names them, and says what to do.

The number of OpenMP belongs to the thread that set it (OpenMP 5.2, 2.4.2 "ICV scopes"): such pools are
`local`, and are limited again in each thread that shall obey.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.errors import OptionError
from makespan.machine import THREAD_VARIABLES, usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ENVIRONMENT = "environment"
MAX_THREADS = 4096

# What cannot be limited from outside once it is loaded: module, and how its user can.
FIXED = {
    "onnxruntime": "each session keeps its own: SessionOptions().intra_op_num_threads",
    "polars": "it reads POLARS_MAX_THREADS when it is imported",
    "tensorflow": "tf.config.threading, before its first operation",
    "jax": "XLA_FLAGS, before it is imported",
}


class Pool(NamedTuple):
    """One library's number of threads."""

    name: str
    get: Callable[[], int]
    set: Callable[[int], object]
    local: bool = False
    """The number counts for the calling thread alone."""


class Pools(NamedTuple):
    """The pools of this process.

    Attributes
    ----------
    pools : tuple of Pool
    missed : dict of str to str
        Libraries that are loaded and cannot be limited (or not wholly), and why.
    """

    pools: tuple[Pool, ...]
    missed: dict[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """What can be limited, the environment of child processes included; sorted."""
        return tuple(sorted({pool.name for pool in self.pools} | {ENVIRONMENT}))

    @contextmanager
    def limited(self, threads: int) -> Iterator[tuple[str, ...]]:
        """Limit everything to so many threads within a ``with`` block; yields the names that took it."""
        _check(threads)
        with _restored(self.pools, threads, dict.fromkeys(THREAD_VARIABLES, str(threads))) as names:
            yield names

    @contextmanager
    def limited_here(self, threads: int) -> Iterator[tuple[str, ...]]:
        """Limit the local pools of the calling thread: for helper threads, inside a `limited` elsewhere."""
        _check(threads)
        with _restored([pool for pool in self.pools if pool.local], threads, {}) as names:
            yield names

    def default_threads(self) -> int:
        """Return the most threads that a library would start now."""
        found = []
        for pool in self.pools:
            with suppress(Exception):
                found.append(pool.get())
        return max([1, *found] if found else [1, round(usable_cores())])


def find_pools(modules: Mapping[str, Any] | None = None) -> Pools:
    """Return the pools of the libraries that are loaded now.

    Parameters
    ----------
    modules : mapping of str to module, optional
        Where to look; ``sys.modules``.
    """
    modules = sys.modules if modules is None else modules
    pools, missed = _controlled()
    for name, make in _OWN.items():
        module = modules.get(name)
        if module is None:
            continue
        try:
            pool = make(module)
            pool.get()
        except _IdleError as error:
            missed[name] = str(error)
        except Exception as error:
            missed[name] = f"it does not tell its number of threads ({type(error).__name__})"
        else:
            pools.append(pool)
    if "duckdb" in modules:
        missed["duckdb"] = "connections other than the default one: SET threads = 1 in each"
    missed |= {name: why for name, why in FIXED.items() if name in modules}
    return Pools(tuple(pools), missed)


def _check(threads: int) -> None:
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= MAX_THREADS:
        raise OptionError(f"is a whole number from 1 to {MAX_THREADS}, not {threads!r}", where="threads")


@contextmanager
def _restored(
    pools: tuple[Pool, ...] | list[Pool], threads: int, variables: Mapping[str, str]
) -> Iterator[tuple[str, ...]]:
    undo: list[Callable[[], object]] = []
    names: set[str] = set()
    try:
        for pool in pools:
            with suppress(Exception):  # a library that refuses the number keeps its own
                before = pool.get()
                if before == threads:
                    names.add(pool.name)
                    continue
                undo.append(lambda pool=pool, before=before: pool.set(before))  # type: ignore[misc]
                pool.set(threads)
                if pool.get() <= threads:
                    names.add(pool.name)
        for name, value in variables.items():
            old = os.environ.get(name)
            undo.append(lambda name=name, old=old: _put(name, old))  # type: ignore[misc]
            os.environ[name] = value
            names.add(ENVIRONMENT)
        yield tuple(sorted(names))
    finally:
        _undone(undo)


def _undone(undo: list[Callable[[], object]]) -> None:
    """Put everything back, the last first; Ctrl-C meanwhile is raised when all is done."""
    interrupt: KeyboardInterrupt | None = None
    for put_back in [again for one in reversed(undo) for again in (one, one)]:  # the first may be interrupted
        try:
            with suppress(Exception):
                put_back()
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt


def _put(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _controlled() -> tuple[list[Pool], dict[str, str]]:
    """Return the pools of BLAS and OpenMP libraries, by threadpoolctl."""
    try:
        controller = importlib.import_module("threadpoolctl").ThreadpoolController
    except (ImportError, AttributeError):
        return [], {"BLAS and OpenMP": "threadpoolctl 3 is not installed"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on OpenMP runtimes that get on badly: true, but not our question
        libraries = controller().lib_controllers
    return [
        Pool(its.internal_api, its.get_num_threads, its.set_num_threads, its.user_api == "openmp")
        for its in libraries
    ], {}


class _IdleError(Exception):
    """The library has no threads yet, and a look at their number would start them; the message says so."""


def _numba(module: Any) -> Pool:
    try:
        module.threading_layer()
    except ValueError as error:
        raise _IdleError("it had not started its threads yet: NUMBA_NUM_THREADS limits them") from error
    return Pool("numba", module.get_num_threads, module.set_num_threads, local=True)


def _duckdb(module: Any) -> Pool:
    """Of the default connection: a cursor shares its database, and leaves a result under way alone."""

    def get() -> int:
        with module.cursor() as cursor:
            return int(cursor.execute("SELECT current_setting('threads')").fetchone()[0])

    def put(threads: int) -> None:
        with module.cursor() as cursor:
            cursor.execute(f"SET threads = {int(threads)}")

    return Pool("duckdb", get, put)


# The call of each library that has one: (name in sys.modules) -> Pool.
_OWN: dict[str, Callable[[Any], Pool]] = {
    "cv2": lambda cv2: Pool("cv2", cv2.getNumThreads, cv2.setNumThreads),
    "torch": lambda torch: Pool("torch", torch.get_num_threads, torch.set_num_threads),
    "faiss": lambda faiss: Pool("faiss", faiss.omp_get_max_threads, faiss.omp_set_num_threads, local=True),
    "pyarrow": lambda pyarrow: Pool("pyarrow", pyarrow.cpu_count, pyarrow.set_cpu_count),
    "numexpr": lambda numexpr: Pool("numexpr", lambda: numexpr.utils._nthreads, numexpr.set_num_threads),  # noqa: SLF001
    "numba": _numba,
    "duckdb": _duckdb,
}
