"""Tuning for real: small DAGs that sleep, with profiles made by hand so that nothing has to be measured."""

from __future__ import annotations

import json
import math
import threading
import time
from statistics import median

import msgspec
import pytest

from makespan import DAG, node
from makespan.errors import DescribeError, MakespanError, OptionError, ProfileError
from makespan.machine import this_machine
from makespan.plan import Misjudged, load_plan
from makespan.processes import close_workers
from makespan_optimizer.tuning import driver, learning, race
from makespan_optimizer.tuning import state as kept
from makespan_optimizer.tuning.runner import Runner
from makespan_optimizer.tuning.standing_in import Sleeper, standing_in
from makespan_optimizer.tuning.tune import tune
from makespan_optimizer.tuning.ways import Way
from tests.builders import make_profile as made_by_hand

NAP_S = 0.004


def make_profile(*args, **options):
    """Return a profile of this machine."""
    return msgspec.structs.replace(made_by_hand(*args, **options), machine=this_machine())


class Naps:
    """A DAG of six naps, which counts its runs; two threads take half of the time of one."""

    def __init__(self, *, fails_at=None):
        self.seen = []
        self.runs = 0
        self.fails_at = fails_at

        @node
        def begin(x):
            self.runs += 1
            self.seen.append(x)
            if self.runs == self.fails_at:
                raise LookupError("nobody sleeps")
            return x

        @node
        def nap(x):
            time.sleep(NAP_S)
            return x

        self.dag = DAG("naps")
        first = self.dag.add(begin, self.dag.input("x", 1))
        naps = [self.dag.add(nap, first) for _ in range(6)]
        self.dag.returns(self.dag.add(max, *naps))
        after = {name: list(its.depends_on) for name, its in self.dag.nodes.items()}
        seconds = {name: NAP_S if name.startswith("nap") else 1e-5 for name in after}
        self.profile = make_profile(after, seconds, fingerprint=self.dag.fingerprint)


def quick(naps, *args, **options):
    return tune(naps.dag, args, profile=naps.profile, **{"time_limit_s": 1.5, "processes": 0, **options})


@pytest.fixture
def few(monkeypatch):
    """Races of three ways that nobody has to search for: the default, six threads, one."""
    from makespan_optimizer.tuning.plain import plain_plan

    def ways(profile, *, default_threads, **_):
        names = {"default order, 2 threads": 2, "default order, 6 threads": 6, "one after the other": 1}
        return [Way(name, plain_plan(profile, k), k == 2) for name, k in names.items()]

    monkeypatch.setattr(driver, "candidates", ways)
    monkeypatch.setattr(race, "HOPELESS", math.inf)
    monkeypatch.setattr(Runner, "disturbed", lambda self: False)


@pytest.fixture
def as_predicted(few, monkeypatch):
    """Races of these ways in which each run takes what was predicted, and nothing is run."""
    monkeypatch.setattr(Runner, "run", lambda self, way, turn, **_: way.plan.makespan_s)


def test_the_winner_is_a_plan_with_evidence_that_runs_as_it_was_raced(tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "default_threads", lambda: 2)
    naps = Naps()
    told = []
    tuned = quick(naps, say=told.append, progress=lambda done, total, label: told.append((done, total)))
    evidence = tuned.evidence
    assert tuned.plan.evidence is evidence
    assert not tuned.interrupted
    by_name = {way.name: way for way in evidence.ways}
    winner, default = by_name[evidence.winner], by_name[evidence.default]
    assert winner.median_s <= default.median_s
    assert evidence.over_default <= 1
    assert tuned.plan.threads == winner.threads
    assert [way.median_s for way in evidence.ways] == sorted(way.median_s for way in evidence.ways)
    assert default.left == ""
    assert evidence.stopped
    assert all(way.predicted_s is not None for way in evidence.ways)
    assert any("race" in line for line in told if isinstance(line, str))
    counted = [its for its in told if isinstance(its, tuple)]
    assert all(0 <= done <= total for done, total in counted)
    tuned.plan.save(tmp_path / "plan.json")
    plan = load_plan(tmp_path / "plan.json")
    assert plan == tuned.plan
    assert naps.dag.run(7, plan=plan).result == 7


