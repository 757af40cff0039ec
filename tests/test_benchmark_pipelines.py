"""Pipelines by every engine: modules, engines, stages, scores, and the command itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from benchmarks.pipeline_engines import PEERS, usable_peers, work_of
from benchmarks.pipeline_measuring import Asked, Measuring
from benchmarks.pipeline_modules import examples, found_in, from_dag, load_module, pipeline_of
from benchmarks.pipeline_nodes import Pipeline, Reading
from benchmarks.pipeline_orders import as_dag, order_of
from benchmarks.pipeline_processes import ChildError, LostChildError, PipelineProcess, environment
from benchmarks.pipeline_rows import DEFAULT, PLANNED, SEQUENTIAL, TUNED, Promise, Sample, Way, rows_of
from benchmarks.pipeline_scores import holdings, misses, ratio, scores
from benchmarks.pipeline_stages import coarse, contenders, every, finalists, turn_of, worth
from benchmarks.pipeline_tables import table
from benchmarks.pipelines import main
from makespan import dag, node
from makespan.errors import DescribeError, TargetError

PROGRAM = Path(__file__).resolve().parents[1] / "benchmarks" / "pipelines.py"
TINY = """
import os, time
ready = []
def wait(*taken):
    time.sleep(0.004)
    return 1 + sum(taken)
