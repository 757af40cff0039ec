"""Where the nodes of a drawn DAG lie: in layers from left to right, edges short and with few crossings.

::

    a ──▶ b ──▶ d          layer 0: a     1: b, c     2: d
     ╲─▶ c ──╱             an edge over several layers is led through each of them

After Sugiyama, Tagawa and Toda (1981), "Methods for visual understanding of hierarchical system structures":
longest-path layers, order by barycentres in sweeps; then each node is moved towards the mean of its
neighbours, as far as the distances within its layer allow (least squares, by pooling adjacent violators).
The result depends on the order of declaration only, never on names or hashes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.structure import Structure

_SWEEPS: Final = 8
_MOST_BENDS: Final = 20_000
_BEND: Final = 0.45
"""Distance of a led edge from what lies beside it; that of two nodes is 1."""


class Layout(NamedTuple):
    """Where everything lies; y counts nodes from the top.

    Attributes
    ----------
    layer : tuple of int, shape (n,)
    y : tuple of float, shape (n,)
    through : dict of (int, int) to tuple of (int, float)
        For each edge over more than one layer, layer and y of the points between.
    height : float
    """

    layer: tuple[int, ...]
    y: tuple[float, ...]
    through: dict[tuple[int, int], tuple[tuple[int, float], ...]]
    height: float


def layers_of(structure: Structure) -> list[int]:
    """Return the layer of each node: one after the last that it waits for; sources next to who takes them.

    >>> from makespan.structure import build
    >>> layers_of(build(["a", "b", "c", "d"], [[], ["a"], [], ["b", "c"]]))
    [0, 1, 1, 2]
    """
    layer = [0] * len(structure)
    for i in structure.order:
        layer[i] = 1 + max((layer[p] for p in structure.preds[i]), default=-1)
    for i in reversed(structure.order):
        if not structure.preds[i] and structure.succs[i]:
            layer[i] = min(layer[s] for s in structure.succs[i]) - 1
    return layer


def layout(structure: Structure) -> Layout:
    """Lay out a DAG; costs about 8 (n + bends) log n."""
    n = len(structure)
    layer = layers_of(structure)
    members: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
    for i in structure.order:
        members[layer[i]].append(i)
    before: list[list[int]] = [[] for _ in range(n)]
    after: list[list[int]] = [[] for _ in range(n)]
    bends: dict[tuple[int, int], list[int]] = {}
    spans = sum(layer[s] - layer[i] - 1 for i in range(n) for s in structure.succs[i])
    for i in range(n):
        for s in structure.succs[i]:
            at = i
            if layer[s] > layer[i] + 1 and spans <= _MOST_BENDS:
                between = bends.setdefault((i, s), [])
                for through in range(layer[i] + 1, layer[s]):
                    bend = len(before)
                    before.append([at])
                    after.append([])
                    after[at].append(bend)
                    members[through].append(bend)
                    between.append(bend)
                    at = bend
            before[s].append(at)
            after[at].append(s)
    _order(members, before, after)
    y = _place(members, before, after, n)
    top = min(y, default=0.0)
    led = {
        edge: tuple((layer[edge[0]] + 1 + k, y[bend] - top) for k, bend in enumerate(between))
        for edge, between in bends.items()
    }
    return Layout(tuple(layer), tuple(at - top for at in y[:n]), led, max(y, default=0.0) - top)


def _order(members: list[list[int]], before: list[list[int]], after: list[list[int]]) -> None:
    """Sort each layer by the mean position of its neighbours: in the layer before, in the next, in turn."""
    position = [0.0] * len(before)
    for some in members:
        for at, i in enumerate(some):
            position[i] = at / len(some)
    for sweep in range(_SWEEPS):
        neighbours = before if sweep % 2 == 0 else after
        for some in members if sweep % 2 == 0 else reversed(members):
            some.sort(
                key=lambda i: (
                    sum(position[j] for j in neighbours[i]) / len(neighbours[i])
                    if neighbours[i]
                    else position[i]
                )
            )
            for at, i in enumerate(some):
                position[i] = at / len(some)


def _place(members: list[list[int]], before: list[list[int]], after: list[list[int]], n: int) -> list[float]:
    """Return y of each node and bend: as near as can be to the mean of its neighbours, in turn."""
    y = [0.0] * len(before)
    offsets = []
    for some in members:
        offset = [0.0]
        for i, j in pairwise(some):
            offset.append(offset[-1] + (1.0 if i < n and j < n else _BEND if i >= n and j >= n else 0.72))
        offsets.append(offset)
        for i, at in zip(some, offset, strict=True):
            y[i] = at - offset[-1] / 2
    for sweep in range(_SWEEPS):
        turn = range(len(members)) if sweep % 2 == 0 else range(len(members) - 1, -1, -1)
        for k in turn:
            some, offset = members[k], offsets[k]
            wanted = []
            for i in some:
                near = [*before[i], *after[i]] if sweep >= _SWEEPS // 2 else (before, after)[sweep % 2][i]
                wanted.append(sum(y[j] for j in near) / len(near) if near else y[i])
            pooled = pool([want - at for want, at in zip(wanted, offset, strict=True)])
            for i, base, at in zip(some, pooled, offset, strict=True):
                y[i] = base + at
    return y


def pool(wanted: Sequence[float]) -> list[float]:
    """Return the ascending numbers nearest to those wanted, by least squares.

    >>> pool([3.0, 1.0, 5.0])
    [2.0, 2.0, 5.0]
    """
    blocks: list[list[float]] = []  # sum, count
    for want in wanted:
        blocks.append([want, 1])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] > blocks[-1][0] * blocks[-2][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    return [total / count for total, count in blocks for _ in range(int(count))]
