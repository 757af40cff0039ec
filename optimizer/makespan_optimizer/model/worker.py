"""The child process: requests come on standard input, and are solved in turn; events go to standard output.

Run as ``python -P -m makespan_optimizer.model.worker``. It holds no state that anyone would miss, so the
parent may kill it at any moment; when the parent is gone its input ends, and so does the child.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import msgspec

from makespan_optimizer.model.constraints import add_constraints
from makespan_optimizer.model.objective import add_objective
from makespan_optimizer.model.request import Event, Request, Stop
from makespan_optimizer.model.variables import add_variables

if TYPE_CHECKING:
    from collections.abc import Callable


class Current:
    """What is being solved, so that a `Stop` finds it."""

    def __init__(self) -> None:
        self.stopped = -1
        """The number of the last request whose answer is no longer wanted."""
        self.solver: Any = None
        self.number = -1

    def stop(self, number: int) -> None:
        """End the search of a request, running or yet to come."""
        self.stopped = max(self.stopped, number)
        if self.number == number and self.solver is not None:
            self.solver.stop_search()


def main() -> None:
    """Solve requests until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    waiting: SimpleQueue[Request] = SimpleQueue()
    current = Current()
    threading.Thread(target=_read, args=(waiting, current), daemon=True).start()
    import ortools.sat.python.cp_model  # noqa: F401 (dear: before the first request comes)

    out = sys.stdout.buffer

    def say(event: Event) -> None:
        out.write(msgspec.json.encode(event) + b"\n")
        out.flush()

    say(Event("ready", number=-1))
    while True:
        solve_request(waiting.get(), say, current)


def _read(waiting: SimpleQueue[Request], current: Current) -> None:
    decoder = msgspec.json.Decoder(Request | Stop)
    for line in sys.stdin.buffer:
        message = decoder.decode(line)
        if isinstance(message, Stop):
            current.stop(message.number)
        else:
            waiting.put(message)
    os._exit(0)  # also in the middle of a search


def solve_request(request: Request, say: Callable[[Event], None], current: Current | None = None) -> None:
    """Build and solve a model; every incumbent and bound is said at once, the last word is ``done``."""
    begun = time.monotonic()
    from ortools.sat.python import cp_model

    number, unit = request.number, request.unit
    cp = cp_model.CpModel()
    variables = add_variables(cp, request)
    add_constraints(cp, request, variables)
    add_objective(cp, request, variables)

    def event(kind: Any, made: Any, status: str = "") -> Event:
        return Event(
            kind,
            tuple(int(made.value(var)) * unit for var in variables.start),
            int(made.value(variables.makespan)) * unit,
            _up(made.best_objective_bound, unit),
            status,
            _modes(made, variables.chosen) if request.modes else (),
            number,
        )

    class Incumbents(cp_model.CpSolverSolutionCallback):
        def on_solution_callback(self) -> None:
            say(event("solution", self))
            if current is not None and current.stopped >= number:
                self.stop_search()

    solver = cp_model.CpSolver()
    set_parameters(solver.parameters, request)
    solver.best_bound_callback = lambda bound: say(Event("bound", bound=_up(bound, unit), number=number))
    until = begun + request.wall_s
    left = (until if request.until is None else min(until, request.until)) - time.monotonic()
    solver.parameters.max_time_in_seconds = max(0.01, left)
    if current is not None:
        current.solver, current.number = solver, number
        if current.stopped >= number:
            say(Event("done", status="UNKNOWN", number=number))
            return
    status: Any = solver.solve(cp, Incumbents())
    name = solver.status_name(status)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        say(event("done", solver, name))
    else:
        say(Event("done", status=name, number=number))


def set_parameters(parameters: Any, request: Request) -> None:
    """Set the solver's parameters; what is not set here did not help."""
    parameters.num_workers = request.workers
    parameters.random_seed = request.seed
    parameters.relative_gap_limit = request.gap
    parameters.catch_sigint_signal = False
    if request.deterministic_s is not None:
        parameters.max_deterministic_time = request.deterministic_s
        parameters.interleave_search = request.workers > 1


def _modes(made: Any, chosen: list[list[Any]]) -> tuple[int, ...]:
    return tuple(next((k for k, literal in enumerate(some) if made.value(literal)), 0) for some in chosen)


def _up(bound: float, unit: int) -> int | None:
    """Round a bound up to the next whole unit: the makespan is one."""
    return math.ceil(bound - 1e-6) * unit if math.isfinite(bound) else None


if __name__ == "__main__":
    main()
