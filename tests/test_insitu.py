"""Measuring beside others: the arithmetic on made-up clocks, and runs that measuring must not harm."""

from __future__ import annotations

import gc
import hashlib
import math
import os
import signal
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makespan import DAG, MissingExtraError, OptionError
from makespan.record import parse_record
from makespan_optimizer.measure import insitu
from makespan_optimizer.measure.clocks import Clocks
from makespan_optimizer.measure.insitu import held_share, measured_from
from makespan_optimizer.measure.sampling.sampler import fallback_note, next_sampler, open_sampler
from makespan_optimizer.measure.sampling.watch import Seen
from tests.tries import best_of


def clocks(wall_s=1.0, cpu_s=0.5, delay_s=0.0, *, nvcsw=100, nivcsw=0):
    return Clocks(wall_s, cpu_s, 9.0, delay_s, 0.0, nvcsw, nivcsw, 0, 0.0)


def seen(**counts):
    return Seen(**counts)


class FakeWatch:
    def __init__(self, sampler):
        self.sampler, self.thread, self.open = sampler, threading.get_ident(), True

    def begin(self):
        assert threading.get_ident() == self.thread
        self.sampler.fail("begin")

    def end(self):
        self.sampler.fail("end")
        return None if self.sampler.lost else self.sampler.seen

    def close(self):
        assert self.open
        self.open = False
        self.sampler.fail("close")


class FakeSampler:
    """A sampler that sees what it is told to, and fails where it is told to."""

    name, rate_hz = "gil", 1000.0

    def __init__(self, counts=None, faults=()):
        self.lost, self.notes = None, ()
        self.seen = Seen(hold=3, running=1, gil_wait=4, sleep=2) if counts is None else counts
        self.faults, self.watches, self.closed = faults, [], 0

    def fail(self, where):
        if where in self.faults:
            raise self.faults[where]

    def watch(self):
        self.fail("watch")
        self.watches.append(FakeWatch(self))
        return self.watches[-1]

    def cpu_s(self):
        return 0.0

    def close(self):
        self.closed += 1


@pytest.fixture
def fake(monkeypatch):
    """Put a made-up sampler in the place of the one that works here."""
    before = len(gc.callbacks)
    made = []

    def use(counts=None, faults=(), notes=()):
        sampler = FakeSampler(counts, dict(faults))
        monkeypatch.setattr(insitu, "open_sampler", lambda wanted: (made.append(wanted) or sampler, notes))
        monkeypatch.setattr(insitu, "fault_of", lambda sampler: None)
        sampler.wanted = made
        return sampler

    yield use
    assert len(gc.callbacks) == before


# Arithmetic.


def test_the_parts_of_two_loops_that_take_turns():
    got = measured_from(clocks(cpu_s=0.5), seen(hold=500, gil_wait=500))
    assert got.gil_s == 0.5
    assert got.native_s == 0.0
    assert got.gil_wait_s == 0.5
    assert got.blocked_s == {}
    assert got.samples == 1000


def test_time_asleep_is_divided_as_it_was_seen():
    got = measured_from(clocks(cpu_s=0.2), seen(hold=100, running=100, gil_wait=200, sleep=400, io=200))
    assert got.gil_s == got.native_s == pytest.approx(0.1)
    assert got.gil_wait_s == pytest.approx(0.2)
    assert got.blocked_s == pytest.approx({"sleep": 0.4, "io": 0.2})


def test_hand_overs_do_not_look_native():
    # A loop that takes turns: 4 % of its wall it was woken and had no core yet, which is seen as "running".
    got = measured_from(clocks(cpu_s=0.48, delay_s=0.04), seen(hold=480, running=40, gil_wait=480))
    assert got.native_s == pytest.approx(0.0)
    assert got.gil_s == pytest.approx(0.48)
    assert got.run_delay_s == pytest.approx(0.04)
    assert got.gil_wait_s == pytest.approx(0.48)


