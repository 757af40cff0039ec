"""The child process: reads a request from standard input, solves it, and writes events to standard output.

Run as ``python -P -m makespan_optimizer.model.worker``. It holds no state that anyone would miss, so the
parent may kill it at any moment.
"""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec

from makespan_optimizer.model.constraints import add_constraints
from makespan_optimizer.model.objective import add_objective
from makespan_optimizer.model.request import Event, Model, Request
from makespan_optimizer.model.variables import add_variables

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Solve the models of the request one after the other."""
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    out = sys.stdout.buffer

    def say(event: Event) -> None:
        out.write(msgspec.json.encode(event) + b"\n")
        out.flush()

    for model in request.models:
        solve_model(request, model, say)


def solve_model(request: Request, model: Model, say: Callable[[Event], None]) -> None:
    """Build and solve one model; every incumbent and bound is said at once, the last word is ``done``."""
    begun = time.monotonic()
    from ortools.sat.python import cp_model

    cp = cp_model.CpModel()
    variables = add_variables(cp, request, model)
    add_constraints(cp, request, model, variables)
    add_objective(cp, request, model, variables)

    class Incumbents(cp_model.CpSolverSolutionCallback):
        def on_solution_callback(self) -> None:
            start = tuple(int(self.value(var)) for var in variables.start)
            say(
                Event(
                    "solution", model.name, start, int(self.objective_value), _up(self.best_objective_bound)
                )
            )

    solver = cp_model.CpSolver()
    parameters = solver.parameters
    parameters.num_workers = request.workers
    parameters.random_seed = request.seed
    parameters.relative_gap_limit = request.gap
    if model.deterministic_s is not None:
        parameters.max_deterministic_time = model.deterministic_s
        parameters.interleave_search = request.workers > 1
    solver.best_bound_callback = lambda bound: say(Event("bound", model.name, bound=_up(bound)))
    parameters.max_time_in_seconds = max(0.05, model.wall_s - (time.monotonic() - begun))
    status: Any = solver.solve(cp, Incumbents())
    found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    say(
        Event(
            "done",
            model.name,
            tuple(int(solver.value(var)) for var in variables.start) if found else (),
            int(solver.objective_value) if found else None,
            _up(solver.best_objective_bound) if found else None,
            solver.status_name(status),
        )
    )


def _up(bound: float) -> int | None:
    """Round a bound up to the next whole unit: the makespan is one."""
    return math.ceil(bound - 1e-6) if math.isfinite(bound) else None


if __name__ == "__main__":
    main()
