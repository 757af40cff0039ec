"""Pairs of nodes side by side, and the same nodes one after the other, in one session.

Passes over the DAG alternate: in some each node runs alone, in others some pairs are steps of two nodes.
Machines drift; what is compared must be measured close together, and in both orders. Of the two nodes of a
step one runs in the calling thread, and they take turns in that: the other one has to get the GIL first.

A pass during which other processes took cores is kept apart, and used only when too few were left alone.
"""

from __future__ import annotations

import gc
import time
from statistics import fmean, median, pstdev
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.measurement import Call, PairTrial
from makespan_optimizer.measure.calibrate import ForeignLoad
from makespan_optimizer.measure.quiet import Quiet
from makespan_optimizer.measure.trials.packing import packed, steps
from makespan_optimizer.measure.trials.together import at_interval, called, fresh
from makespan_optimizer.measure.walk import Outcome, Work, ancestors, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from makespan.preparing.program import Program
    from makespan_optimizer.measure.trials.pairs import Pair
    from makespan_optimizer.measure.trials.together import Inputs

ENOUGH_S = 1.0  # of measuring for one pair
LEAST_REPEATS = 3
MOST_REPEATS = 20
SPOILED_SHARE = 0.1  # of the cores, taken by others during a pass
_TICKS = 3  # the load of others is counted in ticks of 10 ms: fewer say nothing

_SPUN = Call(run="", wall_s=0.0, cpu_s=0.0, other_cpu_s=1.0)


class Beside(NamedTuple):
    """Two nodes (numbers, ascending), and the switch interval under which they run together."""

    nodes: Pair
    interval_s: float


class _Ends(NamedTuple):
    ends_s: tuple[float, float]
    spoiled: bool


