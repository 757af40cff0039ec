"""What was misjudged is measured again: what is learnt, what is kept, and where it stops."""

from __future__ import annotations

import time
import warnings

import msgspec
import pytest

from makespan import DAG, ProfileWarning, node
from makespan.machine import this_machine
from makespan.measurement import PairTrial, ThreadTrial, ThreadTrials
from makespan.plan import Misjudged, PlanNode
from makespan.profile import parse_profile
from makespan_optimizer.contention.together import pair_speeds
from makespan_optimizer.instance import instance_of
from makespan_optimizer.measure.trials import beside
from makespan_optimizer.modes.native import apply_native
from makespan_optimizer.simulate import simulate
from makespan_optimizer.tuning.feedback import fed_back, remeasured
from makespan_optimizer.tuning.misjudged import misjudged
from makespan_optimizer.tuning.stretched import stretched
from tests.builders import make_profile


@pytest.fixture(autouse=True)
def calm(monkeypatch):
    """No other process takes cores, and few repeats will do."""
    monkeypatch.setattr(beside, "_spoiled", lambda *_: False)
    monkeypatch.setattr(beside, "MOST_REPEATS", 3)


def spin(seconds: float, *_: object) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(200))


def doze(seconds: float, *_: object) -> None:
    time.sleep(seconds)


def profile_of(dag, walls_s, kinds, **more):
    made = make_profile({name: its.depends_on for name, its in dag.nodes.items()}, walls_s, kinds, **more)
    runs = (msgspec.structs.replace(made.runs[0], calibration={"hand_off_s": 3e-5}),)
    its = msgspec.structs.replace(made.dag, fingerprint=dag.fingerprint)
    return msgspec.structs.replace(made, machine=this_machine(), runs=runs, dag=its)


@pytest.fixture
def dag():
    made = DAG("dag")
    first = made.add(doze, 0.001, name="first")
    made.add(doze, 0.02, first, name="late")
    made.add(spin, 0.01, first, name="loop")
    made.add(spin, 0.01, first, name="other")
    return made


@pytest.fixture
def profile(dag):
    walls_s = {"first": 0.001, "late": 0.004, "loop": 0.01, "other": 0.01}
    return profile_of(dag, walls_s, {"loop": "python", "other": "python"})


def wrong(*nodes, planned_s=0.004, actual_s=0.02):
    return Misjudged(nodes, planned_s, actual_s, "as a test says")


def median_s(profile, name):
    return profile.node(name).wall_net_s.median


def test_a_node_is_measured_again_and_the_others_are_left_alone(dag, profile):
    found = [wrong("late")]
    better = fed_back(dag, (), {}, profile, found, 20.0, in_situ=False)
    assert median_s(better, "late") >= 0.02
    assert [its for its in better.nodes if its.name != "late"] == [
        its for its in profile.nodes if its.name != "late"
    ]
    assert better.pairs == ()
    assert remeasured(found, profile, better) == (msgspec.structs.replace(found[0], remeasured=True),)
    assert parse_profile(better.to_json()).to_json() == better.to_json()


def test_a_pair_is_measured_and_the_model_has_it(dag, profile):
    found = [wrong("loop", "other")]
    better = fed_back(dag, (), {}, profile, found, 20.0)
    (trial,) = better.pairs
    assert trial.nodes == ("loop", "other")
    assert better.nodes == profile.nodes
    assert sum(pair_speeds(trial.alone_s, trial.together_s)) < 1.5  # both hold the GIL
    assert remeasured(found, profile, better)[0].remeasured
    ranks = [0, 1, 2, 3]
    assert simulate(instance_of(better), ranks, 3).makespan > 0


def test_the_order_of_a_pairs_names_does_not_matter_and_a_pair_is_tried_once(dag, profile):
    better = fed_back(dag, (), {}, profile, [wrong("other", "loop"), wrong("loop", "other")], 20.0)
    assert [its.nodes for its in better.pairs] == [("loop", "other")]


@pytest.mark.parametrize("found", [[], [wrong("late")], [wrong("loop", "other")]])
def test_without_time_nothing_is_learnt(dag, profile, found):
    assert fed_back(dag, (), {}, profile, found, 0.0, in_situ=False) is profile
    assert remeasured(found, profile, profile) == tuple(found)


