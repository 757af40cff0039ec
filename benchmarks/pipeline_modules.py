"""Pipelines as modules: how ``benchmarks/pipelines.py`` finds, checks and loads them.

A pipeline is ``NAME.py`` or ``NAME/pipeline.py``. It offers

- ``nodes: dict[str, (callable, deps)]`` (the callable takes the results of `deps` in that order) and
  ``groups: dict[str, tuple[str, ...]]`` (nodes of a group never run at the same time), or a makespan DAG:
  ``dag``, else the only one in the module, and ``args`` (a tuple, or a function that returns one) if it takes
  any;
- ``setup()``, which makes inputs and starts servers, and may be called again;
- ``check(results)``, which raises AssertionError when a result is wrong;
- ``process_ok: tuple[str, ...]``, the nodes that may run in another process (of a DAG: those it does not
  forbid), and ``teardown()``, both optional.

What ``check`` reads of the results is what every engine has to return: see `Reading` in
`pipeline_nodes.py`.
"""

from __future__ import annotations

import importlib
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.pipeline_nodes import Groups, Nodes, Pipeline, from_dag
from makespan import DAG
from makespan.cli.target import _make_importable
from makespan.errors import TargetError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

__all__ = ["examples", "found_in", "from_dag", "load_module", "pipeline_of"]

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def found_in(folder: Path) -> dict[str, Path]:
    """Return the pipelines of a folder by name, sorted: ``NAME.py`` and ``NAME/pipeline.py``.

    Raises
    ------
    TargetError
        There is no such folder, or no pipeline in it.
    """
    if not folder.is_dir():
        raise TargetError("there is no such folder", where=str(folder))
    files = {
        file.stem: file
        for file in folder.glob("*.py")
        if not file.name.startswith(("_", "test_", "conftest"))
    }
    folders = {file.parent.name: file for file in folder.glob("*/pipeline.py")}
    if not files and not folders:
        raise TargetError("holds no pipeline", where=str(folder), hint="NAME.py, or NAME/pipeline.py")
    return dict(sorted({**files, **folders}.items()))


def examples(folder: Path = EXAMPLES) -> dict[str, Path]:
    """Return the examples that are pipelines: ``NAME/pipeline.py`` alone.

    Raises
    ------
    TargetError
        There is none.
    """
    found = {name: file for name, file in found_in(folder).items() if file.name == "pipeline.py"}
    if not found:
        raise TargetError("holds no pipeline", where=str(folder), hint="NAME/pipeline.py")
    return found


def load_module(name: str, file: Path) -> ModuleType:
    """Import a pipeline's file, its own folder importable, and look at what it offers.

    Raises
    ------
    TargetError
        An attribute is missing or of a wrong type; with the file and the attribute.
    ImportError
        The module needs something that is not installed.
    Exception
        Whatever else it raised while it was imported.
    """
    _make_importable(file.parent.resolve())
    known = sys.modules.get(file.stem)
    if known is not None or file.stem in sys.stdlib_module_names:
        if known is not None and Path(str(getattr(known, "__file__", ""))).resolve() == file.resolve():
            return _looked_at(known, file)
        raise TargetError(
            f"another module is called {file.stem!r}", where=str(file), hint="give the file another name"
        )
    module = importlib.import_module(file.stem)
    module.__dict__.setdefault("__pipeline__", name)
    return _looked_at(module, file)


def _looked_at(module: ModuleType, file: Path) -> ModuleType:
    for name in ("setup", "check"):
        if not callable(getattr(module, name, None)):
            raise TargetError(f"has no function {name!r}", where=f"{file}:{name}")
    if not callable(getattr(module, "teardown", lambda: None)):
        raise TargetError("is not a function", where=f"{file}:teardown")
    if "nodes" in vars(module):
        _read_nodes(module, file)  # setup may still change it, and it is read again then
    else:
        _dag_of(module, file)
    return module


def pipeline_of(name: str, module: ModuleType, file: Path) -> Pipeline:
    """Return the pipeline that a module offers, after its ``setup`` was called.

    Raises
    ------
    TargetError
        An attribute is of a wrong type, or names a node that is not there.
    DescribeError
        Its DAG is described wrongly.
    """
    if "nodes" in vars(module):
        nodes, groups = _read_nodes(module, file)
        elsewhere = _names("process_ok", getattr(module, "process_ok", ()), nodes, file)
        return Pipeline(name, nodes, groups, elsewhere, module.check)
    dag = _dag_of(module, file)
    args = getattr(module, "args", ())
    args = args() if callable(args) else args
    if not isinstance(args, tuple):
        raise TargetError(f"is a {type(args).__name__}, not a tuple", where=f"{file}:args")
    nodes, groups = from_dag(dag, args)
    some = getattr(module, "process_ok", None)
    process_ok = None if some is None else _names("process_ok", some, nodes, file)
    return Pipeline(name, nodes, groups, process_ok, module.check, dag, args)


def _read_nodes(module: ModuleType, file: Path) -> tuple[Nodes, Groups]:
    raw, where = module.nodes, f"{file}:nodes"
    if not isinstance(raw, dict) or not raw:
        raise TargetError("is no dict of nodes, or empty", where=where, hint="name: (callable, deps)")
    nodes: Nodes = {}
    for name, value in raw.items():
        if not isinstance(name, str) or not name:
            raise TargetError(f"the name {name!r} is no string", where=where)
        if not isinstance(value, tuple | list) or len(value) != 2 or not callable(value[0]):
            raise TargetError(f"{name!r} is not (callable, deps)", where=where)
        nodes[name] = (value[0], _names(f"nodes[{name!r}]", value[1], raw, file))
    try:
        TopologicalSorter({name: deps for name, (_, deps) in nodes.items()}).prepare()
    except CycleError as error:
        raise TargetError(f"has a cycle: {' → '.join(error.args[1])}", where=where) from None
    raw_groups = getattr(module, "groups", {})
    if not isinstance(raw_groups, dict):
        raise TargetError(f"is a {type(raw_groups).__name__}, not a dict", where=f"{file}:groups")
    groups = {
        str(group): _names(f"groups[{group!r}]", some, nodes, file) for group, some in raw_groups.items()
    }
    return nodes, groups


def _names(what: str, some: Any, known: Iterable[str], file: Path) -> tuple[str, ...]:
    where = f"{file}:{what}"
    if isinstance(some, str) or not isinstance(some, tuple | list | set | frozenset):
        raise TargetError(f"is a {type(some).__name__}, not a tuple of nodes' names", where=where)
    names = tuple(sorted(some) if isinstance(some, set | frozenset) else some)
    for name in names:
        if name not in known:
            raise TargetError(
                f"there is no node {name!r}", where=where, hint=did_you_mean(str(name), list(known))
            )
    return names


def _dag_of(module: ModuleType, file: Path) -> DAG[..., Any]:
    own = vars(module).get("dag")
    if isinstance(own, DAG):
        return own
    dags = {id(its): (key, its) for key, its in vars(module).items() if isinstance(its, DAG)}
    if len(dags) == 1:
        return next(iter(dags.values()))[1]
    if not dags:
        raise TargetError("has neither 'nodes' nor a DAG", where=f"{file}:nodes")
    names = ", ".join(sorted(key for key, _ in dags.values()))
    raise TargetError(f"has several DAGs: {names}", where=f"{file}:dag", hint="call the one to run 'dag'")
