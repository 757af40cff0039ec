"""Which node starts next: the core that the executor and the simulator both drive.

A state machine with two events, ``finish(i)`` and ``fail(i)``, and one decision, ``next()``. No threads, no
clock: whoever drives it brings them. It is the specification: `makespan.engine.plain` decides the same,
faster, where there are no groups, exclusive nodes, callers or limits of time.

Invariants, whatever the ranks say:
- a node starts after all of its predecessors finished, and once;
- never more than ``budget`` nodes run at once; never more than ``limit`` nodes of one group (a lock is a
  group of limit 1); an exclusive node runs alone;
- among the nodes that may start, the smallest rank starts first (work-conserving: ``next()`` returns None
  only when no ready node may start). An exclusive node at the head of the queue lets the others drain and
  starts next: its rank says how soon;
- no deadlock: a node takes all of its groups at once, or none;
- of the nodes that only the calling thread may run, one runs at a time. When one is next and that thread has
  none, it is dealt to it: started, and found in ``due`` until ``take()`` hands it out;
- after a failure nothing starts any more; or, when the run goes on, nothing that depends on the failed node.

Waiting for a group costs O(log n): a node that finds a group full is parked there, and each time the group
frees up the best of its parked nodes is looked at again, not all of them.
"""

from __future__ import annotations

from heapq import heappop, heappush

from makespan.rules import Rules

__all__ = ["Dispatch", "Rules"]


