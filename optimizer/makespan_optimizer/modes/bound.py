"""Lower bounds over all choices of modes: no cluster and no number of native threads does better.

Each node takes, of every resource, the least that any of its modes takes; what fits that, fits less for every
choice:

- its duration: the least of those measured with m native threads. In a worker it takes as long, and more to
  get there; contracting a cluster only puts its nodes into a sequence;
- the GIL: nothing, if it may run in a worker; else what it takes in a thread;
- both, if it is declared to run in a worker and in no cluster: what it takes there by itself;
- the cores: the least CPU time of its modes. A worker's is the same, and pickling comes on top.

So critical path, threads, cores, GIL and locks bound every plan with modes as they do one without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from makespan_optimizer.bounds import Bound, lower_bounds
from makespan_optimizer.instance import Instance, instance_of
from makespan_optimizer.modes.contract import as_declared
from makespan_optimizer.modes.cuts import Cuts
from makespan_optimizer.modes.native import apply_native, choices

if TYPE_CHECKING:
    from makespan.profile import Profile
    from makespan_optimizer.instance import Statistic

# Thousandths that shares are rounded by: to hundredths, and in a cluster anew. In a large DAG similar shares
# get their mean, so the bounds of GIL and cores hold as far as that does.
_ROUNDING = 10
_COARSE = 100
_FEW = 64  # nodes


def bounds_over_modes(
    profile: Profile,
    budget: int,
    *,
    processes: int = 0,
    native: bool = False,
    cores: float | None = None,
    first_call: bool = False,
    statistic: Statistic = "median",
) -> tuple[Instance, list[Bound]]:
    """Return the relaxed instance and its lower bounds, the largest first.

    Parameters
    ----------
    profile : Profile
    budget : int
        Threads.
    processes, native : as for `makespan_optimizer.modes.choose.choose_modes`
        What may be chosen.
    """
    instance = least(
        profile, processes=processes, native=native, cores=cores, first_call=first_call, statistic=statistic
    )
    return instance, lower_bounds(instance, budget)


def least(
    profile: Profile,
    *,
    processes: int = 0,
    native: bool = False,
    cores: float | None = None,
    first_call: bool = False,
    statistic: Statistic = "median",
) -> Instance:
    """Return an instance in which every node takes the least that any of its modes takes."""
    free = Cuts(profile).free if processes else 0
    settled = as_declared(_undeclared(profile, free))

    def instance_with(threads: dict[str, int]) -> Instance:
        changed = as_declared(_undeclared(apply_native(profile, threads), free)) if threads else settled
        return instance_of(changed, cores=cores, first_call=first_call, statistic=statistic)

    base = instance_with({})
    n, names = len(base), base.structure.names
    wall_s = [w * base.tick_s for w in base.wall]
    gil_s = [w * g for w, g in zip(wall_s, base.gil_sure, strict=True)]
    core_s = [w * c for w, c in zip(wall_s, base.core, strict=True)]
    if native:
        measured = {node.name: choices(node) for node in profile.nodes}
        for m in sorted({m for some in measured.values() for m in some}):
            other = instance_with({name: m for name, some in measured.items() if m in some})
            for i in range(n):
                if m in measured[names[i]]:
                    its_s = other.wall[i] * other.tick_s
                    wall_s[i] = min(wall_s[i], its_s)
                    gil_s[i] = min(gil_s[i], its_s * other.gil_sure[i])
                    core_s[i] = min(core_s[i], its_s * other.core[i])
    slack = _ROUNDING if n <= _FEW else _COARSE
    for i in range(n):
        if free >> i & 1 or n > _FEW:
            core_s[i] = max(0.0, core_s[i] - slack * wall_s[i])
            gil_s[i] = 0.0 if free >> i & 1 else max(0.0, gil_s[i] - slack * wall_s[i])
    wall = [max(0, int(its_s / base.tick_s) - (free >> i & 1)) for i, its_s in enumerate(wall_s)]
    gil = tuple(int(g / w) if w > 0 else 0 for g, w in zip(gil_s, wall_s, strict=True))
    core = tuple(int(c / w) if w > 0 else 0 for c, w in zip(core_s, wall_s, strict=True))
    return Instance(base.structure, tuple(wall), gil, gil, core, base.capacity, base.tick_s)


def _undeclared(profile: Profile, free: int) -> Profile:
    """Return the profile with nodes as they would be in a cluster, where they may be in one."""
    shapes = tuple(
        msgspec.structs.replace(shape, process=False) if shape.process and free >> i & 1 else shape
        for i, shape in enumerate(profile.shape)
    )
    return msgspec.structs.replace(profile, shape=shapes)
