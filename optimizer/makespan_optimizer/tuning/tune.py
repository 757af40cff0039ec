"""Tune: profile, plan, race, learn where the model was wrong, race on; the fastest is the plan.

::

    profile ─▶ ways ─▶ race ──────────────▶ race on ─▶ plan with evidence
                         └▶ misjudged ─▶ measured again ─▶ new plans join ┘

`driver` makes the steps and keeps the time limit; `candidates` says which ways take part, `race` who runs
next, `learning` what is measured again.
"""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from makespan.errors import ProfileError, missing_extra
from makespan.profile import Profile, load_profile
from makespan.showing.words import some
from makespan_optimizer.measure.inputs import read_inputs
from makespan_optimizer.options import whole
from makespan_optimizer.tuning.driver import Tuning
from makespan_optimizer.tuning.limit import TimeLimit
from makespan_optimizer.tuning.options import Options
from makespan_optimizer.tuning.outcome import Tuned
from makespan_optimizer.tuning.standing_in import own_caches, standing_in

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from makespan.graph import DAG

__all__ = ["Tuned", "tune"]


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
    run_all: bool = False,
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
    run_all : bool
        The race runs nodes under ``profile=False`` too; else they sleep, as long as their hint says.
    say : callable, optional
        Called with a line of prose at each stage.
    progress : callable, optional
        Called as ``progress(done, total, label)``, in hundredths of seconds of the time limit.

    Raises
    ------
    DescribeError, OptionError, ProfileError, MissingExtraError
        Before anything ran.
    Exception
        A node raised: its own exception; the race so far is kept in `state`.
    KeyboardInterrupt
        Ctrl-C before each way was run once. Its attribute `partial` holds the profile, if there is one.
    """
    begun = time.monotonic()
    options = Options.checked(
        threads,
        processes,
        time_limit_s,
        confidence,
        seed,
        rounds_of_feedback,
        native_threads=native_threads,
        run_all=run_all,
    )
    whole("runs", runs, 1, 1000)
    if find_spec("ortools") is None:  # plans need it, but only after the profile
        raise missing_extra("makespan tune", "OR-Tools", "optimize")
    given = read_inputs(dag, args, dict(kwargs or {}), inputs, setup=setup, teardown=teardown)
    limit = TimeLimit(options.time_limit_s, begun, progress)
    raced, asleep = (dag, ()) if options.run_all else standing_in(dag, hints)
    raced, cached = own_caches(raced)
    tuning = Tuning(dag, raced, given, options, limit, say, setup, teardown, state)
    if asleep:
        tuning.say(f"not run, but slept for as long as was said: {some(asleep, 5)}")
    if cached:
        tuning.say(f"runs find empty caches, as a first run does: {some(cached, 5)}")
    known = _given(dag, profile)
    if not tuning.resume():
        tuning.begin(known, runs=runs, hints=hints, target=target)
    return tuning.play()


def _given(dag: DAG[..., Any], profile: Any) -> Profile | None:
    """Return a profile that was measured before.

    Raises
    ------
    ProfileError
        It is of another DAG.
    """
    if profile is None:
        return None
    known = profile if isinstance(profile, Profile) else load_profile(profile)
    if known.dag.fingerprint != dag.fingerprint:
        where = "profile" if isinstance(profile, Profile) else str(profile)
        raise ProfileError(
            f"is of another DAG, or of another state of it ({known.dag.name!r})",
            where=where,
            hint="profile again",
        )
    return known
