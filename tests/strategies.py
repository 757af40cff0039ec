"""Hypothesis strategies for small scheduling problems, shared by the tests of the optimizer."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st

from makespan.structure import build
from makespan_optimizer.instance import Instance, instance_from


class Case(NamedTuple):
    """A small problem."""

    wall: list[int]
    preds: list[list[int]]
    locks: list[list[str]]
    exclusive: list[bool]
    budget: int

    def instance(self, gil: list[int] | None = None, core: list[int] | None = None) -> Instance:
        """Return the instance, with demands if wanted."""
        names = [f"n{i}" for i in range(len(self.wall))]
        structure = build(
            names,
            [[names[p] for p in some] for some in self.preds],
            locks=self.locks,
            exclusive=self.exclusive,
        )
        return instance_from(structure, self.wall, gil=gil, core=core)


@st.composite
def cases(draw: st.DrawFn, most: int = 6, *, least: int = 1, longest: int = 9) -> Case:
    """Draw a DAG of a few nodes with locks, exclusive nodes and a budget of 1 to 3."""
    n = draw(st.integers(least, most))
    wall = draw(st.lists(st.integers(1, longest), min_size=n, max_size=n))
    # A bit for each possible edge: about a quarter of them are there.
    preds = [[p for p in range(i) if draw(st.integers(0, 3)) == 0] for i in range(n)]
    locks = [draw(st.sampled_from([[], [], [], ["x"], ["y"], ["x", "y"]])) for _ in range(n)]
    exclusive = [draw(st.integers(0, 7)) == 0 for _ in range(n)]
    return Case(wall, preds, locks, exclusive, draw(st.integers(1, 3)))


def demands(n: int) -> st.SearchStrategy[tuple[list[int], list[int]]]:
    """Draw GIL and core shares in thousandths, the first never above the second."""
    pair = st.sampled_from([(1000, 1000), (0, 0), (0, 1000), (500, 500), (300, 700), (0, 2000), (100, 900)])
    return st.lists(pair, min_size=n, max_size=n).map(
        lambda pairs: ([g for g, _ in pairs], [c for _, c in pairs])
    )
