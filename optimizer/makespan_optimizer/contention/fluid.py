"""How nodes that run at the same time share the GIL and the cores.

A node that takes one second alone holds the GIL for a share g of it, keeps c cores busy, and is blocked for
the rest. Several nodes together may want more GIL than there is (one) or more cores than there are. Then the
part of each node that needs the scarce resource stretches by a common factor σ, just as far as the capacity
demands:

    speed = 1 / (1 + g (σ_gil − 1) + c (σ_cores − 1)),   Σ speed · g ≤ 1,   Σ speed · c ≤ cores.

A blocked node is never slowed; two Python loops run at half speed; a Python loop beside a matrix product on
two cores, both at full speed. The factors are the smallest that keep both capacities, so a node waiting for
the GIL leaves its core to others. No loss is modelled: sharing is work-conserving.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import repeat
from operator import mul
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROUNDS = 8  # of the two factors in turn; two are enough in nearly all cases
_EXACT = 1e-9  # relative, of a capacity: what is left is taken off in the end
_MOST_SHARED = 50_000  # the same of shares, whatever nodes had them
_MOST_KEPT = 100_000  # mixtures of demands whose speeds are remembered


class Fluid:
    """Speeds of sets of nodes, remembered by what the nodes demand: a search meets the same mixtures again.

    Parameters
    ----------
    gil, core : sequences of int, shape (n,)
        Thousandths of the GIL and of one core that each node uses when it runs alone.
    capacity : int
        Thousandths of a core that there are.
    marks : sequence of tuple, shape (n,)
        What else sets nodes apart, if anything does; comparable with each other.

    Attributes
    ----------
    kind : list of int, shape (n,)
        Nodes of one kind are alike to this model; numbered by what they demand.
    known : dict
        What `of` found, so that who asks often may look here first.
    """

    __slots__ = ("_core", "_gil", "_mixtures", "capacity", "core", "gil", "kind", "known")

    def __init__(
        self,
        gil: Sequence[int],
        core: Sequence[int],
        capacity: int,
        marks: Sequence[tuple[Any, ...]] = (),
    ) -> None:
        self.gil = gil
        self.core = core
        self.capacity = capacity
        demands = list(zip(gil, core, marks or repeat(()), strict=bool(marks)))
        kinds = sorted(set(demands))
        number = {demand: k for k, demand in enumerate(kinds)}
        self.kind = [number[demand] for demand in demands]
        self._gil = [g / 1000 for g, _, _ in kinds]
        self._core = [c / 1000 for _, c, _ in kinds]
        self.known: dict[tuple[int, ...], list[float]] = {}
        self._mixtures: dict[tuple[int, ...], dict[int, float]] = {}

    def may_contend(self, together: int) -> bool:
        """Say whether any set of so many nodes can want more than there is."""
        return (
            sum(sorted(self.gil, reverse=True)[:together]) > 1000
            or sum(sorted(self.core, reverse=True)[:together]) > self.capacity
        )

    def slows(self, together: int) -> bool:
        """Say whether any set of so many nodes may have a node that is slower than alone."""
        return self.may_contend(together)

    def speeds(self, running: Sequence[int]) -> list[float]:
        """Return the speed of each running node, in (0, 1]; the order of `running` does not matter."""
        return self.of(tuple([self.kind[i] for i in running])).copy()

    def of(self, kinds: tuple[int, ...]) -> list[float]:
        """Return the speeds of nodes of these kinds; not to be changed.

        A mixture is computed in one order of additions, so that the same set has the same speeds.
        """
        key = tuple(sorted(kinds))
        mixture = self._mixtures.get(key)
        if mixture is None:
            if len(self._mixtures) >= _MOST_KEPT:
                self._mixtures.clear()
            mixture = self._mixtures[key] = dict(zip(key, self._mixed(key), strict=True))
        if len(self.known) >= _MOST_KEPT:
            self.known.clear()
        found = self.known[kinds] = [mixture[kind] for kind in kinds]
        return found

    def _mixed(self, kinds: tuple[int, ...]) -> Sequence[float]:
        """Return the speeds of a mixture: kinds in rising order."""
        gil, core = self._gil, self._core
        return _known_speeds(
            tuple([gil[kind] for kind in kinds]), tuple([core[kind] for kind in kinds]), self.capacity / 1000
        )

    def _shares(self, kinds: tuple[int, ...]) -> tuple[list[float], list[float]]:
        """Return shares of the GIL, and cores, of each kind."""
        gil, core = self._gil, self._core
        return [gil[kind] for kind in kinds], [core[kind] for kind in kinds]


@lru_cache(maxsize=_MOST_SHARED)  # profiles under different modes have most of their nodes in common
def _known_speeds(gil: tuple[float, ...], core: tuple[float, ...], cores: float) -> tuple[float, ...]:
    return tuple(shared_speeds(gil, core, cores))


def shared_speeds(gil: Sequence[float], core: Sequence[float], cores: float) -> list[float]:
    """Return the speeds of nodes that run together.

    Parameters
    ----------
    gil, core : sequences of float, shape (k,)
        Share of the GIL, and cores, that each node uses alone.
    cores : float
        How many there are.

    >>> shared_speeds([1, 1, 0], [1, 1, 0], 2.0)
    [0.5, 0.5, 1.0]
    """
    found = [1.0] * len(gil)
    more_gil = 0.0
    if sum(gil) > 1:
        more_gil = _stretch(gil, found, 1.0)
        found = [1 / (1 + g * more_gil) for g in gil]
    if sum(map(mul, found, core)) > cores:
        more_core = 0.0
        for _ in range(_ROUNDS):
            before = more_core
            more_core = _stretch(core, [1 + g * more_gil for g in gil], cores)
            if not more_gil or abs(more_core - before) < 1e-6 * more_core:
                break
            more_gil = _stretch(gil, [1 + c * more_core for c in core], 1.0)
        found = [1 / (1 + g * more_gil + c * more_core) for g, c in zip(gil, core, strict=True)]
    return within_capacity(found, gil, core, cores)


def within_capacity(
    found: list[float], gil: Sequence[float], core: Sequence[float], cores: float
) -> list[float]:
    """Return speeds that exceed no capacity, whatever the rounding was: lower bounds rely on it."""
    over = max(sum(map(mul, found, gil)), sum(map(mul, found, core)) / cores)
    if over <= 1:
        return found
    return [s / over if g or c else s for s, g, c in zip(found, gil, core, strict=True)]


def _stretch(demand: Sequence[float], base: Sequence[float], capacity: float) -> float:
    """Return the least x ≥ 0 with Σ demand / (base + demand·x) ≤ capacity.

    The reciprocal of the sum is concave in x, so Newton's method on it climbs to the root without passing it;
    with equal demands the first step is exact.
    """
    terms = list(zip(demand, base, strict=True))
    most = capacity * (1 + _EXACT)
    x = 0.0
    for _ in range(30):
        used = squares = 0.0
        for d, b in terms:
            rate = d / (b + d * x)
            used += rate
            squares += rate * rate
        if used <= most:
            break
        x += (used * used / capacity - used) / squares
    return x
