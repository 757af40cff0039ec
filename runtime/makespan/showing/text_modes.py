"""How a plan's nodes run, in lines of text: worker processes and native threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.showing.words import clean, plural, some

if TYPE_CHECKING:
    from collections.abc import Iterable

    from makespan.plan import Plan

MOST_CLUSTERS = 6


def modes_lines(plan: Plan) -> Iterable[str]:
    """Yield the clusters, the nodes that are declared to run in worker processes, the native threads."""
    for cluster in plan.clusters[:MOST_CLUSTERS]:
        again = f", {some(cluster.again)} again there" if cluster.again else ""
        evidence = clean(cluster.evidence, 400)
        yield f"worker process {cluster.worker + 1}: {some(cluster.nodes)}{again}: {evidence}"
    more = plan.clusters[MOST_CLUSTERS:]
    if more:
        count = sum(len(cluster.nodes) for cluster in more)
        yield f"{plural(len(more), 'more cluster')} of {plural(count, 'node')} in worker processes"
    inside = {name for cluster in plan.clusters for name in cluster.nodes}
    declared = [node.name for node in plan.nodes if node.mode == "process" and node.name not in inside]
    if declared:
        yield f"in worker processes, as declared: {some(declared)}"
    limited: dict[int, list[str]] = {}
    for node in plan.nodes:
        if node.native_threads is not None:
            limited.setdefault(node.native_threads, []).append(node.name)
    if limited:
        told = [f"{threads} for {some(names)}" for threads, names in sorted(limited.items())]
        yield f"native threads: {'; '.join(told)}"
