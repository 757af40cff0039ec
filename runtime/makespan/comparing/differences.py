"""What a comparison of two plans or runs holds; see `makespan.comparing.comparison`."""

from __future__ import annotations

from typing import Literal

import msgspec

from makespan.plan import Evidence, PlanCluster, PlanGroup
from makespan.showing.observed import Cause

Kind = Literal["plans", "runs", "plan and run"]
SAME_S = 2e-9
"""Seconds in a plan are rounded to a billionth."""


class Side(msgspec.Struct, frozen=True):
    """One of the two."""

    label: str
    """A file's name, or ``a`` and ``b``."""
    what: Literal["plan", "run"]
    dag: str
    threads: int
    nodes: int
    makespan_s: float
    status: str
    """Of a run: ok, failed, interrupted; of a plan: optimal, feasible."""
    lower_bound_s: float | None = None
    binding: str = ""
    default_makespan_s: float | None = None
    gil_wait_s: float | None = None
    """Of a measured run: all nodes together waited so long for the GIL."""
    core_wait_s: float | None = None
    """And so long for a core."""
    evidence: Evidence | None = None
    """Of a plan: what a race of real runs showed."""


class NodeChange(msgspec.Struct, frozen=True):
    """A node in both; seconds."""

    name: str
    a_start_s: float
    b_start_s: float
    a_s: float
    b_s: float
    difference_s: float
    """How much longer it takes in b."""
    on_chain: bool
    """On the critical chain of the one that took longer: the makespan is longer by `difference_s` for it."""
    why: str = ""
    """What explains the difference, where that was measured."""


class Moved(msgspec.Struct, frozen=True):
    """A node whose place in the order changed, beside a longest part of the order that did not."""

    name: str
    a_rank: int
    b_rank: int


class ModeChange(msgspec.Struct, frozen=True):
    """A node that runs elsewhere, or with other native threads."""

    name: str
    a: str
    b: str


class ChainStep(msgspec.Struct, frozen=True):
    """A node of the critical chain of the longer one; seconds, None where it did not run."""

    name: str
    cause: Cause
    """Why it started no earlier: the start, an input, a lock or group, a thread."""
    waited_s: float
    """From the end of the step before to its own start."""
    a_s: float | None
    b_s: float | None


class Account(msgspec.Struct, frozen=True):
    """Where the difference of the makespans comes from; `nodes_s` + `waits_s` is all of it."""

    of: Literal["a", "b"]
    """Whose critical chain it is: that of the longer one."""
    chain: tuple[ChainStep, ...]
    nodes_s: float
    waits_s: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between two plans, two runs, or a plan and a run."""

    kind: Kind
    a: Side
    b: Side
    difference_s: float
    """Makespan of b minus that of a."""
    account: Account
    nodes: tuple[NodeChange, ...]
    """Nodes in both whose time differs: those of the chain first, each by the size of the difference."""
    error_s: float
    """Sum of the sizes of all differences of nodes."""
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    moved: tuple[Moved, ...] = ()
    """Of two plans."""
    modes: tuple[ModeChange, ...] = ()
    groups_gone: tuple[PlanGroup, ...] = ()
    groups_new: tuple[PlanGroup, ...] = ()
    clusters_gone: tuple[PlanCluster, ...] = ()
    clusters_new: tuple[PlanCluster, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing differs (notes aside)."""
        told = (self.nodes, self.only_a, self.only_b, self.moved, self.modes)
        more = (self.groups_gone, self.groups_new, self.clusters_gone, self.clusters_new)
        sides = [(s.threads, s.status, s.lower_bound_s, s.binding) for s in (self.a, self.b)]
        return not any((*told, *more)) and abs(self.difference_s) <= SAME_S and sides[0] == sides[1]

    def text(self) -> str:
        """Return the comparison in words and a table."""
        from makespan.comparing.comparison_text import told

        return told(self)
