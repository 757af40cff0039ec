"""Which node starts next: the core that the executor and the simulator both drive.

A state machine with two events, ``finish(i)`` and ``fail(i)``, and one decision, ``next()``. No threads, no
clock: whoever drives it brings them.

Invariants, whatever the ranks say:
- a node starts after all of its predecessors finished, and once;
- never more than ``budget`` nodes run at once; never more than ``limit`` nodes of one group (a lock is a
  group of limit 1); an exclusive node runs alone;
- among the nodes that may start, the smallest rank starts first (work-conserving: ``next()`` returns None
  only when no ready node may start). An exclusive node at the head of the queue lets the others drain and
  starts next: its rank says how soon;
- no deadlock: a node takes all of its groups at once, or none.

Waiting for a group costs O(log n): a node that finds a group full is parked there, and each time the group
frees up the best of its parked nodes is looked at again, not all of them.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
    """

    __slots__ = (
        "budget",
        "callers",
        "exclusive",
        "left",
        "limits",
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
    ) -> None:
        n = len(structure)
        self.vacant, self.callers = vacant, callers
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
        self.plain = not self.limits and not any(self.exclusive)


class Dispatch:
    """One run's state.

    >>> from makespan.structure import build
    >>> d = Dispatch(Rules(build(["a", "b", "c"], [[], [], ["a"]]), ranks=[1, 0, 2], budget=2))
    >>> d.next(), d.next(), d.next()
    (1, 0, None)
    >>> d.finish(0)
    >>> d.next()
    2
    """

    __slots__ = (
        "_alone",
        "_free",
        "_parked",
        "_ready",
        "_rules",
        "_waiting",
        "budget",
        "left",
        "running",
        "stopped",
    )

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.budget = rules.budget
        self._waiting = rules.waiting.copy()
        self._ready = rules.roots.copy()
        heapify(self._ready)
        self._free = rules.limits.copy()
        self._parked: list[list[int]] = [[] for _ in rules.limits]
        self._alone = False
        self.running = 0
        self.left = rules.left
        self.stopped = False

    @property
    def done(self) -> bool:
        """Nothing runs, and nothing will start any more."""
        return not self.running and (self.stopped or not self.left)

    @property
    def may_start(self) -> bool:
        """Some queued node might start now (it may yet turn out to wait for a group)."""
        ready = self._ready
        if not ready or self.running >= self.budget or self._alone or self.stopped:
            return False
        return not self.running or not self._rules.exclusive[self._rules.node_at[ready[0]]]

    def next(self) -> int | None:
        """Start the best permitted node and return it; None when there is none now."""
        if self.running >= self.budget or self._alone or self.stopped:
            return None
        rules, ready = self._rules, self._ready
        while ready:
            i = rules.node_at[ready[0]]
            if rules.exclusive[i]:
                if self.running:
                    return None  # the others drain, then it starts
                self._alone = True
            need = rules.needs[i]
            rank = heappop(ready)
            if need and not self._take(need, rank):
                continue
            self.running += 1
            return i
        return None

    def advance(self, i: int) -> int | None:
        """Do `finish` and `next` in one call: what a worker wants after each node."""
        rules = self._rules
        if not rules.plain:
            self.finish(i)
            return self.next()
        # Without groups and exclusive nodes the place of the finished node goes straight to the next one.
        self.left -= 1
        waiting, ready = self._waiting, self._ready
        for s in rules.succs[i]:
            left = waiting[s] - 1
            waiting[s] = left
            if not left:
                heappush(ready, rules.rank_of[s])
        if not ready or self.stopped:
            self.running -= 1
            return None
        return rules.node_at[heappop(ready)]

    def finish(self, i: int) -> None:
        """Node `i` returned: free what it held, and queue the nodes that waited for it alone."""
        self._release(i)
        self.left -= 1
        waiting, rank_of, ready = self._waiting, self._rules.rank_of, self._ready
        for s in self._rules.succs[i]:
            waiting[s] -= 1
            if not waiting[s]:
                heappush(ready, rank_of[s])

    def fail(self, i: int) -> None:
        """Node `i` raised: free what it held, and start nothing any more."""
        self._release(i)
        self.left -= 1
        self.stopped = True

    def stop(self) -> None:
        """Start nothing any more; what runs may finish."""
        self.stopped = True

    def _take(self, need: tuple[int, ...], rank: int) -> bool:
        """Take all groups, or park the node at the first full one."""
        free = self._free
        for g in need:
            if not free[g]:
                heappush(self._parked[g], rank)
                # It may have been the one called back by another group that is still free:
                # that group looks at its next one.
                for other in need:
                    if free[other]:
                        self._call_back(other)
                return False
        for g in need:
            free[g] -= 1
        return True

    def _release(self, i: int) -> None:
        self.running -= 1
        self._alone = False
        for g in self._rules.needs[i]:
            self._free[g] += 1
            self._call_back(g)

    def _call_back(self, group: int) -> None:
        """Queue the best of the nodes parked at a group again."""
        if self._parked[group]:
            heappush(self._ready, heappop(self._parked[group]))
