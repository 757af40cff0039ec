"""Answers to what-if questions, and what each says of the others.

Greedy dispatch uses every thread it may, so one more thread, or a faster node, can make an order a little
slower (Graham 1969). Nobody has to make use of it: an answer is the best of all that were asked and ask for
no more, and a lower bound holds for whoever has less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from makespan.plan import PlanCluster, WhatIf
from makespan_optimizer.questions.changes import AS_IT_IS, Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class Answer(msgspec.Struct, frozen=True):
    """The makespan to expect with up to so many threads, and what no schedule can beat; seconds."""

    threads: int
    makespan_s: float
    lower_bound_s: float
    binding: str
    """Which bound that is: ``critical path``, ``threads``, ``GIL``, ``lock db`` …"""
    change: Change = AS_IT_IS
    clusters: tuple[PlanCluster, ...] = ()
    """Where the change leaves the choice of processes: the sets of nodes that share one."""
    native_threads: dict[str, int] = {}
    """The same for native threads."""


class _Row(Protocol):
    @property
    def makespan_s(self) -> float: ...

    @property
    def lower_bound_s(self) -> float: ...


_R = TypeVar("_R", bound=_Row)


def _tightened(rows: Sequence[_R], can: Callable[[_R, _R], bool]) -> list[tuple[_R, _R]]:
    """Return for each row those whose makespan and whose bound are the best that hold for it.

    Parameters
    ----------
    can : callable
        Says whether the first row may do whatever the second does.
    """
    return [
        (
            min((other for other in rows if can(row, other)), key=lambda other: other.makespan_s),
            max((other for other in rows if can(other, row)), key=lambda other: other.lower_bound_s),
        )
        for row in rows
    ]


def up_to(answers: Iterable[WhatIf]) -> list[WhatIf]:
    """Give each budget the best makespan of all budgets up to it, in the order given.

    A bound for more threads holds for fewer, so the bounds fall with the threads as well.
    """
    given = list(answers)
    best = _tightened(given, lambda one, other: one.threads >= other.threads)
    return [
        WhatIf(row.threads, fast.makespan_s, min(bound.lower_bound_s, fast.makespan_s))
        for row, (fast, bound) in zip(given, best, strict=True)
    ]


def consistent(answers: Iterable[Answer]) -> list[Answer]:
    """Give each answer the best makespan and bound of all that hold for it, in the order given.

    With more threads, faster nodes and without a GIL one may always do what is done with less.
    """
    given = list(answers)
    best = _tightened(given, _can_do)
    return [
        Answer(
            row.threads,
            fast.makespan_s,
            min(bound.lower_bound_s, fast.makespan_s),
            bound.binding if bound.lower_bound_s > row.lower_bound_s else row.binding,
            row.change,
            fast.clusters,
            fast.native_threads,
        )
        for row, (fast, bound) in zip(given, best, strict=True)
    ]


def _can_do(one: Answer, other: Answer) -> bool:
    return one.threads >= other.threads and one.change.no_slower_than(other.change)
