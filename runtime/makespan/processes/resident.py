"""A resident worker process, seen from the process that started it.

It is a plain interpreter in a process group of its own, with one end of a socket: no helper threads, and no
further processes that look after it. Whoever calls it waits for its answer in his own thread; that it has
ended is told by the socket and by the process itself (a child of a dead worker may hold the socket). One call
at a time, so a worker that dies names the node that it ran.

Measured beside an executor of loky with one worker (CPython 3.11, two cores): a call that does nothing takes
0.05 instead of 0.65 ms, the start 35 instead of 220 ms.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from makespan.engine.failure import InMember
from makespan.processes import codec, wire
from makespan.processes.faults import WorkerDied, WorkerError
from makespan.processes.wire import Message
from makespan.processes.worker import AHEAD, CALL, MEMBER, RESULT, STATE, Failure, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Modules of the standard library are there before the user's folders are: these may hold a queue.py.
_START = (
    "import sys, contextlib, importlib.util, mmap, pickle, select, signal, socket, struct, threading; "
    "import traceback; n = int(sys.argv[1]); sys.path[:] = sys.argv[2:]; sys.argv[:] = ['']; "
    "from makespan.processes.worker import main; main(n)"
)
_GRACE_S = 2.0
_KEPT = 1 << 16
"""Bytes of a request that are kept while it runs, should it have to be made again."""
NOBODY: Mapping[int, str] = {}
Parcel = list[Any]


class Unread(Exception):  # noqa: N818 (nobody sees it)
    """A worker that had waited for work was gone before it had read the request, which is still there."""


class Resident:
    """One worker process.

    Parameters
    ----------
    number : int
    environment : mapping of str to str
    """

    def __init__(self, number: int, environment: Mapping[str, str]) -> None:
        self.number = number
        self.killed = False
        self._answered = False
        self._state: State | None = None
        mine, its = socket.socketpair()
        try:
            flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # noqa: SLF001
            path = [entry for entry in sys.path if isinstance(entry, str)]
            self._process = subprocess.Popen(
                [sys.executable, *flags, "-P", "-c", _START, str(its.fileno()), *path],
                stdin=subprocess.DEVNULL,
                pass_fds=[its.fileno()],
                env=environment,
                process_group=0,
            )
        except BaseException:
            mine.close()
            raise
        finally:
            its.close()
        self._link = mine
        self._end = _descriptor_of(self._process.pid)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process, which is idle, runs; one that speaks unasked is not to be trusted."""
        return self._process.returncode is None and self._link.fileno() >= 0 and not self._ready(0)

    def call(
        self,
        node: str,
        parcel: Parcel,
        state: State,
        members: Mapping[int, str] = NOBODY,
        told: Callable[[int, int], None] | None = None,
    ) -> Any:
        """Have the worker make a call, and return its result.

        Whatever else comes than an answer (Ctrl-C, say), the worker is killed: it may be in any state.

        Parameters
        ----------
        node : str
        parcel : list of stream and buffers
            Of (function, arguments, keyword arguments); taken out unless small, so that nobody keeps them
            while it runs.
        state : State
            What the worker is told first, if it does not know it.
        members : mapping of int to str
            Nodes by number, when the call is of several.
        told : callable, optional
            Called as ``told(node, now_ns)`` when one of several nodes begins, and with -1 after the last.

        Raises
        ------
        Unread
            It ended while it was idle, and the request can be made of another one.
        WorkerDied
            It ended before it answered.
        WorkerError
            What was raised in it, or returned, cannot be had here.
        InMember
            One of several nodes raised, or the worker died in it.
        BaseException
            What the function raised.
        """
        last = -1
        try:
            self._tell(state)
            wire.send(self._link, Message(CALL, *parcel))
            if parcel[1] or len(parcel[0]) > _KEPT:
                parcel.clear()
            while (answer := self._answer()).kind == MEMBER:
                last, now_ns = map(int, answer.stream.split())
                if told is not None:
                    told(last, now_ns)
        except (EOFError, ConnectionError) as error:
            # A connection is reset, or a pipe broken, by an end that goes with something still to be read.
            if isinstance(error, ConnectionError) and parcel and self._answered and not self.killed:
                self.kill_soon()
                raise Unread from None
            died = WorkerDied(members.get(last, node), None if self.killed else self._code())
            raise (InMember(last, died) if last >= 0 else died) from None
        except BaseException:
            self.kill()
            raise
        self._answered = True
        try:
            value = codec.loads(answer)
        except Exception as error:
            raise WorkerError(
                node, f"what came from its worker process cannot be unpickled here: {codec.told(error)}"
            ) from error
        if answer.kind == RESULT:
            return value
        raised = _raised(members.get(value.member, node), value, self.pid)
        raise InMember(value.member, raised) if value.member >= 0 else raised

    def read_ahead(self, functions: tuple[bytes, ...], state: State) -> None:
        """Have an idle worker import what functions are made of, and do not wait for it.

        Parameters
        ----------
        functions : tuple of bytes
            Each pickled by itself: one that cannot be had there is left to the call that needs it.
        state : State
        """
        try:
            self._tell(state)
            wire.send(self._link, Message(AHEAD, *codec.dumps(functions, beside=False)))
        except ConnectionError:  # who calls it finds that it ended
            return
        except BaseException:
            self.kill()  # half a message may have been sent
            raise

    def _tell(self, state: State) -> None:
        if state != self._state:
            wire.send(self._link, Message(STATE, *codec.dumps(state)))
            self._state = state

    def _answer(self) -> Message:
        if self._link.fileno() in self._ready(None):
            return wire.receive(self._link)
        raise EOFError

    def _ready(self, timeout_s: float | None) -> set[int]:
        link, end = self._link.fileno(), self._end
        return _ready([link] if end is None else [link, end], timeout_s)

    def _code(self) -> int | None:
        """Return the exit code of a process that ends by itself."""
        self._ended(_GRACE_S)
        return self._process.returncode

    def kill_soon(self) -> None:
        """End the process and what its nodes started; who waits for its answer sees to the rest."""
        self.killed = True
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def kill(self) -> None:
        """End the process and what its nodes started, at once."""
        self._ended(0)

    def stop(self) -> None:
        """Tell an idle worker that it is not needed any more; then `join`."""
        self._link.close()

    def join(self) -> None:
        """Wait until the process that was told to stop has ended; kill it if that takes too long."""
        self._ended(_GRACE_S)

    def bury(self) -> None:
        """Wait for the end of a process that was killed while another thread waits for its answer."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_S)

    def _ended(self, grace_s: float) -> None:
        if grace_s and self._end is not None:
            _ready([self._end], grace_s)
        self.kill_soon()  # before it is waited for: until then its number is nobody else's
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_S)
        self._link.close()
        end, self._end = self._end, None
        if end is not None:
            os.close(end)

    def forget(self) -> None:
        """Let go of it in a child of this process, to which it does not belong."""
        self._link.close()
        if self._end is not None:
            os.close(self._end)
        self._process.returncode = 0  # or its finalizer would speak of a process that still runs


def _ready(descriptors: Sequence[int], timeout_s: float | None = None) -> set[int]:
    """Wait until one of these can be read, and return those that can."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {descriptor for descriptor, _ in poll.poll(None if timeout_s is None else timeout_s * 1000)}


def _descriptor_of(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):  # not Linux, or an old one: the socket tells
        return None


def _raised(node: str, failure: Failure, pid: int) -> BaseException:
    """Return the exception that a worker told of."""
    error: BaseException | None = None
    if failure.pickled is not None:
        with suppress(Exception):
            error, cause = codec.loads(Message(0, failure.pickled))
            if error is not None and cause is not None:
                error.__cause__ = cause
    if error is None:
        how = f"{failure.stage}:" if failure.stage else "raised"
        text = f": {failure.text}" if failure.text else ""
        error = WorkerError(node, f"{how} {failure.type_name}{text}", failure.type_name, failure.traceback)
    with suppress(Exception):  # a class of the user's may take no notes
        error.add_note(f"in worker process {pid}:\n{failure.traceback.rstrip()}")
    return error
