"""Cores in use and demand for the GIL at each moment, from what each bar is known to use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.showing.observed import stack

if TYPE_CHECKING:
    from collections.abc import Iterable

    from makespan.showing.figures import NodeRow

Steps = tuple[tuple[float, float], ...]


def demand(nodes: Iterable[NodeRow]) -> tuple[Steps, Steps]:
    """Return the steps of cores in use and of GIL demand, over what happened (else over what is planned).

    A node in a worker process uses a core, and the GIL of its own process only.
    """
    cores, gil = [], []
    for node in nodes:
        if node.start_s is not None and node.end_s is not None:
            start_s, end_s = node.start_s, node.end_s
        elif node.planned_start_s is not None and node.status == "planned":
            start_s, end_s = node.planned_start_s, node.planned_start_s + (node.planned_s or 0.0)
        else:
            continue
        if end_s <= start_s:
            continue
        its, cpu_s = node.measured, node.gil_s + node.native_s
        wanted = min(1.0, node.gil_s / node.alone_s) if node.alone_s else 0.0
        if its is not None:  # what it held and what it waited for: that is what it demanded
            wanted = min(1.0, (its.gil_s + its.gil_wait_s) / (end_s - start_s))
            cpu_s = cpu_s or its.gil_s + its.native_s  # the profile knows of other threads, too
        if node.elsewhere:
            wanted = 0.0
        # A node that was shorter than profiled did not use more cores for it: it did less.
        cores.append((start_s, end_s, cpu_s / max(end_s - start_s, node.alone_s or 0.0)))
        gil.append((start_s, end_s, wanted))
    return stack(cores), stack(gil)