nodes = {"a": (wait, ()), "b": (wait, ("a",)), "c": (wait, ("a",)), "d": (wait, ("b", "c")), "e": (wait, ())}
groups = {"client": ("b", "c")}
process_ok = ()
def setup(): print("not for you"); ready.append(1)
def check(results): assert ready and results["d"] == 5, results["d"]
def teardown(): open(os.path.join(os.path.dirname(__file__), "torn_down"), "a").write("x")
"""


@node(outputs=2)
def split(x):
    return iter((x, 2 * x))


@node(lock="client")
def add(a, *, b):
    return a + b


@node
def total(parts):
    return sum(parts["of"])


@dag
def sums(x, y=5):
    one, two = split(x)
    three = add(one, b=two)
    four = add.options(after=[three])(y, b=two)
    return total({"of": [one, three, four]})


def in_turn(nodes):
    results = {}
    for name in order_of({name: deps for name, (_, deps) in nodes.items()}, 0):
        fn, deps = nodes[name]
        results[name] = fn(*[results[dep] for dep in deps])
    return results


def written(folder, name, text):
    (folder / f"{name}.py").write_text(text)
    return folder / f"{name}.py"


# Modules


def test_a_dag_becomes_functions_of_results_with_its_inputs_bound():
    nodes, groups = from_dag(sums, (3,))
    assert groups == {"client": ("add", "add_2")}
    assert nodes["add_2"][1] == ("split", "add")
    results = in_turn(nodes)
    assert (results["add"], results["add_2"], results["total"]) == (9, 11, 3 + 9 + 11)
    assert results["total"] == sums(3)
    with pytest.raises(DescribeError, match="x"):
        from_dag(sums, ())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"exclusive": True}, "runs alone"),
        ({"when": False}, "condition"),
        ({"mode": "caller"}, "caller's thread"),
        ({"cache": repr}, "cache"),
    ],
)
def test_what_no_other_engine_can_do_is_refused_by_name(options, reason):
    @dag
    def odd():
        return total.options(name="strange", **options)({"of": []})

    with pytest.raises(TargetError, match=f"'strange' .*{reason}"):
        from_dag(odd)


def earlier(i):
    return st.sets(st.integers(0, i - 1), max_size=3) if i else st.just(set())


@given(st.integers(1, 9).flatmap(lambda n: st.tuples(*map(earlier, range(n)))), st.integers(0, 5))
@hypothesis_settings(deadline=None, max_examples=40)
def test_every_order_is_topological_and_gives_the_same_results(preds, seed):
    nodes = {
        f"n{i}": (lambda *taken, i=i: i + sum(taken), tuple(f"n{p}" for p in sorted(some)))
        for i, some in enumerate(preds)
    }
    names = order_of({name: deps for name, (_, deps) in nodes.items()}, seed)
    assert sorted(names) == sorted(nodes)
    assert seed or names == list(nodes)
    at = {name: i for i, name in enumerate(names)}
    assert all(at[dep] < at[name] for name, (_, deps) in nodes.items() for dep in deps)
    wanted = {"n0"}
    pipeline = Pipeline("drawn", nodes, {}, (), lambda _: None)
    made, expected = as_dag(pipeline, names, wanted), in_turn(nodes)
    results = made.prepare(threads=1)()
    assert results == {name: expected[name] for name in results}
    last = {name for name in nodes if not any(name in deps for _, deps in nodes.values())}
    assert results.keys() == wanted | last
    assert made.fingerprint == as_dag(pipeline, list(nodes), wanted).fingerprint


def test_a_dag_keeps_its_own_nodes_in_other_orders():
    nodes, groups = from_dag(sums, (3,))
    pipeline = Pipeline("sums", nodes, groups, ("add",), lambda _: None, sums, (3,))
    made = as_dag(pipeline, list(nodes), {"add"})
    assert made(3) == {"add": 9, "total": 23}
    assert made.fingerprint == sums.fingerprint
    assert [its.options.mode for its in made.nodes.values()] == ["thread", None, "thread", "thread"]


@pytest.mark.parametrize(
    ("read", "found"),
    [
        (lambda r: r["a"], {"a"}),
        (lambda r: r.get("b"), {"b"}),
        (lambda r: "a" in r, set()),
        (lambda r: list(r), {"a", "b"}),
        (lambda r: {**r}, {"a", "b"}),
        (lambda r: r == {"a": 1}, {"a", "b"}),
        (lambda r: sum(r.values()), {"a", "b"}),
        (lambda r: sorted(r.items()), {"a", "b"}),
    ],
)
def test_what_a_check_reads_is_known(read, found):
    results = Reading({"a": 1, "b": 2})
    read(results)
    assert results.read == found


BAD = {
    "setup": "nodes = {'a': (len, ())}\ndef check(results): pass",
    "check": "nodes = {'a': (len, ())}\ndef setup(): pass",
    "nodes": "def setup(): pass\ndef check(results): pass",
    "nodes[": "nodes = {'a': (len, ('b',))}\ndef setup(): pass\ndef check(results): pass",
    "process_ok": "nodes = {'a': (len, ())}\nprocess_ok = 'a'\ndef setup(): pass\ndef check(results): pass",
    "groups[": "nodes = {'a': (len, ())}\ngroups = {'g': ('z',)}\ndef setup(): pass\ndef check(r): pass",
    "dag": "from makespan import DAG\nx, y = DAG('x'), DAG('y')\ndef setup(): pass\ndef check(r): pass",
}


@pytest.mark.parametrize("attribute", BAD)
def test_a_bad_module_is_refused_with_its_file_and_attribute(tmp_path, attribute):
    name = f"bad_{list(BAD).index(attribute)}"
    file = written(tmp_path, name, BAD[attribute])
    with pytest.raises(TargetError) as caught:
        pipeline_of(name, load_module(name, file), file)
    assert f"{file}:{attribute}" in str(caught.value)
    sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{'a': len}", "'a' is not .callable, deps."),
        ("{}", "empty"),
        ("{'a': (len, ('b',)), 'b': (len, ('a',))}", "cycle: "),
        ("{1: (len, ())}", "no string"),
    ],
)
def test_nodes_are_looked_at_before_anything_runs(tmp_path, text, said):
    name = f"odd_{abs(hash(text))}"
    file = written(tmp_path, name, f"nodes = {text}\ndef setup(): 1 / 0\ndef check(results): pass")
    with pytest.raises(TargetError, match=said):
        load_module(name, file)
    sys.modules.pop(name, None)


def test_pipelines_are_found_in_files_and_folders(tmp_path):
    written(tmp_path, "b", "")
    written(tmp_path, "_helper", "")
    (tmp_path / "a").mkdir()
    written(tmp_path / "a", "pipeline", "")
    assert found_in(tmp_path) == {"a": tmp_path / "a" / "pipeline.py", "b": tmp_path / "b.py"}
    assert examples(tmp_path).keys() == {"a"}
    with pytest.raises(TargetError, match="no such folder"):
        found_in(tmp_path / "c")
    (tmp_path / "c").mkdir()
    with pytest.raises(TargetError, match="no pipeline"):
        found_in(tmp_path / "c")


# Engines


def close_default_pool():
    import dask.threaded

    dask.threaded.default_pool.shutdown()
    dask.threaded.default_pool = None


@pytest.mark.parametrize("engine", PEERS)
def test_every_engine_returns_all_results_and_keeps_groups_apart(engine):
    inside, most, lock = [0], [0], threading.Lock()

    def step(*taken):
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.002)
        with lock:
            inside[0] -= 1
        return 1 + sum(taken)

    nodes = {"x": (lambda: 1, ()), **dict.fromkeys("abcd", (step, ("x",)))}
    nodes["y"] = (lambda *taken: sum(taken), ("a", "b", "c", "d"))
    apart = Pipeline("apart", nodes, {"g": ("a", "b", "c", "d"), "h": ("a", "b")}, (), lambda _: None)
    free = apart._replace(groups={})
    if usable_peers(grouped=True)[engine]:
        pytest.skip("not installed")
    for pipeline in (apart, free):
        most[0] = 0
        for threads in (None, 1, 4) if PEERS[engine].threads else (None,):
            with ExitStack() as stack:
                if engine == "dask.threaded" and threads is None:
                    stack.callback(close_default_pool)
                run = PEERS[engine].prepare(work_of(pipeline, list(nodes)), threads, stack)
                assert run() == run() == in_turn(nodes)
        assert pipeline is not apart or most[0] == 1
    assert (most[0] > 1) == PEERS[engine].threads  # it can tell the difference
    assert "Tawazi, is_sequential" not in usable_peers(grouped=False)


# Stages


def test_thread_counts_begin_with_those_that_tell_most():
    assert coarse(range(1, 9), 2) == [2, 8, 4, 1]
    assert coarse([3], 2) == [3]
    threaded = {"dask.threaded": True, "joblib": True}
    ways = every({"dask.threaded": 2, "joblib": None}, threaded, range(1, 9), 2)
    assert len(set(ways)) == len(ways) == 2 + 2 * 8 * 2 + 1 + 8
    assert ways[0].engine == DEFAULT
    assert ways[2:4] == [Way("dask.threaded", 2, "one"), Way("joblib", 2, "one")]


def test_thread_counts_that_cannot_win_are_left_out():
    known = {Way("d", k, "one"): seconds for k, seconds in {1: 2.0, 2: 1.0, 4: 1.3, 8: 1.4}.items()}

    def still(threads, native="one"):
        return worth(Way("d", threads, native), known, range(1, 9), 2)

    assert (still(3), still(5), still(7)) == (True, False, False)
    assert still(2, "default")
    known[Way("d", 2, "default")] = 1.6
    assert not still(4, "default")
    known |= {Way("d", 2, "default"): 1.02, Way("d", 1, "default"): 2.02}
    assert not still(4, "default")  # native threads change nothing
    known[Way("d", 1, "default")] = 1.5
    assert still(4, "default")


def sampled(stage, seconds):
    return [Sample(way, stage, turn, s) for way, some in seconds.items() for turn, s in enumerate(some)]


def test_the_best_of_each_engine_go_on_and_luck_counts_for_others_only():
    d2, d4 = Way("dask.threaded", 2, "one"), Way("dask.threaded", 4, "one")
    t1, t2 = Way("Tawazi", 1, "default", default=True), Way("Tawazi", 2, "one")
    tuned = Way(TUNED, 2, "planned", default=True)
    p1, p2 = Way(PLANNED, 1, "planned"), Way(PLANNED, 2, "planned")
    first = sampled(1, {d2: [1.0], d4: [1.1], t1: [3.0], t2: [2.0], tuned: [0.9], p1: [2.0], p2: [0.95]})
    ways = contenders(first, 3)
    lucky = msgspec.structs.replace(d2, order=2)
    assert {d2, d4, lucky, t2, p1, p2, tuned, msgspec.structs.replace(tuned, order=1)} <= set(ways)
    assert t1 not in ways  # twice as slow as dask
    assert msgspec.structs.replace(t2, order=1) not in ways
    second = sampled(2, {d2: [1.0], lucky: [0.8], msgspec.structs.replace(tuned, order=1): [0.5]})
    last = finalists(first + second)
    assert last == [t2, t1, d2, lucky, d4, p2, tuned]  # d4 is a tenth slower by one run: that may be chance


def test_settings_near_the_best_of_others_are_measured_in_the_finals_too():
    ways = {Way(engine, k, "one"): 1.0 + 0.01 * k for engine in ("d", "g") for k in range(1, 5)}
    far = Way("g", 5, "one")
    own = [Way(PLANNED, k, "planned") for k in (1, 2)]
    samples = sampled(1, {way: [s] for way, s in ways.items()} | {far: [1.2], own[0]: [1.0], own[1]: [0.99]})
    last = finalists(samples)
    assert len(set(last)) == len(last) == 2 + 4 + 1
    assert {Way(engine, k, "one") for engine in ("d", "g") for k in (1, 2, 3)} < set(last)
    assert last[-1] == own[1]
    assert own[0] not in last
    only_order = msgspec.structs.replace(far, engine="lost", order=1)
    assert finalists([*samples, *sampled(2, {only_order: [0.1]})]) == last


def test_turns_have_orders_of_their_own():
    ways = [Way("d", k, "one") for k in range(7)]
    turns = [turn_of(ways, turn) for turn in range(20)]
    assert all(sorted(turn) == ways for turn in turns)
    assert {turn[0] for turn in turns} == set(ways)
    for way in ways:  # nobody always runs after the same one
        assert len({turn[turn.index(way) - 1] for turn in turns}) > 3
    assert turns[3] == turn_of(ways, 3)


class Told:
    """A process that answers what it is told to."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), 0

    def ask(self, *_, **__):
        self.asked += 1
        seconds, load = self.answers.pop(0)
        if seconds is None:
            raise ChildError("it broke")
        return {"seconds": seconds, "load": load}