@pytest.mark.parametrize(
    "nodes", [("nobody",), ("nobody", "loop"), ("first", "loop"), ("loop", "loop")], ids=str
)
def test_what_cannot_be_measured_is_left_out(dag, profile, nodes):
    assert fed_back(dag, (), {}, profile, [wrong(*nodes)], 20.0) is profile


def test_runs_are_believed_where_measuring_again_does_not_explain_them(dag, profile):
    found = [wrong("loop", planned_s=0.01, actual_s=0.015)]
    better = fed_back(dag, (), {}, profile, found, 0.0)
    assert median_s(better, "loop") == pytest.approx(0.015)
    assert better.node("loop").gil_s == pytest.approx(0.015)
    assert better.runs[-1].notes[-1] == "stretched to what runs of a plan showed: loop x1.50"
    assert remeasured(found, profile, better)[0].remeasured


def test_runs_on_a_machine_that_others_use_are_not_believed(dag, profile):
    loaded = (msgspec.structs.replace(profile.runs[0], load_share=0.4),)
    profile = msgspec.structs.replace(profile, runs=loaded)
    assert fed_back(dag, (), {}, profile, [wrong("loop", planned_s=0.01, actual_s=0.015)], 0.0) is profile


def test_what_measuring_again_explains_is_not_stretched_as_well(dag, profile):
    better = fed_back(dag, (), {}, profile, [wrong("late", planned_s=0.004, actual_s=0.0205)], 20.0)
    assert median_s(better, "late") == pytest.approx(0.0205, rel=0.15)


def test_the_loop_closes_predicted_missed_found_measured_again_predicted_right():
    dag = DAG("dag")
    first = dag.add(doze, 0.03, name="first")
    late = dag.add(doze, 0.15, first, name="late")
    dag.add(doze, 0.05, first, name="beside")
    dag.add(doze, 0.02, late, name="last")
    profile = profile_of(dag, {"first": 0.03, "late": 0.06, "beside": 0.05, "last": 0.02}, "io")
    plan = profile.optimize(threads=3, time_limit_s=0.2, what_if=[], deterministic=True)
    runs = [dag.run(plan=plan).record for _ in range(4)]
    measured_s = sorted(its.makespan_s for its in runs)[1]
    assert plan.makespan_s < 0.8 * measured_s
    (found, *_) = misjudged(profile, plan, runs)
    assert found.nodes == ("late",)
    better = fed_back(dag, (), {}, profile, [found], 20.0, plan=plan)
    again = better.optimize(threads=3, time_limit_s=0.2, what_if=[], deterministic=True)
    assert abs(again.makespan_s / measured_s - 1) < 0.5 * abs(plan.makespan_s / measured_s - 1)


def test_nodes_with_side_effects_are_never_run():
    @node(profile=False, hint_s=0.01)
    def send():
        pytest.fail("it ran")

    def after(_: object) -> None:
        pytest.fail("it ran")

    made = DAG("dag")
    sent = made.add(send)
    made.add(after, sent, name="after")
    made.add(spin, 0.005, name="loop")
    profile = profile_of(made, 0.01, "python")
    nodes = tuple(
        msgspec.structs.replace(its, origin="hint") if its.name != "loop" else its for its in profile.nodes
    )
    shape = tuple(msgspec.structs.replace(its, measure=its.name != "send") for its in profile.shape)
    profile = msgspec.structs.replace(profile, nodes=nodes, shape=shape)
    found = [wrong("send"), wrong("after"), wrong("send", "loop"), wrong("after", "loop")]
    assert fed_back(made, (), {}, profile, found, 20.0, in_situ=False) is profile


def test_a_node_that_raises_ends_it_with_a_warning_and_what_was_learnt_is_kept(dag, profile):
    def broken(_: object) -> None:
        raise OSError("broken")

    made = DAG("dag")
    first = made.add(doze, 0.001, name="first")
    made.add(doze, 0.02, first, name="late")
    made.add(broken, first, name="loop")
    made.add(spin, 0.01, first, name="other")
    profile = msgspec.structs.replace(
        profile, dag=msgspec.structs.replace(profile.dag, fingerprint=made.fingerprint)
    )
    with pytest.warns(ProfileWarning, match="measuring nodes again ended early: OSError in node 'loop'"):
        same = fed_back(made, (), {}, profile, [wrong("loop")], 20.0, in_situ=False)
    assert same is profile
    with pytest.warns(ProfileWarning, match="measuring pairs again ended early"):
        better = fed_back(made, (), {}, profile, [wrong("late"), wrong("loop", "other")], 20.0, in_situ=False)
    assert median_s(better, "late") >= 0.02
    assert better.pairs == ()


