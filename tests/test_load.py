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
    code = "import time\nwhile True: pass"
    child = subprocess.Popen([sys.executable, "-S", "-c", code])
    try:
        time.sleep(0.1)
        foreign = ForeignLoad()
        claimed = ForeignLoad(lambda: time.clock_gettime((~child.pid << 3) | 2))
        time.sleep(0.3)
        seen, own = foreign.share(), claimed.share()
    finally:
        child.kill()
        child.wait()
    assert seen is not None
    assert own is not None
    assert 0.0 <= own <= 1.0
    assert seen >= 0.1
    assert seen > own + 0.1


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
