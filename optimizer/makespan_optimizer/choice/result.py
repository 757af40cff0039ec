"""What an optimization found, before it is written as a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from makespan_optimizer.choice.search import PROVEN

if TYPE_CHECKING:
    from makespan.plan import WhatIf
    from makespan_optimizer.bounds import Bound
    from makespan_optimizer.choice.gates import Gained
    from makespan_optimizer.choice.robust import Choice
    from makespan_optimizer.choice.search import Candidate


class Result(NamedTuple):
    """What came of it.

    Attributes
    ----------
    best : Candidate
        With its schedule for the median durations.
    default : float
        Makespan of the declared default order, in ticks.
    bounds : list of Bound
        The largest first.
    choice : Choice or None
        The makespans over scenarios; None where nothing varies.
    gained : list of Gained
        Computed groups.
    chains : tuple of tuple of int
        Nodes that one worker runs back to back.
    answers : list of WhatIf
    stopped : str
        Why the search ended.
    tried : int
        How many orders were judged.
    """

    best: Candidate
    default: float
    bounds: list[Bound]
    choice: Choice | None
    gained: list[Gained]
    chains: tuple[tuple[int, ...], ...]
    answers: list[WhatIf]
    stopped: str
    tried: int

    @property
    def proven(self) -> bool:
        """The makespan meets its lower bound."""
        return self.best.schedule.makespan <= self.bounds[0].ticks * (1 + PROVEN)
