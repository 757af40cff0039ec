"""Where in the user's code something was called: ``file:line``, for errors and reports."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

# Frames of these modules stand between the user's call and the question. Other modules of this package may
# hold nodes and DAGs themselves (the demo), so the package's name alone does not tell.
_BETWEEN = frozenset(
    f"makespan.{name}"
    for name in (
        "describing.arguments",
        "awaiting.arun",
        "describing.building",
        "describe",
        "describing.described",
        "graph",
        "describing.inline",
        "around.keeping",
        "describing.node_options",
        "describing.options",
        "describing.place",
        "describing.placeholder",
        "preparing.prepared",
        "engine.recording",
        "preparing.settings",
    )
)


# A misuse may be seen inside a function of the standard library: copy.deepcopy, os.path.join.
_LIBRARY = os.__file__.removesuffix("os.py")
_INSTALLED = (f"{_LIBRARY}site-packages", f"{_LIBRARY}dist-packages")


def caller_place() -> str:
    """Return ``file:line`` of the nearest caller outside the standard library and what describes."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    nearest = ""
    while frame is not None:
        if frame.f_globals.get("__name__") not in _BETWEEN:
            file = frame.f_code.co_filename
            if not file.startswith((_LIBRARY, "<frozen ")) or file.startswith(_INSTALLED):
                return f"{file}:{frame.f_lineno}"
            nearest = nearest or f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return nearest


def function_place(fn: object) -> str | None:
    """Return ``file:line`` of a function's first line, or None for what has no Python code."""
    code = getattr(fn, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else None
