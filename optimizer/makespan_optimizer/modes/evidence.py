"""Why a cluster is made, in words and figures: what leaves this process, what crosses, what it gains."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from makespan.showing.words import percent, seconds
from makespan_optimizer.modes.contract import beside
from makespan_optimizer.modes.cuts import bits

if TYPE_CHECKING:
    from makespan_optimizer.modes.cuts import Cuts, Part


def cluster_evidence(cuts: Cuts, part: Part, makespan_s: float, without_s: float, *, count: int = 1) -> str:
    """Return one sentence or two.

    Parameters
    ----------
    makespan_s, without_s : float
        Expected makespan with this cluster, and with all of the choice but this one.
    count : int
        Not this one, but all of so many are left out in `without_s`.
    """
    crossing = cuts.crossing(part.members, part.again)
    held_s = math.fsum(cuts.nodes[i].gil_s for i in bits(part.members & ~cuts.declared))
    here_s = crossing.inputs.pickle_s + crossing.outputs.unpickle_s
    bytes_ = crossing.inputs.bytes + crossing.outputs.bytes
    leaves = f"{seconds(held_s)} of the GIL leave this process"
    if not part.members & ~cuts.declared:
        leaves = "its nodes run in worker processes anyway"
    text = (
        f"{leaves}; {size(bytes_)} cross, which takes "
        f"{seconds(beside(crossing))}, {seconds(here_s)} of them with this process's GIL"
    )
    if part.again:
        again = [cuts.nodes[i] for i in cuts.sorted(part.again)]
        named = ", ".join(repr(node.name) for node in again[:3]) + (" and others" if len(again) > 3 else "")
        cost_s = math.fsum(node.wall_net_s.median for node in again)
        sent = [node.result_pickling for node in again]
        saved = sum((its.bytes or 0) for its in sent if its is not None)
        text += f"; {named} run{'s' if len(again) == 1 else ''} there again ({seconds(cost_s)}) instead of "
        text += f"sending {size(saved)}"
    change = makespan_s / without_s - 1 if without_s else 0.0
    expected = f"expected {seconds(makespan_s)} instead of {seconds(without_s)}"
    which = f"; all {count} clusters together: " if count > 1 else "; "
    return f"{text}{which}{expected} ({percent(change, signed=True)}) in the simulator"


def size(count: int) -> str:
    """Return bytes in the unit that suits.

    >>> size(0), size(2_500), size(26_000_000)
    ('0 B', '2.5 kB', '26 MB')
    """
    if count < 1000:
        return f"{count} B"
    for unit, scale in (("kB", 1e3), ("MB", 1e6)):
        if count < 999.5 * scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count / 1e9:.3g} GB"
