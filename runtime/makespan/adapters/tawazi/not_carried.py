"""What a plan says and Tawazi cannot do, in sentences: nobody is to find out from a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from makespan.adapters.tawazi.reading import Reading
    from makespan.plan import Plan


def not_carried(
    plan: Plan, reading: Reading, sequential: Collection[str], nodes: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the sentences; none when the configuration says all that the plan says."""
    return (*_apart(plan, reading, sequential), *_places(plan), *_tawazis_own(reading, nodes))


def _apart(plan: Plan, reading: Reading, sequential: Collection[str]) -> list[str]:
    said = []
    forced = sorted(id_ for id_ in sequential if not reading.xns[id_].is_sequential)
    if forced:
        said.append(
            f"locks: {_some(forced)} became is_sequential, which stops everything else too, not only what "
            "shares the lock"
        )
    said += [
        f"the limit of {group.limit} at once on {_some(list(group.nodes))} ({group.reason}): Tawazi has no "
        "limit for some of the nodes"
        for group in plan.groups
        if group.reason in {"gil", "cores", "measured"} or group.limit > 1
    ]
    pinned = [node.name for node in plan.nodes if node.starts_after]
    if pinned:
        said.append(
            f"{_some(pinned)} should start after others that they take nothing from: only the order says so, "
            "and with a free thread they start"
        )
    return said


def _places(plan: Plan) -> list[str]:
    said = []
    if plan.clusters or any(node.mode == "process" for node in plan.nodes):
        some = [node.name for node in plan.nodes if node.mode == "process"]
        said.append(f"worker processes for {_some(some)}: Tawazi has threads only")
    native = [node.name for node in plan.nodes if node.native_threads is not None]
    if native:
        said.append(f"native threads of {_some(native)}: set them in the functions, with threadpoolctl")
    if plan.evidence is not None:
        said.append("what the race showed: its runs were makespan's, and say nothing of Tawazi's engine")
    if plan.switch_interval_s is not None:
        said.append(
            "the interpreter's switch interval: call "
            f"sys.setswitchinterval({plan.switch_interval_s:g}) yourself"
        )
    if plan.chains:
        count = len(plan.chains)
        said.append(
            f"{count} {'chain' if count == 1 else 'chains'} of brief nodes that one thread runs back to back"
        )
    return said


def _tawazis_own(reading: Reading, nodes: Mapping[str, Any]) -> list[str]:
    """Say where Tawazi's own scheduler leaves the order."""
    kinds = {reading.xns[id_].resource.value for id_ in nodes if id_ in reading.work}
    said = []
    if {"thread", "async-thread"} <= kinds:
        said.append(
            "the order where nodes of Resource.thread and Resource.async_thread are mixed: Tawazi waits for "
            "one of each kind before it starts the next node"
        )
    if "main-thread" in kinds and len(kinds) > 1:
        said.append("the order while a node of Resource.main_thread runs: Tawazi starts nothing meanwhile")
    said.append(
        "runs of a part: dag.executor(target_nodes=…, root_nodes=…) forgets all priorities, as Tawazi does"
    )
    return said


def _some(names: list[str], most: int = 3) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
