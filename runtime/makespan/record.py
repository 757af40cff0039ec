"""run.json: what started where and when, with the plan that it followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from makespan.errors import PlanError, RecordError
from makespan.files import ensure_replaceable, read_bytes, write_atomic
from makespan.jsontext import convert, format_of, readable, strict_json
from makespan.machine import Machine
from makespan.measurement import BLOCKED, Measured, SamplerSource
from makespan.plan import DagId, Name, Plan, Seconds, Threads
from makespan.plan_check import check_plan

if TYPE_CHECKING:
    import os

FORMAT: Literal["makespan-run/1"] = "makespan-run/1"

NodeStatus = Literal["ok", "failed", "unfinished", "skipped", "timed out"]
RunStatus = Literal["ok", "failed", "interrupted", "timed out"]


class RunNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One node as it ran; seconds count from the start of the run."""

    name: Name
    start_s: Seconds
    end_s: Seconds
    """Of a skipped node: its start, the moment at which it was passed over."""
    thread: Annotated[int, Meta(ge=0)]
    """0 is the thread that called; helpers are numbered as they appear."""
    status: NodeStatus = "ok"
    after: tuple[str, ...] = ()
    measured: Measured | None = None
    attempts: Annotated[int, Meta(ge=1)] = 1
    """How often its function was called: more than once when it was tried again."""
    process: Annotated[int, Meta(ge=0)] | None = None
    """The worker process that it ran in, while `thread` waited for it; None: it ran in the thread."""

    @property
    def duration_s(self) -> float:
        """Wall seconds from start to end."""
        return self.end_s - self.start_s


class RunFailure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A node that raised: the exception's type and the place, never its values."""

    node: str
    type: str
    place: str = ""


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Interleaved repeats of the default order and of the plan, on the same budget."""

    default_s: tuple[Seconds, ...]
    planned_s: tuple[Seconds, ...]
    sequential_s: Seconds | None = None


class RunRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A run: starts, ends and threads of its nodes, and the plan (or None) that it followed."""

    format: Literal["makespan-run/1"] = FORMAT
    makespan_version: str
    dag: DagId
    machine: Machine
    started_at: str
    """UTC, ISO 8601."""
    threads: Threads
    status: RunStatus
    makespan_s: Seconds
    failures: tuple[RunFailure, ...] = ()
    not_started: tuple[str, ...] = ()
    """Nodes whose turn had not come when the run ended early."""
    dropped: tuple[str, ...] = ()
    """Nodes that could not run because one that they wait for had failed, while the others went on."""
    left_out: tuple[str, ...] = ()
    """Nodes that were not to run: not selected, or their results were given."""
    comparison: Comparison | None = None
    sampler: SamplerSource | None = None
    """How `RunNode.measured` was had; None: the run was not measured."""
    notes: tuple[str, ...] = ()
    nodes: tuple[RunNode, ...]
    """In the order of their starts."""
    plan: Plan | None = None

    def __repr__(self) -> str:
        ran = f"{self.status}, nodes {len(self.nodes)}, {self.makespan_s:.3g} s"
        return f"<RunRecord of {self.dag.name!r}: {ran}>"

    def _repr_html_(self) -> str:
        """Return headline and Gantt, for notebooks."""
        from makespan.showing.reprs.cards import run_card

        return run_card(self)

    def to_json(self) -> bytes:
        """Return the file's content, a line a node."""
        return readable(msgspec.to_builtins(self))

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write run.json whole or not at all.

        Raises
        ------
        OptionError
            The path cannot be written, or holds a file of another kind and `force` is not set.
        """
        ensure_replaceable(path, "makespan-run", force=force)
        write_atomic(path, self.to_json())

    def to_frame(self) -> Any:
        """Return a ``pandas.DataFrame``, a row a node in the order of the starts, beside what was planned.

        Raises
        ------
        MissingExtraError
            pandas is not installed.
        """
        from makespan.exporting.rows import to_frame

        return to_frame(self)


def load_record(path: str | os.PathLike[str]) -> RunRecord:
    """Read run.json (``-`` reads standard input).

    Raises
    ------
    RecordError
        Not a run, or not consistent; with file and JSON pointer.
    """
    return parse_record(read_bytes(path, RecordError), str(path))


def parse_record(data: bytes, where: str = "run") -> RunRecord:
    """Read a run from bytes; see `load_record`."""
    body: Any = strict_json(data, where, RecordError, typed=True)
    format_of(body, FORMAT, where, RecordError)
    record = convert(body, RunRecord, where, RecordError)
    _check(record, where)
    return record


def waited_for(record: RunRecord) -> dict[str, tuple[str, ...]]:
    """Return what each node waited for; in place of a skipped node, what that one had waited for."""
    waited: dict[str, tuple[str, ...]] = {}
    behind: dict[str, tuple[str, ...]] = {}
    for node in record.nodes:
        waited[node.name] = tuple(dict.fromkeys(p for name in node.after for p in behind.get(name, (name,))))
        if node.status == "skipped":
            behind[node.name] = waited[node.name]
    return waited


def _check_measured(record: RunRecord, node: RunNode, where: str) -> None:
    """Refuse measurements of a run that was not measured, of unknown kind, or of more time than passed."""
    measured = node.measured
    if measured is None:
        return
    if record.sampler is None:
        raise RecordError(f"{node.name!r} was measured, but the run was not", where=where)
    for kind in measured.blocked_s:
        if kind not in BLOCKED:
            raise RecordError(f"{kind!r} is not a way to be blocked", where=f"{where}/blocked_s")
    if measured.total_s > node.duration_s * (1 + 1e-6) + 1e-6:
        raise RecordError(
            f"the parts of {node.name!r} take {measured.total_s:g} s, more than its {node.duration_s:g} s",
            where=where,
        )


def _check(record: RunRecord, where: str) -> None:
    """Refuse what types cannot express: a node twice or unknown, an end before its start, a wrong plan."""
    names = [node.name for node in record.nodes]
    names += [*record.not_started, *record.dropped, *record.left_out]
    known = set(names)
    if len(known) < len(names):
        raise RecordError("a node stands twice", where=f"{where}#/nodes")
    for i, node in enumerate(record.nodes):
        if node.end_s < node.start_s:
            raise RecordError(f"{node.name!r} ends before it starts", where=f"{where}#/nodes/{i}/end_s")
        if node.status == "skipped" and (node.end_s > node.start_s or node.measured is not None):
            raise RecordError(f"{node.name!r} was skipped, but took time", where=f"{where}#/nodes/{i}/end_s")
        _check_measured(record, node, f"{where}#/nodes/{i}/measured")
        for name in node.after:
            if name not in known:
                raise RecordError(
                    f"{node.name!r} waited for {name!r}, which is not in the run",
                    where=f"{where}#/nodes/{i}/after",
                )
    for i, failure in enumerate(record.failures):
        if failure.node not in known:
            raise RecordError(
                f"{failure.node!r} failed, but is not in the run", where=f"{where}#/failures/{i}"
            )
    if record.plan is not None:
        try:
            check_plan(record.plan, f"{where}#/plan")
        except PlanError as error:
            raise RecordError(
                error.problem, where=(error.where or where).replace("#/plan#", "#/plan")
            ) from error
