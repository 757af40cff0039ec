"""A DAG with durations, demands and capacities: resource-constrained project scheduling.

Everything that limits what may run at once is a resource: threads (each node demands one), the GIL, cores, a
lock (capacity 1). A node that runs alone demands all threads. Times are whole units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from makespan.structure import build

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from makespan.structure import Structure

THREADS = "threads"


class Resource(NamedTuple):
    """Something of which running nodes use `demand` each, and together never more than `capacity`."""

    name: str
    capacity: int
    demand: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is to be scheduled.

    Attributes
    ----------
    wall : tuple of int, shape (n,)
        Duration of each node, at least 0.
    preds, succs : tuple of tuple of int, shape (n, *)
    order : tuple of int, shape (n,)
        A topological order.
    resources : tuple of Resource, shape (r,)
        No node demands more of a resource than there is.
    """

    wall: tuple[int, ...]
    preds: tuple[tuple[int, ...], ...]
    succs: tuple[tuple[int, ...], ...]
    order: tuple[int, ...]
    resources: tuple[Resource, ...]

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self.wall)

    def backwards(self) -> Problem:
        """Return the same problem with time reversed: its schedules are read from the end."""
        return Problem(self.wall, self.succs, self.preds, self.order[::-1], self.resources)


class Solution(NamedTuple):
    """A schedule with its proof; units as in the problem.

    Attributes
    ----------
    start : tuple of int, shape (n,)
    makespan : int
    bound : int
        No schedule ends sooner.
    binding : str
        What the bound comes from: ``critical path``, the name of a resource, ``solver``.
    method : str
        What found the schedule.
    stopped : str
        Why the search ended.
    """

    start: tuple[int, ...]
    makespan: int
    bound: int
    binding: str
    method: str
    stopped: str

    @property
    def proven(self) -> bool:
        """No schedule is shorter."""
        return self.makespan <= self.bound


def problem_of(structure: Structure, wall: Sequence[int], resources: Iterable[Resource]) -> Problem:
    """Return a problem with the edges of a DAG; its locks and exclusive nodes are not looked at.

    Resources that nobody can run short of are left out.

    Raises
    ------
    ValueError
        A negative duration or demand, or a node that demands more than there is.
    """
    n = len(structure)
    if len(wall) != n or min(wall, default=0) < 0:
        raise ValueError("durations are one for each node, and not negative")
    kept = []
    for resource in resources:
        if len(resource.demand) != n or min(resource.demand, default=0) < 0:
            raise ValueError(f"{resource.name}: demands are one for each node, and not negative")
        if max(resource.demand, default=0) > resource.capacity:
            i = max(range(n), key=resource.demand.__getitem__)
            raise ValueError(
                f"{resource.name}: {structure.names[i]!r} demands {resource.demand[i]} of {resource.capacity}"
            )
        if sum(resource.demand) > resource.capacity:
            kept.append(resource)
    return Problem(tuple(wall), structure.preds, structure.succs, structure.order, tuple(kept))


def problem_from(
    wall: Sequence[int], preds: Sequence[Iterable[int]], resources: Iterable[Resource] = ()
) -> Problem:
    """Return a problem from plain lists.

    Raises
    ------
    DescribeError
        The edges make a circle.
    ValueError
        As `problem_of`.

    >>> problem_from([2, 1], [[], [0]], [Resource("threads", 1, (1, 1))]).succs
    ((1,), ())
    """
    names = [str(i) for i in range(len(wall))]
    return problem_of(build(names, [[names[p] for p in some] for some in preds]), wall, resources)
