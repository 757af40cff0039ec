"""Questions as profiles."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.errors import OptionError, ProfileError
from makespan.measurement import Call, PairTrial, Pickling, ThreadTrial, ThreadTrials
from makespan.profile import Profile, parse_profile
from makespan_optimizer.instance import instance_of
from makespan_optimizer.questions.changes import AS_IT_IS, Change, changes
from makespan_optimizer.questions.variants import in_process, scaled, without_gil
from tests.builders import make_profile


def rich() -> Profile:
    """Return a profile in which everything is measured."""
    profile = make_profile({"a": [], "b": ["a"], "c": []}, [2.0, 3.0, 1.0], ["python", "mixed", "native"])
    trial = ThreadTrial(2, 1.0, 2.0, 3)
    a = msgspec.structs.replace(
        profile.nodes[0],
        gil_wait_s=0.25,
        gil_retakes=7,
        gil_burst_max_s=0.5,
        blocked_s={"io": 0.5},
        native_threads=ThreadTrials(("openblas",), trial, (trial,)),
        calls=(
            Call("made", 2.0, 1.5, gil_share=0.5, gil_wait_s=0.1, blocked_s={"io": 0.5}, run_delay_s=0.1),
        ),
    )
    return msgspec.structs.replace(
        profile,
        nodes=(a, *profile.nodes[1:]),
        pairs=(
            PairTrial(nodes=("a", "b"), alone_s=(2.0, 3.0), together_s=(4.0, 5.0), repeats=3),
            PairTrial(nodes=("a", "c"), alone_s=(2.0, 1.0), together_s=(2.0, 3.0), repeats=3),
            PairTrial(nodes=("b", "c"), alone_s=(3.0, 1.0), together_s=(3.5, 1.2), repeats=3),
        ),
    )


def close(one, other) -> bool:
    """Compare data, floats nearly."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(close, one, other))
    return one == (pytest.approx(other, abs=1e-9) if isinstance(other, float) else other)


def data(profile):
    return msgspec.to_builtins(profile)


def test_all_seconds_of_a_node_scale_and_nothing_else():
    before = rich()
    after = scaled(before, {"a": 0.5})
    a, was = after.node("a"), before.node("a")
    assert (a.wall_net_s.median, a.wall_net_s.p90, a.wall_net_s.samples) == (1.0, 1.0, (1.0,) * 5)
    assert (a.first_s, a.gil_s, a.cpu_s, a.gil_wait_s, a.blocked_s) == (1.0, 1.0, 1.0, 0.125, {"io": 0.25})
    assert (a.gil_burst_max_s, a.gil_retakes, a.kind) == (0.25, 7, was.kind)
    assert a.native_threads is not None
    assert a.native_threads.tried[0].wall_s == a.native_threads.default.wall_s == 0.5
    assert (a.calls[0].wall_s, a.calls[0].gil_share, a.calls[0].blocked_s) == (1.0, 0.5, {"io": 0.25})
    assert (after.node("b"), after.node("c")) == (before.node("b"), before.node("c"))
    assert after.shape == before.shape
    assert parse_profile(after.to_json()) == after


def test_a_scaled_profile_is_the_scaled_instance():
    one, half = instance_of(rich()), instance_of(scaled(rich(), {"a": 0.5}))
    assert half.wall == (one.wall[0] // 2, *one.wall[1:])
    assert (half.gil, half.core) == (one.gil, one.core)


def test_pairs_keep_their_speeds():
    ab, ac, bc = scaled(rich(), {"a": 0.5}).pairs
    # a at half speed; beside it b at half speed for 2 s instead of 4 s.
    assert (ab.alone_s, ab.together_s) == ((1.0, 3.0), (2.0, 4.0))
    assert bc == rich().pairs[2]
    # c did nothing while a ran.
    assert (ac.alone_s, ac.together_s) == ((1.0, 1.0), (1.0, 2.0))
    slow = scaled(rich(), {"a": 4}).pairs[0]
    # Now b ends first: after 6 s, in which a has done 3 of its 8 seconds.
    assert slow.together_s == (11.0, 6.0)


factors = st.sampled_from([0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 0.3, 1.7])


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from("abc"), factors), st.dictionaries(st.sampled_from("abc"), factors))
def test_scaled_twice_is_scaled_by_the_product(one, other):
    both = {name: one.get(name, 1.0) * other.get(name, 1.0) for name in one.keys() | other.keys()}
    assert close(data(scaled(scaled(rich(), one), other)), data(scaled(rich(), both)))
    assert close(
        data(scaled(scaled(rich(), one), {name: 1 / factor for name, factor in one.items()})), data(rich())
    )
    assert scaled(rich(), {"a": 1.0}) == rich()


@settings(deadline=None, max_examples=30)
@given(factors)
def test_scaling_all_nodes_scales_pairs(factor):
    pairs = scaled(rich(), dict.fromkeys("abc", factor)).pairs
    for before, after in zip(rich().pairs, pairs, strict=True):
        assert after.alone_s == pytest.approx([factor * x for x in before.alone_s])
        assert after.together_s == pytest.approx([factor * x for x in before.together_s])


