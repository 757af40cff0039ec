"""Which clusters of the best states are worth it, and what is said of each.

Of a few clusters each must gain 3 % by itself: the makespan without it, all else as it is, is at least so
much longer. Of many, as in a large DAG, none gains that alone; there it is sets that must, so what is left
out is never worth 3 % together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.plan import PlanCluster
from makespan_optimizer.modes.contract import contract
from makespan_optimizer.modes.cuts import bits
from makespan_optimizer.modes.evidence import cluster_evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from makespan_optimizer.modes.clusters import State
    from makespan_optimizer.modes.cuts import Cuts
    from makespan_optimizer.modes.judge import Judge

WORTH = 0.03  # smaller gains in a simulator tend to vanish when measured
EACH = 8  # so many clusters are tried without, one by one


def closely(cuts: Cuts, judge: Judge) -> Callable[[State], float]:
    """Return the close look at states, each taken once."""
    values: dict[State, float] = {}

    def value(state: State) -> float:
        if state not in values:
            values[state] = judge.close(contract(cuts, state, calls=False).profile)
        return values[state]

    return value


def worth_it(
    cuts: Cuts,
    value: Callable[[State], float],
    states: Sequence[State],
    given: Collection[int],
    over: Callable[[], bool],
) -> State:
    """Return the best state, less what gains too little.

    Parameters
    ----------
    value : callable
        Expected makespan of a state.
    given : collection of int
        Nodes whose parts stay whatever they gain.
    over : callable
        Says whether the time is up: then the best so far is taken.
    """
    looked = list(states[:1] if given else (*states[:1], ()))
    for state in states[1:]:
        if over():
            break
        looked.append(state)
        value(state)
    best = min(looked, key=value)
    top, size = value(best), len(best) // 2
    while len(best) > EACH and size and not over():
        light = _light(cuts, best, given)[:size]
        less = renumbered(tuple(part for part in best if part not in light))
        if light and not cuts.allowed(less) and value(less) * (1 - WORTH) <= top:
            best = less
        size = min(size // 2, len(best) // 2)
    while 0 < len(best) <= EACH and not over():
        fewer = [
            renumbered(tuple(other for other in best if other != part)) for part in _light(cuts, best, given)
        ]
        fewer = [state for state in fewer if not cuts.allowed(state)]
        less = min(fewer, key=value, default=best)
        if not fewer or value(less) * (1 - WORTH) > value(best):
            break
        best = less
    return best


def described(
    cuts: Cuts, state: State, value: Callable[[State], float], makespan_s: float
) -> tuple[PlanCluster, ...]:
    """Return the clusters as a plan has them, with their evidence."""
    names = cuts.structure.names
    together = len(state) > EACH
    found = []
    for k, part in enumerate(state):
        without: State = () if together else renumbered((*state[:k], *state[k + 1 :]))
        count = len(state) if together else 1
        found.append(
            PlanCluster(
                f"cluster {k + 1}",
                tuple(names[i] for i in cuts.sorted(part.members)),
                part.worker,
                tuple(names[i] for i in cuts.sorted(part.again)),
                cluster_evidence(cuts, part, makespan_s, value(without), count=count),
            )
        )
    return tuple(found)


def renumbered(state: State) -> State:
    """Return the state with its workers numbered as they come."""
    number: dict[int, int] = {}
    for part in state:
        number.setdefault(part.worker, len(number))
    return tuple(part._replace(worker=number[part.worker]) for part in state)


def _light(cuts: Cuts, state: State, given: Collection[int]) -> State:
    """Return the parts that may be left out, those that hold the GIL least first."""
    held = {part: sum(cuts.nodes[i].gil_s for i in bits(part.members)) for part in state}
    free = [part for part in state if not any(part.members >> i & 1 for i in given)]
    return tuple(sorted(free, key=lambda part: (held[part], part)))
