"""``module:attribute`` or ``path/to/file.py:attribute``: from a word to a DAG.

The current folder (and a file's own) becomes importable, *behind* the standard library and before installed
packages: a user's ``profile.py`` or ``queue.py`` must not break libraries that import Python's own modules of
those names. A target whose module has such a name is loaded from its file, under a name of our own.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from makespan.adapters import adapt, adapter_of
from makespan.errors import MakespanError, TargetError, did_you_mean
from makespan.graph import DAG

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_PRIVATE = "makespan_target_"


class ImportFailedError(TargetError):
    """The user's module or described function raised; `traceback_tail` is its part of the traceback."""

    def __init__(self, problem: str, *, where: str, hint: str | None, traceback_tail: str) -> None:
        super().__init__(problem, where=where, hint=hint)
        self.traceback_tail = traceback_tail


class Target(NamedTuple):
    """A target in its parts."""

    text: str
    module: str
    """A module's dotted name, or a file's path."""
    attribute: str
    """May be empty, or dotted."""

    @property
    def is_file(self) -> bool:
        """Whether it names a file."""
        return self.module.endswith(".py") or "/" in self.module or os.sep in self.module


def parse_target(text: str | None) -> Target:
    """Split a target at its last colon.

    Raises
    ------
    TargetError
        Empty, or not of that form.

    >>> parse_target("pkg.pipeline:news")[1:]
    ('pkg.pipeline', 'news')
    """
    if not text:
        raise TargetError("a target is needed", hint="module:attribute, or path/to/file.py:attribute")
    module, colon, attribute = text.rpartition(":")
    if not colon or attribute.endswith(".py") or "/" in attribute:
        module, attribute = text, ""
    target = Target(text, module, attribute)
    if attribute and not all(part.isidentifier() for part in attribute.split(".")):
        raise TargetError(f"{attribute!r} is not an attribute's name", where=text)
    if not target.is_file and not all(part.isidentifier() for part in module.split(".")):
        raise TargetError(
            f"{module!r} is neither a module's name nor a .py file",
            where=text,
            hint="module:attribute, or path/to/file.py:attribute",
        )
    return target


def load_target(text: str | None) -> DAG[..., Any]:
    """Import a target's module and return its DAG, described and checked, with `DAG.target` set.

    Raises
    ------
    TargetError
        No such module, file or attribute, or it is no DAG.
    ImportFailedError
        The module raised while it was imported.
    DescribeError
        The DAG is described wrongly.
    """
    target = parse_target(text)
    found = _pick(_load(target), target)
    try:
        found.check()  # calls the described function
    except Exception as error:
        _refuse(target, error, "the described function raised {}")
    found.target = target.text
    return found


def load_function(text: str, where: str) -> Callable[..., Any]:
    """Import a function that an option names: ``module:function``.

    Raises
    ------
    TargetError
        No such module or function.
    ImportFailedError
        The module raised while it was imported.
    """
    target = parse_target(text)
    if not target.attribute:
        raise TargetError(f"{text!r} names no function", where=where, hint="module:function")
    value: Any = _load(target)
    for part in target.attribute.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            hint = did_you_mean(part, [word for word in dir(value) if not word.startswith("_")])
            raise TargetError(
                f"there is no {target.attribute!r} in {target.module!r}", where=where, hint=hint
            ) from None
    if not callable(value):
        raise TargetError(f"{text!r} is of type {type(value).__name__}, not a function", where=where)
    return value  # type: ignore[no-any-return]


def _load(target: Target) -> ModuleType:
    folder = Path.cwd()
    _make_importable(folder)
    file = folder / target.module
    name = target.module
    if not target.is_file:
        top = name.partition(".")[0]
        hidden = folder / f"{top}.py"
        if top not in sys.stdlib_module_names or not hidden.is_file() or "." in name:
            return _imported(target, name)
        file = hidden  # the user means the file that lies here, not Python's own module of that name
    file = file.resolve()
    if not file.is_file():
        names = [str(path.relative_to(folder)) for path in folder.glob("*.py")]
        raise TargetError(
            f"there is no file {target.module!r}", where=target.text, hint=did_you_mean(target.module, names)
        )
    root, name = _dotted(file)
    _make_importable(root)
    top, dot, _ = name.partition(".")
    if all(part.isidentifier() for part in name.split(".")) and top not in sys.stdlib_module_names:
        place = root / top / "__init__.py" if dot else file
        if _origin(top) == place:
            return _imported(target, name)
    return _from_file(target, file)


def _dotted(file: Path) -> tuple[Path, str]:
    """Return the folder that holds a file's top package, and the file's module name there."""
    root, parts = file.parent, [file.stem]
    while (root / "__init__.py").is_file() and root != root.parent:
        parts.insert(0, root.name)
        root = root.parent
    return root, ".".join(parts)


