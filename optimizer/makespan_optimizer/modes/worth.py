"""Which clusters of the best states are worth it, and what is said of each.

All clusters together must gain 3 %: the makespan without any is at least so much longer. Of several hardly
one gains that alone, and one after the other all would go; so they are left out one by one only as long as
what is left out costs less than 1.5 % together. What gains nothing goes in any case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.plan import PlanCluster
from makespan_optimizer.modes.contract import contract
from makespan_optimizer.modes.cuts import bits
from makespan_optimizer.modes.evidence import cluster_evidence

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from makespan_optimizer.modes.clusters import State
    from makespan_optimizer.modes.cuts import Cuts
    from makespan_optimizer.modes.judge import Judge

WORTH = 0.03  # smaller gains in a simulator tend to vanish when measured
TOGETHER = 0.015  # what is left out may cost so much, if something stays
EACH = 8  # so many clusters are tried without, one by one
SMALL = 300  # nodes: looks are cheap enough then to leave parts out after the time is up


class Looks:
    """Looks at states of one DAG, each taken once: a fair one is cheap, a close one decides."""

    def __init__(self, cuts: Cuts, judge: Judge) -> None:
        self.cuts = cuts
        self.judge = judge
        self._close: dict[State, float] = {}
        self._fair: dict[State, float] = {}

    def close(self, state: State) -> float:
        """Return the makespan to expect, in seconds."""
        if state not in self._close:
            self._close[state] = self.judge.close(contract(self.cuts, state, calls=False).profile)
        return self._close[state]

    def fair(self, state: State) -> float:
        """Return it by fewer orders."""
        if state not in self._fair:
            self._fair[state] = self.judge.fair(contract(self.cuts, state, calls=False).profile)[0]
        return self._fair[state]

    def both(self, one: State, other: State) -> tuple[float, float]:
        """Return two makespans of the same kind of look: when the time is up, a new close one is too dear."""
        known = one in self._close and other in self._close
        look = self.close if known or not self.judge.time_is_up() else self.fair
        return look(one), look(other)


def worth_it(looks: Looks, states: Sequence[State], given: Collection[int]) -> State:
    """Return the best state, less what gains too little.

    Parameters
    ----------
    looks : Looks
        When its judge's time is up, the best so far is taken; of what that is, parts are left out all the
        same.
    states : sequence of State
        The best ones by fair looks, the best first.
    given : collection of int
        Nodes whose parts stay whatever they gain.
    """
    cuts, over = looks.cuts, looks.judge.time_is_up
    looked = list(states[:1] if given else (*states[:1], ()))
    for state in states[1:]:
        if over():
            break
        looked.append(state)
        looks.close(state)
    best = top = min(looked, key=looks.close)
    size = len(best) // 2
    small = len(cuts) <= SMALL
    while len(best) > EACH and size and (small or not over()):
        light = _light(cuts, best, given)[:size]
        less = renumbered(tuple(part for part in best if part not in light))
        if light and not cuts.allowed(less) and not _gains(looks, top, less):
            best = less
        size = min(size // 2, len(best) // 2)
    while 0 < len(best) <= EACH and (small or not over()):
        fewer = _fewer(looks, best, given)
        spared = next((state for state in fewer if not _gains(looks, top, state)), None)
        if spared is None:
            spared = next((state for state in fewer if _same(looks, best, state)), None)
        if spared is None:
            break
        best = spared
    return best


def _gains(looks: Looks, state: State, less: State) -> bool:
    """Say whether the makespan with fewer parts is longer by enough."""
    with_all_s, without_s = looks.both(state, less)
    return without_s * (1 - (TOGETHER if less else WORTH)) > with_all_s


def _same(looks: Looks, state: State, less: State) -> bool:
    """Say whether the makespan with fewer parts is no longer."""
    with_all_s, without_s = looks.both(state, less)
    return without_s <= with_all_s


def _fewer(looks: Looks, state: State, given: Collection[int]) -> list[State]:
    """Return the states with one part less, those that lose least by a fair look first."""
    fewer = [
        renumbered(tuple(other for other in state if other != part))
        for part in _light(looks.cuts, state, given)
    ]
    return sorted((some for some in fewer if not looks.cuts.allowed(some)), key=looks.fair)


def described(looks: Looks, state: State, makespan_s: float) -> tuple[PlanCluster, ...]:
    """Return the clusters as a plan has them, with their evidence."""
    cuts = looks.cuts
    names = cuts.structure.names
    together = len(state) > EACH
    found = []
    for k, part in enumerate(state):
        without: State = () if together else renumbered((*state[:k], *state[k + 1 :]))
        count = len(state) if together else 1
        with_s, without_s = looks.both(state, without)
        if with_s > 0:
            without_s *= makespan_s / with_s
        found.append(
            PlanCluster(
                f"cluster {k + 1}",
                tuple(names[i] for i in cuts.sorted(part.members)),
                part.worker,
                tuple(names[i] for i in cuts.sorted(part.again)),
                cluster_evidence(cuts, part, makespan_s, without_s, count=count),
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
