"""Plans with modes: of the DAG's own nodes, bounded over all modes, refused by runs, on the command line."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG, OptionError, ProfileError, close_workers
from makespan.cli import main
from makespan.cli.codes import Exit
from makespan.plan import PlanCluster, parse_plan
from makespan.profile import Spread
from makespan_optimizer.modes import plan as plan_module
from makespan_optimizer.modes.bound import bounds_over_modes
from makespan_optimizer.optimize import optimize
from tests.builders import make_profile
from tests.mode_profiles import MB, tabular, with_pickling, with_trials


def optimized(profile, threads=2, **options):
    return optimize(profile, threads, **{"what_if": [], "time_limit_s": 1.0, **options})


@pytest.fixture(scope="module")
def tables():
    pins = ["pivot first", "tokens after pivot"]
    return optimized(tabular(), processes=1, pins=pins, time_limit_s=4.0)


def test_a_plan_of_clusters_is_one_of_the_dag(tables):
    profile = tabular()
    structure = profile.structure()
    assert parse_plan(tables.to_json()) == tables
    assert tables.ranks(structure, fingerprint=profile.dag.fingerprint)
    assert tables.clusters
    inside = {name: cluster for cluster in tables.clusters for name in cluster.nodes}
    assert {n.name for n in tables.nodes if n.mode == "process"} == set(inside)
    ends = {node.name: node.start_s + node.duration_s for node in tables.nodes}
    assert max(ends.values()) <= tables.makespan_s + 1e-9
    for node in tables.nodes:
        assert node.after == tuple(
            structure.names[p] for p in structure.preds[structure.names.index(node.name)]
        )
        again = inside[node.name].again if node.name in inside else ()
        for p in (*node.after, *node.starts_after):
            assert p in again or node.start_s >= ends[p] - 1e-9
    for cluster in tables.clusters:
        for one, other in zip(cluster.nodes, cluster.nodes[1:], strict=False):
            assert tables.node(one).rank + 1 == tables.node(other).rank
            assert tables.node(other).start_s >= ends[one] - 1e-9
    assert tables.node("tokens").starts_after == ("pivot",)


def test_the_gain_the_bound_and_the_default(tables):
    plain = optimized(tabular())
    assert tables.default_makespan_s == plain.default_makespan_s
    assert tables.makespan_s < 0.97 * plain.makespan_s
    assert tables.lower_bound_s < plain.lower_bound_s
    assert tables.lower_bound_s <= tables.makespan_s
    assert tables.bounds[0].seconds == tables.lower_bound_s
    assert tables.binding == tables.bounds[0].name
    assert tables.gap == pytest.approx(1 - tables.lower_bound_s / tables.makespan_s)
    assert "worker process 1: " in tables.summary()


def test_bounds_of_other_budgets_hold_over_all_modes():
    profile = tabular()
    plan = optimized(profile, processes=2, what_if=[1, 2, 3])
    assert plan.clusters
    for its in plan.what_if:
        relaxed, bounds = bounds_over_modes(profile, its.threads, processes=2)
        assert its.lower_bound_s == min(its.makespan_s, relaxed.seconds(bounds[0].ticks))
    assert plan.what_if[1].lower_bound_s == plan.lower_bound_s


def test_what_is_proven_for_some_modes_is_not_proven_for_all():
    # In threads the plan is optimal; over all modes the bound is lower, but a cluster is not worth it.
    profile = with_pickling(make_profile({"a": [], "b": []}, 1.0, "python"), 800 * MB)
    assert optimized(profile).solver.status == "optimal"
    plan = optimized(profile, processes=1)
    assert not plan.clusters
    assert plan.solver.status == "feasible"
    assert plan.solver.stopped.startswith("for the modes chosen: ")
    assert plan.lower_bound_s == pytest.approx(1.0, abs=1e-5)


def test_modes_that_threads_alone_can_match_are_dropped(monkeypatch):
    # A choice that was judged against too bad an order: here by a search that sees twice the makespan.
    profile = with_pickling(make_profile({"a": [], "b": []}, 1.0, "native"))
    real = plan_module.choose_modes

    def fooled(*args, **options):
        choice = real(*args, **options)
        return msgspec.structs.replace(choice, clusters=(PlanCluster("cluster 1", ("a",)),), without_s=2.0)

    monkeypatch.setattr(plan_module, "choose_modes", fooled)
    plan = optimized(profile, processes=1)
    assert not plan.clusters
    assert plan.makespan_s == pytest.approx(1.0)
    assert plan.solver.stopped.endswith("no modes gain enough")
    assert optimized(profile, pins=["b process"]).clusters  # what is pinned stays


@st.composite
def cases(draw):
    n = draw(st.integers(1, 5))
    names = [f"n{i}" for i in range(n)]
    after = {name: [p for p in names[:i] if draw(st.integers(0, 2)) == 0] for i, name in enumerate(names)}
    profile = make_profile(
        after,
        {name: draw(st.integers(1, 9)) / 10 for name in names},
        {name: draw(st.sampled_from(["python", "native", "mixed"])) for name in names},
        locks={name: draw(st.sampled_from([[], ["x"]])) for name in names},
    )
    pins = draw(st.sampled_from([[], ["n0 first"], ["n0 process"], ["n0 last", "n0 once"]]))
    return with_pickling(profile, draw(st.sampled_from([0, MB, 60 * MB]))), pins


@given(cases(), st.integers(1, 3), st.integers(0, 2))
@settings(deadline=None, max_examples=25)
def test_plans_with_modes_hold_together(case, threads, processes):
    profile, pins = case
    plan = optimized(profile, threads, processes=processes, pins=pins)
    assert parse_plan(plan.to_json()) == plan
    plan.ranks(profile.structure(), fingerprint=profile.dag.fingerprint)
    assert plan.lower_bound_s <= plan.makespan_s
    workers = {cluster.worker for cluster in plan.clusters}
    assert workers == set(range(len(workers)))
    assert len(workers) <= max(processes, 1)
    inside = [name for cluster in plan.clusters for name in cluster.nodes]
    assert len(inside) == len(set(inside))
    if "n0 process" in pins:
        assert plan.node("n0").mode == "process"
    # Of two nodes with one lock, and of two of one worker, one runs at a time.
    for a in plan.nodes:
        for b in plan.nodes:
            of = {name: cluster.worker for cluster in plan.clusters for name in cluster.nodes}
            alike = set(a.locks) & set(b.locks) or (a.name in of and of[a.name] == of.get(b.name))
            if a.name < b.name and alike:
                first, second = sorted((a, b), key=lambda node: node.start_s)
                assert first.start_s + first.duration_s <= second.start_s + 1e-9


def test_without_options_nothing_changes():
    profile = make_profile({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}, 1.0)
    assert optimized(profile, pins=[]).to_json() == optimized(profile).to_json()
    plan = optimized(make_profile({"a": []}), processes=2, native_threads=True)
    assert not plan.clusters
    assert plan.node("a").native_threads is None


def test_the_same_plan_again():
    options = {"processes": 2, "native_threads": True, "time_limit_s": 2.0}
    profile = with_trials(tabular(), {"model": {1: (0.22, 0.22), 2: (0.2, 0.3)}})
    first, second = (optimized(profile, **options) for _ in range(2))
    if "cut short" not in first.solver.stopped + second.solver.stopped:
        assert first.clusters == second.clusters


def test_progress_is_told_while_modes_are_chosen():
    steps = []
    optimized(tabular(), processes=1, progress=steps.append)
    modes = [step for step in steps if step.stage == "modes"]
    assert modes
    assert [step.best_s for step in modes] == sorted((step.best_s for step in modes), reverse=True)
    assert all(step.bound_s <= step.best_s for step in steps)


def test_a_pinned_mode_is_not_put_aside():
    profile = with_pickling(make_profile({"a": [], "b": ["a"]}, 1.0, "python"), 5 * MB)
    plan = optimized(profile, pins=["b process"])
    assert (plan.node("a").mode, plan.node("b").mode) == ("thread", "process")
    assert plan.makespan_s > 2.0
    threads = optimized(profile, processes=1, pins=["a, b thread"])
    assert not threads.clusters
    trials = with_trials(make_profile({"a": []}, 1.0), {"a": {1: (1.2, 1.2), 2: (1.0, 2.0)}})
    held = optimized(trials, pins=["a native=1"])
    assert held.node("a").native_threads == 1
    assert held.makespan_s == pytest.approx(1.2)


def test_what_cannot_be_had_is_refused_before_the_search():
    plain = make_profile({"a": [], "b": []})
    with pytest.raises(OptionError, match="node 'a' cannot run in a process: how what it takes pickles"):
        optimized(plain, pins=["a process"])
    with pytest.raises(OptionError, match="no number of threads was measured"):
        optimized(plain, pins=["a native=1"])
    with pytest.raises(OptionError, match="processes"):
        optimized(plain, processes=-1)
    with pytest.raises(ProfileError, match="no usable measurement: 'b'"):
        optimized(make_profile({"a": [], "b": []}, missing=["b"]), pins=["a first"])


def three():
    made = DAG("three")
    made.add(abs, made.add(abs, -1, name="a"), name="b")
    made.add(abs, -3, name="c")
    profile = make_profile(
        {"a": [], "b": ["a"], "c": []}, 1.0, "python", name="three", fingerprint=made.fingerprint
    )
    return made, profile


def test_runs_do_what_plans_say_of_modes():
    made, profile = three()
    plan = optimized(with_pickling(profile), processes=1)
    assert plan.clusters
    run = made.run(plan=plan)
    assert run.result == {"b": 1, "c": 3}
    there = {name for cluster in plan.clusters for name in cluster.nodes}
    assert {node.name for node in run.record.nodes if node.process is not None} == there
    close_workers()
    limited = with_trials(profile, {"c": {1: (0.5, 0.5), 2: (1.0, 2.0)}})
    plan = optimized(limited, pins=["c native=1"])
    assert plan.node("c").native_threads == 1
    assert made.run(plan=plan).record.status == "ok"
    assert made.run(plan=optimized(profile)).record.status == "ok"


@pytest.fixture
def cli(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    with_trials(tabular(), {"model": {1: (0.1, 0.1), 2: (0.2, 0.4)}}).save("profile.json")

    def run(*words):
        capfd.readouterr()
        code = main(["optimize", "--time-limit", "1", "-o", "plan.json", "-f", *words])
        return code, *capfd.readouterr()

    return run


def test_the_command_line_takes_them_all(cli):
    pins = ["pivot first", "tokens after pivot", "text process", "model native=1"]
    words = [word for pin in pins for word in ("--pin", pin)]
    code, out, err = cli(*words, "--processes", "1", "--native-threads", "--json")
    assert code == Exit.OK, err
    plan = json.loads(out)
    nodes = {node["name"]: node for node in plan["nodes"]}
    assert "text" in {name for cluster in plan["clusters"] for name in cluster["nodes"]}
    assert nodes["text"]["mode"] == "process"
    assert nodes["tokens"]["starts_after"] == ["pivot"]
    assert nodes["model"]["native_threads"] == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--pin", "pivto first"], "did you mean 'pivot'?"),
        (["--pin", "pivot frist"], "did you mean 'first'?"),
        (["--pin", "join after pivot"], "in a circle: pivot → join → pivot"),
        (["--pin", "model native=3"], "measured were 1"),
        (["--processes", "many"], "a whole number from 0 to 64"),
        (["--processes", "65"], "a whole number from 0 to 64"),
    ],
)
def test_the_command_line_refuses(cli, words, problem):
    code, out, err = cli(*words)
    assert code == Exit.USAGE
    assert problem in err
    assert out == ""


def test_over_scenarios_threads_are_what_it_is_compared_with():
    profile = with_pickling(make_profile({"a": [], "b": []}, 1.0, "python"))
    nodes = tuple(
        msgspec.structs.replace(node, wall_net_s=Spread(1.0, 0.9, 1.2, (0.9, 1.0, 1.0, 1.2)))
        for node in profile.nodes
    )
    plan = optimized(msgspec.structs.replace(profile, nodes=nodes), processes=1)
    assert plan.clusters
    assert plan.robust is not None
    assert plan.robust.mean_s < 1.2
    assert plan.robust.default_mean_s > 1.8
    assert plan.robust.critical_path_mean_s > 1.8


def test_threads_are_judged_on_the_scenarios_of_a_plan_without_modes():
    """Rare long calls of some nodes are lent to all: with modes and without."""
    profile = with_pickling(make_profile({"a": [], "b": [], "c": ["a"]}, [1.0, 1.0, 0.3], "python"))
    rare = (1.0, 1.0, 1.0, 1.0, 4.0)
    nodes = tuple(
        msgspec.structs.replace(node, wall_net_s=Spread(1.0, 1.0, 4.0, rare)) if node.name == "b" else node
        for node in profile.nodes
    )
    profile = msgspec.structs.replace(profile, nodes=nodes)
    modes, plain = optimized(profile, processes=1), optimized(profile)
    assert modes.clusters
    assert modes.robust is not None
    assert plain.robust is not None
    assert modes.robust.scenarios == plain.robust.scenarios
    assert modes.robust.default_mean_s == plain.robust.default_mean_s
    assert modes.robust.critical_path_mean_s == plain.robust.critical_path_mean_s
    turned = msgspec.structs.replace(profile, shape=(profile.shape[1], profile.shape[0], profile.shape[2]))
    again = optimized(turned, processes=1).robust
    assert again is not None
    assert again.critical_path_mean_s == modes.robust.critical_path_mean_s
