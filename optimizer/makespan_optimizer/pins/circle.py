"""A circle of edges, with what each of them comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Edge = tuple[str, str, str]
"""From, to, and the words of the pin that asks for it; empty for an edge of the DAG."""


def circle(names: Sequence[str], edges: Sequence[Edge]) -> list[Edge]:
    """Return edges that lead round in a circle, in their order; none when there is no circle.

    Where two nodes are joined by an edge of the DAG and by a pin, the DAG's own edge stands for both.

    >>> circle(["a", "b"], [("a", "b", ""), ("b", "a", "a after b")])
    [('b', 'a', 'a after b'), ('a', 'b', '')]
    """
    into: dict[str, list[Edge]] = {name: [] for name in names}
    left = dict.fromkeys(names, 0)
    behind: dict[str, list[str]] = {name: [] for name in names}
    for edge in sorted(edges, key=lambda edge: bool(edge[2])):
        into[edge[1]].append(edge)
        left[edge[1]] += 1
        behind[edge[0]].append(edge[1])
    ready = [name for name in names if not left[name]]
    for name in ready:  # it grows meanwhile
        for other in behind[name]:
            left[other] -= 1
            if not left[other]:
                ready.append(other)
    if len(ready) == len(names):
        return []
    # Backwards among the nodes that never became ready, until one comes round again.
    name = next(name for name in names if left[name])
    path: list[Edge] = []
    seen: dict[str, int] = {}
    while name not in seen:
        seen[name] = len(path)
        edge = next(edge for edge in into[name] if left[edge[0]])
        path.append(edge)
        name = edge[0]
    found = path[seen[name] :][::-1]
    first = next((k for k, edge in enumerate(found) if edge[2]), 0)
    return found[first:] + found[:first]