@pytest.mark.parametrize("stage", [1, 2, 3])
@pytest.mark.parametrize("engine", ["dask.threaded", TUNED])
def test_disturbed_runs_are_done_again_in_every_stage_for_all_alike(tmp_path, stage, engine):
    its = Measuring("x", tmp_path, Asked(), tmp_path, 1e9, list, list)
    way = Way(engine, 2, "one")
    role = "makespan" if engine == TUNED else "one"
    its._children[role] = told = Told((9.0, 0.5), (5.0, 0.2), (2.0, 0.01), (1.0, 0.01))
    its._may_repeat(8)
    assert its._quietly(way, stage, 0) == {way: 2.0}
    assert its._quietly(way, stage, 1) == {way: 1.0}
    assert [(one.stage, one.seconds) for one in its.samples] == [(stage, 2.0), (stage, 1.0)]
    assert told.asked == 4
    told.answers += [(4.0, 0.3), (7.0, 0.1), (3.0, 0.2), (6.0, 0.5)]
    assert its._quietly(way, stage, 2) == {way: 7.0}  # the quietest, not the fastest
    assert its._quietly(way, stage, 3) == {way: 6.0}  # no more repeats
    told.answers += [(4.0, 0.3), (None, None)]
    its._may_repeat(8)
    assert its._quietly(way, stage, 4) == {}
    assert its.samples == []  # a way that broke has no figures
    its._children.clear()


