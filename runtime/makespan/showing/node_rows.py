"""One node of the report: what the plan, the profile and the run know of it, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from makespan.showing.bands import members
from makespan.showing.figures import NodeRow, Status
from makespan.showing.profiled import profiled
from makespan.showing.reasons import whys
from makespan.showing.words import plural

if TYPE_CHECKING:
    from makespan.measurement import Measured, NodeProfile
    from makespan.plan import Plan, PlanNode
    from makespan.profile import Profile, Shape
    from makespan.record import RunNode, RunRecord
    from makespan.showing.bands import Member
    from makespan.showing.rows import Rows

COROUTINE = "coroutine"


class Known:
    """What plan and profile say, by node."""

    def __init__(self, plan: Plan | None, profile: Profile | None, rows: Rows) -> None:
        self.whole_plan = plan
        self.rows = rows
        self.plan: dict[str, PlanNode] = {node.name: node for node in plan.nodes} if plan else {}
        self.profile: dict[str, NodeProfile] = {node.name: node for node in profile.nodes} if profile else {}
        self.shape: dict[str, Shape] = {shape.name: shape for shape in profile.shape} if profile else {}
        self.profiled = profiled(profile) if profile else {}
        self.members = members(plan, profile)
        self.bands: dict[str, list[Member]] = {}
        for member in self.members:
            for name in member.nodes:
                self.bands.setdefault(name, []).append(member)
        self.why = whys(plan, self.bands) if plan else {}
        self._worker = {
            name: cluster.worker for cluster in (plan.clusters if plan else ()) for name in cluster.nodes
        }

    def row(self, name: str, status: Status, ran: RunNode | None = None) -> NodeRow:
        """Return the node as far as it is known without having run."""
        plan, measured, shape = self.plan.get(name), self.profile.get(name), self.shape.get(name)
        after = ran.after if ran else plan.after if plan else shape.after if shape else ()
        row = NodeRow(
            name=name,
            status=status,
            after=after,
            mode=self._mode(name, ran),
            groups=tuple(dict.fromkeys(member.name for member in self.bands.get(name, ()))),
            why=self.why.get(name, ""),
            profiled=self.profiled.get(name, ()),
            locks=shape.locks if shape else (),
        )
        if measured is not None:
            row = msgspec.structs.replace(
                row,
                alone_s=measured.wall_net_s.median,
                gil_s=measured.gil_s,
                native_s=measured.native_s,
                blocked_s=measured.blocked_total_s,
                kind=measured.kind,
            )
        if plan is None:
            return row
        return msgspec.structs.replace(
            row,
            planned_row=self.rows.planned[name],
            planned_start_s=plan.start_s,
            planned_s=plan.duration_s,
            alone_s=plan.alone_s,
            gil_s=plan.gil_s,
            native_s=plan.native_s,
            blocked_s=plan.blocked_s,
            slack_s=plan.slack_s,
            kind=plan.kind,
            locks=plan.locks,
            planned_critical=plan.critical,
            rank=plan.rank,
        )

    def _mode(self, name: str, ran: RunNode | None) -> str:
        """Say where it runs and what limits it, where that is not simply a thread."""
        plan, shape = self.plan.get(name), self.shape.get(name)
        found = []
        if name in self._worker:
            found.append(f"worker process {self._worker[name] + 1}")
        elif (plan is not None and plan.mode == "process") or (
            shape is not None and shape.process if ran is None else ran.process is not None
        ):
            found.append("process")
        elif shape is not None and COROUTINE in shape.stays:
            found.append(COROUTINE)
        if plan is not None and plan.native_threads is not None:
            found.append(plural(plan.native_threads, "native thread"))
        if plan is not None and plan.exclusive:
            found.append("alone")
        return ", ".join(found)


def node_row(known: Known, record: RunRecord, ran: RunNode, critical: bool) -> NodeRow:
    """Return a node that ran."""
    row = known.row(ran.name, ran.status, ran)
    return msgspec.structs.replace(
        row,
        row=known.rows.row[ran.name],
        start_s=ran.start_s,
        end_s=ran.end_s,
        critical=critical,
        measured=_measured(record, ran, row),
        attempts=ran.attempts,
        process=ran.process,
    )


def _measured(record: RunRecord, node: RunNode, row: NodeRow) -> Measured | None:
    """Return what a node did in the run, if that is known.

    Without a sample (a short node, or clocks alone) the clocks do not tell the GIL from native code, nor a
    wait for the GIL from another. The profile's shares are the better picture then; and where there is no
    profile, what clocks alone say is shown as the upper bound that it is. Of a node in a worker process the
    thread that waited for it was measured, not the node.
    """
    if node.process is not None:
        return None
    its = node.measured
    if its is None or its.samples or not record.machine.gil:
        return its
    return its if record.sampler == "clocks" and row.mix is None else None
