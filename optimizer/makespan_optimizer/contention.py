"""How long nodes take that run at the same time: a small discrete-event model of one GIL and a few cores.

A node is a cycle of phases with the totals that were measured while it ran alone::

    hold ── native ── blocked ── hold ── native ── blocked ── … ── hold
    GIL     core      neither    GIL                               GIL

so it needs the GIL again at every return, and at its end. How the GIL goes from thread to thread is simulated
(`makespan_optimizer.handover`).

Lengths of phases vary around their mean by a fixed low-discrepancy sequence, so that two cycles do not lock
into step, and the result is the mean over a few such sequences: the same nodes always give the same figures,
in whatever order they are named. After some hundred events the speeds so far are taken for the time until the
next node ends, so that long nodes cost no more than short ones.
"""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from makespan_optimizer.handover import BLOCKED, CHAT, HOLD, NATIVE, Handover, Rules, Thread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from makespan.measurement import NodeProfile

SWITCH_INTERVAL_S = 0.005
WAKE_S = 50e-6
COLLIDE_S = 12e-6
OFFSETS = 3
_EVENTS = 256  # simulated between two ends of nodes, before the speeds so far are taken for the rest
_CHATTER_WAKES = 4  # cycles shorter than so many wake-ups are not followed one by one
_NOTHING = 1e-6
_GOLDEN = 0.6180339887498949


class Demand(NamedTuple):
    """What a node does with its time alone; the three phases add up to its wall.

    Attributes
    ----------
    hold_s, native_s, blocked_s : float
        Seconds in all: with the GIL; on cores without it; neither.
    cycles : int
        How often it takes the GIL.
    burst_s : float
        Its longest hold without a safe point; 0: it can be made to drop the GIL at any moment.
    width : float
        Cores that it keeps busy in a native phase.
    """

    hold_s: float
    native_s: float = 0.0
    blocked_s: float = 0.0
    cycles: int = 1
    burst_s: float = 0.0
    width: float = 1.0

    @property
    def wall_s(self) -> float:
        """Seconds alone."""
        return self.hold_s + self.native_s + self.blocked_s

    def part(self, share: float) -> Demand:
        """Return a node that does so much of the same."""
        return Demand(
            self.hold_s * share,
            self.native_s * share,
            self.blocked_s * share,
            max(1, round(self.cycles * share)),
            self.burst_s,
            self.width,
        )


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
    return Demand(hold_s, native_s, blocked_s, max(1, cycles), node.gil_burst_max_s or 0.0, width)


def predict_pair(
    a: NodeProfile,
    b: NodeProfile,
    *,
    cores: float,
    switch_interval_s: float = SWITCH_INTERVAL_S,
    wake_s: float = WAKE_S,
    crowding: float = 0.0,
) -> tuple[float, float]:
    """Return the seconds that two nodes take from their common start; see `together`."""
    a_s, b_s = together(
        [demand_of(a), demand_of(b)],
        cores,
        switch_interval_s,
        wake_s=wake_s,
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
    ordered = sorted(nodes)  # so that the order of the arguments does not matter
    rules = Rules(cores, switch_interval_s, wake_s, collide_s, crowding)
    ends: dict[Demand, list[float]] = {}
    for k in range(offsets):
        for node, end in zip(ordered, _ends(ordered, rules, (k + 0.5) / offsets), strict=True):
            ends.setdefault(node, []).append(end)  # equal nodes end together, on average
    return [max(node.wall_s, fmean(ends[node])) for node in nodes]


def _ends(nodes: Sequence[Demand], rules: Rules, offset: float) -> list[float]:
    """Return the end of each node: simulated, and from speeds where that would take too long."""
    ends = [0.0] * len(nodes)
    left = dict(enumerate(nodes))
    now = 0.0
    while len(left) > 1:
        race = Handover(
            [_thread(node, rules, (offset + i * _GOLDEN) % 1.0) for i, node in left.items()], rules
        )
        race.run(_EVENTS)
        begun, done_s = race.since
        still = {}
        for j, (i, node) in enumerate(left.items()):
            if math.isfinite(race.end_s[j]):
                ends[i] = now + race.end_s[j]
            else:
                speed = (race.done_s[j] - done_s[j]) / (race.now - begun)
                still[i] = node, node.wall_s - race.done_s[j], speed
        soon_s = min((rest_s / speed for _, rest_s, speed in still.values() if speed), default=0.0)
        now += race.now + soon_s
        left = {}
        for i, (node, rest_s, speed) in still.items():
            share = (rest_s - soon_s * speed) / node.wall_s
            if share > _NOTHING:
                left[i] = node.part(share)
            else:
                ends[i] = now
    for i, node in left.items():
        ends[i] = now + node.wall_s + node.native_s * (max(1.0, node.width / rules.cores) - 1)
    return ends


def _thread(node: Demand, rules: Rules, offset: float) -> Thread:
    cycle_s = node.wall_s / node.cycles
    if node.cycles > 1 and 0 < cycle_s < _CHATTER_WAKES * rules.wake_s:
        duty = min(0.99, node.hold_s / node.wall_s)
        width = (node.hold_s + node.native_s * node.width) / node.wall_s
        return Thread(_chat(node, rules, offset), node.burst_s, width, duty, cycle_s)
    return Thread(_phases(node, offset), node.burst_s, node.width)


def _chat(node: Demand, rules: Rules, offset: float) -> Iterator[tuple[int, float]]:
    """Yield the phases of a chatter: one, unless a hold without a safe point stands out."""
    burst_s = min(node.burst_s, node.hold_s) if node.burst_s > rules.interval_s else 0.0
    first_s = (node.wall_s - burst_s) * offset
    yield CHAT, first_s
    if burst_s:
        yield HOLD, burst_s
    yield CHAT, node.wall_s - burst_s - first_s


def _phases(node: Demand, offset: float) -> Iterator[tuple[int, float]]:
    """Yield the phases of a node.

    Cycles are drawn evenly from a half to one and a half means. The first hold is cut in two, because a call
    begins and ends with the GIL. A hold without a safe point that is longer than a cycle's takes its place.
    """
    cycles = node.cycles
    shares = [0.5 + (offset + j * _GOLDEN) % 1.0 for j in range(min(cycles, _EVENTS))]
    total = sum(shares) if cycles <= _EVENTS else float(cycles)
    mean_s = node.hold_s / cycles
    burst_s = min(node.burst_s, node.hold_s)
    long = int(offset * len(shares)) if burst_s > 1.5 * mean_s and cycles > 1 else -1
    others = (node.hold_s - burst_s) / (node.hold_s * (1 - shares[long] / total)) if long >= 0 else 1.0
    holds = [node.hold_s * others * share / total for share in shares]
    if long >= 0:
        holds[long] = burst_s
    yield HOLD, holds[0] * offset
    for j, share in enumerate(shares):
        if j:
            yield HOLD, holds[j]
        if node.native_s:
            yield NATIVE, node.native_s * share / total
        if node.blocked_s:
            yield BLOCKED, node.blocked_s * share / total
    yield HOLD, holds[0] * (1 - offset)
