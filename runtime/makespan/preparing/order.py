"""The order without a plan: critical path first, on hints where they are given, else on node count.

A node's *bottom level* is the longest path from it to the end, itself included (Hu 1961; Graham 1969). Nodes
with the largest bottom level start first; the node's number breaks ties.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.structure import Structure


def default_ranks(structure: Structure, hints_s: Sequence[float | None] = ()) -> list[int]:
    """Return ranks for the default order.

    Parameters
    ----------
    structure : Structure
    hints_s : sequence of float or None, shape (n,)
        Expected seconds. A node without a hint counts as the mean of the hints; without any, every node as 1.

    >>> from makespan.structure import build
    >>> default_ranks(build(["a", "b", "c"], [[], [], ["b"]]))
    [1, 0, 2]
    """
    known = [hint for hint in hints_s if hint is not None]
    typical = sum(known) / len(known) if known else 1.0
    durations = [typical if hint is None else hint for hint in hints_s] if known else [1.0] * len(structure)
    return ranks_by(bottom_levels(structure, durations))


def bottom_levels(structure: Structure, durations: Sequence[float]) -> list[float]:
    """Return for each node the longest path to the end, itself included; unit as `durations`."""
    levels = [0.0] * len(structure)
    for i in reversed(structure.order):
        levels[i] = durations[i] + max((levels[s] for s in structure.succs[i]), default=0.0)
    return levels


def ranks_by(urgency: Sequence[float]) -> list[int]:
    """Rank nodes by falling urgency; among equals the smaller number first."""
    ranks = [0] * len(urgency)
    for rank, i in enumerate(sorted(range(len(urgency)), key=lambda i: (-urgency[i], i))):
        ranks[i] = rank
    return ranks
