"""Idle time has a cause at every moment: drawn cases, and a look at single moments that knows no sweep."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.plan import PlanGroup
from makespan.record import RunNode
from makespan.showing.idle import Limit, Task, idle_of
from makespan.showing.report import report_of, report_of_plan
from tests.report_data import make_plan, make_record, node_plan, random_run

if TYPE_CHECKING:
    from makespan.showing.shapes import LaneKind


def told(tasks, rows, until_s, limits=(), places=None):
    """Return (row, start, end, cause, of) of every stretch; rows are threads, as many as there are places."""
    found = idle_of(tasks, ["thread"] * rows, places or rows, until_s, limits)
    return [(its.row, its.start_s, its.end_s, its.cause, its.of) for its in found.idle]


def test_nothing_is_ready_until_a_result_is_there():
    tasks = [Task("a", 0, 2, 0), Task("b", 2, 3, 0, ("a",)), Task("c", 2, 3, 1, ("a",))]
    assert told(tasks, 2, 3) == [(1, 0, 2, "inputs", "a")]


def test_the_input_that_comes_last_is_named_and_then_the_next_one():
    tasks = [
        Task("a", 0, 1, 0),
        Task("b", 0, 2, 1),
        Task("c", 1, 2, 0, ("a",)),
        Task("d", 2, 3, 2, ("a", "b")),
    ]
    assert told(tasks, 3, 3) == [
        (0, 2, 3, "nothing left", ""),
        (1, 2, 3, "nothing left", ""),
        (2, 0, 1, "inputs", "a"),
        (2, 1, 2, "inputs", "b"),
    ]


def test_a_lock_keeps_a_ready_node_back():
    tasks = [Task("a", 0, 2, 0, (), (0,)), Task("b", 2, 3, 1, (), (0,))]
    assert told(tasks, 2, 3, [Limit("lock db", 1)]) == [
        (0, 2, 3, "nothing left", ""),
        (1, 0, 2, "lock", "lock db"),
    ]


def test_a_group_for_the_gil_is_told_apart_and_may_hold_several():
    tasks = [Task(name, 0, 2, row, (), (0,)) for row, name in enumerate("ab")]
    tasks.append(Task("c", 2, 3, 2, (), (0,)))
    limits = [Limit("GIL holders", 2, "GIL")]
    assert told(tasks, 3, 3, limits)[2:] == [(2, 0, 2, "GIL", "GIL holders")]
    assert told(tasks, 3, 3, [Limit("GIL holders", 3, "GIL")])[2:] == [(2, 0, 2, "budget", "c")]


def test_an_exclusive_node_is_waited_for_before_and_while_it_runs():
    tasks = [Task("a", 0, 1, 0), Task("x", 1, 2, 1, alone=True), Task("b", 2, 3, 0)]
    assert told(tasks, 2, 3) == [
        (0, 1, 2, "lock", "x"),
        (1, 0, 1, "lock", "x"),
        (1, 2, 3, "nothing left", ""),
    ]


def test_more_idle_rows_than_ready_nodes():
    """One node waits for the lock: one row could run it, the others wait for results."""
    tasks = [
        Task("a", 0, 2, 0, (), (0,)),
        Task("b", 2, 3, 1, (), (0,)),
        Task("c", 2, 3, 2, ("a",)),
    ]
    causes = Counter(its[3] for its in told(tasks, 4, 3, [Limit("l", 1)]) if its[1] == 0)
    assert causes == {"lock": 1, "inputs": 2}


def test_a_thread_that_waits_for_a_worker_process_is_not_idle():
    tasks = [Task("a", 0, 1, 0), Task("p", 1, 3, 1, ("a",), waits_in=0), Task("b", 3, 4, 0, ("p",))]
    assert idle_of(tasks, ["thread", "process"], 1, 4).idle == ()
    found = idle_of(tasks, ["thread", "process"], 2, 4)
    assert [(its.row, its.start_s, its.end_s, its.cause) for its in found.idle] == [
        (1, 0, 1, "inputs"),
        (1, 3, 4, "nothing left"),
    ]


def test_there_are_no_more_idle_rows_than_free_places():
    """Threads are idle before the caller, and the caller before processes."""
    tasks = [Task("a", 0, 1, 1), Task("gui", 1, 2, 0, ("a",)), Task("p", 2, 3, 3, ("gui",), waits_in=2)]
    kinds = ["caller", "thread", "thread", "process"]
    found = idle_of(tasks, kinds, 2, 3)
    assert [(its.row, its.start_s, its.end_s) for its in found.idle] == [(1, 1, 2), (1, 2, 3), (2, 0, 1)]
    found = idle_of(tasks, kinds, 4, 3)
    assert [(its.row, its.start_s, its.end_s) for its in found.idle if its.row in (0, 3)] == [
        (0, 0, 1),
        (0, 2, 3),
        (3, 0, 1),
        (3, 1, 2),
    ]


def test_a_ready_node_stands_in_its_own_row():
    tasks = [Task("a", 0, 1, 1), Task("gui", 2, 3, 0)]
    kinds = ["caller", "thread"]
    found = idle_of(tasks, kinds, 1, 3)
    assert [(its.row, its.start_s, its.end_s, its.cause) for its in found.idle] == [(0, 1, 2, "budget")]


def test_short_stretches_are_added_up_though_they_are_not_drawn():
    tasks = [Task("a", 0, 50_000, 0), Task("b", 50_001, 100_000, 0)]
    found = idle_of(tasks, ["thread"], 1, 100_000)
    assert found.idle == ()
    assert found.sums_s == ({"budget": 1},)


@pytest.mark.parametrize(("rows", "until_s"), [(0, 1.0), (2, 0.0)])
def test_nothing_to_look_at(rows, until_s):
    assert idle_of([], ["thread"] * rows, 2, until_s).idle == ()


def test_nodes_of_no_time_and_clocks_that_disagree_do_no_harm():
    tasks = [
        Task("zero", 1, 1, 0),
        Task("early", 0.5, 2, 1, ("late",)),  # it began before what it waited for had ended
        Task("late", 0, 1, 0),
        Task("back", 3, 2.5, 0),
        Task("beyond", 3, 9, 1),
        Task("lost", 3, 4, 0, ("not there",)),
    ]
    found = idle_of(tasks, ["thread"] * 2, 2, 4)
    for row in (0, 1):
        assert 0 <= sum(found.sums_s[row].values()) <= 4


# -- one moment, looked at by itself -------------------------------------------------------------------


def causes_at(tasks, rows, places, limits, now_s):
    """Return how many places are idle for which cause at a moment."""
    running = [task for task in tasks if task.start_s <= now_s < task.end_s]
    ends = {task.name: task.end_s for task in tasks}
    taken = {task.row for task in running} | {task.waits_in for task in running} - {None}
    free = max(0, min(len(rows) - len(taken), places - len(running)))
    left = sorted((task.start_s, i) for i, task in enumerate(tasks) if task.start_s > now_s)

    def ready(task):
        return all(ends.get(name, 0) <= now_s for name in task.after)

    first = [tasks[i] for _, i in left if ready(tasks[i])][:free]
    found = Counter()
    for task in first:
        full = [
            limits[k] for k in task.groups if sum(k in other.groups for other in running) >= limits[k].limit
        ]
        alone = any(other.alone for other in running) or (first[0].alone and running)
        found[full[0].cause if full else "lock" if alone else "budget"] += 1
    waiting = any(not ready(tasks[i]) for _, i in left)
    found["inputs" if waiting else "nothing left"] += free - len(first)
    return +found


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 25),
    st.integers(1, 5),
    st.integers(0, 10_000),
    st.integers(0, 2),
)
def test_every_moment_has_the_cause_that_a_look_at_it_alone_finds(n, threads, seed, processes):
    rng = random.Random(seed)
    record = random_run(n, threads=threads, seed=seed)
    limits = [Limit("db", 1), Limit("GIL holders", rng.randint(1, 3), "GIL"), Limit("never", 99)]
    tasks = []
    free = [0.0] * processes
    for node in record.nodes:
        far = rng.randrange(processes) if processes and rng.random() < 0.3 else None
        if far is not None and free[far] > node.start_s:
            far = None
        if far is not None:
            free[far] = node.end_s
        tasks.append(
            Task(
                node.name,
                node.start_s,
                node.end_s,
                node.thread if far is None else threads + far,
                node.after,
                tuple(k for k in range(3) if rng.random() < 0.3),
                rng.random() < 0.1,
                None if far is None else node.thread,
            )
        )
    rows: list[LaneKind] = ["thread"] * threads + ["process"] * processes
    until_s = record.makespan_s
    found = idle_of(tasks, rows, threads, until_s, limits)
    ran_s = sum(task.end_s - task.start_s for task in tasks)
    idle_s = sum(sum(sums.values()) for sums in found.sums_s)
    assert ran_s + idle_s == pytest.approx(threads * until_s, abs=1e-6)
    events = {t for task in tasks for t in (task.start_s, task.end_s)}
    for _ in range(20):
        now_s = rng.uniform(0, until_s)
        if any(abs(now_s - event) < 1e-4 * until_s for event in events):
            continue  # too short to be drawn
        seen = Counter(its.cause for its in found.idle if its.start_s <= now_s < its.end_s)
        assert seen == causes_at(tasks, rows, threads, limits, now_s)


def test_lanes_of_a_report_add_up():
    for record in (random_run(30, seed=3), random_run(1), random_run(0)):
        assert record.plan is not None
        for report in (report_of(record), report_of_plan(record.plan)):
            whole_s = (report.planned_s if report.actual_s is None else report.actual_s) or 0.0
            for lane in report.lanes:
                idle_s = sum(idle_s for _, idle_s in lane.idle_s)
                assert lane.busy * whole_s + idle_s + lane.elsewhere_s == pytest.approx(whole_s, abs=1e-6)
                assert [s for _, s in lane.idle_s] == sorted((s for _, s in lane.idle_s), reverse=True)


def test_a_group_of_the_plan_explains_idle_time_and_is_a_band():
    plan = make_plan(
        [
            node_plan("x", 0, 0.0, 2.0, 0, locks=("db",)),
            node_plan("y", 1, 2.0, 1.0, 1, locks=("db",)),
            node_plan("g", 2, 0.0, 2.0, 2),
            node_plan("h", 3, 2.0, 1.0, 3),
        ],
        threads=4,
        groups=(PlanGroup("lock db", ("x", "y")), PlanGroup("GIL holders", ("g", "h"), 1, "gil", "measured")),
        chains=(("x", "g"),),
    )
    report = report_of_plan(plan)
    assert {(its.cause, its.of) for its in report.idle if its.start_s == 0} == {
        ("lock", "db"),
        ("GIL", "GIL holders"),
    }
    assert [(band.name, band.kind, band.limit) for band in report.bands] == [
        ("db", "lock", 1),
        ("GIL holders", "group", 1),
        ("x … g", "chain", 1),
    ]
    assert report.bands[0].spans == ((0.0, 2.0, 0), (2.0, 3.0, 1))
    assert {node.name: node.groups for node in report.nodes}["g"] == ("GIL holders", "x … g")
    ran = make_record(
        [
            RunNode("x", 0, 2.5, 0),
            RunNode("g", 0, 1.5, 1),
            RunNode("h", 1.5, 2.5, 2),
            RunNode("y", 2.5, 3, 3),
        ],
        plan=plan,
        threads=4,
    )
    report = report_of(ran)
    assert {(its.row, its.cause) for its in report.idle if its.start_s == 0} == {(3, "lock"), (2, "GIL")}
    assert report.bands[0].spans == ((0.0, 2.5, 0), (2.5, 3.0, 3))


def test_short_waits_of_one_cause_are_one_stretch_whichever_nodes_they_were_for():
    tasks = [Task(f"n{i}", i, i + 1, 0) for i in range(4000)]
    tasks += [Task(f"m{i}", 4000 + i, 4001 + i, 1, (f"n{i}",)) for i in range(4000)]
    found = idle_of(tasks, ["thread"] * 2, 2, 8000)
    assert [(its.row, its.start_s, its.end_s, its.cause, its.of) for its in found.idle] == [
        (0, 4000, 7999, "budget", ""),
        (0, 7999, 8000, "nothing left", ""),
        (1, 0, 4000, "budget", ""),
    ]
    assert found.sums_s == ({"budget": 3999, "nothing left": 1}, {"budget": 4000})
