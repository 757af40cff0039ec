"""Counting takes of the GIL by the interpreter's own number of changes."""

from __future__ import annotations

import hashlib
import sys
import threading
import time

import pytest

from makespan.machine import gil_enabled
from makespan_optimizer.measure.sampling import switches
from makespan_optimizer.measure.sampling.switches import SwitchWatch, Takes, takes_from

CPYTHON = pytest.mark.skipif(
    sys.implementation.name != "cpython" or sys.platform != "linux" or not gil_enabled(),
    reason="no GIL to count",
)
BLOCK = bytes(4_000_000)


def test_few_takes_are_counted_one_by_one():
    assert takes_from(100, 0, 0) == Takes(0.0)
    assert takes_from(1000, 10, 0).number == pytest.approx(10.05, abs=0.01)


def test_more_takes_than_pauses_are_a_lower_bound():
    takes = takes_from(50, 50, 0)
    assert takes.at_least
    assert takes.number > 100


def test_nothing_is_told_by_few_pauses_or_where_somebody_keeps_the_gil():
    assert takes_from(4, 1, 0) is None
    assert takes_from(50, 8, 41) is None


def test_late_pauses_do_not_count():
    assert takes_from(100, 25, 50).number == pytest.approx(takes_from(50, 25, 0).number * 2)


def test_a_number_that_never_changes():
    with SwitchWatch(lambda: 7) as watch:
        watch.begin()
        time.sleep(0.05)
        takes = watch.end()
    assert takes is None or takes == Takes(0.0)  # None: the machine is too busy to tell


def test_where_the_number_cannot_be_found(monkeypatch):
    monkeypatch.setattr(switches, "_interpreters_number", lambda: None)
    with SwitchWatch() as watch:
        assert not watch.works
        watch.begin()
        assert watch.end() is None


def counted(fn, tries=6):
    """The takes of some calls that could be told, none lost to a busy machine."""
    found = []
    with SwitchWatch() as watch:
        assert watch.works
        for _ in range(tries):
            watch.begin()
            fn()
            if (takes := watch.end()) is not None:
                found.append(takes.number)
    return found


@CPYTHON
def test_calls_that_free_the_gil_are_counted_however_short_they_hold_it():
    def node():
        for _ in range(20):
            hashlib.sha256(BLOCK).digest()

    found = counted(node)
    if not found:
        pytest.skip("the machine is too busy to tell")
    assert min(found) < 45
    assert max(found) > 5


@CPYTHON
def test_it_can_be_used_again_and_leaves_no_thread():
    before = threading.active_count()
    counted(lambda: time.sleep(0.01), tries=3)
    assert threading.active_count() == before
