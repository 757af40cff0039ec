"""How long a node takes with 1, 2, ... native threads.

Libraries start as many threads as there are cores, each for itself: two nodes at once then want twice the
cores, and small work is slower on many threads than on one. Passes with each limit alternate with passes
without one, all in one session; the limit is set around the nodes that use native pools, and nowhere else.
Where a round of all limits does not fit, there is one pass with one thread beside one without a limit, and
where that does not fit either, it is of the nodes with the most to win; see `stakes`.
"""

from __future__ import annotations

import gc
import time
from statistics import median
from typing import TYPE_CHECKING, Any

from makespan.machine import usable_cores
from makespan.measurement import Call, ThreadTrial, ThreadTrials
from makespan_optimizer.measure.calls import foreign_delay_s
from makespan_optimizer.measure.clocks import Stopwatch
from makespan_optimizer.measure.quiet import Quiet
from makespan_optimizer.measure.trials.stakes import that_fit
from makespan_optimizer.measure.trials.together import fresh
from makespan_optimizer.measure.walk import Outcome, Work, ancestors, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from makespan.measurement import NodeProfile
    from makespan.preparing.program import Program
    from makespan.profile import Profile
    from makespan_optimizer.measure.clocks import Clocks
    from makespan_optimizer.measure.trials.pools import Pools
    from makespan_optimizer.measure.trials.together import Inputs

POOL_SHARE = 0.05  # of the wall: CPU of other threads or child processes above this is a native pool
LEAST_S = 0.002
MOST_ROUNDS = 5
_ALL_UP_TO = 8  # cores: more are tried in powers of two


def pooled(profile: Profile, walked: Collection[int]) -> list[int]:
    """Return the nodes (numbers in the DAG) that use native threads or child processes, as far as seen.

    Python threads that a node starts by itself do not count: no library's number changes them.
    """
    number = {shape.name: i for i, shape in enumerate(profile.shape)}
    return sorted(
        number[node.name]
        for node in profile.nodes
        if node.origin == "measured" and number[node.name] in walked and uses_pool(node)
    )


def uses_pool(node: NodeProfile) -> bool:
    """Say whether threads of native libraries, or child processes, work for a node."""
    wall_s = node.wall_net_s.median
    if wall_s < LEAST_S:
        return False
    python_s = median(call.other_gil_s for call in node.calls) if node.calls else 0.0
    if node.other_cpu_s > POOL_SHARE * wall_s:
        return python_s < 0.5 * node.other_cpu_s
    return (node.threads_used or 1) >= 2 and not python_s


def choices(cores: float) -> list[int]:
    """Return the numbers of threads to try.

    >>> choices(2.0), choices(12)
    ([1, 2], [1, 2, 4, 8, 12])
    """
    most = max(1, round(cores))
    if most <= _ALL_UP_TO:
        return list(range(1, most + 1))
    return [*(2**k for k in range(most.bit_length()) if 2**k < most), most]


