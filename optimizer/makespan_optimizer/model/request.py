"""What parent and child say to each other: plain data, a line of JSON at a time.

Parent to child: one `Request`. Child to parent: `Event` after `Event`. Times are whole units; a unit is the
greatest common divisor of all durations, so that five equal nodes give a model with tiny domains.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, Literal

import msgspec

from makespan.order import bottom_levels
from makespan_optimizer.bounds import heads_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan_optimizer.instance import Instance


class Resource(msgspec.Struct, frozen=True):
    """Something of which running nodes use `demand` each, and together at most `capacity`."""

    demand: tuple[int, ...]
    capacity: int


class Model(msgspec.Struct, frozen=True):
    """One model to solve.

    ``threads`` knows threads, locks and exclusive nodes: whatever the simulator does satisfies it, so its
    lower bound holds. ``resources`` also forbids to share the GIL and the cores beyond their capacity, which
    reality does allow: its schedules are candidates, its bound is worth nothing.
    """

    name: Literal["threads", "resources"]
    resources: tuple[Resource, ...]
    at_least: int
    """A lower bound of the makespan."""
    hint: tuple[int, ...]
    """Starts of a feasible schedule."""
    wall_s: float
    """Seconds that the solver may take."""
    deterministic_s: float | None = None
    """The same in the solver's deterministic time; None: wall time alone."""


class Request(msgspec.Struct, frozen=True):
    """What the child is to solve: the models one after the other."""

    wall: tuple[int, ...]
    head: tuple[int, ...]
    tail: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]
    disjunctive: tuple[tuple[int, ...], ...]
    """Sets of nodes of which one runs at a time (locks)."""
    models: tuple[Model, ...]
    seed: int
    workers: int
    gap: float


class Event(msgspec.Struct, frozen=True):
    """Something that the solver found."""

    kind: Literal["solution", "bound", "done"]
    model: Literal["threads", "resources"]
    start: tuple[int, ...] = ()
    makespan: int | None = None
    bound: int | None = None
    status: str = ""


def unit_of(instance: Instance) -> int:
    """Return the ticks in a unit.

    >>> from makespan.structure import build
    >>> from makespan_optimizer.instance import instance_from
    >>> unit_of(instance_from(build("ab", ["", ""]), [4000, 6000]))
    2000
    """
    return gcd(*instance.wall) or 1


def request_of(
    instance: Instance, models: Sequence[Model], *, seed: int, workers: int, gap: float
) -> Request:
    """Return the request for an instance; the models' numbers are in units already."""
    s = instance.structure
    unit = unit_of(instance)
    wall = [w // unit for w in instance.wall]
    levels = bottom_levels(s, wall)
    locks = sorted({lock for some in s.locks for lock in some})
    members = [tuple(i for i, some in enumerate(s.locks) if lock in some) for lock in locks]
    return Request(
        wall=tuple(wall),
        head=tuple(heads_of(instance, wall)),
        tail=tuple(int(level) - w for level, w in zip(levels, wall, strict=True)),
        edges=tuple((p, i) for i, some in enumerate(s.preds) for p in some),
        disjunctive=tuple(some for some in members if len(some) > 1),
        models=tuple(models),
        seed=seed,
        workers=workers,
        gap=gap,
    )


def thread_resource(instance: Instance, budget: int) -> Resource:
    """Return the thread budget as a resource; an exclusive node takes all of it."""
    return Resource(tuple(budget if alone else 1 for alone in instance.structure.exclusive), budget)


def contended_resources(instance: Instance) -> tuple[Resource, ...]:
    """Return the GIL and the cores as rigid resources, where they can be short."""
    found = []
    for demand, capacity in ((instance.gil, 1000), (instance.core, instance.capacity)):
        if sum(demand) > capacity:
            found.append(Resource(demand, capacity))
    return tuple(found)
