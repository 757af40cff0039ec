"""The order that is best in expectation: durations vary, and a plan is run many times.

A search that tries many orders on a few scenarios finds some that fit only those: the winner's curse. So what
was found is judged again on fresh scenarios, and must beat the critical path and the default order there by
twice its standard error; else the better of those two stays.

Steps of the search: all candidates, in two rounds of which the better third goes on (successive halving,
Jamieson and Talwalkar 2016); orders by the mean latest start over the scenarios; moves of single nodes. Work
is counted in simulated nodes.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from makespan.dispatch import Rules
from makespan.preparing.order import ranks_by
from makespan_optimizer.choice.trial import Judged, Option, Trial
from makespan_optimizer.schedule import latest_starts, order_ranks
from makespan_optimizer.simulate import replay

if TYPE_CHECKING:
    from collections.abc import Sequence

SCENARIOS = 40  # to search on; with fewer, orders fit the scenarios and not the durations
FRESH = 80  # to judge on
_LEAST = 5  # fewer scenarios than that tell nothing
ERRORS = 2  # so many standard errors ahead is no luck
_FIRST = 5  # scenarios of the first round
_GO_ON = 3  # of so many candidates one goes on
WORTH = 0.001  # an order must be better by this share to be preferred to a simpler one
FRESH_SEED = 1_000_003


class Choice(NamedTuple):
    """The order chosen, and the two that it had to beat, all on the fresh scenarios."""

    best: Judged
    default: Judged
    critical: Judged


def counts(nodes: int, work: float) -> tuple[int, int]:
    """Return how many scenarios to search on and to judge on, so that the work allows for it; (0, 0): none.

    >>> counts(100, 300_000), counts(10_000, 300_000), counts(50_000, 300_000)
    ((40, 80), (5, 6), (0, 0))
    """
    most = int(work / (5 * max(1, nodes)))
    if most < _LEAST:
        return 0, 0
    return max(_LEAST, min(SCENARIOS, most // 2)), min(FRESH, most)


def search_orders(trial: Trial, options: Sequence[Option], seed: int, work: float) -> Judged:
    """Return the best order in the mean over the scenarios of a trial.

    Parameters
    ----------
    options : sequence of Option
        Where to begin, at least one; the critical path should be among them.
    work : float
        Nodes to simulate, more or less.
    """
    limit = trial.simulated + work
    best = _halved(trial, options)
    if trial.simulated + 2 * len(trial.worlds) * len(trial.instance) < limit and not trial.over():
        for option in by_latest_start(trial, best.option):
            best = trial.beats(option, best) or best
    return move(trial, best, seed, limit - trial.simulated)


def move(trial: Trial, best: Judged, seed: int, work: float) -> Judged:
    """Move a few nodes at a time to other places of the order, and keep what is better in the mean."""
    source = random.Random(seed)  # noqa: S311 (not for secrets)
    n = len(trial.instance)
    limit = trial.simulated + work
    order = sorted(range(n), key=best.option.ranks.__getitem__)
    while n > 1 and trial.simulated < limit and not trial.over():
        moved = order.copy()
        for _ in range(source.choice((1, 1, 2, 4))):
            moved.insert(source.randrange(n), moved.pop(source.randrange(n)))
        option = Option("search over scenarios", order_ranks(moved), best.option.groups)
        better = trial.beats(option, best)
        if better is not None:
            best, order = better, moved
    return best


def choose(fresh: Trial, default: Option, critical: Option, others: Sequence[Option]) -> Choice:
    """Return the order to take: on scenarios that none of them was searched on.

    Parameters
    ----------
    others : sequence of Option
        The simplest first; each must beat the best before it by twice the standard error.
    """
    declared, path = fresh.judge(default), fresh.judge(critical)
    best = path
    for option in others:
        if option.ranks == best.option.ranks and option.groups == best.option.groups:
            continue
        found = fresh.judge(option)
        gain, error = found.ahead(best)
        if gain > max(ERRORS * error, WORTH * best.mean):
            best = found
    # Last, because it depends on the order of declaration, which is to matter only where it must.
    if declared.mean < best.mean:
        best = declared
    return Choice(best, declared, path)


def by_latest_start(trial: Trial, option: Option) -> list[Option]:
    """Return orders by the mean over the scenarios of when a node may start at the latest, or starts."""
    n = len(trial.instance)
    rules_of = Rules(trial.instance.structure, option.ranks, trial.budget, option.groups)
    early, late = [0.0] * n, [0.0] * n
    for world in trial.worlds:
        schedule = replay(world, rules_of)
        for i, start in enumerate(latest_starts(world, schedule.finish, trial.budget, option.groups)):
            late[i] -= start
            early[i] -= schedule.start[i]
    trial.simulated += 2 * n * len(trial.worlds)
    both = [a + b for a, b in zip(early, late, strict=True)]
    return [
        Option("mean latest start", ranks_by(late), option.groups),
        Option("mean of start and latest start", ranks_by(both), option.groups),
    ]


def _halved(trial: Trial, options: Sequence[Option]) -> Judged:
    """Judge all on a few scenarios, and the better third on all."""
    if len(options) > _GO_ON and len(trial.worlds) > _FIRST:
        first: list[Judged] = []
        for option in options:
            if first and trial.over():
                break
            first.append(trial.judge(option, first=_FIRST))
        first.sort(key=lambda judged: judged.mean)
        options = [judged.option for judged in first[: max(2, len(options) // _GO_ON)]]
    best = trial.judge(options[0])
    for option in options[1:]:
        if trial.over():
            break
        best = trial.beats(option, best) or best
    return best
