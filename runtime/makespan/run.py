"""A run that is over: its result, and the record of what started where and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan._version import __version__
from makespan.fingerprint import relative_place
from makespan.machine import this_machine
from makespan.plan import DagId
from makespan.record import RunFailure, RunNode, RunRecord

if TYPE_CHECKING:
    import datetime
    import os

    from makespan.executor import Trace
    from makespan.prepared import Prepared
    from makespan_optimizer.measure.insitu import InSitu


class Run:
    """What `DAG.run` returns.

    Attributes
    ----------
    record : RunRecord
        What run.json holds.
    error : BaseException or None
        What the run raised: a node's exception, an ExceptionGroup, KeyboardInterrupt.
    """

    __slots__ = ("_result", "error", "record")

    def __init__(self, result: Any, record: RunRecord, error: BaseException | None = None) -> None:
        self._result = result
        self.record = record
        self.error = error

    @property
    def result(self) -> Any:
        """What the DAG returns; raises what the run raised, if it failed."""
        self.raise_for_error()
        return self._result

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

    def report(self, path: str | os.PathLike[str], *, format: str | None = None, force: bool = False) -> None:  # noqa: A002
        """Write the Gantt report; the format (html, png, svg, text) follows the name's ending.

        Raises
        ------
        OptionError
            The path cannot be written, or the format is unknown.
        MissingExtraError
            png and svg need matplotlib.
        """
        from makespan.report import write_report

        write_report(self.record, path, format=format, force=force)

    def summary(self) -> str:
        """Say in a few lines how the run went against its plan."""
        from makespan.text import run_summary

        return run_summary(self.record)

    def __repr__(self) -> str:
        return f"<Run of {self.record.dag.name!r}: {self.record.status}, {self.makespan_s:.3f} s>"


def record_of(
    prepared: Prepared,
    trace: Trace,
    begun: int,
    ended: int,
    at: datetime.datetime,
    failures: list[tuple[int, BaseException]],
    *,
    interrupted: bool,
    meters: InSitu | None = None,
) -> RunRecord:
    """Turn a trace, and what was measured meanwhile, into a record; closes `meters`."""
    if meters is not None:
        meters.close()  # it takes a moment, in which Ctrl-C must not cost the record: see makespan.cli.ctrl_c
    structure = prepared.program.structure
    failed = {i for i, _ in failures}
    started = sorted((i for i, start in enumerate(trace.start) if start), key=lambda i: (trace.start[i], i))
    thread_of: dict[int, int] = {}
    if started:
        from threading import get_ident

        thread_of[get_ident()] = 0
    measured = meters.results() if meters is not None else [None] * len(trace.start)
    nodes = []
    for i in started:
        end = trace.end[i]
        nodes.append(
            RunNode(
                name=structure.names[i],
                start_s=max(0, trace.start[i] - begun) / 1e9,
                end_s=max(0, (end or ended) - begun) / 1e9,
                thread=thread_of.setdefault(trace.ident[i], len(thread_of)),
                status="failed" if i in failed else "ok" if end else "unfinished",
                after=tuple(structure.names[p] for p in structure.preds[i]),
                measured=measured[i],
            )
        )
    begun_nodes = set(started)
    return RunRecord(
        makespan_version=__version__,
        dag=DagId(prepared.dag.name, prepared.fingerprint, prepared.dag.target),
        machine=this_machine(),
        started_at=at.isoformat(timespec="milliseconds"),
        threads=prepared.threads,
        status="interrupted" if interrupted else "failed" if failures else "ok",
        makespan_s=(ended - begun) / 1e9,
        failures=tuple(
            RunFailure(structure.names[i], type(error).__name__, relative_place(prepared.program.places[i]))
            for i, error in failures
        ),
        not_started=tuple(name for i, name in enumerate(structure.names) if i not in begun_nodes),
        sampler=meters.source if meters is not None else None,
        notes=meters.notes if meters is not None else (),
        nodes=tuple(nodes),
        plan=prepared.plan,
    )