class PairSession:
    """Measures pairs, pass by pass; what was measured so far can be asked for at any time.

    Parameters
    ----------
    program, inputs
        The DAG.
    wanted : sequence of Beside
        What to measure, the most wanted first.
    walls_s : sequence of float, shape (n,)
        Expected wall of each node: what a pass will cost.
    walked : collection of int
        Nodes that may be run.
    own_cpu_s : callable
        CPU seconds of the sampler's process.
    spinning : collection of int
        Nodes whose native threads go on spinning for a while: nothing is begun before they are quiet.
    """

    def __init__(
        self,
        program: Program,
        inputs: Inputs,
        wanted: Sequence[Beside],
        walls_s: Sequence[float],
        walked: Collection[int],
        own_cpu_s: Callable[[], float] = lambda: 0.0,
        spinning: Collection[int] = (),
    ) -> None:
        self._program = program
        self._inputs = inputs
        self._walls_s = walls_s
        self._spinning = frozenset(spinning)
        self._quiet = Quiet()
        self._walked = frozenset(walked)
        self._own_cpu_s = own_cpu_s
        self.spoiled = 0
        """Passes during which other processes took cores."""
        self.wanted = list(wanted)
        self.failed: dict[Beside, str] = {}
        """Pairs of which a node raised, and the type of its exception."""
        self.rounds = 0
        self.passes = 0
        self._alone: dict[int, list[tuple[float, bool]]] = {i: [] for its in wanted for i in its.nodes}
        self._ends: dict[Beside, list[_Ends]] = {its: [] for its in wanted}

    def run(
        self,
        until: float,
        progress: Callable[[int, int, str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Measure until everything is done or the clock would pass `until`.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C.
        """
        plan = self._fitting(until - clock())
        total = LEAST_REPEATS * (len(plan) + 1)
        counted = 0
        while plan:
            groups: list[list[Beside]] = [[], *plan]
            if self.rounds % 2:
                groups.reverse()  # each order as often as the other
            for group in groups:
                if clock() + self._cost_s(group or [its for one in plan for its in one]) > until:
                    return
                if progress is not None:
                    progress(min(counted, total), total, self._label(group))
                failed = self._pass(group, [its for one in plan for its in one])
                counted += 1
                if failed is not None:
                    break
            self.rounds += 1
            plan = [left for one in plan if (left := [its for its in one if not self._done(its)])]

    def trials(self) -> list[PairTrial]:
        """Return what was measured so far: medians."""
        names = self._program.structure.names
        found = []
        for its in self.wanted:
            ends = _unspoiled([(one.ends_s, one.spoiled) for one in self._ends[its]])
            alone = [_unspoiled(self._alone[i]) for i in its.nodes]
            if not ends or not all(alone) or its in self.failed:
                continue
            spans = [max(pair) for pair in ends]
            a, b = its.nodes
            found.append(
                PairTrial(
                    nodes=(names[a], names[b]),
                    alone_s=(median(alone[0]), median(alone[1])),
                    together_s=(median(pair[0] for pair in ends), median(pair[1] for pair in ends)),
                    repeats=len(ends),
                    switch_interval_s=its.interval_s,
                    spread=min(1.0, pstdev(spans) / fmean(spans)) if fmean(spans) > 0 else 0.0,
                )
            )
        return found

    def _fitting(self, limit_s: float) -> list[list[Beside]]:
        """Return the passes of one round; as many as can be repeated within the time."""
        structure = self._program.structure
        plan = [[self.wanted[k] for k in its] for its in packed(structure, [w.nodes for w in self.wanted])]
        for rounds in range(LEAST_REPEATS, 0, -1):
            fit: list[list[Beside]] = []
            spent_s = 0.0
            for group in plan:
                alone_s = self._cost_s([its for one in (*fit, group) for its in one])
                spent_s += self._cost_s(group)
                if rounds * (spent_s + alone_s) <= limit_s:
                    fit.append(group)
                else:
                    spent_s -= self._cost_s(group)
            if fit:
                return fit
        return []

    def _cost_s(self, group: Sequence[Beside]) -> float:
        return sum(self._walls_s[i] for i in self._only(group))

    def _only(self, group: Sequence[Beside]) -> frozenset[int]:
        return ancestors(self._program, [i for its in group for i in its.nodes]) & self._walked

    def _done(self, its: Beside) -> bool:
        ends = self._ends[its]
        good = [one for one in ends if not one.spoiled]
        return (
            its in self.failed
            or len(ends) >= MOST_REPEATS
            or (len(good) >= LEAST_REPEATS and sum(max(one.ends_s) for one in good) >= ENOUGH_S)
        )

    def _label(self, group: Sequence[Beside]) -> str:
        if not group:
            return "one by one"
        a, b = group[0].nodes
        names = self._program.structure.names
        more = f", {len(group) - 1} more" if len(group) > 1 else ""
        return f"{names[a]} + {names[b]}{more}"

    def _pass(self, group: Sequence[Beside], plan: Sequence[Beside]) -> Beside | None:
        """Run one pass; return the pair of which a node raised."""
        step_of = {its.nodes: its for its in group}
        only = self._only(group or plan)
        alone: list[tuple[int, float]] = []
        ends: list[tuple[Beside, tuple[float, float]]] = []
        now: list[Beside] = []
        flip = bool(self.rounds // 2 % 2)

        last: Call | None = None

        def do(works: list[Work]) -> tuple[Outcome, ...]:
            nonlocal last
            self._quiet.after(last)
            last = _SPUN if any(work.node in self._spinning for work in works) else None
            if len(works) == 1:
                (work,) = works
                began = time.perf_counter()
                outcome = called(work)
                passed_s = time.perf_counter() - began
                if isinstance(outcome.error, KeyboardInterrupt):
                    raise outcome.error
                if work.node in self._alone:
                    alone.append((work.node, passed_s))
                return (outcome,)
            a, b = works
            its = step_of[a.node, b.node]
            now[:] = [its]
            both = at_interval(its.interval_s, *((b, a) if flip else (a, b)))
            now.clear()
            outcomes, ends_s = (both.outcomes[::-1], both.ends_s[::-1]) if flip else both
            if any(outcome.error is not None for outcome in outcomes):
                now[:] = [its]
            else:
                ends.append((its, (ends_s[0], ends_s[1])))
            return outcomes

        gc.collect()
        load = ForeignLoad(self._own_cpu_s)
        began = time.perf_counter()
        failure: str | None = None
        try:
            order = steps(self._program.structure, list(step_of), only)
            with fresh(self._inputs) as values:
                walk(self._program, values, do, steps=order, only=only)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if not now:
                raise
            failure = type(error).__name__
        spoiled = _spoiled(load, time.perf_counter() - began)
        self.spoiled += spoiled
        self.passes += 1
        for i, wall_s in alone:
            self._alone[i].append((wall_s, spoiled))
        for its, ends_s in ends:
            self._ends[its].append(_Ends(ends_s, spoiled))
        if failure is None:
            return None
        self.failed[now[0]] = failure
        return now[0]


def _spoiled(load: ForeignLoad, passed_s: float) -> bool:
    share = load.share()
    return share is not None and share > max(SPOILED_SHARE, _TICKS * 0.01 / passed_s)


def _unspoiled(samples: Sequence[tuple[Any, bool]]) -> list[Any]:
    good = [value for value, spoiled in samples if not spoiled]
    return good if len(good) >= LEAST_REPEATS - 1 else [value for value, _ in samples]