def test_where_the_model_is_right_its_best_plan_wins_clearly(monkeypatch):
    monkeypatch.setattr(driver, "default_threads", lambda: 2)
    monkeypatch.setattr(Runner, "run", lambda self, way, turn, **_: way.plan.makespan_s)
    naps = Naps()
    evidence = quick(naps, time_limit_s=9).evidence
    assert evidence.clear
    assert evidence.stopped == "it is clear"
    by_name = {way.name: way for way in evidence.ways}
    assert by_name[evidence.winner].threads == 6  # six naps at once
    assert evidence.over_default == pytest.approx(1 / 3, rel=0.05)
    assert all(way.predicted_s == pytest.approx(way.median_s) for way in evidence.ways)
    assert evidence.used_s < 9  # it does not go on when it is clear


def test_it_profiles_when_there_is_no_profile():
    naps = Naps()
    plan = naps.dag.tune(3, runs=1, time_limit_s=1.5, processes=0, rounds_of_feedback=0)
    assert plan.evidence is not None
    assert set(naps.seen) == {3}


def test_sets_of_inputs_are_taken_turn_by_turn_by_all_ways_alike(few):
    naps = Naps()

    def stop(_done, _total, label):
        if "turn 4" in label:
            raise KeyboardInterrupt

    quick(naps, inputs=[(1,), {"x": 2}, (3,)], rounds_of_feedback=0, time_limit_s=20, progress=stop)
    assert naps.seen[:3] == [1, 1, 1]  # first runs
    assert naps.seen[3:12] == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_hooks_are_called_round_each_run(few):
    naps = Naps()
    order = []
    quick(
        naps,
        setup=lambda: order.append(("up", naps.runs)),
        teardown=lambda: order.append(("down", naps.runs)),
        time_limit_s=0.3,
        rounds_of_feedback=0,
    )
    assert order == [(word, k + (word == "down")) for k in range(naps.runs) for word in ("up", "down")]


def test_ctrl_c_in_the_race_returns_the_best_so_far(few):
    naps = Naps()

    def stop(_done, _total, label):
        if "turn 4" in label:
            raise KeyboardInterrupt

    tuned = quick(naps, progress=stop, time_limit_s=20, rounds_of_feedback=0)
    assert tuned.interrupted
    assert tuned.evidence.stopped == "interrupted"
    assert tuned.evidence.winner == "default order, 6 threads"
    assert max(way.runs for way in tuned.evidence.ways) == 3


def test_ctrl_c_before_each_way_was_run_is_raised_and_the_state_kept(few, tmp_path):
    naps = Naps()

    def stop(_done, _total, label):
        if naps.runs == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        quick(naps, progress=stop, state=tmp_path / "t.json", time_limit_s=20)
    assert caught.value.partial is naps.profile
    saved = json.loads((tmp_path / "t.json").read_text())
    assert [way["first_s"] is not None for way in saved["ways"]] == [True, True, False]


def test_ctrl_c_in_a_node_ends_the_race_too(few):
    naps = Naps()

    @node
    def interrupted(x):
        if len(naps.seen) == 8:
            raise KeyboardInterrupt
        naps.seen.append(x)
        return x

    dag = DAG("one")
    dag.returns(dag.add(interrupted, 1))
    profile = make_profile({"interrupted": []}, 0.001, fingerprint=dag.fingerprint)
    tuned = tune(dag, profile=profile, time_limit_s=20, rounds_of_feedback=0)
    assert tuned.interrupted


def test_a_node_that_raises_is_the_nodes_own_error_and_the_race_is_kept(few, tmp_path):
    naps = Naps(fails_at=8)
    with pytest.raises(LookupError, match="nobody sleeps") as caught:
        quick(naps, state=tmp_path / "t.json", time_limit_s=20)
    assert any("begin" in note for note in caught.value.__notes__)
    saved = json.loads((tmp_path / "t.json").read_text())
    assert len(saved["turns"]) == 1


def test_time_for_too_few_turns_keeps_the_default_and_says_what_is_missing(few):
    naps = Naps()

    def stop(_done, _total, label):
        if "turn 3" in label:
            raise KeyboardInterrupt

    evidence = quick(naps, progress=stop, time_limit_s=20, rounds_of_feedback=0).evidence
    assert evidence.winner == evidence.default
    assert max(way.runs for way in evidence.ways) == 2
    assert "of runs are missing until a plan may win" in evidence.stopped
    assert not evidence.clear


