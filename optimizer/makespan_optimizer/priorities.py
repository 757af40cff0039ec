"""Orders of an instance worth trying: the default order, priority rules, and seeded variations of them.

The rules are those of `makespan_optimizer.rigid.rules`; here is said which resource they give weight to. No
rule wins everywhere, so several are tried and the simulator judges.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from makespan.preparing.order import default_ranks, ranks_by
from makespan_optimizer.rigid import rules as rigid
from makespan_optimizer.rigid.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from makespan_optimizer.instance import Instance

DEFAULT = "default order"
CRITICAL = rigid.CRITICAL


def rules(instance: Instance, budget: int, binding: str) -> Iterator[tuple[str, list[int]]]:
    """Yield (name, ranks) of each rule: the default order first, then the critical path.

    Each rule is computed when it is asked for: with many nodes only the first few ever are.

    Parameters
    ----------
    binding : str
        The lower bound that binds: its resource gets weight.
    """
    yield DEFAULT, default_ranks(instance.structure)
    share = bottleneck_share(instance, budget, binding)
    yield from rigid.rules(_edges(instance), share, [g / 1000 for g in instance.gil])


def bottleneck_share(instance: Instance, budget: int, binding: str) -> list[float]:
    """Return what share of the binding resource each node takes, from 0 to 1.

    When the critical path or the threads bind, the scarcest of GIL and cores is taken instead.
    """
    s, wall = instance.structure, instance.wall
    if binding.startswith("lock "):
        return [1.0 if binding[5:] in some else 0.0 for some in s.locks]
    if binding == "exclusive nodes":
        return [float(alone) for alone in s.exclusive]
    gil = [g / 1000 for g in instance.gil]
    core = [min(1.0, c / instance.capacity) for c in instance.core]
    if binding == "GIL":
        return gil
    if binding == "cores":
        return core
    load_gil = sum(w * g for w, g in zip(wall, gil, strict=True))
    load_core = sum(w * c for w, c in zip(wall, core, strict=True))
    if max(load_gil, load_core) * budget < sum(wall):
        return [0.0] * len(wall)
    return gil if load_gil >= load_core else core


def variations(instance: Instance, seed: int, best: Sequence[float]) -> Iterator[list[int]]:
    """Return orders without end: noisy critical paths, and noisy forms of the best latest starts.

    Parameters
    ----------
    seed : int
    best : sequence of float, shape (n,)
        Latest starts of the best schedule so far. The caller may change it in place.
    """
    source = random.Random(seed)  # noqa: S311 (not for secrets)
    return map(ranks_by, rigid.variations(_edges(instance), source, best))


def _edges(instance: Instance) -> Problem:
    s = instance.structure
    return Problem(instance.wall, s.preds, s.succs, s.order, ())
