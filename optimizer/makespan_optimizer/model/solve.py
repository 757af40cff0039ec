"""The parent's side of the solver: start the child, hear its events, kill it when the time is up.

CP-SAT usually keeps its time limit, but not always (a presolve step cannot be interrupted), and a crash in
native code would take the caller with it. So it runs in a process of its own: the wall limit holds whatever
the solver does, Ctrl-C is answered at once, and a crash means no more than 'no result from the solver'. The
process stays alive between requests, because importing the solver takes longer than solving most models.
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
from typing import TYPE_CHECKING, NamedTuple, Self

import msgspec

import makespan
import makespan_optimizer
from makespan.errors import missing_extra
from makespan.jsontext import known
from makespan_optimizer.model.request import Event, Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import IO

    from makespan_optimizer.model.request import Request

# A child that was started so lately may still be importing the solver, on a busy machine: it is not replaced.
_STARTING_S = 10.0

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

    @property
    def last(self) -> Event | None:
        """The last word: the answer, or None when there is none."""
        return self.events[-1] if self.events and self.events[-1].kind == "done" else None


class SolverProcess:
    """A child process that solves one request after another; replaced when it does not answer in time.

    A context manager: nothing is left of the child behind it. The child is started by the first request, or
    by `start`, which does not wait for it.

    Parameters
    ----------
    command : sequence of str, optional
        What to run instead of the worker.
    """

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None
        self._complaints: IO[bytes] | None = None
        self._begun = 0.0  # when this child was started
        self._heard = False  # whether it said anything
        self._sent = 0  # requests that it was sent
        self._rest = b""  # the beginning of its next line
        self.starts = 0
        """How often a child was started."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> str | None:
        """Start the child if there is none, without waiting for it; return why that failed."""
        if self._child is not None and self._child.poll() is not None:
            self.close()  # it died between two requests
        if self._child is not None:
            return None
        # A file, not a pipe: a child that complains at length is never blocked by it.
        complaints = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the child)
        try:
            child = subprocess.Popen(
                list(self._command or COMMAND),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                bufsize=0,
                env=_environment(),
            )
        except OSError as error:
            complaints.close()
            return f"its process could not be started: {error.strerror or error}"
        assert child.stdin is not None
        os.set_blocking(child.stdin.fileno(), False)
        self._child, self._complaints = child, complaints
        self._begun, self._heard = time.monotonic(), False
        self._sent, self._rest = 0, b""
        self.starts += 1
        return None

    def close(self) -> None:
        """Kill the child, if there is one."""
        child, self._child = self._child, None
        if child is not None:
            try:
                child.kill()
                child.wait()
            finally:
                for pipe in (child.stdin, child.stdout, self._complaints):
                    if pipe is not None:
                        pipe.close()

    def solve(
        self, request: Request, *, deadline: float, hear: Callable[[Event], bool] | None = None
    ) -> Outcome:
        """Solve a request.

        Parameters
        ----------
        request : Request
        deadline : float
            When to kill the child, on the clock of `time.monotonic`. It should be a bit later than
            `request.wall_s` from now, or the child is killed while it says its last word.
        hear : callable, optional
            Called with each event as it comes; True ends the search.
        """
        trouble = self.start()
        if self._child is None:
            return Outcome([], killed=False, trouble=trouble)
        number, self._sent = self._sent, self._sent + 1
        until = min(time.monotonic() + request.wall_s, deadline)
        asked = msgspec.structs.replace(request, number=number, until=until)
        message = msgspec.json.encode(asked) + b"\n"
        events: list[Event] = []
        try:
            ended = self._converse(self._child, message, number, deadline, hear, events)
        except BaseException:
            self.close()
            raise
        if ended == "done":
            return Outcome(events, killed=False, trouble=None)
        young = not self._heard and time.monotonic() - self._begun < _STARTING_S
        if ended == "enough" or (ended == "deadline" and young):
            self._send_stop(number)
            return Outcome(events, killed=ended == "deadline", trouble=None)
        reason = self._last_words() if ended == "end" else None
        self.close()
        return Outcome(
            events, killed=ended != "end", trouble=f"its process failed: {reason}" if reason else None
        )

    def _converse(
        self,
        child: subprocess.Popen[bytes],
        message: bytes,
        number: int,
        deadline: float,
        hear: Callable[[Event], bool] | None,
        events: list[Event],
    ) -> str:
        """Send the message, collect the events, and return why that ended.

        ``done``: it answered; ``enough``: `hear` said so; ``end`` of its output; ``deadline``; or
        ``half asked``, a deadline at which it had not read all of the request.
        """
        assert child.stdin is not None
        assert child.stdout is not None
        asking, answers = child.stdin.fileno(), child.stdout.fileno()
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return "half asked" if message else "deadline"
            readable, writable, _ = select.select([answers], [asking] if message else [], [], left)
            if writable:
                try:
                    message = message[os.write(asking, message) :]
                except BlockingIOError:
                    pass
                except BrokenPipeError:
                    message = b""  # it hears no more; what it said may still come
            if not readable:
                continue
            data = os.read(answers, 1 << 16)
            self._heard = True
            if not data:
                try:  # let it end by itself, so that its exit code tells how
                    child.wait(max(0.0, min(1.0, deadline - time.monotonic())))
                except subprocess.TimeoutExpired:
                    return "deadline"
                return "end"
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                event = _event(line)
                if event is None or event.number != number:
                    continue
                events.append(event)
                enough = hear is not None and hear(event)
                if event.kind == "done":
                    return "done"
                if enough:
                    return "enough"

    def _send_stop(self, number: int) -> None:
        """Tell the child that its answer is no longer wanted; one that cannot be told is killed."""
        assert self._child is not None
        assert self._child.stdin is not None
        try:
            os.write(self._child.stdin.fileno(), msgspec.json.encode(Stop(number)) + b"\n")
        except OSError:
            self.close()  # it does not read

    def _last_words(self) -> str:
        assert self._child is not None
        assert self._complaints is not None
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else f"exit code {self._child.returncode}"


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
    """Solve one request in a process of its own; parameters as of `SolverProcess.solve`."""
    with SolverProcess(command) as process:
        return process.solve(request, deadline=deadline, hear=hear)


def _event(line: bytes) -> Event | None:
    try:
        return msgspec.json.decode(line, type=known(Event))
    except msgspec.DecodeError:
        return None  # not ours: a library that prints


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