def test_a_race_goes_on_where_it_was_ended(few, tmp_path):
    naps = Naps()
    path = tmp_path / "t.json"

    def stop(_done, _total, label):
        if "turn 4" in label:
            raise KeyboardInterrupt

    first = quick(naps, progress=stop, state=path, time_limit_s=20, rounds_of_feedback=0)
    ran = naps.runs
    told = []
    second = quick(naps, state=path, say=told.append, time_limit_s=0.5, rounds_of_feedback=0)
    assert "goes on after 3 turns" in told
    assert naps.runs > ran
    assert second.evidence.used_s > first.evidence.used_s
    before = {way.name: way.runs for way in first.evidence.ways}
    assert all(way.runs >= before[way.name] for way in second.evidence.ways)
    assert any(way.runs > before[way.name] for way in second.evidence.ways)


def test_a_race_goes_on_only_as_what_it_was(as_predicted, tmp_path):
    naps = Naps()
    path = tmp_path / "t.json"
    quick(naps, state=path, rounds_of_feedback=0)
    with pytest.raises(OptionError, match=r"confidence: 0\.95 there, 0\.9 here"):
        quick(naps, state=path, confidence=0.9)
    with pytest.raises(OptionError, match="threads: None there, 2 here"):
        quick(naps, state=path, threads=2)
    with pytest.raises(OptionError, match="sets of inputs: 1 there, 2 here"):
        quick(naps, state=path, inputs=[(1,), (2,)])
    other = Naps()
    other.dag.add(abs, 1)
    other.profile = make_profile({}, fingerprint=other.dag.fingerprint)
    with pytest.raises(OptionError, match="another DAG"):
        quick(other, state=path)
    state = json.loads(path.read_text())
    state["machine"]["cpu"] = "an abacus"
    path.write_text(json.dumps(state))
    with pytest.raises(OptionError, match="CPU: an abacus there"):
        quick(naps, state=path)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[: len(text) // 2], "is not JSON"),
        (lambda text: text.replace('"turns"', '"runs"', 1), "unknown field"),
        (lambda text: text.replace('"default": true', '"default": false', 1), "default and others"),
        (lambda text: '"nobody"'.join(text.rsplit('"default order, 2 threads"', 1)), "known ways"),
        (lambda text: text.replace('\n "used_s": ', '\n "used_s": -', 1), "used_s"),
        (lambda text: text.replace('"rank": 0', '"rank": 1', 1), "ranks"),
        (lambda text: text.replace("makespan-tune/1", "makespan-tune/9", 1), "makespan-tune/9"),
    ],
)
def test_a_damaged_file_is_a_clear_error(as_predicted, tmp_path, damage, words):
    naps = Naps()
    path = tmp_path / "t.json"
    quick(naps, state=path, rounds_of_feedback=0)
    text = path.read_text()
    assert damage(text) != text
    path.write_text(damage(text))
    with pytest.raises(MakespanError, match=words) as caught:
        quick(naps, state=path)
    assert str(path) in str(caught.value)


def test_somebody_elses_file_is_not_overwritten(few, tmp_path):
    path = tmp_path / "t.json"
    path.write_text('{"mine": true}')
    with pytest.raises(OptionError):
        quick(Naps(), state=path)
    assert path.read_text() == '{"mine": true}'


def test_a_way_that_cannot_be_run_leaves_and_the_others_go_on(monkeypatch):
    from makespan_optimizer.tuning.plain import plain_plan

    lock = threading.Lock()

    @node
    def held(x):
        with lock:  # locks cannot be sent to a worker process
            time.sleep(0.001)
        return x

    dag = DAG("locked")
    dag.returns(dag.add(held, 1))
    profile = make_profile({"held": []}, 0.001, fingerprint=dag.fingerprint)

    def ways(profile, **_):
        plan = plain_plan(profile, 2)
        sent = tuple(msgspec.structs.replace(its, mode="process") for its in plan.nodes)
        by_process = msgspec.structs.replace(plan, nodes=sent)
        return [
            Way("default order, 2 threads", plan, default=True),
            Way("plan, 1 process", by_process),
            Way("one after the other", plain_plan(profile, 1)),
        ]

    monkeypatch.setattr(driver, "candidates", ways)
    told = []
    tuned = tune(dag, profile=profile, time_limit_s=0.4, say=told.append, rounds_of_feedback=0)
    close_workers()
    assert "plan, 1 process" not in {way.name for way in tuned.evidence.ways}
    assert any("plan, 1 process cannot be run" in line for line in told)
    assert len(tuned.evidence.ways) == 2


