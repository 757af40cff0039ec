"""A node with so many native threads: only what was measured, as a profile.

A node's trials say how long it took, and how much CPU time, with its native pools limited to m threads; all
in one session, beside the same node without a limit. So durations are scaled by the ratio of two figures of
one session, and what varied from call to call goes on varying by the same share.

Libraries choose as many threads as there are cores by themselves. Two such nodes at once are then twice as
many threads as cores; what that costs shows in the CPU time of the trials, and the simulator shares the
cores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from makespan.errors import OptionError
from makespan.measurement import Spread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from makespan.measurement import Call, NodeProfile, ThreadTrial
    from makespan.profile import Profile

_SAME = 1e-9
_LIMITED_BEYOND = ("environment",)  # the node's threads run in child processes too


def choices(node: NodeProfile) -> tuple[int, ...]:
    """Return the numbers of native threads that were measured, ascending."""
    trials = node.native_threads
    if trials is None or trials.default.wall_s <= 0:
        return ()
    return tuple(sorted({trial.threads for trial in trials.tried if trial.wall_s > 0}))


def oversubscribes(node: NodeProfile, cores: float) -> str:
    """Say in words that the default takes more threads than it is worth; empty when it does not.

    >>> from makespan.measurement import ThreadTrial, ThreadTrials
    >>> from tests.builders import make_profile
    >>> trials = ThreadTrials(("openmp",), ThreadTrial(8, 1.0, 2.0, 3), (ThreadTrial(1, 0.9, 0.9, 3),))
    >>> node = msgspec.structs.replace(make_profile({"a": []}).nodes[0], native_threads=trials)
    >>> oversubscribes(node, 2.0)
    'by default it takes 8 threads on 2 cores and 2 s of CPU time; with 1 thread 0.9 s'
    """
    trials = node.native_threads
    if trials is None or not choices(node):
        return ""
    default = trials.default
    least = min(trials.tried, key=lambda trial: (trial.cpu_s, trial.threads))
    if default.threads <= cores and default.cpu_s <= 1.1 * least.cpu_s:
        return ""
    with_it = f"{least.threads} thread{'s' if least.threads > 1 else ''}"
    return (
        f"by default it takes {default.threads} threads on {cores:g} cores and {default.cpu_s:.3g} s of CPU "
        f"time; with {with_it} {least.cpu_s:.3g} s"
    )


def with_threads(node: NodeProfile, threads: int) -> NodeProfile:
    """Return a node with its native pools limited.

    Raises
    ------
    OptionError
        That number was not measured.
    """
    trials = node.native_threads
    known = choices(node)
    if trials is None or threads not in known:
        had = f"measured were {', '.join(map(str, known))}" if known else "no number of threads was measured"
        raise OptionError(
            f"{threads} native threads of node {node.name!r}: {had}",
            where="native threads",
            hint="choose a measured number" if known else "profile with trials of native threads",
        )
    trial = next(its for its in trials.tried if its.threads == threads and its.wall_s > 0)
    return _scaled(node, trials.default, trial, limits_children=_limits_children(trials.limited))


def apply_native(profile: Profile, threads: Mapping[str, int]) -> Profile:
    """Return the profile with the native threads of these nodes limited.

    Of the pairs they are in, those remain that were measured with these very limits.

    Raises
    ------
    OptionError
        A number that was not measured.
    """
    if not threads:
        return profile
    nodes = tuple(
        with_threads(node, threads[node.name]) if node.name in threads else node for node in profile.nodes
    )
    pairs = tuple(
        msgspec.structs.replace(pair, native_threads=(None, None))
        for pair in profile.pairs
        if pair.native_threads == tuple(threads.get(name) for name in pair.nodes)
    )
    return msgspec.structs.replace(profile, nodes=nodes, pairs=pairs)


def descend(
    candidates: Mapping[str, tuple[int, ...]],
    score: Callable[[dict[str, int]], float],
    over: Callable[[], bool],
    *,
    fixed: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Choose the number of threads of each node: coordinate descent from the defaults and from all-least.

    One node after the other takes the number that scores best, until a round changes nothing. In the end each
    node that can go back to the default without a loss does: a limit is only set where it helps.

    Parameters
    ----------
    candidates : mapping of str to tuple of int
        The measured numbers of each node that is free to choose.
    score : callable
        Of a choice; less is better. A node that is missing runs with its default.
    over : callable
        Says whether to stop.
    fixed : mapping of str to int, optional
        Choices that are given.

    >>> descend({"a": (1, 2)}, lambda threads: abs(threads.get("a", 4) - 2), lambda: False)
    {'a': 2}
    """
    given = dict(fixed or {})
    free = {name: some for name, some in candidates.items() if name not in given and some}
    starts = [given, given | {name: min(some) for name, some in free.items()}]
    ends = [_round_trip(start, free, score, over) for start in starts]
    best = min(ends, key=score)
    for name in free:
        without = {key: m for key, m in best.items() if key != name}
        if name in best and score(without) <= score(best) * (1 + _SAME):
            best = without
    return best


