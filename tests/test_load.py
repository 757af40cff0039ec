"""What others take of the cores."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from makespan_optimizer.measure.load import ForeignLoad, Reading, foreign_share

LINUX = sys.platform == "linux"


@pytest.mark.skipif(not LINUX, reason="/proc/stat")
def test_the_load_of_another_process_is_seen_and_ones_own_is_not():
    child = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])

    def child_s() -> float:
        return time.clock_gettime((~child.pid << 3) | 2)

    try:
        began_s = time.perf_counter()
        foreign, claimed = ForeignLoad(), ForeignLoad(child_s)
        child_began_s, until = child_s(), began_s + 20
        while child_s() < child_began_s + 0.2 and time.perf_counter() < until:
            time.sleep(0.02)
        child_used_s = child_s() - child_began_s
        seen, own = foreign.share(), claimed.share()
        capacity_s = (time.perf_counter() - began_s) * len(os.sched_getaffinity(0))
    finally:
        child.kill()
        child.wait()
    assert seen is not None
    assert own is not None
    assert child_used_s >= 0.2
    assert seen >= child_used_s / capacity_s  # others may be there too
    assert 0.0 <= own <= seen - 0.3 * child_used_s / capacity_s


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
