"""A dask graph read task by task: what each task waits for, in an order that does not hang on hashes.

::

    Task('add-5ea8…', add, TaskRef('inc-1f…'), TaskRef('inc-9a…'))  ─▶  add ← inc, inc_2

dask's keys hold random or content tokens, and ``task.dependencies`` is a set. For a plan to find its nodes
again in another process, tasks are visited from the wanted keys backwards, dependencies in the order in which
they stand in the task's arguments, and named by their key without the token (`makespan.adapters.dask_names`).

This is the one module that knows ``dask._task_spec``, which is not public. It takes nothing for granted: a
task is called exactly as dask's own schedulers call it, ``task({key: value})`` with every key in
``task.dependencies``, and a key that is not in the graph is an error before anything runs.

Tested with dask 2025.4 to 2026.8.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.adapters.graphs import refuse_once
from makespan.describing.placeholder import Opaque
from makespan.errors import DescribeError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LIBRARIES = frozenset(
    {"dask", "toolz", "tlz", "cytoolz", "numpy", "pandas", "builtins", "operator", "functools", "_operator"}
)


class TaskCall(Opaque):
    """A dask task as a node's function: called with the values of its dependencies, in the order of `takes`.

    `constants` holds the values of keys that are data. It pickles where the task does.
    """

    def __init__(self, task: Any, takes: tuple[Any, ...], constants: dict[Any, Any], code: Any) -> None:
        self.task = task
        self.takes = takes
        self.constants = constants
        self.__wrapped__ = code  # what fingerprints and reports tell

    def __call__(self, *values: Any) -> Any:
        """Run the task."""
        given = dict(zip(self.takes, values, strict=True))
        if self.constants:
            given |= self.constants
        return self.task(given)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what a call needs."""
        return TaskCall, (self.task, self.takes, self.constants, None)

    def __repr__(self) -> str:
        return "<dask task>"  # its arguments are the user's values


class Step(NamedTuple):
    """A task to run: its key, what is called, and the keys of the tasks whose results it takes, in order."""

    key: Any
    call: TaskCall
    before: tuple[Any, ...]
    chain: tuple[Any, ...]
    """The keys of the tasks that were fused into it, or its own."""


class Graph(NamedTuple):
    """The tasks of a dask graph, dependencies first, and what became of each wanted key."""

    steps: tuple[Step, ...]
    results: dict[Any, tuple[bool, Any]]
    """By wanted key: (True, key of the task that makes it) or (False, the value itself)."""


def read_graph(dsk: Any, wanted: Iterable[Any]) -> Graph:
    """Read what of a dask graph the wanted keys need.

    Parameters
    ----------
    dsk : mapping, or an expression with ``__dask_graph__``
    wanted : iterable of keys

    Raises
    ------
    DescribeError
        A key that is not in the graph (the future of a cluster, say), tasks that wait for each other in a
        circle, a constant that can be read once only.
    MissingExtraError
        dask is not installed, or too old.
    """
    spec = task_spec()
    if not isinstance(dsk, Mapping):
        dsk = dsk.__dask_graph__()
    dsk = spec.convert_legacy_graph(dict(dsk))
    wanted = list(wanted)
    order: list[Any] = []
    state: dict[Any, bool] = {}  # False: on the way down; True: done
    ordered: dict[Any, tuple[Any, ...]] = {}
    stack: list[tuple[Any, Any, bool]] = [(key, None, False) for key in reversed(wanted)]
    while stack:
        key, asked_by, back = stack.pop()
        if back:
            state[key] = True
            order.append(key)
            continue
        if key in state:
            if not state[key]:
                raise DescribeError(f"the tasks wait for each other in a circle, {_label(key)} among them")
            continue
        if key not in dsk:
            raise DescribeError(
                (
                    f"task {_label(asked_by)} takes {_label(key)}"
                    if asked_by is not None
                    else f"{_label(key)} is wanted"
                )
                + ", which is not in the graph",
                hint="results that live on a cluster (persist, futures) cannot be taken: compute them first",
            )
        state[key] = False
        stack.append((key, asked_by, True))
        before = ordered[key] = _dependencies(spec, dsk[key])
        stack += [(p, key, False) for p in reversed(before)]
    return _steps(spec, dsk, order, ordered, wanted)


def _steps(
    spec: Any, dsk: dict[Any, Any], order: list[Any], ordered: dict[Any, tuple[Any, ...]], wanted: list[Any]
) -> Graph:
    """Resolve aliases and data, and make what is left callable."""
    resolved: dict[Any, tuple[bool, Any]] = {}
    steps: list[Step] = []
    seen: set[int] = set()  # the graph keeps all of it alive
    for key in order:
        task = dsk[key]
        if isinstance(task, spec.Alias):
            resolved[key] = resolved[task.target]
        elif isinstance(task, spec.DataNode):
            refuse_once(f"the data of {_label(key)}", task.value, seen)
            resolved[key] = False, task.value
        else:
            parts = _parts(spec, task)
            for one in parts:
                for value in (*one.args, *one.kwargs.values()):
                    its = value.value if isinstance(value, spec.DataNode) else value
                    refuse_once(f"an argument of task {_label(key)}", its, seen)
            takes = tuple(p for p in ordered[key] if resolved[p][0])
            constants = {p: resolved[p][1] for p in ordered[key] if not resolved[p][0]}
            before = tuple(resolved[p][1] for p in takes)
            call = TaskCall(task, takes, constants, _code(parts))
            steps.append(Step(key, call, before, _chain(spec, task, key)))
            resolved[key] = True, key
    return Graph(tuple(steps), {key: resolved[key] for key in wanted})


