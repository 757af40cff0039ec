"""Lower bounds: no schedule of an instance, however clever, ends sooner.

- *critical path*, *threads*, *each lock*: bounds of the rigid problem (`makespan_optimizer.rigid.energy`);
- *cores, GIL*: work / capacity, sharpened by heads and tails. The simulator lets nodes share these, so
  nothing more may be said of them. The GIL counts only as far as it was measured.

An exclusive node runs alone: cut its time out, and what is left is a schedule of the other nodes. So each
bound is taken for the others, and the time of all exclusive nodes is added.

These hold for the simulator, because there a node is never faster than alone and no capacity is exceeded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from makespan_optimizer.rigid.energy import heads_of, scaled_energy, simple_bounds, tails_of
from makespan_optimizer.schedule import rigid_problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan_optimizer.instance import Instance


class Bound(NamedTuple):
    """A lower bound in ticks, and what it comes from: ``critical path``, ``GIL``, ``lock db`` and so on."""

    name: str
    ticks: float


def lower_bounds(instance: Instance, budget: int) -> list[Bound]:
    """Return all bounds, the largest first; among equals the critical path before resources.

    >>> from makespan.structure import build
    >>> from makespan_optimizer.instance import instance_from
    >>> five = build("ABCDE", ["", "A", "A", "A", "CD"])
    >>> lower_bounds(instance_from(five, [1, 1, 1, 1, 1]), budget=2)[0].ticks
    3.0
    """
    return bounds_by_budget(instance)(budget)


def bounds_by_budget(instance: Instance) -> Callable[[int], list[Bound]]:
    """Return what takes a thread budget to its bounds; those of the GIL and the cores are worked out once."""
    only = instance.structure.exclusive
    alone = sum(w for w, exclusive in zip(instance.wall, only, strict=True) if exclusive)
    wall = [0 if exclusive else w for w, exclusive in zip(instance.wall, only, strict=True)]
    relaxed = rigid_problem(instance, len(wall), contended=False, wall=wall)
    heads, tails = heads_of(relaxed), tails_of(relaxed)
    shared = []
    for name, demand, capacity in (
        ("cores", instance.core, instance.capacity),
        ("GIL", instance.gil_sure, 1000),
    ):
        work = [w * d for w, d in zip(wall, demand, strict=True)]
        shared.append(Bound(name, scaled_energy(heads, tails, work, capacity) / capacity))

    def of(budget: int) -> list[Bound]:
        problem = rigid_problem(instance, budget, contended=False, wall=wall)
        found = [*(Bound(name, float(ticks)) for name, ticks in simple_bounds(problem)), *shared]
        found = [Bound(_name(bound, alone), bound.ticks + alone) for bound in found]
        return sorted(found, key=lambda bound: -bound.ticks)

    return of


def _name(bound: Bound, alone: int) -> str:
    return "exclusive nodes" if alone > bound.ticks else bound.name
