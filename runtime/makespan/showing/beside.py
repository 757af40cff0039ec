"""Two runs (or a plan and a run) laid under one another on one time axis: the data of the picture.

Each side is a whole `Report`, its seconds counting from its own start; what differs, and what makes the
difference up, is computed by `makespan.comparing`. Everything is b − a. Built by `makespan.showing.pairing`.
"""

from __future__ import annotations

import msgspec

from makespan.comparing.differences import Comparison
from makespan.showing.figures import Report, Status


class Headline(msgspec.Struct, frozen=True, kw_only=True):
    """How long the two take, and how sure the difference is."""

    a_s: float
    """Makespan of a; where it was run several times, the median."""
    b_s: float
    a_repeats: int
    """How many runs `a_s` is the median of; 1: the run that is drawn; 0: it is a plan, not measured."""
    b_repeats: int
    range_s: tuple[float, float] | None = None
    """The 95 % interval of `difference_s`; None where either was run too seldom to say."""
    range_share: tuple[float, float] | None = None
    """The 95 % interval of `share`."""

    @property
    def difference_s(self) -> float:
        """How much longer b takes."""
        return self.b_s - self.a_s

    @property
    def share(self) -> float | None:
        """`difference_s` as a share of a: −0.2 is a fifth less."""
        return self.b_s / self.a_s - 1 if self.a_s > 0 else None

    @property
    def sure(self) -> bool | None:
        """Whether the interval leaves out zero; None: there is no interval."""
        return None if self.range_s is None else not self.range_s[0] <= 0.0 <= self.range_s[1]


class PairNode(msgspec.Struct, frozen=True, kw_only=True):
    """A node of either of the two; seconds, None where it did not run (in a plan: is not planned)."""

    name: str
    a_status: Status | None
    """None: that side does not know the node."""
    b_status: Status | None
    a_start_s: float | None = None
    b_start_s: float | None = None
    a_s: float | None = None
    """How long it took in a."""
    b_s: float | None = None
    a_critical: bool = False
    """On the chain that decided the end of a."""
    b_critical: bool = False
    on_chain: bool = False
    """On the critical chain of the side that took longer: the makespan differs by `difference_s` for it."""
    why: str = ""
    """What explains the difference, where both were measured."""

    @property
    def difference_s(self) -> float | None:
        """How much longer it takes in b; None unless it ran in both."""
        return None if self.a_s is None or self.b_s is None else self.b_s - self.a_s

    @property
    def later_s(self) -> float | None:
        """How much later it starts in b."""
        return None if self.a_start_s is None or self.b_start_s is None else self.b_start_s - self.a_start_s


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two reports on one time axis; a is drawn above b."""

    labels: tuple[str, str]
    """What the two are called: names of files, or ``a`` and ``b``."""
    a: Report
    b: Report
    headline: Headline
    comparison: Comparison
    """The difference of the two that are drawn, accounted for; `Comparison.nodes` are those that differ."""
    nodes: tuple[PairNode, ...]
    """All nodes of both: those on the chain first, each by the size of the difference, then by name."""
    notes: tuple[str, ...] = ()
    """What makes the two less comparable, in sentences."""

    @property
    def extent_s(self) -> float:
        """The last second of anything that is drawn on either side: the common time axis is 0 … this."""
        return max(self.a.extent_s, self.b.extent_s)

    @property
    def title(self) -> str:
        """Name of the DAG."""
        return self.b.title