def test_a_holder_that_was_preempted_stays_a_holder_and_native_work_native():
    preempted = clocks(cpu_s=0.6, delay_s=0.4, nvcsw=0, nivcsw=50)
    assert measured_from(preempted, seen(hold=1000)).gil_s == pytest.approx(0.6)
    assert measured_from(preempted, seen(running=1000)).native_s == pytest.approx(0.6)
    mixed = measured_from(preempted, seen(hold=500, running=500))
    assert mixed.gil_s == mixed.native_s == pytest.approx(0.3)
    assert mixed.run_delay_s == pytest.approx(0.4)


def test_more_delay_than_was_seen_running_takes_nothing_from_the_holder():
    assert held_share(Seen(hold=10, running=5), handed_over=50) == 1.0


def test_preemption_beside_waits_for_the_gil_is_shared_out():
    # 100 ms of waits explain 100 of the 400 samples' worth of delay; the rest falls on both in proportion.
    got = measured_from(clocks(cpu_s=0.5, delay_s=0.4), Seen(hold=400, running=500, gil_wait=100))
    assert got.gil_wait_s == pytest.approx(0.1)
    assert got.gil_s == pytest.approx(0.25)


def test_without_samples_the_division_is_not_invented():
    for nothing in (None, Seen()):
        got = measured_from(clocks(cpu_s=0.3, delay_s=0.1), nothing)
        assert (got.gil_s, got.native_s, got.gil_wait_s, got.samples) == (0.3, 0.0, 0.0, 0)
        assert got.blocked_s == {"other": pytest.approx(0.6)}


def test_without_a_gil_nothing_holds_it():
    got = measured_from(clocks(cpu_s=0.3), None, gil=False)
    assert (got.gil_s, got.native_s) == (0.0, 0.3)


counted = st.integers(0, 10_000)
seconds = st.floats(0, 1e6, allow_nan=False)


@given(seconds, seconds, seconds, st.lists(counted, min_size=8, max_size=8), counted, counted, st.booleans())
def test_the_parts_add_up_to_the_wall_whatever_was_seen(wall, cpu, delay, counts, nvcsw, nivcsw, gil):
    measured = measured_from(clocks(wall, cpu, delay, nvcsw=nvcsw, nivcsw=nivcsw), Seen(*counts), gil=gil)
    assert math.isclose(measured.total_s, wall, rel_tol=1e-9, abs_tol=1e-9)
    parts = [measured.gil_s, measured.native_s, measured.gil_wait_s, measured.run_delay_s]
    assert min([*parts, *measured.blocked_s.values(), 0.0]) == 0.0
    assert measured.samples == sum(counts)


# Runs.


def chain_and_pair(fn=time.sleep, value=0.002):
    d = DAG("made")
    a = d.add(fn, value, name="a")
    d.returns([d.add(lambda _, x=i: x, a, name=f"b{i}") for i in range(2)])
    return d


def test_every_node_is_measured_and_the_record_reads_back(fake):
    sampler = fake(notes=("told by the sampler",))
    run = chain_and_pair().run(measure=True, threads=2)
    assert run.result == [0, 1]
    record = run.record
    assert record.sampler == "gil"
    assert record.notes == ("told by the sampler",)
    for node in record.nodes:
        assert node.measured is not None
        assert node.measured.samples == 10
        assert node.measured.total_s <= node.duration_s
    slept = record.nodes[0].measured
    assert slept.gil_wait_s == pytest.approx(2 * slept.blocked_s["sleep"])
    assert parse_record(record.to_json()) == record
    assert sampler.closed
    assert sampler.wanted == ["auto"]
    assert not [watch for watch in sampler.watches if watch.open]


def test_a_run_that_is_not_measured_says_so():
    record = chain_and_pair().run().record
    assert record.sampler is None
    assert record.notes == ()
    assert [node.measured for node in record.nodes] == [None] * 3


