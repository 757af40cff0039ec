"""What the model had wrong is found in runs whose truth is known: they come from another profile."""

from __future__ import annotations

import random

import msgspec
import pytest

from makespan import ProfileError
from makespan.measurement import Measured, PairTrial
from makespan.preparing.order import default_ranks
from makespan.record import RunNode, RunRecord
from makespan_optimizer.instance import instance_of
from makespan_optimizer.simulate import simulate
from makespan_optimizer.tuning.afterwards import model_of, pace_of, seen_in
from makespan_optimizer.tuning.misjudged import misjudged
from makespan_optimizer.tuning.redrawn import Redrawn
from tests.builders import make_profile
from tests.mode_profiles import with_pickling, with_trials

AFTER = {
    "load": [],
    "parse": ["load"],
    "hash": ["load"],
    "train": ["parse"],
    "draw": ["hash"],
    "wait": ["load"],
    "join": ["train", "draw", "wait"],
}
WALLS = {"load": 0.1, "parse": 0.4, "hash": 0.5, "train": 0.3, "draw": 0.25, "wait": 0.2, "join": 0.1}
KINDS = {
    "load": "io",
    "parse": "python",
    "hash": "native",
    "train": "native",
    "draw": "python",
    "wait": "io",
    "join": "python",
}


def profile_of(walls=WALLS, pairs=()):
    made = make_profile(AFTER, walls, KINDS)
    runs = tuple(msgspec.structs.replace(run, calibration={"hand_off_s": 2e-5}) for run in made.runs)
    return msgspec.structs.replace(made, pairs=tuple(pairs), runs=runs)


def pair(a, b, alone_s, together_s):
    return PairTrial(nodes=(a, b), alone_s=alone_s, together_s=together_s, repeats=5)


def planned(profile, threads=2, **more):
    return profile.optimize(threads=threads, time_limit_s=0.2, what_if=[], deterministic=True, **more)


def run_of(truth, plan, source=None, *, noise=0.0, measure=False, ranks=None, threads=None):
    """A run as it would be if `truth` were the profile: simulated, every duration a little off."""
    instance = instance_of(truth)
    names = instance.structure.names
    source = source or random.Random(0)
    wall = [round(w * (1 + noise * source.gauss(0, 1))) for w in instance.wall]
    rank = {node.name: node.rank for node in plan.nodes}
    order = ranks if ranks is not None else [rank[name] for name in names]
    schedule = simulate(instance.with_wall(wall), order, threads or plan.threads)
    nodes = []
    for i in schedule.order:
        passed_s = (schedule.finish[i] - schedule.start[i]) * instance.tick_s
        measured = None
        if measure:
            its = next(node for node in truth.nodes if node.name == names[i])
            part = wall[i] / instance.wall[i]
            parts_s = [s * part for s in (its.gil_s, its.cpu_s - its.gil_s, its.blocked_total_s)]
            waits_s = max(0.0, passed_s - sum(parts_s))
            measured = Measured(
                gil_s=parts_s[0],
                native_s=parts_s[1],
                gil_wait_s=waits_s,
                blocked_s={"io": parts_s[2]},
                samples=9,
            )
        nodes.append(
            RunNode(
                name=names[i],
                start_s=schedule.start[i] * instance.tick_s,
                end_s=schedule.finish[i] * instance.tick_s,
                thread=0,
                after=tuple(names[p] for p in instance.structure.preds[i]),
                measured=measured,
            )
        )
    return RunRecord(
        makespan_version="0",
        dag=truth.dag,
        machine=truth.machine,
        started_at="2025-01-01T00:00:00Z",
        threads=threads or plan.threads,
        status="ok",
        makespan_s=schedule.makespan * instance.tick_s,
        sampler="gil" if measure else None,
        nodes=tuple(nodes),
        plan=plan if ranks is None else None,
    )


def runs_of(truth, plan, count=5, noise=0.01, **more):
    source = random.Random(7)
    return [run_of(truth, plan, source, noise=noise, **more) for _ in range(count)]


