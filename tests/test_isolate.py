"""Profiling a DAG: what is recorded of each node, and what holds when something goes wrong."""

from __future__ import annotations

import contextvars
import gc
import hashlib
import os
import signal
import sys
import threading
import time
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from makespan import DAG, DescribeError, OptionError, Profile, ProfileWarning, dag, load_profile, node
from makespan_optimizer.measure import header, isolate, repeats
from makespan_optimizer.measure.isolate import profile
from makespan_optimizer.measure.sampling.sampler import OutsideSampler

# The machine that runs the tests may be busy: what follows from that is tested on its own.
pytestmark = [
    pytest.mark.filterwarnings("ignore:other processes take:makespan.ProfileWarning"),
    pytest.mark.skipif(sys.platform != "linux", reason="measured on Linux"),
]


@pytest.fixture
def quick(monkeypatch):
    """Leave out what calibration measures of the machine, and what depends on its load."""
    monkeypatch.setattr(header, "cores_measured", lambda: 2.0)
    monkeypatch.setattr(header, "hand_off_s", lambda: 1e-5)
    monkeypatch.setattr(repeats, "PASSES", 0)  # how often nodes run does not depend on the load


@pytest.fixture
def samplers(monkeypatch):
    """The outside samplers that were started."""
    started: list[OutsideSampler] = []
    start = OutsideSampler._start

    def watched(self, *args):
        started.append(self)
        start(self, *args)

    monkeypatch.setattr(OutsideSampler, "_start", watched)
    return started


def spin(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(200))


def work() -> DAG:
    made = DAG("work")
    x = made.input("x", 0.03)
    slept = made.add(time.sleep, x, name="sleep")
    made.add(spin, x, name="loop", after=[slept])
    return made


# -- what is recorded --------------------------------------------------------------------------------------


def test_a_sleep_is_io_and_a_loop_is_python(quick):
    made = profile(work(), (), {}, runs=3)
    sleep, loop = made.node("sleep"), made.node("loop")
    assert sleep.kind == "io"
    assert loop.kind == "python"
    assert sleep.blocked_s["sleep"] > 0.8 * sleep.wall_net_s.median
    assert sleep.gil_s < 0.2 * sleep.wall_net_s.median
    assert loop.gil_s > 0.8 * loop.wall_net_s.median
    assert loop.blocked_total_s < 0.2 * loop.wall_net_s.median
    assert loop.quality.gil_share_half_width is not None
    assert made.runs[0].sampler == "gil"
    assert 0 < made.runs[0].rate_hz <= 1000
    assert set(made.runs[0].calibration) == {"cores", "hand_off_s", "loop_gil", "hash_gil", "sleep_blocked"}


def test_with_clocks_alone_a_sleep_is_io_and_the_gil_share_is_an_upper_bound(quick):
    made = profile(work(), (), {}, runs=3, sampler="clocks")
    sleep, loop = made.node("sleep"), made.node("loop")
    assert (sleep.kind, loop.kind) == ("io", "python")
    assert loop.class_confidence <= 0.5
    assert all(call.gil_share is None for its in made.nodes for call in its.calls)
    assert loop.quality.gil_share_half_width is None
    assert loop.gil_s == pytest.approx(loop.cpu_s)
    assert made.runs[0].sampler == "clocks"
    assert made.runs[0].rate_hz is None


def test_the_header_and_the_shape(quick):
    @node(lock="paper", tags="slow")
    def render(page):
        return page * 1000

    @dag(name="report")
    def report(page):
        return render(page), render(page)

    made = profile(report, (b"x",), {}, runs=2, sampler="clocks", target="book:report")
    assert (made.dag.name, made.dag.fingerprint, made.dag.target) == (
        "report",
        report.fingerprint,
        "book:report",
    )
    assert [shape.name for shape in made.shape] == ["render", "render_2"]
    assert made.shape[0].locks == ("paper",)
    assert made.shape[0].tags == ("slow",)
    assert made.shape[0].location.endswith("render")
    assert made.shape[1].place.startswith("test_isolate.py:")
    (only,) = made.runs
    assert only.repeats == 2
    assert made.structure().names == report.check().names
    its = made.nodes[0]
    assert its.runs == 2
    assert its.first_s is not None
    assert its.out_bytes is not None
    assert 1000 <= its.out_bytes < 1100
    assert {call.run for call in its.calls} == {only.id}


