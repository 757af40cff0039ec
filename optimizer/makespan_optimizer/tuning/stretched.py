"""A node that takes so many times as long as it was measured to take. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from makespan.measurement import Call, Spread

if TYPE_CHECKING:
    from makespan.measurement import NodeProfile


def stretched(node: NodeProfile, factor: float) -> NodeProfile:
    """Return a node all of whose seconds are multiplied; shares stay what they were.

    >>> from tests.builders import make_profile
    >>> stretched(make_profile({"a": []}, 2.0, "io").nodes[0], 1.5).blocked_s
    {'io': 3.0}
    """
    spread = node.wall_net_s
    return msgspec.structs.replace(
        node,
        wall_net_s=Spread(
            spread.median * factor,
            spread.p10 * factor,
            spread.p90 * factor,
            tuple(sample * factor for sample in spread.samples),
        ),
        cpu_s=node.cpu_s * factor,
        gil_s=node.gil_s * factor,
        native_s=node.native_s * factor,
        other_cpu_s=node.other_cpu_s * factor,
        blocked_s={how: seconds * factor for how, seconds in node.blocked_s.items()},
        gil_wait_s=node.gil_wait_s * factor,
        first_s=None if node.first_s is None else node.first_s * factor,
        calls=tuple(_call(call, factor) for call in node.calls),
    )


def _call(call: Call, factor: float) -> Call:
    return msgspec.structs.replace(
        call,
        wall_s=call.wall_s * factor,
        cpu_s=call.cpu_s * factor,
        other_cpu_s=call.other_cpu_s * factor,
        other_gil_s=call.other_gil_s * factor,
        run_delay_s=call.run_delay_s * factor,
        gil_wait_s=call.gil_wait_s * factor,
        blocked_s={how: seconds * factor for how, seconds in call.blocked_s.items()},
    )