def nodes_of(found):
    return [its.nodes for its in found]


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.03])
def test_of_a_model_that_is_right_nothing_is_said(noise):
    profile = profile_of()
    plan = planned(profile)
    assert misjudged(profile, plan, runs_of(profile, plan, noise=noise)) == ()


@pytest.mark.parametrize("seed", range(10))
def test_chance_is_not_blamed_on_anybody(seed):
    profile = profile_of()
    plan = planned(profile)
    source = random.Random(seed)
    runs = [run_of(profile, plan, source, noise=0.15) for _ in range(5)]
    found = misjudged(profile, plan, runs)
    assert len(found) <= 2  # the runs do differ by that much; a few standard errors happen
    assert all(len(its.nodes) == 1 for its in found) or abs(runs[0].makespan_s / plan.makespan_s - 1) > 0.05


@pytest.mark.parametrize("measure", [False, True])
@pytest.mark.parametrize(("name", "wall_s"), [("load", 0.3), ("hash", 0.9), ("join", 0.4)])
def test_a_node_that_takes_another_time_by_itself(name, wall_s, measure):
    profile = profile_of()
    plan = planned(profile)
    truth = profile_of({**WALLS, name: wall_s})
    runs = runs_of(truth, plan, measure=measure)
    alone = [run_of(truth, plan, random.Random(3), ranks=default_ranks(truth.structure()), threads=1)]
    for others in ((), alone):
        if not measure and not others and name == "hash":
            continue  # always beside the same node: nobody could tell
        (first, *_) = misjudged(profile, plan, runs, others=others)
        assert first.nodes == (name,)
        assert first.planned_s == pytest.approx(WALLS[name], rel=1e-6)
        assert first.actual_s == pytest.approx(wall_s, rel=0.1)
        assert "by itself" in first.why


def test_a_node_that_is_faster_than_it_was():
    profile = profile_of({**WALLS, "join": 0.5})
    plan = planned(profile)
    found = misjudged(profile, plan, runs_of(profile_of(), plan))
    assert nodes_of(found) == [("join",)]
    assert found[0].actual_s == pytest.approx(0.1, rel=0.2)


@pytest.mark.parametrize("measure", [False, True])
def test_a_pair_that_hinders_each_other_more_than_was_said(measure):
    profile = profile_of()
    plan = planned(profile)
    truth = profile_of(pairs=[pair("parse", "hash", (0.4, 0.5), (0.7, 1.1))])
    alone = [run_of(truth, plan, ranks=default_ranks(truth.structure()), threads=1)]
    found = misjudged(profile, plan, runs_of(truth, plan, measure=measure), others=alone)
    assert set(found[0].nodes) == {"parse", "hash"}
    assert found[0].actual_s > found[0].planned_s
    assert len(found) <= 2


def test_a_pair_that_the_profile_says_hinders_each_other_and_does_not():
    profile = profile_of(pairs=[pair("parse", "hash", (0.4, 0.5), (0.85, 0.95))])
    plan = planned(profile_of(pairs=[pair("parse", "hash", (0.4, 0.5), (0.4, 0.5))]))
    ticks = simulate(instance_of(profile), [plan.node(s.name).rank for s in profile.shape], 2).makespan
    plan = msgspec.structs.replace(plan, makespan_s=ticks * 1e-6)
    found = misjudged(
        profile, plan, runs_of(profile_of(pairs=[pair("parse", "hash", (0.4, 0.5), (0.4, 0.5))]), plan)
    )
    assert set(found[0].nodes) == {"parse", "hash"}
    assert found[0].actual_s < found[0].planned_s
    assert "less than the model said" in found[0].why


def test_a_machine_that_has_become_slower_is_no_nodes_fault():
    profile = profile_of()
    plan = planned(profile)
    truth = profile_of({name: 1.3 * wall_s for name, wall_s in WALLS.items()})
    alone = [run_of(truth, plan, ranks=default_ranks(truth.structure()), threads=1) for _ in range(2)]
    assert misjudged(profile, plan, runs_of(truth, plan), others=alone) == ()


