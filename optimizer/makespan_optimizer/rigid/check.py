"""An independent check of a schedule: it shares no code with what makes schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan_optimizer.rigid.problem import Problem


def violations(problem: Problem, start: Sequence[int]) -> list[str]:
    """Return what a schedule breaks, in words; empty when it holds.

    Nodes of no duration demand nothing.

    >>> from makespan_optimizer.rigid.problem import Resource, problem_from
    >>> two = problem_from([2, 2], [[], []], [Resource("lock", 1, (1, 1))])
    >>> violations(two, [0, 1])
    ['lock: 2 of 1 in use at 1']
    """
    if len(start) != len(problem):
        return [f"{len(start)} starts for {len(problem)} nodes"]
    found = [f"node {i} starts at {s}, before time begins" for i, s in enumerate(start) if s < 0]
    end = [s + w for s, w in zip(start, problem.wall, strict=True)]
    for i, some in enumerate(problem.preds):
        found += [
            f"node {i} starts at {start[i]}, before node {p} ends at {end[p]}"
            for p in some
            if end[p] > start[i]
        ]
    for resource in problem.resources:
        users = [i for i, demand in enumerate(resource.demand) if demand and problem.wall[i]]
        events = sorted(
            [(start[i], 1, resource.demand[i]) for i in users]
            + [(end[i], 0, -resource.demand[i]) for i in users]
        )
        used = 0
        for at, _, change in events:  # ends come before starts of the same moment
            used += change
            if used > resource.capacity:
                found.append(f"{resource.name}: {used} of {resource.capacity} in use at {at}")
                break
    return found
