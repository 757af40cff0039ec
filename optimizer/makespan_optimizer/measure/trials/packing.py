"""Several pairs measured in one pass over the DAG: which go together, and in which order. Pure.

A pass runs each node once. Pairs become steps of two nodes; the DAG with each pair drawn as one node must
stay without a circle::

    a ──▶ c        (a, d) and (b, c) cannot both be steps: a before c, b before d,
    b ──▶ d        so each step would wait for the other

For that it is enough to look at the pairs: P comes before Q when a path leads from a node of P to one of Q.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from makespan_optimizer.measure.trials.pairs import Pair, reachable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from makespan.structure import Structure


def packed(structure: Structure, pairs: Sequence[Pair]) -> list[list[int]]:
    """Put pairs into passes, first fit: indices of `pairs` for each pass; within a pass no node twice.

    The first pass holds the first pair, and so on: what comes first in `pairs` is measured first.
    """
    nodes = sorted({i for pair in pairs for i in pair})
    reaches = reachable(structure, nodes)
    passes: list[list[int]] = []
    used: list[set[int]] = []
    for index, pair in enumerate(pairs):
        for its, taken in zip(passes, used, strict=True):
            if not taken & set(pair) and _acyclic([*(pairs[k] for k in its), pair], reaches):
                its.append(index)
                taken.update(pair)
                break
        else:
            passes.append([index])
            used.append(set(pair))
    return passes


def steps(structure: Structure, pairs: Sequence[Pair], only: Collection[int]) -> list[tuple[int, ...]]:
    """Return the steps of a pass over the nodes `only`: each pair one step, every other node one.

    Raises
    ------
    ValueError
        The pairs do not fit into one pass.
    """
    step_of: dict[int, tuple[int, ...]] = {i: (i,) for i in only}
    for pair in pairs:
        for i in pair:
            step_of[i] = pair
    waits: dict[tuple[int, ...], int] = {}
    for step in set(step_of.values()):
        waits[step] = sum(p in step_of for i in step for p in structure.preds[i])
    ready = [step for step, count in waits.items() if not count]
    heapify(ready)
    found: list[tuple[int, ...]] = []
    while ready:
        step = heappop(ready)
        found.append(step)
        for i in step:
            for s in structure.succs[i]:
                if s in step_of:
                    after = step_of[s]
                    waits[after] -= 1
                    if not waits[after]:
                        heappush(ready, after)
    if len(found) < len(waits):
        raise ValueError("the pairs wait for each other in a circle")
    return found


def _acyclic(pairs: Sequence[Pair], reaches: dict[int, frozenset[int]]) -> bool:
    left = [(pair, reaches[pair[0]] | reaches[pair[1]]) for pair in pairs]
    while left:
        nodes = {i for pair, _ in left for i in pair}
        # Pairs that reach none of those that are left can come last.
        others = [its for its in left if its[1] & nodes]
        if len(others) == len(left):
            return False
        left = others
    return True
