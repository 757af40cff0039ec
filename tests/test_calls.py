"""From clocks to a call's record: what of its waits for a core others had to do with."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makespan_optimizer.measure.calls import call_from, foreign_delay_s, wall_net_s
from makespan_optimizer.measure.clocks import Clocks
from makespan_optimizer.measure.sampling.watch import Seen


def clocks(wall_s=1.0, cpu_s=0.25, delay_s=0.75, process_s=None, children_s=0.0) -> Clocks:
    return Clocks(
        wall_s, cpu_s, process_s if process_s is not None else cpu_s, delay_s, children_s, 0, 9, 0, 0
    )


@pytest.mark.parametrize("seen", [None, Seen(running=1000), Seen(running=990, lock=10)])
def test_a_node_that_waits_for_its_own_pool_is_not_spoiled(seen):
    """Eight native threads on two cores: the caller gets a quarter of one."""
    call = call_from("r", clocks(process_s=2.0), seen, cores=2.0)
    assert call.run_delay_s == 0.0
    assert not call.spoiled
    assert wall_net_s(call) == 1.0
    assert call.blocked_s == {"other": 0.75}


def test_what_others_took_is_run_delay_still():
    # Of two cores the node and its pool had one: whoever had the other kept the caller waiting for half.
    call = call_from("r", clocks(process_s=1.0), None, cores=2.0)
    assert call.run_delay_s == pytest.approx(0.5)
    assert call.spoiled
    assert call.blocked_s == {"other": pytest.approx(0.25)}
    # A thread alone beside others: all of it.
    alone = call_from("r", clocks(cpu_s=0.5, delay_s=0.5), None, cores=2.0)
    assert alone.run_delay_s == 0.5
    assert alone.blocked_s == {}


def test_a_pool_of_processes_counts_too():
    assert foreign_delay_s(clocks(children_s=1.75), cores=2.0) == 0.0


def test_what_a_quota_stops_is_the_nodes_own_time():
    assert foreign_delay_s(clocks(cpu_s=0.5, delay_s=0.5), cores=0.5) == 0.0


def test_waits_of_its_own_threads_do_not_become_waits_for_the_gil():
    seen = Seen(hold=100, running=800, gil_wait=100)
    call = call_from("r", clocks(cpu_s=0.25, delay_s=0.65, process_s=2.0), seen, cores=2.0)
    assert call.gil_wait_s == pytest.approx(0.1)
    assert call.blocked_s["other"] == pytest.approx(0.65)


some_s = st.floats(0, 100, allow_nan=False)


@given(
    some_s, some_s, some_s, some_s, st.lists(st.integers(0, 99), min_size=9, max_size=9), st.floats(0.1, 64)
)
def test_the_parts_add_up_and_the_cap_only_lowers(wall, cpu, delay, others, counts, cores):
    passed = clocks(wall, cpu, delay, process_s=cpu + others)
    call = call_from("r", passed, Seen(*counts), cores=cores)
    parts = (call.cpu_s, call.run_delay_s, call.gil_wait_s, *call.blocked_s.values())
    assert min(parts) >= 0
    assert math.isclose(sum(parts), wall, rel_tol=1e-9, abs_tol=1e-9)
    assert call.run_delay_s <= call_from("r", passed, Seen(*counts)).run_delay_s + 1e-9