def task_spec() -> Any:
    """Return the module with dask's tasks, after a look at whether it is as we know it.

    Raises
    ------
    MissingExtraError
        dask is not installed, or is too old or too new.
    """
    try:
        dask = import_module("dask")
    except ImportError:
        raise MissingExtraError("a dask graph needs dask", hint="pip install dask") from None
    try:
        spec = import_module("dask._task_spec")
        finalizes = hasattr(import_module("dask._expr"), "FinalizeCompute")
    except ImportError:
        finalizes = False
    if not finalizes:  # older ones finish their collections outside of the graph
        raise MissingExtraError(
            f"dask {dask.__version__} is too old: 2025.4 or newer is needed", hint="pip install -U dask"
        ) from None
    lacking = [
        name
        for name in ("Alias", "DataNode", "GraphNode", "Task", "TaskRef", "convert_legacy_graph")
        if not hasattr(spec, name)
    ]
    if lacking:
        raise MissingExtraError(
            f"dask {dask.__version__} keeps its tasks in a form that makespan does not know "
            f"(no {lacking[0]}); tested are 2025.4 to 2026.8"
        )
    return spec


def _dependencies(spec: Any, task: Any) -> tuple[Any, ...]:
    """Return the dependencies of a task, in the order in which its arguments name them."""
    deps = task.dependencies
    if len(deps) < 2:
        return tuple(deps)
    found: dict[Any, None] = {}
    for key in _references(spec, task):
        if key in deps:
            found[key] = None
    left = sorted(deps - found.keys(), key=str)  # none, as far as tasks are known
    return (*found, *left)


def _references(spec: Any, task: Any) -> Iterator[Any]:
    """Yield the keys that a task refers to, as they come; those inside a fused task's parts too."""
    stack: list[tuple[Any, Mapping[Any, Any]]] = [(task, {})]
    seen: set[Any] = set()
    while stack:
        item, inner = stack.pop()
        if isinstance(item, spec.TaskRef | spec.Alias):
            key = item.target if isinstance(item, spec.Alias) else item.key
            if key not in inner:
                yield key
            elif key not in seen:
                seen.add(key)
                stack.append((inner[key], inner))
        elif isinstance(item, spec.Task):
            fused = _fused(spec, item)
            if fused is not None:
                stack.append((fused[0][fused[1]], fused[0]))
            else:
                stack += [(one, inner) for one in reversed([*item.args, *item.kwargs.values()])]


def _fused(spec: Any, task: Any) -> tuple[dict[Any, Any], Any] | None:
    """Return the tasks that were fused into one, and the key of the last; None for a task that is one."""
    if task.func is not getattr(spec, "_execute_subgraph", None) or len(task.args) < 2:
        return None
    inner, last = task.args[:2]
    return (inner, last) if isinstance(inner, dict) and last in inner else None


def _parts(spec: Any, task: Any) -> list[Any]:
    """Return the tasks that a task is made of, the last first: fused ones, and those in its arguments."""
    found: list[Any] = []
    stack: list[Any] = [task]
    seen: set[int] = set()
    while stack:
        one = stack.pop()
        if not isinstance(one, spec.Task) or id(one) in seen:
            continue
        seen.add(id(one))
        fused = _fused(spec, one)
        if fused is None:
            found.append(one)
            stack += [*reversed([*one.args, *one.kwargs.values()])]
        else:
            inner, last = fused
            stack += [*(its for key, its in inner.items() if key != last), inner[last]]
    return found


def _chain(spec: Any, task: Any, key: Any) -> tuple[Any, ...]:
    fused = _fused(spec, task)
    return (key,) if fused is None else tuple(fused[0])


def _code(parts: list[Any]) -> Any:
    """Return the functions that tasks call: a user's own first, the others as arguments of a partial."""
    found: dict[int, Any] = {}
    for one in parts:
        for item in (one.func, *one.args, *one.kwargs.values()):
            inner: Any = item
            while isinstance(inner, partial):
                inner = inner.func
            if callable(inner) and hasattr(inner, "__module__"):
                found.setdefault(id(inner), inner)
    # Stable: the user's first.
    functions = sorted(found.values(), key=lambda fn: str(fn.__module__).partition(".")[0] in _LIBRARIES)
    if not functions:
        return None
    first, *others = functions
    return partial(first, *others) if others else first


def _label(key: Any) -> str:
    text = repr(key)
    return text if len(text) <= 80 else f"{text[:79]}…"
