"""A run that is over: its result, and the record of what started where and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan._version import __version__
from makespan.fingerprints.fingerprint import relative_place
from makespan.machine import this_machine
from makespan.plan import DagId
from makespan.preparing.restricting import values_of
from makespan.record import NodeStatus, RunFailure, RunNode, RunRecord, RunStatus

if TYPE_CHECKING:
    import datetime
    import os
    from collections.abc import Collection, Mapping

    from makespan.around.drift import Drift
    from makespan.engine.executor import Trace
    from makespan.preparing.prepared import Prepared
    from makespan.profile import Profile
    from makespan.structure import Structure
    from makespan_optimizer.measure.insitu import InSitu


class Run:
    """What `DAG.run` returns.

    Attributes
    ----------
    record : RunRecord
        What run.json holds.
    error : BaseException or None
        What the run raised: a node's exception, an ExceptionGroup, TimeoutError, KeyboardInterrupt.
    values : dict of str to Any
        The results of the targets by name, where there were any; None in place of what did not come.
    failed : dict of str to BaseException
        What each failed node raised, by name.
    """

    __slots__ = ("_partial", "_result", "error", "failed", "record", "values")

    def __init__(
        self,
        result: Any,
        record: RunRecord,
        error: BaseException | None = None,
        *,
        values: Mapping[str, Any] | None = None,
        failed: Mapping[str, BaseException] | None = None,
        partial: bool = False,
    ) -> None:
        self._result = result
        self._partial = partial
        self.record = record
        self.error = error
        self.values: dict[str, Any] = dict(values or {})
        self.failed: dict[str, BaseException] = dict(failed or {})

    @property
    def result(self) -> Any:
        """What the DAG returns; raises what the run raised, if it failed.

        With ``on_error="continue"`` a failed node does not raise here: None stands for what did not come.
        """
        if not self._partial:
            self.raise_for_error()
        return self._result

    @property
    def skipped(self) -> tuple[str, ...]:
        """Names of the nodes that were skipped, in the order in which they were passed over."""
        return tuple(node.name for node in self.record.nodes if node.status == "skipped")

    @property
    def drift(self) -> list[Drift]:
        """Nodes that did not take the planned time, by `makespan.around.drift`; none without a plan.

        A node whose result was there already (a cache, a set-up) counts as faster than planned.
        """
        from makespan.around.drift import drift_of_runs

        return drift_of_runs(self.record.plan, [self.record]) if self.record.plan is not None else []

    @property
    def makespan_s(self) -> float:
        """Wall seconds from the start of the run to its end."""
        return self.record.makespan_s

    def raise_for_error(self) -> None:
        """Raise what the run raised, if it failed."""
        if self.error is not None:
            raise self.error

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write run.json; see `RunRecord.save`."""
        self.record.save(path, force=force)

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,  # noqa: A002
        force: bool = False,
        profile: Profile | None = None,
    ) -> None:
        """Write the Gantt report, as html, png, svg, pdf, text, trace or json: by the name's ending.

        With a profile it tells of each node what it does alone.

        Raises
        ------
        OptionError
            The path cannot be written, or the format is unknown.
        MissingExtraError
            png, svg and pdf need matplotlib.
        ProfileError
            The profile has no node in common with the run.
        """
        from makespan.showing.report import write_report

        write_report(self.record, path, format=format, force=force, profile=profile)

    def summary(self) -> str:
        """Say in a few lines how the run went against its plan."""
        from makespan.showing.text import run_summary

        return run_summary(self.record)

    def _repr_html_(self) -> str:
        """Return headline and Gantt, for notebooks."""
        from makespan.showing.reprs.cards import run_card

        return run_card(self.record)

    def __repr__(self) -> str:
        return f"<Run of {self.record.dag.name!r}: {self.record.status}, {self.makespan_s:.3f} s>"


def run_of(
    prepared: Prepared,
    record: RunRecord,
    error: BaseException | None,
    failures: list[tuple[int, BaseException]],
    kept: Mapping[int, Any],
    inputs: Mapping[str, Any],
) -> Run:
    """Put together what a run is, once its record is made.

    Parameters
    ----------
    prepared, record
    error : BaseException or None
        What ended the run from outside, Ctrl-C or a time limit; not what nodes raised.
    failures : list of (int, BaseException)
        What nodes raised.
    kept : mapping of int to Any
        Results that came and are returned.
    inputs : mapping of str to Any
    """
    from makespan.engine.failure import joined

    program = prepared.program
    names = program.structure.names
    partial = prepared.terms.go_on and error is None
    failed = {names[i]: raised for i, raised in failures}
    if error is None and failures:
        error = joined(program, failures)
    result = program.output(kept, inputs) if partial or error is None else None
    return Run(result, record, error, values=values_of(program, kept), failed=failed, partial=partial)


