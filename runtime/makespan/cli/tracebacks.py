"""The user's own part of a traceback: frames of makespan and of the import system say nothing to the user."""

from __future__ import annotations

import importlib
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_OURS = str(Path(__file__).parent.parent) + "/"
_IMPORTS = (str(importlib.__file__), "<frozen importlib")


def users_traceback(error: BaseException) -> str:
    """Return a traceback, notes and groups included, without the frames of makespan and ``importlib``."""
    shown = traceback.TracebackException.from_exception(error)
    _strip(shown, error, set())
    return "".join(shown.format()).rstrip()


def _strip(shown: traceback.TracebackException, error: BaseException, seen: set[int]) -> None:
    if id(shown) in seen:
        return
    seen.add(id(shown))
    theirs = _theirs(shown)
    if theirs or hasattr(shown, "filename") or _tells_itself(error):  # a SyntaxError says itself where it is
        shown.stack[:] = theirs
    below = error.__cause__
    while shown.__cause__ is not None and below is not None and _is_an_end(shown.__cause__, below):
        shown.__cause__, below = shown.__cause__.__cause__, below.__cause__
    pairs: list[tuple[traceback.TracebackException | None, BaseException | None]] = [
        (shown.__cause__, below),
        (shown.__context__, error.__context__),
        *zip(getattr(shown, "exceptions", None) or (), _members(error), strict=False),
    ]
    for other, its in pairs:
        if other is not None and its is not None:
            _strip(other, its, seen)


def _theirs(shown: traceback.TracebackException) -> list[traceback.FrameSummary]:
    return [frame for frame in shown.stack if not _is_ours(frame.filename)]


def _members(error: BaseException) -> Iterable[BaseException]:
    return error.exceptions if isinstance(error, BaseExceptionGroup) else ()


def _tells_itself(error: BaseException) -> bool:
    """Say whether it came from a worker process: where it was raised there stands in a note, if at all."""
    from makespan.processes.faults import WorkerError

    notes = getattr(error, "__notes__", None) or ()
    return isinstance(error, WorkerError) or any(str(note).startswith("in worker process ") for note in notes)


def _is_an_end(shown: traceback.TracebackException, error: BaseException) -> bool:
    """Say whether it is only how makespan ended a node whose time was up, which the error behind it says."""
    from makespan.processes.faults import WorkerDied

    return isinstance(error, TimeoutError | WorkerDied) and bool(shown.stack) and not _theirs(shown)


def _is_ours(file: str) -> bool:
    return file.startswith((_OURS, *_IMPORTS)) or "/makespan_optimizer/" in file


def whose(error: BaseException) -> str:
    """Say in whose code an exception was raised, a node's or a hook's: it has the note that names it."""
    for note in getattr(error, "__notes__", ()):
        for begins, whose in (("in node ", "a node"), ("in setup ", "setup"), ("in teardown ", "teardown")):
            if str(note).startswith(begins):
                return whose
    return ""
