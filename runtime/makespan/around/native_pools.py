"""Libraries that start threads by themselves: which are loaded, and how each is told how many.

Each library keeps its own number. Those with a call for it are told by that call; BLAS and OpenMP by
`threadpoolctl`, where it is installed. A library that is not loaded is left alone, never imported. Some
cannot be told any more once they are loaded, or only where they are used (a session, a connection): they are
named, with what to do.

The number of OpenMP belongs to the thread that set it (OpenMP 5.2, 2.4.2 "ICV scopes"): such pools are
`local`, and are told again in each thread that shall obey.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
    path: str = ""
    """The file of the library, where several have the same name."""


def loaded_pools(modules: Mapping[str, Any] | None = None) -> tuple[list[Pool], dict[str, str]]:
    """Return the pools of the libraries that are loaded now, and those that cannot be limited, with why.

    Parameters
    ----------
    modules : mapping of str to module, optional
        Where to look; ``sys.modules``.
    """
    modules = sys.modules if modules is None else modules
    pools, missed = controlled()
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
    if "torch" in modules and (mkl := _mkl_within(modules["torch"])) is not None:
        pools.append(mkl)
    if "duckdb" in modules:
        missed["duckdb"] = "connections other than the default one: SET threads = 1 in each"
    missed |= {name: why for name, why in FIXED.items() if name in modules}
    return pools, missed


def controlled() -> tuple[list[Pool], dict[str, str]]:
    """Return the pools of BLAS and OpenMP libraries, by threadpoolctl."""
    try:
        controller = importlib.import_module("threadpoolctl").ThreadpoolController
    except (ImportError, AttributeError):
        return [], {"BLAS and OpenMP": "threadpoolctl 3 is not installed"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on OpenMP runtimes that get on badly: true, but not our question
        try:
            libraries = controller().lib_controllers
        except Exception as error:
            return [], {"BLAS and OpenMP": f"threadpoolctl cannot look at them ({type(error).__name__})"}
    return [
        Pool(
            it.internal_api,
            it.get_num_threads,
            _setter(it),
            it.user_api == "openmp" or getattr(it, "threading_layer", "") == "openmp",
            it.filepath,
        )
        for it in libraries
    ], {}


def _setter(library: Any) -> Callable[[int], object]:
    """Return what sets a library's number, whichever thread calls it.

    threadpoolctl 3.8 lets only the thread that set OpenBLAS' number first set it again, and says nothing.
    """
    forget = getattr(type(library), "clear_controlling_thread", None)
    if forget is None:
        return library.set_num_threads  # type: ignore[no-any-return]

    def put(threads: int) -> None:
        forget(force=True)
        library.set_num_threads(threads)
        forget(force=True)

    return put


class _IdleError(Exception):
    """The library has no threads yet, and a look at their number would start them; the message says so."""


def _torch(torch: Any) -> Pool:
    """Of the calling thread, by its OpenMP: its own call also changes what later threads start with.

    A thread's first look at the number makes torch set OpenMP's: look first, then limit OpenMP.
    """

    def put(threads: int) -> None:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)

    return Pool("torch", torch.get_num_threads, put, local=True)


def _mkl_within(torch: Any) -> Pool | None:
    """Return the MKL that is linked into torch; it obeys OpenMP's number until torch was told another one."""
    import ctypes

    library = str(Path(getattr(torch, "__file__", None) or "").parent / "lib" / "libtorch_cpu.so")
    try:
        tell = ctypes.CDLL(library, mode=getattr(os, "RTLD_NOLOAD", 0)).MKL_Set_Num_Threads_Local
    except (OSError, AttributeError):
        return None
    tell.argtypes, tell.restype = [ctypes.c_int], ctypes.c_int

    def get() -> int:
        before: int = tell(0)  # it returns the number before; 0: that of OpenMP
        tell(before)
        return before

    return Pool("mkl", get, tell, local=True, path=library)


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
    "torch": _torch,
    "faiss": lambda faiss: Pool("faiss", faiss.omp_get_max_threads, faiss.omp_set_num_threads, local=True),
    "pyarrow": lambda pyarrow: Pool("pyarrow", pyarrow.cpu_count, pyarrow.set_cpu_count),
    "numexpr": lambda numexpr: Pool("numexpr", lambda: numexpr.utils._nthreads, numexpr.set_num_threads),  # noqa: SLF001
    "numba": _numba,
    "duckdb": _duckdb,
}
