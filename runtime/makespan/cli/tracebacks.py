"""The user's own part of a traceback: frames of makespan and of the import system say nothing to the user."""

from __future__ import annotations

import importlib
import traceback
from pathlib import Path

_OURS = str(Path(__file__).parent.parent) + "/"
_IMPORTS = (str(importlib.__file__), "<frozen importlib")


def users_traceback(error: BaseException) -> str:
    """Return a traceback, notes and groups included, without the frames of makespan and ``importlib``."""
    shown = traceback.TracebackException.from_exception(error)
    _strip(shown, set())
    return "".join(shown.format()).rstrip()


def _strip(shown: traceback.TracebackException, seen: set[int]) -> None:
    if id(shown) in seen:
        return
    seen.add(id(shown))
    theirs = [frame for frame in shown.stack if not _is_ours(frame.filename)]
    if theirs or hasattr(shown, "filename"):  # a SyntaxError says itself where it is
        shown.stack[:] = theirs
    below = [shown.__cause__, shown.__context__, *(getattr(shown, "exceptions", None) or ())]
    for other in below:
        if other is not None:
            _strip(other, seen)


def _is_ours(file: str) -> bool:
    return file.startswith((_OURS, *_IMPORTS)) or "/makespan_optimizer/" in file