def test_a_node_with_slack_may_be_wrong_and_does_not_matter():
    profile = profile_of()
    plan = planned(profile, threads=3)
    truth = profile_of({**WALLS, "wait": 0.25, "join": 0.4})
    assert nodes_of(misjudged(profile, plan, runs_of(truth, plan))) == [("join",)]


def test_of_many_small_ones_the_largest_are_told():
    names = [f"n{i}" for i in range(60)]
    after = {name: [names[i - 2]] if i > 1 else [] for i, name in enumerate(names)}

    def made(factor):
        profile = make_profile(after, {name: (0.1 + 0.001 * i) for i, name in enumerate(names)})
        walls = {name: factor(i) * (0.1 + 0.001 * i) for i, name in enumerate(names)}
        return profile, make_profile(after, walls)

    profile, truth = made(lambda i: 1.5 if i % 3 == 0 else 1.0)
    plan = planned(profile)
    found = misjudged(profile, plan, runs_of(truth, plan))
    assert len(found) == 5
    assert all(int(its.nodes[0][1:]) % 3 == 0 for its in found)


def test_the_same_runs_give_the_same_answer_whatever_their_order():
    profile = profile_of()
    plan = planned(profile)
    runs = runs_of(profile_of({**WALLS, "load": 0.3}), plan, measure=True)
    assert misjudged(profile, plan, runs) == misjudged(profile, plan, runs[::-1])


def test_runs_that_did_not_end_well_do_not_count():
    profile = profile_of()
    plan = planned(profile)
    runs = runs_of(profile_of({**WALLS, "load": 0.3}), plan)
    failed = [msgspec.structs.replace(run, status="failed") for run in runs]
    assert misjudged(profile, plan, failed) == ()
    assert misjudged(profile, plan, []) == ()


def test_no_more_are_told_than_asked_for():
    profile = profile_of()
    plan = planned(profile)
    runs = runs_of(profile_of({**WALLS, "load": 0.3, "join": 0.4}), plan)
    assert len(misjudged(profile, plan, runs, most=1)) == 1
    assert set(nodes_of(misjudged(profile, plan, runs))) == {("load",), ("join",)}


def test_a_plan_of_another_profile_is_refused():
    profile = profile_of()
    plan = planned(profile)
    with pytest.raises(ProfileError, match="no usable measurement"):
        misjudged(msgspec.structs.replace(profile, nodes=()), plan, runs_of(profile, plan))


def test_what_the_model_knows_is_taken_out():
    profile = profile_of()
    plan = planned(profile)
    model = model_of(profile, plan)
    for name, seen in seen_in(run_of(profile, plan), model).items():
        assert seen.wall_s - seen.lost_s == pytest.approx(WALLS[name], rel=1e-3, abs=1e-4)


def test_the_pace_is_that_of_nodes_that_met_nobody():
    profile = profile_of()
    plan = planned(profile)
    model = model_of(profile, plan)
    slow = profile_of({name: 1.5 * wall_s for name, wall_s in WALLS.items()})
    alone = run_of(slow, plan, ranks=default_ranks(slow.structure()), threads=1)
    assert pace_of([seen_in(alone, model)], model.alone_s) == pytest.approx(1.5, rel=1e-3)
    assert pace_of([], model.alone_s) == 1.0


def test_what_other_processes_took_of_a_node_that_met_nobody_is_not_its_own():
    profile = profile_of()
    plan = planned(profile)
    run = run_of(profile, plan, measure=True)
    last = max(run.nodes, key=lambda its: its.end_s)
    waited = msgspec.structs.replace(last.measured, run_delay_s=0.2)
    delayed = msgspec.structs.replace(last, end_s=last.end_s + 0.2, measured=waited)
    nodes = tuple(delayed if its is last else its for its in run.nodes)
    runs = [msgspec.structs.replace(run, nodes=nodes, makespan_s=run.makespan_s + 0.2)] * 3
    assert misjudged(profile, plan, runs) == ()
    unmeasured = [
        msgspec.structs.replace(
            its, sampler=None, nodes=tuple(msgspec.structs.replace(n, measured=None) for n in its.nodes)
        )
        for its in runs
    ]
    assert nodes_of(misjudged(profile, plan, unmeasured)) == [(last.name,)]