def test_the_first_call_is_kept_apart(quick):
    calls = []

    def warm() -> None:
        calls.append(0)
        if len(calls) == 1:
            time.sleep(0.05)

    made = DAG()
    made.add(warm)
    its = profile(made, (), {}, runs=3, sampler="clocks").node("warm")
    assert len(calls) == 4
    assert its.first_s is not None
    assert its.first_s >= 0.05
    assert its.wall_net_s.median < 0.5 * its.first_s


def test_neither_arguments_nor_results_nor_source_are_kept(quick):
    secret = "correct horse battery staple"

    def speak(word):
        return [word] * 3

    made = DAG()
    made.add(speak, made.input("word"))
    assert secret.encode() not in profile(made, (secret,), {}, runs=1, sampler="clocks").to_json()


def test_pickling_is_measured_once_unless_refused(quick):
    pickled = []

    class Result:
        def __reduce__(self):
            pickled.append(0)
            return int, ()

    made = DAG()
    made.add(Result, name="a")
    its = profile(made, (), {}, runs=2, sampler="clocks").node("a")
    assert its.args_pickling is not None
    assert its.args_pickling.picklable
    assert its.result_pickling is not None
    assert its.result_pickling.pickle_s is not None
    assert len(pickled) == 1
    its = profile(made, (), {}, runs=2, sampler="clocks", pickling=False).node("a")
    assert its.args_pickling is its.result_pickling is None
    assert len(pickled) == 1


def test_threads_used_of_a_node_with_a_pool(quick):
    block = bytes(1 << 22)

    def work() -> None:
        for _ in range(4):
            hashlib.sha256(block).digest()

    def both(pool) -> None:
        for done in [pool.submit(work) for _ in range(2)]:
            done.result()

    made = DAG()
    made.add(both, made.input("pool"), name="pool")
    made.add(spin, 0.01, name="loop")
    with ThreadPoolExecutor(2) as pool:
        found = profile(made, (pool,), {}, runs=1, sampler="clocks", trials=False)
    assert found.node("pool").threads_used in (2, 3)  # on a loaded machine one thread may do it all
    assert found.node("loop").threads_used == 1


def test_it_survives_saving_and_loading(quick, tmp_path):
    made = profile(work(), (0.005,), {}, runs=2)
    made.save(tmp_path / "profile.json")
    assert load_profile(tmp_path / "profile.json") == made


def test_progress_counts_every_call_once(quick):
    seen = []
    profile(work(), (0.001,), {}, runs=2, sampler="clocks", progress=lambda *args: seen.append(args))
    assert [done for done, _, _ in seen] == list(range(len(seen)))
    assert {total for _, total, _ in seen[:6]} == {6}
    assert [name for _, _, name in seen[:6]] == ["sleep", "loop"] * 3
    last, total, _ = seen[-1]
    assert last == total >= 6  # more when calls were spoiled and repeated


# -- as in a real run --------------------------------------------------------------------------------------


def test_nodes_run_one_at_a_time_in_order_in_the_calling_thread(quick):
    seen, running = [], []

    def visit(name, *_):
        assert not running
        running.append(name)
        seen.append((name, threading.get_ident()))
        running.remove(name)

    made = DAG()
    a = made.add(visit, "a", name="a")
    b = made.add(visit, "b", a, name="b")
    c = made.add(visit, "c", a, name="c")
    made.add(visit, "d", b, c, name="d")
    profile(made, (), {}, runs=1, sampler="clocks")
    assert seen == [(name, threading.get_ident()) for name in "abcdabcd"]


class Value:
    pass


def test_values_are_dropped_after_their_last_use(quick):
    alive = weakref.WeakSet()
    most = []

    def step(_=None):
        most.append(len(alive))
        value = Value()
        alive.add(value)
        return value

    made = DAG()
    last = made.add(step, name="s0")
    for i in range(1, 6):
        last = made.add(step, last, name=f"s{i}")
    profile(made, (), {}, runs=2, sampler="clocks")
    gc.collect()
    assert max(most) <= 1
    assert not alive


def test_each_node_has_a_context_of_its_own(quick):
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("caller")
    seen = []

    def change(_=None):
        seen.append(variable.get())
        variable.set("node")

    made = DAG()
    made.add(change, made.add(change))
    profile(made, (), {}, runs=1, sampler="clocks")
    assert seen == ["caller"] * 4
    assert variable.get() == "caller"


