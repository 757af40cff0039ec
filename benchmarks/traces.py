"""Readers of recorded computations: workflows of WfCommons, and graphs of dask.

WfFormat 1.5 is read as the profiler reads it (`makespan_optimizer.measure.traces.wfformat`); 1.4, where a
task tells edges and runtime together, is brought into that form. A dask trace is a JSON object with a list
``tasks`` of objects: a name, seconds, the names it waits for, and dask's own rank; the words for them may
differ (`_WORDS`), a mapping from names to such objects does as well, and any other key is ignored.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from benchmarks.cases import Case, InstanceError, ranked, text_of, ticks
from makespan.errors import MakespanError, did_you_mean
from makespan_optimizer.measure.traces.wfformat import rows_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_WORDS = {
    "name": ("name", "key", "id", "task"),
    "seconds": ("seconds", "duration", "wall_s", "duration_s", "runtime", "time", "s"),
    "after": ("after", "dependencies", "deps", "preds", "predecessors", "parents"),
    "order": ("order", "dask_order", "rank", "priority"),
}
_MOST_S = 1e8


def read_wf(path: Path, group: str) -> Case:
    """Read a workflow: a thread for each task, as long as it ran.

    Raises
    ------
    InstanceError
        Not of the format; with the place in it.
    """
    body = _object(path)
    if body.get("schemaVersion") == "1.4":
        body = _newer(body, path)
    try:
        _, rows, _ = rows_of(body, str(path))
    except MakespanError as error:
        raise InstanceError(error.problem, where=error.where, hint=error.hint) from error
    names = [row.node.name for row in rows]
    walls = [row.node.wall_net_s.median for row in rows]
    return Case(group, path.stem, ticks(walls), _edges(names, [row.after for row in rows], path))


def _newer(body: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Bring WfFormat 1.4 into the form of 1.5; edges name tasks by name or by id there."""
    where = f"{path}#/workflow/tasks"
    tasks = body["workflow"].get("tasks") if isinstance(body.get("workflow"), dict) else None
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise InstanceError("should be a list of tasks", where=where)
    ids: dict[Any, str] = {}
    for word in ("id", "name"):  # a name counts before an id
        ids |= {task[word]: str(task.get("name", task.get("id"))) for task in tasks if task.get(word)}
    specified, executed = [], []
    for i, task in enumerate(tasks):
        seconds = task.get("runtimeInSeconds", task.get("runtime"))
        if "name" not in task and "id" not in task:
            raise InstanceError("has neither name nor id", where=f"{where}/{i}")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise InstanceError(f"{seconds!r} is not a runtime", where=f"{where}/{i}/runtimeInSeconds")
        name = str(task.get("name", task.get("id")))
        edges = {
            side: [ids.get(other, str(other)) for other in task.get(side) or ()]
            for side in ("parents", "children")
        }
        specified.append({"id": name, **edges})
        executed.append({"id": name, "runtimeInSeconds": seconds})
    workflow = {"specification": {"tasks": specified}, "execution": {"tasks": executed}}
    return {"name": str(body.get("name", path.stem)), "schemaVersion": "1.5", "workflow": workflow}


def read_dask(path: Path, group: str) -> Case:
    """Read a graph of dask: a thread for each task, as long as it ran, and dask's own order.

    Raises
    ------
    InstanceError
        A task without name, seconds or predecessors, or one that waits for what is not there.
    """
    body = _object(path)
    tasks = body.get("tasks")
    if isinstance(tasks, dict):
        tasks = [{"name": name, **its} if isinstance(its, dict) else its for name, its in tasks.items()]
    if not isinstance(tasks, list) or not tasks:
        raise InstanceError(
            "has no list `tasks`",
            where=str(path),
            hint='as {"tasks": [{"name", "seconds", "after", "order"}]}',
        )
    names, walls, after, order = [], [], [], []
    for i, task in enumerate(tasks):
        where = f"{path}#/tasks/{i}"
        if not isinstance(task, dict):
            raise InstanceError("should be an object", where=where)
        name, seconds, some = (_said(task, word, where) for word in ("name", "seconds", "after"))
        numeric = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not numeric or not 0 <= seconds <= _MOST_S:
            raise InstanceError(f"{seconds!r} is not a time in seconds", where=where)
        if not isinstance(some, list):
            raise InstanceError("what it waits for should be a list of names", where=where)
        names.append(_key(name))
        walls.append(float(seconds))
        after.append([_key(other) for other in some])
        rank = _said(task, "order", where, needed=False)
        if isinstance(rank, int | float) and math.isfinite(rank):
            order.append(float(rank))
    told = ranked(order) if len(order) == len(names) else ()
    return Case(group, path.stem, ticks(walls), _edges(names, after, path), order=told)


def _said(task: Mapping[str, Any], what: str, where: str, *, needed: bool = True) -> Any:
    for word in _WORDS[what]:
        if word in task:
            return task[word]
    if not needed:
        return None
    raise InstanceError(
        f"tells no {what}: it has {', '.join(map(str, task)) or 'nothing'}",
        where=where,
        hint=f"one of the keys {', '.join(_WORDS[what])}",
    )


def _key(name: object) -> str:
    """Return a key of dask as a name: keys are texts or lists that begin with one."""
    return name if isinstance(name, str) else json.dumps(name)


def _edges(names: Sequence[str], after: Sequence[Sequence[str]], path: Path) -> tuple[tuple[int, ...], ...]:
    numbers = {name: i for i, name in enumerate(names)}
    if len(numbers) < len(names):
        twice = next(name for i, name in enumerate(names) if numbers[name] != i)
        raise InstanceError(f"{twice!r} stands twice", where=str(path))
    found = []
    for i, some in enumerate(after):
        for other in some:
            if other not in numbers:
                raise InstanceError(
                    f"{names[i]!r} waits for {other!r}, which is not there",
                    where=f"{path}#/tasks/{i}",
                    hint=did_you_mean(other, names),
                )
        found.append(tuple(sorted({numbers[other] for other in some})))
    return tuple(found)


def _object(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(text_of(path))
    except json.JSONDecodeError as error:
        raise InstanceError(f"is not JSON: {error.msg}", where=f"{path}:{error.lineno}") from error
    except RecursionError as error:
        raise InstanceError("is not JSON that can be read: nested too deeply", where=str(path)) from error
    if not isinstance(body, dict):
        raise InstanceError("should be a JSON object", where=str(path))
    return body
