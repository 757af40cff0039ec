"""What others take of the cores."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from makespan_optimizer.measure.load import ForeignLoad, Reading, _processes_s, descendants, foreign_share

LINUX = sys.platform == "linux"


def an_orphan() -> int:
    """Start a process that is always busy and does not descend from this one; return its id."""
    code = """
        import os
        if os.fork():
            os._exit(0)
        print(os.getpid(), flush=True)
        os.closerange(1, 3)
        while True:
            pass
    """
    code = textwrap.dedent(code)
    told = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    return int(told.stdout)


@pytest.mark.skipif(not LINUX, reason="/proc/stat")
def test_the_load_of_another_process_is_seen_and_ones_own_is_not():
    other = an_orphan()

    def other_s() -> float:
        return time.clock_gettime((~other << 3) | 2)

    try:
        began_s = time.perf_counter()
        foreign, claimed = ForeignLoad(), ForeignLoad(other_s)
        other_began_s, until = other_s(), began_s + 20
        while other_s() < other_began_s + 0.2 and time.perf_counter() < until:
            time.sleep(0.02)
        other_used_s = other_s() - other_began_s
        seen, own = foreign.share(), claimed.share()
        capacity_s = (time.perf_counter() - began_s) * len(os.sched_getaffinity(0))
    finally:
        os.kill(other, signal.SIGKILL)
    assert seen is not None
    assert own is not None
    assert other_used_s >= 0.2
    assert seen >= other_used_s / capacity_s  # others may be there too
    assert 0.0 <= own <= seen - 0.3 * other_used_s / capacity_s


@pytest.mark.skipif(not LINUX, reason="/proc/<pid>/stat")
def test_what_a_child_and_its_children_use_is_own():
    code = """
        import subprocess, sys
        inner = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
        print(inner.pid, flush=True)
        input()
        inner.communicate()
    """
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        foreign, own_s = _processes_s()
        assert child.pid not in foreign
        assert grandchild not in foreign
        assert own_s > 0
    finally:
        child.communicate("\n")


def test_descendants_are_found_in_any_order_and_in_a_circle():
    assert descendants(1, {5: 4, 4: 1, 7: 8, 8: 7, 3: 0}) == {4, 5}
    assert descendants(7, {7: 8, 8: 7}) == {7, 8}
    assert descendants(1, {}) == set()


@pytest.mark.skipif(not LINUX, reason="/proc/stat")
def test_an_unreadable_system_has_no_known_load(monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr(os, "listdir", refuse)
    assert ForeignLoad().share() is None


START = Reading(0.0, 0.0, 0.0, 0.0, {5: 1.0, 6: 2.0})


@pytest.mark.parametrize(
    ("ended", "share"),
    [
        (Reading(1.0, 1.0, 0.0, 1.0, {5: 1.0, 6: 2.0}), 0.0),  # one core ours, the other idle
        (Reading(1.0, 1.0, 0.0, 1.0, {5: 1.2, 6: 2.0}), 0.1),  # a process is seen to use a core
        (Reading(1.0, 1.0, 0.2, 1.0, {5: 1.2, 6: 2.0}), 0.0),  # it is ours
        (Reading(1.0, 1.0, 0.0, 0.0, {5: 1.0}), 0.49),  # somebody who is not seen takes a core
        (Reading(1.0, 1.0, 0.0, None, {6: 2.5, 9: 50.0}), 0.25),  # nobody knows what a new one used before
        (Reading(1.0, 1.0, 0.0, 0.985, {}), 0.0),  # less than the clock's unit
        (Reading(0.0, 1.0, 0.0, 0.0, {}), None),
        (Reading(1.0, 0.0, 0.0, None, {}), None),
        (Reading(1.0, 0.0, 0.0, -9.0, {5: 1.0}), 1.0),  # clocks that went backwards
    ],
)
def test_the_larger_of_two_lower_bounds(ended, share):
    assert foreign_share(START, ended, 2) == (share if share is None else pytest.approx(share))
