"""From a profile to a plan: the best order found, its lower bound, and why the search ended.

Bounds, then the critical path and more rules with forward-backward passes, seeded variations, every order
when there are few, and CP-SAT in a child process; all judged for the median durations. Then scenarios of
durations decide among the best of them, and on admission limits (`makespan_optimizer.choice`). Nodes are
numbered by what they are first, so that names and the order of declaration do not matter
(`makespan_optimizer.canonical`).
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from makespan.plan import Solver
from makespan.preparing.order import default_ranks
from makespan_optimizer.assemble import assemble
from makespan_optimizer.canonical import canonical
from makespan_optimizer.choice.auto_threads import smallest_good_budget
from makespan_optimizer.choice.pipeline import Pipeline
from makespan_optimizer.choice.watch import Watch
from makespan_optimizer.instance import instance_of
from makespan_optimizer.model.solve import ensure_solver
from makespan_optimizer.options import (
    AUTO,
    budgets,
    check_budget,
    check_cores,
    check_gap,
    check_statistic,
    flag,
    positive,
    whole,
)
from makespan_optimizer.solver import SolverOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Literal

    from makespan.plan import Plan
    from makespan.profile import Profile
    from makespan_optimizer.choice.search import Progress
    from makespan_optimizer.instance import Statistic
    from makespan_optimizer.pins.pins import Pin, Pins

_SHORT = "; the choice of the thread budget was cut short by the time limit"


def optimize(
    profile: Profile,
    threads: int | Literal["auto"] | None = None,
    *,
    cores: float | None = None,
    time_limit_s: float = 10.0,
    seed: int = 0,
    workers: int = 2,
    gap: float = 0.001,
    deterministic: bool = True,
    what_if: Sequence[int] | None = None,
    first_call: bool = False,
    statistic: Statistic = "median",
    progress: Callable[[Progress], None] | None = None,
    pins: Pins | Iterable[Pin | str] | Pin | str | None = None,
    processes: int = 0,
    native_threads: bool = False,
    ordering: Callable[[Sequence[str]], Callable[[Sequence[int]], list[int]] | None] | None = None,
) -> Plan:
    """Compute a plan.

    Parameters
    ----------
    profile : Profile
    threads : int or "auto", optional
        The thread budget; the cores of the profile's machine, at least 2, when omitted. ``"auto"``: the
        smallest that is expected to come within 1 % of the best.
    cores : float, optional
        Cores to plan for; those of the profile's machine when omitted.
    time_limit_s : float
        Wall seconds for everything.
    seed, workers : int
        Of the solver and the multistart; how many threads the solver uses.
    gap : float
        A gap that is good enough: the search ends there. A tenth of a percent is less than any clock shows
        between two runs; 0 searches on for a proof.
    deterministic : bool
        Same profile, options and seed, same plan, byte by byte (unless the wall limit comes first, which the
        plan says). Otherwise the solver uses all the time there is.
    what_if : sequence of int, optional
        Thread budgets to answer in the plan; 1 to min(8, width of the DAG) when omitted.
    first_call : bool
        Plan for a process that runs the DAG once: durations of first calls.
    statistic : {"median", "mean", "p90"}
        Which duration of a node's calls to plan for.
    progress : callable, optional
        Called with a `Progress` after each step; the last one says why the search stopped.
    pins : Pins, pin, str, or a list of these, optional
        What the plan has to keep to: ``["b after a", "a, c in order"]``; see `makespan_optimizer.pins.pins`.
    processes : int
        Plan for so many worker processes beside the threads, at most.
    native_threads : bool
        Choose how many native threads nodes may use, of what was measured.
    ordering : callable, optional
        Takes names, and returns what rearranges the ranks of these nodes, if anything does.

    Raises
    ------
    OptionError
        An option has a value that it cannot have.
    ProfileError
        A node has no usable measurement.
    MissingExtraError
        OR-Tools is not installed.
    NoPlanError
        The time limit ended before the first order was judged.
    """
    flag("deterministic", deterministic)
    flag("first_call", first_call)
    declared = any(shape.process for shape in profile.shape)
    if pins is not None or processes or flag("native_threads", native_threads) or declared:
        from makespan_optimizer.modes.plan import optimize_with_modes

        return optimize_with_modes(
            profile,
            threads,
            pins=pins,
            processes=processes,
            native_threads=native_threads,
            optimize=optimize,
            cores=cores,
            time_limit_s=time_limit_s,
            seed=seed,
            workers=workers,
            gap=gap,
            deterministic=deterministic,
            what_if=what_if,
            first_call=first_call,
            statistic=statistic,
            progress=progress,
        )
    begun = time.monotonic()
    budget = check_budget(threads, profile)
    cores = check_cores(cores)
    limit_s = positive("time_limit_s", time_limit_s, 1e9)
    whole("seed", seed, 0, 2**31 - 1)
    whole("workers", workers, 1, 1024)
    gap = check_gap(gap)
    asked = None if what_if is None else budgets("what_if", what_if)
    ensure_solver()
    statistic = check_statistic(statistic)
    structure = profile.structure()
    known = canonical(profile, structure)
    instance = instance_of(known.profile, cores=cores, first_call=first_call, statistic=statistic)
    if ordering is not None:
        instance = replace(instance, ordering=ordering(instance.structure.names))
    # A first call was measured once: nothing is known of how it varies.
    vary = not first_call and varies(profile)
    default = instance.pinned(known.here(default_ranks(structure)))
    short = Watch(lambda: time.monotonic() > begun + limit_s / 4)
    if threads == AUTO:
        budget = smallest_good_budget(known.profile if vary else None, instance, seed, short)
    options = SolverOptions(limit_s, begun + limit_s, seed, workers, gap, deterministic)
    pipeline = Pipeline(
        known.profile, instance, default, budget, begun, options, varies=vary, progress=progress
    )
    found = pipeline.run(asked)
    solver = Solver(
        winner=found.best.name,
        status="optimal" if found.proven else "feasible",
        stopped=found.stopped + (_SHORT if short.late else ""),
        seed=seed,
        time_limit_s=limit_s,
        deterministic=deterministic,
        candidates=found.tried,
        used_s=None if deterministic else round(time.monotonic() - begun, 6),
    )
    return assemble(profile, structure, known, instance, budget, found, solver)


def varies(profile: Profile) -> bool:
    """Say whether any node was seen to take different times."""
    return any(
        node.wall_net_s.p10 < node.wall_net_s.p90 or len(set(node.wall_net_s.samples)) > 1
        for node in profile.nodes
    )