def test_each_thread_has_a_watch_of_its_own(fake):
    sampler = fake()
    d = DAG("wide")
    barrier = threading.Barrier(3)
    for i in range(3):
        d.add(barrier.wait, 10, name=f"n{i}")
    d.run(measure=True, threads=3)
    assert len({watch.thread for watch in sampler.watches}) == len(sampler.watches) == 3


@pytest.mark.parametrize("where", ["watch", "begin", "end", "close"])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_sampler_that_fails_never_harms_the_run(fake, where, threads):
    sampler = fake(faults={where: RuntimeError("broken")})
    d = chain_and_pair()
    plain = d.run(threads=threads)
    run = d.run(measure=True, threads=threads)
    assert run.result == plain.result
    assert [node.name for node in run.record.nodes] == [node.name for node in plain.record.nodes]
    assert [node.status for node in run.record.nodes] == ["ok"] * 3
    if where != "close":
        assert run.record.notes == ("not every node was measured (RuntimeError)",)
        assert [node.measured for node in run.record.nodes] == [None] * 3
    assert sampler.closed


def test_a_sampler_lost_in_mid_run_is_told_and_the_clocks_go_on(fake):
    sampler = fake()

    def lose(seconds):
        time.sleep(seconds)
        sampler.lost = "signal 9"

    run = chain_and_pair(lose).run(measure=True, threads=1)
    assert run.result == [0, 1]
    reason = "the sampler ended in mid-run (signal 9); nodes before that were sampled"
    assert run.record.notes == (fallback_note(reason),)
    assert run.record.sampler == "clocks"
    assert [node.measured.samples for node in run.record.nodes] == [0, 0, 0]
    assert run.record.nodes[0].measured.blocked_s["other"] > 0


def test_a_failed_node_is_measured_up_to_its_end_and_keeps_its_exception(fake):
    fake()

    class Big:
        pass

    class Boom(BaseException):
        pass

    kept = []

    def fails(thing):
        import weakref

        kept.append(weakref.ref(thing))
        time.sleep(0.002)
        raise Boom("mine")

    d = DAG("fails")
    d.add(fails, d.add(Big, name="made"), name="bad")
    run = d.prepare().run(measure=True)
    with pytest.raises(Boom, match="mine"):
        run.raise_for_error()
    assert [node.status for node in run.record.nodes] == ["ok", "failed"]
    assert 0.002 <= run.record.nodes[1].measured.total_s <= run.record.nodes[1].duration_s
    assert parse_record(run.record.to_json()) == run.record
    # The traceback holds our frame too; it must not hold what the node was given (its own frame does).
    frames = []
    trace = run.error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame)
        trace = trace.tb_next
    ours = [frame for frame in frames if frame.f_code.co_filename == insitu.__file__]
    assert ours
    assert not any(isinstance(value, (Big, tuple)) for frame in ours for value in frame.f_locals.values())


def test_a_dag_inside_a_node_is_part_of_the_node(fake):
    sampler = fake()
    inner = DAG("inner")
    inner.returns(inner.add(time.sleep, 0.002))
    outer = DAG("outer")
    outer.returns(outer.add(inner.prepare(), name="runs_inner"))
    run = outer.run(measure=True)
    (node,) = run.record.nodes
    assert node.measured.total_s >= 0.002
    assert len(sampler.watches) == 1


def test_ctrl_c_keeps_what_was_measured_and_helpers_let_go(fake):
    sampler = fake()
    inside, leave = threading.Event(), threading.Event()

    def helper_stays():
        inside.set()
        leave.wait(10)

    def caller_waits():
        inside.wait(10)
        if threading.current_thread() is threading.main_thread():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)
        else:  # pragma: no cover (whichever got the node)
            leave.wait(10)

    d = DAG("stopped")
    d.add(caller_waits, name="first")
    d.add(helper_stays, name="second")
    run = d.prepare(threads=2).run(measure=True)
    leave.set()
    assert isinstance(run.error, KeyboardInterrupt)
    assert run.record.status == "interrupted"
    assert {node.status for node in run.record.nodes} == {"unfinished"}
    by_name = {node.name: node for node in run.record.nodes}
    assert by_name["first"].measured is not None
    assert by_name["second"].measured is None
    assert parse_record(run.record.to_json()) == run.record
    deadline = time.monotonic() + 5
    while any(watch.open for watch in sampler.watches) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not any(watch.open for watch in sampler.watches)