# Scores


def made_rows(*, peer=(1.25,), tuned=(1.0,), own=(1.5,), runs=10, predicted=1.02):
    wobble = [1 + 0.01 * (turn % 3 - 1) for turn in range(runs)]
    ways = {
        Way(TUNED, 2, "planned", default=True): tuned,
        Way(DEFAULT, 2, "default", default=True): own,
        Way("dask.threaded", 2, "one"): peer,
        Way("dask.threaded", 2, "default", default=True): (4.0,),
        Way("Tawazi", 1, "default", default=True): (5.0,),
    }
    samples = sampled(3, {way: [some[0] * w for w in wobble] for way, some in ways.items()})
    promises = {Way(TUNED, 2, "planned", default=True): Promise(predicted, "plan, 2 threads")}
    return rows_of("made", samples, promises, {Way("joblib", 2, "one"): "it broke"}, 0.95)


def test_ratios_are_paired_by_turn():
    rows = {row.engine: row for row in made_rows()}
    found = ratio(rows[TUNED], rows["Tawazi"])
    assert found.value == pytest.approx(0.2)
    assert found.low == pytest.approx(0.2) == found.high  # what wobbles wobbles together
    short = msgspec.structs.replace(rows["Tawazi"], turns=(9, 30), seconds=(5.0, 99.0))
    assert ratio(rows[TUNED], short).value == pytest.approx(rows[TUNED].seconds[9] / 5.0)
    assert ratio(rows[TUNED], short).low is None
    with pytest.raises(ValueError, match="same turn"):
        ratio(rows[TUNED], msgspec.structs.replace(short, turns=(30, 31)))


