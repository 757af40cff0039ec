"""Optimize with modes and pins: choose them, optimize what comes of it, and tell the plan of the DAG itself.

::

    profile ─ pins ─▶ edges, locks ─ native threads, clusters ─▶ contracted profile ─ optimize ─▶ plan ─▶ back

A part of the time is for the choice of modes; the rest, for the order under them, is the same whether much
or little of it was used, so that the same options give the same plan. Modes are only kept when the plan is
better by 2 % than one without them: by a bound, or else by a search for that one too. Nodes that are declared
to run in worker processes do so in all of these (`makespan_optimizer.modes.contract`).
"""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from makespan.plan import PlanBound, Robust
from makespan.preparing.order import default_ranks
from makespan.showing.words import some
from makespan_optimizer.bounds import bounds_by_budget, lower_bounds
from makespan_optimizer.canonical import canonical
from makespan_optimizer.choice.pooled import mixed
from makespan_optimizer.choice.robust import FRESH_SEED
from makespan_optimizer.choice.search import Progress
from makespan_optimizer.instance import instance_of
from makespan_optimizer.modes.bound import least
from makespan_optimizer.modes.choose import (
    MOST_PROCESSES,
    WORTH_NATIVE,
    ModeChoice,
    Wanted,
    applied,
    choose_modes,
)
from makespan_optimizer.modes.contract import as_declared
from makespan_optimizer.modes.cuts import Cuts, bits
from makespan_optimizer.modes.expand import Modes, expand
from makespan_optimizer.modes.native import apply_native
from makespan_optimizer.options import check_budget, check_cores, check_statistic, positive, whole
from makespan_optimizer.pins.pinned import Pinned
from makespan_optimizer.pins.pins import Pins
from makespan_optimizer.priorities import CRITICAL, rules
from makespan_optimizer.scenarios import expected
from makespan_optimizer.simulate import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan.plan import Plan, WhatIf
    from makespan.profile import Profile
    from makespan_optimizer.modes.contract import Contracted

# Share of the time for the choice of modes. What is left is halved: the order under them and the order
# without any get the same search, else a longer one would make the plan without modes look better than it is.
_NATIVE, _PROCESSES = 0.25, 0.45  # the order under worker processes is good sooner than their choice
_SEARCH = 0.7  # of that share; the rest is for leaving out what gains too little
# Nodes to simulate for each second of the time limit: what a quiet core of 2.5 GHz does in half of its share.
_WORK = 8_000
_SCENARIO_WORK = 20_000
_LEAST = 5  # scenarios


def optimize_with_modes(
    profile: Profile,
    threads: int | str | None,
    *,
    pins: Any = None,
    processes: int = 0,
    native_threads: bool = False,
    optimize: Callable[..., Plan],
    **options: Any,
) -> Plan:
    """Return a plan that keeps to pins, and says which nodes run in worker processes and with what threads.

    Parameters
    ----------
    profile : Profile
    threads : int or "auto", optional
        With "auto", modes are chosen for as many threads as there are cores, and threads for these modes.
    pins : Pins, pin, str, or a list of these
    processes : int
        Worker processes at most.
    native_threads : bool
        Choose native threads.
    optimize : callable
        As `makespan_optimizer.optimize.optimize`, without modes; takes ``ordering`` as well.
    options
        Further ones of `optimize`.

    Raises
    ------
    OptionError
        An option has a value that it cannot have; pins contradict each other or the DAG, or cannot be had.
    """
    begun = time.monotonic()
    budget = check_budget(threads, profile)
    limit_s = positive("time_limit_s", options.pop("time_limit_s", 10.0), 1e9)
    seed = whole("seed", options.get("seed", 0), 0, 2**31 - 1)
    whole("processes", processes, 0, MOST_PROCESSES)
    how = {
        "cores": check_cores(options.get("cores")),
        "first_call": options.get("first_call", False),
        "statistic": check_statistic(options.get("statistic", "median")),
    }
    bare = instance_of(as_declared(profile), **how)
    pinned = Pinned(Pins.of(pins), profile)
    threads_alone = as_declared(pinned.profile)
    choosing = bool(processes or native_threads or pinned.process or pinned.native)
    choosable = {
        "processes": processes or (1 if pinned.process else 0),
        "native": native_threads or bool(pinned.native),
    }
    choice = ModeChoice()
    share = _PROCESSES if choosable["processes"] else _NATIVE
    before_s = 0.0
    bounds = None
    if choosing:
        bounds = _over_modes(pinned.profile, choosable, how)
        bound_s = bounds(budget)[0].seconds
        before_s = time.monotonic() - begun
        choice = choose_modes(
            canonical(pinned.profile, pinned.profile.structure()).profile,
            budget,
            processes=processes,
            native=native_threads,
            seed=seed,
            over=lambda: time.monotonic() >= begun + _SEARCH * share * limit_s,
            late=lambda: time.monotonic() >= begun + share * limit_s,
            work=_WORK * limit_s,
            wanted=Wanted(pinned.process, pinned.thread, pinned.native, pinned.once),
            say=_teller(options.get("progress"), begun, bound_s),
            **how,
        )

    def ordered(choice: ModeChoice, time_limit_s: float) -> tuple[Plan, Contracted]:
        contracted = applied(pinned.profile, choice)
        stands_for = {
            name: contracted.names[k] for k, cluster in enumerate(choice.clusters) for name in cluster.nodes
        }
        plan = optimize(
            contracted.profile,
            threads,
            time_limit_s=time_limit_s,
            ordering=lambda names: pinned.ordering(names, stands_for),
            **options,
        )
        return plan, contracted

    used_s = time.monotonic() - begun + before_s
    plan, contracted = ordered(choice, _rest(limit_s, used_s, (1 - share) / 2) if choosing else limit_s)
    stopped = plan.solver.stopped
    if (choice.clusters or choice.native_threads) and not (pinned.process or pinned.native):
        # The choice was made by a short search. Where no bound says that threads alone are worse, they are
        # given a longer one too.
        bare_pinned = instance_of(threads_alone, **how)
        alone = lower_bounds(bare_pinned, max(budget, plan.threads))[0]
        if plan.makespan_s > alone.ticks * bare_pinned.tick_s:
            used_s = time.monotonic() - begun + before_s
            plain, as_it_is = ordered(ModeChoice(), _rest(limit_s, used_s, (1 - share) / 2))
            if _expected(plan) > _expected(plain) * (1 - WORTH_NATIVE):
                choice, plan, contracted = ModeChoice(cut_short=choice.cut_short), plain, as_it_is
                stopped = f"{plain.solver.stopped}; no modes gain enough"
    if choice.cut_short:
        stopped += "; the choice of modes was cut short by the time limit"
    robust = plan.robust
    if robust is not None and (choice.clusters or choice.native_threads):
        robust = _beside_threads(robust, pinned, threads_alone, plan.threads, seed, how)
    cuts = Cuts(apply_native(pinned.profile, choice.threads_of))
    stopped += _unknown(cuts, choice)
    solver = msgspec.structs.replace(plan.solver, time_limit_s=limit_s, stopped=stopped)
    default = simulate(bare, default_ranks(bare.structure), plan.threads)
    answers = plan.what_if if bounds is None else _bounded(plan.what_if, bounds)
    return expand(
        msgspec.structs.replace(
            plan, solver=solver, clusters=choice.clusters, robust=robust, what_if=answers
        ),
        Modes(profile, cuts, choice.clusters, contracted, instance_of(cuts.profile, **how)),
        pinned,
        choice.threads_of,
        () if bounds is None else bounds(plan.threads),
        bare.seconds(default.makespan),
    )