def test_options_are_refused_before_anything_runs():
    ran = []
    d = DAG("options")
    d.add(ran.append, 1)
    with pytest.raises(OptionError, match="True or False, not a int"):
        d.run(measure=1)
    with pytest.raises(OptionError, match="is for runs with measure=True"):
        d.run(sampler="gil")
    with pytest.raises(OptionError, match="not 'perf'"):
        d.run(measure=True, sampler="perf")
    assert ran == []


def test_inputs_called_like_the_options_go_by_position():
    d = DAG("names")
    d.returns([d.input("measure"), d.input("sampler")])
    assert d.run(5, 6).result == [5, 6]
    assert d(measure=5, sampler=6) == [5, 6]


def test_without_the_measuring_half_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "makespan_optimizer.measure.insitu", None)
    with pytest.raises(MissingExtraError, match="not installed here"):
        chain_and_pair().run(measure=True)


def test_clocks_alone_measure_too():
    run = chain_and_pair().run(measure=True, sampler="clocks", threads=2)
    assert run.record.sampler == "clocks"
    slept = run.record.nodes[0].measured
    assert slept.samples == 0
    assert slept.blocked_s.get("other", 0.0) > 0.001


def test_ten_thousand_nodes(fake):
    sampler = fake()
    d = DAG("many")
    value = d.add(int, name="n0")
    for i in range(1, 10_000):
        value = d.add(abs, value, name=f"n{i}") if i % 50 else d.add(int, name=f"n{i}")
    run = d.run(measure=True, threads=2)
    assert sum(node.measured is not None for node in run.record.nodes) == 10_000
    assert len(sampler.watches) <= 2


def test_a_canary_is_taken_only_when_it_is_asked_for(monkeypatch):
    opened = []

    def open_here(wanted):
        opened.append(next_sampler("gil", "it may not look"))
        return opened[-1]

    monkeypatch.setattr(insitu, "open_sampler", open_here)
    monkeypatch.setattr(insitu, "fault_of", lambda sampler: None)
    run = chain_and_pair().run(measure=True)
    assert opened[0][0].name == "canary"
    assert run.record.sampler == "clocks"
    assert run.record.notes == (fallback_note("it may not look"),)
    assert chain_and_pair().run(measure=True, sampler="canary").record.sampler == "canary"


def test_a_sampler_that_fails_its_self_test_is_not_used(fake, monkeypatch):
    sampler = fake(notes=("told by the sampler",))
    monkeypatch.setattr(insitu, "fault_of", lambda sampler: "its self-test gave loop_gil 0.50")
    run = chain_and_pair().run(measure=True)
    assert run.record.sampler == "clocks"
    assert run.record.notes == (
        "told by the sampler",
        fallback_note("gil: its self-test gave loop_gil 0.50"),
    )
    assert sampler.closed == 1
    assert sampler.watches == []
    with pytest.raises(OptionError, match="cannot be sampled here: its self-test gave loop_gil"):
        chain_and_pair().run(measure=True, sampler="gil")
    assert sampler.closed == 2


def test_ctrl_c_during_the_self_test_closes_the_sampler(fake, monkeypatch):
    sampler = fake()

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(insitu, "fault_of", interrupt)
    with pytest.raises(KeyboardInterrupt):
        insitu.open_in_situ("auto", 1)
    assert sampler.closed == 1


# With the sampler that works here. Who is preempted while it holds the GIL lets others wait longer; so on a
# loaded machine the wait has no upper bound, and what ran on a core is divided by itself.

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the outside sampler needs Linux")
BIG = bytes(4_000_000)


def spin(cpu_s=0.25):
    began = time.thread_time()
    while time.thread_time() - began < cpu_s:
        for _ in range(2000):
            pass