def _round_trip(
    start: dict[str, int],
    free: Mapping[str, tuple[int, ...]],
    score: Callable[[dict[str, int]], float],
    over: Callable[[], bool],
) -> dict[str, int]:
    best, value = start, score(start)
    changed = True
    while changed:
        changed = False
        for name in free:
            for m in (None, *free[name]):
                if over():
                    return best
                if m == best.get(name):
                    continue
                other = {key: its for key, its in best.items() if key != name}
                if m is not None:
                    other[name] = m
                its = score(other)
                if its < value * (1 - _SAME):
                    best, value, changed = other, its, True
    return best


def _limits_children(limited: tuple[str, ...]) -> bool:
    return any(word in limited for word in _LIMITED_BEYOND)


def _scaled(
    node: NodeProfile, default: ThreadTrial, trial: ThreadTrial, *, limits_children: bool
) -> NodeProfile:
    factor = trial.wall_s / default.wall_s
    wall_s = node.wall_net_s.median * factor
    total_s = (node.cpu_s + node.other_cpu_s) * (trial.cpu_s / default.cpu_s if default.cpu_s else 1.0)
    # The calling thread is one of the pool's for as long as the pool works; a child process's is not.
    cpu_s = min(total_s, wall_s, node.cpu_s * factor)
    if trial.threads == 1 and not limits_children:
        cpu_s = min(total_s, wall_s)
    other_s = max(0.0, total_s - cpu_s)
    gil_s = min(node.gil_s, cpu_s) if node.gil_s <= node.cpu_s else min(node.gil_s, wall_s)
    blocked = {how: min(seconds, wall_s) for how, seconds in node.blocked_s.items()}
    if "child" in blocked:
        blocked["child"] = min(wall_s, node.blocked_s["child"] * factor)
    spread = node.wall_net_s
    return msgspec.structs.replace(
        node,
        wall_net_s=Spread(
            wall_s, spread.p10 * factor, spread.p90 * factor, tuple(s * factor for s in spread.samples)
        ),
        cpu_s=cpu_s,
        other_cpu_s=other_s,
        gil_s=gil_s,
        native_s=max(0.0, cpu_s - gil_s) + other_s,
        blocked_s=blocked,
        first_s=None if node.first_s is None else max(wall_s, node.first_s + wall_s - spread.median),
        cores_peak=min(node.cores_peak, float(trial.threads)) if not limits_children else node.cores_peak,
        threads_used=trial.threads if node.threads_used is not None and not limits_children else None,
        calls=tuple(_scaled_call(call, factor) for call in node.calls),
    )


def _scaled_call(call: Call, factor: float) -> Call:
    return msgspec.structs.replace(
        call, wall_s=max(0.0, call.wall_s - call.run_delay_s) * factor, run_delay_s=0.0
    )
