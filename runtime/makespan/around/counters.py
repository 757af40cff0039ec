"""What nodes take in production: a running mean of each node's wall time, compared with the plan.

The mean forgets: each call counts a tenth, the one before nine tenths of that, and so on (an exponentially
weighted moving average; until ten calls are counted, the plain mean). It is compared after `LEAST_CALLS`
calls. A node that has left the planned range is back when its mean is well within it, so that one at its edge
is not told of again and again.

Counting takes no lock: of two calls of a node that end in the same instant one may be lost to the mean, which
does not matter. That a node left its range is told once, however many calls see it.

Counted are calls that return. Nodes of less than `SMALL_S` are left alone (the count would be a part of what
it counts), and so are nodes with a cache or a set-up, whose result is mostly there already, and members of
clusters, which run in another process. Members of chains are counted one by one.
"""

from __future__ import annotations

from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Any

from makespan.around.conditions import SKIPPED
from makespan.around.drift import FACTOR, band, drift_of, least_s
from makespan.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from makespan.around.drift import Band, Drift
    from makespan.graph import DAG
    from makespan.plan import Plan
    from makespan.preparing.fit import Fit
    from makespan.preparing.program import Program

WEIGHT = 0.1
LEAST_CALLS = 20
SMALL_S = 100e-6


class Counter:
    """One node's running mean, and whether it has left what was planned."""

    __slots__ = ("back", "calls", "mean_s", "name", "out", "planned_s", "within")

    def __init__(self, name: str, planned_s: float, least: float) -> None:
        self.name = name
        self.planned_s = planned_s
        self.within = band(planned_s, least)
        self.back: Band = band(planned_s, least / 2, FACTOR**0.5)
        self.mean_s = 0.0
        self.calls = 0
        self.out = False


class Counters:
    """The counters of a prepared DAG.

    Parameters
    ----------
    plan : Plan
    apart : collection of str
        Nodes that are not counted.
    tell : callable, optional
        Called with a `Drift`, in the thread of the node, when a node leaves what was planned; again after it
        came back and left once more. What it raises is logged.
    """

    def __init__(
        self, plan: Plan, apart: Collection[str] = (), tell: Callable[[Drift], object] | None = None
    ) -> None:
        least = least_s(plan)
        self._of = {
            node.name: Counter(node.name, node.duration_s, least)
            for node in plan.nodes
            if node.duration_s >= SMALL_S and node.name not in apart
        }
        self._tell = tell
        self._lock = Lock()

    def drift(self) -> list[Drift]:
        """Return the nodes that do not take the planned time now, in the plan's order."""
        return [drift_of(its.name, its.planned_s, its.mean_s) for its in self._of.values() if its.out]

    def counting(self, program: Program) -> Program:
        """Return a program whose calls are counted."""
        calls = program.calls.copy()
        for i, name in enumerate(program.structure.names):
            counter = self._of.get(name)
            if counter is not None and i not in program.scatter:  # else it stands for a cluster
                calls[i] = self._counted(calls[i], counter)
        return program._replace(calls=calls)

    def _counted(self, call: Callable[..., Any], its: Counter) -> Callable[..., Any]:
        low_s, high_s = its.within
        back_low_s, back_high_s = its.back
        crossed = self._crossed

        def counted(*slots: Any) -> Any:
            begun = perf_counter()
            result = call(*slots)
            took = perf_counter() - begun
            if result is SKIPPED:
                return result
            calls = its.calls + 1
            its.calls = calls
            mean = its.mean_s
            mean += (took - mean) * (WEIGHT if calls > 10 else 1 / calls)
            its.mean_s = mean
            if calls >= LEAST_CALLS and (
                back_low_s <= mean <= back_high_s if its.out else not low_s <= mean <= high_s
            ):
                crossed(its, mean)
            return result

        return counted

    def _crossed(self, its: Counter, mean_s: float) -> None:
        with self._lock:  # several calls may see it at once: one tells of it
            if its.out:
                its.out = mean_s not in its.back
                return
            if mean_s in its.within:
                return
            its.out = True
        if self._tell is not None:
            try:
                self._tell(drift_of(its.name, its.planned_s, mean_s))
            except Exception:
                import logging

                logging.getLogger("makespan").exception("what is told of drift raised for %r", its.name)


def counters_of(
    dag: DAG[..., Any], plan: Plan | None, fitted: Fit, drift: Callable[[Drift], object] | bool
) -> Counters:
    """Return the counters that a prepared DAG was asked for.

    Raises
    ------
    OptionError
        There is no plan to compare with.
    """
    if plan is None:
        raise OptionError(
            "compares with a plan, and there is none", where="drift", hint="prepare with a plan"
        )
    apart = {
        name
        for i, (name, node) in enumerate(list(dag.nodes.items()))
        if i in fitted.vacant or node.options.cache is not None or node.options.setup
    }
    return Counters(plan, apart, None if isinstance(drift, bool) else drift)