def test_ctrl_c_keeps_what_was_learnt(dag, profile):
    def progress(done, total, words):
        if "+" in words:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stopped:
        fed_back(dag, (), {}, profile, [wrong("late"), wrong("loop", "other")], 20.0, progress, in_situ=False)
    assert median_s(stopped.value.partial, "late") >= 0.02


def test_hooks_go_around_each_run(dag, profile):
    begun, ended = [], []
    fed_back(
        dag,
        (),
        {},
        profile,
        [wrong("late"), wrong("loop", "other")],
        20.0,
        setup=lambda: begun.append(1),
        teardown=lambda: ended.append(1),
    )
    assert len(begun) == len(ended) > 4


# -- limits of native threads ------------------------------------------------------------------------------


def limited_plan(profile, **limits):
    plan = profile.optimize(threads=2, time_limit_s=0.2, what_if=[])
    nodes = tuple(msgspec.structs.replace(its, native_threads=limits.get(its.name)) for its in plan.nodes)
    assert all(isinstance(its, PlanNode) for its in nodes)
    return msgspec.structs.replace(plan, nodes=nodes)


def with_trials(profile, name):
    trials = ThreadTrials(("openmp",), ThreadTrial(2, 0.01, 0.02, 3), (ThreadTrial(1, 0.012, 0.012, 3),))
    nodes = tuple(
        msgspec.structs.replace(its, native_threads=trials) if its.name == name else its
        for its in profile.nodes
    )
    return msgspec.structs.replace(profile, nodes=nodes)


def test_pairs_are_measured_with_the_limits_of_the_plan_and_speak_of_such_plans_only(dag, profile):
    profile = with_trials(profile, "loop")
    plan = limited_plan(profile, loop=1)
    better = fed_back(dag, (), {}, profile, [wrong("loop", "other")], 20.0, plan=plan)
    (trial,) = better.pairs
    assert trial.native_threads == (1, None)
    assert [its.native_threads for its in apply_native(better, {"loop": 1}).pairs] == [(None, None)]
    assert instance_of(better).fluid._measured == {}
    assert parse_profile(better.to_json()).pairs == better.pairs
    assert better.table().count("native threads: 1, any number") == 1


def test_a_pair_of_which_one_runs_in_a_worker_process_is_not_tried_in_threads(dag, profile):
    plan = limited_plan(profile)
    nodes = tuple(
        msgspec.structs.replace(its, mode="process") if its.name == "loop" else its for its in plan.nodes
    )
    plan = msgspec.structs.replace(plan, nodes=nodes)
    assert fed_back(dag, (), {}, profile, [wrong("loop", "other")], 20.0, plan=plan) is profile


def test_pairs_with_and_without_limits_stand_side_by_side(profile):
    both = [
        PairTrial(
            nodes=("loop", "other"), alone_s=(1, 1), together_s=(2, 2), repeats=3, native_threads=limits
        )
        for limits in ((1, None), (None, None), (1, 2))
    ]
    profile = msgspec.structs.replace(with_trials(profile, "loop"), pairs=tuple(both))
    again = parse_profile(profile.to_json())
    assert [its.native_threads for its in again.pairs] == [(None, None), (1, None), (1, 2)]
    assert len(apply_native(profile, {"loop": 1}).pairs) == 1
    assert apply_native(profile, {}) is profile


def test_a_limited_node_is_measured_with_its_limit(dag, profile):
    profile = with_trials(profile, "late")
    plan = limited_plan(profile, late=1)
    better = fed_back(dag, (), {}, profile, [wrong("late")], 20.0, plan=plan, in_situ=False)
    trials = better.node("late").native_threads
    assert [its.threads for its in trials.tried] == [1]
    assert trials.tried[0].wall_s >= 0.02 <= trials.default.wall_s


def test_stretching_a_node_stretches_its_calls_and_keeps_its_shares(dag):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ProfileWarning)
        profile = dag.profile(runs=1, trials=False)
    node = profile.node("loop")
    longer = stretched(node, 2.0)
    assert longer.wall_net_s.median == pytest.approx(2 * node.wall_net_s.median)
    assert longer.gil_s / longer.wall_net_s.median == pytest.approx(node.gil_s / node.wall_net_s.median)
    assert [call.wall_s for call in longer.calls] == [2 * call.wall_s for call in node.calls]
