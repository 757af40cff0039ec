"""How long nodes take that run at the same time: a small discrete-event model of one GIL and a few cores.

A node is a cycle of phases with the totals that were measured while it ran alone::

    hold ── native ── blocked ── hold ── native ── blocked ── … ── hold
    GIL     core      neither    GIL                               GIL

so it needs the GIL again at every return, and at its end. How the GIL goes from thread to thread is simulated
(`makespan_optimizer.contention.handover`).

Lengths of phases vary around their mean by a fixed low-discrepancy sequence, so that two cycles do not lock
into step, and the result is the mean over a few such sequences: the same nodes always give the same figures.
Who is named first starts first, which matters beside a node that keeps the GIL in one long C call. After some
hundred events the speeds so far are taken for the time until the next node ends, so that long nodes cost no
more than short ones.
"""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from makespan_optimizer.contention.handover import Handover
from makespan_optimizer.contention.phases import CHAT, GOLDEN, HOLD, Cycles, Demand, Listed, Rules, Thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.measurement import NodeProfile

__all__ = ["COLLIDE_S", "SWITCH_INTERVAL_S", "WAKE_S", "Demand", "demand_of", "predict_pair", "together"]

SWITCH_INTERVAL_S = 0.005
WAKE_S = 50e-6
COLLIDE_S = 12e-6
OFFSETS = 3
LEAST_SPEED = 0.02  # of a node beside another one
_PAIR_OFFSETS = 2
_WHOLE = 0.8  # of a node's hold: a burst so long is taken for all of it
_CHATTER_WAKES = 4  # cycles shorter than so many wake-ups are not followed one by one


def demand_of(node: NodeProfile) -> Demand:
    """Return the demand that a node's figures mean.

    A thread that waits for its own pool or child process is not idle: as far as others worked meanwhile, such
    waiting is native time.
    """
    wall_s = node.wall_net_s.median
    hold_s = min(node.gil_s, wall_s)
    waits_s = {"lock": 0.0, "child": 0.0, "other": 0.0} | node.blocked_s
    covered_s = min(waits_s["lock"] + waits_s["child"] + waits_s["other"], node.other_cpu_s)
    native_s = min(max(0.0, node.cpu_s - hold_s) + covered_s, wall_s - hold_s)
    width = max(1.0, node.native_s / native_s) if native_s > 0 else 1.0
    blocked_s = max(0.0, wall_s - hold_s - native_s)
    cycles = node.gil_retakes or 0
    idle_s = sum(seconds for kind, seconds in waits_s.items() if kind in ("sleep", "io"))
    if idle_s > 0.5 * sum(waits_s.values()):
        cycles = max(cycles, node.nvcsw)  # it took the GIL again after each such wait
    burst_s = node.gil_burst_max_s or 0.0
    if burst_s > _WHOLE * hold_s:  # it was asked for in vain, but not from the very start
        burst_s = hold_s
    return Demand(hold_s, native_s, blocked_s, max(1, cycles), burst_s, width)


def predict_pair(
    a: NodeProfile,
    b: NodeProfile,
    *,
    cores: float,
    switch_interval_s: float = SWITCH_INTERVAL_S,
    wake_s: float = WAKE_S,
    collide_s: float = COLLIDE_S,
    crowding: float = 0.0,
) -> tuple[float, float]:
    """Return the seconds that two nodes take from their common start; see `together`."""
    a_s, b_s = together(
        [demand_of(a), demand_of(b)],
        cores,
        switch_interval_s,
        wake_s=wake_s,
        collide_s=collide_s,
        crowding=crowding,
    )
    return a_s, b_s


