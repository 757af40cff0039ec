"""What parent and child say to each other: plain data, a line of JSON at a time.

Parent to child: one `Request` after another, and `Stop`. Child to parent: `Event` after `Event`, each with
the number of the request that it answers. Times are whole ticks of the problem; the child divides them by
`unit`, the greatest common divisor of all durations, so that five equal nodes give a model with tiny domains.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, Literal

import msgspec

from makespan_optimizer.rigid.problem import Resource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan_optimizer.rigid.problem import Problem


class Block(msgspec.Struct, frozen=True, array_like=True):
    """What is used of a resource by nodes that are not in the problem, for the windows of a long schedule.

    A block stands still, or it moves with the makespan: then `start` is counted back from the makespan.
    """

    resource: int
    demand: int
    start: int
    wall: int
    moves: bool


class Mode(msgspec.Struct, frozen=True, array_like=True):
    """One way to run a node: what it takes, and what it demands of each resource."""

    wall: int
    demand: tuple[int, ...]


class Request(msgspec.Struct, frozen=True, tag="solve"):
    """A problem to solve.

    Attributes
    ----------
    wall : tuple of int, shape (n,)
    edges : tuple of (int, int)
    resources : tuple of Resource, shape (r,)
    earliest, tail : tuple of int, shape (n,)
        The node starts no sooner than `earliest`, and when it has ended the schedule goes on for `tail`.
    horizon : int
        The makespan is no more than that.
    at_least : int
        A lower bound of the makespan.
    hint : tuple of int, shape (n,)
        Starts of a feasible schedule that ends by `horizon`; empty when none is known.
    wall_s : float
        Seconds that the solver may take.
    deterministic_s : float or None
        The same in the solver's deterministic time; None: wall time alone.
    gap : float
        A gap that is good enough.
    blocks : tuple of Block
    modes : tuple of tuple of Mode, shape (n, *)
        Alternatives of each node; empty: each runs as `wall` and `resources` say.
    hint_modes : tuple of int, shape (n,)
        The mode of each node in the hint.
    unit : int
        Ticks in a unit.
    number : int
        Given by the process that sends it.
    until : float or None
        When to have answered, on the clock of `time.monotonic`; given by the process that sends it. A child
        that is still importing the solver has less time than `wall_s`.
    """

    wall: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]
    resources: tuple[Resource, ...]
    earliest: tuple[int, ...]
    tail: tuple[int, ...]
    horizon: int
    at_least: int
    hint: tuple[int, ...]
    wall_s: float
    deterministic_s: float | None = None
    seed: int = 0
    workers: int = 2
    gap: float = 0.0
    blocks: tuple[Block, ...] = ()
    modes: tuple[tuple[Mode, ...], ...] = ()
    hint_modes: tuple[int, ...] = ()
    unit: int = 1
    number: int = 0
    until: float | None = None


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """The answer to a request is no longer wanted."""

    number: int


class Event(msgspec.Struct, frozen=True):
    """Something that the solver found; ticks. ``ready`` is said once, when the solver is imported."""

    kind: Literal["ready", "solution", "bound", "done"]
    start: tuple[int, ...] = ()
    makespan: int | None = None
    bound: int | None = None
    status: str = ""
    mode: tuple[int, ...] = ()
    number: int = 0


def request_of(
    problem: Problem,
    hint: Sequence[int],
    *,
    wall_s: float,
    at_least: int = 0,
    horizon: int | None = None,
    earliest: Sequence[int] | None = None,
    tail: Sequence[int] | None = None,
    deterministic_s: float | None = None,
    seed: int = 0,
    workers: int = 2,
    gap: float = 0.0,
    blocks: Sequence[Block] = (),
) -> Request:
    """Return the request for a problem.

    Parameters
    ----------
    problem : Problem
    hint : sequence of int, shape (n,)
        Starts of a feasible schedule.
    horizon : int, optional
        The end of the hint when omitted.
    earliest, tail : sequence of int, shape (n,), optional
        By what is not in the problem; what precedence alone says is added here.

    >>> from makespan_optimizer.rigid.problem import problem_from
    >>> asked = request_of(problem_from([4000, 6000], [[], [0]]), [0, 4000], wall_s=1)
    >>> asked.earliest, asked.tail, asked.horizon, asked.unit
    ((0, 4000), (6000, 0), 10000, 2000)
    """
    wall = problem.wall
    end = max((s + w for s, w in zip(hint, wall, strict=True)), default=0)
    heads = list(earliest) if earliest is not None else [0] * len(wall)
    tails = list(tail) if tail is not None else [0] * len(wall)
    for i in problem.order:
        for p in problem.preds[i]:
            heads[i] = max(heads[i], heads[p] + wall[p])
    for i in reversed(problem.order):
        for s in problem.succs[i]:
            tails[i] = max(tails[i], tails[s] + wall[s])
    offsets = [value for some in (earliest, tail) if some is not None for value in some]
    offsets += [value for block in blocks for value in (block.start, block.wall)]
    return Request(
        wall=wall,
        edges=tuple((p, i) for i, some in enumerate(problem.preds) for p in some),
        resources=problem.resources,
        earliest=tuple(heads),
        tail=tuple(tails),
        horizon=end if horizon is None else horizon,
        at_least=at_least,
        hint=tuple(hint),
        wall_s=wall_s,
        deterministic_s=deterministic_s,
        seed=seed,
        workers=workers,
        gap=gap,
        blocks=tuple(blocks),
        unit=gcd(*wall, *offsets) or 1,
    )
