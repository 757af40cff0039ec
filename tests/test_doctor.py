"""The doctor: what it finds, and what it says where something is missing."""

from __future__ import annotations

import importlib.metadata
import sys

import msgspec
import pytest

from makespan._version import __version__
from makespan.adapters import ADAPTERS
from makespan.adapters.listing import Listed
from makespan.machine import this_machine
from makespan_optimizer.measure import doctor as module
from makespan_optimizer.measure.doctor import EXTRAS, doctor, hints
from makespan_optimizer.measure.sampling.sampler import SamplerUnavailableError

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
    assert all("samples a second" in note for note in found.sampler_notes)  # on a busy machine
    assert set(found.calibration) == {"cores", "hand_off_s", "loop_gil", "hash_gil", "sleep_blocked"}
    assert set(found.canary) == {"loop_gil", "hash_gil", "sleep_blocked"}
    assert found.rate_hz is not None
    assert 0 < found.rate_hz <= 1000
    assert found.sampler_cpu_share is not None
    assert found.core_limits
    text = found.text()
    words = ("self-test", "sampler", "canary", "times a second", "of a core", "affinity", "load", "hand-off")
    for word in (__version__, found.machine.cpu, "[optimize]", *words):
        assert word in text
    assert all(line == line.rstrip() for line in text.splitlines())
    assert msgspec.json.decode(msgspec.json.encode(found))["sampler"] == "gil"


def test_why_the_sampler_is_not_used(monkeypatch):
    def refuse(*_: object) -> None:
        raise SamplerUnavailableError("it needs Linux, not darwin")

    monkeypatch.setattr("makespan_optimizer.measure.sampling.sampler.OutsideSampler", refuse)
    found = doctor(quick=True)
    assert found.sampler == "canary"
    assert "it needs Linux, not darwin" in found.text()
    found = doctor()
    assert found.sampler == "canary"
    assert set(found.canary) == {"loop_gil", "hash_gil", "sleep_blocked"}


def test_without_a_gil_nothing_is_sampled(monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    found = doctor()
    assert found.sampler == "clocks"
    assert not found.machine.gil
    assert not found.canary
    text = found.text()
    assert "no GIL in this build" in text
    assert "without a GIL" in text


@pytest.mark.skipif(not LINUX, reason="the sampler needs Linux")
def test_failed_self_tests_are_told(monkeypatch):
    monkeypatch.setattr(
        "makespan_optimizer.measure.calibrate.judge", lambda *_: "its self-test gave nonsense"
    )
    found = doctor()
    assert found.sampler == "clocks"
    text = found.text()
    assert "gil: its self-test gave nonsense" in text
    assert "canary: its self-test gave nonsense" in text


def test_what_is_missing_comes_with_its_pip_line(monkeypatch):
    real = importlib.metadata.version

    def version(package: str) -> str:
        if package in ("ortools", "cloudpickle"):
            raise importlib.metadata.PackageNotFoundError(package)
        return "1.2.3" if package in ("networkx", "pandas", "matplotlib", "threadpoolctl") else real(package)

    monkeypatch.setattr(importlib.metadata, "version", version)
    extras = {extra.name: extra for extra in doctor(quick=True).extras}
    wanted = {"ortools": None, "networkx": "1.2.3", "pandas": "1.2.3", "threadpoolctl": "1.2.3"}
    assert extras["optimize"].versions == wanted
    assert extras["optimize"].install == "pip install 'makespan[optimize]'"
    assert extras["report"].install is None
    text = doctor(quick=True).text()
    assert "ortools missing" in text
    assert "pip install 'makespan[processes]'" in text
    assert "pip install 'makespan[report]'" not in text


def test_adapters_are_listed_with_the_versions_that_were_tested(monkeypatch):
    found = {its.name: its for its in doctor(quick=True).adapters}
    assert set(found) == set(ADAPTERS)
    for name, its in found.items():
        assert its.installed == (version(its.library) or version(f"apache-{name}"))
        assert len(its.tested) == 2

    def missing(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    lost = doctor(quick=True)
    assert all(its.verdict == "missing" for its in lost.adapters)
    assert "adapters    tawazi missing (tested: 0.6.2)  →  pip install 'tawazi==0.6.2'" in lost.text()
    assert "dask missing (tested" in lost.text()


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def test_installed_versions_are_held_against_the_tested_ones():
    tested = ("2025.1", "2026.8")
    verdicts = {
        v: Listed("d", "d", v, tested).verdict for v in ("2024.12.1", "2025.1.0", "2026.8.3", "2026.9", "x")
    }
    assert list(verdicts.values()) == ["older", "tested", "tested", "newer", "older"]


STEADY = {"load_share": 0.01, "cores": 4, "cores_measured": 1.98, "quota": False, "governor": "performance"}


def test_a_steady_machine_needs_no_hint():
    assert hints(**STEADY) == ()
    unknown = dict.fromkeys(("load_share", "cores_measured", "governor"))
    assert hints(**{**STEADY, **unknown}) == ()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"load_share": 0.5}, "other processes take 50% of the cores: stop them"),
        ({"cores_measured": 1.2}, "two threads of native work get 1.20 cores"),
        ({"quota": True}, "the container's quota"),
        ({"governor": "powersave"}, "cpupower frequency-set -g performance"),
    ],
)
def test_what_is_noisy_is_told(what, said):
    (hint,) = hints(**{**STEADY, **what})
    assert said in hint
    found = msgspec.structs.replace(doctor(quick=True), hints=(hint,))
    assert f"hint        {hint}" in found.text()


def test_cores_that_others_take_are_told_once():
    assert len(hints(**{**STEADY, "load_share": 0.5, "cores_measured": 1.0})) == 1


def test_one_core_is_not_two_halves():
    assert hints(**{**STEADY, "cores": 1, "cores_measured": 1.0}) == ()


def test_native_pools_that_are_loaded_are_listed():
    pytest.importorskip("threadpoolctl")
    numpy = pytest.importorskip("numpy")
    numpy.zeros((2, 2)) @ numpy.zeros((2, 2))
    found = doctor(quick=True)
    assert found.native_pools
    assert found.native_pools[0].name in found.text()


def test_it_looks_at_packages_without_importing_them():
    before = set(sys.modules)
    doctor(quick=True)
    assert not {"ortools", "matplotlib", "cloudpickle"} & (set(sys.modules) - before)
    assert module.EXTRAS