def test_a_dag_inside_a_node_runs_on_that_thread(quick):
    threads = set()

    def leaf(i):
        threads.add(threading.get_ident())
        time.sleep(0.002)

    inner = DAG("inner")
    for i in range(4):
        inner.add(leaf, i, name=f"leaf{i}")
    outer = DAG("outer")
    outer.add(lambda: inner.run(threads=4) and None, name="nested")
    made = profile(outer, (), {}, runs=2, sampler="clocks")
    assert threads == {threading.get_ident()}
    assert made.node("nested").wall_net_s.median >= 4 * 0.002


def test_a_node_with_python_threads_of_its_own_holds_the_gil(quick):
    def pool() -> None:
        others = [threading.Thread(target=spin, args=(0.03,)) for _ in range(2)]
        for other in others:
            other.start()
        for other in others:
            other.join()

    made = DAG()
    made.add(pool)
    its = profile(made, (), {}, runs=3).node("pool")
    assert its.other_cpu_s > 0.04
    assert its.gil_s > 0.7 * its.other_cpu_s


# -- wrong input -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runs", [0, -1, float("nan"), True, 1.0, "5", None, 1001, 10**9])
def test_runs_are_checked_before_anything_runs(runs):
    made = DAG()
    made.add(lambda: pytest.fail("it ran"), name="a")
    with pytest.raises(OptionError, match=r"runs: is a whole number from 1 to 1000"):
        profile(made, (), {}, runs=runs)


def test_wrong_inputs_and_samplers_are_refused_before_anything_runs():
    made = DAG()
    made.add(lambda _: pytest.fail("it ran"), made.input("x"), name="a")
    with pytest.raises(DescribeError, match="needs its input 'x'"):
        profile(made, (), {})
    with pytest.raises(DescribeError, match="no input 'y'"):
        profile(made, (1,), {"y": 2})
    with pytest.raises(OptionError, match="is auto, gil, canary or clocks"):
        profile(made, (1,), {}, sampler="fast")  # type: ignore[arg-type]


# -- when something goes wrong -----------------------------------------------------------------------------


class OwnError(Exception):
    pass


@pytest.mark.parametrize("error", [OwnError("no"), SystemExit(3), GeneratorExit()])
@pytest.mark.parametrize("at", [1, 3])
def test_a_nodes_exception_arrives_as_it_was_raised(quick, samplers, error, at):
    calls = []

    def fail() -> None:
        calls.append(0)
        if len(calls) == at:
            raise error

    made = DAG()
    made.add(fail)
    with pytest.raises(type(error)) as caught:
        profile(made, (), {}, runs=5)
    assert caught.value is error
    assert caught.value.__notes__[0].startswith("in node 'fail' (test_isolate.py:")
    assert len(calls) == at
    assert all(sampler.pid is None for sampler in samplers)
    error.__notes__.clear()


