"""For tests of DAGs and of what runs them: a virtual clock, and random DAGs.

A `VirtualClock` lets a run of sleeping nodes take no time: nodes call ``clock.sleep(2.0)``, and whenever all
of the run's workers sleep or have nothing to do, the clock jumps to the next end. What started when is then
exact and repeatable, although real threads ran.
"""

from __future__ import annotations

import random
import threading
import time
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from makespan.engine.executor import Execution, Trace
from makespan.graph import DAG

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan.engine.tables import Tables
    from makespan.preparing.prepared import Prepared


class VirtualClock:
    """A clock that stands still while anything works.

    >>> clock = VirtualClock()
    >>> d = DAG("two")
    >>> _ = [d.add(clock.sleep, 3.0), d.add(clock.sleep, 5.0)]
    >>> trace, _ = clock.run(d.prepare(threads=2))
    >>> trace.end
    [3000000000, 5000000000]
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now_ns = 1  # 0 says 'not yet' in a trace
        self._sleepers: list[tuple[int, int, threading.Event]] = []
        self._count = 0

    def now_ns(self) -> int:
        """Return the virtual time in nanoseconds."""
        return self._now_ns

    def sleep(self, seconds: float) -> None:
        """Block until `seconds` of virtual time have passed."""
        self.sleep_ns(round(seconds * 1e9))

    def sleep_ns(self, duration_ns: int) -> None:
        """Block until so many virtual nanoseconds have passed."""
        woken = threading.Event()
        with self._lock:
            self._count += 1
            heappush(self._sleepers, (self._now_ns + duration_ns, self._count, woken))
        woken.wait()

    def run(
        self, prepared: Prepared, *, tables: Tables | None = None, **inputs: Any
    ) -> tuple[Trace, Execution]:
        """Run a prepared DAG whose nodes sleep on this clock.

        Limits of time are of real time. Each hand-off between threads is worth it: it takes no virtual time.

        Parameters
        ----------
        prepared : Prepared
        tables : Tables, optional
            Of another engine than the one that fits.
        **inputs
            The DAG's.

        Returns
        -------
        trace : Trace
            Starts and ends in virtual nanoseconds from the start of the run.
        execution : Execution
            With the failures and the kept results.
        """
        trace = Trace(len(prepared.program.calls), self.now_ns)
        terms = prepared.terms._replace(worth=None)
        execution = Execution(prepared.program, prepared.rules, inputs, trace, terms, tables)
        over = threading.Event()
        driver = threading.Thread(target=self._drive, args=(execution, over), daemon=True)
        begun = self._now_ns
        driver.start()
        try:
            execution.run()
        finally:
            over.set()
            driver.join()
        for stamps in (trace.start, trace.end):
            stamps[:] = [stamp - begun for stamp in stamps]
        return trace, execution

    def _drive(self, execution: Execution, over: threading.Event) -> None:
        """Wake one sleeper at a time, and only when every worker sleeps and no node could start."""
        while not over.is_set():
            with execution.lock, self._lock:
                if self._sleepers and execution.is_asleep(len(self._sleepers)):
                    self._now_ns, _, woken = heappop(self._sleepers)
                    woken.set()
            time.sleep(20e-6)


def random_edges(n: int, degree: float = 1.6, *, seed: int = 0, layers: int | None = None) -> list[list[int]]:
    """Return the predecessors of each node of a random DAG.

    Parameters
    ----------
    n : int
        Nodes; they are in a topological order.
    degree : float
        Mean number of predecessors.
    seed : int
    layers : int, optional
        With layers, predecessors come from the layer before; else from anywhere before.

    >>> random_edges(4, seed=3) == random_edges(4, seed=3)
    True
    """
    rng = random.Random(seed)  # noqa: S311 (not for secrets)
    width = max(1, n // layers) if layers else 0
    preds: list[list[int]] = []
    for i in range(n):
        if layers:
            first = max(0, (i // width - 1) * width)
            pool = range(first, min(i, first + width)) if i >= width else range(0)
        else:
            pool = range(i)
        wanted = min(len(pool), int(degree) + (rng.random() < degree % 1))
        preds.append(sorted(rng.sample(pool, wanted)))
    return preds


def dag_of(
    preds: Sequence[Sequence[int]], function: Callable[[int], Callable[..., Any]], **options: Any
) -> DAG[..., Any]:
    """Build a DAG from predecessor lists; node ``i`` is named ``n<i>`` and calls ``function(i)``.

    Parameters
    ----------
    preds : sequence of sequences of int, shape (n, *)
        Predecessors of each node, all smaller than it.
    function : callable
        Returns what node `i` calls; it gets the results of the predecessors.
    **options
        ``lock=lambda i: …`` and the like: options of `DAG.add`, each a function of the node's number.

    >>> dag_of([[], [0], [0, 1]], lambda i: lambda *got: i + sum(got))()
    {'n2': 3}
    """
    made: DAG[..., Any] = DAG("random")
    results: list[Any] = []
    for i, some in enumerate(preds):
        chosen = {name: value(i) for name, value in options.items()}
        results.append(made.add(function(i), *[results[p] for p in some], name=f"n{i}", **chosen))
    return made
