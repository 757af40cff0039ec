"""Where in the user's code something was called: ``file:line``, for errors and reports."""

from __future__ import annotations

import sys

# Frames of these modules stand between the user's call and the question. Other modules of this package may
# hold nodes and DAGs themselves (the demo), so the package's name alone does not tell.
_BETWEEN = frozenset(
    f"makespan.{name}"
    for name in (
        "arguments",
        "building",
        "describe",
        "graph",
        "inline",
        "options",
        "place",
        "placeholder",
        "prepared",
    )
)


def caller_place() -> str:
    """Return ``file:line`` of the nearest caller outside the modules that describe."""
    frame = sys._getframe(1)  # noqa: SLF001
    while frame.f_back is not None and frame.f_globals.get("__name__") in _BETWEEN:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def function_place(fn: object) -> str | None:
    """Return ``file:line`` of a function's first line, or None for what has no Python code."""
    code = getattr(fn, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else None
