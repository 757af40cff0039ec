"""A DAG's structural fingerprint: names, edges and code locations, hashed.

It is the same in every process, whatever PYTHONHASHSEED says, on every machine and for every working folder:
a function's location is its file relative to the top folder of its package, and its qualified name. Line
numbers are left out, so a comment above a function does not make a plan stale.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan.structure import Structure


def fingerprint(structure: Structure, functions: Sequence[Callable[..., Any]]) -> str:
    """Hash the names, edges and functions of a DAG; declaration order does not matter."""
    seen: dict[str, str] = {}
    digest = hashlib.sha256(b"makespan-dag/1\n")
    rows = []
    for i, name in enumerate(structure.names):
        before = sorted(structure.names[p] for p in structure.preds[i])
        rows.append(repr((name, location(functions[i], seen), before)))
    for row in sorted(rows):
        digest.update(row.encode("utf-8", "surrogatepass") + b"\n")
    return f"sha256:{digest.hexdigest()}"


def location(fn: Any, seen: dict[str, str] | None = None) -> str:
    """Return where a callable's code lives: ``package/file.py:function``, relative to the package's folder.

    Parameters
    ----------
    fn : callable
    seen : dict, optional
        Remembers the files asked for before.
    """
    while not hasattr(fn, "__qualname__") and hasattr(fn, "func"):  # a partial
        fn = fn.func
    fn = getattr(fn, "__wrapped__", fn)
    if not hasattr(fn, "__qualname__"):  # an object with __call__
        fn = type(fn)
    code = getattr(fn, "__code__", None)
    name = str(fn.__qualname__)
    if code is not None:
        return f"{relative(code.co_filename, seen)}:{name}"
    module = str(getattr(fn, "__module__", None) or "builtins")
    file = getattr(sys.modules.get(module), "__file__", None) if isinstance(fn, type) else None
    return f"{relative(file, seen) if file else module}:{name}"


def relative(file: str, seen: dict[str, str] | None = None) -> str:
    """Return a file's path relative to the folder that holds its top package.

    >>> relative("<stdin>")
    '<stdin>'
    """
    if seen is not None and file in seen:
        return seen[file]
    found = file
    path = Path(file)
    if path.is_absolute() or path.exists():
        path = path.resolve()
        top = path.parent
        while (top / "__init__.py").exists() and top != top.parent:
            top = top.parent
        found = path.relative_to(top).as_posix()
    if seen is not None:
        seen[file] = found
    return found


def relative_place(place: str) -> str:
    """Shorten ``/home/me/project/pkg/api.py:41`` to ``pkg/api.py:41``."""
    file, _, line = place.rpartition(":")
    return f"{relative(file)}:{line}" if file else place