class Dispatch:
    """One run's state.

    Parameters
    ----------
    rules : Rules
    go_on : bool
        After a failure, start what does not depend on the failed node.

    Attributes
    ----------
    budget, running, left : int
        Left are the nodes that have not ended and are not dropped.
    stopped : bool
        Nothing starts any more.
    stuck : int
        How many of the running nodes were given up: their results are not waited for.
    due : int or None
        The node that is dealt to the calling thread and not yet taken.

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
        "_dealt",
        "_dropped",
        "_free",
        "_own",
        "_parked",
        "_ready",
        "_rules",
        "_waiting",
        "budget",
        "due",
        "go_on",
        "left",
        "running",
        "stopped",
        "stuck",
    )

    def __init__(self, rules: Rules, *, go_on: bool = False) -> None:
        self._rules = rules
        self.budget = rules.budget
        self.go_on = go_on
        self._waiting = rules.waiting.copy()
        self._own: list[int] = []
        if rules.callers:
            own = [rules.node_at[rank] in rules.callers for rank in rules.roots]
            self._own = [rank for rank, mine in zip(rules.roots, own, strict=True) if mine]
            self._ready = [rank for rank, mine in zip(rules.roots, own, strict=True) if not mine]
        else:
            self._ready = rules.roots.copy()  # sorted, so it is a heap
        self._free = rules.limits.copy()
        self._parked: list[list[int]] = [[] for _ in rules.limits]
        self._alone = False
        self._dealt: int | None = None
        self._dropped: set[int] = set()
        self.due: int | None = None
        self.running = 0
        self.stuck = 0
        self.left = rules.left
        self.stopped = False

    @property
    def done(self) -> bool:
        """Nothing runs that is waited for, and nothing will start any more."""
        return self.running == self.stuck and (self.stopped or not self.left)

    @property
    def may_start(self) -> bool:
        """Some queued node might start now (it may yet turn out to wait for a group)."""
        if self._full() or self._alone or self.stopped:
            return False
        ready = self._ready
        if self._own and self._dealt is None and (not ready or self._own[0] < ready[0]):
            ready = self._own
        return bool(ready) and (not self.running or not self._rules.exclusive[self._rules.node_at[ready[0]]])

    @property
    def head(self) -> int:
        """The node that is first in the queue, which is not empty."""
        ready = self._ready or self._own
        return self._rules.node_at[ready[0]]

    def next(self, *, helping: bool = False) -> int | None:
        """Start the best permitted node and return it; None when there is none now.

        A helper deals nodes of the calling thread's on the way, and does not take them.
        """
        running = self.running
        if (running >= self.budget and running > self.stuck) or self._alone or self.stopped:
            return None
        rules, ready = self._rules, self._ready
        if rules.callers:
            return self._next_of_two(helping=helping)
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

    def deal(self) -> None:
        """Deal a node to the calling thread, when one of its own is next."""
        self._next_of_two(helping=True, dealing=True)

    def take(self) -> int | None:
        """Hand out the node that was dealt to the calling thread."""
        i, self.due = self.due, None
        return i

    def advance(self, i: int, *, helping: bool = False) -> int | None:
        """Do `finish` and `next` in one call: what a worker wants after each node."""
        rules = self._rules
        if not rules.plain or self.stuck:
            self.finish(i)
            return self.next(helping=helping)
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
        callers = self._rules.callers
        for s in self._rules.succs[i]:
            waiting[s] -= 1
            if not waiting[s]:
                heappush(self._own if callers and s in callers else ready, rank_of[s])

    def fail(self, i: int) -> list[int]:
        """Node `i` raised: free what it held; start nothing any more, or nothing that depends on it.

        Returns
        -------
        list of int
            The nodes that are dropped by this, in the order of their numbers, when the run goes on.
        """
        self._release(i)
        return self._lose(i)

    def give_up(self, i: int) -> list[int]:
        """Node `i` has failed although it runs on: it keeps its place, and what else it holds, until `free`.

        When all that runs was given up, others start in its place: nobody knows whether it ever returns.
        """
        self.stuck += 1
        return self._lose(i)

    def free(self, i: int) -> None:
        """Node `i`, which was given up, returned."""
        self.stuck -= 1
        self._release(i)

    def put_back(self, i: int) -> None:
        """Node `i`, which was started just now, was not: it is queued again."""
        self._release(i)
        own = i in self._rules.callers
        heappush(self._own if own else self._ready, self._rules.rank_of[i])

    def stop(self) -> None:
        """Start nothing any more; what runs may finish."""
        self.stopped = True
        if self.due is not None:
            self._release(self.due)
            self.due = None

    def _full(self) -> bool:
        return self.running >= self.budget and self.running > self.stuck

    def _lose(self, i: int) -> list[int]:
        self.left -= 1
        if not self.go_on:
            self.stop()
            return []
        rules = self._rules
        found, later = rules.lost_with(i, self._dropped)
        self.left -= len(found)
        for s in later:
            self._waiting[s] -= 1
            if not self._waiting[s]:
                heappush(self._own if s in rules.callers else self._ready, rules.rank_of[s])
        return found

    def _next_of_two(self, *, helping: bool, dealing: bool = False) -> int | None:
        """Choose from two queues: the nodes that anyone may run, and those of the calling thread."""
        rules, ready, own = self._rules, self._ready, self._own
        if self.due is not None and not helping:
            return self.take()
        while not self._full() and not self._alone and not self.stopped:
            mine = bool(own) and self._dealt is None and (not ready or own[0] < ready[0])
            queue = own if mine else ready
            if not queue or (dealing and not mine):
                return None
            i = rules.node_at[queue[0]]
            if rules.exclusive[i] and self.running:
                return None
            rank = heappop(queue)
            if not self._take(rules.needs[i], rank):
                continue
            self._alone = rules.exclusive[i]
            self.running += 1
            if not mine:
                return i
            self._dealt = i
            if not helping:
                return i
            self.due = i
        return None

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
        if self._dealt is not None and self._dealt == i:
            self._dealt = None
        for g in self._rules.needs[i]:
            self._free[g] += 1
            self._call_back(g)

    def _call_back(self, group: int) -> None:
        """Queue the best of the nodes parked at a group again."""
        if self._parked[group]:
            rank, rules = heappop(self._parked[group]), self._rules
            own = rules.callers and rules.node_at[rank] in rules.callers
            heappush(self._own if own else self._ready, rank)
