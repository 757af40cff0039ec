"""How plans hold when durations vary: expected makespans over fresh scenarios; `optimizer.py --robust`.

Each node gets a spread of its own, log-normal with 10 to 30 %, and one call in thirty takes much longer
(Pareto, up to ten times). A profile of a few such calls is all that makespan sees; its plan, the critical
path and the default order are then replayed over the same scenarios, drawn anew. The replay is that of
`makespan_optimizer.simulate`: nodes share the GIL and the cores, locks exclude each other.

*over critical path* is the expected makespan divided by that of the critical path of median durations.
"""

from __future__ import annotations

import random
import time
from statistics import fmean, median, quantiles
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.cases import InstanceError
from makespan.measurement import NodeProfile, Quality, Spread
from makespan.preparing.order import bottom_levels, default_ranks, ranks_by
from makespan_optimizer.instance import instance_of
from makespan_optimizer.measure.traces.records import Row as Record
from makespan_optimizer.measure.traces.records import profile_of
from makespan_optimizer.rigid.problem import THREADS
from makespan_optimizer.scenarios import expected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from benchmarks.cases import Case
    from makespan.profile import Profile
    from makespan_optimizer.instance import Instance

SCENARIOS = 150
RUNS = 9
BASE = "critical-path"
OWN = "makespan"

_MEAN_S = 0.01
_SPREAD = (0.1, 0.3)
_TAIL = 1 / 30
_LONGEST_TAIL = 10.0
_FULL = 1000.0

Groups = list[tuple[list[int], int]]


class World:
    """A case with its spreads: draws durations of all nodes, in seconds."""

    def __init__(self, case: Case, seed: int) -> None:
        rng = random.Random(f"spreads {case.group} {case.name} {seed}")
        scale = _MEAN_S / max(1.0, fmean(case.wall))
        self.case = case
        self.typical_s = [wall * scale for wall in case.wall]
        self._spread = [rng.uniform(*_SPREAD) for _ in case.wall]

    def draw(self, rng: random.Random) -> list[float]:
        """Return the durations of one call of the DAG."""
        found = []
        for typical_s, spread in zip(self.typical_s, self._spread, strict=True):
            tail = min(_LONGEST_TAIL, 1 + rng.paretovariate(1.5)) if rng.random() < _TAIL else 1.0
            found.append(typical_s * rng.lognormvariate(0.0, spread) * tail)
        return found

    def profile(self, seed: int, runs: int = RUNS) -> Profile:
        """Return what a profiler would have seen in so many calls.

        Raises
        ------
        InstanceError
            The case has resources that a profile knows nothing of.
        """
        case = self.case
        demands = {its.name: its for its in case.resources}
        gil, core = demands.pop("gil", None), demands.pop("cores", None)
        if not case.threaded or any(its.capacity != 1 for its in demands.values()):
            raise InstanceError(
                "has resources beside threads, GIL, cores and locks", where=f"{case.group} {case.name}"
            )
        rng = random.Random(f"runs {case.group} {case.name} {seed}")
        columns = list(zip(*(self.draw(rng) for _ in range(runs)), strict=True))
        rows = [
            Record(
                _node(
                    str(i),
                    columns[i],
                    gil.demand[i] / _FULL if gil else 0.0,
                    core.demand[i] / _FULL if core else 0.0,
                ),
                tuple(map(str, some)),
                tuple(name for name, its in demands.items() if its.demand[i]),
            )
            for i, some in enumerate(case.preds)
        ]
        cores = core.capacity / _FULL if core else float(len(case))
        return profile_of(rows, name=case.name, cores=cores, where=case.group)


def _node(name: str, walls_s: Sequence[float], gil: float, cores: float) -> NodeProfile:
    deciles = quantiles(walls_s, n=10)
    typical_s = median(walls_s)
    own, other = min(1.0, cores), max(0.0, cores - 1.0)
    return NodeProfile(
        name=name,
        runs=len(walls_s),
        wall_net_s=Spread(typical_s, max(0.0, deciles[0]), max(0.0, deciles[-1]), tuple(walls_s)),
        cpu_s=own * typical_s,
        gil_s=gil * typical_s,
        native_s=max(0.0, own - gil + other) * typical_s,
        blocked_s={"other": (1 - own) * typical_s} if own < 1 else {},
        other_cpu_s=other * typical_s,
        cores_peak=cores,
        quality=Quality(gil_share_half_width=0.0),
        origin="trace",
    )