def _origin(top: str) -> Path | None:
    """Return the file that a top-level name would be imported from, or was."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # ValueError: a module without a spec is loaded under this name
        return None
    return Path(spec.origin).resolve() if spec is not None and spec.origin is not None else None


def _imported(target: Target, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            near = (
                did_you_mean(name, _modules_here())
                or "it is looked for in the current folder and among the installed packages"
            )
            raise TargetError(f"there is no module {missing!r}", where=target.text, hint=near) from error
        _refuse(target, error, "the module raised {} while it was imported")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: a script without a main guard
        _refuse(target, error, "the module raised {} while it was imported")


def _from_file(target: Target, file: Path) -> ModuleType:
    """Load a file whose own name would hide, or be hidden by, another module."""
    name = _PRIVATE + "".join(c if c.isalnum() else "_" for c in file.stem)
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(file):
        return known  # the target and the functions that options name may lie in one file
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise TargetError("is not a Python file", where=target.text)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look it up there
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        del sys.modules[name]
        _refuse(target, error, "the module raised {} while it was imported")
    return module


def _refuse(target: Target, error: BaseException, what: str) -> NoReturn:
    from makespan.cli.tracebacks import users_traceback

    if isinstance(error, MakespanError):  # a DAG is described wrongly
        raise error if error.where else type(error)(error.problem, where=target.text, hint=error.hint)
    hint = None
    if isinstance(error, SystemExit):
        hint = "put what the script does under: if __name__ == '__main__':"
    elif isinstance(error, ImportError | AttributeError) and (shadowed := _shadowed()):
        hint = f"Python's own modules hide the files of the same name here: {', '.join(shadowed)}"
    elif isinstance(error, ModuleNotFoundError):
        hint = f"is {error.name!r} installed beside makespan, in {sys.prefix}?"
    raise ImportFailedError(
        f"{what.format(type(error).__name__)}: {error}",
        where=target.text,
        hint=hint,
        traceback_tail=users_traceback(error),
    ) from error


def _shadowed() -> list[str]:
    return sorted(path.stem for path in Path.cwd().glob("*.py") if path.stem in sys.stdlib_module_names)


def _pick(module: ModuleType, target: Target) -> DAG[..., Any]:
    dags: dict[str, Any] = {name: value for name, value in vars(module).items() if isinstance(value, DAG)}
    if not dags:  # those of other libraries
        dags = {name: value for name, value in vars(module).items() if adapter_of(value) is not None}
    if not target.attribute:
        distinct = {id(value): name for name, value in dags.items()}
        if len(distinct) == 1:
            return _as_dag(next(iter(dags.values())), target)
        if not distinct:
            raise TargetError(
                "the module holds no DAG", where=target.text, hint="put @dag over a function, or name one"
            )
        names = ", ".join(f"{target.module}:{name}" for name in sorted(distinct.values()))
        raise TargetError(
            f"the module holds {len(distinct)} DAGs", where=target.text, hint=f"name one: {names}"
        )
    value: Any = module
    for part in target.attribute.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            words = (
                dags
                if value is module and dags
                else [word for word in dir(value) if not word.startswith("_")]
            )
            raise TargetError(
                f"there is no {target.attribute!r} in {target.module!r}",
                where=target.text,
                hint=did_you_mean(part, words) or (f"DAGs there: {', '.join(dags)}" if dags else None),
            ) from None
    if not isinstance(value, DAG):
        if adapter_of(value) is not None:
            return _as_dag(value, target)
        what = "a node" if hasattr(value, "__makespan_node__") else f"of type {type(value).__name__}"
        hint = f"DAGs there: {', '.join(dags)}" if dags else "put @dag over a function that calls nodes"
        raise TargetError(f"{target.attribute!r} is {what}, not a DAG", where=target.text, hint=hint)
    return value


def _as_dag(value: Any, target: Target) -> DAG[..., Any]:
    """Return a DAG of ours or of another library."""
    try:
        return value if isinstance(value, DAG) else adapt(value)  # type: ignore[return-value]  # it is known
    except Exception as error:
        _refuse(target, error, "it cannot be taken over: {}")


def _modules_here() -> list[str]:
    here = Path.cwd()
    return [p.stem for p in here.glob("*.py")] + [p.parent.name for p in here.glob("*/__init__.py")]


def _make_importable(folder: Path) -> None:
    """Put a folder on the path, behind the standard library; it stays, as nodes import when they run."""
    import sysconfig

    text = str(folder)
    if text in sys.path:
        return
    own = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    own |= {os.path.join(path, "lib-dynload") for path in own if path}  # noqa: PTH118
    last = max((i for i, path in enumerate(sys.path) if path in own), default=-1)
    sys.path.insert(last + 1, text)
    importlib.invalidate_caches()
