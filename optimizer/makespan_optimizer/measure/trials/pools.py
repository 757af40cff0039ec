"""Limits on native threads while trials run: set for all libraries at once, and put back.

Libraries are limited as `makespan.around.native_pools` knows them, child processes by their environment. What
cannot be limited is named in `Pools.missed`. Pools that keep a number for each thread are limited again in
each thread that shall obey.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.around.native_pools import Pool, loaded_pools
from makespan.errors import OptionError
from makespan.machine import THREAD_VARIABLES, usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ENVIRONMENT = "environment"
MAX_THREADS = 4096


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
    pools, missed = loaded_pools(modules)
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
