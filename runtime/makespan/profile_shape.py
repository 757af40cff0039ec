"""The nodes of a DAG as a profile keeps them, so that a plan can be computed without the code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from makespan.plan import Name

if TYPE_CHECKING:
    from collections.abc import Sequence

CALLING_THREAD = "the calling thread"


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A node of the DAG, as far as a plan needs to know it."""

    name: Name
    after: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    exclusive: bool = False
    tags: tuple[str, ...] = ()
    location: str = ""
    """``package/file.py:function``, relative to the package."""
    place: str = ""
    """``file:line`` of the call that made the node, relative to the package."""
    code: str = ""
    """Fingerprint of the node's code as it is now; see `NodeProfile.code`."""
    measure: bool = True
    """False: the node is not run while profiling; a hint stands for it."""
    stays: str = ""
    """Why it cannot run in a worker process, by its declaration: ``it is a coroutine function``; or empty."""
    process: bool = False
    """It is declared to run in a worker process, and does so whatever a plan says."""
    caller: bool = False
    """It is declared to run in the calling thread, where one node runs at a time."""


def locks_of(shapes: Sequence[Shape]) -> list[tuple[str, ...]]:
    """Return the locks that nodes hold; those that only the calling thread may run hold it as a lock.

    >>> locks_of([Shape("a", caller=True), Shape("b", locks=("db",), caller=True), Shape("c")])
    [('the calling thread',), ('db', 'the calling thread'), ()]
    """
    callers = sum(shape.caller for shape in shapes)
    if callers < 2:
        return [shape.locks for shape in shapes]
    taken = {lock for shape in shapes for lock in shape.locks}
    name = CALLING_THREAD
    while name in taken:
        name += " "
    return [(*shape.locks, name) if shape.caller else shape.locks for shape in shapes]
