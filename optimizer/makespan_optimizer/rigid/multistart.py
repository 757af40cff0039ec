"""Many starts: priority rules, then seeded variations of them, each with forward and backward passes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from makespan.order import ranks_by
from makespan_optimizer.rigid.improve import Passes
from makespan_optimizer.rigid.rules import bottleneck_share, levels_of, rules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan_optimizer.rigid.problem import Problem


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
    share = bottleneck_share(problem, binding)
    for number, (name, ranks) in enumerate(rules(problem, share)):
        if number >= 2 and good():
            break
        start = passes.parallel(ranks)
        judge(name, start)
        if not good():
            judge(f"{name}, forward-backward", passes.until_stuck(passes.again(start)))
    source = random.Random(seed)  # noqa: S311 (not for secrets)
    wall, n = problem.wall, len(problem)
    latest = passes.latest(best.start)
    record = best.makespan
    while not good():
        if best.makespan < record:
            record, latest = best.makespan, passes.latest(best.start)
        spread = source.choice((0.05, 0.1, 0.2, 0.4))
        reach = source.choice((0.01, 0.03, 0.1, 0.25)) * record
        for urgency in (
            levels_of(problem, [w * source.uniform(1 - spread, 1 + spread) for w in wall]),
            [source.uniform(-reach, reach) - latest[i] for i in range(n)],
        ):
            start = passes.parallel(ranks_by(urgency))
            if judge("multistart", start) < record * 1.01 and not good():
                judge("multistart, forward-backward", passes.until_stuck(passes.again(start)))
    return best._replace(tried=passes.done)
