"""Sharing the GIL and the cores."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan_optimizer.contention.fluid import Fluid, shared_speeds

DRAWN = [
    # gil, core, cores -> speeds
    ("two Python loops", [1, 1], [1, 1], 2, [1 / 2, 1 / 2]),
    ("two loops, one core", [1, 1], [1, 1], 1, [1 / 2, 1 / 2]),
    ("three loops, two cores: one runs at a time", [1, 1, 1], [1, 1, 1], 2, [1 / 3] * 3),
    ("two matrix products, two cores", [0, 0], [1, 1], 2, [1, 1]),
    ("three products, two cores", [0, 0, 0], [1, 1, 1], 2, [2 / 3] * 3),
    ("loop beside product", [1, 0], [1, 1], 2, [1, 1]),
    ("loop beside product, one core", [1, 0], [1, 1], 1, [1 / 2, 1 / 2]),
    ("requests", [0, 0, 0, 0], [0, 0, 0, 0], 1, [1, 1, 1, 1]),
    ("two loops and a request", [1, 1, 0], [1, 1, 0], 2, [1 / 2, 1 / 2, 1]),
    ("two half loops", [0.5, 0.5], [0.5, 0.5], 2, [1, 1]),
    # 1/σ + 1/(σ + 1) = 1, so σ is the golden ratio
    ("loop beside half a loop", [1, 0.5], [1, 0.5], 2, [0.618034, 0.763932]),
]


@pytest.mark.parametrize(("what", "gil", "core", "cores", "speeds"), DRAWN, ids=[row[0] for row in DRAWN])
def test_drawn(what, gil, core, cores, speeds):
    assert shared_speeds(gil, core, cores) == pytest.approx(speeds, abs=1e-6)


shares = st.floats(0, 1)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(shares, shares, st.sampled_from([0.0, 0.0, 1.0, 3.0])), min_size=1, max_size=9),
    st.floats(0.5, 8),
)
def test_capacities_are_kept_and_nothing_is_wasted(rows, cores):
    gil = [g * c for g, c, _ in rows]
    core = [min(cores, c + more) for _, c, more in rows]
    found = shared_speeds(gil, core, cores)
    used_gil = sum(s * g for s, g in zip(found, gil, strict=True))
    used_core = sum(s * c for s, c in zip(found, core, strict=True))
    assert used_gil <= 1 + 1e-12
    assert used_core <= cores * (1 + 1e-12)
    assert all(0 < s <= 1 for s in found)
    # Whoever is slowed is slowed by something that is used up.
    if min(found) < 1 - 1e-6:
        assert used_gil > 1 - 1e-4 or used_core > cores * (1 - 1e-4)
    # Who wants neither is not slowed.
    assert all(s == 1 for s, g, c in zip(found, gil, core, strict=True) if not g and not c)


def test_speeds_follow_the_order_asked_for():
    fluid = Fluid([1000, 0, 500], [1000, 0, 500], 2000)
    there = fluid.speeds([0, 1, 2])
    assert fluid.speeds([2, 0, 1]) == [there[2], there[0], there[1]]


@pytest.mark.parametrize(("together", "contend"), [(1, False), (2, True)])
def test_may_contend(together, contend):
    assert Fluid([1000, 10, 0], [1000, 10, 0], 2000).may_contend(together) is contend
