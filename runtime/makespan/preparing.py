"""From a DAG, a plan and settings to what runs: everything is checked, compiled and joined here, once.

::

    plan ── fit ── select ──┐
                            ├── rules ─────────┐
    DAG ── functions ── program ── contract ───┴── Prepared

Each feature of a node is something round its function (`_functions`) or round its call (`_called`), put there
only where it is used: what is not used costs nothing while running.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from makespan.conditions import apart
from makespan.dispatch import Rules
from makespan.errors import PlanError
from makespan.fit import fit
from makespan.options import check_threads
from makespan.prepared import Prepared
from makespan.program import compile_program
from makespan.selection import restricted, select
from makespan.settings import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan.fit import Fit
    from makespan.graph import DAG
    from makespan.plan import Plan
    from makespan.program import Program
    from makespan.settings import Settings


def prepare(
    dag: DAG[..., Any],
    plan: Plan | str | os.PathLike[str] | None,
    threads: int | None,
    settings: Settings = PLAIN,
) -> Prepared:
    """Check and compile (see `DAG.prepare`); without plan and settings, remembered on the DAG per budget."""
    if threads is not None:
        check_threads(threads)
    dag.described()
    if isinstance(plan, str | os.PathLike):
        from makespan.plan import load_plan

        where = str(plan)
        plan = load_plan(plan)
    else:
        where = "plan"
        if plan is not None:
            from makespan.plan import checked_plan

            plan = checked_plan(plan, where)
    # Taken once: a DAG that grows meanwhile starts a new cache, so that this one may not hold what is old.
    cache = dag._prepared  # noqa: SLF001
    plain = plan is None and settings is PLAIN
    made = cache.get(threads) if plain else None
    if made is None:
        made = _made(dag, plan, threads, where, settings)
        if plain:
            cache[threads] = made
    return made


def _made(
    dag: DAG[..., Any], plan: Plan | None, threads: int | None, where: str, settings: Settings
) -> Prepared:
    fitted = fit(dag, plan, threads, where, settings)
    if plan is not None:
        _refuse_modes(plan, where)
    fitted, chosen = select(dag, fitted, settings)
    program = restricted(compile_program(dag, _functions(dag, fitted, settings)), chosen)
    fitted = apart(program, fitted)
    program = _called(program, fitted, settings)
    callers = frozenset(i for i, mode in fitted.modes.items() if mode == "caller")
    rules = Rules(
        fitted.structure,
        fitted.ranks,
        fitted.threads,
        fitted.groups,
        vacant=fitted.vacant,
        callers=callers,
    )
    prepared = Prepared(dag, program, rules, plan)
    prepared.notes = fitted.notes
    return prepared


def _functions(dag: DAG[..., Any], fitted: Fit, settings: Settings) -> dict[str, Callable[..., Any]]:
    """Return what is called in the place of some nodes' own functions, by name."""
    made: dict[str, Callable[..., Any]] = {}
    if fitted.native:
        from makespan.native_limits import limited_functions

        made |= limited_functions(list(dag.nodes.values()), fitted)
    return made


def _called(program: Program, fitted: Fit, settings: Settings) -> Program:
    """Return the program with what its settings put round the calls."""
    return program


def _refuse_modes(plan: Plan, where: str) -> None:
    """Refuse modes that a run would silently leave out.

    Raises
    ------
    PlanError
        A node is to run in a worker process.
    """
    clustered = {name for cluster in plan.clusters for name in cluster.nodes}
    for node in plan.nodes:
        if node.mode == "process" or node.name in clustered:
            raise PlanError(
                f"it has node {node.name!r} run in a worker process, and runs have only threads so far",
                where=where,
                hint="optimize without --processes and without pins to a process",
            )
