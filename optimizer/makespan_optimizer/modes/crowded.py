"""Crowding is the machine's, whatever runs where: kept when modes drop the pairs that tell it.

A profile under modes has fewer pairs: nodes in worker processes, or with other native threads, were not
measured beside others as they run then. What they say of the machine still holds; without it, a plan with
modes would be judged on another machine than a plan without, and neither choice would be fair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from makespan_optimizer.contention.neighbours import CROWDING
from makespan_optimizer.contention.sharing import Sharing
from makespan_optimizer.instance import instance_of

if TYPE_CHECKING:
    from makespan.profile import Profile


def with_crowding(profile: Profile) -> Profile:
    """Return the profile with the crowding that its pairs tell written down; as it is when none do."""
    if not (profile.pairs and profile.runs) or any(CROWDING in run.calibration for run in profile.runs):
        return profile
    fluid = instance_of(profile).fluid
    if not isinstance(fluid, Sharing):
        return profile
    last = profile.runs[-1]
    last = msgspec.structs.replace(last, calibration={**last.calibration, CROWDING: fluid.machine.crowding})
    return msgspec.structs.replace(profile, runs=(*profile.runs[:-1], last))
