"""What there is to see of a run at one moment: lanes, what runs, what is next, when it will be over.

It is read from the trace that every recorded run writes anyway (`makespan.engine.tracing`), so that a run
which is looked at does no more than one which is not. The trace goes on being written meanwhile: each list
is read once, and ends before starts, so that no node is over before it began. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from makespan.showing.live.forecast import Step, forecast, steps_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from makespan.engine.tracing import Trace
    from makespan.preparing.prepared import Prepared
    from makespan.structure import Structure

NEXT = 8
"""So many of the nodes that come next are looked up; how many there are is told."""


class Scene(NamedTuple):
    """What does not change while a run goes on.

    Attributes
    ----------
    title : str
        The DAG's name.
    order : tuple of int
        The nodes that run, first by rank first.
    steps : tuple of Step
        Of the plan; empty when there is none.
    """

    title: str
    structure: Structure
    threads: int
    order: tuple[int, ...]
    steps: tuple[Step, ...]
    planned_s: float | None
    planned_by_node_s: dict[int, float]
    go_on: bool = False
    """Whether nodes still start after a failure."""


class Running(NamedTuple):
    """A node that runs now."""

    name: str
    since_s: float
    """How long it has been running."""
    planned_s: float | None
    process: int | None
    """The worker process that it runs in."""


class LaneNow(NamedTuple):
    """A thread: what ran in it, and what runs in it now (coroutine nodes may be several)."""

    name: str
    """As in the report: ``caller``, ``thread 1`` …"""
    spans: tuple[tuple[float, float], ...]
    """(start, end) of what ran, in seconds of the run, by start."""
    running: tuple[Running, ...]


class Coming(NamedTuple):
    """A node that has not begun, and the names of those that it waits for; none: it is ready."""

    name: str
    waits: tuple[str, ...]


class Glance(NamedTuple):
    """A run at one moment; seconds count from its start."""

    title: str
    now_s: float
    done: int
    total: int
    failed: tuple[str, ...]
    lanes: tuple[LaneNow, ...]
    coming: tuple[Coming, ...]
    waiting: int
    """How many nodes have not begun."""
    end_s: float | None
    """When it will be over; None without a plan, and after a failure."""
    planned_s: float | None


def scene_of(prepared: Prepared) -> Scene:
    """Return what of a prepared DAG is shown."""
    program, rules, plan = prepared.program, prepared.rules, prepared.plan
    structure = program.structure
    left_out = program.chosen.left_out
    order = tuple(
        sorted((i for i in range(len(structure)) if i not in left_out), key=lambda i: rules.rank_of[i])
    )
    steps = steps_of(plan, structure, order) if plan is not None else ()
    number = {name: i for i, name in enumerate(structure.names)}
    planned_by_node_s = (
        {number[node.name]: node.duration_s for node in plan.nodes if node.name in number} if plan else {}
    )
    whole = plan is not None and not left_out
    return Scene(
        prepared.dag.name,
        structure,
        prepared.threads,
        order,
        steps,
        plan.makespan_s if plan is not None and whole else None,
        planned_by_node_s,
        prepared.terms.go_on,
    )


def glance_at(
    scene: Scene, trace: Trace, begun: int, now: int, failed: Collection[int] = (), caller: int | None = None
) -> Glance:
    """Return what there is to see now.

    Parameters
    ----------
    scene : Scene
    trace : Trace
        It may be written meanwhile.
    begun, now : int
        Moments of the trace's clock.
    failed : collection of int
        Nodes that raised.
    caller : int, optional
        The thread that has the first lane, when it runs nodes.
    """
    names = scene.structure.names
    end, start, ident = trace.end.copy(), trace.start.copy(), trace.ident.copy()
    skipped, process = trace.skipped.copy(), dict(trace.process)
    ended = {i for i in scene.order if end[i]}
    started_s = {i: (start[i] - begun) / 1e9 for i in scene.order if start[i]}
    now_s = max(0.0, (now - begun) / 1e9)
    spans: dict[int, list[tuple[float, float]]] = {}
    running: dict[int, list[Running]] = {}
    for i in sorted(started_s, key=lambda i: (started_s[i], i)):
        since_s = max(0.0, started_s[i])
        its = spans.setdefault(ident[i], [])
        if i not in ended:
            running.setdefault(ident[i], []).append(
                Running(names[i], max(0.0, now_s - since_s), scene.planned_by_node_s.get(i), process.get(i))
            )
            its.append((since_s, max(since_s, now_s)))
        elif i not in skipped:
            its.append((since_s, max(since_s, (end[i] - begun) / 1e9)))
    who_first = sorted(spans, key=lambda who: who != caller)  # stable: the others by their first node
    first = 0 if caller in spans else 1
    lanes = [
        LaneNow(_called(number), tuple(spans[who]), tuple(running.get(who, ())))
        for number, who in enumerate(who_first, first)
    ]
    lanes += [LaneNow(_called(first + number), (), ()) for number in range(len(lanes), scene.threads)]
    waiting = [i for i in scene.order if not start[i]]
    goes_on = scene.go_on or not failed
    return Glance(
        title=scene.title,
        now_s=now_s,
        done=len(ended),
        total=len(scene.order),
        failed=tuple(names[i] for i in sorted(failed)),
        lanes=tuple(lanes),
        coming=_coming(scene.structure, waiting, ended, set(scene.order)) if goes_on else (),
        waiting=len(waiting),
        end_s=forecast(scene.steps, started_s, ended, now_s) if scene.steps and not failed else None,
        planned_s=scene.planned_s,
    )


def _called(number: int) -> str:
    return f"thread {number}" if number else "caller"


def _coming(structure: Structure, waiting: list[int], ended: set[int], runs: set[int]) -> tuple[Coming, ...]:
    """Return the nodes that come next: the ready ones by rank, then the others by rank."""
    ready: list[Coming] = []
    others: list[Coming] = []
    for i in waiting:
        open_ = [p for p in structure.preds[i] if p in runs and p not in ended]
        if not open_:
            ready.append(Coming(structure.names[i], ()))
        elif len(others) < NEXT:
            others.append(Coming(structure.names[i], tuple(structure.names[p] for p in open_)))
        if len(ready) >= NEXT:
            break
    return tuple((ready + others)[:NEXT])
