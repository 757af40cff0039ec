"""All the ways in which a DAG can be run: what holds for one of them must hold for all.

A way is a budget, an engine (nothing but order; exclusions; a limit of time; the caller only looks on), a
plan (none; ranks; ranks and chains), and whether the run is traced.

>>> from makespan import DAG
>>> made = DAG("two")
>>> made.returns(made.add(abs, made.add(abs, -3)))
>>> {way.run(made) for way in WAYS}
{3}
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from makespan.plan import DagId, Plan, PlanGroup, PlanNode, Solver
from tests.builders import MACHINE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan import DAG
    from makespan.preparing.prepared import Prepared
    from makespan.structure import Structure

BUDGETS = (1, 2, 4, 8)


class Way(NamedTuple):
    """One way to run a DAG."""

    threads: int
    engine: str = "plain"
    plan: str = "no plan"
    traced: bool = False

    def prepare(self, made: DAG[..., Any], **settings: Any) -> Prepared:
        """Prepare a DAG for this way."""
        if self.engine == "timed":
            settings.setdefault("timeout_s", 3600.0)
        if self.plan == "no plan" and self.engine != "locks":
            return made.prepare(threads=self.threads, **settings)
        structure = made.check()
        groups = []
        if self.engine == "locks" and len(structure):  # a limit that never holds anything up
            groups = [PlanGroup("all", structure.names, 16, "gil")]
        return made.prepare(
            plan_of(
                made,
                self.threads,
                ranks=list(structure.order) if self.plan == "no plan" else None,
                chains=chains_of(structure) if self.plan == "chains" else (),
                groups=groups,
                duration_s=1.0 if self.engine == "long" else 0.01,
            ),
            **settings,
        )

    def call(self, fast: Prepared, *args: Any, **kwargs: Any) -> Any:
        """Run what is prepared; returns the DAG's result or raises what the run raised."""
        return fast.run(*args, **kwargs).result if self.traced else fast(*args, **kwargs)

    def run(self, made: DAG[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Prepare and run."""
        return self.call(self.prepare(made), *args, **kwargs)

    def __str__(self) -> str:
        return f"{self.threads}-{self.engine}-{self.plan}{'-traced' if self.traced else ''}"


WAYS = [
    Way(*some)
    for some in product(
        BUDGETS, ("plain", "locks", "timed", "long"), ("no plan", "ranks", "chains"), (False, True)
    )
    if some[1:3] != ("long", "no plan")  # without a plan nobody knows how long it takes
]
every_way = pytest.mark.parametrize("way", WAYS, ids=str)
untraced = pytest.mark.parametrize("way", [way for way in WAYS if not way.traced], ids=str)
# One of each engine, for what takes longer.
few_ways = pytest.mark.parametrize(
    "way",
    [
        Way(1),
        Way(1, "plain", "chains", traced=True),
        Way(2),
        Way(2, "locks", "ranks", traced=True),
        Way(4, "timed", "chains"),
        Way(4, "long", "chains"),
        Way(8, "locks", "chains"),
    ],
    ids=str,
)


def chains_of(structure: Structure) -> list[tuple[str, ...]]:
    """Return the longest runs of nodes that have one predecessor and one successor each."""
    chains = []
    for first in range(len(structure)):
        preds = structure.preds[first]
        if len(preds) == 1 and len(structure.succs[preds[0]]) == 1:
            continue
        chain = [first]
        while len(structure.succs[chain[-1]]) == 1:
            (after,) = structure.succs[chain[-1]]
            if len(structure.preds[after]) > 1:
                break
            chain.append(after)
        if len(chain) > 1:
            chains.append(tuple(structure.names[i] for i in chain))
    return chains


def plan_of(
    made: DAG[..., Any],
    threads: int,
    *,
    ranks: Sequence[int] | None = None,
    chains: Sequence[Sequence[str]] = (),
    groups: Sequence[PlanGroup] = (),
    duration_s: float = 1.0,
) -> Plan:
    """Return a plan by hand; without `ranks` the last declared node is the most urgent.

    `ranks` are node numbers in their order.
    """
    structure = made.check()
    n = len(structure)
    rank_of = {i: rank for rank, i in enumerate(ranks if ranks is not None else reversed(range(n)))}
    nodes = [
        PlanNode(
            name=name,
            rank=rank_of[i],
            start_s=0.0,
            duration_s=duration_s,
            lane=0,
            alone_s=duration_s,
            after=tuple(structure.names[p] for p in structure.preds[i]),
            locks=structure.locks[i],
            exclusive=structure.exclusive[i],
        )
        for i, name in enumerate(structure.names)
    ]
    return Plan(
        makespan_version="0.1.0",
        dag=DagId(made.name, made.fingerprint),
        machine=MACHINE,
        threads=threads,
        cores=2.0,
        makespan_s=1.0,
        default_makespan_s=1.0,
        lower_bound_s=1.0,
        binding="critical path",
        gap=0.0,
        solver=Solver("default order", "feasible", "made by hand", 1, 0.0),
        groups=tuple(groups),
        chains=tuple(tuple(chain) for chain in chains),
        nodes=tuple(sorted(nodes, key=lambda node: node.name)),
    )
