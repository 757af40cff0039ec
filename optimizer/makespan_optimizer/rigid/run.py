"""What the steps of a rigid search share: the best schedule and the best bound so far, and the time.

Whatever a step hands in counts only if it is a schedule, and shorter than the best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from makespan_optimizer.rigid.check import violations
from makespan_optimizer.rigid.lists import makespan_of
from makespan_optimizer.rigid.problem import Solution

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from makespan_optimizer.rigid.problem import Problem

_END_S = 2e-6  # for each node: what the last check takes


class Progress(NamedTuple):
    """How far the search is; `stage` is ``bounds``, ``starts``, ``solver`` or ``windows``."""

    stage: str
    makespan: int
    bound: int


class Run:
    """The best schedule and the best bound so far, and the time."""

    def __init__(
        self,
        problem: Problem,
        limit_s: float,
        gap: float,
        deterministic: bool,
        progress: Callable[[Progress], None] | None,
        now: Callable[[], float],
    ) -> None:
        self.problem = problem
        self.limit_s = limit_s
        self.gap = gap
        self.deterministic = deterministic
        self.progress = progress
        self.now = now
        self.begun = now()
        self.deadline = self.begun + limit_s - min(limit_s / 10, len(problem) * _END_S)
        self.start: tuple[int, ...] = ()
        self.makespan = 0
        self.method = ""
        self.bound = 0
        self.binding = "critical path"
        self.trouble = ""

    @property
    def left_s(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - self.now()

    @property
    def good(self) -> bool:
        """The best schedule is as near to the bound as was asked."""
        return bool(self.method) and self.makespan * (1 - self.gap) <= self.bound

    def over(self) -> bool:
        """Say whether the time is up."""
        return self.left_s <= 0

    def take(self, method: str, start: Sequence[int], *, check: bool = True) -> bool:
        """Keep a schedule if it is one and shorter than the best; say so."""
        if len(start) != len(self.problem):
            return False
        makespan = makespan_of(self.problem, start)
        if self.method and makespan >= self.makespan:
            return False
        if check and violations(self.problem, start):
            return False
        self.start, self.makespan, self.method = tuple(start), makespan, method
        return True

    def raise_bound(self, ticks: int | None, binding: str) -> None:
        """Keep a bound if it is sharper, and not refuted by the best schedule."""
        if ticks is not None and self.bound < ticks <= self.makespan:
            self.bound, self.binding = ticks, binding

    def say(self, stage: str) -> None:
        """Report progress."""
        if self.progress is not None:
            self.progress(Progress(stage, self.makespan, self.bound))

    def solution(self, stopped: str) -> Solution:
        """Return what was found; `stopped` is the reason where nothing better is known."""
        if self.makespan <= self.bound:
            stopped = "proven: the schedule meets its lower bound"
        elif self.good:
            stopped = f"the gap is within the {self.gap:g} that was asked for"
        elif self.trouble:
            stopped = f"no result from the solver: {self.trouble}"
        return Solution(self.start, self.makespan, self.bound, self.binding, self.method, stopped)
