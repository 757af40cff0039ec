"""Objective: the makespan; and a complete hint, without which large models find no schedule in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from makespan_optimizer.model.request import Request
    from makespan_optimizer.model.variables import Variables


def add_objective(cp: Any, request: Request, variables: Variables) -> None:
    """Minimise the makespan, starting from the hint."""
    cp.minimize(variables.makespan)
    if not request.hint:
        return
    for var, value in zip(variables.start, request.hint, strict=True):
        cp.add_hint(var, value // request.unit)
    for literals, mode in zip(variables.chosen, request.hint_modes, strict=False):
        for k, literal in enumerate(literals):
            cp.add_hint(literal, k == mode)
    cp.add_hint(variables.makespan, request.horizon // request.unit)
