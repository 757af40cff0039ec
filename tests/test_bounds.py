"""Lower bounds."""

import pytest
from hypothesis import given, settings

from makespan.structure import build
from makespan_optimizer import bounds as bounds_module
from makespan_optimizer.bounds import bounds_by_budget, lower_bounds
from makespan_optimizer.choice.other_budgets import other_budgets
from makespan_optimizer.instance import instance_from, instance_of
from makespan_optimizer.rigid.energy import scaled_energy
from makespan_optimizer.simulate import simulate
from tests.builders import make_profile
from tests.oracles import best_schedule
from tests.strategies import cases
from tests.test_simulate import contended

DRAWN = [
    # after, walls, exclusive, locks, budget -> name, ticks
    ("chain", {"a": "", "b": "a", "c": "b"}, [3, 4, 5], "", {}, 2, "critical path", 12),
    ("wide", {"a": "", "b": "", "c": "", "d": ""}, [3, 3, 3, 3], "", {}, 2, "threads", 6),
    ("one thread", {"a": "", "b": "a", "c": ""}, [3, 4, 5], "", {}, 1, "threads", 12),
    (
        "head and tail",
        {"a": "", "b": "a", "c": "a", "d": "a", "e": "bcd"},
        [5, 2, 2, 2, 5],
        "",
        {},
        2,
        "threads",
        13,
    ),
    ("three on two", {"a": "", "b": "", "c": ""}, [4, 4, 4], "", {}, 2, "threads", 8),
    (
        "lock",
        {"a": "", "b": "", "c": ""},
        [3, 4, 5],
        "",
        {"a": ["db"], "b": ["db"], "c": ["db"]},
        3,
        "lock db",
        12,
    ),
    (
        "lock after head",
        {"a": "", "b": "a", "c": "a"},
        [3, 4, 5],
        "",
        {"b": ["db"], "c": ["db"]},
        3,
        "lock db",
        12,
    ),
    ("exclusive", {"a": "", "b": "", "c": ""}, [9, 2, 2], "a", {}, 3, "exclusive nodes", 11),
]


@pytest.mark.parametrize("row", DRAWN, ids=[row[0] for row in DRAWN])
def test_drawn(row):
    _, after, walls, alone, locks, budget, name, ticks = row
    structure = build(
        list(after),
        [list(some) for some in after.values()],
        locks=[locks.get(node, ()) for node in after],
        exclusive=[node in alone for node in after],
    )
    best = lower_bounds(instance_from(structure, walls), budget)[0]
    assert (best.name, best.ticks) == (name, ticks)


def test_what_all_budgets_share_is_worked_out_once(monkeypatch):
    worked_out = []

    def counted(*args):
        worked_out.append(args)
        return scaled_energy(*args)

    monkeypatch.setattr(bounds_module, "scaled_energy", counted)
    instance = instance_of(make_profile({name: [] for name in "abcd"}, 1.0, "python"))
    other_budgets(instance, [0, 1, 2, 3], [1, 2, 3, 4], 0, lambda: False)
    assert len(worked_out) == 2
    of = bounds_by_budget(instance)
    assert [of(k) for k in (1, 2, 3)] == [lower_bounds(instance, k) for k in (1, 2, 3)]


def test_gil_and_cores():
    structure = build("abc", ["", "", ""])
    loops = instance_from(structure, [4, 4, 4], gil=[1000] * 3, core=[1000] * 3)
    assert lower_bounds(loops, 3)[0] == ("GIL", 12)
    products = instance_from(structure, [4, 4, 4], core=[1000] * 3)
    assert lower_bounds(products, 3)[0] == ("cores", 6)


def test_no_node_at_all():
    assert lower_bounds(instance_from(build([], []), []), 2)[0].ticks == 0


@settings(deadline=None, max_examples=150)
@given(cases(6))
def test_never_above_the_optimum(case):
    best = best_schedule(case.wall, case.preds, case.budget, case.locks, case.exclusive)
    assert all(bound.ticks <= best for bound in lower_bounds(case.instance(), case.budget))


@settings(deadline=None, max_examples=200)
@given(contended())
def test_never_above_a_simulated_makespan(drawn):
    case, instance, ranks = drawn
    bound = lower_bounds(instance, case.budget)[0]
    assert bound.ticks <= simulate(instance, ranks, case.budget).makespan * (1 + 1e-9)
