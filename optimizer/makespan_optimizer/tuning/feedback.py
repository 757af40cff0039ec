"""What the model had wrong is measured again, and a better profile comes of it.

::

    misjudged ─ a node ──▶ alone again (as the profiler does; with its native threads limited, if they are)
              └ a pair ──▶ both alone and both together again (a trial of the two) ─▶ profile

Nodes first, half the time at most when there are pairs too; pairs as many as fit, the most important first.
What a node takes when it is measured again replaces what was known, if the two differ. Where they do not,
and the node took another time in run after run all the same, the runs are right: a node may find cold caches
there, or a helper's thread where the profiler had the main one. Then its figures are stretched to what the
runs showed, and the profile's header says so.

Nodes that the profile was only told of, and what needs them, are never run.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from makespan_optimizer.tuning.again import Again

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from makespan.graph import DAG
    from makespan.plan import Misjudged, Plan
    from makespan.profile import Profile

_NODES_SHARE = 0.5  # of the time, when there are pairs to measure as well


def fed_back(
    dag: DAG[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    profile: Profile,
    found: Sequence[Misjudged],
    limit_s: float,
    progress: Callable[[int, int, str], None] | None = None,
    *,
    plan: Plan | None = None,
    inputs: Any = None,
    setup: Callable[[], Any] | None = None,
    teardown: Callable[[], Any] | None = None,
    in_situ: bool = True,
) -> Profile:
    """Measure nodes and pairs that were misjudged again, and return the profile with what was learnt.

    The same object comes back when nothing could be learnt.

    Parameters
    ----------
    dag : DAG
    args, kwargs
        Its inputs.
    profile : Profile
    found : sequence of Misjudged
        The most important first.
    limit_s : float
        For everything together: what would not end in time is not begun.
    progress : callable, optional
        Called as ``progress(done, total, words)``.
    plan : Plan, optional
        That the runs were of: its limits of native threads hold while pairs are measured.
    inputs, setup, teardown
        As of `makespan_optimizer.measure.isolate.profile`.
    in_situ : bool
        Believe the runs where measuring a node again does not explain them.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C. Its attribute `partial` holds the profile with what was learnt until then.

    Warns
    -----
    ProfileWarning
        A node raised meanwhile: what had been learnt by then counts.
    """
    if not found:
        return profile
    again = Again(dag, args, kwargs, profile, plan, inputs, setup, teardown)
    singles = [its for its in found if len(its.nodes) == 1]
    pairs = again.possible([its.nodes for its in found if len(its.nodes) == 2])
    until = time.monotonic() + max(0.0, limit_s)
    try:
        share = _NODES_SHARE if pairs else 1.0
        names = [its.nodes[0] for its in singles]
        again.guarded("nodes", lambda: again.nodes(names, time.monotonic() + share * limit_s, progress))
        if in_situ:
            again.believe(singles)
        again.guarded("pairs", lambda: again.pairs(pairs, until, progress))
    except KeyboardInterrupt as stopped:
        with suppress(Exception):
            stopped.partial = again.profile  # type: ignore[attr-defined]
        raise
    return again.profile


def remeasured(found: Sequence[Misjudged], before: Profile, after: Profile) -> tuple[Misjudged, ...]:
    """Return what was found, those marked of which `after` has new figures."""
    old, new = ({node.name: node for node in its.nodes} for its in (before, after))
    trials = set(before.pairs)
    tried = {frozenset(pair.nodes) for pair in after.pairs if pair not in trials}
    marked = []
    for its in found:
        if len(its.nodes) == 1:
            changed = old.get(its.nodes[0]) != new.get(its.nodes[0])
        else:
            changed = frozenset(its.nodes) in tried
        marked.append(msgspec.structs.replace(its, remeasured=True) if changed else its)
    return tuple(marked)
