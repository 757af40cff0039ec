"""What a reader should know of a run before trusting its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.words import plural

if TYPE_CHECKING:
    from makespan.record import RunRecord


def caveats(record: RunRecord) -> tuple[str, ...]:
    """Return what does not fit together, and what is not known, in sentences."""
    plan = record.plan
    notes = list(record.notes)
    if record.sampler == "clocks" and record.machine.gil and not notes:
        notes.append("measured by clocks alone: what holds the GIL and what waits for it are not told apart")
    if record.sampler == "canary":
        notes.append(
            "measured by a canary: of nodes that overlap only the clocks are known, and no waits for the GIL"
        )
    if plan is None:
        unknown = (
            "planned times are not known" if record.sampler else "planned times and shares are not known"
        )
        return (*notes, f"it ran in the default order, without a plan: {unknown}")
    ran = {node.name for node in record.nodes} | set(record.not_started)
    planned = {node.name for node in plan.nodes}
    if plan.dag.fingerprint != record.dag.fingerprint or ran != planned:
        notes.append(
            f"the plan is for another DAG: {plural(len(ran & planned), 'node')} in common, "
            f"{len(planned - ran):,} only in the plan, {len(ran - planned):,} only in the run"
        )
    if plan.threads != record.threads:
        notes.append(f"planned for {plural(plan.threads, 'thread')}, ran with {record.threads}")
    differ = plan.machine.differences(record.machine)
    if differ:
        notes.append(f"the plan was made on another machine ({'; '.join(differ)})")
    return tuple(notes)
