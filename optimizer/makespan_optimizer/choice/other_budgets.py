"""What other thread budgets would give, for the plan: quick answers beside the search for its own budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.plan import WhatIf
from makespan_optimizer.bounds import bounds_by_budget
from makespan_optimizer.choice.search import Search
from makespan_optimizer.questions.what_if import answer, default_budgets, quick, up_to

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan_optimizer.instance import Instance

LARGE = 2_000  # nodes: beyond, one replay of the plan's order has to do


def other_budgets(
    instance: Instance,
    ranks: Sequence[int],
    asked: Sequence[int] | None,
    seed: int,
    over: Callable[[], bool],
) -> list[WhatIf]:
    """Return an answer for each budget, as far as the time goes unless they were asked for.

    Parameters
    ----------
    ranks : sequence of int, shape (n,)
        The best order so far: in a large DAG the only one tried.
    asked : sequence of int, optional
        Budgets; some that make a difference when omitted.
    over : callable
        Says whether the time is up.
    """
    found = []
    bounds = bounds_by_budget(instance)
    for budget in dict.fromkeys(default_budgets(instance) if asked is None else asked):
        if asked is None and over():
            break
        if len(instance) > LARGE:
            search = Search(instance, budget, bounds(budget)[0], over)
            search.judge("as planned", ranks)
        else:
            search = quick(instance, budget, seed, over, bounds=bounds)
        found.append(answer(search))
    return found


def with_plan(answers: Sequence[WhatIf], threads: int, makespan_s: float, bound_s: float) -> list[WhatIf]:
    """Answer the budget of the plan by the plan itself, and each with what fewer threads reach."""
    own = WhatIf(threads, makespan_s, min(bound_s, makespan_s))
    return up_to(own if given.threads == threads else given for given in answers)
