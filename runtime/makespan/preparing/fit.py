"""A plan fitted to a DAG: from names to node numbers, checked before anything runs.

Node numbers are those of the DAG's `Structure` throughout, also after nodes were left out or joined: what
does not run by itself is *vacant*, and keeps its number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.errors import DescribeError, PlanError
from makespan.preparing.order import default_ranks

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from makespan.graph import DAG
    from makespan.plan import Plan, PlanCluster, PlanNode
    from makespan.preparing.settings import Settings
    from makespan.preparing.stale import Followed
    from makespan.structure import Structure


class Fit(NamedTuple):
    """What a run obeys.

    Attributes
    ----------
    structure : Structure
        Edges to wait for: those of the DAG and what the plan adds.
    ranks : sequence of int, shape (n,)
        A permutation; rank 0 starts first among the ready.
    threads : int
    groups : sequence of (nodes, limit)
        Exclusions beside declared locks and exclusive nodes.
    durations_s : sequence of float or None, shape (n,)
        Planned, else hinted; None where nothing is known.
    modes : mapping of int to str
        ``process`` or ``caller`` for the nodes that do not run in any thread.
    native : mapping of int to int
        Native threads of the nodes that have a limit.
    clusters : sequence of PlanCluster
    chains : sequence of tuple of int
        Nodes that one worker runs back to back.
    switch_interval_s : float or None
    vacant : frozenset of int
        Nodes that do not run, or run within another one.
    notes : tuple of str
        What of the plan could not be followed, in sentences.
    loose : mapping of int to set of int
        Of the edges, from node to node, those that the plan adds.
    """

    structure: Structure
    ranks: Sequence[int]
    threads: int
    groups: Sequence[tuple[Sequence[int], int]]
    durations_s: Sequence[float | None]
    modes: dict[int, str]
    native: dict[int, int]
    clusters: Sequence[PlanCluster] = ()
    chains: Sequence[tuple[int, ...]] = ()
    switch_interval_s: float | None = None
    vacant: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()
    loose: Mapping[int, Collection[int]] = {}


def fit(dag: DAG[..., Any], plan: Plan | None, threads: int | None, where: str, settings: Settings) -> Fit:
    """Fit a plan to a DAG; without one: critical path first, on hints.

    With `allow_stale` a plan for another state of the DAG is followed as far as it goes
    (`makespan.preparing.stale`).

    Raises
    ------
    PlanError
        The plan is for another DAG, for more threads, or contradicts the DAG.
    """
    structure = dag.check()
    options = [node.options for node in list(dag.nodes.values())]
    modes: dict[int, str] = {
        i: mode for i, its in enumerate(options) if (mode := its.mode) and mode != "thread"
    }
    native = {i: its.native_threads for i, its in enumerate(options) if its.native_threads is not None}
    hints = [its.hint_s for its in options]
    if plan is None:
        ranks = default_ranks(structure, hints)
        return Fit(
            structure, ranks, threads or dag.default_threads or default_threads(), (), hints, modes, native
        )
    follow = _followed(plan, structure, dag.fingerprint, hints, threads, where, settings)
    number = {name: i for i, name in enumerate(structure.names)}
    durations: list[float | None] = hints if len(follow.nodes) < len(structure) else [None] * len(structure)
    for node in follow.nodes:
        i = number[node.name]
        durations[i] = node.duration_s
        if options[i].mode is None and node.mode == "process":
            modes[i] = "process"
        if node.native_threads is not None:
            native.setdefault(i, node.native_threads)
    # Declared locks and exclusive nodes are in the structure already.
    groups = [
        ([number[name] for name in group.nodes], group.limit)
        for group in follow.groups
        if group.reason not in ("lock", "exclusive")
    ]
    loose: dict[int, set[int]] = {}
    for node in follow.nodes:
        for name in node.starts_after:
            if number[name] not in structure.preds[number[node.name]]:
                loose.setdefault(number[name], set()).add(number[node.name])
    return Fit(
        _with_starts_after(structure, follow.nodes, where),
        follow.ranks,
        follow.threads,
        groups,
        durations,
        modes,
        native,
        follow.clusters,
        [tuple(number[name] for name in chain) for chain in follow.chains],
        plan.switch_interval_s,
        notes=follow.notes,
        loose=loose,
    )


def _followed(
    plan: Plan,
    structure: Structure,
    fingerprint: str,
    hints: Sequence[float | None],
    threads: int | None,
    where: str,
    settings: Settings,
) -> Followed:
    """Return what of the plan is followed: all of it, unless `allow_stale` is set.

    Raises
    ------
    PlanError
    """
    from makespan.preparing.stale import Followed, followed

    if settings.allow_stale:
        found = followed(plan, structure, fingerprint, hints, threads)
        if found.notes:
            _warn(found.notes, where)
        return found
    ranks = plan.ranks(structure, fingerprint=fingerprint, where=where)
    if threads is not None and plan.threads > threads:
        raise PlanError(
            f"the plan is for {plan.threads} threads, more than the {threads} allowed",
            where=where,
            hint=f"optimize with --threads {threads}",
        )
    return Followed(ranks, plan.threads, plan.nodes, plan.groups, plan.clusters, plan.chains)


def _warn(notes: Sequence[str], where: str) -> None:
    import sys
    import warnings

    from makespan.preparing.stale import PlanWarning

    level = 1
    while sys._getframe(level).f_globals.get("__name__", "").startswith("makespan."):  # noqa: SLF001
        level += 1  # whoever asked for the run
    said = f"{where} is followed in part: {'; '.join(notes)}"
    warnings.warn(said, PlanWarning, stacklevel=level + 1)


def _with_starts_after(structure: Structure, nodes: Sequence[PlanNode], where: str) -> Structure:
    """Return the structure with the further precedence that was asked for when the plan was made.

    Raises
    ------
    PlanError
        It names a node that the DAG has not, or nodes would wait for each other.
    """
    further = {node.name: node.starts_after for node in nodes if node.starts_after}
    if not further:
        return structure
    from makespan.structure import build

    names = structure.names
    try:
        return build(
            names,
            [
                [*(names[p] for p in some), *further.get(name, ())]
                for name, some in zip(names, structure.preds, strict=True)
            ],
            locks=structure.locks,
            exclusive=structure.exclusive,
        )
    except DescribeError as error:
        raise PlanError(
            f"with what nodes start after, {error}", where=where, hint="optimize again"
        ) from error


def default_threads() -> int:
    """Return the budget without a plan: the usable cores, at least 2."""
    from makespan.machine import usable_cores

    return max(2, round(usable_cores()))