def together(
    nodes: Sequence[Demand],
    cores: float,
    switch_interval_s: float = SWITCH_INTERVAL_S,
    *,
    wake_s: float = WAKE_S,
    collide_s: float = COLLIDE_S,
    crowding: float = 0.0,
    offsets: int = OFFSETS,
) -> list[float]:
    """Return the seconds that each node takes from the common start, never less than alone.

    Parameters
    ----------
    nodes : sequence of Demand, shape (k,)
        In the order in which they are started: all need the GIL at once, and the first gets it first.
    cores : float
        How many there are.
    switch_interval_s : float
        Of the interpreter.
    wake_s : float
        Seconds until a thread that sleeps has the GIL, once it is free.
    collide_s : float
        The same where it had just gone to sleep.
    crowding : float
        By how much work takes longer for each further core that is busy: memory, clock rate, hyper-threads.
    offsets : int
        Over how many sequences of phases the result is averaged.

    >>> [round(s, 1) for s in together([Demand(1.0), Demand(1.0), Demand(0.0, native_s=1.0)], cores=2)]
    [2.0, 2.0, 1.0]
    """
    rules = Rules(cores, switch_interval_s, wake_s, collide_s, crowding)
    runs = [
        Handover(
            [_thread(node, rules, ((k + 0.5) / offsets + i * GOLDEN) % 1.0) for i, node in enumerate(nodes)],
            rules,
        ).run()
        for k in range(offsets)
    ]
    found = list(zip(*runs, strict=True))
    ends_s = [max(node.wall_s, fmean(some)) for node, some in zip(nodes, found, strict=True)]
    # Whatever was passed over, the nodes do not get more GIL and cores together than there are.
    least_s = max(
        sum(node.hold_s for node in nodes),
        sum(node.hold_s + node.native_s * node.width for node in nodes) / cores,
    )
    if ends_s and max(ends_s) < least_s:
        ends_s[ends_s.index(max(ends_s))] = least_s
    return ends_s


def modelled_speeds(
    a: Demand,
    b: Demand,
    cores: float,
    switch_interval_s: float = SWITCH_INTERVAL_S,
    *,
    wake_s: float = WAKE_S,
    crowding: float = 0.0,
) -> tuple[float, float]:
    """Return the speeds of two nodes while both run, as shares of alone; who starts first is left open.

    >>> [round(speed, 1) for speed in modelled_speeds(Demand(1.0), Demand(2.0), 2)]
    [0.5, 0.5]
    """
    there, back = (
        together(both, cores, switch_interval_s, wake_s=wake_s, crowding=crowding, offsets=_PAIR_OFFSETS)
        for both in ((a, b), (b, a))
    )
    ends = (there[0] + back[1]) / 2, (there[1] + back[0]) / 2
    return pair_speeds((a.wall_s, b.wall_s), ends)


def pair_speeds(alone_s: tuple[float, float], together_s: tuple[float, float]) -> tuple[float, float]:
    """Return the speeds of two nodes while both ran, as shares of alone, from their common start.

    The one that ended first ran at its speed to the end; the other one from then on at full speed.

    >>> pair_speeds((1.0, 3.0), (2.0, 4.0))
    (0.5, 0.5)
    """
    both_s = min(together_s)
    if both_s <= 0:
        return 1.0, 1.0
    first, second = (
        min(1.0, max(LEAST_SPEED, (alone - (end - both_s)) / both_s))
        for alone, end in zip(alone_s, together_s, strict=True)
    )
    return first, second


def _thread(node: Demand, rules: Rules, offset: float) -> Thread:
    cycle_s = node.wall_s / node.cycles
    if node.cycles > 1 and 0 < cycle_s < _CHATTER_WAKES * rules.wake_s:
        duty = min(0.99, node.hold_s / node.wall_s)
        width = (node.hold_s + node.native_s * node.width) / node.wall_s
        return Thread(_chat(node, rules, offset), node.burst_s, width, duty, cycle_s)
    return Thread(Cycles(node, offset), node.burst_s, node.width)


def _chat(node: Demand, rules: Rules, offset: float) -> Listed:
    """Return the phases of a chatter: one, unless a hold without a safe point stands out."""
    burst_s = min(node.burst_s, node.hold_s)
    if burst_s <= rules.interval_s:
        return Listed([(CHAT, node.wall_s)])
    first_s = (node.wall_s - burst_s) * offset
    return Listed([(CHAT, first_s), (HOLD, burst_s), (CHAT, node.wall_s - burst_s - first_s)])
