"""The shape of a DAG as integers: what dispatch, the optimizer and the simulator work on.

Nodes are numbered in declaration order; that number breaks every tie, so nothing depends on a hash.
Algorithm of the check: Kahn (1962), "Topological sorting of large networks", with a heap of indices.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from makespan.errors import DescribeError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Structure(NamedTuple):
    """Nodes, edges and declared exclusions of a DAG, checked: acyclic, every dependency known.

    Attributes
    ----------
    names : tuple of str, shape (n,)
    preds, succs : tuple of tuple of int, shape (n, *)
        Indices of the nodes that a node waits for, and that wait for it; ascending, without repeats.
    order : tuple of int, shape (n,)
        A topological order; among the ready, the smallest index first.
    locks : tuple of tuple of str, shape (n, *)
        Named locks of each node, sorted.
    exclusive : tuple of bool, shape (n,)
        Whether the node runs alone.
    """

    names: tuple[str, ...]
    preds: tuple[tuple[int, ...], ...]
    succs: tuple[tuple[int, ...], ...]
    order: tuple[int, ...]
    locks: tuple[tuple[str, ...], ...]
    exclusive: tuple[bool, ...]

    def __len__(self) -> int:
        """Return the number of nodes (not of fields)."""
        return len(self.names)

    @property
    def edges(self) -> int:
        """How many edges there are."""
        return sum(map(len, self.preds))


def build(
    names: Sequence[str],
    after: Sequence[Sequence[str]],
    *,
    locks: Sequence[Sequence[str]] | None = None,
    exclusive: Sequence[bool] | None = None,
    places: Mapping[str, str] | None = None,
) -> Structure:
    """Check names and dependencies and return the structure.

    Parameters
    ----------
    names : sequence of str, shape (n,)
    after : sequence of sequences of str, shape (n, *)
        The names each node waits for.
    locks, exclusive : sequences, shape (n,)
        Declared exclusions; none when omitted.
    places : mapping of str to str
        ``file:line`` of each node, for errors.

    Raises
    ------
    DescribeError
        Two nodes of one name, a dependency that no node has, a cycle (its nodes named in order).

    >>> build(["a", "b"], [[], ["a"]]).succs
    ((1,), ())
    """
    n = len(names)
    places = places or {}
    index = {name: i for i, name in enumerate(names)}
    if len(index) < n:
        _refuse_duplicate(names, places)
    preds: list[tuple[int, ...]] = []
    succs: list[list[int]] = [[] for _ in range(n)]
    for i, wanted in enumerate(after):
        try:
            found = sorted({index[name] for name in wanted})
        except KeyError as error:
            missing = str(error.args[0])
            raise DescribeError(
                f"node {names[i]!r} depends on {missing!r}, which is not in the DAG",
                where=places.get(names[i]),
                hint=did_you_mean(missing, names),
            ) from None
        preds.append(tuple(found))
        for p in found:
            succs[p].append(i)
    return Structure(
        tuple(names),
        tuple(preds),
        tuple(map(tuple, succs)),
        _topological(names, preds, succs, places),
        tuple(tuple(sorted(set(some))) for some in locks) if locks is not None else ((),) * n,
        tuple(exclusive) if exclusive is not None else (False,) * n,
    )


def _topological(
    names: Sequence[str],
    preds: Sequence[Sequence[int]],
    succs: Sequence[Sequence[int]],
    places: Mapping[str, str],
) -> tuple[int, ...]:
    waiting = [len(p) for p in preds]
    ready = [i for i, count in enumerate(waiting) if not count]
    heapify(ready)
    order = []
    while ready:
        i = heappop(ready)
        order.append(i)
        for s in succs[i]:
            waiting[s] -= 1
            if not waiting[s]:
                heappush(ready, s)
    if len(order) < len(names):
        circle = [names[i] for i in _find_cycle(preds, waiting)]
        raise DescribeError(
            f"the nodes wait for each other in a circle: {' → '.join([*circle, circle[0]])}",
            where=places.get(circle[0]),
        )
    return tuple(order)


def _find_cycle(preds: Sequence[Sequence[int]], waiting: Sequence[int]) -> list[int]:
    """Walk backwards among the nodes that never became ready until one comes round again."""
    i = next(i for i, count in enumerate(waiting) if count)
    seen: dict[int, int] = {}
    path: list[int] = []
    while i not in seen:
        seen[i] = len(path)
        path.append(i)
        i = next(p for p in preds[i] if waiting[p])
    circle = path[seen[i] :][::-1]
    least = circle.index(min(circle))
    return circle[least:] + circle[:least]


def _refuse_duplicate(names: Sequence[str], places: Mapping[str, str]) -> None:
    seen = set()
    for name in names:
        if name in seen:
            raise DescribeError(f"two nodes are named {name!r}", where=places.get(name))
        seen.add(name)
