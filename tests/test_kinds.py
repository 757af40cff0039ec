"""Nodes of one kind share what is known of them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.graph import DAG
from makespan.profile import Call, parse_profile
from makespan_optimizer.measure.estimate import summarize
from makespan_optimizer.measure.kinds import kinds, pooled, profile_by_kind
from makespan_optimizer.optimize import optimize
from tests.builders import make_profile


def call(wall_s, cpu_s, *, share=None, samples=0, blocked_s=0.0, spoiled=False):
    return Call(
        "r", wall_s, cpu_s, gil_share=share, gil_samples=samples,
        blocked_s={"io": blocked_s} if blocked_s else {}, spoiled=spoiled,
    )  # fmt: skip


def profile_of(calls, tags):
    """Return a profile of nodes with these calls and tags."""
    made = make_profile({name: [] for name in calls})
    run = msgspec.structs.replace(made.runs[0], id="r") if made.runs else None
    nodes = tuple(
        msgspec.structs.replace(summarize(name, its), calls=tuple(its)) for name, its in calls.items()
    )
    shape = tuple(msgspec.structs.replace(its, tags=tags.get(its.name, ())) for its in made.shape)
    return msgspec.structs.replace(made, nodes=nodes, shape=shape, runs=(run,) if run else ())


def test_a_task_too_short_to_be_sampled_is_known_by_its_kind():
    calls = {f"t{i}": [call(0.001, 0.001, share=1.0 if i % 2 else 0.0, samples=1)] for i in range(40)}
    calls["other"] = [call(0.001, 0.001, share=1.0, samples=1)]
    before = profile_of(calls, {name: ("t",) for name in calls if name != "other"})
    after = pooled(before)
    for name in ("t0", "t1", "t39"):
        assert after.node(name).gil_s == pytest.approx(0.0005)
        assert after.node(name).kind == after.node("t0").kind
        assert after.node(name).quality.samples == 40
    assert after.node("other") == before.node("other")


def test_how_long_a_task_takes_stays_its_own():
    calls = {f"t{i}": [call(0.01 * (i + 1), 0.01 * (i + 1), share=0.0, samples=9)] for i in range(5)}
    after = pooled(profile_of(calls, dict.fromkeys(calls, ("t",))))
    assert [after.node(name).wall_net_s.median for name in calls] == pytest.approx(
        [0.01, 0.02, 0.03, 0.04, 0.05]
    )
    assert [after.node(name).native_s for name in calls] == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.05])


def test_a_spoiled_call_says_less_than_its_kind():
    calls = {f"t{i}": [call(0.01, 0.01, share=0.0, samples=9)] for i in range(5)}
    calls["bad"] = [call(0.5, 0.01, share=0.0, samples=9, spoiled=True)]
    after = pooled(profile_of(calls, dict.fromkeys(calls, ("t",))))
    assert after.node("bad").wall_net_s.median == pytest.approx(0.01)


spans = st.floats(0.0, 1.0)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(spans, spans, spans, st.integers(0, 5)), min_size=1, max_size=12))
def test_the_parts_of_a_nodes_time_add_up(drawn):
    calls = {
        f"t{i}": [call(cpu + blocked, cpu, share=share, samples=samples, blocked_s=blocked)]
        for i, (cpu, blocked, share, samples) in enumerate(drawn)
    }
    after = pooled(profile_of(calls, dict.fromkeys(calls, ("t",))))
    kind = kinds(after)["t"]
    assert kind.runs == len(calls)
    for node in after.nodes:
        assert node.gil_s + node.native_s == pytest.approx(node.cpu_s + node.other_cpu_s)
        if kind.wall_net_s.median > 0:
            parts = node.cpu_s + node.gil_wait_s + node.blocked_total_s
            assert parts == pytest.approx(node.wall_net_s.median)
    assert not parse_profile(after.to_json()).dropped


def test_kinds_are_in_the_order_of_what_they_take_in_all():
    calls = {f"t{i}": [call(0.01, 0.01)] for i in range(9)} | {"long": [call(0.05, 0.05)]}
    assert list(kinds(profile_of(calls, {f"t{i}": ("t", "x") for i in range(9)}))) == ["t, x", "long"]


def test_a_dag_is_run_twice_in_all():
    ran = []
    dag = DAG("tasks")
    x = dag.input("x")
    for _ in range(12):
        dag.add(lambda value: ran.append(value) or sum(range(3000)), x, tags="task")
    found = profile_by_kind(dag, x=7, sampler="clocks")
    assert set(ran) == {7}
    assert 24 <= len(ran) <= 24 + 12 * 2  # spoiled calls are made again
    assert len({node.kind for node in found.nodes}) == 1
    assert kinds(found)["task"].runs == 12
    assert found.dag.fingerprint == dag.fingerprint
    assert dag.run(x=1, plan=optimize(found, threads=2, time_limit_s=1)).result
