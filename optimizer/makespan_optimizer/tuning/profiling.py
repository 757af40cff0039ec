"""A profile within a share of the time: one counted run at least, the rest as far as it goes.

Trials have a share of their own. When the counted runs take all of theirs, native threads are tried all the
same: on nodes with native pools nothing else is worth as much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan_optimizer.measure.isolate import profile
from makespan_optimizer.measure.scope import scope_of
from makespan_optimizer.measure.trials.run_trials import run_trials

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan.graph import DAG
    from makespan.profile import Profile
    from makespan_optimizer.measure.inputs import Inputs
    from makespan_optimizer.tuning.limit import TimeLimit


class LongEnough(KeyboardInterrupt):
    """Ends a profile that would take too much of the time; never seen outside.

    As Ctrl-C does: any other exception within a trial would be taken for one of its node's.
    """


def profiled(
    dag: DAG[..., Any],
    inputs: Inputs,
    time: TimeLimit,
    *,
    share: float,
    trials_share: float,
    say: Callable[[str], Any],
    runs: int,
    hints: Any = None,
    **options: Any,
) -> Profile:
    """Profile a DAG.

    Parameters
    ----------
    share, trials_share : float
        Of the time limit, after which it ends if a counted run is complete; of it for trials.
    say : callable
        Told when it was cut short.
    options
        Further ones of `makespan_optimizer.measure.isolate.profile`.
    """
    counted, _ = inputs.counted_runs(runs)
    counting = True

    def told(done: int, total: int, node: str) -> None:
        nonlocal counting
        counting = counting and done < total
        time.tell(f"profile: {node} ({done} of {total})")
        if counting and done * (counted + 1) >= 2 * total and time.used_s > share * time.limit_s:
            raise LongEnough

    try:
        return profile(
            dag,
            (),
            {},
            inputs=[dict(values) for values in inputs.sets],
            runs=runs,
            trials_limit_s=trials_share * time.limit_s,
            progress=told,
            hints=hints,
            **options,
        )
    except LongEnough as stopped:
        found: Profile | None = getattr(stopped, "partial", None)
        if found is None:
            raise
        say(f"profiled for {time.used_s:.0f} s: the rest of the time is for the race")
        counting = False
        scope = scope_of(dag, hints, None)
        return run_trials(
            found,
            scope.program,
            lambda: inputs.run(0),
            limit_s=trials_share * time.limit_s,
            asked=False,
            progress=told,
            walked=scope.walked,
            pairs=False,
        )
