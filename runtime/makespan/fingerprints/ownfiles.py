"""Which code is the user's own, and what an object is, asked without running any of that code.

The user's own is what lies in the folder of a function's top package (of its script, of its notebook), and is
neither of the standard library nor installed; for an installed function, what lies in its package.
"""

from __future__ import annotations

import os
import sys
import warnings
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from makespan.fingerprints.fingerprint import top_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_BYTES = 1_000_000


class Own:
    """The user's own files, seen from one function.

    Parameters
    ----------
    fn : callable
    compiled : dict
        Code of files that were read before.

    Attributes
    ----------
    root : str or None
        The folder; None: a notebook or a prompt.
    """

    def __init__(self, fn: Any, compiled: dict[str, CodeType | None]) -> None:
        self._base, self.root = _roots(fn)
        self._known = compiled

    def has(self, file: Any) -> bool:
        """Whether a file is the user's own: under the node's top folder, and not installed there."""
        if not isinstance(file, str) or not file:
            return False
        if self.root is None:
            return (file.startswith("<") and not file.startswith("<frozen")) or "ipykernel_" in file
        if file.startswith("<"):
            return False
        file = os.path.abspath(file)
        rest = file.removeprefix(self.root)
        return rest != file and not _is_installed(rest)

    def modules(self, level: int, module: str, taken: tuple[str, ...], package: str) -> Iterator[CodeType]:
        """Yield the code of the user's own modules that an import reads, without importing them."""
        if self.root is None:
            return
        parts = module.split(".") if module else []
        if level:
            if not package:
                return
            above = package.split(".")
            parts = above[: len(above) - level + 1] + parts
        for path in (parts, *([*parts, name] for name in taken)):
            stem = os.path.join(self._base, *path)
            for file in (f"{stem}.py", os.path.join(stem, "__init__.py")):
                if path and self.has(file) and (found := self._compiled(file)) is not None:
                    yield found

    def _compiled(self, file: str) -> CodeType | None:
        modules = self._known
        if file not in modules:
            modules[file] = None
            try:
                if os.path.getsize(file) <= _MOST_BYTES:
                    # What the compiler warns of, it says when the file is imported.
                    with open(file, "rb") as source, warnings.catch_warnings(action="ignore"):
                        modules[file] = compile(source.read(), "", "exec", dont_inherit=True)
            except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
                pass  # the last two: nested deeper than the compiler goes
        return modules[file]


def is_of(value: Any, *kinds: type) -> bool:
    """Ask an object's type, never the object: what it claims to be may be code of the user's."""
    return issubclass(type(value), kinds)


def attributes(value: Any) -> dict[str, Any]:
    """Return an object's own attributes, without running code of its class or loading a lazy module."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found if type(found) is dict else {}


def wrapped(value: Any) -> Any:
    """Return the function inside a node, a cached function and the like."""
    return attributes(value).get("__wrapped__")


def file_of(thing: Any) -> str | None:
    """Return the file of a function or class."""
    if is_of(thing, FunctionType):
        return str(thing.__code__.co_filename)
    if is_of(thing, type):
        file = attributes(sys.modules.get(module_of(thing))).get("__file__")
        return str(file) if type(file) is str else None
    return None


def module_of(cls: type) -> str:
    """Return the name of a class's module; what its metaclass says does not matter."""
    module = type.__getattribute__(cls, "__module__")
    return module if type(module) is str else ""


def _innermost(fn: Any) -> Any:
    for _ in range(64):
        if is_of(fn, partial):
            inner = fn.func
        else:
            inner = fn.__func__ if is_of(fn, MethodType, staticmethod, classmethod) else wrapped(fn)
        if inner is None:
            break
        fn = inner
    return fn


def _roots(fn: Any) -> tuple[str, str | None]:
    """Return the folder of the top package, and that of the user's own files.

    None: a notebook or a prompt.
    """
    inner = _innermost(fn)
    file = file_of(inner if is_of(inner, FunctionType, type) else type(inner))
    if not file or file.startswith("<") or "ipykernel_" in file:
        return "", None
    folder, package = top_folder(file)
    root = os.path.join(folder, package) if _is_installed(folder + os.sep) and package else folder
    return folder, os.path.join(root, "")


def _is_installed(path: str) -> bool:
    parts = path.split(os.sep)
    return "site-packages" in parts or "dist-packages" in parts or path.startswith(_stdlib())


def _stdlib() -> str:
    return os.path.join(os.path.dirname(os.__file__), "")
