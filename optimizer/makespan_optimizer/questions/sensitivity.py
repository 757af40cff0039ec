"""What to optimise next: the makespan if one node were twice as fast, or free, for each node.

A node that is shortened by x seconds shortens the best makespan by x at most: pause everything else for x
while it runs, and a schedule of the faster DAG is one of the DAG as it is. So those are tried first
that take most of what binds, and a node of which half is less than what the tenth best has gained is left
out: it cannot be among the ten. What is tried is counted in simulated nodes, not in seconds.

An order that is found for the faster DAG is tried on the DAG as it is, too: what it gains there is no merit
of the node.
"""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from makespan.describing.options import MAX_THREADS
from makespan.errors import OptionError
from makespan_optimizer.bounds import Bound, lower_bounds
from makespan_optimizer.canonical import canonical
from makespan_optimizer.choice.search import Search
from makespan_optimizer.instance import instance_of
from makespan_optimizer.lanes import hand_overs, lanes_of, slacks
from makespan_optimizer.options import check_cores, check_statistic, positive, whole
from makespan_optimizer.priorities import rules
from makespan_optimizer.questions.answers import Answer, consistent
from makespan_optimizer.questions.changes import AS_IT_IS, Change
from makespan_optimizer.questions.what_if import answered, quick, told

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan.profile import Profile
    from makespan_optimizer.choice.search import Progress
    from makespan_optimizer.instance import Instance, Statistic

TOP = 10
HALF, FREE = 0.5, 0.0
_WORK = 1_000_000  # nodes to simulate in all
_SMALL = 300  # nodes: up to here each question gets forward-backward passes
_TRIALS = 0.8  # share of the time; the rest is for bounds
_EACH = 2.0  # to read a profile costs as much as so many simulations


class NodeGain(msgspec.Struct, frozen=True):
    """What a faster node would gain; seconds."""

    name: str
    wall_s: float
    """Alone, as it is."""
    half: Answer
    """If it were twice as fast."""
    free: Answer
    """If it took no time at all."""
    half_saves_s: float
    free_saves_s: float


class Sensitivity(msgspec.Struct, frozen=True):
    """Which nodes are worth making faster."""

    base: Answer
    nodes: tuple[NodeGain, ...]
    """By what the twice as fast node saves, most first."""
    tried: int
    """How many nodes were tried: those first that take most of what binds."""
    of: int
    complete: bool
    """No other node can save more than those that are told."""


