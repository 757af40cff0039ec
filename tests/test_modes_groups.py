"""Groups as beginnings: a DAG with planted groups, ways to deal them, and leaving out when the time is up."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan_optimizer.modes.choose import choose_modes
from makespan_optimizer.modes.clusters import Cutter
from makespan_optimizer.modes.contract import contract
from makespan_optimizer.modes.cuts import Cuts, Part, bits
from makespan_optimizer.modes.groups import dealt, groupings
from makespan_optimizer.modes.judge import Judge
from makespan_optimizer.modes.worth import Looks, worth_it
from tests.builders import make_profile
from tests.mode_profiles import MB, with_pickling
from tests.test_modes_clusters import dags

BRANCHES, LONG = 3, 6


def planted():
    """Return branches of Python nodes that pass large results on, and end in small ones.

    Nodes of two neighbours take each result, so that a branch is no chain.
    """
    after, seconds, sizes = {"read": []}, {"read": 0.01}, {"read": 1000}
    for b in range(BRANCHES):
        for k in range(LONG):
            name = f"n{b}_{k}"
            after[name] = [f"n{b}_{j}" for j in (k - 2, k - 1) if j >= 0] or ["read"]
            seconds[name] = 0.1
            sizes[name] = 300 * MB if k < LONG - 1 else 1000
    after["end"] = [f"n{b}_{LONG - 1}" for b in range(BRANCHES)]
    seconds["end"] = 0.01
    return with_pickling(make_profile(after, seconds, dict.fromkeys(after, "python"), cores=4.0), sizes)


def branches(cuts):
    names = cuts.structure.names
    return {sum(1 << i for i, name in enumerate(names) if name.startswith(f"n{b}_")) for b in range(BRANCHES)}


def test_planted_groups_are_found_and_dealt_evenly():
    cuts = Cuts(planted())
    assert any(set(groups) >= branches(cuts) for groups in groupings(cuts, cuts.free))
    # one branch stays in this process, one goes to each worker: all three interpreters have the same to do
    for state in islice(dealt(cuts, cuts.free, 2), 40):
        whole = [part for part in state if part.members in branches(cuts)]
        if len(whole) == 2 and {part.worker for part in whole} == {0, 1}:
            return
    pytest.fail("not among the first")


def test_the_best_choice_of_planted_groups_is_found_with_little_work():
    profile = planted()
    cuts = Cuts(profile)
    one, two, _ = sorted(branches(cuts))
    known = Judge(3, over=lambda: False, work=1e9).close(
        contract(cuts, (Part(one), Part(two, 0, 1)), calls=False).profile
    )
    alone = BRANCHES * LONG * 0.1 + 0.02
    assert known < 0.45 * alone
    choice = choose_modes(profile, 3, processes=2, work=12_000)
    assert choice.makespan_s <= known * 1.01
    assert choice.without_s == pytest.approx(alone, rel=0.05)


@given(dags(), st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_groups_are_sets_that_can_be_sent(profile, workers):
    cuts = Cuts(profile)
    for groups in groupings(cuts, cuts.free):
        assert len(set(groups)) == len(groups)
        for some in groups:
            assert cuts.convex(some)
            assert not some & ~cuts.free
            assert not cuts.crossing(some, 0).fault
        assert sum(some.bit_count() for some in groups) == sum(map(int.bit_count, groups))
    for state in dealt(cuts, cuts.free, workers):
        assert all(part.worker < workers for part in state)
        assert len({i for part in state for i in bits(part.members)}) == sum(
            part.members.bit_count() for part in state
        )


def test_many_groups_are_dealt_the_longest_first():
    after = {f"n{k}": [] for k in range(40)}
    cuts = Cuts(with_pickling(make_profile(after, 0.1, "python"), 100))
    state = next(iter(dealt(cuts, cuts.free, 3)))
    counts = [sum(part.worker == w for part in state) for w in range(3)]
    assert counts == [10, 10, 10]


@pytest.mark.parametrize("late", [lambda: False, lambda: True])
def test_parts_that_gain_nothing_go_even_when_the_time_is_up(late):
    cuts = Cuts(planted())
    names = cuts.structure.names
    one, two, _ = sorted(branches(cuts))
    useless = 1 << names.index("end")
    state = (Part(one), Part(two, 0, 1), Part(useless, 0, 1))
    judge = Judge(3, over=lambda: True, late=late, work=20_000)
    assert judge.over()
    judge.use_reserve()
    best = worth_it(Looks(cuts, judge), [state], ())
    assert {part.members for part in best} == {one, two}
    assert judge.late


def test_the_reserve_is_kept_for_what_comes_after_the_search():
    judge = Judge(3, over=lambda: False, work=10_000)
    cutter = Cutter(Cuts(planted()), judge, 2)
    cutter.search()
    assert judge.over()
    assert judge.simulated < 7_500  # the look at which it was used up comes on top
    judge.use_reserve()
    assert not judge.over()
    assert judge.left >= 2_500
    assert not judge.late


def test_a_search_cut_short_says_so_and_still_leaves_out():
    choice = choose_modes(planted(), 3, processes=2, over=lambda: True, late=lambda: True)
    assert choice.cut_short
    assert choice.makespan_s <= choice.without_s * (1 + 1e-9)