def test_what_the_model_had_wrong_is_measured_again_and_joins(monkeypatch):
    """The profile says that one nap takes a tenth of what it takes."""
    naps = Naps()
    wrong = [
        msgspec.structs.replace(its, wall_net_s=msgspec.structs.replace(its.wall_net_s, median=NAP_S / 10))
        if its.name == "nap_3"
        else its
        for its in naps.profile.nodes
    ]
    naps.profile = msgspec.structs.replace(naps.profile, nodes=tuple(wrong))
    told = []
    tuned = quick(naps, threads=1, say=told.append, time_limit_s=3.0)
    (found,) = [its for its in tuned.evidence.misjudged if its.nodes == ("nap_3",)]
    assert found.remeasured
    assert tuned.profile.node("nap_3").wall_net_s.median >= NAP_S
    assert any(line.startswith("nap_3: ") for line in told)


def test_ctrl_c_while_it_learns_keeps_what_was_learnt_and_the_round_is_made_when_it_goes_on(
    few, monkeypatch, tmp_path
):
    naps = Naps()
    path = tmp_path / "t.json"
    better = msgspec.structs.replace(naps.profile, pairs=())
    wrong = Misjudged(("nap",), 0.001, NAP_S, "as a test says")

    def found(_profile, _plan, _runs, **_):
        return (wrong,)

    def stopped(*_, **__):
        error = KeyboardInterrupt()
        error.partial = better
        raise error

    monkeypatch.setattr(learning, "misjudged", found)
    monkeypatch.setattr(learning, "fed_back", stopped)
    tuned = quick(naps, state=path, time_limit_s=3.0)
    assert tuned.interrupted
    assert tuned.profile is better
    assert [its.nodes for its in tuned.evidence.misjudged] == [("nap",)]
    assert json.loads(path.read_text())["feedback"] == 0
    again = quick(naps, state=path, time_limit_s=3.0)
    assert [its.nodes for its in again.evidence.misjudged] == [("nap",)]


def test_plans_of_each_round_have_names_of_their_own():
    naps = Naps()
    way = Way("plan, 2 threads", naps.profile.optimize(threads=2, time_limit_s=0.2, what_if=[]))
    first, second = learning._renamed([way, way], {"plan, 2 threads"})
    assert (first.name, second.name) == (
        "plan, 2 threads, measured again",
        "plan, 2 threads, measured again (2)",
    )


def test_each_run_of_the_race_finds_empty_caches_and_the_users_stay(few):
    calls = []

    @node(cache=lambda x: x)
    def fetch(x):
        calls.append(x)
        return x

    dag = DAG("cached")
    dag.returns(dag.add(fetch, 1))
    dag()
    assert (len(calls), dag.cache_info()["fetch"].size) == (1, 1)
    profile = make_profile({"fetch": []}, 0.001, fingerprint=dag.fingerprint)
    told = []
    tuned = tune(dag, profile=profile, time_limit_s=0.3, say=told.append, rounds_of_feedback=0)
    runs = sum(way.runs for way in tuned.evidence.ways)
    assert len(calls) >= 1 + runs
    assert "runs find empty caches, as a first run does: fetch" in told
    dag()
    assert dag.cache_info()["fetch"].hits == 1


def test_turns_that_others_disturbed_are_made_again(few, monkeypatch):
    naps = Naps()
    asked = []

    def disturbed(self):
        asked.append(1)
        return len(asked) in (2, 3)  # the third time it is not asked

    monkeypatch.setattr(Runner, "disturbed", disturbed)
    told = []
    quick(naps, say=told.append, time_limit_s=2.0, rounds_of_feedback=0)
    again = [line for line in told if "made again" in line]
    assert again == ["turn 2 is made again: other processes took the cores"] * 2


def test_disturbed_is_what_is_far_above_the_usual():
    runner = Runner(Naps().dag, None)
    for shares, expected in [([0.5] * 6, False), ([0.5, 0.65], True), ([0.5, 0.55], False), ([0.1], False)]:
        runner.load.turn.extend(shares)
        assert runner.disturbed() is expected
        runner.turn_ends(counts=not expected)
    assert not runner.disturbed()
    assert runner.foreign_load == pytest.approx((6 * 0.5 + 0.5 + 0.55 + 0.1) / 9)


def test_a_profile_that_takes_too_long_is_cut_after_a_counted_run(few, monkeypatch):
    monkeypatch.setattr(driver, "PROFILE", 0.0)
    naps = Naps()
    told = []
    tuned = tune(naps.dag, (4,), runs=9, time_limit_s=1.5, say=told.append, rounds_of_feedback=0)
    assert any("the rest of the time is for the race" in line for line in told)
    assert len(tuned.profile.nodes) == len(naps.dag.nodes)
    assert all(its.runs == 1 for its in tuned.profile.nodes)