class ThreadSession:
    """Measures nodes under limits, pass by pass; what was measured so far can be asked for at any time.

    Parameters
    ----------
    program, inputs
        The DAG.
    nodes : sequence of int
        Those that use native pools.
    limits : sequence of int
        Numbers of threads to try, beside the libraries' own.
    pools : Pools
    walked : collection of int
        Nodes that may be run.
    stakes_s : mapping of int to float, optional
        CPU seconds of the nodes' pools: which of them come first when there is no time for all.
    """

    def __init__(
        self,
        program: Program,
        inputs: Inputs,
        nodes: Sequence[int],
        limits: Sequence[int],
        pools: Pools,
        walked: Collection[int],
        stakes_s: Mapping[int, float] | None = None,
    ) -> None:
        self._program = program
        self._inputs = inputs
        self._pools = pools
        self._default = pools.default_threads()
        self._cores = usable_cores()
        self._quiet = Quiet()
        self._last: Call | None = None
        self._unmeasured = False  # something of which there is no record ran last
        self._nodes = list(nodes)
        self._stakes_s = stakes_s or {}
        self._walked = frozenset(walked)
        self._only = self._needs(nodes)
        self.tried: tuple[int | None, ...] = (None, *limits)
        self._calls: dict[tuple[int, int | None], list[Clocks]] = {
            (i, limit): [] for i in nodes for limit in self.tried
        }

    def run(
        self,
        until: float,
        walls_s: Sequence[float],
        progress: Callable[[int, int, str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        at_last: float | None = None,
    ) -> None:
        """Measure round after round, as long as a whole round fits before the clock says `until`.

        A round that takes longer than was expected is broken off. The first one may take until `at_last`; if
        it would take longer, fewer numbers of threads are tried, and fewer nodes, once each.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C.
        """
        last = until if at_last is None else max(until, at_last)
        pass_s = sum(walls_s[i] for i in self._only)
        round_s = len(self.tried) * pass_s
        total = MOST_ROUNDS * len(self.tried)
        if clock() + round_s > last:
            self._once(last, walls_s, progress, clock)
            return
        for k in range(MOST_ROUNDS):
            began, end = clock(), last if k == 0 else until
            if began + round_s > end:
                return
            for step, limit in enumerate(self.tried if k % 2 == 0 else self.tried[::-1]):
                if clock() + pass_s > end:  # this round takes longer than was expected
                    return
                _tell(progress, k * len(self.tried) + step, total, limit)
                self._pass(limit, self._only)
            round_s = clock() - began
            pass_s = round_s / len(self.tried)

    def _once(
        self,
        until: float,
        walls_s: Sequence[float],
        progress: Callable[[int, int, str], None] | None,
        clock: Callable[[], float],
    ) -> None:
        """Try the lowest number of threads beside the default, for as many nodes as there is time for."""
        default, lowest, *others = self.tried
        left = set(self._nodes)
        every = self._only
        done, pace = 0, 1.0
        while left:
            pass_s = (until - clock()) / (2 * pace)
            fit = that_fit(left, self._stakes_s, lambda i: self._needs([i]), walls_s, pass_s)
            if not fit:
                return
            its = self._needs(fit)
            expected_s, began = sum(walls_s[i] for i in its), clock()
            for limit in (default, lowest):
                if clock() + (pace * expected_s if limit is None else 0.0) > until:
                    return
                _tell(progress, done, done + 2, limit)
                self._pass(limit, its)
                done += 1
            if expected_s > 0:
                pace = max(pace, (clock() - began) / (2 * expected_s))  # never faster than was expected
            left.difference_update(fit)
        pass_s = pace * sum(walls_s[i] for i in every)
        for limit in others:
            if clock() + pass_s > until:
                return
            _tell(progress, done, done + 1, limit)
            self._pass(limit, every)
            done += 1

    def _needs(self, nodes: Collection[int]) -> frozenset[int]:
        return ancestors(self._program, nodes) & self._walked

    def trials(self) -> dict[int, ThreadTrials]:
        """Return what was measured so far, for each node with at least its default and one limit."""
        found = {}
        for i in dict.fromkeys(i for i, _ in self._calls):
            default = _trial(self._default, self._calls[i, None], self._cores)
            tried = [
                trial
                for limit in self.tried
                if limit is not None
                and (trial := _trial(limit, self._calls[i, limit], self._cores)) is not None
            ]
            if default is not None and tried:
                found[i] = ThreadTrials(self._pools.names, default, tuple(tried))
        return found

    def _pass(self, limit: int | None, only: frozenset[int]) -> None:
        with Stopwatch() as watch:

            def do(works: list[Work]) -> list[Outcome]:
                (work,) = works
                calls = self._calls.get((work.node, limit))
                if calls is not None:
                    self._quiet.after(self._last, unmeasured=self._unmeasured)
                self._unmeasured = calls is None
                try:
                    if calls is None:
                        return [Outcome(work.fn(*work.args))]
                    if limit is None:
                        value, passed = _timed(watch, work)
                    else:
                        with self._pools.limited(limit):
                            value, passed = _timed(watch, work)
                except KeyboardInterrupt:
                    raise
                except BaseException as error:
                    return [Outcome(None, error)]
                calls.append(passed)
                self._last = Call(run="", wall_s=0, cpu_s=0, other_cpu_s=passed.other_cpu_s)
                return [Outcome(value)]

            gc.collect()
            with fresh(self._inputs) as values:
                walk(self._program, values, do, only=only)


def _tell(progress: Callable[[int, int, str], None] | None, done: int, total: int, limit: int | None) -> None:
    if progress is not None:
        progress(done, total, f"native threads: {'own' if limit is None else limit}")


def _timed(watch: Stopwatch, work: Work) -> tuple[Any, Clocks]:
    began = watch.begin()
    value = work.fn(*work.args)
    return value, watch.end(began)


def _trial(threads: int, calls: Sequence[Clocks], cores: float) -> ThreadTrial | None:
    if not calls:
        return None
    return ThreadTrial(
        threads=threads,
        wall_s=median(max(0.0, its.wall_s - foreign_delay_s(its, cores)) for its in calls),
        cpu_s=median(its.cpu_s + its.other_cpu_s for its in calls),
        calls=len(calls),
    )
