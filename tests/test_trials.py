"""Trials after the counted runs: what they find, what they keep, and where they stop."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import warnings

import msgspec
import pytest

from makespan import DAG, OptionError, ProfileWarning, load_profile
from makespan.measurement import PairTrial
from makespan.preparing.program import compile_program
from makespan.profile import parse_profile
from makespan_optimizer.measure.merge import merge_profiles
from makespan_optimizer.measure.trials import beside
from makespan_optimizer.measure.trials import run_trials as trials
from makespan_optimizer.measure.trials.limit import time_limit_s
from makespan_optimizer.measure.trials.pools import Pool, Pools
from makespan_optimizer.measure.trials.run_trials import run_trials
from makespan_optimizer.measure.trials.verdicts import PARALLEL_DEFAULT, PARALLEL_ONE
from tests.builders import make_profile
from tests.cli_tools import run_process


@pytest.fixture(autouse=True)
def calm(monkeypatch):
    """No other process takes cores, and few repeats will do."""
    monkeypatch.setattr(beside, "_spoiled", lambda *_: False)
    monkeypatch.setattr(beside, "MOST_REPEATS", 3)


def spin(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(200))


def dag_of(names, fn, *args):
    made = DAG("dag")
    for name in names:
        made.add(fn, *args, name=name)
    return made


def measured(dag, kinds="python", wall_s=0.005, **more):
    """A made-up profile of a DAG whose nodes wait for nothing."""
    return make_profile({name: [] for name in dag.nodes}, wall_s, kinds, **more)


# -- the time ----------------------------------------------------------------------------------------------


def test_trials_take_as_long_as_the_counted_runs_thirty_seconds_at_most():
    assert time_limit_s("auto", None, 2.0) == 2.0
    assert time_limit_s(True, None, 200.0) == 30.0
    assert time_limit_s("native", 90, 2.0) == 90.0
    assert time_limit_s("auto", 0, 2.0) == 0.0
    assert time_limit_s(False, None, 2.0) == 0.0


@pytest.mark.parametrize("limit", [-1, float("nan"), float("inf"), True, "5", [1]])
def test_a_limit_that_cannot_be(limit):
    with pytest.raises(OptionError, match="trials_limit_s: is a number of seconds"):
        time_limit_s("auto", limit, 1.0)
    with pytest.raises(OptionError, match="trials_limit_s"):
        dag_of("a", lambda: pytest.fail("it ran")).profile(trials_limit_s=limit)


@pytest.mark.parametrize("word", ["pairs", None, 2, []])
def test_a_wish_that_cannot_be(word):
    with pytest.raises(OptionError, match="trials: is auto, native or False"):
        time_limit_s(word, None, 1.0)


def test_no_time_no_trials_and_no_word():
    dag = dag_of("ab", lambda: pytest.fail("it ran"))
    made = measured(dag)
    assert run_trials(made, compile_program(dag), {}, limit_s=0) == made


def test_too_little_time_is_said():
    dag = dag_of("ab", lambda: pytest.fail("it ran"))
    with pytest.warns(ProfileWarning, match="2 s is too short for a trial"):
        result = run_trials(measured(dag, wall_s=10.0), compile_program(dag), {}, limit_s=2)
    assert result.pairs == ()
    assert "too short" in result.runs[-1].notes[0]


def test_too_little_time_that_nobody_asked_for_is_a_note():
    dag = dag_of("ab", lambda: pytest.fail("it ran"))
    result = run_trials(measured(dag, wall_s=10.0), compile_program(dag), {}, limit_s=2, asked=False)
    assert "too short" in result.runs[-1].notes[0]


def longer(made, **walls_s):
    """The profile with nodes, and the work of their pools, made so long."""
    nodes = []
    for node in made.nodes:
        if node.name in walls_s:
            its = msgspec.structs.replace(node.wall_net_s, median=walls_s[node.name])
            node = msgspec.structs.replace(node, wall_net_s=its, other_cpu_s=walls_s[node.name])
        nodes.append(node)
    return msgspec.structs.replace(made, nodes=tuple(nodes))


def test_native_threads_come_first_and_what_is_left_out_is_named(library):
    """No round of all three numbers fits, but one thread beside the default does, for one of the nodes."""
    dag = DAG()
    dag.add(time.sleep, 0.001, name="fits")
    dag.add(lambda: pytest.fail("it ran"), name="long")
    made = longer(measured(dag, "parallel", 0.01), fits=5.0, long=100.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = run_trials(made, compile_program(dag), {}, limit_s=14)
    tried = {node.name: node.native_threads for node in result.nodes}
    assert tried["fits"].tried[0].threads == 1
    assert tried["fits"].default.calls == 1
    assert tried["long"] is None
    (note,) = (note for note in result.runs[-1].notes if "no time" in note)
    assert note.startswith("no time to try native threads of long: 14 s for all trials")


def test_native_threads_that_do_not_fit_though_pairs_do_are_warned_of(library, monkeypatch):
    dag = dag_of("ab", lambda: time.sleep(0.001))
    made = measured(dag, "parallel", 0.01)
    monkeypatch.setattr(trials.ThreadSession, "run", lambda *_, **__: None)
    with pytest.warns(ProfileWarning, match="no time to try native threads of a, b: 5 s"):
        result = run_trials(made, compile_program(dag), {}, limit_s=5)
    assert [pair.nodes for pair in result.pairs] == [("a", "b")]
    result = run_trials(made, compile_program(dag), {}, limit_s=5, asked=False)
    assert "no time to try native threads of a, b" in result.runs[-1].notes[-1]


def test_nothing_to_try_nothing_run():
    dag = dag_of("ab", lambda: pytest.fail("it ran"))
    made = measured(dag, "io")
    assert run_trials(made, compile_program(dag), {}, limit_s=5) == made


# -- what they find ----------------------------------------------------------------------------------------


def test_pairs_are_measured_and_their_like_taken_over():
    dag = dag_of([f"n{i}" for i in range(5)], spin, 0.005)
    made = measured(dag)
    result = run_trials(made, compile_program(dag), {}, limit_s=0.7)
    assert len(result.pairs) == 10
    own = [pair for pair in result.pairs if pair.like is None]
    assert own
    assert own[0].nodes == ("n0", "n1")
    assert {pair.like for pair in result.pairs if pair.like is not None} <= {pair.nodes for pair in own}
    assert result.pairs == tuple(sorted(result.pairs, key=lambda pair: pair.nodes))


def test_all_pairs_are_measured_when_there_is_time():
    dag = dag_of("abc", spin, 0.002)
    result = run_trials(measured(dag), compile_program(dag), {}, limit_s=30)
    assert [(pair.nodes, pair.like) for pair in result.pairs] == [
        (("a", "b"), None),
        (("a", "c"), None),
        (("b", "c"), None),
    ]
    assert run_trials(measured(dag), compile_program(dag), {}, limit_s=30, pairs=False).pairs == ()


def test_a_chatty_node_beside_a_python_one_is_tried_with_three_intervals():
    seen = set()

    def chat():
        seen.add(round(sys.getswitchinterval(), 5))
        time.sleep(0.002)

    dag = DAG()
    dag.add(chat, name="chat")
    dag.add(spin, 0.004, name="loop")
    made = measured(dag, {"chat": "io", "loop": "python"})
    chatty = msgspec.structs.replace(made.nodes[0], blocked_s={"sleep": 0.005}, nvcsw=50)
    made = msgspec.structs.replace(made, nodes=(chatty, made.nodes[1]))
    before = sys.getswitchinterval()
    result = run_trials(made, compile_program(dag), {}, limit_s=30)
    assert [pair.switch_interval_s for pair in result.pairs] == [0.005, 0.001, 0.0002]
    assert seen == {0.005, 0.001, 0.0002}
    assert sys.getswitchinterval() == before


class Library:
    threads = 4

    def get(self):
        return self.threads

    def set(self, threads):
        self.threads = threads


@pytest.fixture
def library(monkeypatch):
    """One library with a pool, and one that cannot be limited."""
    made = Library()
    pools = Pools((Pool("lib", made.get, made.set),), {"onnxruntime": "sessions keep their own"})
    monkeypatch.setattr(trials, "find_pools", lambda: pools)
    return made


def test_pools_that_oversubscribe_are_warned_of(library):
    dag = dag_of("ab", lambda: time.sleep(0.01 * library.threads))
    made = measured(dag, "parallel", 0.04)
    with pytest.warns(ProfileWarning, match="native pools oversubscribe: .* with one thread a node"):
        result = run_trials(made, compile_program(dag), {}, limit_s=30)
    assert library.threads == 4
    for node in result.nodes:
        assert node.native_threads is not None
        assert [trial.threads for trial in node.native_threads.tried] == [1, 2]
        assert node.native_threads.default.wall_s > 2 * node.native_threads.tried[0].wall_s
    (header,) = result.runs
    assert header.calibration[PARALLEL_DEFAULT] > 2 * header.calibration[PARALLEL_ONE]
    assert header.notes == ("threads of onnxruntime were not limited: sessions keep their own",)
    again = parse_profile(result.to_json())
    assert again == result


def test_pools_that_do_not_matter_are_not_spoken_of(library):
    dag = dag_of("ab", lambda: time.sleep(0.02))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = run_trials(measured(dag, "parallel", 0.02), compile_program(dag), {}, limit_s=3, pairs=False)
    assert all(node.native_threads is not None for node in result.nodes)


def test_without_pairs_nothing_runs_beside_anything(library):
    running, most = [], []

    def wide():
        running.append(0)
        most.append(len(running))
        time.sleep(0.002)
        running.pop()

    made = measured(dag_of("ab", wide), "parallel", 0.005)
    result = run_trials(made, compile_program(dag_of("ab", wide)), {}, limit_s=30, pairs=False)
    assert set(most) == {1}
    assert result.nodes[0].native_threads is not None
    assert not {PARALLEL_DEFAULT, PARALLEL_ONE} & result.runs[0].calibration.keys()


# -- after an update -----------------------------------------------------------------------------------------


def updated(kinds="python", wall_s=0.002, tried=("ab", "ac", "bc"), **more):
    """A profile of a, b and c, and one of a whose code has changed since."""
    old = make_profile({name: [] for name in "abc"}, wall_s, kinds)
    old = msgspec.structs.replace(
        old,
        shape=tuple(msgspec.structs.replace(its, code="1") for its in old.shape),
        nodes=tuple(msgspec.structs.replace(its, code="1") for its in old.nodes),
        pairs=tuple(pair(*names, **more) for names in tried),
    )
    changed = msgspec.structs.replace(old.shape[0], code="2")
    new = msgspec.structs.replace(
        old,
        shape=(changed, *old.shape[1:]),
        nodes=(msgspec.structs.replace(old.nodes[0], code="2"),),
        pairs=(),
    )
    return old, new


def test_pairs_of_a_node_measured_anew_are_tried_again_and_no_others():
    old, new = updated()
    program = compile_program(dag_of("abc", spin, 0.002))
    result = run_trials(new, program, {}, limit_s=30, walked={0}, known=old)
    assert [(its.nodes, its.repeats, its.like) for its in result.pairs] == [
        (("a", "b"), 3, None),
        (("a", "c"), 3, None),
    ]
    assert not any("dropped" in note for note in result.runs[-1].notes)
    assert [its.name for its in result.nodes] == ["a"]
    merged = merge_profiles(old, result, update=True)
    assert [its.nodes for its in merged.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert merged.pairs[2] == old.pairs[2]


def test_pairs_that_are_not_tried_again_are_taken_over_or_told_of():
    program = compile_program(dag_of("abc", lambda: pytest.fail("it ran")))
    old, new = updated()
    result = run_trials(new, program, {}, limit_s=0, walked={0}, known=old)
    assert [(its.nodes, its.like) for its in result.pairs] == [(("a", x), ("b", "c")) for x in "bc"]
    old, new = updated(tried=("ab", "ac"))
    result = run_trials(new, program, {}, limit_s=0, walked={0}, known=old)
    assert result.pairs == ()
    assert result.runs[-1].notes[-1] == "2 pairs of changed nodes dropped, not tried again"


def test_what_only_feeds_others_counts_in_the_time():
    dag = DAG()
    feed = dag.add(lambda: pytest.fail("it ran"), name="feed")
    for name in "ab":
        dag.add(lambda _: pytest.fail("it ran"), feed, name=name)
    after = {"feed": [], "a": ["feed"], "b": ["feed"]}
    whole = make_profile(after, {"feed": 10.0, "a": 0.1, "b": 0.1}, "python")
    part = msgspec.structs.replace(whole, nodes=whole.nodes[1:])
    for more in ({"fed_s": {0: 10.0}}, {"known": whole}):
        with pytest.warns(ProfileWarning, match="2 s is too short for a trial"):
            run_trials(part, compile_program(dag), {}, limit_s=2, walked=range(3), **more)


# -- when something goes wrong -----------------------------------------------------------------------------


def test_ctrl_c_keeps_what_was_measured():
    calls = []

    def step():
        calls.append(0)
        if len(calls) == 9:  # two passes are over: alone and side by side, twice
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)

    dag = dag_of("ab", step)
    interval = sys.getswitchinterval()
    with pytest.raises(KeyboardInterrupt) as caught:
        run_trials(measured(dag), compile_program(dag), {}, limit_s=30)
    partial = caught.value.partial  # type: ignore[attr-defined]
    assert [pair.repeats for pair in partial.pairs] == [2]
    assert sys.getswitchinterval() == interval


@pytest.mark.parametrize("what", ["candidates", "likenesses", "oversubscription"])
def test_ctrl_c_while_nothing_runs_keeps_the_profile(monkeypatch, what):
    def interrupt(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(trials, what, interrupt)
    dag = dag_of("ab", spin, 0.001)
    made = measured(dag)
    with pytest.raises(KeyboardInterrupt) as caught:
        run_trials(made, compile_program(dag), {}, limit_s=1)
    assert caught.value.partial.nodes == made.nodes  # type: ignore[attr-defined]
    assert bool(caught.value.partial.pairs) == (what == "oversubscription")  # type: ignore[attr-defined]


def test_ctrl_c_among_native_threads_keeps_the_profile(library):
    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    dag = dag_of("a", interrupt)
    made = measured(dag, "parallel")
    with pytest.raises(KeyboardInterrupt) as caught:
        run_trials(made, compile_program(dag), {}, limit_s=30)
    assert caught.value.partial.nodes == made.nodes  # type: ignore[attr-defined]
    assert library.threads == 4


def test_a_node_that_cannot_run_beside_another_is_named():
    lock = threading.Lock()

    def alone():
        if not lock.acquire(blocking=False):
            raise RuntimeError("not now")
        time.sleep(0.005)
        lock.release()

    dag = dag_of("ab", alone)
    with pytest.warns(ProfileWarning, match="RuntimeError was raised when 'a' and 'b' ran side by side"):
        result = run_trials(measured(dag), compile_program(dag), {}, limit_s=30)
    assert result.pairs == ()


def test_a_node_that_fails_alone_ends_the_trials_and_is_named():
    calls = []

    def fail():
        calls.append(0)
        if len(calls) > 6:
            raise ValueError("secret")

    dag = dag_of("ab", fail)
    with pytest.warns(ProfileWarning, match=r"ended early: ValueError in node '[ab]'") as told:
        result = run_trials(measured(dag), compile_program(dag), {}, limit_s=30)
    assert "secret" not in str(told[0].message)
    assert len(result.pairs) == 1


# -- in a profile ------------------------------------------------------------------------------------------


def test_a_profile_ends_with_trials(tmp_path):
    made = dag_of("ab", spin, 0.01).profile(runs=3, sampler="clocks", trials_limit_s=10)
    (pair,) = made.pairs
    assert pair.nodes == ("a", "b")
    assert pair.repeats == 3
    made.save(tmp_path / "profile.json")
    assert load_profile(tmp_path / "profile.json").pairs == made.pairs
    assert dag_of("ab", spin, 0.01).profile(runs=1, sampler="clocks", trials=False).pairs == ()


def test_nodes_that_are_not_run_are_not_tried_either():
    dag = DAG()
    dag.add(lambda: pytest.fail("it ran"), name="mail")
    dag.add(spin, 0.005, name="a")
    dag.add(spin, 0.005, name="b")
    made = dag.profile(runs=1, sampler="clocks", hints={"mail": "0.5s:python"}, trials_limit_s=10)
    assert [pair.nodes for pair in made.pairs] == [("a", "b")]


def test_the_command_line(tmp_path):
    (tmp_path / "pipe.py").write_text(
        "from makespan import dag, node\n"
        "@node\ndef count(n):\n    return sum(i * i for i in range(n))\n"
        "@dag\ndef two(n=200_000):\n    return count(n), count(n)\n"
    )
    words = ["profile", "pipe:two", "--runs", "1", "--sampler", "clocks"]
    both = run_process(*words, "--trials-limit", "20", "-o", "both.json", folder=tmp_path)
    none = run_process(*words, "--no-pairs", "-o", "none.json", folder=tmp_path)
    wrong = run_process(*words, "--trials-limit", "-1", folder=tmp_path)
    assert [its.nodes for its in load_profile(tmp_path / "both.json").pairs] == [("count", "count_2")]
    assert load_profile(tmp_path / "none.json").pairs == ()
    assert (both.code, none.code, wrong.code) == (0, 0, 2)
    assert "the time for trials in seconds is a number from 0" in wrong.err


def pair(a, b, **more):
    return PairTrial(nodes=(a, b), alone_s=(1.0, 1.0), together_s=(2.0, 2.0), repeats=3, **more)


def test_merging_keeps_pairs():
    old = make_profile({"a": [], "b": [], "c": []}, 1.0, "python")
    new = msgspec.structs.replace(old, pairs=(pair("a", "c"),))
    old = msgspec.structs.replace(old, pairs=(pair("a", "b"), pair("b", "c")))
    assert [p.nodes for p in merge_profiles(old, new).pairs] == [("a", "b"), ("a", "c"), ("b", "c")]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"nodes": ["a", "x"]}, "x is not in the DAG"),
        ({"nodes": ["a", "a"]}, "'a' stands twice"),
        ({"nodes": ["b", "a"]}, "'b' comes after 'a'"),
        ({"nodes": ["a"]}, "pairs/1"),
        ({"alone_s": [-1.0, 1.0]}, "pairs/1"),
        ({"together_s": [1e99, 1.0]}, "pairs/1"),
        ({"repeats": 0}, "it was not measured"),
        ({"colour": "red"}, "pairs/1"),
    ],
)
def test_a_pair_that_cannot_be_is_dropped_from_a_file_and_named(record, words):
    made = msgspec.structs.replace(make_profile({"a": [], "b": []}), pairs=(pair("a", "b"),))
    body = json.loads(made.to_json())
    body["pairs"].append({**body["pairs"][0], "switch_interval_s": 0.001, **record})
    with pytest.warns(ProfileWarning, match="pair number 1 is dropped") as told:
        read = parse_profile(json.dumps(body).encode())
    assert words in str(told[0].message)
    assert read.pairs == made.pairs
