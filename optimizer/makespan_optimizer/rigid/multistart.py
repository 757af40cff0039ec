"""Many starts: priority rules, then seeded variations of them, each with forward and backward passes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from makespan.preparing.order import ranks_by
from makespan_optimizer.rigid.genetic import generations
from makespan_optimizer.rigid.improve import Passes
from makespan_optimizer.rigid.rules import bottleneck_share, rules, variations, weighted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from makespan_optimizer.rigid.problem import Problem

_MOST_BRED = 2000  # nodes; beyond, a generation takes too long
_FEW = 4  # rules before the first draw


class Found(NamedTuple):
    """The best schedule of a search.

    Attributes
    ----------
    start : tuple of int, shape (n,)
    makespan : int
    method : str
        What found it.
    tried : int
        Nodes placed in all, a measure of work.
    """

    start: tuple[int, ...]
    makespan: int
    method: str
    tried: int


def multistart(
    problem: Problem,
    *,
    seed: int = 0,
    bound: int = 0,
    binding: str = "",
    work: float = 1e6,
    over: Callable[[], bool] | None = None,
    hint: Sequence[int] | None = None,
    hear: Callable[[Found], None] | None = None,
) -> Found:
    """Return the best schedule found.

    Parameters
    ----------
    problem : Problem
    seed : int
    bound : int
        No schedule is shorter: the search ends when one is as short.
    binding : str
        The name of the bound: its resource gets weight.
    work : float
        Nodes to place at most; infinite when only `over` is to end the search.
    over : callable, optional
        Whether to stop now; the first two rules are tried whatever it says.
    hint : sequence of int, shape (n,), optional
        Starts of a feasible schedule to begin with.
    hear : callable, optional
        Called with each new best.
    """
    passes = Passes(problem)
    best = Found((), 0, "", 0)

    def judge(name: str, start: Sequence[int]) -> int:
        nonlocal best
        makespan = passes.makespan(start)
        if not best.method or makespan < best.makespan:
            best = Found(tuple(start), makespan, name, passes.done)
            if hear is not None:
                hear(best)
        return makespan

    def good() -> bool:
        return bool(best.method) and (
            best.makespan <= bound or passes.done >= work or (over is not None and over())
        )

    if hint is not None:
        judge("hint", hint)
    starts = [list(hint)] if hint is not None else []
    share = bottleneck_share(problem, binding)
    # Passes of the parallel scheme gain less there than more draws do.
    broad = len(problem) > _MOST_BRED and any(max(r.demand) > 1 for r in problem.resources)
    for number, (name, ranks) in enumerate(rules(problem, share)):
        if number >= 2 and good():
            break
        start = passes.parallel(ranks)
        judge(name, start)
        if not good() and not broad:
            start = passes.until_stuck(passes.again(start))
            judge(f"{name}, forward-backward", start)
        starts.append(start)
        if broad and number == _FEW:
            break
    source = random.Random(seed)  # noqa: S311 (not for secrets)
    if not good():
        varied = generations if len(problem) <= _MOST_BRED else draws if broad else restarts
        for start in varied(passes, starts, source):
            judge("multistart", start)
            if good():
                break
    return best._replace(tried=passes.done)


def restarts(passes: Passes, first: Sequence[Sequence[int]], source: random.Random) -> Iterator[list[int]]:
    """Yield schedules without end: noisy critical paths, and noisy latest starts of the best schedule so far.

    Parameters
    ----------
    passes : Passes
        Of the problem.
    first : sequence of starts
        Schedules to begin with, at least one.
    source : random.Random
    """
    best = min(first, key=passes.makespan)
    latest, record = passes.latest(best), passes.makespan(best)
    for urgency in variations(passes.forward.problem, source, latest):
        start = passes.parallel(ranks_by(urgency))
        yield start
        if passes.makespan(start) < record * 1.01:
            start = passes.until_stuck(passes.again(start))
            yield start
        if passes.makespan(start) < record:
            latest[:], record = passes.latest(start), passes.makespan(start)


def draws(passes: Passes, first: Sequence[Sequence[int]], source: random.Random) -> Iterator[list[int]]:
    """Yield schedules without end: paths weighted by random shares of the resources; `first` is not used."""
    del first
    for urgency in weighted(passes.forward.problem, source):
        yield passes.parallel(ranks_by(urgency))
