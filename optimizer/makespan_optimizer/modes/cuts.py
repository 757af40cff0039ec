"""Which sets of nodes may share a worker process, and what crosses their borders.

A cluster is a *convex* set: no path leaves it and comes back, so it can be contracted to one node. Several
clusters must leave the DAG without a cycle when all are contracted (convex sets one by one do not suffice:
A may wait for B and B for A). Sets are integers of bits, so that closures take a few operations.

::

    a ─▶ b ─▶ c        {a, c} is not convex: its closure is {a, b, c}
     └──────▶ d        {a, b} is; what crosses is b's result to c, and a's to d
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from makespan_optimizer.modes.process import Transfer, beside_results, fault_of, kept_here, transfer_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from makespan.measurement import NodeProfile
    from makespan.profile import Profile

_CACHE = 20_000


class Part(NamedTuple):
    """A set of nodes for one worker: members, sources that run there again (sets of bits), the worker."""

    members: int
    again: int = 0
    worker: int = 0


class Crossing(NamedTuple):
    """What crosses the border of a part, or why it cannot."""

    inputs: Transfer = Transfer()
    outputs: Transfer = Transfer()
    fault: str = ""


class Cuts:
    """The DAG of a profile with what its edges cost to cut; computed once, asked often."""

    def __init__(self, profile: Profile, stay: Iterable[str] = (), once: Iterable[str] = ()) -> None:
        self.profile = profile
        s = self.structure = profile.structure()
        known = {node.name: node for node in profile.nodes}
        self.nodes: list[NodeProfile] = [known[name] for name in s.names]
        n = len(s)
        self.place = [0] * n
        for k, i in enumerate(s.order):
            self.place[i] = k
        kept, never_again = set(stay), set(once)
        self.faults = [
            "it is pinned to a thread" if name in kept else shape.stays or kept_here(shape, known[name])
            for name, shape in zip(s.names, profile.shape, strict=True)
        ]
        """Why a node cannot be in a cluster; empty when it can."""
        self.declared = sum(1 << i for i, shape in enumerate(profile.shape) if shape.process)
        """Nodes that run in a worker anyway: by themselves where they are in no cluster."""
        self.free = sum(1 << i for i, fault in enumerate(self.faults) if not fault)
        self._beside = [
            Transfer()
            if self.faults[i] and not self.declared >> i & 1
            else beside_results(self.nodes[i], [self.nodes[p] for p in s.preds[i]])
            for i in range(n)
        ]
        self._results = [transfer_of(node.result_pickling) for node in self.nodes]
        self._arguments = [transfer_of(node.args_pickling) for node in self.nodes]
        self.sources = sum(
            1 << i
            for i in bits(self.free)
            if not s.preds[i] and s.succs[i] and not s.locks[i] and s.names[i] not in never_again
        )
        """Nodes that may run again in a worker: they take nothing from others, and hold no lock."""
        self.crossing = lru_cache(maxsize=_CACHE)(self._crossing)
        self.by_itself: dict[tuple[int, bool], NodeProfile] = {}
        """Remembered by `makespan_optimizer.modes.contract`."""

    @cached_property
    def before(self) -> list[int]:
        """The nodes that have to finish before each node starts, as sets of bits."""
        s = self.structure
        found = [0] * len(self)
        for i in s.order:
            for p in s.preds[i]:
                found[i] |= found[p] | 1 << p
        return found

    @cached_property
    def after(self) -> list[int]:
        """The nodes that start only after each node has finished."""
        s = self.structure
        found = [0] * len(self)
        for i in reversed(s.order):
            for j in s.succs[i]:
                found[i] |= found[j] | 1 << j
        return found

    @cached_property
    def heads_s(self) -> list[float]:
        """When each node could start at the earliest, in seconds."""
        s = self.structure
        heads = [0.0] * len(self)
        for i in s.order:
            heads[i] = max((heads[p] + self.nodes[p].wall_net_s.median for p in s.preds[i]), default=0.0)
        return heads

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self.nodes)

    def sorted(self, members: int) -> list[int]:
        """Return the nodes of a set in topological order."""
        return sorted(bits(members), key=self.place.__getitem__)

    def closure(self, members: int) -> int:
        """Return the least convex set that holds these nodes."""
        down = up = 0
        for i in bits(members):
            down |= self.after[i]
            up |= self.before[i]
        return members | (down & up)

    def convex(self, members: int) -> bool:
        """Say whether no path leaves the set and comes back."""
        return self.closure(members) == members

    def connected(self, members: int) -> bool:
        """Say whether the set hangs together by its edges, or by results that several of its nodes take."""
        if not members:
            return False
        reached = members & -members
        todo = reached
        while todo:
            i = (todo & -todo).bit_length() - 1
            todo &= todo - 1
            new = self.beside(i) & members & ~reached
            reached |= new
            todo |= new
        return reached == members

    def beside(self, i: int) -> int:
        """Return the nodes next to a node: along edges, and those that take the same results."""
        s = self.structure
        found = 0
        for p in s.preds[i]:
            found |= 1 << p
            for j in s.succs[p]:
                found |= 1 << j
        for j in s.succs[i]:
            found |= 1 << j
        return found & ~(1 << i)

    def acyclic(self, parts: Sequence[Part]) -> bool:
        """Say whether the DAG has no cycle once each part is one node."""
        s = self.structure
        n = len(self)
        owner = list(range(n))
        for k, part in enumerate(parts):
            for i in bits(part.members):
                owner[i] = n + k
        again = {n + k: part.again for k, part in enumerate(parts)}
        waits: list[set[int]] = [set() for _ in range(n + len(parts))]
        for i in range(n):
            a = owner[i]
            for p in s.preds[i]:
                b = owner[p]
                if a != b and not (a >= n and again[a] >> p & 1):
                    waits[a].add(b)
        left = [len(some) for some in waits]
        behind: list[list[int]] = [[] for _ in waits]
        for a, some in enumerate(waits):
            for b in some:
                behind[b].append(a)
        ready = [a for a, count in enumerate(left) if not count]
        done = 0
        while ready:
            a = ready.pop()
            done += 1
            for b in behind[a]:
                left[b] -= 1
                if not left[b]:
                    ready.append(b)
        return done == len(waits)

    def allowed(self, parts: Sequence[Part]) -> str:
        """Say why parts cannot be had together; empty when they can."""
        taken = 0
        for part in parts:
            if not part.members or part.members & ~self.free or part.members & taken:
                return "a node that cannot be in it, or is in two"
            if not self.convex(part.members):
                return "a path leaves it and comes back"
            taken |= part.members
            fault = self.crossing(part.members, part.again).fault
            if fault:
                return fault
        if any(part.again & part.members or part.again & ~self.sources for part in parts):
            return "a node that cannot run again"
        return "" if self.acyclic(parts) else "two clusters wait for each other"

    def feeds(self, members: int) -> list[int]:
        """Return the nodes outside whose results the set takes, ascending."""
        found = 0
        for i in bits(members):
            for p in self.structure.preds[i]:
                found |= 1 << p
        return list(bits(found & ~members))

    def result(self, i: int) -> Transfer | None:
        """Return what it costs to send a node's result; None when it cannot be sent or is not known."""
        return self._results[i]

    def _crossing(self, members: int, again: int) -> Crossing:
        """Return what a part takes and gives; results of its sinks come back too."""
        s = self.structure
        inside = members | again
        inputs = self._by_producer(members, again)
        other = self._by_consumer(members, again)
        if inputs is None or (other is not None and other.total_s < inputs.total_s):
            inputs = other
        if inputs is None:
            lacking = [p for p in self.feeds(members) if not again >> p & 1 and self._results[p] is None]
            p = lacking[0]
            return Crossing(fault=f"{s.names[p]!r}: {fault_of(self.nodes[p].result_pickling, 'its result')}")
        outputs = Transfer()
        for i in bits(members):
            if s.succs[i] and all(inside >> j & 1 for j in s.succs[i]):
                continue
            its = self._results[i]
            if its is None:
                fault = fault_of(self.nodes[i].result_pickling, "its result")
                return Crossing(fault=f"{s.names[i]!r}: {fault}")
            outputs = outputs.plus(its)
        return Crossing(inputs, outputs)

    def known_crossing(self, i: int) -> tuple[Crossing, bool]:
        """Return what a node takes and gives that runs in a worker by itself, and whether all is known.

        What was not measured, or could not be pickled, counts as nothing.
        """
        crossing = self.crossing(1 << i, 0)
        if not crossing.fault:
            return crossing, self._arguments[i] is not None
        inputs = self._arguments[i] or self._by_producer(1 << i, 0) or Transfer()
        return Crossing(inputs, self._results[i] or Transfer()), False

    def _by_producer(self, members: int, again: int) -> Transfer | None:
        """Each result that comes from outside is sent once, whoever takes it."""
        total = Transfer()
        for i in (*bits(members), *bits(again)):
            total = total.plus(self._beside[i])
        for p in self.feeds(members):
            if not again >> p & 1:
                its = self._results[p]
                if its is None:
                    return None
                total = total.plus(its)
        return total

    def _by_consumer(self, members: int, again: int) -> Transfer | None:
        """Each node is sent its arguments: less, where it takes a small part of a large result."""
        s = self.structure
        total = Transfer()
        for i in bits(again):
            total = total.plus(self._beside[i])
        inside = members | again
        for i in bits(members):
            outside = [p for p in s.preds[i] if not inside >> p & 1]
            if len(outside) == len(s.preds[i]):
                whole = self._arguments[i]
                if whole is None:
                    return None
                total = total.plus(whole)
                continue
            total = total.plus(self._beside[i])
            for p in outside:
                its = self._results[p]
                if its is None:
                    return None
                total = total.plus(its)
        return total


def bits(members: int) -> Iterator[int]:
    """Yield the numbers in a set, ascending.

    >>> list(bits(0b1010))
    [1, 3]
    """
    while members:
        low = members & -members
        yield low.bit_length() - 1
        members ^= low