def test_a_score_says_who_was_best_and_whether_all_holds():
    (score,) = scores(made_rows())
    assert score.best_peer == "dask.threaded, 2 threads, 1 native"
    assert score.to_best_peer.value == pytest.approx(0.8)
    assert score.to_tawazi_default.value == pytest.approx(0.2)
    assert score.to_dask_default.value == pytest.approx(0.25)
    assert score.room == pytest.approx(1.25 / 0.95, rel=0.01)
    assert score.to_bound == pytest.approx(1 / 0.95, rel=0.01)
    assert score.predicted == pytest.approx(1.02, rel=0.01)
    assert [its.holds for its in holdings([score])] == [True] * 7


@pytest.mark.parametrize(
    ("changes", "fails"),
    [
        ({"tuned": (1.3,), "predicted": 1.3}, {0, 1, 3}),
        ({"peer": (0.9,)}, {0, 1}),
        ({"runs": 4}, {0}),
        ({"own": (0.9,)}, {6}),
        ({"predicted": 1.1}, {4}),
        ({"predicted": 0.5}, {4, 5}),
        ({"tuned": (3.5,), "peer": (9.0,), "own": (9.0,), "predicted": 3.5}, {1, 2, 3}),
    ],
)
def test_what_does_not_hold_is_told(changes, fails):
    found = holdings(scores(made_rows(**changes)))
    assert {i for i, its in enumerate(found) if not its.holds} == fails


def test_two_pipelines_have_to_win_where_there_are_two():
    (won,) = scores(made_rows())
    (lost,) = scores(made_rows(peer=(1.0,)))
    assert [its.holds for its in holdings([won, lost])][1] is False
    assert [its.holds for its in holdings([won, won])][1] is True
    assert holdings([]) == []


def test_the_drift_of_the_machine_is_taken_out_of_promises_and_bounds():
    alone, one = Way(SEQUENTIAL, 1, "default", default=True), Way(DEFAULT, 1, "default")
    tuned = Way(TUNED, 2, "planned", default=True)
    samples = [*sampled(1, {one: [9.0]}), *sampled(3, {alone: [3.0] * 5, tuned: [1.5] * 5})]
    rows = rows_of("x", samples, {one: Promise(2.0, ""), tuned: Promise(1.0, "")}, {}, 0.9)
    (score,) = scores(rows)
    assert score.drift == pytest.approx(1.5)
    assert score.predicted == pytest.approx(1.0)
    assert score.predicted_as_is == pytest.approx(1 / 1.5)
    assert score.to_bound == pytest.approx(1.5 / (0.9 * 1.5))
    assert score.misses == (pytest.approx(0.0),)
    (unknown,) = scores([row for row in rows if row.engine == TUNED])
    assert unknown.drift is None
    assert unknown.predicted == unknown.predicted_as_is == pytest.approx(1 / 1.5)


def test_misses_are_of_plans_as_written_that_ran_more_than_once():
    way = Way(PLANNED, 3, "planned")
    other = msgspec.structs.replace(way, order=1)
    samples = [*sampled(1, {way: [9.0]}), *sampled(2, {way: [2.0, 2.0], other: [7.0] * 3})]
    rows = rows_of("x", samples, {way: Promise(1.8, "")}, {}, None)
    assert misses(rows) == [pytest.approx(0.1)]
    assert all(row.predicted_s == 1.8 for row in rows)  # a plan promises the same in every order


def test_rows_tell_medians_intervals_and_failures():
    rows = made_rows()
    for row in rows:
        if row.runs:
            assert row.median_s == pytest.approx(median(row.seconds))
            assert row.low_s <= row.median_s <= row.high_s
    assert [row.error for row in rows if row.median_s is None] == ["it broke"]


# Processes


