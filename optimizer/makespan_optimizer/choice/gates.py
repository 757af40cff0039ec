"""Admission limits: sets of nodes of which at most so many run at once, where that shortens the whole.

Nodes that hold the GIL gain nothing from running beside each other: two take as long together as one after
the other, but both end late, and whatever waits for the first of them starts late. The same holds for nodes
that fill the cores, and for pairs that were measured to take longer together than one after the other. A
limit on such a set is only a candidate: greedy dispatch without limits is hard to beat where capacity is
shared without loss. It is kept when the expected makespan falls by two hundredths, and twice the standard
error, on scenarios that the search has not seen: below that of the best order so far, and of the limit's own
order without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from makespan_optimizer.choice.groups import HOLDS, gil_holders, overlapping
from makespan_optimizer.choice.robust import ERRORS, move
from makespan_optimizer.choice.trial import Judged, Option
from makespan_optimizer.pins.order import Ordering

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.profile import Profile
    from makespan_optimizer.choice.trial import Trial
    from makespan_optimizer.instance import Instance
    from makespan_optimizer.schedule import Groups

WORTH = 0.02  # smaller gains in a simulator tend to vanish when measured
_FIRST = 8  # scenarios of the first look at a gate
_MOST_SETS = 4  # gates on top of each other
_HALF = 400  # thousandths of the GIL: three such nodes at once are too many
_FILLS = 0.8  # of a core: a node that uses more is heavy
_LOSS = 0.02  # a pair that loses more than this by running together


class Gate(NamedTuple):
    """A set of nodes, how many of them may run at once, and why."""

    reason: Literal["gil", "cores", "measured"]
    nodes: tuple[int, ...]
    limit: int


class Gained(NamedTuple):
    """A gate that is kept, with the expected makespan with it and without it, in ticks."""

    gate: Gate
    with_it: float
    without: float
    scenarios: int


def gates(instance: Instance, budget: int, profile: Profile) -> list[Gate]:
    """Return the limits worth a look, for nodes that can overlap.

    Parameters
    ----------
    profile : Profile
        That of the instance, for measured pairs.
    """
    found = []
    for share in (HOLDS, _HALF):
        holders = gil_holders(instance, share)
        found += [Gate("gil", holders, h) for h in range(1, min(budget, len(holders), 3))]
        if budget > 1 and len(holders) == 2:
            found.append(Gate("gil", holders, 1))
    s = instance.structure
    users = zip(instance.core, instance.gil, instance.wall, s.exclusive, strict=True)
    heavy = overlapping(
        s,
        [
            i
            for i, (core, gil, wall, alone) in enumerate(users)
            if core >= _FILLS * 1000 and gil < core and wall and not alone
        ],
    )
    cores = instance.capacity // 1000
    limits = sorted({1, cores - 1, cores, cores + 1})
    found += [Gate("cores", heavy, c) for c in limits if 1 <= c < min(budget, len(heavy))]
    if budget > 1 and len(heavy) == 2:
        found.append(Gate("cores", heavy, 1))
    wide = tuple(i for i in heavy if instance.core[i] >= 1500)
    if 2 <= len(wide) < len(heavy) and budget > 1:
        found.append(Gate("cores", wide, 1))
    found += [Gate("measured", nodes, 1) for nodes in apart(instance, profile)]
    if isinstance(instance.ordering, Ordering):
        found = [gate for gate in found if instance.ordering.keeps(gate.nodes)]
    return list(dict.fromkeys(found))


def apart(instance: Instance, profile: Profile) -> list[tuple[int, ...]]:
    """Return sets of nodes each two of which were measured to take longer together than one after the other.

    Sets are grown from the pair that loses most (a greedy cover by cliques).
    """
    number = {name: i for i, name in enumerate(instance.structure.names)}
    loss: dict[tuple[int, int], float] = {}
    for pair in profile.pairs:
        if pair.gain < -_LOSS and not pair.limited:
            a, b = sorted((number[pair.nodes[0]], number[pair.nodes[1]]))
            loss[a, b] = max(loss.get((a, b), 0.0), -pair.gain)
    beside: dict[int, set[int]] = {}
    for a, b in loss:
        beside.setdefault(a, set()).add(b)
        beside.setdefault(b, set()).add(a)
    found: list[tuple[int, ...]] = []
    covered: set[tuple[int, int]] = set()
    for a, b in sorted(loss, key=lambda pair: (-loss[pair], pair)):
        if (a, b) in covered:
            continue
        clique = [a, b]
        for c in sorted(beside[a] & beside[b]):
            if all(c in beside[d] for d in clique):
                clique.append(c)
        clique.sort()
        covered |= {(x, y) for x in clique for y in clique if x < y}
        found.append(tuple(clique))
    return found


def try_gates(
    trial: Trial, fresh: Trial, best: Judged, orders: Sequence[Option], options: Sequence[Gate], work: float
) -> tuple[Judged, list[Gained]]:
    """Add gates one by one while they help; return the best order on the fresh scenarios, and its gates.

    Parameters
    ----------
    trial, fresh : Trial
        Scenarios to search on, and to judge on.
    best : Judged
        The best order so far, on the fresh scenarios.
    orders : sequence of Option
        Other orders to try with each gate.
    work : float
        Nodes to simulate, more or less.
    """
    kept: list[Gained] = []
    left = list(options)
    limit = trial.simulated + work
    while left and len(kept) < _MOST_SETS and not trial.over():
        groups = best.option.groups
        looks: list[tuple[Gate, Judged]] = []
        for gate in left:
            more: Groups = (*groups, (gate.nodes, gate.limit))
            ranked = [Option(best.option.name, best.option.ranks), *orders]
            for order in ranked if len(trial.worlds) * len(trial.instance) < work / 50 else ranked[:1]:
                if trial.over() or (looks and trial.simulated > limit):
                    break
                option = Option("sequential group", order.ranks, more)
                looks.append((gate, trial.judge(option, first=_FIRST)))
        if not looks:
            break
        gate, look = min(looks, key=lambda pair: pair[1].mean)
        if look.mean > trial.judge(best.option, first=_FIRST).mean * (1 - WORTH / 2):
            break
        gated = move(trial, trial.judge(look.option), 0, max(0.0, (limit - trial.simulated) / 2))
        found = fresh.judge(gated.option)
        # Its order is another one too: what that gains by itself is no merit of the gate.
        without = min(best, fresh.judge(gated.option._replace(groups=groups)), key=lambda its: its.mean)
        gain, error = found.ahead(without)
        if gain < max(WORTH * without.mean, ERRORS * error):
            break
        kept.append(Gained(gate, found.mean, without.mean, len(fresh.worlds)))
        best = found
        left = [other for other in left if other.nodes != gate.nodes]
    return best, kept
