"""Which nodes share a worker process: local search over cuts, judged by the simulator.

A state is a set of parts (`makespan_optimizer.modes.cuts.Part`). Seeds are groups of Python nodes that are
dear to part, dealt to the workers; and single clusters: all of them when they are few, else nodes that hold
the GIL long, and what hangs together around them. Steps that lengthen the
makespan are taken with a probability that falls to nothing (Kirkpatrick, Gelatt and Vecchi 1983), because one
cut often pays only after a second one.

A DAG with few ways to cut it is searched completely instead: the answer is then the best in this simulator.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, NamedTuple

from makespan_optimizer.modes.contract import contract
from makespan_optimizer.modes.cuts import Part, bits
from makespan_optimizer.modes.exact import every_part, every_state, normal
from makespan_optimizer.modes.groups import dealt
from makespan_optimizer.modes.offload import offloads
from makespan_optimizer.modes.steps import step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from makespan_optimizer.modes.cuts import Cuts
    from makespan_optimizer.modes.judge import Judge

State = tuple[Part, ...]
MOST_STATES = 3_000  # so many ways to cut are all tried
_MOST_SEEDS = 400  # so many single clusters are all tried
_GROUP_SHARE, _SEED_SHARE = 0.45, 0.3  # of the work, and of what is left then
_HEAT = 0.02
_RANKED = 24  # of all states, those that get a fair look before that
_BEST = 8  # states that are looked at closely in the end
_HEAVY = 24  # nodes that seeds are made of, when single clusters are many
_IDLE = 2_000  # steps in a row that lead to nothing new


class Found(NamedTuple):
    """What the search came to: the best states, the best first, and whether all were tried."""

    states: tuple[State, ...]
    complete: bool


class Cutter:
    """Searches states of one DAG for so many workers.

    Parameters
    ----------
    cuts : Cuts
    judge : Judge
    workers : int
    given : tuple of int
        Nodes that have to be in some part.
    only_given : bool
        No other node may be in one.
    """

    def __init__(
        self, cuts: Cuts, judge: Judge, workers: int, given: tuple[int, ...] = (), *, only_given: bool = False
    ) -> None:
        self.cuts = cuts
        self.judge = judge
        self.workers = workers
        self.given = sum(1 << i for i in given)
        self.usable = self.given if only_given else cuts.free
        self.seen: dict[State, tuple[float, float]] = {}
        self._look = judge.fair

    def value(self, state: State) -> tuple[float, float]:
        """Return makespan and score of a state; infinite when it is not allowed."""
        known = self.seen.get(state)
        if known is None:
            known = (math.inf, math.inf)
            if self.permitted(state):
                known = self._look(contract(self.cuts, state, calls=False).profile)
            self.seen[state] = known
        return known

    def permitted(self, state: State) -> bool:
        """Say whether a state may be had."""
        members = 0
        for part in state:
            members |= part.members
        return not (members & ~self.usable or self.given & ~members or self.cuts.allowed(state))

    def search(self) -> Found:
        """Search all states when they are few, else from the best seeds."""
        affordable = int(self.judge.left // (4 * max(1, len(self.cuts))))
        most = min(MOST_STATES, affordable)
        states = every_state(self.cuts, self.workers, self.usable, self.given, most)
        complete = states is not None
        if states is not None:
            self._look = self.judge.quick
            for state in states:
                if self.judge.over():
                    complete = False
                    break
                self.value(state)
            ranked, self.seen, self._look = self._ranked(), {}, self.judge.fair
            for state in ranked[:_RANKED]:
                self.value(state)
        if not complete:
            self._descend()
        best = self._ranked()
        good = [state for state in best[:_BEST] if self.seen[state][0] < math.inf]
        return Found(tuple(good), complete)

    def _ranked(self) -> list[State]:
        return sorted(self.seen, key=lambda state: (*_rounded(self.seen[state]), state))

    def _descend(self) -> None:
        start = normal(self.cuts, tuple(Part(1 << i) for i in bits(self.given)))
        self.value(start)
        for state in offloads(self.cuts, self.usable & ~self.given, self.workers):
            if self.judge.over():
                break
            self.value(normal(self.cuts, (*start, *state)))
        until = self.judge.simulated + _GROUP_SHARE * self.judge.left
        for state in dealt(self.cuts, self.usable & ~self.given, self.workers):
            if self.judge.over() or self.judge.simulated >= until:
                break
            self.value(normal(self.cuts, (*start, *state)))
        until = self.judge.simulated + _SEED_SHARE * self.judge.left
        for seed in self._seeds():
            for state in self._with_again(normal(self.cuts, (*start, Part(seed)))):
                if self.judge.over() or self.judge.simulated >= until:
                    break
                self.value(state)
        if any(value[0] < math.inf for value in self.seen.values()):
            self._anneal()

    def _seeds(self) -> list[int]:
        """Return sets to begin with: long holders of the GIL, what hangs together, what depends on one."""
        cuts = self.cuts
        usable = self.usable & ~self.given
        weight = [node.gil_s + 0.1 * node.cpu_s for node in cuts.nodes]
        heavy = sorted(bits(usable), key=lambda i: (-weight[i], i))[:_HEAVY]
        found: dict[int, None] = {}
        sources = sum(1 << i for i, some in enumerate(cuts.structure.preds) if not some)
        for i in heavy:
            found[1 << i] = None
            # What comes of the same sources only: a branch for as long as it stays one.
            roots = (cuts.before[i] | 1 << i) & sources
            branch = sum(1 << j for j in bits(usable) if not (cuts.before[j] | 1 << j) & sources & ~roots)
            for some in (branch, branch & ~sources, branch & cuts.after[i] | 1 << i):
                found[cuts.closure(some)] = None
        mean = sum(weight[i] for i in heavy) / max(1, len(heavy))
        for some in _components(cuts, sum(1 << i for i in heavy if weight[i] >= mean)):
            found[cuts.closure(some)] = None
        every = every_part(cuts, usable, _MOST_SEEDS)
        if len(every) < _MOST_SEEDS:
            found |= dict.fromkeys(every)
        return [some for some in found if some and not some & ~usable]

    def _with_again(self, state: State) -> Iterator[State]:
        """Yield a state, and the same with all sources run again."""
        yield state
        every = tuple(part._replace(again=self.cuts.sources) for part in state)
        yield normal(self.cuts, every)

    def _anneal(self) -> None:
        source = random.Random(self.judge.seed)  # noqa: S311 (not for secrets)
        top = self._ranked()[0]
        best = self.seen[top][1]
        current, score = top, best
        begun, idle = self.judge.simulated, 0
        work = max(1, self.judge.left)
        while not self.judge.over() and idle < _IDLE:
            share = (self.judge.simulated - begun) / work
            state = step(self.cuts, current, self.usable, self.workers, source)
            idle = 0 if state is not None and state not in self.seen else idle + 1
            if state is None or state == current:
                continue
            its = self.value(state)[1]
            heat = _HEAT * (1 - share) * best
            if its <= score or (heat > 0 and source.random() < math.exp(-(its - score) / heat)):
                current, score = state, its
            if its < best:
                top, best = state, its
            elif score > 1.1 * best:
                current, score = top, best


def _components(cuts: Cuts, members: int) -> list[int]:
    """Return the sets that hang together by edges or shared results."""
    found = []
    while members:
        reached = todo = members & -members
        while todo:
            i = (todo & -todo).bit_length() - 1
            todo &= todo - 1
            new = cuts.beside(i) & members & ~reached
            reached |= new
            todo |= new
        found.append(reached)
        members &= ~reached
    return found


def _rounded(value: tuple[float, float]) -> tuple[float, float]:
    """Return makespan and score without their last digits: rounding does not choose."""
    return float(f"{value[0]:.9g}"), float(f"{value[1]:.9g}")
