"""What to optimise next."""

import msgspec
import pytest

from makespan.errors import OptionError, ProfileError
from makespan_optimizer.questions.changes import Change
from makespan_optimizer.questions.sensitivity import sensitivity
from makespan_optimizer.questions.what_if import what_if
from tests.builders import make_profile

CHAIN = make_profile({"a": [], "b": ["a"], "c": []}, [2.0, 3.0, 1.0])
CROWDED = make_profile(
    {f"n{i}": [f"n{j}" for j in (i - 3, i - 5) if j >= 0 and i % 3] for i in range(24)},
    [1.0 + i * 7 % 5 for i in range(24)],
    ["python", "native", "io"] * 8,
)


def test_nodes_of_the_critical_path_come_first():
    found = sensitivity(CHAIN, 2)
    assert [(its.name, round(its.half_saves_s, 2), round(its.free_saves_s, 2)) for its in found.nodes] == [
        ("b", 1.5, 3.0),
        ("a", 1.0, 2.0),
        ("c", 0.0, 0.0),
    ]
    assert found.base.makespan_s == pytest.approx(5.0, rel=0.005)
    assert (found.tried, found.of, found.complete) == (3, 3, True)
    assert found.nodes[0].half.change.nodes == {"b": 0.5}
    assert msgspec.to_builtins(found)["nodes"][0]["free"]["makespan_s"] == pytest.approx(2.0, rel=0.005)


def test_with_a_change_made_already():
    found = sensitivity(CHAIN, 2, change=Change(nodes={"b": 0.0}))
    assert found.base.makespan_s == pytest.approx(2.0, rel=0.005)
    assert [(its.name, round(its.half_saves_s, 2)) for its in found.nodes] == [
        ("a", 1.0),
        ("c", 0.0),
        ("b", 0.0),
    ]


def test_it_says_what_the_same_question_asked_singly_says():
    found = sensitivity(CROWDED, 3)
    for its in found.nodes[:3]:
        asked = what_if(CROWDED, 3, nodes=[(its.name, 0.5), (its.name, 0)])
        assert its.half.makespan_s == pytest.approx(asked[1].makespan_s, rel=0.05)
        assert its.free.makespan_s == pytest.approx(asked[2].makespan_s, rel=0.05)


def test_no_node_saves_more_than_it_takes_and_the_list_is_sorted():
    found = sensitivity(CROWDED, 3, top=24, time_limit_s=1e3)
    assert len(found.nodes) == 24
    for its in found.nodes:
        assert 0 <= its.half_saves_s <= its.wall_s / 2 + 1e-9
        assert its.half_saves_s <= its.free_saves_s <= its.wall_s + 1e-9
        assert its.half.lower_bound_s <= its.half.makespan_s <= found.base.makespan_s
    saved = [its.half_saves_s for its in found.nodes]
    assert saved == sorted(saved, reverse=True)


def test_the_longest_are_tried_until_no_other_can_be_among_the_best():
    walls = [10.0, 8.0, *[0.1] * 50]
    profile = make_profile({f"n{i}": [f"n{i - 1}"] if i else [] for i in range(52)}, walls)
    found = sensitivity(profile, 1, top=2)
    assert [its.name for its in found.nodes] == ["n0", "n1"]
    assert (found.tried, found.complete) == (2, True)


def test_names_and_the_order_of_declaration_do_not_matter():
    walls = {f"n{i}": 1.0 + i * 7 % 5 + i / 100 for i in range(24)}
    kinds = dict(zip(walls, ["python", "native", "io"] * 8, strict=True))
    after = {f"n{i}": [f"n{j}" for j in (i - 3, i - 5) if j >= 0 and i % 3] for i in range(24)}
    held = {"n3": ["db"], "n7": ["db"], "n1": ["a lock"], "n4": ["a lock"]}
    renamed = {f"n{i}": f"z{97 * i % 89}" for i in range(24)}
    backwards = list(after)[::-1]
    one = make_profile(after, walls, kinds, locks=held)
    other = make_profile(
        {renamed[name]: [renamed[p] for p in after[name]] for name in backwards},
        [walls[name] for name in backwards],
        [kinds[name] for name in backwards],
        locks={renamed[name]: locks for name, locks in held.items()},
    )
    told = [
        [
            (renamed.get(n.name, n.name), n.half_saves_s, n.half.binding)
            for n in sensitivity(p, 3, time_limit_s=1e3).nodes
        ]
        for p in (one, other)
    ]
    assert told[0] == told[1]
    rows = [
        what_if(p, [2, 3], nodes={name: 0.5}, time_limit_s=1e3)
        for p, name in ((one, "n4"), (other, renamed["n4"]))
    ]
    assert [(r.makespan_s, r.lower_bound_s, r.binding) for r in rows[0]] == [
        (r.makespan_s, r.lower_bound_s, r.binding) for r in rows[1]
    ]


def test_a_lock_that_binds_has_its_own_name():
    profile = make_profile({"a": [], "b": []}, 1.0, locks={"a": ["db"], "b": ["db"]})
    assert what_if(profile, 2)[0].binding == "lock db"
    assert sensitivity(profile, 2).base.binding == "lock db"


def test_the_time_is_kept_and_what_was_not_tried_is_told():
    found = sensitivity(CROWDED, 3, time_limit_s=1e-6)
    assert (found.nodes, found.tried, found.of, found.complete) == ((), 0, 24, False)


def test_a_bound_holds_whoever_computes_it():
    for its in sensitivity(CROWDED, 3, top=24, time_limit_s=1e3).nodes:
        for row in (its.half, its.free):
            (_, asked) = what_if(CROWDED, 3, nodes=row.change.nodes)
            assert row.lower_bound_s <= asked.makespan_s * (1 + 1e-9)
            assert row.binding


def test_what_is_refused():
    for options in ({"threads": 0}, {"threads": 1, "top": 0}, {"threads": 1, "seed": -1}):
        with pytest.raises(OptionError):
            sensitivity(CHAIN, **options)
    with pytest.raises(ProfileError, match="profile again"):
        sensitivity(make_profile({"a": []}, missing="a"), 1)


def test_a_dag_without_nodes():
    found = sensitivity(make_profile({}), 2)
    assert (found.nodes, found.base.makespan_s, found.complete) == ((), 0.0, True)
