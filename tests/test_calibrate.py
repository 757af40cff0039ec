"""Calibration: what decides whether the sampler is trusted, and what others take of the machine."""

from __future__ import annotations

import sys
from contextlib import closing

import pytest

from makespan.profile import Call
from makespan_optimizer.measure import calibrate
from makespan_optimizer.measure.calibrate import (
    LIMITS,
    cores_measured,
    fault_of,
    hand_off_s,
    judge,
    self_test,
)
from makespan_optimizer.measure.meter import Meter
from makespan_optimizer.measure.sampling.sampler import CanarySampler, NoSampler, open_sampler

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


def test_a_sampler_that_passed_is_not_tested_again(monkeypatch):
    tested = []
    verdicts = [calibrate.Tested({}, "its self-test gave nothing"), calibrate.Tested({}, None)]

    def give(meter, limits):
        tested.append(limits)
        return verdicts[len(tested) - 1]

    monkeypatch.setattr(calibrate, "self_test", give)
    monkeypatch.setattr(calibrate, "_trusted", set())
    with closing(CanarySampler()) as sampler:
        assert fault_of(sampler) == "its self-test gave nothing"
        assert [fault_of(sampler) for _ in range(3)] == [None] * 3
    assert len(tested) == 2
    assert tested[0]["loop_gil"] == calibrate.CANARY_LIMITS["loop_gil"]
    assert fault_of(NoSampler()) is None


def test_without_a_sampler_there_are_no_figures():
    with Meter(NoSampler()) as meter:
        assert not self_test(meter).figures


def test_cores_and_hand_offs_are_plausible():
    assert 1.0 <= cores_measured() <= 2.0
    assert 0 < hand_off_s() < 0.1
