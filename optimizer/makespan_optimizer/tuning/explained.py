"""What explains that a node took another time in runs than the model said: itself, or a neighbour.

An excess (see `makespan_optimizer.tuning.afterwards`) is a node's own (it is there whatever ran beside it),
or it grows with the time beside some neighbour::

    excess of a in run r  =  own  +  Σ  rate · seconds of r beside b

Explanations are taken one by one, the one first that leaves least unexplained (matching pursuit; sums of
absolute deviations, so that one disturbed run does not decide). Runs of one plan are much alike, and often
leave it open. Then what was measured decides: CPU and blocked seconds that grew are the node's own, waiting
for the GIL or a core is somebody else's; and of several neighbours the one is taken that uses more of that.

A part that is no larger than what the runs differ by is chance. Pure.
"""

from __future__ import annotations

from math import log, sqrt
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from makespan.measurement import Measured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from makespan.measurement import NodeProfile
    from makespan_optimizer.tuning.afterwards import Seen

_CHANCE = 2.0  # standard errors, at least
_SPREAD = 0.02  # of a node's time: so much it varies from run to run, whatever few runs say
_CLEARLY = 0.8  # an explanation has to leave so much less
_AS_GOOD = 0.25  # of what the best one explains: as far as few runs can tell, they are as good
_LEAST_S = 5e-5
_MOST_PARTS = 3  # explanations of one node
_MOST_LOST = 0.98  # of the time beside a neighbour
_CROWDED = 0.35  # of a node's time: more CPU time than that is not for a crowded memory
_DOUBTFUL = 0.4


class Part(NamedTuple):
    """One explanation of a node's excess.

    Attributes
    ----------
    name, beside : str, str or None
        The node; its neighbour, or None: by itself.
    excess_s : float
        Typical over the runs of the plan; negative: faster than the model said.
    planned_s, actual_s : float
    """

    name: str
    beside: str | None
    excess_s: float
    planned_s: float
    actual_s: float


class Case(NamedTuple):
    """A node in a run: its excess, and with whom it was."""

    excess_s: float
    seen: Seen
    own: bool
    """Of the plan that is asked about."""


def explained(
    name: str,
    cases: Sequence[Case],
    alone_s: float,
    node_of: Mapping[str, NodeProfile],
    among: int = 1,
) -> list[Part]:
    """Return what explains a node's excess, beyond chance.

    Parameters
    ----------
    name : str
    cases : sequence of Case
    alone_s : float
        At the pace of the machine.
    node_of : mapping of str to NodeProfile
    among : int
        Nodes that are looked at: of many, some are far off by chance.
    """
    chance = max(_CHANCE, sqrt(2 * log(max(1, among))))
    left = [case.excess_s for case in cases]
    own = [k for k, case in enumerate(cases) if case.own]
    spread = max(_SPREAD, node_of[name].quality.cv) if name in node_of else _SPREAD
    found: list[Part] = []
    used: set[str | None] = set()
    for _ in range(_MOST_PARTS):
        best = _best(name, cases, left, used, node_of)
        if best is None:
            break
        beside, amounts = best
        rest = [value - amount for value, amount in zip(left, amounts, strict=True)]
        typical_s = median(amounts[k] for k in own)
        noise_s = max(
            spread * alone_s, 1.4826 * median(abs(rest[k] - median(rest[j] for j in own)) for k in own)
        )
        if abs(typical_s) <= max(chance * noise_s / sqrt(len(own)), 2 * _SPREAD * alone_s, _LEAST_S):
            break
        used.add(beside)
        lost_s = median(cases[k].seen.lost_s for k in own)
        wall_s = median(cases[k].seen.wall_s for k in own)
        if beside is None:
            found.append(Part(name, None, typical_s, alone_s, alone_s + typical_s))
        else:
            found.append(Part(name, beside, typical_s, alone_s + lost_s, wall_s))
        left = rest
    return found


def _best(
    name: str,
    cases: Sequence[Case],
    left: Sequence[float],
    used: set[str | None],
    node_of: Mapping[str, NodeProfile],
) -> tuple[str | None, list[float]] | None:
    """Return the explanation that leaves least, and what it explains of each case."""
    own = [k for k, case in enumerate(cases) if case.own]
    unexplained = sum(map(abs, left))
    tried: list[tuple[float, float, str, str | None, list[float]]] = []
    if None not in used:
        shift = median(left)
        amounts = [shift] * len(left)
        tried.append((_rest(left, amounts), -_own_share(name, cases, node_of), "", None, amounts))
    for other in sorted({other for k in own for other in cases[k].seen.beside_s} - used):
        amounts = _amounts(cases, left, other)
        tried.append((_rest(left, amounts), -_blame(name, other, cases, node_of), other, other, amounts))
    if not tried or unexplained <= 0:
        return None
    least = min(rest for rest, *_ in tried)
    # As good as the best, as far as these runs can tell: then what is known of the nodes decides.
    floor = _CLEARLY * unexplained
    good = [it for it in tried if it[0] <= least + _AS_GOOD * (unexplained - least) and it[0] <= floor]
    if not good:
        return None
    _, _, _, beside, amounts = min(good, key=lambda it: (it[1], it[0], it[2]))
    return beside, amounts


