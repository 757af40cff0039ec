"""The doctor: what it finds, and what it says where something is missing."""

from __future__ import annotations

import importlib.metadata
import sys

import msgspec
import pytest

from makespan._version import __version__
from makespan.machine import this_machine
from makespan_optimizer.measure import doctor as module
from makespan_optimizer.measure.doctor import EXTRAS, doctor
from makespan_optimizer.measure.sampler import SamplerUnavailableError

LINUX = sys.platform == "linux"


def test_a_quick_look_measures_nothing():
    found = doctor(quick=True)
    assert found.calibration == {}
    assert found.load_share is None
    assert found.machine == this_machine()
    assert found.makespan_version == __version__
    assert [extra.name for extra in found.extras] == list(EXTRAS)


@pytest.mark.skipif(not LINUX, reason="the sampler needs Linux")
def test_a_full_look_says_what_a_profile_would_use(monkeypatch):
    found = doctor()
    assert found.sampler == "gil"
    assert not found.sampler_notes
    assert set(found.calibration) == {"cores", "hand_off_s", "loop_gil", "hash_gil", "sleep_blocked"}
    text = found.text()
    for word in (__version__, found.machine.cpu, "self-test", "sampler", "[optimize]"):
        assert word in text
    assert all(line == line.rstrip() for line in text.splitlines())
    assert msgspec.json.decode(msgspec.json.encode(found))["sampler"] == "gil"


def test_why_the_sampler_is_not_used(monkeypatch):
    def refuse(*_: object) -> None:
        raise SamplerUnavailableError("it needs Linux, not darwin")

    monkeypatch.setattr("makespan_optimizer.measure.sampler.OutsideSampler", refuse)
    found = doctor(quick=True)
    assert found.sampler == "clocks"
    assert "it needs Linux, not darwin" in found.text()


@pytest.mark.skipif(not LINUX, reason="the sampler needs Linux")
def test_a_failed_self_test_is_told(monkeypatch):
    monkeypatch.setattr(
        "makespan_optimizer.measure.calibrate.judge", lambda *_: "its self-test gave nonsense"
    )
    found = doctor()
    assert found.sampler == "clocks"
    assert "its self-test gave nonsense" in found.text()


def test_what_is_missing_comes_with_its_pip_line(monkeypatch):
    real = importlib.metadata.version

    def version(package: str) -> str:
        if package in ("ortools", "loky"):
            raise importlib.metadata.PackageNotFoundError(package)
        return "1.2.3" if package in ("networkx", "pandas", "matplotlib") else real(package)

    monkeypatch.setattr(importlib.metadata, "version", version)
    extras = {extra.name: extra for extra in doctor(quick=True).extras}
    assert extras["optimize"].versions == {"ortools": None, "networkx": "1.2.3", "pandas": "1.2.3"}
    assert extras["optimize"].install == "pip install 'makespan[optimize]'"
    assert extras["report"].install is None
    text = doctor(quick=True).text()
    assert "ortools missing" in text
    assert "pip install 'makespan[processes]'" in text
    assert "pip install 'makespan[report]'" not in text


def test_a_busy_machine_is_told(monkeypatch):
    found = msgspec.structs.replace(doctor(quick=True), load_share=0.5)
    assert "other processes take 50% of the cores: stop them" in found.text()
    assert "stop them" not in msgspec.structs.replace(found, load_share=0.01).text()


def test_it_looks_at_packages_without_importing_them():
    before = set(sys.modules)
    doctor(quick=True)
    assert not {"ortools", "matplotlib", "loky"} & (set(sys.modules) - before)
    assert module.EXTRAS
