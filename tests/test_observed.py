"""Chains, lanes and steps that are worked out from starts and ends."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.showing.observed import Span, coarse, colour, critical_chain, fit_lanes, stack
from makespan.showing.report import report_of
from tests.report_data import random_run

replace = msgspec.structs.replace

times = st.tuples(st.integers(0, 40), st.integers(0, 10)).map(lambda t: (float(t[0]), float(t[0] + t[1])))


@settings(deadline=None, max_examples=150)
@given(st.lists(times, max_size=25))
def test_coloured_lanes_never_overlap_and_are_as_few_as_run_at_once(
    intervals: list[tuple[float, float]],
) -> None:
    lanes = colour(intervals)
    for i, (start, end) in enumerate(intervals):
        for j in range(i):
            if lanes[i] == lanes[j]:
                assert end <= intervals[j][0] or intervals[j][1] <= start
    moments = [start for start, _ in intervals]
    at_once = max((sum(s < m + 0.5 and m + 0.5 < e for s, e in intervals) for m in moments), default=0)
    zero = any(start == end for start, end in intervals)
    assert max(lanes, default=-1) + 1 <= at_once + (len(intervals) if zero else 0)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 5))
def test_a_chain_goes_back_to_the_start_without_gaps_when_dispatch_is_greedy(
    seed: int, n: int, threads: int
) -> None:
    record = random_run(n, threads=threads, seed=seed)
    chain = report_of(replace(record, plan=None)).chain
    ran = {node.name: node for node in record.nodes}
    assert ran[chain[-1].name].end_s == pytest.approx(record.makespan_s)
    assert ran[chain[0].name].start_s == 0
    for before, after in pairwise(chain):
        assert ran[before.name].end_s == pytest.approx(ran[after.name].start_s)
    assert sum(ran[step.name].duration_s + step.waited_s for step in chain) == pytest.approx(
        record.makespan_s
    )


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 6), st.integers(0, 4), st.integers(0, 2), st.lists(st.integers(0, 7), max_size=3)
        ),
        max_size=8,
    )
)
def test_a_chain_always_ends_whatever_the_times_say(rows: list[tuple[int, int, int, list[int]]]) -> None:
    spans = [
        Span(
            str(i),
            float(start),
            float(start + length),
            lane,
            tuple(map(str, after)),
            ("x",) if lane else (),
            not length,
        )
        for i, (start, length, lane, after) in enumerate(rows)
    ]
    chain = critical_chain(spans)
    assert len({step.name for step in chain}) == len(chain) <= len(spans)
    assert bool(chain) == bool(spans)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(times, st.floats(0, 3))), st.integers(1, 20))
def test_steps_keep_their_area_also_when_they_are_averaged(
    rows: list[tuple[tuple[float, float], float]], most: int
) -> None:
    steps = stack([(start, end, rate) for (start, end), rate in rows])
    area = sum((end - start) * rate for (start, end), rate in rows)
    for some in (list(steps), coarse(steps, most)):
        drawn = sum(value * (until - at) for (at, value), (until, _) in pairwise(some))
        assert drawn == pytest.approx(area, abs=1e-3)
    assert len(coarse(steps, most)) <= max(most + 1, 0)


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(st.integers(0, 5), st.integers(0, 5))))
def test_fitted_lanes_are_a_one_to_one_renaming(lanes: dict[str, tuple[int, int]]) -> None:
    fitted = fit_lanes(
        {name: (a, 1.0) for name, (a, _) in lanes.items()}, {name: b for name, (_, b) in lanes.items()}
    )
    assert set(fitted) == {a for a, _ in lanes.values()}
    assert len(set(fitted.values())) == len(fitted)
