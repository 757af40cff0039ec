"""One numbering whatever the names and the order of declaration."""

from __future__ import annotations

import random
import sys

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.profile import PairTrial
from makespan_optimizer.canonical import canonical
from makespan_optimizer.instance import instance_of
from makespan_optimizer.model import solve as solver
from makespan_optimizer.optimize import optimize
from tests.builders import make_profile
from tests.strategies import cases


def profile_of(case, kinds=("python", "io", "native", "mixed")):
    names = [f"n{i}" for i in range(len(case.wall))]
    return make_profile(
        {names[i]: [names[p] for p in some] for i, some in enumerate(case.preds)},
        [float(w) for w in case.wall],
        [kinds[w % len(kinds)] for w in case.wall],
        locks=dict(zip(names, case.locks, strict=True)),
        exclusive=[name for name, alone in zip(names, case.exclusive, strict=True) if alone],
    )


def shuffled(profile, seed):
    """Return the profile with its nodes declared in another order, and all names changed."""
    source = random.Random(seed)
    shape = list(profile.shape)
    source.shuffle(shape)
    numbers = list(range(len(shape)))
    source.shuffle(numbers)
    to = {its.name: f"node {number}" for its, number in zip(shape, numbers, strict=True)}
    locks = {"x": "b", "y": "a", "db": "zz"}
    by_name = {node.name: node for node in profile.nodes}
    return msgspec.structs.replace(
        profile,
        shape=tuple(
            msgspec.structs.replace(
                its,
                name=to[its.name],
                after=tuple(to[name] for name in its.after),
                locks=tuple(locks[lock] for lock in its.locks),
            )
            for its in shape
        ),
        nodes=tuple(msgspec.structs.replace(by_name[its.name], name=to[its.name]) for its in shape),
    ), to


def anonymous(profile):
    instance = instance_of(canonical(profile, profile.structure()).profile)
    s = instance.structure
    return s.preds, s.locks, s.exclusive, instance.wall, instance.gil, instance.core


@settings(deadline=None, max_examples=150)
@given(cases(8, longest=3), st.integers(0, 99))
def test_the_same_instance_whatever_the_names_and_their_order(case, seed):
    profile = profile_of(case)
    other, _ = shuffled(profile, seed)
    assert anonymous(profile) == anonymous(other)


def test_equal_chains_are_not_crossed():
    here = make_profile({"a": [], "b": [], "c": ["a"], "d": ["b"], "e": ["c"], "f": ["d"]})
    there = make_profile({"a": [], "b": [], "d": ["b"], "c": ["a"], "e": ["c"], "f": ["d"]})
    assert anonymous(here) == anonymous(there)


def test_pairs_follow_their_nodes():
    profile = make_profile({"a": [], "b": ["a"], "c": []}, [1.0, 1.0, 5.0])
    pair = PairTrial(nodes=("b", "c"), alone_s=(1.0, 5.0), together_s=(2.0, 6.0), repeats=3)
    known = canonical(msgspec.structs.replace(profile, pairs=(pair,)), profile.structure())
    names = [its.name for its in known.profile.shape]
    (found,) = known.profile.pairs
    assert names.index(found.nodes[0]) < names.index(found.nodes[1])
    assert dict(zip(found.nodes, found.together_s, strict=True)) == {"b": 2.0, "c": 6.0}


def test_locks_get_their_names_back():
    profile = make_profile(
        {name: [] for name in "abc"}, [3.0, 2.0, 1.0], locks={"a": ["db"], "b": ["db"], "c": ["gpu"]}
    )
    known = canonical(profile, profile.structure())
    assert sorted(known.locks.values()) == ["db", "gpu"]
    assert {known.bound_name(f"lock {lock}") for lock in known.locks} == {"lock db", "lock gpu"}
    assert known.bound_name("critical path") == "critical path"
    plan = optimize(profile, 2)
    assert plan.binding == "lock db"
    assert plan.node("a").locks == ("db",)


def test_unmeasured_nodes_leave_the_profile_as_it_is():
    profile = make_profile({"b": [], "a": []}, missing=["a"])
    assert canonical(profile, profile.structure()).profile is profile


@pytest.mark.parametrize("seed", range(3))
def test_permuted_and_renamed_profiles_get_the_same_plan(monkeypatch, seed):
    # Without the solver all work is counted, and takes a small part of the time there is.
    monkeypatch.setattr(solver, "COMMAND", (sys.executable, "-c", "raise SystemExit('not wanted')"))
    source = random.Random(seed)
    names = [f"n{i}" for i in range(30)]
    profile = make_profile(
        {name: source.sample(names[:i], min(i, source.choice((0, 1, 2)))) for i, name in enumerate(names)},
        [source.choice((1.0, 2.0, 2.5)) for _ in names],
        [source.choice(["python", "native", "io", "mixed"]) for _ in names],
        locks={name: ["x"] for name in names if source.random() < 0.1},
    )
    other, to = shuffled(profile, seed)
    one, two = (optimize(p, 3, time_limit_s=4, what_if=[]) for p in (profile, other))
    assert (one.makespan_s, one.lower_bound_s, one.gap) == (two.makespan_s, two.lower_bound_s, two.gap)
    assert [b.seconds for b in one.bounds] == [b.seconds for b in two.bounds]
    assert sorted((n.rank, n.start_s, n.alone_s) for n in one.nodes) == sorted(
        (n.rank, n.start_s, n.alone_s) for n in two.nodes
    )
    assert len(to) == 30
