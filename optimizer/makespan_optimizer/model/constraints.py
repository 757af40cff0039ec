"""Constraints: edges, capacities, exclusions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from makespan_optimizer.model.request import Model, Request
    from makespan_optimizer.model.variables import Variables


def add_constraints(cp: Any, request: Request, model: Model, variables: Variables) -> None:
    """Add all constraints of a model."""
    _add_edges(cp, request, variables)
    for some in request.disjunctive:
        cp.add_no_overlap([variables.interval[i] for i in some])
    for resource in model.resources:
        users = [i for i, demand in enumerate(resource.demand) if demand]
        if sum(resource.demand) <= resource.capacity:
            continue
        cp.add_cumulative(
            [variables.interval[i] for i in users], [resource.demand[i] for i in users], resource.capacity
        )
        # Redundant, and much stronger: no two of these fit together.
        large = [i for i in users if 2 * resource.demand[i] > resource.capacity]
        if len(large) > 1:
            cp.add_no_overlap([variables.interval[i] for i in large])


def _add_edges(cp: Any, request: Request, variables: Variables) -> None:
    start, wall = variables.start, request.wall
    for before, after in request.edges:
        cp.add(start[after] >= start[before] + wall[before])
    for i in range(len(wall)):
        # The tail is the longest way to the end: it says more than the node's own end does.
        cp.add(variables.makespan >= start[i] + wall[i] + request.tail[i])
