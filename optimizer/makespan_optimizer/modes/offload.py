"""Where to begin in a larger DAG: nodes that hold the GIL long sent to workers one by one, or chain by chain.

Python work that costs less to send than to run is spread over the interpreters: the nodes that save most go
first, until this process has its share of the GIL left. Each node goes to the worker that is free first when
the node could start. A chain (each node the only one to take the result of the one before) is better off as
one cluster: nothing inside it crosses.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from makespan_optimizer.modes.contract import beside
from makespan_optimizer.modes.cuts import Part, bits
from makespan_optimizer.modes.exact import normal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from makespan_optimizer.modes.cuts import Cuts

_PAYS = 2.0  # a node must hold the GIL for so many times what sending it takes


def offloads(cuts: Cuts, usable: int, workers: int) -> Iterator[tuple[Part, ...]]:
    """Yield states in which this process keeps about its share of the GIL, a bit more, or a bit less."""
    saved = {}
    for i in bits(usable & ~cuts.declared):
        crossing = cuts.crossing(1 << i, 0)
        if not crossing.fault and cuts.nodes[i].gil_s > _PAYS * beside(crossing):
            saved[i] = cuts.nodes[i].gil_s - crossing.inputs.pickle_s - crossing.outputs.unpickle_s
    ranked = sorted(saved, key=lambda i: (-saved[i], i))
    total_s = math.fsum(node.gil_s for i, node in enumerate(cuts.nodes) if not cuts.declared >> i & 1)
    fair = 1 / (workers + 1)
    known: set[tuple[int, ...]] = set()
    for share in (fair, fair / 2, (1 + fair) / 2, 0.0):
        left_s, chosen = total_s, []
        for i in ranked:
            if left_s <= share * total_s:
                break
            left_s -= saved[i]
            chosen.append(i)
        chosen.sort(key=cuts.place.__getitem__)
        if chosen and tuple(chosen) not in known:
            known.add(tuple(chosen))
            yield _dealt(cuts, [[i] for i in chosen], workers)
            yield _dealt(cuts, _chains(cuts, chosen), workers)


def _chains(cuts: Cuts, chosen: list[int]) -> list[list[int]]:
    """Return the chosen nodes, in topological order, joined along edges that nothing else hangs on."""
    s = cuts.structure
    chains: list[list[int]] = []
    of: dict[int, int] = {}
    for i in chosen:
        last = [p for p in s.preds[i] if p in of and len(s.succs[p]) == 1]
        if len(s.preds[i]) == 1 and last:
            of[i] = of[last[0]]
            chains[of[i]].append(i)
        else:
            of[i] = len(chains)
            chains.append([i])
    return chains


def _dealt(cuts: Cuts, sets: list[list[int]], workers: int) -> tuple[Part, ...]:
    """Return parts, each on the worker that is free first when its first node could start."""
    heads = cuts.heads_s
    free_s = [0.0] * workers
    parts = []
    for some in sorted(sets, key=lambda some: (heads[some[0]], some[0])):
        start_s = [max(heads[some[0]], at) for at in free_s]
        worker = start_s.index(min(start_s))
        free_s[worker] = start_s[worker] + math.fsum(cuts.nodes[i].wall_net_s.median for i in some)
        parts.append(Part(sum(1 << i for i in some), 0, worker))
    return normal(cuts, tuple(parts))
