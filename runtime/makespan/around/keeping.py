"""What a DAG object keeps from run to run, and how to fill, look at and forget that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.describing.described import Described
from makespan.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    from makespan.around.cache import Cache, CacheInfo
    from makespan.describing.building import Node


class Keeping(Described):
    """What `makespan.DAG` keeps: results of set-up nodes, and of nodes with a cache."""

    def setup(self) -> None:
        """Run the set-up nodes that have not run yet, so that the first run need not: at a server's start.

        Raises
        ------
        DescribeError
        Exception
            A set-up node raised; the others are kept.
        """
        from makespan.around.setup_nodes import run_setup

        run_setup(self)  # type: ignore[arg-type]  # it is a DAG

    def forget_setup(self) -> None:
        """Drop what set-up nodes returned: the next run sets up anew. Runs that go on keep what they have."""
        self._setups.forget()

    def cache_info(self) -> dict[str, CacheInfo]:
        """Return how the nodes' caches did, by name: hits, misses, how many results are kept."""
        return {
            name: self._cache_of(node).info()
            for name, node in self.nodes.items()
            if node.options.cache is not None
        }

    def clear_cache(self, node: str | None = None) -> None:
        """Drop all cached results, or those of one node.

        Raises
        ------
        OptionError
            There is no such node, or it has no cache.
        """
        cached = {name: its for name, its in self.nodes.items() if its.options.cache is not None}
        if node is not None and node not in cached:
            raise OptionError(
                f"{self.name!r} has no node {node!r} with a cache",
                where="node",
                hint=did_you_mean(str(node), cached),
            )
        for name, its in cached.items():
            if node is None or name == node:
                self._cache_of(its).clear()

    def _cache_of(self, node: Node) -> Cache:
        found = self._caches.get(node.name)
        if found is None:
            from makespan.around.cache import Cache

            found = self._caches.setdefault(node.name, Cache(node.options.cache_size))
        return found
