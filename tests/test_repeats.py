"""Which spoiled calls are made again: on made-up calls."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG
from makespan.preparing.program import compile_program
from makespan.profile import Call
from makespan_optimizer.measure.repeats import (
    affordable,
    allowance_s,
    count_spoiled,
    note,
    spoiled_calls,
    take,
)


def call(wall=1.0, delay=0.0, inputs=0) -> Call:
    return Call("r", wall, wall - delay, run_delay_s=delay, spoiled=delay > 0.05 * wall, inputs=inputs)


def chain(n: int):
    """n0 → n1 → …, and a node `alone` at the end."""
    made = DAG()
    last = made.add(int, name="n0")
    for i in range(1, n):
        last = made.add(int, last, name=f"n{i}")
    made.add(int, name="alone")
    return compile_program(made)


def test_the_most_spoiled_call_of_each_node_is_wanted():
    calls = [[call(), call(delay=0.1), call(delay=0.3)], [call()], [call(1e-4, 5e-5)], [call(delay=0.2)]]
    assert spoiled_calls(calls) == {0: 2, 3: 0}
    assert count_spoiled(calls) == 3


def test_a_call_is_repeated_with_its_own_inputs():
    calls = [[call(delay=0.3), call(delay=0.1, inputs=1)], [call(inputs=1)]]
    assert spoiled_calls(calls, 1) == {0: 1}
    assert spoiled_calls(calls, 2) == {}


def test_all_that_a_spoiled_node_needs_runs_again_and_nothing_else():
    program = chain(3)
    calls = [[call()] for _ in range(4)]
    assert affordable(program, calls, {1}, 10.0, range(4)) == {0, 1}
    assert affordable(program, calls, {1, 3}, 10.0, range(4)) == {0, 1, 3}
    assert affordable(program, calls, {1, 3}, 10.0, {1, 3}) == {1, 3}


def test_what_does_not_fit_stays_and_the_longest_go_first():
    program = chain(3)
    calls = [[call(0.5)], [call(2.0)], [call(1.0)], [call(1.0)]]
    assert affordable(program, calls, {1, 3}, 2.6, range(4)) == {0, 1}
    assert affordable(program, calls, {1, 3}, 2.4, range(4)) == {3}
    assert affordable(program, calls, {1, 3}, 0.9, range(4)) == frozenset()
    assert affordable(program, calls, {1, 3}, 0.0, range(4)) == frozenset()


def test_a_new_call_takes_the_place_of_a_more_spoiled_one():
    better, worse = call(delay=0.01), call(delay=0.9)
    calls = [[call(delay=0.3), call()], [call(delay=0.3)], [call(delay=0.3)]]
    assert take(calls, {0: 0, 1: 0, 2: 0}, {0: better, 1: worse}) == 2
    assert calls[0][0].run_delay_s == 0.01
    assert calls[1][0].run_delay_s == calls[2][0].run_delay_s == 0.3


def test_what_a_closer_look_told_is_kept():
    calls = [[msgspec.structs.replace(call(delay=0.3), threads_used=3, gil_burst_max_s=0.08)]]
    take(calls, {0: 0}, {0: call()})
    assert calls == [[msgspec.structs.replace(call(), threads_used=3, gil_burst_max_s=0.08)]]


def test_the_note():
    assert note(0, 0) == ()
    assert "no time to repeat" in note(0, 2)[0]
    assert note(1, 0) == ("1 call that waited for a core repeated; 0 still waited for more than 5 %",)


delays = st.lists(st.lists(st.floats(0, 0.9), min_size=1, max_size=4), min_size=1, max_size=6)


@given(delays, st.floats(0, 20))
@settings(deadline=None, max_examples=60)
def test_a_pass_fits_and_is_closed_under_need(found, left_s):
    calls = [[call(delay=delay) for delay in its] for its in found]
    program = chain(len(calls))
    calls.append([call()])
    chosen = affordable(program, calls, spoiled_calls(calls), left_s, range(len(calls)))
    assert len(chosen) <= left_s
    assert all(set(program.structure.preds[i]) <= chosen for i in chosen)


@pytest.mark.parametrize(("counted", "allowed"), [(0.0, 1.0), (2.0, 1.0), (10.0, 5.0)])
def test_half_of_the_counted_time_and_a_second_at_least(counted, allowed):
    assert allowance_s(counted) == allowed
