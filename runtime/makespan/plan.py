"""plan.json: the schedule that the optimizer computed, as data.

A plan is advice on order, place and exclusion, never on meaning: whatever it says, results equal those of
running the functions one after the other. It is read strictly, because a plan that is half understood would
silently be a worse schedule: unknown keys, wrong types, NaN, an altered byte (SHA-256 of the canonical body)
or a plan for another DAG are refused before any node runs.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from makespan.errors import PlanError, did_you_mean
from makespan.files import ensure_replaceable, read_bytes, write_atomic
from makespan.jsontext import canonical, convert, format_of, readable, strict_json
from makespan.machine import Machine
from makespan.plan_check import check_plan
from makespan.plan_parts import (
    DagId,
    Evidence,
    Misjudged,
    Name,
    PlanBound,
    PlanCluster,
    PlanGroup,
    PlanNode,
    Raced,
    Robust,
    Seconds,
    Solver,
    Threads,
    WhatIf,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from makespan.adapters.sorter import Sorter
    from makespan.structure import Structure
    from makespan_optimizer.questions.explain import Explanation

__all__ = [
    "FORMAT",
    "DagId",
    "Evidence",
    "Misjudged",
    "Name",
    "Plan",
    "PlanBound",
    "PlanCluster",
    "PlanGroup",
    "PlanNode",
    "Raced",
    "Robust",
    "Seconds",
    "Solver",
    "Threads",
    "WhatIf",
    "checked_plan",
    "load_plan",
    "parse_plan",
]

FORMAT: Literal["makespan-plan/1"] = "makespan-plan/1"


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A schedule for one DAG on a thread budget, with its lower bound.

    ``makespan_s`` is what the simulator expects, contention included. ``gap`` is
    (makespan − lower bound) / makespan.
    """

    format: Literal["makespan-plan/1"] = FORMAT
    makespan_version: str
    dag: DagId
    machine: Machine
    threads: Threads
    cores: Annotated[float, Meta(gt=0, le=100_000)]
    makespan_s: Seconds
    default_makespan_s: Seconds
    """The default order in the same simulator."""
    lower_bound_s: Seconds
    binding: str
    """Which bound binds: ``critical path``, ``threads``, ``cores``, ``GIL``, ``lock matplotlib`` …"""
    gap: Annotated[float, Meta(ge=0, le=1)]
    solver: Solver
    bounds: tuple[PlanBound, ...] = ()
    """The largest first."""
    robust: Robust | None = None
    evidence: Evidence | None = None
    """What a race of real runs showed, when there was one."""
    what_if: tuple[WhatIf, ...] = ()
    groups: tuple[PlanGroup, ...] = ()
    clusters: tuple[PlanCluster, ...] = ()
    chains: tuple[tuple[Name, ...], ...] = ()
    """Nodes that one worker runs back to back: a hand-over costs more than it can win."""
    switch_interval_s: Annotated[float, Meta(gt=0, le=10)] | None = None
    """Of the interpreter, while the DAG runs; None: as it is."""
    nodes: tuple[PlanNode, ...]
    """Sorted by name."""

    def node(self, name: str) -> PlanNode:
        """Return the plan of one node.

        Raises
        ------
        PlanError
            No such node.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        known = [node.name for node in self.nodes]
        near = did_you_mean(name, known) if isinstance(name, str) else None
        raise PlanError(f"the plan has no node {name!r}", hint=near)

    def __repr__(self) -> str:
        raced = "" if self.evidence is None else f", raced: {self.evidence.over_default:.2f} x the default"
        return (
            f"<Plan of {self.dag.name!r}: nodes {len(self.nodes)}, threads {self.threads}, "
            f"{self.makespan_s:.3g} s, lower bound {self.lower_bound_s:.3g} s{raced}>"
        )

    def _repr_html_(self) -> str:
        """Return headline and Gantt, for notebooks."""
        from makespan.showing.reprs.cards import plan_card

        return plan_card(self)

    def ranks(self, structure: Structure, *, fingerprint: str, where: str = "plan") -> list[int]:
        """Return the rank of each node of a DAG, after checking that the plan is for this DAG.

        Raises
        ------
        PlanError
            Unknown or missing nodes, another fingerprint.
        """
        rank_of = {node.name: node.rank for node in self.nodes}
        missing = [name for name in structure.names if name not in rank_of]
        surplus = sorted(rank_of.keys() - set(structure.names))
        again = "profile and optimize again, or follow it in part: allow_stale, --allow-stale"
        if missing or surplus:
            what = []
            if missing:
                what.append(f"it lacks {_some(missing)}")
            if surplus:
                what.append(f"it has {_some(surplus)}, which the DAG has not")
            raise PlanError(f"the plan is for another DAG: {'; '.join(what)}", where=where, hint=again)
        if self.dag.fingerprint != fingerprint:
            raise PlanError(self._what_changed(structure), where=where, hint=again)
        return [rank_of[name] for name in structure.names]

    def _what_changed(self, structure: Structure) -> str:
        planned = {node.name: tuple(sorted(node.after)) for node in self.nodes}
        for i, name in enumerate(structure.names):
            now = tuple(sorted(structure.names[p] for p in structure.preds[i]))
            if planned[name] != now:
                return (
                    f"the plan is for another DAG: {name!r} waited for {_some(planned[name])} in the plan, "
                    f"and waits for {_some(now)} now"
                )
        return "the plan is for another DAG: the same names, but other functions"

    def to_json(self) -> bytes:
        """Return the file's content: canonical, a line a node, closed by the SHA-256 of the body."""
        body = msgspec.to_builtins(self)
        body["sha256"] = hashlib.sha256(canonical(body)).hexdigest()
        return readable(body)

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write plan.json; the old file stays until the new one is whole.

        Raises
        ------
        OptionError
            The path cannot be written, or holds a file of another kind and `force` is not set.
        """
        ensure_replaceable(path, "makespan-plan", force=force)
        write_atomic(path, self.to_json())

    def explain(self, node: str | None = None) -> Explanation:
        """Return why the plan is as it is, as a whole and for one node; ``print(plan.explain().text())``.

        Raises
        ------
        PlanError
            No such node.
        """
        from makespan_optimizer.questions.explain import explain

        return explain(self, node)

    def to_frame(self) -> Any:
        """Return a ``pandas.DataFrame``, a row a node in the order of the ranks, units in the columns' names.

        Raises
        ------
        MissingExtraError
            pandas is not installed.
        """
        from makespan.exporting.rows import to_frame

        return to_frame(self)

    def sorter(self, graph: Mapping[Any, Iterable[Any]] | None = None) -> Sorter:
        """Return a `graphlib.TopologicalSorter` in plan order, with groups and budget, for loops of your own.

        Parameters
        ----------
        graph : mapping of node to iterable of nodes, optional
            The graph as `graphlib` takes it: the plan must fit it, and its own keys are handed out.

        Raises
        ------
        PlanError
            The plan is for another graph.
        """
        from makespan.adapters.sorter import Sorter

        return Sorter(self, graph)

    def get(self, dsk: Any, keys: Any, **settings: Any) -> Any:
        """Be dask's scheduler: ``dask.compute(x, scheduler=plan.get)``; see `makespan.adapters.from_dask`.

        Raises
        ------
        PlanError
            The plan is for another collection; before anything runs.
        """
        from makespan.adapters.dask_get import get

        return get(self, dsk, keys, settings)

    def summary(self) -> str:
        """Say in a few lines what the plan promises."""
        from makespan.showing.text import plan_summary

        return plan_summary(self)


def load_plan(path: str | os.PathLike[str]) -> Plan:
    """Read plan.json strictly (``-`` reads standard input).

    Raises
    ------
    PlanError
        Not a plan, altered, or not consistent in itself; with file and JSON pointer.
    """
    return parse_plan(read_bytes(path, PlanError), str(path))


def parse_plan(data: bytes, where: str = "plan") -> Plan:
    """Read a plan from bytes; see `load_plan`."""
    body: Any = strict_json(data, where, PlanError, typed=True)
    format_of(body, FORMAT, where, PlanError)
    written = body.pop("sha256", None)
    plan = convert(body, Plan, where, PlanError)
    if written is None:
        raise PlanError("has no sha256: its end is missing, or it was written by hand", where=where)
    if written != hashlib.sha256(canonical(body)).hexdigest():
        raise PlanError(
            "was altered after it was written (its sha256 does not match)",
            where=where,
            hint="optimize again; plans are not edited by hand",
        )
    check_plan(plan, where)
    return plan


def checked_plan(plan: Any, where: str) -> Plan:
    """Return a plan that was made in memory, checked like one that was read.

    Raises
    ------
    PlanError
        Not a plan, or one that no file could hold.
    """
    if not isinstance(plan, Plan):
        raise PlanError(
            f"is not a plan but {type(plan).__name__}",
            where=where,
            hint="give a Plan or the path of a plan.json",
        )
    checked = convert(msgspec.to_builtins(plan), Plan, where, PlanError)
    check_plan(checked, where)
    return plan


def _some(names: list[str] | tuple[str, ...], most: int = 3) -> str:
    if not names:
        return "nothing"
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