def test_a_free_node():
    free = scaled(rich(), {"a": 0})
    assert instance_of(free).wall[0] == 0
    assert free.pairs[0].together_s == (0.0, 3.0)
    assert parse_profile(free.to_json()) == free
    assert scaled(free, {"a": 2}).node("a").wall_net_s.median == 0.0


def test_without_a_gil():
    free = without_gil(rich())
    assert not free.machine.gil
    a, was = free.node("a"), rich().node("a")
    assert (a.gil_s, a.native_s, a.kind, a.gil_retakes) == (0.0, was.gil_s + was.native_s, "native", 0)
    assert (a.wall_net_s, a.cpu_s) == (was.wall_net_s, was.cpu_s)
    assert a.calls[0].gil_share == 0.0
    assert instance_of(free).gil == (0, 0, 0)
    assert instance_of(free).core == instance_of(rich()).core
    assert free.pairs == ()
    assert without_gil(free) == free
    assert parse_profile(free.to_json()) == free


def test_pairs_that_hold_no_gil_stay():
    profile = make_profile({"a": [], "b": []}, 1.0, "native")
    pair = PairTrial(nodes=("a", "b"), alone_s=(1.0, 1.0), together_s=(1.2, 1.2), repeats=3)
    assert without_gil(msgspec.structs.replace(profile, pairs=(pair,))).pairs == (pair,)


def sendable(profile: Profile, **other) -> Profile:
    """Let all values pickle in a tenth of a second."""
    value = Pickling(True, 0.1, 0.1, 1000)
    nodes = tuple(
        msgspec.structs.replace(node, **{"args_pickling": value, "result_pickling": value} | other)
        for node in profile.nodes
    )
    return msgspec.structs.replace(profile, nodes=nodes)


def test_a_node_in_a_process():
    profile = sendable(make_profile({"a": [], "b": [], "c": ["a", "b"]}, 2.0, "python"))
    apart = in_process(profile, ["a"])
    assert [shape.name for shape in apart.shape] == ["a", "b", "c"]
    assert [shape.after for shape in apart.shape] == [(), (), ("a", "b")]
    assert apart.node("b") == profile.node("b")
    a = apart.node("a")
    assert a.wall_net_s.median == pytest.approx(2.4, abs=0.01)
    assert a.gil_s == pytest.approx(0.2, abs=0.01)
    assert in_process(profile, []).nodes == profile.nodes
    # Both at once: each has a process of its own.
    both = in_process(profile, ["a", "b"])
    assert both.shape == profile.shape
    half = Change(nodes={"a": 0.5}, process=("a",)).apply(profile).node("a")
    assert half.wall_net_s.median == pytest.approx(1.4, abs=0.01)


def test_a_node_that_cannot_be_in_a_process():
    with pytest.raises(OptionError, match="node 'a': cannot run in a process: how what it takes pickles was"):
        in_process(make_profile({"a": []}), ["a"])
    bad = sendable(make_profile({"a": []}), result_pickling=Pickling(False, reason="a socket"))
    with pytest.raises(OptionError, match="its result does not pickle"):
        in_process(bad, ["a"])
    with pytest.raises(ProfileError, match="no node 'b'"):
        in_process(bad, ["b"])
    with pytest.raises(ProfileError, match="'b' was not measured"):
        in_process(make_profile({"a": [], "b": []}, missing="b"), ["a"])


def test_order_of_changes_does_not_matter():
    change = Change(nodes={"a": 0.5}, no_gil=True)
    assert close(data(change.apply(rich())), data(scaled(without_gil(rich()), {"a": 0.5})))
    assert AS_IT_IS.apply(rich()) == rich()


def test_changes_are_named_and_joined():
    each = changes([("a", 0.5), ("b", 0)], ["c"], no_gil=True)
    assert [change.name for change in each] == ["a × 0.5", "b × 0", "c in a process", "no GIL"]
    (every,) = changes([("a", 0.5), ("b", 0)], ["c"], no_gil=True, together=True)
    assert every.name == "a × 0.5 + b × 0 + c in a process + no GIL"
    assert changes([], together=True) == []
    assert Change(nodes={"a\x1b[2J": 2}).name == "a\\x1b[2J × 2"


def test_which_change_can_do_what_another_does():
    half, free = Change(nodes={"a": 0.5}), Change(nodes={"a": 0})
    assert free.no_slower_than(half)
    assert half.no_slower_than(AS_IT_IS)
    assert not AS_IT_IS.no_slower_than(half)
    assert not half.no_slower_than(Change(nodes={"b": 0.5}))
    assert Change(no_gil=True).no_slower_than(AS_IT_IS)
    assert not half.no_slower_than(Change(no_gil=True))
    apart = Change(process=("a",))
    assert not apart.no_slower_than(AS_IT_IS)
    assert not AS_IT_IS.no_slower_than(apart)


def test_what_is_refused():
    with pytest.raises(ProfileError, match=r"no node 'aa' .did you mean 'a'"):
        scaled(make_profile({"a": []}), {"aa": 2})
    with pytest.raises(ProfileError, match="was not measured"):
        scaled(make_profile({"a": []}, missing="a"), {"a": 2})
    with pytest.raises(OptionError, match=r"node 'a': 1e\+06 times as long is 2e\+08 s"):
        scaled(make_profile({"a": []}, 200.0), {"a": 1e6})
