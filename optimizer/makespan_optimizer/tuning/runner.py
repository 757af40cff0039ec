"""Runs ways for real, one run at a time, and watches what other processes take of the cores meanwhile."""

from __future__ import annotations

import gc
import sys
from collections import deque
from contextlib import suppress
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.preparing.prepared import run as run_prepared
from makespan.processes import close_workers
from makespan_optimizer.measure.load import ForeignLoad

if TYPE_CHECKING:
    from collections.abc import Mapping

    from makespan.graph import DAG
    from makespan.preparing.prepared import Prepared
    from makespan.record import RunRecord
    from makespan.run import Run
    from makespan_optimizer.measure.inputs import Inputs
    from makespan_optimizer.tuning.ways import Way

MUCH = 0.10
"""Of the cores, more than usual, taken by others: a turn of such a run is made again."""
MEASURED = 2
TWICE = 2
"""So often at most."""
_USUAL_OF = 6  # runs, before anything is called usual
_KEPT = 5


class CannotRunError(Exception):
    """A way cannot be run, though others can; its cause says why."""


class Load(NamedTuple):
    """How disturbed the runs were; shares of the cores."""

    turn: list[float]
    """Of the turn under way."""
    before: list[float]


class Runner:
    """Prepares ways and runs them.

    Parameters
    ----------
    dag : DAG
        Its caches are emptied before each run; see `standing_in.own_caches`.
    inputs : Inputs
        Their sets, and hooks around each run.
    threads : int, optional
        The most that may be used, which then holds for the default too.

    Attributes
    ----------
    records : dict of str to deque of RunRecord
        The last runs of each way.
    """

    def __init__(self, dag: DAG[..., Any], inputs: Inputs, threads: int | None = None) -> None:
        self._dag = dag
        self._inputs = inputs
        self._threads = threads
        self._prepared: dict[str, Prepared] = {}
        self.records: dict[str, deque[RunRecord]] = {}
        self.load = Load([], [])
        declared = any(node.options.mode == "process" for node in dag.nodes.values())
        self._had_workers = declared or any_workers()

    def run(self, way: Way, turn: int, *, measure: bool = False) -> float:
        """Run a way once with the inputs of a turn, from a clean heap, and return its makespan in seconds.

        Raises
        ------
        CannotRunError
            A way that uses worker processes failed, or its plan cannot be followed.
        Exception
            A node raised: its own exception.
        KeyboardInterrupt
        """
        try:
            prepared = self._ready(way)
        except Exception as error:
            if way.default:
                raise
            raise CannotRunError(str(error)) from error
        with self._inputs.run(turn) as values:
            done = self._one(prepared, values, measure=measure)
        if done.error is not None:
            if way.processes and not way.default and isinstance(done.error, Exception):
                raise CannotRunError(f"{type(done.error).__name__}: {done.error}") from done.error
            done.raise_for_error()
        self.records.setdefault(way.name, deque(maxlen=_KEPT)).append(done.record)
        return done.makespan_s

    def measure(self, way: Way, turn: int, times: int) -> None:
        """Run a way some times more, `MEASURED` at most, with each node measured; such runs do not count."""
        for _ in range(min(MEASURED, times)):
            with suppress(CannotRunError):
                self.run(way, turn, measure=True)
        self.load.turn.clear()

    def close(self) -> None:
        """End the worker processes that only the race has used."""
        if not self._had_workers:
            close_workers()

    def _one(self, prepared: Prepared, values: Mapping[str, Any], *, measure: bool) -> Run:
        self._dag.clear_cache()
        gc.collect()
        foreign = ForeignLoad()
        done = run_prepared(prepared, (), values, measure=measure)
        share = foreign.share()
        if share is not None:
            self.load.turn.append(share)
        return done

    def _ready(self, way: Way) -> Prepared:
        found = self._prepared.get(way.name)
        if found is None:
            if not way.default:
                found = self._dag.prepare(way.plan)
            elif self._threads is None:
                found = self._dag.prepare()
            else:
                found = self._dag.prepare(threads=way.plan.threads)
            found.warm()  # what workers import for it belongs to no turn
            self._prepared[way.name] = found
        return found

    def disturbed(self) -> bool:
        """Say whether others took far more than usual in a run of the turn that was just made."""
        turn, before = self.load
        known = len(before) + len(turn) >= _USUAL_OF
        return known and bool(turn) and max(turn) > median([*before, *turn]) + MUCH

    def turn_ends(self, *, counts: bool) -> None:
        """Remember the load of a turn, or forget it with the turn."""
        if counts:
            self.load.before.extend(self.load.turn)
        self.load.turn.clear()

    @property
    def foreign_load(self) -> float | None:
        """Mean share of the cores that others took in the turns that count; None: not known."""
        every = [*self.load.before, *self.load.turn]
        return fmean(every) if every else None


def any_workers() -> bool:
    """Say whether this process has worker processes."""
    module = sys.modules.get("makespan.processes.pool")
    return module is not None and bool(module.pool._all)  # noqa: SLF001
