"""Default order against plan: interleaved runs on one budget, each result checked.

Machines drift: a first series of one order and a second of the other would measure the drift as well. So each
round runs both, and the rounds take turns in which comes first. Medians are compared, and rounds are counted.
"""

from __future__ import annotations

import gc
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.errors import MakespanError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from makespan.preparing.prepared import Prepared
    from makespan.run import Run

    Step = Callable[[str], None]

SEQUENTIAL_RUNS = 3
MEASURED_RUNS = 3


class Race(NamedTuple):
    """Makespans in seconds, in the order of the rounds."""

    default_s: tuple[float, ...]
    planned_s: tuple[float, ...]
    sequential_s: tuple[float, ...]

    @property
    def wins(self) -> int:
        """In how many rounds the plan was faster."""
        return sum(planned < default for planned, default in zip(self.planned_s, self.default_s, strict=True))


def race(
    default: Prepared,
    planned: Prepared,
    sequential: Prepared,
    inputs: Mapping[str, Any],
    expected: Any,
    *,
    repeats: int,
    step: Step = lambda _: None,
) -> Race:
    """Run both orders `repeats` times, interleaved, and one node after the other now and then.

    Parameters
    ----------
    default, planned, sequential : Prepared
        The same DAG in the default order, by the plan, and with one thread.
    inputs : mapping of str to Any
    expected : Any
        What each run must return.
    repeats : int
        Rounds, at least 1.
    step : callable, optional
        Called with a label before each run.

    Raises
    ------
    MakespanError
        A run returned something else.
    Exception
        A node raised: its own exception.
    """
    makespans: dict[str, list[float]] = {"default order": [], "plan": [], "one after the other": []}
    for number in range(repeats):
        turn = [("default order", default), ("plan", planned)]
        if number % 2:
            turn.reverse()
        if number < SEQUENTIAL_RUNS:
            turn.append(("one after the other", sequential))
        for name, prepared in turn:
            step(f"{name}, run {number + 1}")
            run = checked(prepared, inputs, expected, f"{name}, run {number + 1}")
            makespans[name].append(run.makespan_s)
    default_s, planned_s, sequential_s = (tuple(its) for its in makespans.values())
    return Race(default_s, planned_s, sequential_s)


def steps(repeats: int) -> int:
    """Return how many runs a race has, with the measured ones after it."""
    return 2 * repeats + min(repeats, SEQUENTIAL_RUNS) + MEASURED_RUNS


def measured(
    planned: Prepared,
    inputs: Mapping[str, Any],
    expected: Any,
    middle_s: float,
    *,
    step: Step = lambda _: None,
) -> Run:
    """Run the plan some more times and measure the nodes; return the run that took nearest to `middle_s`.

    The race itself is not measured: the sampler takes a twentieth of a core.
    """
    runs = []
    for number in range(MEASURED_RUNS):
        step(f"plan, measured, run {number + 1}")
        runs.append(checked(planned, inputs, expected, f"plan, measured, run {number + 1}", measure=True))
    return min(runs, key=lambda run: abs(run.makespan_s - middle_s))


def checked(
    prepared: Prepared, inputs: Mapping[str, Any], expected: Any, name: str, *, measure: bool = False
) -> Run:
    """Run once, from a clean heap as the profiler does, and compare the result."""
    gc.collect()
    run = prepared.run(**inputs, measure=measure)
    if run.result != expected:
        raise MakespanError(
            "returned something else than running the nodes one after the other did",
            where=name,
            hint="did the files of the standard library change meanwhile?",
        )
    return run


def spread(makespans_s: tuple[float, ...]) -> float:
    """Return the width of the middle half, as a share of the median.

    >>> spread((1.0, 2.0, 2.0, 2.0, 9.0))
    0.0
    """
    if len(makespans_s) < 2:
        return 0.0
    ordered = sorted(makespans_s)
    low, high = ordered[len(ordered) // 4], ordered[-1 - len(ordered) // 4]
    return (high - low) / median(ordered) if median(ordered) else 0.0