def test_ctrl_c_leaves_nothing_behind_and_keeps_the_complete_runs(quick, samplers):
    calls = []
    interval, callbacks = sys.getswitchinterval(), list(gc.callbacks)

    def interrupt() -> None:
        calls.append(0)
        if len(calls) == 4:  # the warm-up and two counted runs are over
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)

    made = DAG()
    made.add(interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        profile(made, (), {}, runs=5)
    partial = caught.value.partial  # type: ignore[attr-defined]
    assert isinstance(partial, Profile)
    assert partial.node("interrupt").runs == 2
    assert partial.runs[0].repeats == 2
    assert len(samplers) == 1
    assert samplers[0].pid is None
    assert gc.callbacks == callbacks
    assert sys.getswitchinterval() == interval


def interrupted_once(fn):
    """The function; its first call ends in Ctrl-C."""
    called = []

    def once(*args):
        called.append(0)
        if len(called) == 1:
            raise KeyboardInterrupt
        return fn(*args)

    return once


def interrupting(at):
    """A DAG of one node whose call number `at` is interrupted."""
    calls = []

    def interrupt() -> None:
        calls.append(0)
        if len(calls) == at:
            raise KeyboardInterrupt

    made = DAG()
    made.add(interrupt)
    return made


@pytest.mark.parametrize(("at", "complete"), [(4, 2), (99, 3)])
def test_ctrl_c_while_the_profile_is_put_together_loses_nothing(quick, monkeypatch, at, complete):
    monkeypatch.setattr(isolate, "_profile", interrupted_once(isolate._profile))
    with pytest.raises(KeyboardInterrupt) as caught:
        profile(interrupting(at), (), {}, runs=3, sampler="clocks")
    assert caught.value.partial.runs[0].repeats == complete  # type: ignore[attr-defined]


@pytest.mark.parametrize(("at", "complete"), [(4, 2), (99, 3)])
def test_ctrl_c_while_the_sampler_is_closed_loses_nothing(quick, monkeypatch, at, complete):
    leave = isolate.Meter.__exit__

    def left(*args):
        leave(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(isolate.Meter, "__exit__", left)
    with pytest.raises(KeyboardInterrupt) as caught:
        profile(interrupting(at), (), {}, runs=3, sampler="clocks")
    assert caught.value.partial.runs[0].repeats == complete  # type: ignore[attr-defined]


def test_ctrl_c_between_the_last_run_and_the_trials_loses_nothing(quick):
    def progress(done, total, _):
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        profile(interrupting(99), (), {}, runs=3, sampler="clocks", progress=progress)
    assert caught.value.partial.runs[0].repeats == 3  # type: ignore[attr-defined]


def test_an_exception_raised_twice_carries_what_the_second_profile_measured(quick):
    error = OwnError()

    def fail() -> None:
        raise error

    made = DAG()
    made.add(fail)
    error.partial = profile(work(), (0.001,), {}, runs=1, sampler="clocks", trials=False)
    with pytest.raises(OwnError):
        profile(made, (), {}, runs=1, sampler="clocks")
    assert error.partial is None


def two_loops() -> DAG:
    made = DAG()
    made.add(spin, 0.005, name="a")
    made.add(spin, 0.005, name="b")
    return made


def test_a_warning_turned_into_an_error_does_not_cost_the_profile(quick):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "1e-06 s is too short", ProfileWarning)
        with pytest.raises(ProfileWarning) as caught:
            profile(two_loops(), (), {}, runs=2, sampler="clocks", trials_limit_s=1e-6)
    assert caught.value.partial.runs[0].repeats == 2  # type: ignore[attr-defined]
    assert "too short" in caught.value.partial.runs[0].notes[-1]  # type: ignore[attr-defined]


def test_warnings_point_to_the_line_that_profiles(quick):
    with pytest.warns(ProfileWarning, match="too short for a trial") as told:
        two_loops().profile(runs=1, sampler="clocks", trials_limit_s=1e-6)
    assert {its.filename for its in told if "too short" in str(its.message)} == {__file__}


def test_a_nodes_exception_carries_the_complete_runs(quick):
    calls = []

    def fail() -> None:
        calls.append(0)
        if len(calls) == 4:
            raise OwnError

    made = DAG()
    made.add(fail)
    with pytest.raises(OwnError) as caught:
        profile(made, (), {}, runs=5, sampler="clocks")
    assert caught.value.partial.runs[0].repeats == 2  # type: ignore[attr-defined]
    assert caught.value.partial.node("fail").runs == 2  # type: ignore[attr-defined]


class SlottedError(BaseException):
    __slots__ = ()

    def __setattr__(self, name, value):
        raise RuntimeError("no attributes here")


def test_an_exception_that_takes_no_attribute_arrives_all_the_same(quick):
    made = DAG()
    made.add(lambda: (_ for _ in ()).throw(SlottedError), name="a")
    with pytest.raises(SlottedError):
        profile(made, (), {}, runs=1, sampler="clocks")


def test_more_runs_may_warm_up_and_only_the_first_is_a_first_call(quick):
    calls, shown = [], []

    def slow_at_first() -> None:
        calls.append(0)
        time.sleep({1: 0.2, 2: 0.1, 3: 0.1}.get(len(calls), 0.01))

    made = DAG()
    made.add(slow_at_first, name="a")
    found = profile(
        made, (), {}, runs=2, warm_ups=3, sampler="clocks", progress=lambda *told: shown.append(told[:2])
    )
    assert len(calls) == 5
    (node,) = found.nodes
    assert node.first_s >= 0.2
    assert len(node.calls) == 2
    assert max(node.wall_net_s.samples) < 0.1
    assert shown[-1] == (5, 5)
    with pytest.raises(OptionError, match="warm_ups"):
        profile(made, (), {}, warm_ups=0)


def test_ctrl_c_in_the_warm_up_leaves_no_profile(quick):
    made = DAG()
    made.add(lambda: os.kill(os.getpid(), signal.SIGINT) or time.sleep(5), name="a")
    with pytest.raises(KeyboardInterrupt) as caught:
        profile(made, (), {}, runs=5, sampler="clocks")
    assert caught.value.partial is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kills", "ends", "sampled"),
    [((3,), "gil", [True, False, True]), ((3, 4), "clocks", [True, False, False])],
)
def test_a_sampler_killed_in_mid_run_starts_again_once_and_says_so(quick, samplers, kills, ends, sampled):
    calls = []

    def kill() -> None:
        calls.append(0)
        if len(calls) in kills:
            os.kill(samplers[0].pid, signal.SIGKILL)
        spin(0.02)

    made = DAG()
    made.add(kill)
    found = profile(made, (), {}, runs=4)
    (only,) = found.runs
    assert only.sampler == ends
    assert any("lost once (it was ended from outside) and started again" in note for note in only.notes)
    if ends == "clocks":
        assert any("ended in mid-run (it was ended from outside)" in note for note in only.notes)
    shares = [call.gil_share for call in found.node("kill").calls]
    assert [share is not None for share in shares[:3]] == sampled  # in the last run bursts are looked for
    assert found.node("kill").runs == 4