def test_native_threads_are_set_before_anything_is_loaded(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert "OMP_NUM_THREADS" not in environment("default")
    assert environment("one")["OMP_NUM_THREADS"] == environment("one")["OPENBLAS_NUM_THREADS"] == "1"


def test_a_process_that_ends_or_hangs_is_told_and_ended(tmp_path):
    file = written(tmp_path, "ends", TINY.replace('print("not for you")', "os._exit(3)"))
    with PipelineProcess("ends", file, "default") as process, pytest.raises(LostChildError, match="it ended"):
        process.ask("start", 30)
    file = written(tmp_path, "hangs", TINY.replace('print("not for you")', "time.sleep(99)"))
    with PipelineProcess("hangs", file, "default") as process:
        assert process.ask("look", 30) == {}
        with pytest.raises(LostChildError, match="in time"):
            process.ask("start", 0.1)


def test_a_wrong_result_is_an_error_of_that_run_alone(tmp_path):
    file = written(tmp_path, "wrong", TINY.replace("5, res", "6, res"))
    with PipelineProcess("wrong", file, "one") as process:
        with pytest.raises(ChildError, match="AssertionError: 5"):
            process.ask("start", 30)
        assert process.ask("look", 30) == {}


# The command

QUICK = ["--threads", "2", "--repeats", "1", "--orders", "2", "--tune-limit", "0.5", "--profile-runs", "1"]
QUICK += ["--trials-limit", "0.2", "--plan-limit", "0.5"]


def test_the_command_measures_tells_and_can_tell_again(tmp_path, capsys):
    folder = tmp_path / "pipelines"
    folder.mkdir()
    written(folder, "tiny", TINY)
    written(folder, "lacking", "import no_such_package\n")
    out = tmp_path / "out.json"
    assert main(["--pipelines", str(folder), "--out", str(out), "--json", *QUICK]) == 0
    printed = capsys.readouterr()
    assert "lacking needs no_such_package" in printed.err
    assert "not for you" not in printed.out
    found = json.loads(printed.out)
    assert found == json.loads(out.read_text())
    rows = found["rows"]
    for row in rows:
        assert {"pipeline", "engine", "threads", "order", "median_s", "low_s", "high_s"} < row.keys()
        assert {"predicted_s", "bound_s"} < row.keys()
        assert row["error"] == ""
    engines = {row["engine"] for row in rows if row["stage"] == 3}
    assert engines == {*PEERS, DEFAULT, PLANNED, TUNED}
    assert {row["order"] for row in rows if row["stage"] == 2} == {0, 1}
    assert {row["native"] for row in rows} == {"default", "one", "planned"}
    assert all(row["bound_s"] > 0 for row in rows)
    assert all(row["runs"] == 1 for row in rows if row["stage"] == 3)
    assert found["scores"][0]["pipeline"] == "tiny"
    assert len((folder / "torn_down").read_text()) == 3
    assert main(["--from", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "best peer: " in shown
    assert "one after the other" in shown
    assert main(["--from", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found


def test_ctrl_c_ends_everything_at_once(tmp_path):
    written(tmp_path, "slow", TINY.replace("0.004", "0.05"))
    command = [sys.executable, str(PROGRAM), "--pipelines", str(tmp_path), *QUICK]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as running:
        for line in running.stderr:
            if "setting up (one)" in line:
                break
        began_s = time.monotonic()
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130
        assert time.monotonic() - began_s < 10
        assert "stopped" in running.stderr.read()
    until_s = time.monotonic() + 10
    while (left := [pid for pid in os.listdir("/proc") if str(tmp_path) in command_of(pid)]) and (
        time.monotonic() < until_s
    ):
        time.sleep(0.05)
    assert left == []


def command_of(pid):
    try:
        return Path("/proc", pid, "cmdline").read_text()
    except OSError:
        return ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pipelines", "{bad}"], "bad/broken.py:check"),
        (["--pipelines", "{bad}", "--only", "brokn"], "no pipeline 'brokn'"),
        (["--pipelines", "{bad}/nowhere"], "no such folder"),
        (["--threads", "8..1"], "--threads 8..1"),
        (["--threads", "many"], "--threads many"),
        (["--repeats", "0"], "--repeats: at least 1"),
        (["--limit", "0"], "above 0"),
        (["--from", "{bad}/broken.py"], "--from"),
    ],
)
def test_bad_input_ends_with_2_before_anything_ran(tmp_path, capsys, arguments, said):
    bad = tmp_path / "bad"
    bad.mkdir()
    written(bad, "broken", "def setup(): pass\nnodes = {'a': (len, ())}\n")
    with pytest.raises(SystemExit) as caught:
        main([argument.replace("{bad}", str(bad)) for argument in arguments])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_a_pipeline_whose_own_result_is_wrong_is_told_with_1(tmp_path, capsys):
    written(tmp_path, "wrong", TINY.replace("5, res", "6, res"))
    assert main(["--pipelines", str(tmp_path), *QUICK]) == 1
    assert "wrong: AssertionError: 5" in capsys.readouterr().err


def test_tables_say_what_was_not_measured():
    assert "it broke" in table(made_rows())
    assert "no room" not in table(made_rows())
    assert "no room: 1.05 × lower bound" in table(made_rows(peer=(1.0,)))
    assert "no finals of a tuned plan" in table([row for row in made_rows() if row.engine != TUNED])