def digest(cpu_s=0.25):
    began = time.thread_time()
    while time.thread_time() - began < cpu_s:
        hashlib.sha256(BIG).digest()


def chat(times=60):
    for _ in range(times):
        time.sleep(0.002)


def measured_beside(first, second):
    """Run two nodes beside each other; return what was measured of each."""
    start = threading.Barrier(2)

    def node(fn):
        start.wait(10)
        fn()

    d = DAG("pair")
    d.add(node, first, name="first")
    d.add(node, second, name="second")
    run = d.run(measure=True, sampler="gil", threads=2)
    assert run.record.sampler == "gil"
    found = {ran.name: ran.measured for ran in run.record.nodes}
    assert all(its.samples > 10 for its in found.values())
    return found["first"], found["second"]


def held_of_cpu(its):
    return its.gil_s / (its.gil_s + its.native_s)


def net_s(its):
    return its.total_s - its.run_delay_s


@on_linux
@best_of(3)
def test_two_loops_hold_the_gil_in_turn_and_wait_for_each_other():
    both = measured_beside(spin, spin)
    for its, other in (both, both[::-1]):
        assert held_of_cpu(its) > 0.85
        assert its.gil_wait_s > 0.5 * other.gil_s
        assert its.gil_s + its.gil_wait_s > 0.8 * net_s(its)


@on_linux
@best_of(3)
def test_a_loop_beside_a_sleep_is_left_alone():
    loop, sleep = measured_beside(spin, lambda: time.sleep(0.2))
    assert held_of_cpu(loop) > 0.7
    assert loop.gil_wait_s < 0.2 * loop.gil_s
    assert sleep.blocked_total_s > 0.8 * 0.2
    assert sleep.gil_s + sleep.native_s < 0.1 * sleep.blocked_total_s


@on_linux
@best_of(3)
def test_native_code_beside_a_loop_stays_native():
    loop, native = measured_beside(spin, digest)
    assert held_of_cpu(loop) > 0.7
    assert held_of_cpu(native) < 0.25
    assert loop.gil_wait_s < 0.5 * loop.gil_s  # the other takes it for moments


@on_linux
@best_of(3)
def test_a_chatty_node_beside_a_loop_waits_at_every_return():
    loop, chatty = measured_beside(lambda: spin(0.4), chat)
    assert held_of_cpu(loop) > 0.7
    assert chatty.gil_s < 0.2 * net_s(chatty)
    assert chatty.gil_wait_s > 0.2 * net_s(chatty)
    assert chatty.gil_wait_s + chatty.blocked_total_s > 0.7 * net_s(chatty)


@on_linux
def test_the_sampler_killed_in_mid_run_loses_nothing_but_samples(monkeypatch):
    opened = []

    def keep(wanted):
        opened.append(open_sampler(wanted))
        return opened[0]

    monkeypatch.setattr(insitu, "open_sampler", keep)

    def kill():
        os.kill(opened[0][0].pid, signal.SIGKILL)
        time.sleep(0.05)
        return 1

    d = DAG("killed")
    before = d.add(lambda: time.sleep(0.03), name="before")
    during = d.add(lambda _: kill(), before, name="during")
    d.returns(d.add(lambda x: time.sleep(0.03) or x, during, name="later"))
    run = d.run(measure=True, threads=2)
    assert run.result == 1
    assert [node.status for node in run.record.nodes] == ["ok"] * 3
    assert all(node.measured is not None for node in run.record.nodes)
    assert run.record.nodes[0].measured.blocked_s.get("sleep", 0.0) > 0.02
    assert any("sampler" in note for note in run.record.notes)
    assert parse_record(run.record.to_json()) == run.record


@on_linux
def test_nothing_is_left_open():
    def descriptors():
        return len(os.listdir("/proc/self/fd"))

    d = chain_and_pair()
    d.run(measure=True, threads=2)
    before = descriptors()
    for _ in range(3):
        d.run(measure=True, threads=2)
    assert descriptors() == before
