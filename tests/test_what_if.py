"""Other thread budgets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from makespan.errors import OptionError, ProfileError
from makespan.plan import WhatIf
from makespan_optimizer.instance import instance_of
from makespan_optimizer.optimize import optimize
from makespan_optimizer.what_if import default_budgets, up_to, what_if
from tests.builders import make_profile

if TYPE_CHECKING:
    from makespan_optimizer.search import Progress

WIDE = make_profile({name: [] for name in "abcdef"})


def test_budgets_are_answered_in_the_order_asked():
    rows = what_if(WIDE, [6, 1, 2, 3])
    assert [(row.threads, row.makespan_s, row.lower_bound_s) for row in rows] == [
        (6, 1.0, 1.0),
        (1, 6.0, 6.0),
        (2, 3.0, 3.0),
        (3, 2.0, 2.0),
    ]


def test_more_cores():
    heavy = make_profile({name: [] for name in "abcd"}, 1.0, "native", cores=2)
    assert [row.makespan_s for row in what_if(heavy, [4])] == [pytest.approx(2.0)]
    assert [row.makespan_s for row in what_if(heavy, [4], cores=4)] == [pytest.approx(1.0)]


def test_threads_do_not_help_python():
    loops = make_profile({name: [] for name in "abcd"}, 1.0, "python", cores=8)
    assert [row.makespan_s for row in what_if(loops, [1, 4])] == pytest.approx([4.0, 4.0])


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
    assert [(row.threads, row.makespan_s) for row in plan.what_if] == [(4, 2.0), (2, plan.makespan_s)]
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


def test_more_threads_are_never_worse_in_the_answers():
    plan = optimize(CROWDED, 5, time_limit_s=2)
    for rows in (what_if(CROWDED, range(1, 9)), list(plan.what_if)):
        assert len(rows) > 1
        assert [row.makespan_s for row in rows] == sorted((row.makespan_s for row in rows), reverse=True)
        assert [row.lower_bound_s for row in rows] == sorted((r.lower_bound_s for r in rows), reverse=True)
        assert all(row.lower_bound_s <= row.makespan_s for row in rows)
    assert plan.to_json() == optimize(CROWDED, 5, time_limit_s=2).to_json()


def test_a_statistic_is_one_of_three():
    profile = make_profile({"a": []}, 1.0)
    assert what_if(profile, [1], statistic="p90")[0].makespan_s == 1.0
    for call in (lambda: what_if(profile, [1], statistic="max"), lambda: optimize(profile, statistic="max")):
        with pytest.raises(OptionError, match="statistic: must be one of median, mean, p90, not 'max'"):
            call()
