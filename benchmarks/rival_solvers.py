"""Exact solvers as others would use them, each in a process of its own, which can be stopped.

* *PyJobShop*: a task a node, a renewable resource for each resource, end before start for each edge.
* *CP-SAT*: the textbook model, written here: fixed intervals, a cumulative constraint for each resource (no
  overlap where the capacity is 1), precedences, the makespan; with a list schedule as a hint.

Messages are pickles over the standard streams, a `Request` one way and an `Answer` the other. Seconds are
those of building and solving; the process is started and has imported its solver before.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import math
import os
import pickle
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGES = {"pyjobshop": "pyjobshop", "cp-sat": "ortools"}
GRACE_S = 10.0
"""For building a model and for ending, besides the limit and as much again."""


class Request(NamedTuple):
    """A problem in plain lists; `hint` are the starts of some schedule."""

    solver: str
    wall: tuple[int, ...]
    preds: tuple[tuple[int, ...], ...]
    resources: tuple[tuple[int, tuple[int, ...]], ...]
    hint: tuple[int, ...]
    time_limit_s: float
    workers: int
    seed: int


class Answer(NamedTuple):
    """Starts if a schedule was found, and a bound if one was."""

    start: tuple[int, ...] | None
    bound: int | None
    seconds: float
    note: str = ""


def missing(solver: str) -> str | None:
    """Say why a solver cannot be asked, or None."""
    package = PACKAGES[solver]
    return None if importlib.util.find_spec(package) else f"{package} is not installed"


class Process:
    """A process that solves one request after the other; after one that takes too long there is a new one."""

    def __init__(self, code: str = "from benchmarks.rival_solvers import main; main()") -> None:
        self._code = code
        self._child: subprocess.Popen[bytes] | None = None

    def ask(self, request: Request) -> Answer:
        """Solve; a request that is not answered in time is answered with nothing."""
        begun = time.perf_counter()
        child = self._child or self._begin()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            pickle.dump(request, child.stdin)
            child.stdin.flush()
            deadline_s = 2 * request.time_limit_s + GRACE_S
            if not select.select([child.stdout], [], [], deadline_s)[0]:
                self.close()
                return Answer(None, None, time.perf_counter() - begun, f"stopped after {deadline_s:g} s")
            answer: Answer = pickle.load(child.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            self.close()
            return Answer(None, None, time.perf_counter() - begun, "its process died")
        except BaseException:
            self.close()
            raise
        return answer

    def _begin(self) -> subprocess.Popen[bytes]:
        self._child = subprocess.Popen(
            [sys.executable, "-c", self._code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        return self._child

    def close(self) -> None:
        """End the process, if there is one."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        for stream in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
        child.wait()


# -- the other side ----------------------------------------------------------------------------------------


def pyjobshop(request: Request) -> Answer:
    """Solve with PyJobShop; it is given no hint, as its own examples give none."""
    module: Any = importlib.import_module("pyjobshop")
    begun = time.perf_counter()
    model = module.Model()
    resources = [model.add_renewable(capacity) for capacity, _ in request.resources]
    tasks = [model.add_task() for _ in request.wall]
    for i, task in enumerate(tasks):
        demands = [demand[i] if request.wall[i] else 0 for _, demand in request.resources]
        used = [r for r, demand in enumerate(demands) if demand]
        model.add_mode(task, [resources[r] for r in used], request.wall[i], [demands[r] for r in used])
    for i, some in enumerate(request.preds):
        for p in some:
            model.add_end_before_start(tasks[p], tasks[i])
    left_s = max(0.01, request.time_limit_s - (time.perf_counter() - begun))
    result = model.solve(
        time_limit=left_s, display=False, num_workers=request.workers, random_seed=request.seed
    )
    seconds = time.perf_counter() - begun
    if not math.isfinite(result.objective):
        return Answer(None, None, seconds, "no schedule")
    return Answer(tuple(task.start for task in result.best.tasks), _up(result.lower_bound), seconds)


def cp_sat(request: Request) -> Answer:
    """Solve the textbook model."""
    module: Any = importlib.import_module("ortools.sat.python.cp_model")
    begun = time.perf_counter()
    n = range(len(request.wall))
    horizon = max((s + w for s, w in zip(request.hint, request.wall, strict=True)), default=0)
    model = module.CpModel()
    start = [model.new_int_var(0, horizon - request.wall[i], f"s{i}") for i in n]
    makespan = model.new_int_var(0, horizon, "makespan")
    interval = [model.new_fixed_size_interval_var(start[i], request.wall[i], f"i{i}") for i in n]
    followed = {p for some in request.preds for p in some}
    for i in n:
        for p in request.preds[i]:
            model.add(start[i] >= start[p] + request.wall[p])
        if i not in followed:
            model.add(makespan >= start[i] + request.wall[i])
    for capacity, demand in request.resources:
        users = [i for i in n if demand[i] and request.wall[i]]
        if capacity == 1:
            model.add_no_overlap([interval[i] for i in users])
        else:
            model.add_cumulative([interval[i] for i in users], [demand[i] for i in users], capacity)
    model.minimize(makespan)
    for i in n:
        model.add_hint(start[i], request.hint[i])
    model.add_hint(makespan, horizon)
    solver = module.CpSolver()
    solver.parameters.num_workers = request.workers
    solver.parameters.random_seed = request.seed
    solver.parameters.max_time_in_seconds = max(0.01, request.time_limit_s - (time.perf_counter() - begun))
    status = solver.solve(model)
    seconds = time.perf_counter() - begun
    bound = _up(solver.best_objective_bound) if status != module.UNKNOWN else None
    if status not in {module.OPTIMAL, module.FEASIBLE}:
        return Answer(None, bound, seconds, solver.status_name(status))
    return Answer(tuple(solver.value(its) for its in start), bound, seconds)


def _up(bound: float) -> int:
    """Return the least whole number that a bound allows."""
    return math.ceil(bound - 1e-6)


SOLVERS: dict[str, Callable[[Request], Answer]] = {"pyjobshop": pyjobshop, "cp-sat": cp_sat}


def serve(asked: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    while True:
        try:
            request = pickle.load(asked)
        except EOFError:
            return
        try:
            answer = SOLVERS[request.solver](request)
        except Exception as error:
            answer = Answer(None, None, 0.0, f"{type(error).__name__}: {error}")
        pickle.dump(answer, answers)
        answers.flush()


def main() -> None:
    """Serve over the standard streams; what solvers print goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers)
