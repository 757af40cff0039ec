"""How long a node takes with 1, 2, ... native threads, and a whole run in parallel with and without a limit.

Libraries start as many threads as there are cores, each for itself: two nodes at once then want twice the
cores, and small work is slower on many threads than on one. Passes with each limit alternate with passes
without one, all in one session; the limit is set around the nodes that use native pools, and nowhere else.
"""

from __future__ import annotations

import gc
import time
from statistics import median
from typing import TYPE_CHECKING, Any

from makespan.dispatch import Rules
from makespan.engine.executor import Execution
from makespan.engine.failure import raise_failures
from makespan.machine import usable_cores
from makespan.measurement import Call, ThreadTrial, ThreadTrials
from makespan.preparing.order import bottom_levels, ranks_by
from makespan_optimizer.measure.calls import foreign_delay_s
from makespan_optimizer.measure.clocks import Stopwatch
from makespan_optimizer.measure.quiet import Quiet
from makespan_optimizer.measure.trials.together import fresh
from makespan_optimizer.measure.walk import Outcome, Work, ancestors, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

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
    """

    def __init__(
        self,
        program: Program,
        inputs: Inputs,
        nodes: Sequence[int],
        limits: Sequence[int],
        pools: Pools,
        walked: Collection[int],
    ) -> None:
        self._program = program
        self._inputs = inputs
        self._pools = pools
        self._default = pools.default_threads()
        self._cores = usable_cores()
        self._quiet = Quiet()
        self._last: Call | None = None
        self._unmeasured = False  # something of which there is no record ran last
        self._only = ancestors(program, nodes) & frozenset(walked)
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
    ) -> None:
        """Measure round after round, as long as a whole round fits before the clock says `until`.

        A round that takes longer than was expected is broken off.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C.
        """
        pass_s = sum(walls_s[i] for i in self._only)
        round_s = len(self.tried) * pass_s
        total = MOST_ROUNDS * len(self.tried)
        for k in range(MOST_ROUNDS):
            began = clock()
            if began + round_s > until:
                return
            for step, limit in enumerate(self.tried if k % 2 == 0 else self.tried[::-1]):
                if clock() + pass_s > until:  # this round takes longer than was expected
                    return
                if progress is not None:
                    words = "own" if limit is None else str(limit)
                    progress(k * len(self.tried) + step, total, f"native threads: {words}")
                self._pass(limit)
            round_s = clock() - began
            pass_s = round_s / len(self.tried)

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

    def _pass(self, limit: int | None) -> None:
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
                walk(self._program, values, do, only=self._only)


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


def parallel_s(
    program: Program,
    inputs: Inputs,
    walls_s: Sequence[float],
    budget: int,
    limit: int | None,
    pools: Pools,
) -> float:
    """Return the seconds of one run in parallel, critical path first; with every native pool limited, or not.

    Raises
    ------
    Exception
        A node raised: its own exception.
    KeyboardInterrupt
        Ctrl-C.
    """
    structure = program.structure
    rules = Rules(structure, ranks_by(bottom_levels(structure, walls_s)), budget)
    gc.collect()
    if limit is None:
        return _run_s(program, rules, inputs)
    with pools.limited(limit):
        calls = [_limited(call, limit, pools) for call in program.calls]
        return _run_s(program._replace(calls=calls), rules, inputs)


def _run_s(program: Program, rules: Rules, inputs: Inputs) -> float:
    with fresh(inputs) as values:
        execution = Execution(program, rules, values)
        began = time.perf_counter()
        execution.run()
        passed_s = time.perf_counter() - began
    if execution.failures:
        raise_failures(program, execution.failures)
    return passed_s


def _limited(call: Callable[..., Any], limit: int, pools: Pools) -> Callable[..., Any]:
    """Return the call with the pools limited that count for each thread by itself."""

    def limited(*args: Any) -> Any:
        with pools.limited_here(limit):
            return call(*args)

    return limited
