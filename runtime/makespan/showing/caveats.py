"""What a reader should know of a run or a profile before trusting its figures: how they were had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.showing.words import clean, plural

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from makespan.machine import Machine
    from makespan.measurement import RunHeader, SamplerSource
    from makespan.profile import Profile
    from makespan.record import RunRecord

SAMPLED: dict[SamplerSource, str] = {
    "gil": "GIL sampled",
    "canary": "GIL timed by a canary",
    "clocks": "clocks alone",
}
_CLOCKS = ("clocks only", "clocks alone")  # notes that say why


def how_measured(runs: Sequence[RunHeader], *, newest: bool = False) -> list[str]:
    """Say how a profile was measured, and below it what fell short: in all runs, or in the newest alone.

    >>> from makespan.measurement import RunHeader
    >>> how_measured([RunHeader("a", "2025-01-01", 5, "canary", notes=("noisy",), inputs=2)])
    ['5 counted runs, 2 sets of inputs in turn, GIL timed by a canary', '  note: noisy']
    """
    if not runs:
        return []
    told = [plural(sum(run.repeats for run in runs), "counted run")]
    sets = {run.inputs for run in runs}
    if max(sets) > 1:
        told.append(f"{'up to ' if len(sets) > 1 else ''}{max(sets):,} sets of inputs in turn")
    told.append(" and ".join(dict.fromkeys(_sampled(run) for run in runs)))
    notes = dict.fromkeys(note for run in (runs[-1:] if newest else runs) for note in run.notes)
    return [", ".join(told), *(f"  note: {clean(note, 300)}" for note in notes)]


def _sampled(run: RunHeader) -> str:
    return f"{SAMPLED[run.sampler]}{f' at {run.rate_hz:,.0f} Hz' if run.rate_hz else ''}"


def caveats(record: RunRecord, profile: Profile | None = None) -> tuple[str, ...]:
    """Return what does not fit together, and what is not known, in sentences."""
    plan = record.plan
    notes = list(record.notes)
    told = any(words in note for note in notes for words in _CLOCKS)
    if record.sampler == "clocks" and record.machine.gil and not told:
        notes.append("measured by clocks alone: what holds the GIL and what waits for it are not told apart")
    if record.sampler == "canary":
        notes.append(
            "measured by a canary: of nodes that overlap only the clocks are known, and no waits for the GIL"
        )
    if plan is None:
        unknown = "planned times are not known"  # a profile knows shares and locks
        if profile is None:
            also = "times and locks" if record.sampler else "times, shares and locks"
            unknown = f"planned {also} are not known"
        return (*notes, f"it ran in the default order, without a plan: {unknown}")
    ran = {node.name for node in record.nodes}
    ran.update(record.not_started, record.dropped, record.left_out)
    planned = {node.name for node in plan.nodes}
    if plan.dag.fingerprint != record.dag.fingerprint or ran != planned:
        notes.append(
            f"the plan is for another DAG: {plural(len(ran & planned), 'node')} in common, "
            f"{len(planned - ran):,} only in the plan, {len(ran - planned):,} only in the run"
        )
    skipped = sum(node.status == "skipped" for node in record.nodes)
    partly = [(skipped, "skipped"), (len(record.left_out), "left out"), (len(record.dropped), "not reached")]
    if any(count for count, _ in partly):
        partly_told = ", ".join(f"{count:,} {words}" for count, words in partly if count)
        notes.append(f"not all nodes of the plan ran ({partly_told}): its end is not compared with")
    if plan.threads != record.threads:
        notes.append(f"planned for {plural(plan.threads, 'thread')}, ran with {record.threads}")
    differ = plan.machine.differences(record.machine)
    if differ:
        notes.append(f"the plan was made on another machine ({'; '.join(differ)})")
    return tuple(notes)


def caveats_of_profile(machine: Machine, names: Collection[str], profile: Profile | None) -> tuple[str, ...]:
    """Say where a profile does not fit what is shown beside it."""
    if profile is None:
        return ()
    notes = []
    shapes = {shape.name for shape in profile.shape}
    missing = len(set(names) - shapes)
    if missing:
        notes.append(f"the profile does not have {plural(missing, 'node')} of those shown")
    differ = profile.machine.differences(machine)
    if differ:
        notes.append(f"the profile is of another machine ({'; '.join(differ)})")
    return tuple(notes)
