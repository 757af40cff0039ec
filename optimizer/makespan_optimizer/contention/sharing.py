"""How fast nodes run beside each other, beyond what capacities demand: measured pairs, else a model.

Capacities alone (`fluid`) know no loss. In truth a node that wakes beside a Python loop waits for the GIL, a
switch interval at each return; two nodes that both compute crowd the memory. So each two nodes that meet get
speeds of their own: from their `PairTrial` where they were measured together, as far as its repeats agree,
else from a simulation of the GIL (`together`), computed when the pair first meets and remembered by class of
demand. What is slower than capacities explain is extra time, and adds
up over all that run:

    1 / speed_i = 1 / fluid_i + Σ_j (1 / pair_ij − 1 / fluid_ij) · (fluid_j / fluid_ji)

The last factor is how busy j is among all, beside how busy it is with i alone. Two nodes alone run at exactly
their pair's speeds. No node is faster than alone, and no capacity is exceeded, so lower bounds hold.

The rule was chosen among six by how well it predicts simulations of three and four nodes: products of
slow-downs and the worst one alone exaggerate or forget; this one was within 2 to 5 % at the later end.
"""

from __future__ import annotations

import math
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from makespan_optimizer.contention.fluid import Fluid, shared_speeds, within_capacity
from makespan_optimizer.contention.together import LEAST_SPEED, Demand, modelled_speeds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Speeds = tuple[float, float]

MOST_CLASSES = 40  # of demand: so many pairs of them are simulated in about a second at worst
MOST_KINDS = 64  # of nodes, as far as classes decide: so that the same mixtures of nodes are met again
# Cells of demand that count as one class, ever coarser: ratio of lengths, step of shares.
_GRIDS = ((1.25, 0.04), (1.6, 0.08), (2.5, 0.2), (6.0, 0.34), (1e3, 0.5), (1e9, 1.0))


class Machine(NamedTuple):
    """What the model of the GIL has to know.

    Attributes
    ----------
    cores : float
        How many there are.
    switch_interval_s : float
        Of the interpreter.
    wake_s : float
        Seconds until a thread that sleeps has the GIL, once it is free.
    crowding : float
        By how much work takes longer for each further core that is busy.
    """

    cores: float
    switch_interval_s: float
    wake_s: float
    crowding: float = 0.0


class Trial(NamedTuple):
    """The speeds of two nodes that were run together.

    Attributes
    ----------
    speeds : (float, float)
    switch_interval_s : float
        Of the interpreter.
    weight : float
        How far it is believed, from 0 to 1; for the rest the model is.
    """

    speeds: Speeds
    switch_interval_s: float
    weight: float = 1.0


class Sharing(Fluid):
    """Speeds of sets of nodes that are known better than by capacities.

    Parameters
    ----------
    gil, core : sequences of int, shape (n,)
        Thousandths of the GIL and of one core that each node uses when it runs alone.
    capacity : int
        Thousandths of a core that there are.
    demands : sequence of Demand, shape (n,)
        What each does with its time alone.
    measured : mapping of (int, int) to Trial
        Two nodes that were run together; the smaller number first.
    machine : Machine
    """

    __slots__ = ("_class_of", "_classes", "_excesses", "_measured", "_modelled", "machine")

    def __init__(
        self,
        gil: Sequence[int],
        core: Sequence[int],
        capacity: int,
        demands: Sequence[Demand],
        measured: Mapping[tuple[int, int], Trial],
        machine: Machine,
    ) -> None:
        numbers, self._classes = classes(demands, list(zip(gil, core, strict=True)))
        self.machine = machine
        super().__init__(gil, core, capacity, _marks(gil, core, numbers, measured))
        self._class_of = dict(zip(self.kind, numbers, strict=True))
        self._measured: dict[tuple[int, int], Trial] = {}
        for (i, j), trial in measured.items():
            self._measured[self.kind[i], self.kind[j]] = trial
            self._measured[self.kind[j], self.kind[i]] = trial._replace(speeds=trial.speeds[::-1])
        self._modelled: dict[tuple[int, int], tuple[float, float]] = {}
        self._excesses: dict[tuple[int, int], tuple[float, float, float, float]] = {}

    def slows(self, together: int) -> bool:
        """Say whether any set of so many nodes may have a node that is slower than alone."""
        if together < 2 or len(self.kind) < 2:
            return False
        crowded = self.machine.crowding > 0 and sum(used > 0 for used in self.core) > 1
        return crowded or any(self.gil) or bool(self._measured) or self.may_contend(together)

    def _mixed(self, kinds: tuple[int, ...]) -> Sequence[float]:
        fluid = super()._mixed(kinds)
        n = len(kinds)
        if n < 2:
            return fluid
        slowness = [1 / speed for speed in fluid]
        for a in range(n):
            for b in range(a + 1, n):
                more_a, more_b, alone_a, alone_b = self._excess(kinds[a], kinds[b])
                slowness[a] += more_a * fluid[b] / alone_b
                slowness[b] += more_b * fluid[a] / alone_a
        speeds = [min(1.0, max(LEAST_SPEED, 1 / slow)) if slow > 1 else 1.0 for slow in slowness]
        gil, core = self._shares(kinds)
        return within_capacity(speeds, gil, core, self.capacity / 1000)

    def _excess(self, a: int, b: int) -> tuple[float, float, float, float]:
        """Return the extra slowness of each of two kinds beside the other, and their speeds by capacities."""
        found = self._excesses.get((a, b))
        if found is None:
            fluid_a, fluid_b = super()._mixed((a, b))
            trial = self._measured.get((a, b))
            weight = trial.weight if trial is not None else 0.0
            more_a = more_b = 0.0
            if weight < 1:
                more_a, more_b = self._model(self._class_of[a], self._class_of[b])
            if trial is not None:
                speed_a, speed_b = self._carried_over(a, b, trial)
                more_a += weight * (1 / speed_a - 1 / fluid_a - more_a)
                more_b += weight * (1 / speed_b - 1 / fluid_b - more_b)
            found = self._excesses[a, b] = (more_a, more_b, fluid_a, fluid_b)
        return found

    def _carried_over(self, a: int, b: int, trial: Trial) -> Speeds:
        """Return what a trial means for this switch interval: speeds change by as much as the model's do."""
        if trial.switch_interval_s == self.machine.switch_interval_s:
            return trial.speeds
        pair = self._classes[self._class_of[a]], self._classes[self._class_of[b]]
        there = _modelled(*pair, self.machine._replace(switch_interval_s=trial.switch_interval_s))
        here = _modelled(*pair, self.machine)
        first, second = (
            min(1.0, speed * now / then) for speed, now, then in zip(trial.speeds, here, there, strict=True)
        )
        return first, second

    def _model(self, a: int, b: int) -> tuple[float, float]:
        """Return the extra slowness of two classes of demand beside each other."""
        found = self._modelled.get((a, b))
        if found is None:
            pair = self._classes[a], self._classes[b]
            found = 0.0, 0.0
            if all(node.wall_s > 0 for node in pair):
                speeds, fluid = _modelled(*pair, self.machine), fluid_pair(*pair, self.machine.cores)
                found = 1 / speeds[0] - 1 / fluid[0], 1 / speeds[1] - 1 / fluid[1]
            self._modelled[a, b] = found
            self._modelled[b, a] = found[::-1]
        return found


