"""Where a coroutine waits, in lines as a traceback has them."""

from __future__ import annotations

from typing import Any


def lines_of(coroutine: Any) -> str:
    """Return the lines from what the coroutine awaits first to where it waits; empty when it does not."""
    import traceback

    frames = []
    at = coroutine
    while at is not None:
        at = getattr(at, "cr_await", None)
        frame = getattr(at, "cr_frame", None)
        if frame is not None:
            frames.append((frame, frame.f_lineno))
    found = traceback.StackSummary.extract(iter(frames))
    return "".join(traceback.format_list(found)).rstrip("\n")