def test_a_plan_drawn_anew():
    profile = profile_of()
    plan = planned(profile)
    redrawn = Redrawn(plan)
    assert redrawn.makespan_s({}) == pytest.approx(plan.makespan_s, rel=1e-3)
    assert redrawn.makespan_s({"load": 1.0}) == pytest.approx(plan.makespan_s + 1, rel=1e-3)
    assert redrawn.makespan_s({"wait": 0.001}) == pytest.approx(plan.makespan_s, abs=2e-3)


# -- worker processes and native threads -------------------------------------------------------------------


def as_planned(profile, plan, more_s=None):
    """A run that keeps to the plan, but for some nodes: everything behind them is later."""
    ends: dict[str, float] = {}
    lanes: dict[int, tuple[float, float]] = {}  # end as it is, and as planned
    nodes = []
    for its in sorted(plan.nodes, key=lambda its: (its.start_s, its.rank)):
        free_s, planned_s = lanes.get(its.lane, (0.0, 0.0))
        gap_s = its.start_s - max(
            [planned_s, *(plan.node(p).start_s + plan.node(p).duration_s for p in its.after)]
        )
        start_s = max([free_s, *(ends[p] for p in its.after)]) + max(0.0, gap_s)
        ends[its.name] = start_s + its.duration_s + (more_s or {}).get(its.name, 0.0)
        lanes[its.lane] = ends[its.name], its.start_s + its.duration_s
        process = 0 if its.mode == "process" else None
        nodes.append(
            RunNode(
                name=its.name,
                start_s=start_s,
                end_s=ends[its.name],
                thread=its.lane,
                after=its.after,
                process=process,
            )
        )
    record = run_of(profile, plan)
    makespan_s = (
        plan.makespan_s + max(ends.values()) - max(its.start_s + its.duration_s for its in plan.nodes)
    )
    return msgspec.structs.replace(record, nodes=tuple(nodes), makespan_s=makespan_s)


@pytest.fixture
def clustered():
    after = {"load": [], "a": ["load"], "b": ["load"], "a2": ["a"], "b2": ["b"], "join": ["a2", "b2"]}
    made = with_pickling(make_profile(after, 0.3, dict.fromkeys(after, "python")))
    made = with_trials(made, {"join": {1: (0.2, 0.2), 2: (0.3, 0.6)}})
    runs = (msgspec.structs.replace(made.runs[0], calibration={"hand_off_s": 2e-5}),)
    profile = msgspec.structs.replace(made, runs=runs)
    plan = planned(profile, processes=1, native_threads=True)
    assert plan.clusters
    assert plan.node("join").native_threads == 1
    return profile, plan


def test_a_plan_with_worker_processes_that_is_kept_to_is_right(clustered):
    profile, plan = clustered
    assert misjudged(profile, plan, [as_planned(profile, plan)] * 3) == ()


def test_nodes_in_a_worker_process_are_found_too(clustered):
    profile, plan = clustered
    inside = next(cluster.nodes[0] for cluster in plan.clusters)
    run = as_planned(profile, plan, {inside: 0.2})
    found = misjudged(profile, plan, [run] * 3)
    assert found[0].nodes[0] == inside
    assert found[0].actual_s == pytest.approx(found[0].planned_s + 0.2, rel=0.05)


def test_runs_in_which_a_node_ran_elsewhere_tell_nothing_of_it(clustered):
    profile, plan = clustered
    inside = next(cluster.nodes[0] for cluster in plan.clusters)
    slow = make_profile(
        {s.name: s.after for s in profile.shape},
        {s.name: 0.9 if s.name == inside else 0.3 for s in profile.shape},
        "python",
    )
    ranks = default_ranks(slow.structure())
    others = [run_of(slow, plan, ranks=ranks, threads=1)]
    run = as_planned(profile, plan, {"join": 0.3})
    assert nodes_of(misjudged(profile, plan, [run] * 3, others=others)) == [("join",)]
