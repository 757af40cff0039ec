"""A genetic search over orders of the nodes.

An individual is the order in which the nodes of a schedule start. A child takes a stretch of one parent's
order and the rest in the order of the other, is changed a little, scheduled, and passed backwards and
forwards once. It enters the population when it is no worse than the worst there, which leaves.

The serial scheme can make every optimum, the parallel scheme is better where hundreds of nodes compete: each
child is made by one of them, drawn by how often its children entered so far.

Sources: activity lists and two-point crossover, Hartmann 1998; the choice of scheme, Hartmann 2002; passes on
every child, Valls, Ballestín & Quintanilla 2008.
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, NamedTuple

from makespan.preparing.order import ranks_by
from makespan_optimizer.rigid.rules import levels_of

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator, Sequence

    from makespan_optimizer.rigid.improve import Passes

_SIZE = 30
_SPREADS = (0.1, 0.2, 0.4)
_POWER = 2  # of the share of children that entered, when a scheme is drawn
_SWAP = 0.05  # chance of each neighbouring pair to change places


class Individual(NamedTuple):
    """A schedule as the order of its starts."""

    makespan: int
    order: tuple[int, ...]


def generations(passes: Passes, first: Iterable[Sequence[int]], source: random.Random) -> Iterator[list[int]]:
    """Yield schedules without end: seeded variations of critical paths, then children.

    Parameters
    ----------
    passes : Passes
        Of the problem.
    first : iterable of starts
        Schedules to begin with.
    source : random.Random
    """
    wall, problem = passes.wall, passes.forward.problem
    population: list[Individual] = []
    # Children of the parallel and of the serial scheme: how many, and how many of them entered.
    made, entered = [2.0, 2.0], [1.0, 1.0]

    def enter(start: Sequence[int]) -> bool:
        one = Individual(passes.makespan(start), tuple(passes.order(start)))
        if len(population) >= _SIZE and one.makespan > population[-1].makespan:
            return False
        if any(one.order == other.order for other in population):
            return False
        insort(population, one, key=lambda some: some.makespan)
        del population[_SIZE:]
        return True

    for start in first:
        enter(start)
    for number in range(2 * _SIZE):
        spread = source.choice(_SPREADS)
        ranks = ranks_by(levels_of(problem, [w * source.uniform(1 - spread, 1 + spread) for w in wall]))
        serial = number % 2 == 0
        start = passes.serial(passes.forward.topological(ranks)) if serial else passes.parallel(ranks)
        start = passes.again(start, serial=serial)
        enter(start)
        yield start
    while True:
        order = _child(_parent(population, source), _parent(population, source), source)
        _shake(order, problem.preds, source)
        rate = [(some / all_) ** _POWER for some, all_ in zip(entered, made, strict=True)]
        serial = source.random() * sum(rate) < rate[1]
        start = passes.serial(order) if serial else passes.parallel(_ranks(order))
        start = passes.again(start, serial=serial)
        made[serial] += 1
        entered[serial] += enter(start)
        yield start


def _parent(population: Sequence[Individual], source: random.Random) -> Sequence[int]:
    """Return the better of two."""
    return population[min(source.randrange(len(population)), source.randrange(len(population)))].order


def _child(mother: Sequence[int], father: Sequence[int], source: random.Random) -> list[int]:
    """Return a topological order with the mother's nodes at both ends or in the middle.

    The rest is as the father has it. Each stretch keeps the order of one parent, and what comes before a
    stretch comes before it in the parent that gave it: so no edge is turned round.
    """
    n = len(mother)
    x, y = sorted((source.randrange(n), source.randrange(n + 1)))
    if source.random() < 0.5:
        seen = set(mother[:x])
        middle = [i for i in father if i not in seen][: y - x]
        seen.update(middle)
        return [*mother[:x], *middle, *[i for i in mother[x:] if i not in seen]]
    before, middle = set(mother[:x]), list(mother[x:y])
    after = set(mother[y:])
    return [*[i for i in father if i in before], *middle, *[i for i in father if i in after]]


def _shake(order: list[int], preds: Sequence[Sequence[int]], source: random.Random) -> None:
    """Swap some neighbours that no edge joins."""
    chance = source.random
    for k in range(len(order) - 1):
        if chance() < _SWAP:
            i, j = order[k], order[k + 1]
            if i not in preds[j]:
                order[k], order[k + 1] = j, i


def _ranks(order: Sequence[int]) -> list[int]:
    ranks = [0] * len(order)
    for rank, i in enumerate(order):
        ranks[i] = rank
    return ranks
