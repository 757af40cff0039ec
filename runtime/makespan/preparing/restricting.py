"""What is left of a plan and a program when a part of the DAG runs: see `makespan.preparing.selection`.

The numbers of nodes, their ranks and the groups that they share stay those of the whole DAG. A value goes to
nobody who does not run, and a given one stands where it would have been pushed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from makespan.around.conditions import SKIPPED
from makespan.preparing.selection import EVERYTHING
from makespan.structure import Structure

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from makespan.plan import PlanCluster
    from makespan.preparing.fit import Fit
    from makespan.preparing.program import Program
    from makespan.preparing.selection import Selection


def plan_without(fitted: Fit, left_out: frozenset[int]) -> Fit:
    """Return what is obeyed when some nodes are left out: no edges, locks or modes of theirs."""
    structure = fitted.structure

    def kept(edges: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
        return tuple(
            () if i in left_out else tuple(j for j in some if j not in left_out)
            for i, some in enumerate(edges)
        )

    groups = []
    for members, limit in fitted.groups:
        some = [i for i in members if i not in left_out]
        if len(some) > limit:
            groups.append((some, limit))
    names = structure.names
    gone = {names[i] for i in left_out}
    return fitted._replace(
        structure=Structure(
            names,
            kept(structure.preds),
            kept(structure.succs),
            structure.order,
            tuple(() if i in left_out else some for i, some in enumerate(structure.locks)),
            tuple(alone and i not in left_out for i, alone in enumerate(structure.exclusive)),
        ),
        groups=groups,
        modes={i: mode for i, mode in fitted.modes.items() if i not in left_out},
        native={i: limit for i, limit in fitted.native.items() if i not in left_out},
        clusters=[its for cluster in fitted.clusters if (its := _smaller(cluster, gone)) is not None],
        chains=[piece for chain in fitted.chains for piece in _pieces(chain, left_out)],
        vacant=fitted.vacant | left_out,
    )


def _smaller(cluster: PlanCluster, gone: Collection[str]) -> PlanCluster | None:
    members = tuple(name for name in cluster.nodes if name not in gone)
    if not members:
        return None
    again = tuple(name for name in cluster.again if name not in gone)
    return msgspec.structs.replace(cluster, nodes=members, again=again)


def _pieces(chain: Sequence[int], left_out: Collection[int]) -> list[tuple[int, ...]]:
    """Return what is left of a chain: where a node is missing, the next piece need not wait for the last.

    >>> _pieces([4, 5, 6, 7, 8, 9], {6, 8})
    [(4, 5)]
    """
    pieces: list[list[int]] = [[]]
    for i in chain:
        if i in left_out:
            pieces.append([])
        else:
            pieces[-1].append(i)
    return [tuple(piece) for piece in pieces if len(piece) > 1]


def restricted(program: Program, chosen: Selection) -> Program:
    """Return the program of the nodes that run: given values in place, targets kept; it must be fresh."""
    if chosen is EVERYTHING:
        return program
    left_out, given, targets = chosen.left_out, chosen.given, frozenset(chosen.targets)

    def running(some: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        return [place for place in some if place[0] not in left_out]

    templates = [() if i in left_out else its for i, its in enumerate(program.templates)]
    for i, value in given.items():
        for consumer, slot in running(program.pushes[i]):
            templates[consumer][slot] = value  # type: ignore[index]

    def output(kept: Mapping[int, Any], inputs: Mapping[str, Any]) -> Any:
        return program.output({**kept, **given}, inputs)

    return program._replace(
        templates=templates,
        pushes=[() if i in left_out else tuple(running(some)) for i, some in enumerate(program.pushes)],
        keeps=[i not in left_out and (keep or i in targets) for i, keep in enumerate(program.keeps)],
        inputs={name: running(some) for name, some in program.inputs.items()},
        output=output if given else program.output,
        chosen=chosen,
    )


def values_of(program: Program, kept: Mapping[int, Any]) -> dict[str, Any]:
    """Return the results of the targets by name; None for what was skipped or did not come."""
    chosen = program.chosen
    names = program.structure.names
    found = {i: chosen.given.get(i, kept.get(i)) for i in chosen.targets}
    return {names[i]: None if value is SKIPPED else value for i, value in found.items()}