def test_workers_that_only_the_race_has_used_are_ended():
    from makespan.processes import warm_workers
    from makespan_optimizer.tuning.runner import any_workers

    dag = Naps().dag
    runner = Runner(dag, None)
    warm_workers(1)
    others = Runner(dag, None)
    others.close()
    assert any_workers()
    runner.close()
    assert not any_workers()


# -- nodes that are not to be run
def mailing(**options):
    sent = []

    @node(profile=False, **options)
    def mail(x):
        sent.append(x)
        return x

    dag = DAG("mailing")
    first = dag.add(abs, -1)
    second = dag.add(mail, first)
    return dag, second, sent


def test_nodes_that_are_not_profiled_sleep_in_the_race(few):
    dag, _, sent = mailing(hint_s=0.003)
    profile = make_profile({"abs": [], "mail": ["abs"]}, 0.001, fingerprint=dag.fingerprint)
    told = []
    tuned = tune(dag, profile=profile, time_limit_s=0.4, say=told.append)
    assert sent == []
    assert "not run, but slept for as long as was said: mail" in told
    assert tuned.evidence.ways[0].median_s >= 0.003
    dag.run(plan=tuned.plan)
    assert sent == [1]
    tune(dag, profile=profile, time_limit_s=0.3, run_all=True)
    assert len(sent) > 2


def test_a_stand_in_is_given_and_the_fingerprint_stays():
    dag, mail, sent = mailing(hint_s=0.0, stand_in=5)
    dag.returns(dag.add(abs, mail))
    copy, names = standing_in(dag)
    assert names == ("mail",)
    assert copy.fingerprint == dag.fingerprint
    prepared = copy.prepare()
    assert prepared.fingerprint == dag.fingerprint
    assert prepared() == 5
    assert sent == []
    assert dag() == 1
    assert sent == [1]
    assert Sleeper(abs, 0.0, None)(3) is None


def test_nodes_that_cannot_be_stood_in_for_are_named_before_anything_runs():
    dag, mail, sent = mailing()
    with pytest.raises(ProfileError, match="mail"):
        standing_in(dag)
    copy, _ = standing_in(dag, {"mail": "2ms:io"})
    copy()
    assert sent == []
    taken, mail, _ = mailing(hint_s=0.1)
    taken.returns(taken.add(abs, mail))
    with pytest.raises(ProfileError, match="abs_2 \\(takes mail\\)"):
        standing_in(taken)
    plain = Naps().dag
    assert standing_in(plain) == (plain, ())


# -- what is refused
@pytest.mark.parametrize(
    "options",
    [
        {"threads": 0},
        {"processes": -1},
        {"time_limit_s": 0},
        {"time_limit_s": float("nan")},
        {"confidence": 1.0},
        {"confidence": 0},
        {"runs": 0},
        {"seed": -1},
        {"rounds_of_feedback": 99},
        {"native_threads": "yes"},
        {"inputs": []},
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_runs(options):
    naps = Naps()
    with pytest.raises(OptionError):
        quick(naps, **options)
    assert naps.runs == 0


def test_a_profile_of_another_dag_and_missing_inputs_are_refused(tmp_path):
    naps = Naps()
    with pytest.raises(ProfileError, match="another DAG"):
        tune(naps.dag, profile=make_profile({"a": []}))
    make_profile({"a": []}).save(tmp_path / "p.json")
    with pytest.raises(ProfileError, match=r"p\.json"):
        tune(naps.dag, profile=tmp_path / "p.json")
    with pytest.raises(DescribeError):
        quick(naps, 1, 2, 3)
    assert naps.runs == 0


def test_the_state_is_the_same_after_a_round_trip(as_predicted, tmp_path):
    naps = Naps()
    path = tmp_path / "t.json"
    tuned = quick(naps, state=path, rounds_of_feedback=0)
    body = json.loads(path.read_text())
    found = kept.load(path, tuned.plan.dag, body["options"])
    assert found is not None
    found.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()
    default = [turn["default order, 2 threads"] for turn in body["turns"]]
    its = next(way for way in tuned.evidence.ways if way.name == "default order, 2 threads")
    assert its.median_s == pytest.approx(median(default))
