"""What decides which node may start when, computed once for a DAG, an order and a set of groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from makespan.structure import Structure


class Rules:
    """What a dispatch obeys, computed once for a DAG, an order and a set of groups; shared by many runs.

    Parameters
    ----------
    structure : Structure
    ranks : sequence of int, shape (n,)
        A permutation of 0..n-1; rank 0 starts first among the ready.
    budget : int
        How many nodes may run at once, at least 1.
    groups : iterable of (nodes, limit)
        Further exclusions beside the declared locks: node indices, and how many of them may run at once.
    vacant : set of int
        Nodes that are not dispatched: left out, or run as a part of another one. No edge leads to or from
        them in `structure`.
    callers : set of int
        Nodes that only the calling thread may run.
    loose : mapping of int to collection of int
        Of the edges of `structure`, from node to node, those that are the plan's: order and no more, so that
        a node starts after one that failed, too.
    """

    __slots__ = (
        "budget",
        "callers",
        "exclusive",
        "left",
        "limits",
        "loose",
        "needs",
        "node_at",
        "plain",
        "rank_of",
        "roots",
        "succs",
        "vacant",
        "waiting",
    )

    def __init__(
        self,
        structure: Structure,
        ranks: Sequence[int],
        budget: int,
        groups: Iterable[tuple[Iterable[int], int]] = (),
        *,
        vacant: frozenset[int] = frozenset(),
        callers: frozenset[int] = frozenset(),
        loose: Mapping[int, Collection[int]] = {},
    ) -> None:
        n = len(structure)
        self.vacant, self.callers, self.loose = vacant, callers, loose
        self.left = n - len(vacant)
        self.budget = budget
        self.rank_of = list(ranks)
        self.node_at = [0] * n
        for i, rank in enumerate(ranks):
            self.node_at[rank] = i
        self.succs = structure.succs
        self.waiting = [len(p) for p in structure.preds]
        self.roots = sorted(ranks[i] for i in range(n) if not structure.preds[i] and i not in vacant)
        # Groups: the declared locks first, in sorted order, then the given ones.
        needs: list[list[int]] = [[] for _ in range(n)]
        self.limits: list[int] = []
        number: dict[str, int] = {}
        for name in sorted({name for some in structure.locks for name in some}):
            number[name] = len(self.limits)
            self.limits.append(1)
        for i, some in enumerate(structure.locks):
            needs[i] = [number[name] for name in some]
        for nodes, limit in groups:
            for i in nodes:
                needs[i].append(len(self.limits))
            self.limits.append(limit)
        self.needs = [tuple(some) for some in needs]
        self.exclusive = list(structure.exclusive)
        self.plain = not self.limits and not callers and not any(self.exclusive)

    def lost_with(self, i: int, lost: set[int]) -> tuple[list[int], list[int]]:
        """Return what cannot run without node `i`, and what merely was to start after it or one of these.

        Parameters
        ----------
        i : int
        lost : set of int
            What could not run before; added to.
        """
        found: list[int] = []
        ahead = [i]
        while ahead:
            p = ahead.pop()
            loose = self.loose.get(p, ())
            for s in self.succs[p]:
                if s not in lost and s not in loose:
                    lost.add(s)
                    found.append(s)
                    ahead.append(s)
        return sorted(found), [s for p in (i, *found) for s in self.loose.get(p, ()) if s not in lost]