def _rest(left: Sequence[float], amounts: Sequence[float]) -> float:
    return sum(abs(value - amount) for value, amount in zip(left, amounts, strict=True))


def _amounts(cases: Sequence[Case], left: Sequence[float], other: str) -> list[float]:
    """Return what the time beside a neighbour explains: a rate (a weighted median), within what can be."""
    rows = [
        (case.seen.beside_s.get(other, 0.0), case, value) for case, value in zip(cases, left, strict=True)
    ]
    met = sorted((value / beside_s, beside_s) for beside_s, _, value in rows if beside_s > 0)
    total, at, rate = sum(weight for _, weight in met), 0.0, 0.0
    for ratio, weight in met:
        at += weight
        rate = ratio
        if at >= total / 2:
            break
    amounts = []
    for beside_s, case, _ in rows:
        lost_s = case.seen.lost_to_s.get(other, 0.0)
        amounts.append(min(max(rate * beside_s, -lost_s), max(0.0, _MOST_LOST * beside_s - lost_s)))
    return amounts


def _own_share(name: str, cases: Sequence[Case], node_of: Mapping[str, NodeProfile]) -> float:
    """Return from 0 to 1 how much of a node's excess is its own, by what was measured in its runs."""
    typical = typical_of([case.seen.measured for case in cases if case.own])
    if typical is None or name not in node_of:
        return 0.5
    node = node_of[name]
    excess_s = median(case.excess_s for case in cases if case.own)
    used_s = typical.gil_s + typical.native_s + typical.blocked_total_s
    grown_s = used_s - min(node.cpu_s, node.wall_net_s.median) - node.blocked_total_s
    share = min(1.0, max(0.0, grown_s / excess_s)) if excess_s else 0.5
    computes_s = typical.gil_s + typical.native_s - node.cpu_s
    if computes_s > 0.5 * grown_s > 0 and grown_s < _CROWDED * node.wall_net_s.median:
        share *= _DOUBTFUL  # so much a crowded memory may do
    return share


def _blame(name: str, other: str, cases: Sequence[Case], node_of: Mapping[str, NodeProfile]) -> float:
    """Return from 0 to 1 how likely a neighbour is behind a node's excess.

    By the time beside it, and what of that both want: the GIL, cores. A neighbour that sleeps hinders nobody.
    """
    mine = [case.seen for case in cases if case.own]
    share = median(seen.beside_s.get(other, 0.0) / seen.wall_s for seen in mine)
    if name not in node_of or other not in node_of:
        return 0.0
    a, b = node_of[name], node_of[other]
    gil = min(1.0, _per(a.gil_s, a) * 2 + 0.3 * bool(a.gil_retakes)) * _per(b.gil_s, b)
    cores = min(1.0, _per(a.cpu_s + a.other_cpu_s, a)) * min(1.0, _per(b.cpu_s + b.other_cpu_s, b))
    typical = typical_of([seen.measured for seen in mine])
    if typical is not None and typical.gil_wait_s + typical.run_delay_s > 0:
        waits = typical.gil_wait_s / (typical.gil_wait_s + typical.run_delay_s)
        stake = waits * gil + (1 - waits) * max(gil, cores)
    else:
        stake = max(gil, cores)
    return (1 - _own_share(name, cases, node_of)) * stake * (0.5 + min(1.0, share))


def _per(seconds: float, node: NodeProfile) -> float:
    return seconds / node.wall_net_s.median if node.wall_net_s.median > 0 else 0.0


def typical_of(measured: Sequence[Measured | None]) -> Measured | None:
    """Return the medians of what was measured."""
    some = [its for its in measured if its is not None]
    if not some:
        return None
    kinds = sorted({kind for its in some for kind in its.blocked_s})
    return Measured(
        gil_s=median(its.gil_s for its in some),
        native_s=median(its.native_s for its in some),
        gil_wait_s=median(its.gil_wait_s for its in some),
        blocked_s={kind: median(its.blocked_s.get(kind, 0.0) for its in some) for kind in kinds},
        run_delay_s=median(its.run_delay_s for its in some),
        samples=min(its.samples for its in some),
    )
