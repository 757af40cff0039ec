"""Variables: for each node a start within its time window, and an interval of fixed size; the makespan.

A node with several modes has one optional interval for each, of which one is present.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from makespan_optimizer.model.request import Request


class Variables(NamedTuple):
    """What is to be decided; times are units.

    Attributes
    ----------
    start, end : list, shape (n,)
        Expressions.
    chosen : list of list, shape (n, *)
        A literal for each mode; empty when the node has one mode.
    interval : list of list, shape (n, *)
        The interval of each mode.
    makespan : variable
    """

    start: list[Any]
    end: list[Any]
    chosen: list[list[Any]]
    interval: list[list[Any]]
    makespan: Any


def add_variables(cp: Any, request: Request) -> Variables:
    """Add the variables; no node leaves [earliest, horizon − tail − duration]."""
    unit = request.unit
    horizon = request.horizon // unit
    makespan = cp.new_int_var(min(-(-request.at_least // unit), horizon), horizon, "makespan")
    found = Variables([], [], [], [], makespan)
    for i, wall in enumerate(request.wall):
        first = -(-request.earliest[i] // unit)
        last = horizon - -(-request.tail[i] // unit)
        modes = request.modes[i] if request.modes else ()
        if len(modes) > 1:
            _add_alternatives(cp, found, i, [mode.wall // unit for mode in modes], first, last)
            continue
        start = cp.new_int_var(first, last - wall // unit, f"s{i}")
        found.start.append(start)
        found.end.append(start + wall // unit)
        found.chosen.append([])
        found.interval.append([cp.new_fixed_size_interval_var(start, wall // unit, f"i{i}")])
    return found


def _add_alternatives(cp: Any, found: Variables, i: int, walls: list[int], first: int, last: int) -> None:
    start = cp.new_int_var(first, last - min(walls), f"s{i}")
    chosen = [cp.new_bool_var(f"m{i}_{k}") for k in range(len(walls))]
    cp.add_exactly_one(chosen)
    found.start.append(start)
    found.end.append(start + sum(wall * literal for wall, literal in zip(walls, chosen, strict=True)))
    found.chosen.append(chosen)
    found.interval.append(
        [
            cp.new_optional_fixed_size_interval_var(start, wall, literal, f"i{i}_{k}")
            for k, (wall, literal) in enumerate(zip(walls, chosen, strict=True))
        ]
    )
