"""Lanes, hand-overs, slack."""

from __future__ import annotations

from hypothesis import given, settings

from makespan.structure import build
from makespan_optimizer.instance import instance_from
from makespan_optimizer.lanes import hand_overs, lanes_of, slacks
from makespan_optimizer.simulate import simulate
from tests.test_simulate import contended


def analysed(after, walls, ranks, budget, groups=(), **declared):
    structure = build(list(after), [list(some) for some in after.values()], **declared)
    schedule = simulate(instance_from(structure, walls), ranks, budget, groups)
    lanes = lanes_of(schedule)
    return schedule, lanes, slacks(structure, schedule, hand_overs(structure, schedule, lanes, groups))


def test_the_worker_that_becomes_free_takes_the_next():
    _, lanes, _ = analysed({"a": "", "b": "", "c": "", "d": ""}, [2, 3, 4, 1], [0, 1, 2, 3], 2)
    assert lanes == [0, 1, 0, 1]


def test_slack_of_a_short_branch():
    #   a(2) ─ b(3) ─ d(1)
    #    └──── c(1) ──┘
    _, _, slack = analysed({"a": "", "b": "a", "c": "a", "d": "bc"}, [2, 3, 1, 1], [0, 1, 2, 3], 2)
    assert slack == [0, 0, 2, 0]


def test_a_chain_through_a_lane_is_critical():
    # One thread: every node is followed at once by the next, so each is critical.
    _, _, slack = analysed({"a": "", "b": "", "c": ""}, [1, 2, 3], [0, 1, 2], 1)
    assert slack == [0, 0, 0]


def test_a_chain_through_a_lock_is_critical():
    _, _, slack = analysed({"a": "", "b": "", "c": ""}, [2, 3, 1], [0, 1, 2], 3, locks=[["x"], ["x"], []])
    assert slack == [0, 0, 4]


def test_a_chain_through_a_group_is_critical():
    _, _, slack = analysed({"a": "", "b": "", "c": ""}, [2, 3, 1], [0, 1, 2], 3, groups=[((0, 1), 1)])
    assert slack == [0, 0, 4]


def test_an_exclusive_node_waits_for_all_and_holds_all():
    _, _, slack = analysed(
        {"a": "", "b": "", "e": "", "c": ""},
        [2, 1, 3, 1],
        [0, 1, 2, 3],
        2,
        exclusive=[False, False, True, False],
    )
    assert slack == [0, 1, 0, 0]


@settings(deadline=None, max_examples=150)
@given(contended())
def test_lanes_never_overlap_and_the_end_is_always_explained(drawn):
    case, instance, ranks = drawn
    schedule = simulate(instance, ranks, case.budget)
    lanes = lanes_of(schedule)
    assert max(lanes) < case.budget
    n = len(case.wall)
    for i in range(n):
        for j in range(i):
            if lanes[i] == lanes[j]:
                assert schedule.finish[i] <= schedule.start[j] or schedule.finish[j] <= schedule.start[i]
    slack = slacks(instance.structure, schedule, hand_overs(instance.structure, schedule, lanes))
    assert min(slack) >= 0
    # Critical nodes cover the whole time: at each start something critical runs.
    critical = [i for i in range(n) if not slack[i]]
    for t in (*schedule.start, 0.0):
        assert any(schedule.start[i] <= t < schedule.finish[i] for i in critical)