def test_a_failed_self_test_falls_back_and_says_so(quick, monkeypatch, samplers):
    monkeypatch.setattr(
        "makespan_optimizer.measure.calibrate.LIMITS",
        {"loop_gil": (0.0, 0.1), "hash_gil": (0.0, 0.1), "sleep_blocked": (0.9, 1.0)},
    )
    found = profile(work(), (0.002,), {}, runs=1)
    (only,) = found.runs
    assert only.sampler == "canary"
    assert "gil: its self-test gave loop_gil" in only.notes[0]
    monkeypatch.setattr(
        "makespan_optimizer.measure.calibrate.CANARY_LIMITS",
        dict.fromkeys(("loop_gil", "hash_gil", "sleep_blocked"), (2.0, 3.0)),
    )
    found = profile(work(), (0.002,), {}, runs=1)
    (only,) = found.runs
    assert only.sampler == "clocks"
    assert "canary: its self-test gave loop_gil" in only.notes[1]
    assert found.node("loop").quality.gil_share_half_width is None
    with pytest.raises(OptionError, match="its self-test gave loop_gil"):
        profile(work(), (0.002,), {}, runs=1, sampler="gil")
    assert all(sampler.pid is None for sampler in samplers)


def test_foreign_load_is_recorded_and_warned_of(quick, monkeypatch, samplers):
    class Busy:
        def __init__(self, *_):
            pass

        def share(self):
            return 0.4

    monkeypatch.setattr(header, "ForeignLoad", Busy)
    with pytest.warns(ProfileWarning, match="other processes take 40% of the cores"):
        found = profile(work(), (0.001,), {}, runs=1)
    assert found.runs[0].load_share == 0.4
    with warnings.catch_warnings():
        warnings.simplefilter("error", ProfileWarning)
        with pytest.raises(ProfileWarning):
            profile(work(), (0.001,), {}, runs=1)
    assert all(sampler.pid is None for sampler in samplers)


def test_the_switch_interval_is_unchanged(quick):
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0007)
    try:
        mine = sys.getswitchinterval()
        found = profile(work(), (0.001,), {}, runs=1)
        assert sys.getswitchinterval() == mine
        assert found.machine.switch_interval_s == mine
    finally:
        sys.setswitchinterval(before)


def test_a_thousand_runs_keep_the_last_calls(quick):
    made = DAG()
    made.add(int, name="a")
    its = profile(made, (), {}, runs=70, sampler="clocks").node("a")
    assert its.runs == len(its.calls) == 64


def test_dag_profile_is_the_same_thing(quick):
    made = work().profile(0.001, runs=1)
    assert [its.name for its in made.nodes] == ["sleep", "loop"]
    assert msgspec.to_builtins(made)["nodes"][0]["class"]


def test_thousands_of_nodes(quick):
    made = DAG()
    for i in range(3_000):
        made.add(int, name=f"n{i}")
    found = profile(made, (), {}, runs=1, sampler="clocks")
    assert len(found.nodes) == 3_000
