"""Evidence of races, made by hand; see `tests.report_data` for the runs and plans beside it."""

from __future__ import annotations

from typing import Any

import msgspec

from makespan.plan import Evidence, Misjudged, Raced

PLAN = "plan, 2 threads, 2 processes"
DEFAULT = "default order, 2 threads"

FASTER = Evidence(
    winner=PLAN,
    default=DEFAULT,
    confidence=0.95,
    clear=True,
    stopped="it is clear",
    used_s=58.2,
    ways=(
        Raced(PLAN, 2, 13, 1.34, 1.31, 1.38, 1.30),
        Raced("plan, 2 threads", 2, 8, 1.75, 1.70, 1.79, 1.71, "slower than the leader, 1.31 times"),
        Raced(DEFAULT, 2, 13, 2.16, 2.10, 2.20, 2.05),
        Raced("one after the other", 1, 1, 2.90, None, None, 2.80, "its first run took 2.2 times as long"),
    ),
    over_default=0.62,
    over_default_low=0.58,
    over_default_high=0.66,
    foreign_load=0.03,
    misjudged=(Misjudged(("load", "parse"), 0.063, 0.722, "it takes the GIL again and again", True),),
)
NO_ROOM = Evidence(
    winner=DEFAULT,
    default=DEFAULT,
    confidence=0.9,
    clear=False,
    stopped="the time was used up",
    used_s=20.0,
    ways=(
        Raced(DEFAULT, 2, 5, 1.00, 0.98, 1.02),
        Raced(PLAN, 2, 5, 1.01, 0.99, 1.03, 0.9),
    ),
    over_default=1.0,
)


def changed(evidence: Evidence, **fields: Any) -> Evidence:
    """Return the evidence with other fields."""
    return msgspec.structs.replace(evidence, **fields)
