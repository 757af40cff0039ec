"""The worker process: takes a call, makes it, answers, until the other end of its socket is closed.

It is a plain interpreter that was started with this module's `main`; what it knows of the process that
started it comes in messages. Ctrl-C is that process's business: the worker runs in a process group of its
own, in which everything that its nodes start can be ended with it.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from importlib.util import module_from_spec, spec_from_file_location
from typing import NamedTuple

from makespan.engine.cancelling import inside as running
from makespan.engine.failure import InMember
from makespan.processes import codec, wire
from makespan.processes.codec import kind
from makespan.processes.wire import Message

STATE, CALL, RESULT, ERROR, MEMBER, AHEAD = range(6)
_GRACE_S = 1.0


class State(NamedTuple):
    """What the worker has in common with the process that started it."""

    path: tuple[str, ...]
    folder: str
    files: tuple[tuple[str, str], ...]
    """Modules that are not found by their name: name and file."""
    argv: tuple[str, ...]


class Failure(NamedTuple):
    """An exception on its way: pickled if that gives the same exception again, and in any case told as text.

    `stage` says what went wrong when it was not the function; `member` is the number of the node that raised,
    when several are called as one.
    """

    type_name: str
    text: str
    traceback: str
    stage: str
    pickled: bytes | None
    member: int = -1


link: socket.socket | None = None
"""To the process that started this one, if this is a worker."""


def main(descriptor: int) -> None:
    """Work until the other end is gone."""
    global link  # noqa: PLW0603
    # Not SIG_IGN: programs that a node starts would inherit it.
    signal.signal(signal.SIGINT, lambda *_: None)
    link = socket.socket(fileno=descriptor)
    link.set_inheritable(False)
    os.register_at_fork(after_in_child=link.close)  # a fork that comes back from its node has nothing to say
    running.set(True)  # a DAG that a node runs keeps to the node's one place in the budget
    threading.Thread(target=_end_with_parent, args=(link,), name="makespan-watch", daemon=True).start()
    folder = "/"
    while True:
        try:
            received = [wire.receive(link)]
            if received[0].kind == STATE:
                folder = _adopt(codec.loads(received[0]))
            elif received[0].kind == AHEAD:
                _go_to(folder)
                _read_ahead(received.pop())
            else:
                _go_to(folder)  # the last node may have left it
                _answer(link, received)
        except (EOFError, OSError):
            return


def _answer(link: socket.socket, received: list[Message]) -> None:
    reply = _reply_to(received)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    try:
        wire.send(link, reply)
    except ConnectionError:
        raise
    except OSError as error:  # no memory for it, or too many open files: nothing was sent
        stage = "what came of it cannot be sent back"
        wire.send(link, Message(ERROR, *codec.dumps(_failure(error, stage), beside=False)))


def _read_ahead(message: Message) -> None:
    """Import what functions are made of; the call that needs one says what is wrong with it."""
    with suppress(BaseException):
        for stream in codec.loads(message):
            with suppress(BaseException):
                codec.loads(Message(CALL, stream))


def say_member(node: int, now_ns: int) -> None:
    """Tell which of several nodes runs from now on (-1: none), so that it is known should the worker die."""
    if link is not None:
        wire.send(link, Message(MEMBER, b"%d %d" % (node, now_ns)))


def _reply_to(received: list[Message]) -> Message:
    stage = "its arguments cannot be unpickled in the worker process"
    try:
        fn, args, kwargs = codec.loads(received.pop())  # so that nothing but the call holds what was sent
        stage = ""
        try:
            value = fn(*args, **kwargs)
        finally:
            del args, kwargs
        stage = f"its result ({kind(value)}) cannot be sent back"
        return Message(RESULT, *codec.dumps(value))
    except BaseException as error:
        return Message(ERROR, *codec.dumps(_failure(error, stage)))


def _failure(error: BaseException, stage: str) -> Failure:
    member = -1
    if type(error) is InMember:
        member, error = error.node, error.error
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__package__") == __package__:
        trace = trace.tb_next  # ours
    try:
        lines = traceback.format_exception(type(error), error, trace or error.__traceback__)
        shown = "".join(lines)
    except Exception:
        shown = codec.told(error)
    try:
        text = str(error)
    except Exception:
        text = ""
    return Failure(type(error).__qualname__, text, shown, stage, None if stage else _pickled(error), member)


def _pickled(error: BaseException) -> bytes | None:
    """Return an exception and its cause pickled, if what comes of it is the same; else None."""
    for cause in (error.__cause__, None):
        try:
            stream, _ = codec.dumps((error, cause), beside=False)
            again, _ = codec.loads(Message(ERROR, stream))
            if type(again) is type(error) and str(again) == str(error) and _kept(again, error):
                return stream
        except BaseException:  # noqa: S112 (it is told as text; a class may do anything when it is pickled)
            continue
    return None


def _kept(again: BaseException, error: BaseException) -> bool:
    return again.__dict__.keys() == error.__dict__.keys() and len(again.args) == len(error.args)


def _adopt(state: State) -> str:
    """Take over what is said, and return the folder to be in."""
    sys.path[:] = state.path
    sys.argv[:] = state.argv
    _go_to(state.folder)  # before modules are loaded
    for name, file in state.files:
        if name not in sys.modules:
            with suppress(Exception):  # the call that needs it says what is missing
                _load(name, file)
    return state.folder


def _go_to(folder: str) -> None:
    with suppress(OSError):
        os.chdir(folder)


def _load(name: str, file: str) -> None:
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        return
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def _end_with_parent(link: socket.socket) -> None:
    """End this process, and what its nodes started, soon after the other end is gone."""
    poll = select.poll()
    poll.register(link.fileno(), 0)  # only of the end
    while not poll.poll():
        pass
    time.sleep(_GRACE_S)
    os.killpg(os.getpgid(0), signal.SIGKILL)
