"""Random DAGs that the real Tawazi runs in the order of a plan: a command, and what a test asks of it.

    python -m tests.tawazi_orders --dags 200 --most 120      (under PYTHONHASHSEED=0, 1, 2 …)

Each DAG has a random wanted order. Tawazi, configured by the plan and with one thread, must run exactly that
order. It prints how many DAGs it tried, and ends with an error at the first that went wrong.
"""

from __future__ import annotations

import argparse
import random
import sys
from itertools import pairwise
from typing import Any

import msgspec
from tawazi import Resource, dag, xn

from makespan.adapters.tawazi import apply_to, from_tawazi
from makespan.plan import DagId
from tests.report_data import make_plan, node_plan


def make_dag(rng: random.Random, most: int) -> Any:
    """Return a DAG of up to `most` nodes: constants, keywords, parts, conditions, sub-DAGs, priorities."""
    n = rng.randint(1, most)
    width = rng.choice([1, 2, 5, n])
    density = rng.choice([0.02, 0.1, 0.3, 0.7])
    kinds = [
        xn(priority=rng.randint(-5, 5), is_sequential=rng.random() < 0.2)(make_step(k)) for k in range(3)
    ]
    kinds += [xn(priority=7, resource=Resource.main_thread)(make_step(3))]

    @dag
    def inner(v: Any, w: Any = 2) -> Any:
        return kinds[0](kinds[1](v), w), kinds[2](w)

    @dag
    def pipe(x: int = 1) -> Any:
        made: list[Any] = [x]
        for i in range(n):
            near = made[-width:] if rng.random() < 0.8 else made
            taken = [v for v in near if rng.random() < density] or [rng.choice(near)]
            values = [v[0] if rng.random() < 0.1 and v is not x else v for v in taken]
            if i == n // 2 and rng.random() < 0.3:
                made.extend(inner(values[0]))
                continue
            keywords = {"twz_active": rng.choice(made)} if rng.random() < 0.05 else {}
            made.append(rng.choice(kinds)(*values, **keywords))
        return made[-1]

    return pipe


def make_step(kind: int) -> Any:
    def step(*given: Any) -> Any:
        return (kind, len(given))

    step.__qualname__ = f"step{kind}"
    return step


def wanted_order(rng: random.Random, ours: Any) -> list[str]:
    """Return a random topological order."""
    structure = ours.check()
    left = [len(p) for p in structure.preds]
    ready = [i for i, count in enumerate(left) if not count]
    order = []
    while ready:
        i = ready.pop(rng.randrange(len(ready)))
        order.append(structure.names[i])
        for s in structure.succs[i]:
            left[s] -= 1
            if not left[s]:
                ready.append(s)
    return order


def plan_of(ours: Any, order: list[str], threads: int) -> Any:
    """Return a plan that wants an order."""
    structure = ours.check()
    after = dict(
        zip(structure.names, ([structure.names[p] for p in preds] for preds in structure.preds), strict=True)
    )
    nodes = [
        node_plan(
            name,
            rank,
            float(rank),
            1.0,
            0,
            after=tuple(after[name]),
            exclusive=ours.nodes[name].options.exclusive,
        )
        for rank, name in enumerate(order)
    ]
    plan = make_plan(nodes, threads=threads)
    return msgspec.structs.replace(plan, dag=DagId(ours.name, ours.fingerprint))


def ran_order(made: Any) -> list[str]:
    """Run a DAG by Tawazi, and return the ids of the nodes in the order in which they ran."""
    ran: list[str] = []
    xns = dict(made.exec_nodes)
    for id_, its in xns.items():
        if its.exec_function.__qualname__.startswith("step"):
            object.__setattr__(its, "exec_function", noted(its.exec_function, id_, ran))
    made()
    return ran


def noted(fn: Any, id_: str, ran: list[str]) -> Any:
    def step(*given: Any) -> Any:
        ran.append(id_)
        return fn(*given)

    step.__qualname__ = fn.__qualname__
    return step


def check(seed: int, most: int) -> int:
    """Try one DAG, and return its number of nodes."""
    rng = random.Random(seed)
    made = make_dag(rng, most)
    ours = from_tawazi(made)
    order = wanted_order(rng, ours)
    applied = apply_to(made, plan_of(ours, order, 1))
    compound = made.graph_ids.compound_priority
    worth = [compound[id_] for id_ in applied.order]
    assert all(a > b for a, b in pairwise(worth)), f"DAG {seed}: compounds do not fall"
    inactive = {id_ for id_, its in made.exec_nodes.items() if its.active is not None}
    ran = [id_ for id_ in ran_order(made) if id_ not in inactive]
    wanted = [id_ for id_ in order if id_ not in inactive]
    assert ran == wanted, f"DAG {seed}: wanted {wanted}, ran {ran}"
    return len(order)


def main() -> int:
    """Try as many as are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dags", type=int, default=200)
    parser.add_argument("--most", type=int, default=120)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    sizes = [check(seed, options.most) for seed in range(options.first, options.first + options.dags)]
    sys.stdout.write(f"{len(sizes)} DAGs, {sum(sizes)} nodes, the largest of {max(sizes)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