class Order(NamedTuple):
    """What is replayed: ranks, and groups of nodes that never run together."""

    ranks: list[int]
    groups: Groups
    seconds: float


def _critical_path(_: Profile, instance: Instance, __: int, ___: float, ____: int) -> Order:
    begun = time.perf_counter()
    ranks = ranks_by(bottom_levels(instance.structure, instance.wall))
    return Order(ranks, [], time.perf_counter() - begun)


def _default(_: Profile, instance: Instance, __: int, ___: float, ____: int) -> Order:
    return Order(default_ranks(instance.structure), [], 0.0)


def _makespan(profile: Profile, instance: Instance, threads: int, limit_s: float, seed: int) -> Order:
    from makespan_optimizer.optimize import optimize

    begun = time.perf_counter()
    plan = optimize(profile, threads, time_limit_s=limit_s, seed=seed, what_if=())
    seconds = time.perf_counter() - begun
    structure = instance.structure
    numbers = {name: i for i, name in enumerate(structure.names)}
    groups = [
        ([numbers[name] for name in group.nodes], group.limit)
        for group in plan.groups
        if group.reason not in {"lock", "exclusive"}  # those hold anyway
    ]
    return Order(plan.ranks(structure, fingerprint=profile.dag.fingerprint), groups, seconds)


ORDERS: dict[str, Callable[[Profile, Instance, int, float, int], Order]] = {
    OWN: _makespan,
    BASE: _critical_path,
    "default": _default,
}


def rows_of(
    cases: Iterable[Case],
    threads: Sequence[int],
    *,
    scenarios: int,
    runs: int = RUNS,
    time_limit_s: float,
    seed: int,
    say: Callable[[str], None],
) -> Iterator[dict[str, Any]]:
    """Yield a row for each case, number of threads and order.

    Raises
    ------
    InstanceError
        A case has resources that a profile knows nothing of.
    """
    for case in cases:
        world = World(case, seed)
        profile = world.profile(seed, runs)
        instance = instance_of(profile)
        rng = random.Random(f"fresh {case.group} {case.name} {seed}")
        fresh = [[round(wall_s / instance.tick_s) for wall_s in world.draw(rng)] for _ in range(scenarios)]
        for budget in threads:
            found = {}
            for name, order_of in ORDERS.items():
                say(f"{case.group} {case.name}, {budget} {THREADS}: {name}")
                order = order_of(profile, instance, budget, time_limit_s, seed)
                found[name] = order, expected(instance, order.ranks, budget, order.groups, fresh)
            base = found[BASE][1]
            for name, (order, its) in found.items():
                yield {
                    "set": case.group,
                    "instance": case.name,
                    "threads": budget,
                    "method": name,
                    "runs": runs,
                    "scenarios": scenarios,
                    "mean_s": instance.seconds(its.mean),
                    "p90_s": instance.seconds(its.p90),
                    "over_critical_path": its.mean / base.mean if base.mean else 1.0,
                    "p90_over_critical_path": its.p90 / base.p90 if base.p90 else 1.0,
                    "groups": len(order.groups),
                    "seconds": round(order.seconds, 4),
                }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return means, extremes and counts by set and order as text."""
    head = f"{'set':<26}{'method':<15}{'runs':>5}{'mean':>9}{'best':>9}{'worst':>9}{'p90':>9}{'groups':>8}"
    lines = [f"{head}{'s':>8}   (expected makespan over that of the critical path)"]
    keys = dict.fromkeys((row["set"], row["method"]) for row in rows)
    for group, method in keys:
        its = [row for row in rows if (row["set"], row["method"]) == (group, method)]
        ratios = [row["over_critical_path"] for row in its]
        p90 = fmean(row["p90_over_critical_path"] for row in its)
        groups = sum(row["groups"] > 0 for row in its)
        lines.append(
            f"{group:<26}{method:<15}{len(its):>5}{fmean(ratios):>9.4f}{min(ratios):>9.4f}{max(ratios):>9.4f}"
            f"{p90:>9.4f}{groups:>8}{median(row['seconds'] for row in its):>8.2f}"
        )
    return "\n".join(lines)
