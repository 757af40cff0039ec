"""What a Gantt is made of: bars and what fills them, rows, idle time, bands. Only types."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal[
    "ok", "failed", "timed out", "unfinished", "skipped", "not started", "dropped", "left out", "planned"
]


class Shares(msgspec.Struct, frozen=True):
    """Of a bar's time, as shares that add up to 1; how much, not when."""

    gil: float
    native: float
    blocked: float
    longer: float
    """Longer than the node takes alone: waiting for the GIL or a core, or slower than profiled."""
    gil_wait: float = 0.0
    """Waiting for the GIL, as measured in the run."""
    delay: float = 0.0
    """Ready, but without a core, as measured in the run."""


PARTS = ("gil", "native", "blocked", "gil_wait", "delay", "longer")
"""The fields of `Shares` in the order in which a bar is filled, from the bottom."""


LaneKind = Literal["caller", "thread", "process", "loop"]
IdleCause = Literal["inputs", "lock", "GIL", "budget", "nothing left"]
"""Why a place stood idle: what was left waited for results; for a lock or group; was kept back so that nobody
fights for the GIL; a node was ready, and no worker took it yet; nothing was left to do."""


class Lane(msgspec.Struct, frozen=True):
    """A row of the Gantt."""

    name: str
    """In words: ``lane 0``, ``caller``, ``process 1``."""
    kind: LaneKind
    busy: float
    """Share of the makespan in which nodes ran in it."""
    idle_s: tuple[tuple[IdleCause, float], ...] = ()
    """The rest of it by cause, the largest first."""
    elsewhere_s: float = 0.0
    """Neither: its place in the budget was in use in another row, as while it waits for a worker process. So
    ``busy`` and ``idle_s`` of all lanes add up to budget × makespan, less what places without a lane were
    idle."""


class Idle(msgspec.Struct, frozen=True):
    """A stretch of time in which nothing ran in a row, long enough to be seen: at least a 20,000th of it all.

    Shorter ones are in the sums of `Lane.idle_s` only.
    """

    row: int
    start_s: float
    end_s: float
    cause: IdleCause
    of: str = ""
    """The node whose end the next one waited for; the lock, group or exclusive node that kept one back; of
    ``budget`` the node that was ready. Else, and where short waits for several are drawn as one, empty."""


class Band(msgspec.Struct, frozen=True):
    """A lock or group: who held it, where and when."""

    name: str
    """Without its kind: the lock ``db`` is called ``db``; chains and clusters by their ends."""
    kind: Literal["lock", "group", "exclusive", "chain", "cluster"]
    limit: int
    spans: tuple[tuple[float, float, int], ...]
    """(start, end, row) of each node in it, by start."""


class Bar(msgspec.Struct, frozen=True):
    """A node drawn in a row of the Gantt."""

    name: str
    row: int
    start_s: float
    end_s: float
    shares: Shares | None
    critical: bool
    status: Status