@lru_cache(maxsize=50_000)  # questions about one profile ask for the same pairs again
def _modelled(a: Demand, b: Demand, machine: Machine) -> Speeds:
    return modelled_speeds(
        a, b, machine.cores, machine.switch_interval_s, wake_s=machine.wake_s, crowding=machine.crowding
    )


def fluid_pair(a: Demand, b: Demand, cores: float) -> Speeds:
    """Return the speeds of two nodes by capacities alone."""
    both = (a, b)
    gil = [node.hold_s / node.wall_s for node in both]
    core = [min(cores, (node.hold_s + node.native_s * node.width) / node.wall_s) for node in both]
    found = shared_speeds(gil, core, cores)
    return found[0], found[1]


def classes(
    demands: Sequence[Demand], shares: Sequence[tuple[int, int]] = ()
) -> tuple[list[int], list[Demand]]:
    """Return the class of each node, and the mean demand of each class; at most `MOST_CLASSES`.

    Classes are numbered by what their nodes demand, not by who comes first. Nodes with equal `shares` are of
    one kind if they are of one class; of kinds, too, there are to be few.
    """
    keys: list[tuple[int, ...]] = []
    shares = shares or [(0, 0)] * len(demands)
    for ratio, step in _GRIDS:
        keys = [_cell(node, ratio, step) for node in demands]
        few = len(set(zip(keys, shares, strict=True))) <= max(MOST_KINDS, len(set(shares)))
        if few and len(set(keys)) <= MOST_CLASSES:
            break
    cells: dict[tuple[int, ...], list[Demand]] = defaultdict(list)
    for key, node in zip(keys, demands, strict=True):
        cells[key].append(node)
    number = {key: k for k, key in enumerate(sorted(cells))}
    return [number[key] for key in keys], [_mean(cells[key]) for key in sorted(cells)]


def _cell(node: Demand, ratio: float, step: float) -> tuple[int, ...]:
    wall_s = node.wall_s
    if wall_s <= 0:
        return (0,) * 6

    def length(value: float) -> int:
        return round(math.log(value) / math.log(ratio)) if value > 0 else -(10**6)

    return (
        length(wall_s),
        round(node.hold_s / wall_s / step),
        round(node.native_s / wall_s / step),
        length(node.cycles),
        length(node.burst_s),
        round((node.width - 1) / (5 * step)),
    )


def _mean(nodes: Sequence[Demand]) -> Demand:
    n = len(nodes)
    hold_s, native_s, blocked_s, cycles, burst_s, width = (
        math.fsum(column) / n for column in zip(*nodes, strict=True)
    )
    return Demand(hold_s, native_s, blocked_s, round(cycles), burst_s, width)


def _marks(
    gil: Sequence[int],
    core: Sequence[int],
    numbers: Sequence[int],
    measured: Mapping[tuple[int, int], Trial],
) -> list[tuple[object, ...]]:
    """Return what sets kinds apart beside demands: the class, and for each node in a measured pair itself.

    Such nodes are told apart, and ordered, by what was measured; by number only where that is the same.
    """
    trials: list[list[tuple[float, ...]]] = [[] for _ in numbers]
    for (i, j), trial in measured.items():
        first, second = trial.speeds
        trials[i].append((first, second, gil[j], core[j], numbers[j]))
        trials[j].append((second, first, gil[i], core[i], numbers[i]))
    return [
        (number, tuple(sorted(some)), i if some else -1)
        for i, (number, some) in enumerate(zip(numbers, trials, strict=True))
    ]