def _unknown(cuts: Cuts, choice: ModeChoice) -> str:
    """Say of which nodes in worker processes it is not known what it costs to send their values."""
    inside = {name for cluster in choice.clusters for name in cluster.nodes}
    names = [
        cuts.structure.names[i]
        for i in bits(cuts.declared)
        if cuts.structure.names[i] not in inside and not cuts.known_crossing(i)[1]
    ]
    if not names:
        return ""
    return (
        f"; what it costs to send values to the processes of {some(names, 3)} is not known, and not counted"
    )


def _beside_threads(
    robust: Robust, pinned: Pinned, profile: Profile, threads: int, seed: int, how: dict[str, Any]
) -> Robust:
    """Return the figures over scenarios with those of the default order and the critical path, as declared.

    Scenarios of the same kind as the plan's: else a difference might be one of scenarios.
    """
    declared = profile.structure()
    known = canonical(profile, declared)
    instance = instance_of(known.profile, **how)
    instance = replace(instance, ordering=pinned.ordering(instance.structure.names))
    count = max(_LEAST, min(robust.scenarios, _SCENARIO_WORK // max(1, len(instance))))
    walls = mixed(known.profile, instance, count, seed + FRESH_SEED)
    orders = (known.here(default_ranks(declared)), dict(islice(rules(instance, threads, ""), 2))[CRITICAL])
    default, critical = (expected(instance, instance.pinned(r), threads, (), walls).mean for r in orders)
    return msgspec.structs.replace(
        robust,
        default_mean_s=instance.seconds(default),
        critical_path_mean_s=instance.seconds(critical),
    )


def _expected(plan: Plan) -> float:
    """Return the makespan to expect, over scenarios where there are some."""
    return plan.makespan_s if plan.robust is None else plan.robust.mean_s


def _rest(limit_s: float, used_s: float, share: float) -> float:
    """Return the time for a search: its share, unless more was used already than was meant to be."""
    return min(share * limit_s, max(0.05 * limit_s, limit_s - used_s))


def _over_modes(
    profile: Profile, choosable: dict[str, Any], how: dict[str, Any]
) -> Callable[[int], list[PlanBound]]:
    """Return what takes a thread budget to its bounds over all modes to choose from, the largest first."""
    relaxed = least(profile, **choosable, **how)
    of = bounds_by_budget(relaxed)
    return lambda budget: [PlanBound(bound.name, relaxed.seconds(bound.ticks)) for bound in of(budget)]


def _bounded(answers: Sequence[WhatIf], bounds: Callable[[int], list[PlanBound]]) -> tuple[WhatIf, ...]:
    """Return the answers with bounds over all modes: theirs hold for the modes chosen."""
    return tuple(
        msgspec.structs.replace(its, lower_bound_s=min(bounds(its.threads)[0].seconds, its.makespan_s))
        for its in answers
    )


def _teller(
    progress: Callable[[Progress], None] | None, begun: float, bound_s: float
) -> Callable[[float], None] | None:
    if progress is None:
        return None

    def say(best_s: float) -> None:
        gap = max(0.0, 1 - bound_s / best_s) if best_s else 0.0
        progress(Progress("modes", time.monotonic() - begun, best_s, min(bound_s, best_s), gap))

    return say
