"""Sequential groups: nodes of which one runs at a time, with the reason and the evidence.

*Declared*: nodes that share a lock, and exclusive nodes. They hold whatever a plan says; the plan names them
so that people see them.

*Computed*: nodes that hold the GIL nearly all the time gain nothing from running at once: two take as long
together as one after the other, but both end late, and a thread that waits for the GIL starts nothing else.
Such a group is only a candidate. It enters a plan when the simulator says that it helps, and says by how
much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.plan import PlanGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.structure import Structure
    from makespan_optimizer.instance import Instance

HOLDS = 700  # thousandths of the GIL: more than that, and overlapping two gains little
# A group must shorten the makespan by this share: smaller gains in a simulator tend to vanish when measured.
WORTH = 0.02


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
                    f"declared: {len(nodes)} nodes share lock {lock!r}",
                )
            )
    alone = sorted(name for name, only in zip(structure.names, structure.exclusive, strict=True) if only)
    if alone:
        found.append(PlanGroup("exclusive", tuple(alone), 1, "exclusive", "declared: each runs alone"))
    return found


def gil_holders(instance: Instance) -> tuple[int, ...]:
    """Return the nodes that hold the GIL for more than 0.7 of their time and can overlap another such node.

    Only measured shares count: clocks alone cannot tell a Python loop from a matrix product. Empty when no
    two of them can overlap.
    """
    s = instance.structure
    holders = [
        i
        for i, share in enumerate(instance.gil_sure)
        if share > HOLDS and instance.wall[i] and not s.exclusive[i]
    ]
    bit = dict.fromkeys(range(len(instance)), 0) | {i: 1 << k for k, i in enumerate(holders)}
    # Which holders come before and after each node: one integer of bits each, O(nodes + edges) operations.
    before, after = [0] * len(instance), [0] * len(instance)
    for i in s.order:
        for p in s.preds[i]:
            before[i] |= before[p] | bit[p]
    for i in reversed(s.order):
        for j in s.succs[i]:
            after[i] |= after[j] | bit[j]
    everyone = (1 << len(holders)) - 1
    return tuple(i for i in holders if everyone & ~(before[i] | after[i] | bit[i]))


def gil_group(instance: Instance, nodes: Sequence[int], with_it: float, without: float) -> PlanGroup:
    """Return the group for a plan.

    Parameters
    ----------
    with_it, without : float
        Simulated makespan in ticks with the group and with the best plan that has none.
    """
    names = tuple(sorted(instance.structure.names[i] for i in nodes))
    shares = [instance.gil[i] / 1000 for i in nodes]
    saved = 1 - with_it / without
    after_s, before_s = instance.seconds(with_it), instance.seconds(without)
    evidence = (
        f"each holds the GIL for {min(shares):.0%} or more of its time; one at a time gives "
        f"{after_s:.6g} s instead of {before_s:.6g} s (-{saved:.1%}) in the simulator"
    )
    return PlanGroup("GIL holders", names, 1, "gil", evidence)
