"""A DAG's structural fingerprint: names, edges and code locations, hashed.

It is the same in every process, whatever PYTHONHASHSEED says, on every machine and for every working folder:
a function's location is its file relative to the top folder of its package, and its qualified name. Line
numbers are left out, so a comment above a function does not make a plan stale.
"""

from __future__ import annotations

import hashlib
import os.path
import sys
from functools import partial
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
        rows.append(ascii((name, location(functions[i], seen), before)))
    for row in sorted(rows):
        digest.update(row.encode() + b"\n")
    return f"sha256:{digest.hexdigest()}"


def location(fn: Any, seen: dict[str, str] | None = None) -> str:
    """Return where a callable's code lives: ``package/file.py:function``, relative to the package's folder.

    Parameters
    ----------
    fn : callable
    seen : dict, optional
        Remembers the files asked for before.

    >>> location(len), location(partial(max, 1)), location("".join)
    ('builtins:len', 'builtins:max', 'builtins:str.join')
    """
    for _ in range(64):  # an object may claim to wrap itself
        if isinstance(fn, partial):
            fn = fn.func
        elif hasattr(fn, "__wrapped__"):
            fn = fn.__wrapped__
        else:
            break
    name = getattr(fn, "__qualname__", None) or getattr(fn, "__name__", None)
    if not isinstance(name, str):  # an object with __call__
        fn = type(fn)
        name = fn.__qualname__
    code = getattr(fn, "__code__", None)
    if code is not None:
        return f"{relative(code.co_filename, seen)}:{name}"
    module = str(getattr(fn, "__module__", None) or "builtins")
    file = getattr(sys.modules.get(module), "__file__", None) if isinstance(fn, type) else None
    return f"{relative(file, seen) if file else module}:{name}"


def relative(file: str, seen: dict[str, str] | None = None) -> str:
    """Return a file's path relative to the folder that holds its top package.

    The cells of a notebook are one file: their own names hold a process number or change with each comment.

    >>> relative("<stdin>")
    '<stdin>'
    """
    if seen is not None and file in seen:
        return seen[file]
    found = file
    if file.startswith("<ipython-input-") or os.path.basename(os.path.dirname(file)).startswith("ipykernel_"):
        found = "<notebook>"
    elif os.path.isabs(file) or os.path.exists(file):
        file_path = os.path.abspath(file)
        found = os.path.relpath(file_path, top_folder(file_path)[0]).replace(os.sep, "/")
    if seen is not None:
        seen[file] = found
    return found


def top_folder(file: str) -> tuple[str, str]:
    """Return the folder that holds a file's top package (or the file, if it is in none), and the package."""
    top = os.path.dirname(os.path.abspath(file))
    package = ""
    while os.path.exists(os.path.join(top, "__init__.py")) and top != os.path.dirname(top):
        package = os.path.basename(top)
        top = os.path.dirname(top)
    return top, package


def relative_place(place: str) -> str:
    """Shorten ``/home/me/project/pkg/api.py:41`` to ``pkg/api.py:41``."""
    file, _, line = place.rpartition(":")
    return f"{relative(file)}:{line}" if file else place
