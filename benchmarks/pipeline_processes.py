"""The parent's side of `pipeline_child.py`: start it, ask it, and never leave it behind.

Each child leads a session of its own, so that Ctrl-C at the terminal reaches the parent alone, which then
ends the child's whole group: the servers that a pipeline started, and worker processes, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from makespan.machine import THREAD_VARIABLES

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

PROGRAM = Path(__file__).with_name("pipeline_child.py")
_GOODBYE_S = 15.0
_TAIL = 1500  # characters of what a child printed that are shown when it ends
_MORE_VARIABLES = ("POLARS_MAX_THREADS", "NUMBA_NUM_THREADS", "BLIS_NUM_THREADS")


class ChildError(Exception):
    """A child could not do what it was asked; `answer` is what it said."""

    def __init__(self, text: str, answer: dict[str, Any] | None = None) -> None:
        super().__init__(text)
        self.answer = answer or {}


class LostChildError(ChildError):
    """It ended, or did not answer in time and was ended."""


def environment(native: str) -> dict[str, str]:
    """Return the environment of a child: libraries' defaults, or one native thread each.

    What the benchmark's own environment says of native threads counts for neither.
    """
    names = [name for name in (*THREAD_VARIABLES, *_MORE_VARIABLES) if name != "OMP_THREAD_LIMIT"]
    found = {name: value for name, value in os.environ.items() if name not in {*names, "OMP_THREAD_LIMIT"}}
    found |= {"PYTHONHASHSEED": "0", "MPLBACKEND": "Agg"}  # Tawazi's order depends on the hash seed
    return found | (dict.fromkeys(names, "1") if native == "one" else {})


def end_all() -> None:
    """End all that run, and everything they started."""
    for its in _alive:
        its.close(kindly=False)


class PipelineProcess:
    """A process that runs one pipeline.

    Parameters
    ----------
    name, file
        The pipeline.
    native : {"default", "one"}
        Threads of native libraries.
    """

    def __init__(self, name: str, file: Path, native: str) -> None:
        self.name, self.native = name, native
        self._unread = b""
        self._ended = False
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until it can be ended
        try:
            self._process = subprocess.Popen(
                [sys.executable, str(PROGRAM), name, str(file), native],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env=environment(native),
                start_new_session=True,
                bufsize=0,
            )
            _alive.append(self)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close(kindly=kind is None)

    def ask(self, do: str, timeout_s: float, **more: Any) -> dict[str, Any]:
        """Ask for one thing and wait for it.

        Raises
        ------
        ChildError
            It could not do that, and goes on.
        LostChildError
            It ended, or took too long and was ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **more}).encode() + b"\n")
            answer = json.loads(self._line(time.monotonic() + timeout_s))
        except BrokenPipeError:
            raise self._lost("it ended") from None
        if "error" in answer:
            raise ChildError(answer["error"], answer)
        return answer  # type: ignore[no-any-return]

    def close(self, *, kindly: bool = True) -> None:
        """End it, and everything it started."""
        if kindly and not self._ended:
            with contextlib.suppress(ChildError):
                self.ask("end", _GOODBYE_S)
        self._end()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._said.close()
        if self in _alive:
            _alive.remove(self)

    def _line(self, until_s: float) -> bytes:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, until_s - time.monotonic())):
                    raise self._lost("it did not answer in time")
                read = os.read(self._process.stdout.fileno(), 1 << 16)
                if not read:
                    raise self._lost("it ended")
                self._unread += read
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _end(self) -> None:
        """Kill its group, once: its number may belong to others after that."""
        if not self._ended:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._ended = True
            self._process.wait()

    def _lost(self, why: str) -> LostChildError:
        self._end()
        self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, self._said.tell() - _TAIL))
        tail = self._said.read().decode(errors="replace").strip()
        return LostChildError(f"{why}{f': … {tail}' if tail else ''}")


_alive: list[PipelineProcess] = []
