"""How a prepared DAG runs, beside its plan: which nodes, how long, what a failure stops, who is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

OnError = Literal["stop", "continue"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What `DAG.prepare` is told beside plan and threads.

    Attributes
    ----------
    targets, roots, without : tuple of str, or None
        Which nodes run; see `makespan.selection`.
    given : mapping of str to Any
        Results of nodes that do not run, by name.
    on_error : {"stop", "continue"}
        After a failure nothing new starts; or everything that does not depend on the failed node goes on.
    timeout_s : float or None
        Of the whole run.
    hooks : Hooks or None
    allow_stale : bool
        Whether a plan for another state of the DAG is followed where it still speaks of the same nodes.
    drift : callable, bool or None
        Whether each node's wall time is counted in production, and who is told when it leaves the plan.
    """

    targets: tuple[str, ...] | None = None
    roots: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    given: Mapping[str, Any] = {}
    on_error: OnError = "stop"
    timeout_s: float | None = None
    hooks: Any = None
    allow_stale: bool = False
    drift: Callable[..., Any] | bool | None = None


PLAIN = Settings()
