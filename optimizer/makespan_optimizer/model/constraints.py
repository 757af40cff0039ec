"""Constraints: edges, capacities, and what the nodes outside of a window use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from makespan_optimizer.model.request import Request
    from makespan_optimizer.model.variables import Variables


class _Use(NamedTuple):
    """An interval that uses a resource."""

    interval: Any
    demand: int


def add_constraints(cp: Any, request: Request, variables: Variables) -> None:
    """Add all constraints."""
    start, end = variables.start, variables.end
    for before, after in request.edges:
        cp.add(start[after] >= end[before])
    for i, tail in enumerate(request.tail):
        # The tail is the longest way to the end: it says more than the node's own end does.
        cp.add(variables.makespan >= end[i] + -(-tail // request.unit))
    for number, resource in enumerate(request.resources):
        uses = [*_uses(request, variables, number), *_blocks(cp, request, variables, number)]
        _add_capacity(cp, uses, resource.capacity)


def _add_capacity(cp: Any, uses: list[_Use], capacity: int) -> None:
    least = sum(use.demand for use in uses)
    if least <= capacity:
        return
    # No two of these fit together: alone that is all there is to say of a lock, beside a cumulative it is
    # redundant, and much stronger.
    large = [use.interval for use in uses if 2 * use.demand > capacity]
    if len(large) > 1:
        cp.add_no_overlap(large)
    if len(large) < len(uses):
        cp.add_cumulative([use.interval for use in uses], [use.demand for use in uses], capacity)


def _uses(request: Request, variables: Variables, number: int) -> Iterator[_Use]:
    for i, intervals in enumerate(variables.interval):
        for k, interval in enumerate(intervals):
            if request.modes:
                mode = request.modes[i][k]
                demand, wall = mode.demand[number], mode.wall
            else:
                demand, wall = request.resources[number].demand[i], request.wall[i]
            if demand and wall:
                yield _Use(interval, demand)


def _blocks(cp: Any, request: Request, variables: Variables, number: int) -> Iterator[_Use]:
    unit = request.unit
    for k, block in enumerate(request.blocks):
        if block.resource == number:
            start = block.start // unit
            at = variables.makespan - start if block.moves else start
            yield _Use(cp.new_fixed_size_interval_var(at, block.wall // unit, f"b{k}"), block.demand)
