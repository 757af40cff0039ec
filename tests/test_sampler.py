"""The outside sampler: what it sees, what it leaves alone, and how it ends."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from pathlib import Path

import pytest

from makespan.errors import OptionError
from makespan_optimizer.measure.sampling import adopted, gil, gilsampler, outside, pace, systemcalls
from makespan_optimizer.measure.sampling.adopted import Adopted
from makespan_optimizer.measure.sampling.gil import locate_gil, set_switch_interval_us
from makespan_optimizer.measure.sampling.sampler import (
    CanarySampler,
    NoSampler,
    OutsideSampler,
    SamplerUnavailableError,
    Seen,
    Watch,
    next_sampler,
    open_sampler,
)
from makespan_optimizer.measure.sampling.slots import seen_in, unread_share
from tests.tries import best_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the outside sampler needs Linux")

X86 = systemcalls.SYSTEM_CALLS["x86_64"]


def alive(pid: int) -> bool:
    """Whether a process still runs (a zombie does not)."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def eventually(condition, seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.005)
    return condition()


def spin(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        sum(range(100))


@pytest.fixture
def outer():
    made = OutsideSampler()
    yield made
    made.close()
    assert made.pid is None


@pytest.fixture
def watch(outer):
    return outer.watch()


def seen(watch: Watch, fn) -> Seen:
    watch.begin()
    fn()
    found = watch.end()
    assert found is not None
    return found


# -- what a line of /proc/<tid>/syscall means --------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "category"),
    [
        (b"running\n", systemcalls.RUNNING),
        (b"230 0x1 0x0 0x7f", systemcalls.SLEEP),
        (b"0 0x3 0x7f 0x20000", systemcalls.IO),
        (b"232 0x3", systemcalls.IO),
        (b"61 0x10", systemcalls.CHILD),
        (b"202 0x7000 0x189", systemcalls.GIL_WAIT),
        (b"202 0x70ff 0x189", systemcalls.GIL_WAIT),
        (b"202 0x7100 0x189", systemcalls.LOCK),
        (b"202 0x6fff 0x189", systemcalls.LOCK),
        (b"-1 0x7ffc 0x7f8a", systemcalls.IO),
        (b"435 0x1", systemcalls.OTHER),
    ],
)
def test_categories(said, category):
    assert systemcalls.categorize(said, *X86, 0x7000) == category


@pytest.mark.parametrize("machine", sorted(systemcalls.SYSTEM_CALLS))
def test_no_system_call_stands_in_two_categories(machine):
    futex, calls = systemcalls.SYSTEM_CALLS[machine]
    assert futex not in calls
    assert set(calls.values()) <= {systemcalls.SLEEP, systemcalls.IO, systemcalls.LOCK, systemcalls.CHILD}


# -- what it sees ------------------------------------------------------------------------------------------


def test_a_loop_holds_a_hash_does_not_and_a_sleep_is_blocked(watch):
    block = bytes(4 << 20)
    loop = seen(watch, lambda: spin(0.06))
    hashed = seen(watch, lambda: [hashlib.sha256(block).digest() for _ in range(15)])
    slept = seen(watch, lambda: time.sleep(0.06))
    assert loop.samples >= 10
    assert loop.hold > 0.9 * (loop.hold + loop.running)
    assert hashed.running > 0.9 * (hashed.hold + hashed.running)
    assert slept.sleep > 0.8 * slept.samples


def test_waiting_for_a_lock_a_pipe_and_the_gil(watch):
    lock, (reader, writer) = threading.Lock(), os.pipe()
    lock.acquire()
    timer = threading.Timer(0.05, lock.release)
    timer.start()
    locked = seen(watch, lock.acquire)
    timer.join()
    timer = threading.Timer(0.05, lambda: os.write(writer, b"x"))
    timer.start()
    read = seen(watch, lambda: os.read(reader, 1))
    timer.join()
    os.close(reader)
    os.close(writer)
    over = threading.Event()

    def busy() -> None:
        while not over.is_set():
            sum(range(100))

    rival = threading.Thread(target=busy)
    rival.start()
    contended = seen(watch, lambda: spin(0.06))
    over.set()
    rival.join()
    assert locked.lock > 0.8 * locked.samples
    assert read.io > 0.8 * read.samples
    assert contended.gil_wait > 0.02 * contended.samples  # less on a busy machine: it waits for a core too
    assert contended.other_hold >= 0.5 * contended.gil_wait


