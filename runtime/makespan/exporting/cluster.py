"""A plan as what a dask cluster can be told: a priority of each task, and resources in place of locks.

A cluster chooses the worker and the moment itself; among tasks that are ready it starts the one with the
greatest priority. So the first rank gets the greatest number. A lock becomes an abstract resource of which
there is one, on one worker; tasks that ask for it then run on that worker, one at a time.

Tasks are named as `makespan.adapters.from_dask` names them: keys without their tokens. In Python,
`makespan.adapters.dask_priorities.prioritised` gives the same order to a collection, with its real keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.exporting.rows import of_plan
from makespan.jsontext import readable
from makespan.showing.words import some

if TYPE_CHECKING:
    from makespan.plan import Plan

FORMAT = "makespan-dask/1"


def to_priorities(plan: Plan) -> tuple[str, tuple[str, ...]]:
    """Return the JSON text, and what a cluster cannot be told, a sentence each.

    ``{"priority": {task: int}, "resources": {task: {"lock:…": 1}}}``.
    """
    nodes = sorted(plan.nodes, key=lambda its: its.rank)
    body = {
        "format": FORMAT,
        "dag": plan.dag.name,
        "fingerprint": plan.dag.fingerprint,
        "threads": plan.threads,
        "priority": {its.name: len(nodes) - its.rank for its in nodes},
        "resources": {its.name: {f"lock:{lock}": 1 for lock in its.locks} for its in nodes if its.locks},
    }
    return readable(body).decode(), tuple(_lost(plan))


def _lost(plan: Plan) -> list[str]:
    lost = list(of_plan(plan).notes)
    if alone := [its.name for its in plan.nodes if its.exclusive]:
        lost.append(f"that nothing runs beside {some(alone)}")
    if later := [its.name for its in plan.nodes if its.starts_after]:
        lost.append(f"what {some(later)} should start after beside its inputs")
    if native := [its.name for its in plan.nodes if its.native_threads is not None]:
        lost.append(f"the limit of native threads of {some(native)}")
    locks = sorted({lock for its in plan.nodes for lock in its.locks})
    if locks:
        lost.append(f"locks, unless one worker alone has them: dask worker --resources 'lock:{locks[0]}=1'")
    return lost
