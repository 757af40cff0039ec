"""What other thread budgets, faster nodes or a Python without a GIL would give: the cheap half of optimizing.

Priority rules and a short multistart in the simulator, with the lower bounds. No solver: a question is
answered in milliseconds, and a plan for it may be a little better still.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from makespan.errors import OptionError
from makespan.plan import WhatIf
from makespan_optimizer.bounds import bounds_by_budget
from makespan_optimizer.canonical import canonical
from makespan_optimizer.choice.search import Progress, Search
from makespan_optimizer.instance import instance_of
from makespan_optimizer.modes.bound import bounds_over_modes
from makespan_optimizer.modes.choose import MOST_PROCESSES, apply, choose_modes
from makespan_optimizer.modes.contract import as_declared
from makespan_optimizer.options import budgets as check_budgets
from makespan_optimizer.options import check_cores, check_statistic, flag, positive, whole
from makespan_optimizer.priorities import rules
from makespan_optimizer.questions.answers import Answer, consistent, up_to
from makespan_optimizer.questions.changes import AS_IT_IS, Change, changes
from makespan_optimizer.schedule import width

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan.profile import Profile
    from makespan_optimizer.bounds import Bound
    from makespan_optimizer.instance import Instance, Statistic

__all__ = [
    "Answer",
    "answer",
    "answered",
    "consistent",
    "default_budgets",
    "quick",
    "told",
    "up_to",
    "what_if",
]

DEFAULT_BUDGETS = 8
_MODES_WORK = 40_000  # nodes to simulate for a choice of modes
_RULES_WORK = 4_000  # nodes to simulate for each budget; the first two rules are always judged
_VARY_WORK = 2_000
_LARGE = 2_000
_LEAST_RULES, _MOST_RULED = 12, 10_000  # replays for each budget, up to so many nodes


def what_if(
    profile: Profile,
    threads: int | Sequence[int],
    *,
    nodes: Mapping[str, float] | Iterable[tuple[str, float]] = (),
    process: Iterable[str] = (),
    no_gil: bool = False,
    processes: int = 0,
    native_threads: bool = False,
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
    processes : int
        So many worker processes at most, with the nodes in them that gain most.
    native_threads : bool
        The number of native threads of each node that gains most, of those that were measured.
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
    budgets = check_budgets("threads", threads)
    known: dict[str, Any] = {
        "cores": check_cores(cores),
        "first_call": flag("first_call", first_call),
        "statistic": check_statistic(statistic),
    }
    limit_s = positive("time_limit_s", time_limit_s)
    whole("seed", seed, 0, 2**31 - 1)
    begun = time.monotonic()
    every = [
        AS_IT_IS,
        *changes(
            _factors(nodes),
            _names(process),
            no_gil=flag("no_gil", no_gil),
            processes=whole("processes", processes, 0, MOST_PROCESSES),
            native_threads=flag("native_threads", native_threads),
            together=flag("together", together),
        ),
    ]
    # Names and the order of declaration shall not matter.
    own = canonical(profile, profile.structure())
    profiles = [change.apply(own.profile) for change in every]
    instances = [instance_of(as_declared(changed), **known) for changed in profiles]
    bounds = [bounds_by_budget(instance) for instance in instances]
    count = len(budgets) * len(every)
    found: list[Answer] = []
    for budget in budgets:
        start: list[Sequence[int]] = []
        for change, changed, instance, of in zip(every, profiles, instances, bounds, strict=True):
            over = _after(begun + limit_s * (len(found) + 1) / count)
            if change.chooses:
                found.append(_chosen(change, changed, budget, seed, over, known, own.bound_name))
            else:
                search = quick(instance, budget, seed, over, scale=5.0, start=start, bounds=of)
                found.append(answered(search, change, own.bound_name))
                # What is good for the DAG as it is, is a good beginning for all that differ little from it.
                start = start or [search.found.ranks]
            if progress is not None:
                progress(told(found[-1], time.monotonic() - begun))
    return consistent(found)


def _factors(nodes: Any) -> list[tuple[str, float]]:
    """Return the factors of nodes as pairs; what each of them may be is checked where it is used.

    Raises
    ------
    OptionError
        Neither a mapping nor pairs.
    """
    pairs: Any = nodes.items() if isinstance(nodes, Mapping) else nodes
    pairs = list(pairs) if isinstance(pairs, Iterable) else [pairs]
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        raise OptionError(f"must be factors by name, such as {{'parse': 0.5}}, not {nodes!r}", where="nodes")
    return [(name, factor) for name, factor in pairs]


def _names(process: Any) -> list[str]:
    """Return the names of nodes, given as one or several.

    Raises
    ------
    OptionError
        Neither.
    """
    names = [process] if isinstance(process, str) or not isinstance(process, Iterable) else list(process)
    if not all(isinstance(name, str) for name in names):
        raise OptionError(f"must be names of nodes, not {process!r}", where="process")
    return names


def _chosen(
    change: Change,
    profile: Profile,
    budget: int,
    seed: int,
    over: Callable[[], bool],
    known: dict[str, Any],
    name: Callable[[str], str],
) -> Answer:
    """Answer a question that leaves the choice of modes; the bound holds for every choice."""
    free: dict[str, Any] = {"processes": change.processes, "native": change.native_threads}
    choice = choose_modes(profile, budget, seed=seed, over=over, work=_MODES_WORK, **free, **known)
    relaxed, bounds = bounds_over_modes(profile, budget, **free, **known)
    search = quick(instance_of(apply(profile, choice), **known), budget, seed, over, scale=5.0)
    its = answer(search)
    bound_s = min(relaxed.seconds(bounds[0].ticks), its.makespan_s)
    return Answer(
        budget,
        its.makespan_s,
        bound_s,
        name(bounds[0].name),
        change,
        choice.clusters,
        choice.threads_of,
    )


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
    bounds: Callable[[int], list[Bound]] | None = None,
) -> Search:
    """Search with rules and a short multistart.

    Parameters
    ----------
    scale : float
        Multiplies the work.
    start : iterable of ranks
        To try too.
    bounds : callable, optional
        `bounds_by_budget` of the instance, where several budgets are asked about.
    """
    bound = (bounds or bounds_by_budget(instance))(budget)[0]
    search = Search(instance, budget, bound, over)
    # With contention the critical path may be far off: a few more rules than the first two, however large.
    least = _LEAST_RULES * len(instance) if len(instance) <= _MOST_RULED else 0
    search.try_rules(rules(instance, budget, bound.name), max(_RULES_WORK * scale, least))
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


def told(found: Answer, elapsed_s: float, stage: str = "") -> Progress:
    """Return an answer as progress."""
    gap = (found.makespan_s - found.lower_bound_s) / found.makespan_s if found.makespan_s else 0.0
    if not stage:
        stage = f"{found.threads} threads"
        if found.change != AS_IT_IS:
            stage += f", {found.change.name}"
    return Progress(stage, elapsed_s, found.makespan_s, found.lower_bound_s, gap)
