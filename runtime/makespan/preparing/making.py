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

from makespan.around.functions import declared_functions
from makespan.describing.options import check_threads
from makespan.describing.returned import is_coroutine_function
from makespan.dispatch import Rules
from makespan.engine.executor import Terms
from makespan.errors import DescribeError
from makespan.preparing.fit import fit
from makespan.preparing.prepared import Prepared
from makespan.preparing.program import compile_program
from makespan.preparing.restricting import restricted
from makespan.preparing.selection import select
from makespan.preparing.settings import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan.graph import DAG
    from makespan.plan import Plan
    from makespan.preparing.fit import Fit
    from makespan.preparing.parts import Part
    from makespan.preparing.program import Program
    from makespan.preparing.settings import Settings

LONG_S = 0.5
"""The calling thread only looks on when a node takes so long: it would see Ctrl-C and failures late."""
WORTH_S = 50e-6
"""A hand-off to another thread takes about so long."""


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
    fitted, chosen = select(dag, fitted, settings)
    functions: dict[str, Callable[..., Any]] = {}
    parts: list[Part] = []
    ahead: Callable[[], None] | None = None
    warm: Callable[[float | None], float] | None = None
    if fitted.clusters or "process" in fitted.modes.values():
        from makespan.processes.layout import lay_out

        functions, parts, fitted, ahead, warm = lay_out(
            dag, fitted, where, go_on=settings.on_error == "continue"
        )
    program = restricted(compile_program(dag, _functions(dag, fitted, settings, functions)), chosen)
    if "caller" in fitted.modes.values():
        _set_apart(dag, program, fitted)
    if parts:
        from makespan.preparing.contraction import contract

        program, fitted = contract(program, fitted, parts)
    counters = None
    if settings.drift:
        from makespan.around.counters import counters_of

        counters = counters_of(dag, plan, fitted, settings.drift)
        program = counters.counting(program)
    if settings.hooks:
        from makespan.around.hooks import hooked

        program = hooked(program, settings.hooks)
    terms = _terms(dag, fitted, settings)
    fused, joined = _fused(dag, program, fitted, terms)
    unfused = None if fused is program else lambda: (program, _rules(fitted))
    prepared = _kind(fitted)(
        dag,
        fused,
        _rules(joined),
        plan,
        terms,
        unfused=unfused,
        notes=fitted.notes,
        counters=counters,
        ahead=ahead,
        warm=warm,
    )
    prepared.switch_interval_s = fitted.switch_interval_s
    return prepared


def _kind(fitted: Fit) -> type[Prepared]:
    if fitted.switch_interval_s is None:
        return Prepared
    from makespan.around.switching import Switching

    return Switching


def _set_apart(dag: DAG[..., Any], program: Program, fitted: Fit) -> None:
    """Tell the nodes of the calling thread that they may block an event loop.

    Raises
    ------
    DescribeError
        One is a coroutine function.
    """
    from makespan.awaiting.coroutines import off_home

    for i, node in enumerate(list(dag.nodes.values())):
        if fitted.modes.get(i) == "caller" and i not in fitted.vacant:
            if is_coroutine_function(node.fn):
                raise DescribeError(
                    f"node {node.name!r} is a coroutine function, which runs on an event loop, "
                    "and is to run in the calling thread",
                    where=node.place,
                    hint="leave out mode='caller': under arun it runs on the caller's loop, in its thread",
                )
            program.calls[i] = off_home(program.calls[i])


def _rules(fitted: Fit) -> Rules:
    return Rules(
        fitted.structure,
        fitted.ranks,
        fitted.threads,
        fitted.groups,
        vacant=fitted.vacant,
        callers=frozenset(i for i, mode in fitted.modes.items() if mode == "caller"),
        loose=fitted.loose,
    )


def _terms(dag: DAG[..., Any], fitted: Fit, settings: Settings) -> Terms:
    """Say how the runs go, beside who may start when."""
    durations_s = [None if i in fitted.vacant else its for i, its in enumerate(fitted.durations_s)]
    timeouts_s = {
        i: node.options.timeout_s
        for i, node in enumerate(list(dag.nodes.values()))
        if node.options.timeout_s is not None and i not in fitted.vacant
    }
    known = any(its is not None for its in durations_s)
    return Terms(
        settings.timeout_s,
        timeouts_s,
        settings.on_error == "continue",
        any(its is not None and its >= LONG_S for its in durations_s),
        [i not in fitted.vacant and (its is None or its >= WORTH_S) for i, its in enumerate(durations_s)]
        if known
        else None,
    )


def _fused(dag: DAG[..., Any], program: Program, fitted: Fit, terms: Terms) -> tuple[Program, Fit]:
    """Return what runs with chains as one node each.

    With one thread everything is one straight line anyway; and when a run goes on after a failure, what
    depends on a chain's first nodes only must run without its last. A run whose time is up names what runs.
    """
    if not fitted.chains or fitted.threads == 1 or terms.go_on or terms.timeout_s is not None:
        return program, fitted
    from makespan.preparing.chains import chains_of
    from makespan.preparing.contraction import contract

    coroutines = {i for i, node in enumerate(list(dag.nodes.values())) if is_coroutine_function(node.fn)}
    return contract(program, fitted, chains_of(fitted, {*terms.timeouts_s, *coroutines, *program.scatter}))


def _functions(
    dag: DAG[..., Any], fitted: Fit, settings: Settings, made: dict[str, Callable[..., Any]]
) -> dict[str, Callable[..., Any]]:
    """Return what is called in the place of some nodes' own functions, by name; `made` has some of them."""
    if fitted.native:
        from makespan.around.native_limits import limited_functions

        made |= limited_functions(list(dag.nodes.values()), fitted)
    declared_functions(dag, made)
    if settings.hooks:
        from makespan.around.hooks import hooked_functions

        hooked_functions(dag, settings.hooks, made)
    return made
