"""Which nodes are tried with fewer native threads when there is no time for all of them. Pure.

What can be won on a node is the CPU that its pool took; what trying it costs is that everything it needs has
to run as well. The largest first; what does not fit is left out, and smaller ones after it may still fit.
Whatever runs for another one anyway is tried with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence


def that_fit(
    nodes: Iterable[int],
    stakes_s: Mapping[int, float],
    needs: Callable[[int], Collection[int]],
    walls_s: Sequence[float],
    pass_s: float,
) -> list[int]:
    """Return the nodes that one pass of so many seconds has room for.

    Parameters
    ----------
    nodes : iterable of int
    stakes_s : mapping of int to float
        CPU seconds of each node's pool.
    needs : callable
        A node's number to all that has to run for it, itself included.
    walls_s : sequence of float
        Of every node of the DAG.
    pass_s : float

    >>> needed = {1: {0, 1}, 2: {0, 2}, 3: {3}}.get
    >>> that_fit([1, 2, 3], {1: 1.0, 2: 5.0, 3: 2.0}, needed, [1.0, 1.0, 2.0, 4.0], 4.0)
    [1, 2]
    """
    left = sorted(nodes, key=lambda i: (-stakes_s.get(i, 0.0), walls_s[i], i))
    runs: set[int] = set()
    for i in left:
        both = runs | set(needs(i))
        if sum(walls_s[k] for k in both) <= pass_s:
            runs = both
    return sorted(i for i in left if i in runs)
