"""The nodes of a DAG as a profile keeps them, so that a plan can be computed without the code."""

from __future__ import annotations

import msgspec

from makespan.plan import Name


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