def sensitivity(
    profile: Profile,
    threads: int,
    *,
    change: Change = AS_IT_IS,
    top: int = TOP,
    cores: float | None = None,
    time_limit_s: float = 10.0,
    seed: int = 0,
    first_call: bool = False,
    statistic: Statistic = "median",
    progress: Callable[[Progress], None] | None = None,
) -> Sensitivity:
    """Return what each node would save if it were faster, the `top` of them.

    Parameters
    ----------
    profile : Profile
    threads : int
        The budget.
    change : Change
        What is different already.
    top : int
        How many nodes to tell.
    cores, time_limit_s, seed, first_call, statistic, progress
        See `makespan_optimizer.questions.what_if.what_if`.

    Raises
    ------
    OptionError, ProfileError
        See `makespan_optimizer.questions.what_if.what_if`.
    """
    budget = whole("threads", threads, 1, MAX_THREADS)
    cores, statistic = check_cores(cores), check_statistic(statistic)
    whole("seed", seed, 0, 2**31 - 1)
    whole("top", top, 1, 1_000_000)
    if change.chooses:
        raise OptionError("goes with no choice of processes or native threads", where="each node")
    begun = time.monotonic()
    limit_s = positive("time_limit_s", time_limit_s)
    until = begun + limit_s

    def over() -> bool:
        return time.monotonic() >= begun + _TRIALS * limit_s

    own = canonical(profile, profile.structure())

    def instance(changed: Change) -> Instance:
        its = changed.apply(own.profile)
        return instance_of(its, cores=cores, first_call=first_call, statistic=statistic)

    here = instance(change)
    search = quick(here, budget, seed, over, scale=5.0)
    found: list[tuple[str, float, Answer, Answer]] = []
    questions, complete = 0.0, True
    base, least_s = answered(search, change, own.bound_name), 0.0
    for i in _most_likely(search):
        name, wall_s = here.structure.names[i], here.seconds(here.wall[i])
        if len(found) >= top and wall_s * (1 - HALF) <= least_s:
            continue
        if over() or search.simulated + questions >= _WORK:
            complete = False
            break
        rows = []
        for factor in (HALF, FREE):
            asked = change | Change(nodes={name: factor})
            faster = _faster(instance(asked), search)
            questions += faster.simulated + _EACH * len(here)
            search.judge("as before", faster.found.ranks)
            rows.append(answered(faster, asked, own.bound_name))
        found.append((name, wall_s, rows[0], rows[1]))
        base = answered(search, change, own.bound_name)
        if len(found) >= top:
            least_s = _gains(base, found)[top - 1].half_saves_s
        if progress is not None:
            progress(told(base, time.monotonic() - begun, f"{len(found)} of {len(here)} nodes"))

    def bounded(row: Answer, less_s: float) -> Answer:
        # What is saved at most, off the bound of the DAG as it is: a bound that costs nothing.
        bound_s, binding = max(0.0, base.lower_bound_s - less_s), base.binding
        if time.monotonic() < until:
            its = instance(row.change)
            bound = lower_bounds(its, budget)[0]
            if its.seconds(bound.ticks) >= bound_s:
                bound_s, binding = its.seconds(bound.ticks), own.bound_name(bound.name)
        return msgspec.structs.replace(row, lower_bound_s=min(bound_s, row.makespan_s), binding=binding)

    names = {gain.name for gain in _gains(base, found)[:top]}
    best = [
        (name, wall_s, bounded(half, wall_s * (1 - HALF)), bounded(free, wall_s))
        for name, wall_s, half, free in found
        if name in names
    ]
    return Sensitivity(base, tuple(_gains(base, best)), len(found), len(here), complete)


def _most_likely(search: Search) -> list[int]:
    """Return the nodes by what they take of what binds: no other shortens the DAG; ties the longest first."""
    instance, name = search.instance, search.bound.name
    s, wall, schedule = instance.structure, instance.wall, search.found.schedule
    n = len(wall)
    if name == "critical path":
        slack = slacks(s, schedule, hand_overs(s, schedule, lanes_of(schedule), search.found.groups))
        weight = [0 if its > 0 else 1 for its in slack]
    elif name in ("GIL", "cores"):
        weight = list(instance.gil if name == "GIL" else instance.core)
    elif name == "exclusive nodes":
        weight = [int(alone) for alone in s.exclusive]
    elif name.startswith("lock "):
        weight = [int(name[5:] in some) for some in s.locks]
    else:
        weight = [1] * n
    return sorted(range(n), key=lambda i: (-wall[i] * weight[i], -wall[i]))


def _faster(instance: Instance, before: Search) -> Search:
    """Judge the order that was best before, and the critical path; without bounds, which cost more."""
    search = Search(instance, before.budget, Bound(before.bound.name, 0.0), before.over)
    known = islice(rules(instance, before.budget, before.bound.name), 1, 2)
    for name, ranks in (("as before", before.found.ranks), *known):
        schedule = search.judge(name, ranks)
        if len(instance) <= _SMALL:
            search.improve(name, schedule)
    return search


def _gains(base: Answer, found: Sequence[tuple[str, float, Answer, Answer]]) -> list[NodeGain]:
    """Compare with the DAG as it is; sorted by what half the time saves, ties as tried."""
    gains = []
    for name, wall_s, *rows in found:
        _, half, free = consistent([base, *rows])
        saves = [
            min(wall_s * (1 - factor), base.makespan_s - row.makespan_s)
            for factor, row in ((HALF, half), (FREE, free))
        ]
        gains.append(NodeGain(name, wall_s, half, free, round(saves[0], 9), round(saves[1], 9)))
    return sorted(gains, key=lambda its: (-its.half_saves_s, -its.free_saves_s))
