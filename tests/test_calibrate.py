"""Calibration: what decides whether the sampler is trusted, and what others take of the machine."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing

import pytest

from makespan.profile import Call
from makespan_optimizer.measure import calibrate
from makespan_optimizer.measure.calibrate import (
    LIMITS,
    ForeignLoad,
    cores_measured,
    hand_off_s,
    judge,
    self_test,
)
from makespan_optimizer.measure.meter import Meter
from makespan_optimizer.measure.sampler import NoSampler, open_sampler

LINUX = sys.platform == "linux"
GOOD = {"loop_gil": 1.0, "hash_gil": 0.0, "sleep_blocked": 1.0}


def test_good_figures_are_trusted():
    assert judge(GOOD) is None
    assert judge({name: limit for name, (limit, _) in LIMITS.items()}) is None


@pytest.mark.parametrize(("name", "value"), [("loop_gil", 0.89), ("hash_gil", 0.11), ("sleep_blocked", 0.5)])
def test_a_bad_figure_is_named(name, value):
    assert f"{name} {value:.2f}" in str(judge({**GOOD, name: value}))


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_missing_figure_is_named(name):
    assert judge({key: value for key, value in GOOD.items() if key != name}) == (
        f"its self-test gave no samples for {name}"
    )


@pytest.mark.skipif(not LINUX, reason="the sampler needs Linux")
def test_the_self_test_passes_here():
    chosen, notes = open_sampler("auto")
    assert not notes
    with closing(chosen), Meter(chosen) as meter:
        tested = self_test(meter)
    assert tested.fault is None
    assert set(tested.figures) == set(LIMITS)


class Scripted:
    """A meter whose calls come out as a script says."""

    def __init__(self, *shares: float | None) -> None:
        self.shares = list(shares)
        self.sampler = NoSampler()
        self.last: Call | None = None

    def call(self, run: str, fn: object) -> None:
        share = self.shares.pop(0)
        sampled = None if share is None else 0
        blocked = {"sleep": share} if share is not None and fn is calibrate._sleep else {}
        self.last = Call(run, 1.0, 1.0, gil_share=share, gil_retakes=sampled, blocked_s=blocked)


def test_a_disturbed_snippet_is_measured_again():
    meter = Scripted(0.3, 1.0, 0.6, 0.5, 0.05, 1.0)
    tested = self_test(meter)
    assert tested.fault is None
    assert not meter.shares


def test_a_snippet_that_stays_wrong_is_a_fault():
    assert "loop_gil 0.50" in str(self_test(Scripted(0.5, 0.5, 0.5, 0.0, 1.0)).fault)
    assert "no samples for hash_gil" in str(self_test(Scripted(1.0, None, None, None, 1.0)).fault)


def test_without_a_sampler_there_are_no_figures():
    with Meter(NoSampler()) as meter:
        assert not self_test(meter).figures


@pytest.mark.skipif(not LINUX, reason="/proc/stat")
def test_the_load_of_another_process_is_seen_and_ones_own_is_not():
    code = "import time\nwhile True: pass"
    child = subprocess.Popen([sys.executable, "-S", "-c", code])
    try:
        time.sleep(0.1)
        foreign = ForeignLoad()
        claimed = ForeignLoad(lambda: time.clock_gettime((~child.pid << 3) | 2))
        time.sleep(0.6)
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
    assert ForeignLoad().share() is None


def test_cores_and_hand_offs_are_plausible():
    assert 1.0 <= cores_measured() <= 2.0
    assert 0 < hand_off_s() < 0.1
