"""The dispatch core: its invariants under any order of events, and what it decides on small drawn DAGs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.dispatch import Dispatch, Rules
from makespan.structure import build


def structure_of(after, locks=None, exclusive=None):
    names = [f"n{i}" for i in range(len(after))]
    return build(names, [[names[p] for p in some] for some in after], locks=locks, exclusive=exclusive)


def rules(after, ranks=None, budget=2, groups=(), locks=None, exclusive=None):
    structure = structure_of(after, locks, exclusive)
    return Rules(structure, ranks or list(range(len(after))), budget, groups)


def startable(core):
    found = []
    while (i := core.next()) is not None:
        found.append(i)
    return found


def test_the_smallest_rank_among_the_ready_starts_first():
    #  0   1   2      ranks 2, 0, 1
    core = Dispatch(rules([[], [], []], ranks=[2, 0, 1], budget=2))
    assert startable(core) == [1, 2]
    core.finish(1)
    assert startable(core) == [0]


def test_a_node_waits_for_all_its_inputs():
    #  0 ─┐
    #  1 ─┴▶ 2
    core = Dispatch(rules([[], [], [0, 1]], budget=3))
    assert startable(core) == [0, 1]
    core.finish(1)
    assert startable(core) == []
    core.finish(0)
    assert startable(core) == [2]
    core.finish(2)
    assert core.done


def test_a_busy_lock_does_not_hold_up_others():
    core = Dispatch(rules([[], [], []], locks=[["a"], ["a"], []], budget=2))
    assert startable(core) == [0, 2]
    core.finish(2)
    assert startable(core) == []
    assert not core.done
    core.finish(0)
    assert startable(core) == [1]


def test_a_node_with_two_locks_takes_both_or_none():
    core = Dispatch(rules([[], [], []], locks=[["a"], ["a", "b"], ["b"]], budget=3))
    assert startable(core) == [0, 2]
    core.finish(0)
    assert startable(core) == []
    core.finish(2)
    assert startable(core) == [1]


def test_a_parked_node_that_still_cannot_start_lets_the_next_one_through():
    # 1 needs both locks and is called back when "a" frees up, but "b" is busy: 3 must get "a" at once.
    core = Dispatch(rules([[], [], [], []], locks=[["a"], ["a", "b"], ["b"], ["a"]], budget=4))
    assert startable(core) == [0, 2]
    core.finish(0)
    assert startable(core) == [3]


def test_a_group_lets_as_many_run_as_its_limit():
    core = Dispatch(rules([[]] * 4, groups=[([0, 1, 2, 3], 2)], budget=4))
    assert startable(core) == [0, 1]
    core.finish(0)
    assert startable(core) == [2]


def test_an_exclusive_node_at_the_head_drains_the_others_and_runs_alone():
    core = Dispatch(
        rules([[], [], [], []], ranks=[0, 1, 2, 3], exclusive=[False, True, False, False], budget=2)
    )
    assert startable(core) == [0]  # 2 and 3 are held back: 1 is more urgent
    assert not core.may_start
    core.finish(0)
    assert startable(core) == [1]
    core.finish(1)
    assert startable(core) == [2, 3]


def test_an_exclusive_node_of_low_rank_starts_last():
    core = Dispatch(rules([[], [], []], ranks=[0, 1, 2], exclusive=[False, False, True], budget=3))
    assert startable(core) == [0, 1]
    core.finish(0)
    assert startable(core) == []
    core.finish(1)
    assert startable(core) == [2]


def test_after_a_failure_nothing_starts():
    core = Dispatch(rules([[], [], []], budget=2))
    assert startable(core) == [0, 1]
    core.fail(0)
    assert startable(core) == []
    assert not core.done
    core.finish(1)
    assert core.done


@st.composite
def cases(draw):
    n = draw(st.integers(1, 9))
    after = [draw(st.sets(st.integers(0, i - 1), max_size=3)) if i else set() for i in range(n)]
    locks = [draw(st.sets(st.sampled_from("abc"), max_size=2)) for _ in range(n)]
    exclusive = [draw(st.integers(0, 7)) == 0 for _ in range(n)]
    ranks = draw(st.permutations(range(n)))
    budget = draw(st.integers(1, 4))
    groups = draw(
        st.lists(st.tuples(st.sets(st.integers(0, n - 1), min_size=1), st.integers(1, 3)), max_size=2)
    )
    return after, locks, exclusive, ranks, budget, groups


def permitted(case, finished, running):
    """Which nodes may start now, from the definition: slow and plain."""
    after, locks, exclusive, ranks, budget, groups = case
    ready = [i for i in range(len(after)) if i not in finished | running and after[i] <= finished]
    if len(running) >= budget or any(exclusive[i] for i in running):
        return []

    def free(i):
        if any(locks[i] & locks[j] for j in running):
            return False
        return all(len(running & nodes) < limit for nodes, limit in groups if i in nodes)

    found = []
    for i in sorted(ready, key=lambda i: ranks[i]):
        if exclusive[i]:
            if not running:
                found.append(i)
            break  # it holds back those behind it until it has run
        elif free(i):
            found.append(i)
    return found


@settings(max_examples=400, deadline=None)
@given(cases(), st.data())
def test_it_follows_the_definition_in_any_order_of_events(case, data):
    after, locks, exclusive, ranks, budget, groups = case
    core = Dispatch(rules(after, ranks, budget, groups, locks, exclusive))
    finished: set[int] = set()
    running: set[int] = set()
    order = []
    in_one_call = data.draw(st.booleans())
    advanced = None
    while True:
        allowed = permitted(case, finished, running)
        chosen, advanced = (core.next() if advanced is None else advanced), None
        if chosen is not None:
            assert chosen not in running | finished
            assert after[chosen] <= finished
            assert chosen in allowed
            running.add(chosen)
            order.append(chosen)
            assert len(running) <= budget == core.budget
            assert core.running == len(running)
            if any(exclusive[i] for i in running):
                assert len(running) == 1
            for nodes, limit in groups:
                assert len(nodes & running) <= limit
            for lock in "abc":
                assert sum(lock in locks[i] for i in running) <= 1
            continue
        # Work-conserving: None only when the definition allows nothing.
        assert allowed == []
        if not running:
            break
        ended = data.draw(st.sampled_from(sorted(running)))
        running.remove(ended)
        finished.add(ended)
        if in_one_call:
            advanced = core.advance(ended)
        else:
            core.finish(ended)
    assert core.done
    assert sorted(order) == list(range(len(after)))


def test_many_nodes_waiting_for_one_lock_are_looked_at_one_at_a_time():
    """Handing a lock on must not touch every waiting node: count the heap pops through rank lookups."""
    n = 2000
    made = rules([[]] * n, locks=[["a"]] * n, budget=2)
    looked = 0

    class Counting(list):
        def __getitem__(self, index):
            nonlocal looked
            looked += 1
            return super().__getitem__(index)

    made.node_at = Counting(made.node_at)
    core = Dispatch(made)
    running = startable(core)
    while running:
        core.finish(running.pop())
        running += startable(core)
    assert core.done
    assert looked < 5 * n


@pytest.mark.parametrize("budget", [1, 2, 5])
def test_ten_thousand_in_a_chain(budget):
    n = 10_000
    core = Dispatch(rules([[]] + [[i] for i in range(n - 1)], budget=budget))
    count = 0
    while (i := core.next()) is not None:
        core.finish(i)
        count += 1
    assert count == n
    assert core.done


@settings(max_examples=200, deadline=None)
@given(cases(), st.data())
def test_nodes_of_the_calling_thread_are_dealt_to_it_one_at_a_time_in_their_turn(case, data):
    after, locks, exclusive, ranks, budget, groups = case
    n = len(after)
    own = data.draw(st.frozensets(st.integers(0, n - 1)))
    made = rules(after, ranks, budget, groups, locks, exclusive)
    core = Dispatch(Rules(structure_of(after, locks, exclusive), ranks, budget, groups, callers=own))
    assert made.left == n
    finished, running = set(), set()
    while True:
        chosen = core.next(helping=True)
        dealt = core.take()
        for i in (dealt, chosen):
            if i is not None:
                running.add(i)
                assert after[i] <= finished
        assert chosen is None or chosen not in own
        assert dealt is None or dealt in own
        assert len(running & own) <= 1
        assert len(running) == core.running <= budget
        for nodes, limit in groups:
            assert len(nodes & running) <= limit
        if chosen is not None or dealt is not None:
            continue
        # Work-conserving: what the definition allows now is for the calling thread, which is busy.
        allowed = permitted(case, finished, running)
        assert not [i for i in allowed if i not in own] or any(exclusive)
        assert not allowed or running & own or any(exclusive)
        if not running:
            break
        ended = data.draw(st.sampled_from(sorted(running)))
        running.remove(ended)
        finished.add(ended)
        core.finish(ended)
    assert core.done
    assert len(finished) == n


@settings(max_examples=200, deadline=None)
@given(cases(), st.sets(st.integers(0, 6)), st.data())
def test_after_failures_everything_else_runs_and_every_node_is_accounted_for(case, bad, data):
    after, locks, exclusive, ranks, budget, groups = case
    core = Dispatch(rules(after, ranks, budget, groups, locks, exclusive), go_on=True)
    running, ended, dropped = set(), set(), set()
    while True:
        running |= set(startable(core))
        if not running:
            break
        i = data.draw(st.sampled_from(sorted(running)))
        running.remove(i)
        ended.add(i)
        if i in bad:
            lost = core.fail(i)
            assert not dropped & set(lost)
            dropped |= set(lost)
        else:
            core.finish(i)
    assert core.done
    assert ended | dropped == set(range(len(after)))
    assert not ended & dropped
    expected = set()
    for i in range(len(after)):
        if any(p in expected or p in bad for p in after[i]):
            expected.add(i)
    assert dropped == expected
