"""Workflow instances of WfCommons (WfFormat 1.5, https://wfcommons.org/format) as profiles.

Tasks are processes of their own, so none holds this process's GIL. ``avgCPU`` (percent, summed over cores)
divides a task's runtime into time on cores and time blocked; without it, ``coreCount`` cores are taken to be
busy. The machine has as many cores as the largest of the instance's machines, unless it is said.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from makespan.errors import ProfileError, did_you_mean
from makespan.measurement import NodeProfile, Quality, Spread
from makespan.showing.words import some
from makespan_optimizer.measure.traces.records import Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from makespan.measurement import Kind

VERSION = "1.5"
_MOST_S = 1e8
_MOST_CPU = 100.0 * 4096


class _Task(msgspec.Struct, frozen=True):
    id: str
    parents: tuple[str, ...] = ()
    children: tuple[str, ...] = ()


class _Executed(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    runtime_in_seconds: float
    core_count: float | None = None
    avg_cpu: float | None = msgspec.field(default=None, name="avgCPU")


class _Cpu(msgspec.Struct, frozen=True, rename="camel"):
    core_count: float | None = None


class _Machine(msgspec.Struct, frozen=True):
    cpu: _Cpu = _Cpu()


class _Specification(msgspec.Struct, frozen=True):
    tasks: tuple[_Task, ...]


class _Execution(msgspec.Struct, frozen=True):
    tasks: tuple[_Executed, ...]
    machines: tuple[_Machine, ...] = ()


class _Workflow(msgspec.Struct, frozen=True):
    specification: _Specification
    execution: _Execution


class _Instance(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    workflow: _Workflow
    schema_version: Literal["1.5"]


def is_wfformat(body: Any) -> bool:
    """Say whether parsed JSON claims to be a workflow instance."""
    return isinstance(body, dict) and ("schemaVersion" in body or "workflow" in body)


def rows_of(body: Mapping[str, Any], where: str) -> tuple[str, list[Row], float | None]:
    """Return the instance's name, its tasks, and the cores of its largest machine.

    Raises
    ------
    ProfileError
        Not of the format, a task without a runtime, an edge to a task that is not there; with its place.
    """
    from makespan.jsontext import convert

    said = body.get("schemaVersion")
    if said != VERSION:
        raise ProfileError(
            f"has schemaVersion {said!r}; this version reads {VERSION!r}",
            where=f"{where}#/schemaVersion",
            hint="WfFormat's migration tool converts older instances",
        )
    if isinstance(body.get("workflow"), dict) and "execution" not in body["workflow"]:
        raise ProfileError(
            "tells no execution: the runtimes of its tasks are not known", where=f"{where}#/workflow"
        )
    instance = convert(dict(body), _Instance, where, ProfileError)
    tasks = instance.workflow.specification.tasks
    numbers = {task.id: i for i, task in enumerate(tasks)}
    pointer = f"{where}#/workflow/specification/tasks"
    for i, task in enumerate(tasks):
        if numbers[task.id] != i:
            raise ProfileError(f"{task.id!r} stands twice", where=f"{pointer}/{i}/id")
    before: list[dict[str, None]] = [dict.fromkeys(task.parents) for task in tasks]
    for i, task in enumerate(tasks):
        for child in task.children:
            if child not in numbers:
                raise _unknown(child, numbers, f"{pointer}/{i}/children")
            before[numbers[child]][task.id] = None
        for parent in task.parents:
            if parent not in numbers:
                raise _unknown(parent, numbers, f"{pointer}/{i}/parents")
    executed = _executed(instance.workflow.execution.tasks, numbers, f"{where}#/workflow/execution/tasks")
    missing = [task.id for task in tasks if task.id not in executed]
    if missing:
        raise ProfileError(
            f"no runtime is told of: {some(missing, 20)}", where=f"{where}#/workflow/execution/tasks"
        )
    rows = [
        Row(
            _node(task.id, *executed[task.id]),
            tuple(before[i]),
            where=f"{pointer}/{i}",
            where_after=f"{pointer}/{i}/parents",
        )
        for i, task in enumerate(tasks)
    ]
    counts = [its.cpu.core_count for its in instance.workflow.execution.machines if its.cpu.core_count]
    return instance.name, rows, max(counts, default=None)


def _unknown(task: str, known: Mapping[str, int], where: str) -> ProfileError:
    return ProfileError(f"there is no task {task!r}", where=where, hint=did_you_mean(task, known))


def _executed(
    tasks: tuple[_Executed, ...], known: Mapping[str, int], pointer: str
) -> dict[str, tuple[_Executed, str]]:
    found: dict[str, tuple[_Executed, str]] = {}
    for i, its in enumerate(tasks):
        where = f"{pointer}/{i}"
        if its.id not in known:
            raise _unknown(its.id, known, f"{where}/id")
        if its.id in found:
            raise ProfileError(f"{its.id!r} stands twice", where=f"{where}/id")
        found[its.id] = its, where
    return found


def _node(name: str, its: _Executed, where: str) -> NodeProfile:
    wall_s = its.runtime_in_seconds
    if not 0 <= wall_s <= _MOST_S:
        raise ProfileError(f"{wall_s!r} is not a runtime", where=f"{where}/runtimeInSeconds")
    if its.avg_cpu is not None and not 0 <= its.avg_cpu <= _MOST_CPU:
        raise ProfileError(f"{its.avg_cpu!r} is not a CPU utilization in percent", where=f"{where}/avgCPU")
    if its.core_count is not None and not 0 < its.core_count <= _MOST_CPU:
        raise ProfileError(f"{its.core_count!r} is not a number of cores", where=f"{where}/coreCount")
    busy = (its.core_count or 1.0) if its.avg_cpu is None else its.avg_cpu / 100
    cpu_s = wall_s * min(1.0, busy)
    other_s = wall_s * max(0.0, busy - 1)
    blocked_s = max(0.0, math.fsum((wall_s, -cpu_s)))
    return NodeProfile(
        name=name,
        runs=0,
        wall_net_s=Spread(wall_s, wall_s, wall_s),
        cpu_s=cpu_s,
        gil_s=0.0,
        native_s=cpu_s + other_s,
        blocked_s={"other": blocked_s} if blocked_s else {},
        other_cpu_s=other_s,
        cores_peak=busy,
        kind=_kind(busy),
        class_confidence=0.0 if its.avg_cpu is None else 1.0,
        quality=Quality(gil_share_half_width=0.0),
        origin="trace",
    )


def _kind(busy: float) -> Kind:
    from makespan_optimizer.measure.classes import MOST, PARALLEL_CORES

    if busy > PARALLEL_CORES:
        return "parallel"
    return "native" if busy > MOST else "io" if busy < 1 - MOST else "mixed"
