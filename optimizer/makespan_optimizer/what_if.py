"""What other thread budgets, faster nodes or a Python without a GIL would give: the cheap half of optimizing.

Priority rules and a short multistart in the simulator, with the lower bounds. No solver: a question is
answered in milliseconds, and a plan for it may be a little better still.

Greedy dispatch uses every thread it may, so one more thread, or a faster node, can make an order a little
slower (Graham 1969). Nobody has to make use of it: an answer is the best of all that were asked and ask for
no more, and a lower bound holds for whoever has less.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from makespan.options import MAX_THREADS
from makespan.plan import WhatIf
from makespan_optimizer.bounds import lower_bounds
from makespan_optimizer.canonical import canonical
from makespan_optimizer.changes import AS_IT_IS, Change, changes
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


class Answer(msgspec.Struct, frozen=True):
    """The makespan to expect with up to so many threads, and what no schedule can beat; seconds."""

    threads: int
    makespan_s: float
    lower_bound_s: float
    binding: str
    """Which bound that is: ``critical path``, ``threads``, ``GIL``, ``lock db`` …"""
    change: Change = AS_IT_IS


def what_if(
    profile: Profile,
    threads: int | Sequence[int],
    *,
    nodes: Mapping[str, float] | Iterable[tuple[str, float]] = (),
    process: Iterable[str] = (),
    no_gil: bool = False,
    together: bool = False,
    cores: float | None = None,
    time_limit_s: float = 10.0,
    seed: int = 0,
    first_call: bool = False,
    statistic: Statistic = "median",
    progress: Callable[[Progress], None] | None = None,
) -> list[Answer]:
    """Return the makespan to expect with up to so many threads, and a lower bound, for each thread budget.

    For each budget the answer for the DAG as it is comes first, then one for each change that is asked for
    (or one for all of them together).

    Parameters
    ----------
    profile : Profile
    threads : int or sequence of int
        Budgets, from 1 to 1024.
    nodes : mapping of str to float, or pairs of both
        Factors of nodes' durations: 0.5 is twice as fast, 0 is free.
    process : iterable of str
        Nodes that would run in a process of their own.
    no_gil : bool
        Free-threaded Python.
    together : bool
        Make all changes at once, instead of each by itself.
    cores : float, optional
        Cores to plan for; those of the profile's machine when omitted.
    time_limit_s : float
        For all answers together.
    first_call : bool
        For a process that runs the DAG once: durations of first calls.
    statistic : {"median", "mean", "p90"}
        Which duration of a node's calls to plan for.
    progress : callable, optional
        Called with a `Progress` after each answer.

    Raises
    ------
    OptionError
        A budget, factor, `cores` or `time_limit_s` has a value that it cannot have.
    ProfileError
        A node has no usable measurement, or there is none of that name.
    """
    asked = [threads] if isinstance(threads, int) else threads
    budgets = [whole("threads", budget, 1, MAX_THREADS) for budget in asked]
    known: dict[str, Any] = {
        "cores": check_cores(cores),
        "first_call": first_call,
        "statistic": check_statistic(statistic),
    }
    limit_s = positive("time_limit_s", time_limit_s)
    whole("seed", seed, 0, 2**31 - 1)
    begun = time.monotonic()
    factors = nodes.items() if isinstance(nodes, Mapping) else nodes
    every = [AS_IT_IS, *changes(factors, process, no_gil=no_gil, together=together)]
    # Names and the order of declaration shall not matter.
    own = canonical(profile, profile.structure())
    instances = [instance_of(change.apply(own.profile), **known) for change in every]
    count = len(budgets) * len(every)
    found: list[Answer] = []
    for budget in budgets:
        start: list[Sequence[int]] = []
        for change, instance in zip(every, instances, strict=True):
            until = begun + limit_s * (len(found) + 1) / count
            search = quick(instance, budget, seed, _after(until), scale=5.0, start=start)
            # What is good for the DAG as it is, is a good beginning for all that differ little from it.
            start = start or [search.found.ranks]
            found.append(answered(search, change, own.bound_name))
            if progress is not None:
                progress(told(found[-1], time.monotonic() - begun))
    return consistent(found)


def _after(moment: float) -> Callable[[], bool]:
    return lambda: time.monotonic() >= moment


def default_budgets(instance: Instance) -> list[int]:
    """Return 1..min(8, width): more threads than nodes that can run at once change nothing.

    For a large DAG only the powers of two among them: each answer costs a tenth of a second or more.
    """
    found = range(1, max(1, min(DEFAULT_BUDGETS, width(instance))) + 1)
    return [k for k in found if len(instance) <= _LARGE or k & (k - 1) == 0]


def quick(
    instance: Instance,
    budget: int,
    seed: int,
    over: Callable[[], bool],
    *,
    scale: float = 1.0,
    start: Iterable[Sequence[int]] = (),
) -> Search:
    """Search with rules and a short multistart; `scale` multiplies the work, `start` are ranks to try too."""
    bound = lower_bounds(instance, budget)[0]
    search = Search(instance, budget, bound, over)
    search.try_rules(rules(instance, budget, bound.name), _RULES_WORK * scale)
    for ranks in start:
        if not search.good and len(ranks) == len(instance):
            search.improve("as before", search.judge("as before", ranks))
    search.vary(seed, _VARY_WORK * scale)
    return search


def answer(search: Search) -> WhatIf:
    """Return what a search found, in seconds."""
    makespan_s = search.instance.seconds(search.found.schedule.makespan)
    bound_s = search.instance.seconds(search.bound.ticks)
    return WhatIf(search.budget, makespan_s, min(bound_s, makespan_s))


def answered(search: Search, change: Change, name: Callable[[str], str]) -> Answer:
    """Return what a search found for a change, in seconds; `name`: from a bound's name to the user's."""
    its = answer(search)
    return Answer(its.threads, its.makespan_s, its.lower_bound_s, name(search.bound.name), change)


class _Row(Protocol):
    @property
    def makespan_s(self) -> float: ...

    @property
    def lower_bound_s(self) -> float: ...


_R = TypeVar("_R", bound=_Row)


def _tightened(rows: Sequence[_R], can: Callable[[_R, _R], bool]) -> list[tuple[_R, _R]]:
    """Return for each row those whose makespan and whose bound are the best that hold for it.

    Parameters
    ----------
    can : callable
        Says whether the first row may do whatever the second does.
    """
    return [
        (
            min((other for other in rows if can(row, other)), key=lambda other: other.makespan_s),
            max((other for other in rows if can(other, row)), key=lambda other: other.lower_bound_s),
        )
        for row in rows
    ]


def up_to(answers: Iterable[WhatIf]) -> list[WhatIf]:
    """Give each budget the best makespan of all budgets up to it, in the order given.

    A bound for more threads holds for fewer, so the bounds fall with the threads as well.
    """
    given = list(answers)
    best = _tightened(given, lambda one, other: one.threads >= other.threads)
    return [
        WhatIf(row.threads, fast.makespan_s, min(bound.lower_bound_s, fast.makespan_s))
        for row, (fast, bound) in zip(given, best, strict=True)
    ]


def consistent(answers: Iterable[Answer]) -> list[Answer]:
    """Give each answer the best makespan and bound of all that hold for it, in the order given.

    With more threads, faster nodes and without a GIL one may always do what is done with less.
    """
    given = list(answers)
    best = _tightened(given, _can_do)
    return [
        Answer(
            row.threads,
            fast.makespan_s,
            min(bound.lower_bound_s, fast.makespan_s),
            bound.binding if bound.lower_bound_s > row.lower_bound_s else row.binding,
            row.change,
        )
        for row, (fast, bound) in zip(given, best, strict=True)
    ]


def _can_do(one: Answer, other: Answer) -> bool:
    return one.threads >= other.threads and one.change.no_slower_than(other.change)


def told(found: Answer, elapsed_s: float, stage: str = "") -> Progress:
    """Return an answer as progress."""
    gap = (found.makespan_s - found.lower_bound_s) / found.makespan_s if found.makespan_s else 0.0
    if not stage:
        stage = f"{found.threads} threads"
        if found.change != AS_IT_IS:
            stage += f", {found.change.name}"
    return Progress(stage, elapsed_s, found.makespan_s, found.lower_bound_s, gap)
