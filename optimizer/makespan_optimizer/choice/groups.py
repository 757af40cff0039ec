"""Sequential groups: nodes of which one runs at a time, with the reason and the evidence.

*Declared*: nodes that share a lock, and exclusive nodes. They hold whatever a plan says; the plan names them
so that people see them.

*Computed*: nodes that hold the GIL nearly all the time gain nothing from running at once: two take as long
together as one after the other, but both end late, and a thread that waits for the GIL starts nothing else.
Such a group is only a candidate. It enters a plan when the simulator says that it helps, and says by how
much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from makespan.plan import PlanGroup
from makespan.profile_shape import CALLING_THREAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.structure import Structure
    from makespan_optimizer.instance import Instance

HOLDS = 700  # thousandths of the GIL: more than that, and overlapping two gains little
_MOST_BITS = 50_000_000  # of memory, for sets of nodes


def declared_groups(structure: Structure) -> list[PlanGroup]:
    """Return the locks that two nodes or more share, by name, and the exclusive nodes.

    >>> from makespan.structure import build
    >>> s = build(["a", "b"], [[], []], locks=[["db"], ["db"]])
    >>> [(group.name, group.nodes) for group in declared_groups(s)]
    [('lock db', ('a', 'b'))]
    """
    found = []
    for lock in sorted({lock for some in structure.locks for lock in some}):
        nodes = sorted(
            name for name, some in zip(structure.names, structure.locks, strict=True) if lock in some
        )
        if len(nodes) > 1:
            found.append(
                PlanGroup(
                    f"lock {lock}",
                    tuple(nodes),
                    1,
                    "lock",
                    f"declared: {len(nodes)} nodes run in {lock}"
                    if lock.strip() == CALLING_THREAD
                    else f"declared: {len(nodes)} nodes share lock {lock!r}",
                )
            )
    alone = sorted(name for name, only in zip(structure.names, structure.exclusive, strict=True) if only)
    if alone:
        found.append(PlanGroup("exclusive", tuple(alone), 1, "exclusive", "declared: each runs alone"))
    return found


def gil_holders(instance: Instance, more_than: int = HOLDS) -> tuple[int, ...]:
    """Return the nodes that hold the GIL for more than 0.7 of their time and can overlap another such node.

    Only measured shares count: clocks alone cannot tell a Python loop from a matrix product. Empty when no
    two of them can overlap.

    Parameters
    ----------
    more_than : int
        Another share, in thousandths.
    """
    alone = instance.structure.exclusive
    return overlapping(
        instance.structure,
        [
            i
            for i, share in enumerate(instance.gil_sure)
            if share > more_than and instance.wall[i] and not alone[i]
        ],
    )


def overlapping(structure: Structure, nodes: Sequence[int]) -> tuple[int, ...]:
    """Return those of the nodes that neither come before nor after all others of them.

    Not looked at in a large DAG, where nearly all do.
    """
    n = len(structure)
    if n * len(nodes) > _MOST_BITS:
        return tuple(nodes)
    bit = dict.fromkeys(range(n), 0) | {i: 1 << k for k, i in enumerate(nodes)}
    # Which of them come before and after each node: one integer of bits each, O(nodes + edges) operations.
    before, after = [0] * n, [0] * n
    for i in structure.order:
        for p in structure.preds[i]:
            before[i] |= before[p] | bit[p]
    for i in reversed(structure.order):
        for j in structure.succs[i]:
            after[i] |= after[j] | bit[j]
    everyone = (1 << len(nodes)) - 1
    return tuple(i for i in nodes if everyone & ~(before[i] | after[i] | bit[i]))


def computed_group(
    instance: Instance,
    reason: Literal["gil", "cores", "measured"],
    nodes: Sequence[int],
    limit: int,
    with_it: float,
    without: float,
    scenarios: int = 1,
) -> PlanGroup:
    """Return a group for a plan, with its evidence and gain.

    Parameters
    ----------
    with_it, without : float
        Makespan in ticks with the group and with the best plan that has none, in the mean over the scenarios.
    """
    names = tuple(sorted(instance.structure.names[i] for i in nodes))
    saved = 1 - with_it / without
    after_s, before_s = instance.seconds(with_it), instance.seconds(without)
    if reason == "gil":
        title = "GIL holders"
        why = f"each holds the GIL for {min(instance.gil[i] for i in nodes) / 1000:.0%} or more of its time"
    elif reason == "cores":
        title = "core users"
        why = f"each keeps {min(instance.core[i] for i in nodes) / 1000:g} or more of the cores busy"
    else:
        title = f"{names[0]} and others"
        why = "measured: each two of them take longer together than one after the other"
    at_once = "one" if limit == 1 else str(limit)
    where = "in the simulator" if scenarios == 1 else f"over {scenarios} scenarios"
    evidence = (
        f"{why}; {at_once} at a time gives {after_s:.6g} s instead of {before_s:.6g} s (-{saved:.1%}) {where}"
    )
    return PlanGroup(title, names, limit, reason, evidence)
