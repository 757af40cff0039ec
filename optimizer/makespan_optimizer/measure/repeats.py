"""Which spoiled calls are made again, and in how much time. Pure.

A call is spoiled when it waited for a core for more than 5 % of its wall. It cannot simply be made again in
its place: its node may have changed its arguments, and what it does outside (a file written, a row inserted)
is done in a certain order. So the whole way to it is gone again, as in a run: an extra pass calls the spoiled
nodes and everything that they need, from the inputs on, each once. At most `PASSES` such passes are made, as
long as they take no more than half of the time of the counted runs (one second is granted in any case).

In a pass each node with a spoiled call gets one new call; it takes the place of the most spoiled one when it
is less so. The median net of run delay is robust to a few spoiled calls; this is for when they are many.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import msgspec

from makespan.showing.words import plural
from makespan_optimizer.measure.walk import ancestors

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from makespan.preparing.program import Program
    from makespan.profile import Call

PASSES = 3
TIME_SHARE = 0.5  # of the counted runs
AT_LEAST_S = 1.0
LONG_S = 0.001  # a shorter call is spoiled by a single interrupt, and matters to no plan
_TRIED_SINGLY = 64


def allowance_s(counted_s: float) -> float:
    """Return the seconds that all extra passes may take.

    >>> allowance_s(10.0), allowance_s(0.1)
    (5.0, 1.0)
    """
    return max(TIME_SHARE * counted_s, AT_LEAST_S)


def delay_share(call: Call) -> float:
    """Return the run delay as a share of the wall."""
    return call.run_delay_s / call.wall_s if call.wall_s > 0 else 0.0


def spoiled_calls(calls: Sequence[Sequence[Call]], inputs: int = 0) -> dict[int, int]:
    """Return the number of the most spoiled call of each node that has one with this set of inputs."""
    found: dict[int, int] = {}
    for i, its in enumerate(calls):
        bad = [k for k, c in enumerate(its) if c.spoiled and c.wall_s >= LONG_S and c.inputs == inputs]
        if bad:
            found[i] = max(bad, key=lambda k: delay_share(its[k]))
    return found


def count_spoiled(calls: Sequence[Sequence[Call]]) -> int:
    """Return how many calls are spoiled and long enough to matter."""
    return sum(call.spoiled and call.wall_s >= LONG_S for its in calls for call in its)


def affordable(
    program: Program,
    calls: Sequence[Sequence[Call]],
    spoiled: Collection[int],
    left_s: float,
    walked: Collection[int],
) -> frozenset[int]:
    """Return the nodes of a pass: as many of the spoiled ones as fit into the time left, with what they need.

    Parameters
    ----------
    program : Program
    calls : sequence of sequences of Call
        By node; the median wall is what a node costs.
    spoiled : collection of int
        Nodes with a spoiled call.
    left_s : float
        Seconds.
    walked : collection of int
        Nodes that run at all.
    """
    if left_s <= 0:
        return frozenset()
    costs_s = [median(call.wall_s for call in its) if its else 0.0 for its in calls]

    def way(to: Collection[int]) -> frozenset[int]:
        return ancestors(program, to) & frozenset(walked)

    everything = way(spoiled)
    if _sum(costs_s, everything) <= left_s:
        return everything
    chosen: frozenset[int] = frozenset()
    longest = sorted(spoiled, key=lambda i: (-costs_s[i], i))[:_TRIED_SINGLY]  # they matter most
    for i in longest:
        more = chosen | way((i,))
        if _sum(costs_s, more) <= left_s:
            chosen = more
    return chosen


def take(calls: list[list[Call]], spoiled: Mapping[int, int], made: Mapping[int, Call]) -> int:
    """Put new calls into the place of spoiled ones, where they are less so; return how many were repeated.

    What a closer look at the old call told is kept.
    """
    repeated = 0
    for i, k in spoiled.items():
        if i in made:
            repeated += 1
            old = calls[i][k]
            if delay_share(made[i]) < delay_share(old):
                calls[i][k] = msgspec.structs.replace(
                    made[i], threads_used=old.threads_used, gil_burst_max_s=old.gil_burst_max_s
                )
    return repeated


def note(repeated: int, stayed: int) -> tuple[str, ...]:
    """Say what became of spoiled calls.

    >>> note(3, 1)
    ('3 calls that waited for a core repeated; 1 still waited for more than 5 %',)
    """
    if not repeated and not stayed:
        return ()
    if not repeated:
        return (f"{plural(stayed, 'call')} waited for a core for more than 5 %: no time to repeat them",)
    again = plural(repeated, "call")
    return (f"{again} that waited for a core repeated; {stayed} still waited for more than 5 %",)


def _sum(costs_s: Sequence[float], nodes: Collection[int]) -> float:
    return sum(costs_s[i] for i in nodes)
