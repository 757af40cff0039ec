"""Results of nodes kept in memory, under keys that the user makes of the arguments.

::

    @node(cache=lambda url, session: url)       # the session does not matter
    def fetch(url, session): ...

A cache belongs to one node of one DAG object. Values are kept and handed out as they are, never copied or
pickled: nodes that change what they take must not take a cached result. Runs that miss the same key at the
same time compute it once; when that fails, nothing is kept, and the next of them computes.
"""

from __future__ import annotations

from _thread import RLock
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.around.once import CircleError, Once

if TYPE_CHECKING:
    from collections.abc import Callable


class CacheInfo(NamedTuple):
    """How a node's cache did since it was made or cleared.

    Attributes
    ----------
    hits, misses : int
        Calls that took a kept result, or waited for one; calls that computed.
    size, max_size : int
        How many results are kept, and at most are.
    """

    hits: int
    misses: int
    size: int
    max_size: int


class Cache:
    """Results of one node by key; the one that was used longest ago goes first."""

    __slots__ = ("_coming", "_hits", "_kept", "_lock", "_misses", "max_size")

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self._lock = RLock()  # keys are the user's: their comparison may do anything, also come back here
        self.clear()

    def clear(self) -> None:
        """Drop all results; those that are being computed now are not kept either."""
        with self._lock:
            self._kept: OrderedDict[Any, Any] = OrderedDict()
            self._coming: dict[Any, _Coming] = {}
            self._hits = self._misses = 0

    def info(self) -> CacheInfo:
        """Return how it did."""
        with self._lock:
            return CacheInfo(self._hits, self._misses, len(self._kept), self.max_size)

    def get(self, key: Any, compute: Callable[[], Any]) -> Any:
        """Return what is kept under a key; else compute it, or wait for who does.

        Raises
        ------
        CircleError
            It is being computed by who asks.
        """
        with self._lock:
            kept, coming = self._kept, self._coming
            if key in kept:
                self._hits += 1
                kept.move_to_end(key)
                return kept[key]
            entry = coming.setdefault(key, _Coming())
            entry.users += 1
        computed = False

        def first() -> Any:
            nonlocal computed
            computed = True
            with self._lock:
                self._misses += 1
            value = compute()
            dropped = None
            with self._lock:
                kept[key] = value
                if len(kept) > self.max_size:
                    dropped = kept.popitem(last=False)
            del dropped  # outside the lock: its end may run code of the user's
            return value

        try:
            value = entry.once.get(first)
        finally:
            with self._lock:
                entry.users -= 1
                if not entry.users:
                    coming.pop(key, None)
        if not computed:
            with self._lock:
                self._hits += 1
        return value


class _Coming:
    """A result that is being computed, and how many wait for it; the last of them takes it away."""

    __slots__ = ("once", "users")

    def __init__(self) -> None:
        self.once = Once()
        self.users = 0


def cached(cache: Cache, name: str, key_of: Callable[..., Any], fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that looks for a kept result of the node before it calls `fn`."""

    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            key = key_of(*args, **kwargs)
            hash(key)
        except Exception as error:
            error.add_note(
                f"in the key for the cache of {name!r} (a key is hashable: text, a number, a tuple)"
            )
            raise
        try:
            return cache.get(key, lambda: fn(*args, **kwargs))
        except CircleError:
            raise RecursionError(
                f"{name!r} is asked for the cached result that it is just computing, by what it runs itself"
            ) from None

    return call
