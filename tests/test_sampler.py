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
from pathlib import Path

import pytest

from makespan.errors import OptionError
from makespan_optimizer.measure import gil, gilsampler, outside, systemcalls
from makespan_optimizer.measure.gil import locate_gil, set_switch_interval_us
from makespan_optimizer.measure.sampler import (
    CanarySampler,
    NoSampler,
    OutsideSampler,
    SamplerUnavailableError,
    Seen,
    Watch,
    next_sampler,
    open_sampler,
)

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
    assert contended.gil_wait > 0.2 * contended.samples
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
def test_the_switch_interval_is_unchanged(interval_us):
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


def test_it_is_found_while_other_threads_work():
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


# -- how it ends -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_killed_in_the_middle_of_a_call_it_says_so(outer, watch, how):
    assert seen(watch, lambda: time.sleep(0.01)).samples
    watch.begin()
    os.kill(outer.pid, how)
    assert eventually(lambda: not alive(outer.pid))
    assert watch.end() is None
    assert outer.lost == "it was ended from outside"
    watch.begin()
    assert watch.end() is None


def test_stopped_in_the_middle_of_a_call_it_says_so(outer, watch, monkeypatch):
    monkeypatch.setattr(gilsampler, "_STALL_S", 0.05)
    os.kill(outer.pid, signal.SIGSTOP)
    time.sleep(0.01)
    watch.begin()
    time.sleep(0.06)
    assert watch.end() is None
    assert outer.lost == "it stopped sampling"
    pid = outer.pid
    outer.close()
    assert not alive(pid)


def test_it_dies_with_its_parent():
    code = """
        import os
        from makespan_optimizer.measure.sampler import OutsideSampler
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
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: fork in a process with threads
        child = os.fork()
    if not child:
        outer.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert alive(outer.pid)
    assert seen(watch, lambda: time.sleep(0.02)).samples


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
        lambda patch: patch.setattr(gil, "_candidates", broken_layout),
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
        assert note == "clocks only, the GIL share is an upper bound: why"
    with pytest.raises(OptionError, match=r"cannot be sampled here.*use auto or clocks"):
        open_sampler("gil")
    assert len(os.listdir("/proc/self/fd")) == len(before)
