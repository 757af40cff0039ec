"""From a problem to a schedule with a proof, under one time limit.

Bounds; list schedules and their forward and backward passes; variations of them; then the solver: on the
whole problem as long as that is small, on windows of the schedule beyond. Whatever is best so far is a
schedule, and the search ends as soon as it meets the bound. What the solver says is checked before it counts.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from makespan_optimizer.model.request import request_of
from makespan_optimizer.model.solve import SolverProcess
from makespan_optimizer.rigid.check import violations
from makespan_optimizer.rigid.energy import bounds
from makespan_optimizer.rigid.multistart import multistart
from makespan_optimizer.rigid.push import Pusher, mirrored
from makespan_optimizer.rigid.run import Progress, Run
from makespan_optimizer.rigid.windows import Sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan_optimizer.model.request import Event
    from makespan_optimizer.model.solve import Outcome
    from makespan_optimizer.rigid.multistart import Found
    from makespan_optimizer.rigid.problem import Problem, Solution
    from makespan_optimizer.rigid.windows import Window

__all__ = ["Progress", "solve"]

MOST_NODES = 300  # of a problem that the solver is given as a whole

# Seconds for list schedules and their variations, by the time limit. Up to a hundred nodes, and near the
# bound, the solver proves more, the more time it has, and finds as much; far from the bound of more nodes it
# proves nothing and finds less. With threads alone the variations have found soon what they can find. Of a
# second they get half anyway: the solver needs a good hint, and time to begin.
_FEW_NODES = 100
_NEAR = 0.06
_BRED_NODES = 2000  # beyond, a variation takes too long
_DRAWS_SHARE = 0.2  # of the time, beyond that, where resources bind
_IMPORT_S = 0.02  # with so much spent on that the solver will probably be wanted: its import takes longer
_LEAST_S = 0.05  # with less than that left no solver is asked
_ANSWER_S = 0.03  # kept from the solver for hearing its answer
_GRACE_S = 0.3  # after the time limit the solver is killed

# Windows: how many nodes, and how long each is tried.
_SIZE = 50
_WINDOW_S = 0.25

# A push that is not limited takes quadratic time: changes of the profile looked at in a second, about.
_PUSH_SHARE = 0.25
_PUSHES = 4
_PUSHES_SHARE = 0.4  # of the time that is left, for all of them
_WORTH = 0.002  # a push that gains less is the last
_PUSHED = 30e6

# Work for each second of the time limit when it is counted, not timed: a fraction of what a second allows.
_PLACED = 10_000
_SOLVER_UNITS = 0.02
_WINDOWS = 1.0
_WINDOW_UNITS = 0.02


def solve(
    problem: Problem,
    *,
    time_limit_s: float,
    seed: int = 0,
    workers: int = 2,
    gap: float = 0.0,
    deterministic: bool = False,
    hint: Sequence[int] | None = None,
    progress: Callable[[Progress], None] | None = None,
    solver: SolverProcess | None = None,
    now: Callable[[], float] = time.monotonic,
) -> Solution:
    """Return the best schedule found, and a lower bound of all.

    Parameters
    ----------
    problem : Problem
    time_limit_s : float
        Wall seconds for everything.
    seed, workers : int
        Of the multistart and the solver; how many threads the solver uses.
    gap : float
        A gap that is good enough: the search ends there.
    deterministic : bool
        Count work instead of seconds: same problem, options and seed, same schedule, unless the time limit
        comes first, which `stopped` says.
    hint : sequence of int, shape (n,), optional
        Starts of a feasible schedule; the result is no longer.
    progress : callable, optional
        Called with a `Progress` after each step forward.
    solver : SolverProcess, optional
        To be shared by many calls; without one, a call starts its own when it needs it.
    now : callable
        The clock; the solver's process is killed by `time.monotonic`.

    Raises
    ------
    ValueError
        The hint is no feasible schedule.

    >>> from makespan_optimizer.rigid.problem import Resource, problem_from
    >>> two = problem_from([2, 2, 1], [[], [], []], [Resource("lock", 1, (1, 1, 0))])
    >>> solve(two, time_limit_s=1).makespan
    4
    """
    if hint is not None and (broken := violations(problem, hint)):
        raise ValueError(f"the hint is no schedule: {broken[0]}")
    run = Run(problem, time_limit_s, gap, deterministic, progress, now)
    with ExitStack() as stack:
        process = solver or stack.enter_context(SolverProcess())
        return run.solution(_search(run, process, seed, workers, hint))


def _search(run: Run, process: SolverProcess, seed: int, workers: int, hint: Sequence[int] | None) -> str:
    """Run all steps; return why the search stopped."""
    _starts(run, process, seed, hint)
    if run.good:
        return ""
    if len(run.problem) <= MOST_NODES:
        _whole(run, process, seed, workers)
        done = run.good or run.deterministic or bool(run.trouble)
    else:
        done = False
    if not done:
        _windows(run, process, seed, workers)
    # A solver that was stopped by its clock leaves a bit of time.
    late = run.left_s <= 2 * _ANSWER_S
    return "time limit reached" if late else "the work for this time limit is done"


def _starts(run: Run, process: SolverProcess, seed: int, hint: Sequence[int] | None) -> None:
    """Bounds, and the multistart."""
    found = bounds(run.problem, run.over)
    best_bound = max(found, key=lambda bound: bound.ticks)  # the first of equals
    run.bound, run.binding = best_bound.ticks, best_bound.name
    run.say("bounds")
    least_s, most_s = _starts_s(run)
    begun, makespan = run.now(), 0

    def hear(found: Found) -> None:
        nonlocal makespan
        makespan = found.makespan

    def enough() -> bool:
        spent = run.now() - begun
        if spent > _IMPORT_S:
            process.start()
        near = makespan * (1 - _NEAR) <= run.bound
        return run.over() or (not run.deterministic and spent > (least_s if near else most_s))

    best = multistart(
        run.problem,
        seed=seed,
        bound=_near(run),
        binding=run.binding,
        work=_PLACED * most_s if run.deterministic else float("inf"),
        over=enough,
        hint=hint,
        hear=hear,
    )
    run.take(best.method, best.start, check=False)
    run.say("starts")


def _starts_s(run: Run) -> tuple[float, float]:
    """Return the seconds for the multistart: near the bound, and far from it."""
    limit_s, n = run.limit_s, len(run.problem)
    threads_alone = all(max(r.demand) == 1 for r in run.problem.resources)
    if n > _BRED_NODES and not threads_alone:
        drawn_s = _DRAWS_SHARE * (limit_s if run.deterministic else run.left_s)
        return drawn_s, drawn_s
    if threads_alone:
        alone_s = min(0.5, 0.1 * limit_s)
        return alone_s, alone_s
    least_s = min(0.6 * limit_s, 0.5 + 0.05 * limit_s)
    most_s = min(0.6 * limit_s, 0.5 + 0.25 * limit_s)
    if run.deterministic or n > MOST_NODES:
        return most_s, most_s
    return least_s, least_s if n <= _FEW_NODES else most_s


def _near(run: Run) -> int:
    """Return a makespan that is near enough to the bound."""
    return run.bound if run.gap <= 0 else int(run.bound / max(1e-9, 1 - run.gap))


def _whole(run: Run, process: SolverProcess, seed: int, workers: int) -> None:
    """Give the solver the whole problem."""
    left = run.left_s
    if left < _LEAST_S:
        return
    request = request_of(
        run.problem,
        run.start,
        wall_s=left - _ANSWER_S,
        at_least=run.bound,
        deterministic_s=_SOLVER_UNITS * run.limit_s if run.deterministic else None,
        seed=seed,
        workers=workers,
        gap=run.gap,
    )

    def hear(event: Event) -> bool:
        if run.deterministic and event.kind != "done":
            return False  # when such an event comes is a matter of luck
        run.raise_bound(event.bound, "solver")
        if event.start:
            run.take("solver", event.start)
        run.say("solver")
        return run.good

    outcome = process.solve(request, deadline=_deadline(run), hear=hear)
    if outcome.last is None and run.deterministic:
        for event in outcome.events:
            run.take("solver", event.start)
    run.trouble = outcome.trouble or ""


def _windows(run: Run, process: SolverProcess, seed: int, workers: int) -> None:
    """Sweep over the schedule, to and fro, until the time is up."""
    problem, flipped = run.problem, False
    reach = None if run.deterministic else round(_PUSH_SHARE * run.left_s * _PUSHED / len(problem))
    schedule = _pushed(run, Pusher(problem, reach))
    tried, most = 0, max(1, round(_WINDOWS * run.limit_s)) if run.deterministic else None
    while not run.over() and not run.good and not run.trouble and tried != most:
        pusher = Pusher(problem, reach)
        sweep = Sweep(problem, pusher.right(schedule, run.over), run.bound)
        while not run.over() and sweep.makespan > run.bound and tried != most:
            window = sweep.window(_SIZE)
            if window is None:
                break
            _squeeze(run, process, sweep, window, seed + tried, workers)
            tried += 1
            if run.trouble:
                break
        schedule = mirrored(problem, sweep.start)
        problem, flipped = problem.backwards(), not flipped
        run.take("windows", mirrored(problem, schedule) if flipped else schedule)
        run.say("windows")


def _pushed(run: Run, pusher: Pusher) -> list[int]:
    """Push the best schedule to and fro as long as that is worth it."""
    schedule = list(run.start)
    until = run.now() + _PUSHES_SHARE * run.left_s

    def over() -> bool:
        return run.over() or (not run.deterministic and run.now() > until)

    for _ in range(_PUSHES):
        if over():
            break
        before = run.makespan
        schedule = pusher.left(pusher.right(schedule, run.over), run.over)
        run.take("windows", schedule)
        if run.makespan > before * (1 - _WORTH):
            break
    run.say("windows")
    return schedule


def _squeeze(run: Run, process: SolverProcess, sweep: Sweep, window: Window, seed: int, workers: int) -> None:
    left = run.left_s
    if window.at_least >= window.end or left < _LEAST_S:
        sweep.advance(window)
        return
    request = window.request(
        left - _ANSWER_S if run.deterministic else min(_WINDOW_S, left - _ANSWER_S),
        deterministic_s=_WINDOW_UNITS if run.deterministic else None,
        seed=seed,
        # Several workers that take turns, as they must to be deterministic, need far longer than one alone.
        workers=1 if run.deterministic else workers,
    )
    outcome = process.solve(request, deadline=_deadline(run))
    found = _best(outcome, window)
    if found is None:
        sweep.advance(window)
    else:
        sweep.advance(window, *found)
    run.trouble = outcome.trouble or ""


def _best(outcome: Outcome, window: Window) -> tuple[tuple[int, ...], int] | None:
    for event in reversed(outcome.events):
        if event.makespan is not None and window.holds(event.start, event.makespan):
            return event.start, event.makespan
    return None


def _deadline(run: Run) -> float:
    return time.monotonic() + run.left_s + _GRACE_S
