"""Which ways to run a DAG are worth a race: a few, and unlike each other.

::

    default order       at the budget of a call without a plan: always
                        at 1 (one after the other), 2, 4, 8 threads
                        and with one native thread where nodes have native pools
    plans               for the budget at the knee, the next usual one below, the best and the default one
                        × no worker processes, some
                        × native threads as they are, chosen, one a node
                        × with computed groups, without

The simulator says what to expect of each. What it expects to take far longer than the best is left out, but
not the default and not the best plain way, which guard against a model that is wrong.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from makespan.showing.words import plural
from makespan_optimizer.instance import instance_of
from makespan_optimizer.modes.native import choices
from makespan_optimizer.questions.what_if import what_if
from makespan_optimizer.schedule import width
from makespan_optimizer.tuning.plain import ordered_plan, plain_plan
from makespan_optimizer.tuning.searched import limited, limits_of, pooled, searched
from makespan_optimizer.tuning.ways import ONE_EACH, Way, key_of, named, workers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan.plan import Plan
    from makespan.profile import Profile
    from makespan_optimizer.tuning.searched import Limits

FAR = 1.6
"""A way that is expected to take so many times as long as the best is left out."""
ENOUGH = 0.01
"""Of budgets that are expected within this share of the best, the smallest is the knee."""
MOST_PLANS = 8
_PLAIN = (1, 2, 4, 8)
_BUDGETS = (1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32)
_LEAST_SEARCH_S = 0.3


def candidates(
    profile: Profile,
    *,
    default_threads: int,
    most_threads: int | None = None,
    processes: int = 0,
    native_threads: bool = True,
    hints_s: Sequence[float | None] = (),
    seed: int = 0,
    limit_s: float = 8.0,
    most: int = 12,
    say: Callable[[int, int, str], object] = lambda *_: None,
) -> list[Way]:
    """Return the ways to race: the default first, then those with the best prospects.

    Parameters
    ----------
    profile : Profile
    default_threads : int
        The budget of a call without a plan.
    most_threads : int, optional
        The most that may be used.
    processes : int
        Worker processes at most.
    native_threads : bool
        Whether native threads may be limited.
    hints_s : sequence of float or None, shape (n,)
        Declared with the nodes.
    limit_s : float
        For all searches together.
    most : int
        Ways at most, at least 2.
    say : callable
        Told what is searched for, as ``say(done, total, words)``.
    """
    until = time.monotonic() + limit_s
    native = pooled(profile) if native_threads else {}
    chosen = native_threads and any(choices(node) for node in profile.nodes)
    plain = _plain_ways(profile, default_threads, most_threads, hints_s, native)
    budgets = _budgets(profile, native, default_threads, most_threads, seed, 0.15 * limit_s)
    wanted = _wanted(budgets, processes, most_threads, chosen=chosen, one=bool(native))
    plans: list[Way] = []
    for k, (threads, workers, limits) in enumerate(wanted):
        left_s = until - time.monotonic()
        if plans and left_s < _LEAST_SEARCH_S:
            break
        say(k, len(wanted), named(threads, workers, limits))
        # Searches with worker processes take longer to become good.
        weights = [2 if n else 1 for _, n, _ in wanted[k:]]
        limit = max(_LEAST_SEARCH_S, left_s * weights[0] / sum(weights))
        found = searched(profile, threads, workers, limits, time_limit_s=limit, seed=seed)
        plans.append(Way("", found))
        if (bare := _ungrouped(profile, found)) is not None:
            plans.append(Way("", bare))
    known = {key_of(way.plan) for way in plain}
    return _picked(plain, [way for way in _distinct(profile, plans) if key_of(way.plan) not in known], most)


def planned_again(
    profile: Profile, like: Sequence[Plan], *, seed: int, limit_s: float, native_threads: bool
) -> list[Way]:
    """Return plans of a better profile, for the budgets and modes of others."""
    found: list[Way] = []
    for k, plan in enumerate(like):
        limits = limits_of(plan, profile)
        if limits == "as they are" and native_threads and any(choices(node) for node in profile.nodes):
            limits = "chosen"
        limit = max(_LEAST_SEARCH_S, limit_s / (len(like) or 1))
        again = searched(
            profile, plan.threads, workers_of(plan), limits, time_limit_s=limit, seed=seed + k + 1
        )
        found.append(Way("", again))
    known = {key_of(plan) for plan in like}
    return [way for way in _distinct(profile, found) if key_of(way.plan) not in known]


def _plain_ways(
    profile: Profile,
    default_threads: int,
    most_threads: int | None,
    hints_s: Sequence[float | None],
    native: dict[str, int],
) -> list[Way]:
    most = min(most_threads or 1024, max(1, width(instance_of(profile))))
    if most_threads is not None:
        default_threads = min(default_threads, most_threads)
    name = _plain_name(default_threads)
    ways = [Way(name, plain_plan(profile, default_threads, hints_s=hints_s), default=True)]
    budgets = [k for k in _PLAIN if k <= most and k != default_threads]
    ways += [Way(_plain_name(k), plain_plan(profile, k, hints_s=hints_s)) for k in budgets]
    if native:
        for k in sorted({default_threads, *budgets}):
            plan = plain_plan(profile, k, hints_s=hints_s, native=native)
            ways.append(Way(f"{_plain_name(k)}, {ONE_EACH}", plan))
    return ways


def _plain_name(threads: int) -> str:
    return "one after the other" if threads == 1 else f"default order, {plural(threads, 'thread')}"


def _budgets(
    profile: Profile,
    native: dict[str, int],
    default_threads: int,
    most_threads: int | None,
    seed: int,
    limit_s: float,
) -> list[int]:
    """Return the budgets to plan for: at the knee, the next usual one below it, the default one, the best."""
    seen = limited(profile, native)
    most = min(most_threads or _BUDGETS[-1], max(1, width(instance_of(seen))))
    asked = [k for k in _BUDGETS if k <= most] or [1]
    answers = what_if(seen, asked, time_limit_s=limit_s, seed=seed)
    expected = {its.threads: its.makespan_s for its in answers}
    best = min(expected, key=lambda k: (expected[k], k))
    knee = min(k for k in expected if expected[k] <= expected[best] * (1 + ENOUGH))
    default = min(default_threads, most_threads or default_threads)
    # What the profile cannot see (so many connections at a time) may hold before the knee.
    before = [k for k in _PLAIN if 1 < k < knee]
    return list(dict.fromkeys([knee, *before[-1:], default, best]))


def _wanted(
    budgets: Sequence[int], processes: int, most_threads: int | None, *, chosen: bool, one: bool
) -> list[tuple[int, int, Limits]]:
    """Return (threads, processes, native threads) of the plans to search for, the best hope first.

    A thread waits for each worker process that runs: one alone could use none beside itself.
    """
    its: Limits = "chosen" if chosen else "as they are"
    found = [(threads, 0, its) for threads in budgets]
    if processes:
        most = most_threads or 1024
        beside = dict.fromkeys(min(most, max(k, 2)) for k in (budgets[0], processes + 1, *budgets[1:]))
        loose, found = found, []
        for k in range(max(len(loose), len(beside))):
            found += loose[k : k + 1]
            found += [(threads, processes, its) for threads in list(beside)[k : k + 1]]
    if one:
        singles: list[tuple[int, int, Limits]] = [(k, workers, "one") for k, workers, _ in found[:3]]
        found = [*found[:2], *singles, *found[2:]]
    if chosen:
        found.append((budgets[0], 0, "as they are"))
    return found[:MOST_PLANS]


def _ungrouped(profile: Profile, plan: Plan) -> Plan | None:
    """Return the plan without the groups that were computed; None when there are none, or clusters."""
    groups = tuple(group for group in plan.groups if group.reason in ("lock", "exclusive"))
    if len(groups) == len(plan.groups) or plan.clusters:
        return None
    native = {node.name: node.native_threads for node in plan.nodes if node.native_threads is not None}
    rank = {node.name: node.rank for node in plan.nodes}
    ranks = [rank[shape.name] for shape in profile.shape]
    solver = msgspec.structs.replace(plan.solver, status="feasible")
    return ordered_plan(profile, ranks, plan.threads, solver, native=native, chains=plan.chains)


def _distinct(profile: Profile, plans: Sequence[Way]) -> list[Way]:
    """Return the plans that differ, named by how they do, the best first.

    Of plans that differ by their order alone the best is taken: a race tells apart what differs by more.
    """
    ordered = sorted((way.plan for way in plans), key=lambda plan: (plan.makespan_s, plan.threads))
    by_key: dict[Any, Plan] = {}
    for plan in ordered:
        by_key.setdefault(key_of(plan, order=False), plan)
    ways: list[Way] = []
    taken: dict[str, int] = {}
    for plan in by_key.values():
        name = named(plan.threads, workers_of(plan), limits_of(plan, profile))
        taken[name] = taken.get(name, 0) + 1
        ways.append(Way(name if taken[name] == 1 else f"{name} ({taken[name]})", plan))
    return ways


def _picked(plain: Sequence[Way], plans: Sequence[Way], most: int) -> list[Way]:
    """Return the default, then the best plan, the best of the other kind, the best plain way, and so on."""
    default = plain[0]
    others = sorted(plain[1:], key=_prospect)
    best_s = min(way.plan.makespan_s for way in (*plain, *plans))
    first = list(plans[:1])
    if first:
        unlike = [way for way in plans if bool(way.processes) != bool(first[0].processes)]
        first += unlike[:1]
        one = [way for way in plans if ONE_EACH in way.name and way not in first]
        first += one[:1] if not any(ONE_EACH in way.name for way in first) else []
    first += others[:1]
    rest = sorted((way for way in (*plans, *others) if way not in first), key=_prospect)
    guarded = [default, *first[:1], *others[:1]]
    near = {
        way.name: way
        for way in (default, *first, *rest)
        if way in guarded or way.plan.makespan_s <= FAR * best_s
    }
    return list(near.values())[: max(2, most)]


def _prospect(way: Way) -> tuple[float, int, int]:
    return way.plan.makespan_s, way.processes, way.plan.threads
