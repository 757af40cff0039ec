"""The class of a node: a table, and what holds for all."""

from __future__ import annotations

import typing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.profile import Kind
from makespan_optimizer.measure.classes import Shares, classify

# wall is 1 s; the columns: gil, cpu, other cpu, blocked, further fields → class
TABLE = [
    (1.00, 1.00, 0.0, {}, {}, "python"),
    (0.75, 0.80, 0.0, {"io": 0.2}, {}, "python"),
    (1.00, 1.00, 0.0, {}, {"burst_s": 0.08}, "holds"),
    (1.00, 1.00, 0.0, {}, {"burst_s": 0.008}, "python"),  # within two switch intervals
    (0.00, 1.00, 0.0, {}, {}, "native"),
    (0.10, 1.00, 0.0, {}, {}, "native"),
    (0.02, 1.00, 0.9, {}, {}, "parallel"),
    (0.00, 1.00, 0.1, {}, {}, "native"),  # 1.1 cores are one
    (0.00, 0.00, 1.9, {"lock": 1.0}, {}, "parallel"),  # waits for its own pool
    (0.00, 0.00, 1.0, {"child": 1.0}, {}, "native"),  # waits for its own process
    (0.00, 0.00, 1.0, {"sleep": 1.0}, {}, "io"),  # a sleep is no wait for others
    (0.00, 0.00, 0.0, {"lock": 1.0}, {}, "io"),
    (0.00, 0.00, 0.0, {"sleep": 1.0}, {}, "io"),
    (0.05, 0.10, 0.0, {"io": 0.5, "sleep": 0.4}, {}, "io"),
    (0.10, 0.10, 0.0, {"io": 0.9}, {"retakes": 150}, "chatty"),
    (0.90, 0.90, 0.0, {"io": 0.1}, {"retakes": 150}, "chatty"),
    (0.10, 0.10, 0.0, {"io": 0.9}, {"retakes": 50}, "io"),
    (0.02, 1.00, 0.0, {}, {"retakes": 150}, "native"),
    (0.50, 0.50, 0.0, {"io": 0.5}, {}, "mixed"),
    (0.50, 1.00, 0.0, {}, {}, "mixed"),
    # Clocks alone.
    (1.00, 1.00, 0.0, {}, {"sampled": False}, "python"),
    (0.00, 0.00, 0.0, {"other": 1.0}, {"sampled": False}, "io"),
    (0.50, 0.50, 0.0, {"other": 0.5}, {"sampled": False}, "mixed"),
    (0.90, 0.90, 1.0, {}, {"sampled": False}, "parallel"),
    (0.00, 0.00, 1.9, {"other": 1.0}, {"sampled": False}, "parallel"),
]


@pytest.mark.parametrize(("gil", "cpu", "other", "blocked", "more", "kind"), TABLE)
@pytest.mark.parametrize("wall_s", [1.0])
def test_table(gil, cpu, other, blocked, more, kind, wall_s):
    found, confidence = classify(Shares(wall_s, cpu, gil, other, blocked, **more))
    assert found == kind
    assert 0.25 <= confidence <= 1


def test_without_samples_one_core_of_other_threads_may_be_python_or_native():
    assert classify(Shares(1.0, 0.0, 0.0, 1.0, {"other": 1.0}, sampled=False)) == ("unknown", 0.0)
    assert classify(Shares(1.0, 0.1, 0.1, 0.9, {"lock": 0.9}, sampled=False))[0] == "unknown"


def test_at_the_border_a_node_is_mixed_each_time():
    """Its share is .70, give or take .02: python would be said in every other profile."""
    kinds = {classify(Shares(1.0, 1.0, gil, half_width=0.04))[0] for gil in (0.68, 0.69, 0.70, 0.71, 0.715)}
    assert kinds == {"mixed"}
    assert classify(Shares(1.0, 1.0, 0.75, half_width=0.04))[0] == "python"
    assert classify(Shares(1.0, 1.0, 0.29, half_width=0.04))[0] == "mixed"
    assert classify(Shares(1.0, 1.0, 0.25, half_width=0.04))[0] == "native"


def test_few_calls_need_twice_the_rate_to_be_chatty():
    blocked = {"io": 0.9}
    assert classify(Shares(1.0, 0.1, 0.1, 0.0, blocked, retakes=150, calls=1))[0] == "io"
    assert classify(Shares(1.0, 0.1, 0.1, 0.0, blocked, retakes=250, calls=1))[0] == "chatty"


def test_a_short_call_that_reads_once_is_not_chatty():
    assert classify(Shares(1e-4, 1e-5, 1e-5, 0.0, {"io": 9e-5}, retakes=1))[0] == "io"


def test_no_wall_no_class():
    assert classify(Shares(0.0, 0.0, 0.0)) == ("unknown", 0.0)


def test_confidence_falls_toward_the_border_and_with_uncertainty():
    def confidence(gil: float, **more: typing.Any) -> float:
        return classify(Shares(1.0, 1.0, gil, **more))[1]

    assert confidence(1.0) > confidence(0.75) > confidence(0.71)
    assert confidence(0.9) > confidence(0.9, half_width=0.4)
    assert confidence(1.0) > confidence(1.0, calls=1)
    assert confidence(1.0) > confidence(1.0, sampled=False)


part = st.floats(0, 1)


@given(
    wall=st.floats(1e-6, 100), gil=part, cpu=part, other=st.floats(0, 4), blocked=part, wait=part,
    sampled=st.booleans(), half_width=part, retakes=st.integers(0, 10_000), burst=part,
    calls=st.integers(1, 50),
)  # fmt: skip
@settings(deadline=None, max_examples=200)
def test_every_node_has_a_class_and_time_units_do_not_matter(
    wall, gil, cpu, other, blocked, wait, sampled, half_width, retakes, burst, calls
):
    def made(scale: float) -> Shares:
        return Shares(
            wall * scale, cpu * wall * scale, gil * cpu * wall * scale, other * wall * scale,
            {"io": blocked * wall * scale}, wait * wall * scale, sampled, half_width,
            retakes if scale == 1 else 0, burst * scale, 0.005 * scale, calls,
        )  # fmt: skip

    kind, confidence = classify(made(1.0))
    assert kind in typing.get_args(Kind)
    assert 0 <= confidence <= 1
    if not retakes:
        again, same = classify(made(2.0))
        assert (again, same) == (kind, pytest.approx(confidence, abs=1e-6))
