"""What a call has of the pool of worker processes while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from makespan.processes.resident import Resident


class Abandoned(Exception):  # noqa: N818 (nobody sees it)
    """A call was given up before it had a worker."""


class Ticket:
    """One call: what it has of the pool, so that it can be killed, and gives back whatever comes.

    Attributes
    ----------
    over : bool
        It was killed.
    number : int
        Of the worker that it has or had; -1 before.
    worker : Resident or None
        The worker that it has.
    starting : bool
        It has a number, and its worker is being started.
    """

    __slots__ = ("number", "over", "starting", "worker")

    def __init__(self) -> None:
        self.over = self.starting = False
        self.number = -1
        self.worker: Resident | None = None
