"""What up to so many threads would give: the cheap half of the optimizer, for each budget.

Priority rules and a short multistart in the simulator, with the lower bounds. No solver: a question is
answered in milliseconds, and a plan for the budget may be a little better still.

Greedy dispatch uses every thread it may, so one more thread can make an order a little slower (Graham 1969).
Nobody has to use it: the answer for k threads is the best of all budgets up to k that were asked.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from makespan.options import MAX_THREADS
from makespan.plan import WhatIf
from makespan_optimizer.bounds import lower_bounds
from makespan_optimizer.instance import instance_of
from makespan_optimizer.options import check_cores, check_statistic, positive, whole
from makespan_optimizer.priorities import rules
from makespan_optimizer.schedule import width
from makespan_optimizer.search import Progress, Search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from makespan.profile import Profile
    from makespan_optimizer.instance import Instance, Statistic

DEFAULT_BUDGETS = 8
_RULES_WORK = 4_000  # nodes to simulate for each budget; the first two rules are always judged
_VARY_WORK = 2_000
_LARGE = 2_000


def what_if(
    profile: Profile,
    threads: Sequence[int],
    *,
    cores: float | None = None,
    time_limit_s: float = 10.0,
    seed: int = 0,
    first_call: bool = False,
    statistic: Statistic = "median",
    progress: Callable[[Progress], None] | None = None,
) -> list[WhatIf]:
    """Return the makespan to expect with up to so many threads, and a lower bound, for each thread budget.

    Parameters
    ----------
    profile : Profile
    threads : sequence of int
        Budgets, from 1 to 1024.
    cores : float, optional
        Cores to plan for; those of the profile's machine when omitted.
    time_limit_s : float
        For all budgets together.
    first_call : bool
        For a process that runs the DAG once: durations of first calls.
    statistic : {"median", "mean", "p90"}
        Which duration of a node's calls to plan for.

    Raises
    ------
    OptionError
        A budget, `cores` or `time_limit_s` has a value that it cannot have.
    ProfileError
        A node has no usable measurement.
    """
    budgets = [whole("threads", budget, 1, MAX_THREADS) for budget in threads]
    instance = instance_of(
        profile, cores=check_cores(cores), first_call=first_call, statistic=check_statistic(statistic)
    )
    begun = time.monotonic()
    limit = positive("time_limit_s", time_limit_s)
    whole("seed", seed, 0, 2**31 - 1)
    found = []
    for number, budget in enumerate(budgets, 1):
        until = begun + limit * number / len(budgets)
        search = quick(instance, budget, seed, _after(until), scale=5.0)
        found.append(answer(search))
        if progress is not None:
            progress(_progress(search, time.monotonic() - begun))
    return up_to(found)


def _after(moment: float) -> Callable[[], bool]:
    return lambda: time.monotonic() >= moment


def default_budgets(instance: Instance) -> list[int]:
    """Return 1..min(8, width): more threads than nodes that can run at once change nothing.

    For a large DAG only the powers of two among them: each answer costs a tenth of a second or more.
    """
    found = range(1, max(1, min(DEFAULT_BUDGETS, width(instance))) + 1)
    return [k for k in found if len(instance) <= _LARGE or k & (k - 1) == 0]


def quick(
    instance: Instance, budget: int, seed: int, over: Callable[[], bool], *, scale: float = 1.0
) -> Search:
    """Search with rules and a short multistart; `scale` multiplies the work."""
    bound = lower_bounds(instance, budget)[0]
    search = Search(instance, budget, bound, over)
    search.try_rules(rules(instance, budget, bound.name), _RULES_WORK * scale)
    search.vary(seed, _VARY_WORK * scale)
    return search


def answer(search: Search) -> WhatIf:
    """Return what a search found, in seconds."""
    makespan_s = search.instance.seconds(search.found.schedule.makespan)
    bound_s = search.instance.seconds(search.bound.ticks)
    return WhatIf(search.budget, makespan_s, min(bound_s, makespan_s))


def up_to(answers: Iterable[WhatIf]) -> list[WhatIf]:
    """Give each budget the best makespan of all budgets up to it, in the order given.

    A bound for more threads holds for fewer, so the bounds fall with the threads as well.
    """
    given = list(answers)
    found = []
    for its in given:
        makespan_s = min(other.makespan_s for other in given if other.threads <= its.threads)
        bound_s = max(other.lower_bound_s for other in given if other.threads >= its.threads)
        found.append(WhatIf(its.threads, makespan_s, min(bound_s, makespan_s)))
    return found


def _progress(search: Search, elapsed_s: float) -> Progress:
    found = answer(search)
    gap = (found.makespan_s - found.lower_bound_s) / found.makespan_s if found.makespan_s else 0.0
    return Progress(f"{search.budget} threads", elapsed_s, found.makespan_s, found.lower_bound_s, gap)
