"""Integer priorities from which Tawazi's compound priorities come out in a wanted order.

Tawazi starts, among the nodes that can start, the one with the greatest *compound* priority. It computes that
from the leaves up, in rounds: in each round every node of the round adds what it has so far to each node
before it, and those make up the next round.

::

    a ──▶ b ──▶ d        round 0: d adds to b and c        round 1: b and c add to a
     └──▶ c ──▶ ┘        what d has is in a twice: a = p(a) + p(b) + p(c) + 2·p(d)

A node takes part in round k when a path of exactly k edges leads from it to a leaf, so in many rounds, and
adds all it has each time. Where a node and one before it are in the same round, the order of a set decides
how much the latter already has: it differs from process to process (PYTHONHASHSEED).

So each compound is only known to lie between two numbers. If all nodes of a round added what they had before
the round, it would be least; if each added after all its successors had, greatest. Both are linear in the
priorities with coefficients of at least 0, for each round, hence in the end. Going through the wanted order
backwards, each node gets the smallest priority with which its least exceeds the next node's greatest.

Invariant: for every order of the sets, compounds fall strictly along the wanted order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def encode(succs: Mapping[str, Sequence[str]], order: Sequence[str]) -> dict[str, int]:
    """Return a priority of at least 0 for each node of `order`.

    Parameters
    ----------
    succs : mapping of node to sequence of nodes
        The whole graph as Tawazi holds it. What is not in `order` has the priority 0.
    order : sequence of nodes
        Wanted first to last; no node before one that it waits for.

    Raises
    ------
    ValueError
        The order is not topological, or names a node twice.

    >>> encode({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, ["a", "c", "b", "d"])
    {'a': 0, 'c': 2, 'b': 1, 'd': 0}
    """
    rank = {node: at for at, node in enumerate(order)}
    if len(rank) < len(order):
        raise ValueError("a node stands twice in the order")
    upwards = _backwards(succs, order)
    rounds = _rounds(succs, upwards)
    least: dict[str, list[int]] = {}
    greatest: dict[str, list[int]] = {}
    priority: dict[str, int] = {}
    last = max((bits.bit_length() for bits in rounds.values()), default=0)
    floor = -1
    for node in upwards:
        for s in succs[node]:
            if rank.get(s, len(rank)) < rank.get(node, -1):
                raise ValueError(f"{s!r} waits for {node!r}, but stands before it")
        low = _accumulated(node, succs, rounds, least, priority, last, after=False)
        high = _accumulated(node, succs, rounds, greatest, priority, last, after=True)
        least[node], greatest[node] = low, high
        priority[node] = max(0, floor + 1 - low[-1]) if node in rank else 0
        if node in rank:
            floor = high[-1] + priority[node]
    return {node: priority[node] for node in order}


def _backwards(succs: Mapping[str, Sequence[str]], order: Sequence[str]) -> list[str]:
    """Return all nodes, successors first; those of the order in its reverse."""
    done: set[str] = set()
    found: list[str] = []
    for start in (*reversed(order), *succs):
        left = [(start, iter(succs[start]))] if start not in done else []
        done.add(start)
        while left:
            node, its = left[-1]
            following = next((s for s in its if s not in done), None)
            if following is None:
                found.append(node)
                left.pop()
            else:
                done.add(following)
                left.append((following, iter(succs[following])))
    return found


def _rounds(succs: Mapping[str, Sequence[str]], upwards: Sequence[str]) -> dict[str, int]:
    """Return for each node the rounds in which it adds, as bits."""
    rounds: dict[str, int] = {}
    for node in upwards:
        bits = 0
        for s in succs[node]:
            bits |= rounds[s] << 1
        rounds[node] = bits or 1
    return rounds


def _accumulated(
    node: str,
    succs: Mapping[str, Sequence[str]],
    rounds: Mapping[str, int],
    known: Mapping[str, Sequence[int]],
    priority: Mapping[str, int],
    last: int,
    *,
    after: bool,
) -> list[int]:
    """Return what a node was given before each round, and in the end."""
    gained = [0] * (last + 1)
    for s in succs[node]:
        bits, own, has = rounds[s], priority[s], known[s]
        while bits:
            at = (bits & -bits).bit_length() - 1
            gained[at + 1] += own + has[at + after]
            bits &= bits - 1
    for at in range(1, last + 1):
        gained[at] += gained[at - 1]
    return gained
