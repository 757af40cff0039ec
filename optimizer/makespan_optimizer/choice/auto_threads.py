"""The thread budget at the knee: the smallest that is expected to come close to the best.

More threads cost memory and hand-overs, and beside the GIL they may delay what is urgent; so of budgets that
are about as good the smallest is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan_optimizer.bounds import bounds_by_budget
from makespan_optimizer.choice.trial import Option, Trial
from makespan_optimizer.questions.what_if import default_budgets, quick
from makespan_optimizer.scenarios import scenarios

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan.profile import Profile
    from makespan_optimizer.instance import Instance

ENOUGH = 0.01  # this much longer than the best is about as good
_SCENARIOS = 12
_LARGE = 5_000  # nodes: beyond, the median durations have to do


def smallest_good_budget(
    profile: Profile | None, instance: Instance, seed: int, over: Callable[[], bool]
) -> int:
    """Return the fewest threads whose expected makespan is within 1 % of the best of all budgets.

    Parameters
    ----------
    profile : Profile or None
        That of the instance, where durations vary: for scenarios.
    over : callable
        Says whether the time is up; then the budgets so far are compared, of which the largest is one.
    """
    walls = [instance.wall]
    if profile is not None and len(instance) <= _LARGE:
        walls = scenarios(profile, instance, _SCENARIOS, seed)
    bounds = bounds_by_budget(instance)
    expected: dict[int, float] = {}
    for budget in sorted(default_budgets(instance), reverse=True):  # cut short: too many, not too few
        if expected and over():
            break
        found = quick(instance, budget, seed, over, bounds=bounds).found
        trial = Trial(instance, budget, walls, over)
        expected[budget] = trial.judge(Option(found.name, found.ranks)).mean
    best = min(expected.values())
    return min(budget for budget, mean in expected.items() if mean <= best * (1 + ENOUGH))
