"""The parent's side of the solver: start the child, hear its events, kill it when the time is up.

CP-SAT usually keeps its time limit, but not always (a presolve step cannot be interrupted), and a crash in
native code would take the caller with it. So it runs in a process of its own: the wall limit holds whatever
the solver does, Ctrl-C is answered at once, and a crash means no more than 'no result from the solver'.
"""

from __future__ import annotations

import importlib.util
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

import makespan
import makespan_optimizer
from makespan.errors import missing_extra
from makespan_optimizer.model.request import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan_optimizer.model.request import Request

COMMAND = (sys.executable, "-P", "-m", "makespan_optimizer.model.worker")


class Outcome(NamedTuple):
    """What came of it.

    Attributes
    ----------
    events : list of Event
        All that the child said, in order.
    killed : bool
        The wall limit was reached.
    trouble : str or None
        Why the child ended without an answer.
    """

    events: list[Event]
    killed: bool
    trouble: str | None


def ensure_solver() -> None:
    """Check that OR-Tools is installed, without importing it.

    Raises
    ------
    MissingExtraError
        It is not.
    """
    if importlib.util.find_spec("ortools") is None:
        raise missing_extra("makespan optimize", "OR-Tools", "optimize")


def solve(
    request: Request,
    *,
    deadline: float,
    hear: Callable[[Event], bool] | None = None,
    command: Sequence[str] | None = None,
) -> Outcome:
    """Solve a request in a child process.

    Parameters
    ----------
    request : Request
    deadline : float
        When to kill the child, on the clock of `time.monotonic`.
    hear : callable, optional
        Called with each event as it comes; True ends the search.
    command : sequence of str, optional
        What to run instead of the worker.
    """
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as complaints:
        asked.write(msgspec.json.encode(request))
        asked.seek(0)
        try:
            child = subprocess.Popen(
                list(command or COMMAND),
                stdin=asked,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=_environment(),
            )
        except OSError as error:
            return Outcome(
                [], killed=False, trouble=f"its process could not be started: {error.strerror or error}"
            )
        try:
            events, ended = _listen(child, deadline, hear)
        finally:
            child.kill()
            code = child.wait()
            if child.stdout is not None:
                child.stdout.close()
        if ended == "end" and code != 0:
            # Killed after it closed its output is no crash: then the code is that of our own signal.
            complaints.seek(0)
            lines = complaints.read().decode(errors="replace").strip().splitlines()
            reason = lines[-1][:200] if lines else f"exit code {code}"
            if not _answered(events, request):
                return Outcome(events, killed=False, trouble=f"its process failed: {reason}")
        return Outcome(events, killed=ended == "deadline", trouble=None)


def _answered(events: Sequence[Event], request: Request) -> bool:
    return sum(event.kind == "done" for event in events) >= len(request.models)


def _listen(
    child: subprocess.Popen[bytes], deadline: float, hear: Callable[[Event], bool] | None
) -> tuple[list[Event], str]:
    """Return the events, and why listening ended: ``end`` of output, ``deadline``, or ``enough``."""
    assert child.stdout is not None
    events: list[Event] = []
    descriptor = child.stdout.fileno()
    rest = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return events, "deadline"
        data = os.read(descriptor, 1 << 16)
        if not data:
            # Let it end by itself, so that its exit code tells how.
            try:
                child.wait(max(0.0, min(1.0, deadline - time.monotonic())))
            except subprocess.TimeoutExpired:
                return events, "deadline"
            return events, "end"
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            try:
                event = msgspec.json.decode(line, type=Event)
            except msgspec.DecodeError:
                continue  # not ours: a library that prints
            events.append(event)
            if hear is not None and hear(event):
                return events, "enough"


def _environment() -> dict[str, str]:
    """Return the child's environment: it must find both source roots, however they were installed."""
    roots = [str(Path(package.__path__[0]).resolve().parent) for package in (makespan, makespan_optimizer)]
    spec = importlib.util.find_spec("ortools")
    if spec is not None and spec.submodule_search_locations:
        roots.append(str(Path(next(iter(spec.submodule_search_locations))).resolve().parent))
    known = os.environ.get("PYTHONPATH")
    if known:
        roots.append(known)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(roots))}
