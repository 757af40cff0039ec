"""Variables: for each node a start within its time window, and an interval of fixed size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from makespan_optimizer.model.request import Model, Request


class Variables(NamedTuple):
    """Starts and intervals, shape (n,) each, and the makespan."""

    start: list[Any]
    interval: list[Any]
    makespan: Any


def add_variables(cp: Any, request: Request, model: Model) -> Variables:
    """Add the variables; no node leaves [head, horizon − tail − duration], with the hint's end as horizon."""
    horizon = max((s + w for s, w in zip(model.hint, request.wall, strict=True)), default=0)
    start = []
    interval = []
    for i, wall in enumerate(request.wall):
        var = cp.new_int_var(request.head[i], horizon - request.tail[i] - wall, f"s{i}")
        start.append(var)
        interval.append(cp.new_fixed_size_interval_var(var, wall, f"i{i}"))
    return Variables(start, interval, cp.new_int_var(min(model.at_least, horizon), horizon, "makespan"))
