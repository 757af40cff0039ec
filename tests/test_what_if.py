"""Other thread budgets."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import pytest

from makespan.errors import MakespanError, OptionError, ProfileError
from makespan.plan import WhatIf
from makespan_optimizer.instance import instance_of
from makespan_optimizer.optimize import optimize
from makespan_optimizer.questions.changes import AS_IT_IS
from makespan_optimizer.questions.what_if import default_budgets, up_to, what_if
from tests.builders import make_profile

if TYPE_CHECKING:
    from makespan_optimizer.choice.search import Progress


def near(*values):
    """Say what is expected, up to what hand-overs between threads cost."""
    return pytest.approx(values, rel=0.005) if len(values) > 1 else pytest.approx(values[0], rel=0.005)


WIDE = make_profile({name: [] for name in "abcdef"})


def test_budgets_are_answered_in_the_order_asked():
    rows = what_if(WIDE, [6, 1, 2, 3])
    assert [row.threads for row in rows] == [6, 1, 2, 3]
    assert [row.makespan_s for row in rows] == near(1.0, 6.0, 3.0, 2.0)
    assert [row.lower_bound_s for row in rows] == near(1.0, 6.0, 3.0, 2.0)


def test_more_cores():
    heavy = make_profile({name: [] for name in "abcd"}, 1.0, "native", cores=2)
    assert [row.makespan_s for row in what_if(heavy, [4])] == [near(2.0)]
    assert [row.makespan_s for row in what_if(heavy, [4], cores=4)] == [near(1.0)]


def test_threads_do_not_help_python():
    loops = make_profile({name: [] for name in "abcd"}, 1.0, "python", cores=8)
    assert [row.makespan_s for row in what_if(loops, [1, 4])] == near(4.0, 4.0)


def test_progress_is_told_for_each_budget():
    told: list[Progress] = []
    what_if(WIDE, [1, 2], progress=told.append)
    assert [step.stage for step in told] == ["1 threads", "2 threads"]


@pytest.mark.parametrize("threads", [0, -1, math.nan, True, 1.5, 1025, "2", None])
def test_impossible_budgets(threads):
    with pytest.raises(OptionError, match="threads"):
        what_if(WIDE, [1, threads])


def test_unmeasured_nodes():
    with pytest.raises(ProfileError, match="profile again"):
        what_if(make_profile({"a": []}, missing="a"), [1])


def test_default_budgets_end_with_the_width():
    assert default_budgets(instance_of(WIDE)) == [1, 2, 3, 4, 5, 6]
    assert default_budgets(instance_of(make_profile({"a": [], "b": ["a"]}))) == [1]
    assert default_budgets(instance_of(make_profile({}))) == [1]
    assert default_budgets(instance_of(make_profile({str(i): [] for i in range(2001)}))) == [1, 2, 4, 8]


def test_a_plan_answers_its_own_budget_with_itself():
    plan = optimize(WIDE, 2, what_if=[4, 2])
    assert [(row.threads, row.makespan_s) for row in plan.what_if] == [(4, near(2.0)), (2, plan.makespan_s)]
    assert optimize(WIDE, 2, what_if=[]).what_if == ()


def test_one_may_always_use_fewer_threads():
    given = [WhatIf(4, 3.2, 2.0), WhatIf(1, 6.0, 5.0), WhatIf(3, 3.0, 2.5), WhatIf(2, 4.0, 2.4)]
    assert up_to(given) == [
        WhatIf(4, 3.0, 2.0),
        WhatIf(1, 6.0, 5.0),
        WhatIf(3, 3.0, 2.5),
        WhatIf(2, 4.0, 2.5),  # a bound for more threads holds for fewer
    ]
    assert up_to(up_to(given)) == up_to(given)
    assert up_to([]) == []


# Loops beside native work on two cores: what starts together shares the cores and the GIL.
CROWDED = make_profile(
    {f"n{i}": [f"n{j}" for j in (i - 3, i - 5) if j >= 0 and i % 3] for i in range(24)},
    [1.0 + i * 7 % 5 for i in range(24)],
    ["python", "native", "io"] * 8,
)


def never_worse(rows):
    assert len(rows) > 1
    assert [row.makespan_s for row in rows] == sorted((row.makespan_s for row in rows), reverse=True)
    assert [row.lower_bound_s for row in rows] == sorted((r.lower_bound_s for r in rows), reverse=True)
    assert all(row.lower_bound_s <= row.makespan_s for row in rows)


def test_more_threads_are_never_worse_in_the_answers():
    never_worse(what_if(CROWDED, range(1, 9)))
    never_worse(optimize(CROWDED, 5, time_limit_s=2, what_if=range(1, 9)).what_if)


def test_work_is_counted_not_timed():
    """Far from the time limit the same question has the same answer."""
    one, other = (what_if(CROWDED, [2, 5], nodes={"n3": 0.5}, time_limit_s=1e6) for _ in range(2))
    assert one == other


# -- changes ---------------------------------------------------------------------------------------------

CHAIN = make_profile({"a": [], "b": ["a"], "c": []}, [2.0, 3.0, 1.0])


def told(rows):
    return [(row.threads, row.change.name, round(row.makespan_s, 2), row.binding) for row in rows]


def test_each_change_stands_beside_the_dag_as_it_is():
    rows = what_if(CHAIN, [1, 2], nodes={"b": 0.5, "c": 8})
    assert told(rows) == [
        (1, "as it is", 6.0, "threads"),
        (1, "b × 0.5", 4.5, "threads"),
        (1, "c × 8", 13.0, "threads"),
        (2, "as it is", 5.0, "critical path"),
        (2, "b × 0.5", 3.5, "critical path"),
        (2, "c × 8", 8.0, "critical path"),
    ]


def test_changes_together():
    rows = what_if(CHAIN, 2, nodes=[("b", 0.5), ("a", 0)], together=True)
    assert told(rows) == [(2, "as it is", 5.0, "critical path"), (2, "b × 0.5 + a × 0", 1.5, "critical path")]
    (only,) = what_if(CHAIN, 2, together=True)
    assert only.change == AS_IT_IS


def test_one_node_twice_multiplies_when_together():
    rows = what_if(CHAIN, 2, nodes=[("b", 0.5), ("b", 0.5)], together=True)
    assert told(rows)[1] == (2, "b × 0.25", 2.75, "critical path")


def test_loops_run_side_by_side_without_a_gil():
    loops = make_profile({name: [] for name in "abcd"}, 1.0, "python", cores=4)
    rows = what_if(loops, [4], no_gil=True)
    assert [(row.change.name, row.makespan_s) for row in rows] == [
        ("as it is", near(4.0)),
        ("no GIL", near(1.0)),
    ]
    assert rows[0].binding == "GIL"


@pytest.mark.parametrize("seed", range(3))
def test_a_faster_node_is_never_worse(seed):
    rows = what_if(
        CROWDED, [2, 4], nodes=[("n3", 0.5), ("n3", 0), ("n3", 3), ("n7", 0.5)], no_gil=True, seed=seed
    )
    for one in rows:
        assert one.lower_bound_s <= one.makespan_s
        for other in rows:
            if one.threads >= other.threads and one.change.no_slower_than(other.change):
                assert one.makespan_s <= other.makespan_s
                assert one.lower_bound_s <= other.lower_bound_s


def test_a_change_of_an_unknown_node_is_refused_with_the_nearest():
    profile = make_profile({"fetch": [], "parse": ["fetch"]})
    for change in ({"nodes": {"prase": 0.5}}, {"process": ["prase"]}):
        with pytest.raises(ProfileError, match=r"no node 'prase' .did you mean 'parse'"):
            what_if(profile, 1, **change)


@pytest.mark.parametrize("factor", [-1, math.nan, math.inf, True, "2", None, 1e7])
def test_impossible_factors(factor):
    with pytest.raises(OptionError, match=r"node 'a': a factor is a number from 0 to 1,000,000, not"):
        what_if(CHAIN, 1, nodes={"a": factor})


def test_a_statistic_is_one_of_three():
    profile = make_profile({"a": []}, 1.0)
    assert what_if(profile, [1], statistic="p90")[0].makespan_s == 1.0
    for call in (lambda: what_if(profile, [1], statistic="max"), lambda: optimize(profile, statistic="max")):
        with pytest.raises(OptionError, match="statistic: must be one of median, mean, p90, not 'max'"):
            call()


def test_a_profile_answers_itself():
    profile = make_profile({"a": [], "b": []}, [2.0, 1.0])
    assert profile.what_if([1, 2], nodes={"a": 0.5}) == what_if(profile, [1, 2], nodes={"a": 0.5})
    assert [row.threads for row in profile.what_if(2)] == [2]


@pytest.mark.parametrize(
    ("threads", "more", "said"),
    [
        (2.5, {}, "threads: must be a whole number from 1 to 1024, not 2.5"),
        (None, {}, "threads: must be a whole number from 1 to 1024, not None"),
        ("auto", {}, "threads: must be a whole number from 1 to 1024, not 'auto'"),
        (2, {"nodes": ["a"]}, "nodes: must be factors by name, such as {'parse': 0.5}, not ['a']"),
        (2, {"nodes": 3}, "nodes: must be factors by name"),
        (2, {"process": 3}, "process: must be names of nodes, not 3"),
        (2, {"process": "zz"}, "the profile has no node 'zz'"),  # one name, not two letters
        (2, {"no_gil": "no"}, "no_gil: must be True or False, not 'no'"),
        (2, {"first_call": "no"}, "first_call: must be True or False, not 'no'"),
        (2, {"native_threads": 2}, "native_threads: must be True or False, not 2"),
        (2, {"together": 1}, "together: must be True or False, not 1"),
    ],
)
def test_options_that_are_none(threads, more, said):
    profile = make_profile({"a": [], "b": []})
    with pytest.raises(MakespanError, match=re.escape(said)):
        what_if(profile, threads, **more)