def test_a_child_process_is_waited_for(watch):
    def wait() -> None:
        child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(0.1)"])
        child.wait()

    found = seen(watch, wait)
    assert found.child > 0.5 * found.samples


def test_counts_are_of_the_announced_call_alone(watch):
    seen(watch, lambda: time.sleep(0.03))
    assert seen(watch, lambda: None).samples <= 1
    time.sleep(0.02)  # between calls nothing is counted
    assert seen(watch, lambda: None).samples <= 1


def test_a_node_that_returns_to_the_gil_often_is_seen_to(watch):
    def chat() -> None:
        for _ in range(30):
            time.sleep(0.004)
            spin(0.004)

    # The sampler loses some on a busy machine; a node that never returns to the GIL shows at most one.
    assert seen(watch, chat).retakes >= 5
    assert seen(watch, lambda: spin(0.2)).retakes <= 2


# -- what it leaves alone ----------------------------------------------------------------------------------


@pytest.mark.parametrize("interval_us", [1, 7, 333, 700, 4999, 5000, 100_000, 1_234_567])
def test_the_switch_interval_is_unchanged(interval_us, monkeypatch):
    monkeypatch.setattr(gil, "_known", [])
    before = sys.getswitchinterval()
    try:
        set_switch_interval_us(interval_us)
        mine = sys.getswitchinterval()
        assert mine == pytest.approx(interval_us / 1e6, abs=1e-9)
        locate_gil()
        assert sys.getswitchinterval() == mine
    finally:
        set_switch_interval_us(round(before * 1e6))
    assert sys.getswitchinterval() == before


def test_it_is_looked_for_once(monkeypatch):
    found = locate_gil()
    monkeypatch.setattr(gil, "_candidates", broken_layout)
    assert locate_gil() == found


