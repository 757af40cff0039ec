"""What a run raises when a worker process, and not the node's own function, went wrong."""

from __future__ import annotations

import signal
from typing import Any


class WorkerError(RuntimeError):
    """A node in a worker process failed in a way that cannot arrive as it was raised there.

    Attributes
    ----------
    node : str
    problem : str
    type_name : str
        The type of the exception that was raised in the worker, when it could not be sent.
    remote_traceback : str
        Its traceback as text.
    """

    def __init__(self, node: str, problem: str, type_name: str = "", remote_traceback: str = "") -> None:
        self.node = node
        self.problem = problem
        self.type_name = type_name
        self.remote_traceback = remote_traceback
        super().__init__(f"node {node!r}: {problem}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.node, self.problem, self.type_name, self.remote_traceback), self.__dict__


class WorkerDied(WorkerError):  # noqa: N818 (what it says)
    """The worker process that ran a node ended before the node did.

    Attributes
    ----------
    exitcode : int or None
        As in `subprocess`: below zero the signal that ended it; None when makespan ended it.
    """

    def __init__(self, node: str, exitcode: int | None) -> None:
        super().__init__(node, f"the worker process that ran it {_how(exitcode)}")
        self.exitcode = exitcode

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.node, self.exitcode)


def _how(exitcode: int | None) -> str:
    """Say how a process ended.

    >>> _how(-9)
    'was killed by SIGKILL (was there enough memory?)'
    >>> _how(3)
    'exited with code 3'
    """
    if exitcode is None:
        return "was ended"
    if exitcode >= 0:
        return f"exited with code {exitcode}"
    try:
        name = signal.Signals(-exitcode).name
    except ValueError:
        name = f"signal {-exitcode}"
    return f"was killed by {name}{' (was there enough memory?)' if name == 'SIGKILL' else ''}"