def record_of(
    prepared: Prepared,
    trace: Trace,
    begun: int,
    ended: int,
    at: datetime.datetime,
    failures: list[tuple[int, BaseException]],
    *,
    ended_by: BaseException | None = None,
    overdue: Collection[int] = (),
    notes: tuple[str, ...] = (),
    meters: InSitu | None = None,
) -> RunRecord:
    """Turn a trace, and what was measured meanwhile, into a record; closes `meters`.

    Parameters
    ----------
    prepared, trace
    begun, ended : int
        Moments of the trace's clock.
    at : datetime
    failures : list of (int, BaseException)
    ended_by : BaseException or None
        What ended the run from outside: its time limit, Ctrl-C.
    overdue : collection of int
        Nodes that failed because they took longer than their own limit.
    notes : tuple of str
    """
    if meters is not None:
        meters.close()  # it takes a moment, in which Ctrl-C must not cost the record: see makespan.cli.ctrl_c
    structure = prepared.program.structure
    names, left_out = structure.names, prepared.program.chosen.left_out
    failed = {i for i, _ in failures}
    skipped, attempts, process = trace.skipped, trace.attempts, trace.process
    started = sorted((i for i, start in enumerate(trace.start) if start), key=lambda i: (trace.start[i], i))
    thread_of: dict[int, int] = {}
    if started:
        from threading import get_ident

        thread_of[get_ident()] = 0
    measured = meters.results() if meters is not None else [None] * len(trace.start)
    nodes = []
    for i in started:
        start, end = trace.start[i], trace.end[i]
        status: NodeStatus = "ok" if end else "unfinished"
        if i in overdue:
            status = "timed out"
        elif i in failed:
            status = "failed"
        elif i in skipped:
            status, end = "skipped", start
        nodes.append(
            RunNode(
                name=names[i],
                start_s=max(0, start - begun) / 1e9,
                end_s=max(0, (end or ended) - begun) / 1e9,
                thread=thread_of.setdefault(trace.ident[i], len(thread_of)),
                status=status,
                after=tuple(names[p] for p in structure.preds[i]),
                measured=None if status == "skipped" else measured[i],
                attempts=attempts.get(i, 1),
                process=process.get(i),
            )
        )
    idle = {i: None for i, start in enumerate(trace.start) if not start and i not in left_out}
    dropped: Collection[int] = ()
    if prepared.terms.go_on:
        dropped = idle if ended_by is None else _behind(structure, failed)
    status_of_run: RunStatus = "failed" if failures else "ok"
    if ended_by is not None:
        status_of_run = "timed out" if isinstance(ended_by, TimeoutError) else "interrupted"
    return RunRecord(
        makespan_version=__version__,
        dag=DagId(prepared.dag.name, prepared.fingerprint, prepared.dag.target),
        machine=this_machine(),
        started_at=at.isoformat(timespec="milliseconds"),
        threads=prepared.threads,
        status=status_of_run,
        makespan_s=(ended - begun) / 1e9,
        failures=tuple(
            RunFailure(names[i], type(error).__name__, relative_place(prepared.program.places[i]))
            for i, error in failures
        ),
        not_started=tuple(names[i] for i in idle if i not in dropped),
        dropped=tuple(names[i] for i in idle if i in dropped),
        left_out=tuple(names[i] for i in sorted(left_out)),
        sampler=meters.source if meters is not None else None,
        notes=(*notes, *(meters.notes if meters is not None else ())),
        nodes=tuple(nodes),
        plan=prepared.plan,
    )


def _behind(structure: Structure, failed: Collection[int]) -> frozenset[int]:
    """Return the nodes that wait for a failed one, directly or not."""
    found: set[int] = set()
    left = list(failed)
    while left:
        fresh = [s for s in structure.succs[left.pop()] if s not in found]
        found.update(fresh)
        left += fresh
    return frozenset(found)