def test_threads_that_look_for_it_together_put_back_the_interval(monkeypatch):
    monkeypatch.setattr(gil, "_known", [])
    before, within, look = sys.getswitchinterval(), [], gil._candidates

    def alone(interval_us):
        within.append(sys.getswitchinterval())
        time.sleep(0.002)  # the others' turn
        return look(interval_us)

    monkeypatch.setattr(gil, "_candidates", alone)
    threads = [threading.Thread(target=locate_gil) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert within == [before] * 2
    assert sys.getswitchinterval() == before


def test_ctrl_c_while_the_interval_is_planted_puts_it_back(monkeypatch):
    before, plant = sys.getswitchinterval(), gil.set_switch_interval_us
    planted = []

    def interrupted(interval_us):
        plant(interval_us)
        planted.append(interval_us)
        if len(planted) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(gil, "_known", [])
    monkeypatch.setattr(gil, "set_switch_interval_us", interrupted)
    with pytest.raises(KeyboardInterrupt):
        locate_gil()
    assert len(planted) == 2
    assert sys.getswitchinterval() == before


def test_it_is_found_while_other_threads_work(monkeypatch):
    monkeypatch.setattr(gil, "_known", [])
    over = threading.Event()

    def busy() -> None:
        while not over.is_set():
            sum(range(1000))

    rivals = [threading.Thread(target=busy) for _ in range(3)]
    for rival in rivals:
        rival.start()
    try:
        assert len({locate_gil() for _ in range(3)}) == 1
    finally:
        over.set()
        for rival in rivals:
            rival.join()


def test_nothing_stays_behind():
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        made = OutsideSampler()
        pid = made.pid
        assert pid is not None
        assert alive(pid)
        made.close()
        made.close()
        assert not alive(pid)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_what_it_costs_is_known(outer, watch):
    began = outer.cpu_s()
    seen(watch, lambda: time.sleep(0.2))
    assert 0 < outer.cpu_s() - began < 0.1


def test_a_node_that_closes_all_files_keeps_those_that_it_opens_then(tmp_path):
    outer = OutsideSampler()
    pid, descriptors = outer.pid, [outer._fd, outer._process._fd]
    watch = outer.watch()
    watch.begin()
    for descriptor in descriptors:
        os.close(descriptor)
    assert watch.end() is not None
    (tmp_path / "own").write_text("own")
    mine = os.open(tmp_path / "own", os.O_RDONLY)
    assert mine in descriptors
    outer.close()
    assert not alive(pid)
    assert os.read(mine, 3) == b"own"
    os.close(mine)


# -- how it ends -------------------------------------------------------------------------------------------


def kill(outer: OutsideSampler, how: signal.Signals = signal.SIGKILL) -> None:
    pid = outer.pid
    os.kill(pid, how)
    assert eventually(lambda: not alive(pid))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_killed_in_the_middle_of_a_call_it_starts_again_once(outer, watch, how):
    assert seen(watch, lambda: time.sleep(0.01)).samples
    first = outer.pid
    watch.begin()
    kill(outer, how)
    assert watch.end() is None  # that call was not seen to its end
    assert outer.lost is None
    assert outer.pid != first
    assert "lost once (it was ended from outside) and started again" in outer.notes[0]
    assert seen(watch, lambda: time.sleep(0.03)).sleep > 0
    watch.begin()
    kill(outer, how)
    assert watch.end() is None
    assert outer.lost == "it was ended from outside"
    watch.begin()
    assert watch.end() is None


def test_killed_between_calls_it_starts_again_and_all_threads_notice(outer):
    watches, turn, found = [], threading.Barrier(3), []

    def work() -> None:
        watch = outer.watch()
        watches.append(watch)
        watch.begin()
        turn.wait()  # all are under way
        turn.wait()  # it was killed
        found.append(watch.end())
        watch.begin()
        time.sleep(0.05)
        found.append(watch.end())

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    turn.wait()
    kill(outer)
    turn.wait()
    for thread in threads:
        thread.join()
    assert found.count(None) >= 2
    assert sum(each.samples for each in found if each is not None)
    assert outer.starts == 2


def test_where_it_cannot_start_again_it_says_why(outer, watch, monkeypatch):
    monkeypatch.setattr(gilsampler, "_CODE", "1 / 0")
    kill(outer)
    watch.begin()
    assert watch.end() is None
    assert outer.lost == "it was ended from outside; the sampler did not start"
    watch.begin()
    assert watch.end() is None


def test_stopped_in_the_middle_of_a_call_it_is_replaced(outer, watch, monkeypatch):
    monkeypatch.setattr(gilsampler, "_STALL_S", 0.05)
    first = outer.pid
    os.kill(first, signal.SIGSTOP)
    time.sleep(0.01)
    watch.begin()
    time.sleep(0.06)
    assert watch.end() is None
    assert not alive(first)
    monkeypatch.undo()
    assert "it stopped sampling" in outer.notes[0]
    assert seen(watch, lambda: time.sleep(0.03)).samples


def test_it_is_ended_once_whoever_has_its_number_then(monkeypatch):
    code = """
        import os, time
        if os.fork():
            os._exit(0)
        print(os.getpid(), flush=True)
        os.closerange(1, 3)
        time.sleep(60)
    """
    code = textwrap.dedent(code)
    told = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    pid = int(told.stdout)
    process = Adopted(pid)
    assert not process.ended()
    os.close(process._fd)
    assert not process.ended()  # told by other means
    assert process._fd == -1
    assert process.cpu_s() is not None
    process.end(0.0)
    assert eventually(lambda: not alive(pid))
    killed = []
    monkeypatch.setattr(os, "kill", lambda *sent: killed.append(sent))
    monkeypatch.setattr(time, "clock_gettime", lambda _: 1.0)  # the number is another process's now
    process.end(0.0)
    assert process.ended()
    assert process.cpu_s() is None
    assert killed == []


def test_a_restart_that_fails_ends_each_process_once(outer, watch, monkeypatch):
    ended, end = [], Adopted.end
    monkeypatch.setattr(Adopted, "end", lambda its, patience_s: ended.append(its.pid) or end(its, patience_s))
    monkeypatch.setattr(gilsampler, "_CODE", stub(outside.NO_ACCESS))
    kill(outer)
    watch.begin()
    assert watch.end() is None
    assert "may not read" in outer.lost
    outer.close()
    assert len(ended) == len(set(ended)) == 2


# -- where the system lets one process look in at a time -----------------------------------------------------


@pytest.fixture
def named(monkeypatch):
    """Which processes were named to the system, where it restricts looking in; 0: nobody."""
    told = []
    monkeypatch.setattr(adopted, "_is_restricted", lambda: True)
    monkeypatch.setattr(adopted, "_name_tracer", told.append)
    monkeypatch.setattr(adopted, "_allowed", {})
    return told


def test_a_second_sampler_does_not_blind_the_first(named):
    first = OutsideSampler()
    pid = first.pid
    try:
        with pytest.raises(SamplerUnavailableError, match="another sampler watches this process"):
            OutsideSampler()
        assert named == [pid]
        assert seen(first.watch(), lambda: time.sleep(0.03)).samples
    finally:
        first.close()
    assert named == [pid, 0]
    second = OutsideSampler()
    named_then, its = list(named), second.pid
    second.close()
    assert named_then == [pid, 0, its]
    assert named[3:] == [0]


def test_a_sampler_that_is_started_again_is_named_again(named):
    outer = OutsideSampler()
    try:
        watch, first = outer.watch(), outer.pid
        kill(outer)
        watch.begin()
        assert watch.end() is None
        assert outer.lost is None
        assert named == [first, 0, outer.pid]
    finally:
        outer.close()
    assert adopted._allowed == {}


def test_a_call_whose_thread_cannot_be_looked_at_is_not_sampled(outer, watch):
    watch.begin()
    spin(0.02)
    at = outside.RECORDS_AT + watch.slot * outside.WORDS
    outer._board[at + outside.UNREAD] = (watch._call << 32) + 10_000
    assert watch.end() is None
    assert outer.lost is None
    assert any(note.startswith("a call was not sampled: what the thread did could") for note in outer.notes)
    assert seen(watch, lambda: time.sleep(0.03)).samples


def test_looks_that_fail_are_counted():
    board = memoryview(bytearray(outside.BOARD_BYTES)).cast("Q")
    ask = 7 << 32 | 2**22 + 1  # no such thread: above the largest number there is
    board[outside.ASKS_AT] = ask
    board[outside.STATES_AT] = 99
    threads = outside._Threads(os.getpid(), board, *X86, 0x7000)
    for holds in (99, 0, 99, 0):
        threads.count(threads.look([ask], holds), holds, -1, outside.NEAR_UP, short=False)
    words = board[outside.RECORDS_AT : outside.RECORDS_AT + outside.WORDS].tolist()
    assert seen_in(words, 7, [0] * 6) == Seen(hold=2)
    assert unread_share(words, 7) == 0.5
    assert unread_share(words, 8) == 0.0


# -- whose child it is -------------------------------------------------------------------------------------


def test_a_node_that_waits_for_any_child_does_not_meet_it():
    """In an interpreter of its own: here, other tests may have left children (multiprocessing keeps one)."""
    code = """
        import os, subprocess, sys
        from makespan_optimizer.measure.sampling.sampler import OutsideSampler
        made = OutsideSampler()
        watch = made.watch()
        watch.begin()
        child = subprocess.Popen([sys.executable, "-S", "-c", "pass"])
        assert os.wait()[0] == child.pid
        child.returncode = 0  # as far as Popen knows
        for wait in (os.wait, lambda: os.waitpid(-1, os.WNOHANG)):
            try:
                wait()
            except ChildProcessError:
                continue
            raise AssertionError("there is another child")
        found = watch.end()
        assert found is not None and found.samples and made.lost is None
        made.close()
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], check=False, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr


def test_it_dies_with_its_parent():
    code = """
        import os
        from makespan_optimizer.measure.sampling.sampler import OutsideSampler
        made = OutsideSampler()
        print(made.pid, flush=True)
        os.kill(os.getpid(), 9)
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    pid = int(ended.stdout)
    assert eventually(lambda: not alive(pid))


def test_a_forked_child_does_not_stop_it(outer, watch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: fork in a process with threads
        child = os.fork()
    if not child:
        outer.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert alive(outer.pid)
    assert seen(watch, lambda: time.sleep(0.02)).samples


def test_a_node_that_comes_back_twice_leaves_the_board_alone(outer, watch):
    watch.begin()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        watch.begin()
        fine = watch.end() is None and not isinstance(outer.watch(), type(watch))
        watch.close()
        outer.close()
        os._exit(0 if fine else 1)
    time.sleep(0.03)
    assert os.waitpid(child, 0)[1] == 0
    found = watch.end()
    assert found is not None
    assert found.samples


# -- many threads ------------------------------------------------------------------------------------------


def test_each_thread_is_seen_by_itself(outer):
    found = {}

    def work(name, fn) -> None:
        watch = outer.watch()
        found[name] = seen(watch, fn)
        watch.close()

    block, both = bytes(4 << 20), threading.Barrier(2)
    works = {"sleep": lambda: time.sleep(0.1), "loop": lambda: spin(0.1)}
    works["hash"] = lambda: [hashlib.sha256(block).digest() for _ in range(20)]
    works["wait"] = lambda: both.wait()
    threads = [threading.Thread(target=work, args=item) for item in works.items()]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    both.wait()
    for thread in threads:
        thread.join()
    assert found["sleep"].sleep > 0.6 * found["sleep"].samples
    assert found["loop"].hold > 0.5 * (found["loop"].hold + found["loop"].running)
    assert found["hash"].running > 0.5 * (found["hash"].hold + found["hash"].running)
    assert found["wait"].lock > 0.6 * found["wait"].samples


def test_slots_are_used_again_and_never_show_an_old_call(outer):
    first = outer.watch()
    assert seen(first, lambda: time.sleep(0.02)).samples
    slot = first.slot
    first.close()
    first.close()
    second = outer.watch()
    assert second.slot == slot
    first.begin()  # closed: it announces nothing
    assert first.end() is None
    assert seen(second, lambda: None).samples <= 1
    first.close()
    assert seen(second, lambda: time.sleep(0.02)).samples
    del second  # dropped without being closed, in the middle of a call
    third = outer.watch()
    assert third.slot == slot
    assert seen(third, lambda: None).samples <= 1


def test_when_all_slots_are_taken_further_threads_are_not_seen(outer):
    watches = [outer.watch() for _ in range(outside.SLOTS)]
    assert len({watch.slot for watch in watches}) == outside.SLOTS
    more = outer.watch()
    more.begin()
    assert more.end() is None
    assert "more than 256 threads were measured at once: some were not sampled" in outer.notes
    more.close()
    watches[7].close()
    assert outer.watch().slot == 7
    assert seen(watches[200], lambda: time.sleep(0.03)).samples


def test_a_thread_that_ends_without_closing_its_watch_loses_its_slot(outer):
    watches = []

    def work() -> None:
        watch = outer.watch()
        watches.append(watch)
        watch.begin()  # and never ends

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    time.sleep(0.01)  # the sampler finds no such thread, and goes on
    watches += [outer.watch() for _ in range(outside.SLOTS - 1)]
    assert seen(watches[-1], lambda: time.sleep(0.02)).samples
    heir = outer.watch()
    assert heir.slot == watches[0].slot
    assert seen(heir, lambda: time.sleep(0.02)).samples
    watches[0].close()
    assert seen(heir, lambda: time.sleep(0.02)).samples


@best_of(4)
def test_a_node_that_starts_threads_is_seen_to(outer, watch):
    def work() -> None:
        threads = [threading.Thread(target=spin, args=(0.05,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    found = seen(watch, work)
    assert found.lock > 0.3 * found.samples
    assert found.other_hold > 0.3 * found.samples


def test_what_was_counted_for_an_old_call_is_never_read_as_the_new_ones():
    new, old = 7 << 32, 6 << 32
    words = [new + 5, old + 9, new + 1] + [0] * (outside.WORDS - 3)
    assert seen_in(words, 7, [0] * 6) == Seen(hold=5, gil_wait=1)
    assert seen_in(words, 8, [0] * 6) == Seen()
    words[outside.PAIRS_UP] = new + 2
    found = seen_in(words, 7, [1, 2000, 3, 30_000, 5, 500_000])
    assert (found.pairs_up, found.pair_gap_ns, found.pairs) == (2, 30_000, 3)
    assert (found.near_gap_ns, found.near_pairs) == (2000, 1)
    assert (found.short_gap_ns, found.short_pairs) == (500_000, 5)


def test_a_lower_rate_is_said(outer):
    assert outer.rate_hz <= 1000
    outer._board[outside.PERIOD_US] = 4000
    assert any("samples a second: more would take over 5% of a core" in note for note in outer.notes)


def test_it_slows_down_when_it_costs_too_much():
    aim = pace._AIM
    assert pace.paced(0.001, 0.001, 4 * aim) == pytest.approx(0.004)
    assert pace.paced(0.04, 0.001, 0.9) == pace._SLOWEST_S
    assert pace.paced(0.004, 0.001, aim / 2) == pytest.approx(0.002)  # and faster again
    assert pace.paced(0.0015, 0.001, aim / 5) == 0.001


# -- where it cannot work ----------------------------------------------------------------------------------


def test_clocks_are_used_when_asked_for():
    made, notes = open_sampler("clocks")
    assert isinstance(made, NoSampler)
    assert not notes
    watch = made.watch()
    watch.begin()
    assert watch.end() is None
    watch.close()
    made.close()


@pytest.mark.parametrize("name", ["GIL", "", None, 1, "canaries"])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(OptionError, match="is auto, gil, canary or clocks"):
        open_sampler(name)


def broken_layout(_: int) -> set[int]:
    return set()


def no_memory(*_: object, **__: object) -> None:
    raise OSError(12, "Cannot allocate memory")


def stub(status: int) -> str:
    """The code of a sampler that reports a status and ends."""
    board = f"memoryview(mmap.mmap(int(sys.argv[4]), {outside.BOARD_BYTES})).cast('Q')"
    return (
        "import mmap, os, sys\n"
        f"board = {board}\n"
        "if os.fork(): os._exit(0)\n"
        f"board[{outside.STATUS}] = {status}; board[{outside.PID}] = os.getpid()\n"
    )


FAULTS = [
    (
        "layout",
        lambda patch: (patch.setattr(gil, "_known", []), patch.setattr(gil, "_candidates", broken_layout)),
        "a layout that is not known",
    ),
    ("platform", lambda patch: patch.setattr(sys, "platform", "darwin"), "needs Linux, not darwin"),
    ("machine", lambda patch: patch.setattr("platform.machine", lambda: "s390x"), "s390x are not known"),
    (
        "embedded",
        lambda patch: patch.setattr(sys, "executable", "/usr/bin/uwsgi"),
        "not a Python interpreter",
    ),
    ("no path", lambda patch: patch.setattr(sys, "executable", None), "not a Python interpreter"),
    (
        "frozen",
        lambda patch: patch.setattr(sys, "frozen", True, raising=False),
        "not a Python interpreter",
    ),
    ("gone", lambda patch: patch.setattr(sys, "executable", "/nowhere/python3"), "does not start"),
    ("fork fails", lambda patch: patch.setattr(subprocess, "Popen", no_memory), "does not start"),
    (
        "no GIL",
        lambda patch: patch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False),
        "without a GIL",
    ),
    ("no access", lambda patch: patch.setattr(gilsampler, "_CODE", stub(outside.NO_ACCESS)), "may not read"),
    ("no calls", lambda patch: patch.setattr(gilsampler, "_CODE", stub(outside.NO_CALLS)), "may not see"),
    ("no answer", lambda patch: patch.setattr(gilsampler, "_CODE", stub(0)), "did not start"),
    ("broken", lambda patch: patch.setattr(gilsampler, "_CODE", "1 / 0"), "did not start"),
]


@pytest.mark.parametrize(
    ("patch", "reason"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_where_it_cannot_work_the_canary_takes_over_and_says_why(monkeypatch, patch, reason):
    before = os.listdir("/proc/self/fd")
    patch(monkeypatch)
    with pytest.raises(SamplerUnavailableError, match=reason):
        OutsideSampler()
    made, notes = open_sampler("auto")
    made.close()
    (note,) = notes
    if "without" in reason:
        assert isinstance(made, NoSampler)
        assert note.startswith("no GIL in this build")
    else:
        assert isinstance(made, CanarySampler)
        assert note.startswith("canary: ")
        assert reason in note
        (note,) = next_sampler("canary", "why")[1]
        assert note == "clocks only, the GIL share of the calling thread is an upper bound: why"
    with pytest.raises(OptionError, match=r"cannot be sampled here.*use auto or clocks"):
        open_sampler("gil")
    assert len(os.listdir("/proc/self/fd")) == len(before)
