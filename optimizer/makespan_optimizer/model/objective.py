"""Objective: the makespan; and a complete hint, without which large models find no schedule in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from makespan_optimizer.model.request import Model, Request
    from makespan_optimizer.model.variables import Variables


def add_objective(cp: Any, request: Request, model: Model, variables: Variables) -> None:
    """Minimise the makespan, starting from the hint."""
    cp.minimize(variables.makespan)
    for var, value in zip(variables.start, model.hint, strict=True):
        cp.add_hint(var, value)
    cp.add_hint(
        variables.makespan, max((s + w for s, w in zip(model.hint, request.wall, strict=True)), default=0)
    )
