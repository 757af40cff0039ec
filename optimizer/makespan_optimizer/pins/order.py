"""Ranks that keep to pins: some nodes before others, some first, some last; the rest as they were.

A stable topological sort: among the nodes whose earlier ones are all ranked, the one with the highest pinned
priority comes first, then the one that was first before. A node that has to come before one of a higher
priority is raised to it, so that it does not hold it back. Doing it twice changes nothing.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


class Ordering:
    """Rearranges ranks; nodes are those of one instance.

    Parameters
    ----------
    names : sequence of str, shape (n,)
        The nodes in the order of the ranks.
    before : sequence of (earlier, later)
        Names; without a cycle.
    levels : mapping of str to float
        Priorities; larger is sooner, 0 for all others.

    >>> Ordering(["a", "b", "c"], [("c", "a")], {})([0, 1, 2])
    [2, 0, 1]
    >>> Ordering(["a", "b", "c"], [], {"c": 1, "a": -1})([0, 1, 2])
    [2, 1, 0]
    """

    def __init__(
        self,
        names: Sequence[str],
        before: Sequence[tuple[str, str]],
        levels: Mapping[str, float],
    ) -> None:
        number = {name: i for i, name in enumerate(names)}
        self._succs: list[list[int]] = [[] for _ in names]
        self._waiting = [0] * len(names)
        for a, b in dict.fromkeys(before):
            self._succs[number[a]].append(number[b])
            self._waiting[number[b]] += 1
        self._levels = [0.0] * len(names)
        said = {number[name] for name in levels}
        for name, level in levels.items():
            self._levels[number[name]] = level
        for i in reversed(_sorted(self._succs, self._waiting)):
            for j in self._succs[i]:
                if j in said or self._levels[j] > 0:
                    self._levels[i] = max(self._levels[i], self._levels[j])

    def keeps(self, nodes: Collection[int]) -> bool:
        """Say whether the order holds when of these nodes only so many may run at once.

        Else a node that is held back could be overtaken by one that has to come after it and is not held.

        >>> both = Ordering(["a", "b", "c"], [("a", "b")], {})
        >>> both.keeps({0, 1}), both.keeps({0, 2}), both.keeps({1, 2})
        (True, False, True)
        """
        some = set(nodes)
        return all(some.issuperset(self._succs[i]) for i in some)

    def __call__(self, ranks: Sequence[int]) -> list[int]:
        """Return the ranks, rearranged."""
        waiting = self._waiting.copy()
        key = [(-level, rank) for level, rank in zip(self._levels, ranks, strict=True)]
        ready = [(key[i], i) for i, count in enumerate(waiting) if not count]
        heapify(ready)
        found = [0] * len(key)
        for place in range(len(key)):
            i = heappop(ready)[1]
            found[i] = place
            for j in self._succs[i]:
                waiting[j] -= 1
                if not waiting[j]:
                    heappush(ready, (key[j], j))
        return found


def _sorted(succs: Sequence[Sequence[int]], waiting: Sequence[int]) -> list[int]:
    left = list(waiting)
    order = [i for i, count in enumerate(left) if not count]
    for i in order:  # it grows meanwhile
        for j in succs[i]:
            left[j] -= 1
            if not left[j]:
                order.append(j)
    return order
