"""What a machine says of itself, and what of it differs from another."""

from __future__ import annotations

import builtins
import io
import os
import sys

import msgspec
import pytest

from makespan.machine import Machine, gil_enabled, this_machine, usable_cores


def test_this_machine_says_what_durations_depend_on(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("MY_SECRET", "hunter2")
    machine = this_machine()
    assert machine.python.endswith(".".join(map(str, sys.version_info[:3])))
    assert machine.thread_variables["OMP_NUM_THREADS"] == "3"
    assert "hunter2" not in str(machine)
    assert machine.cpu
    assert machine.cores > 0
    assert machine.gil is gil_enabled()
    assert msgspec.convert(msgspec.to_builtins(machine), Machine) == machine


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", 4),
        ("150000 100000", 1.5),
        ("50000 100000", 0.5),
        ("900000 100000", 4),
        ("1 100000", 0.1),
    ]
    + [(text, 4) for text in ("", "broken", "1 2 3", "1 0x")],
)
def test_cores_are_the_affinity_cut_by_the_quota(monkeypatch, quota, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(builtins, "open", lambda *_, **__: io.StringIO(quota))
    assert usable_cores() == expected


def test_cores_without_affinity_and_quota(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    monkeypatch.setattr(builtins, "open", missing)
    assert usable_cores() == 1


def test_differences_in_words():
    here = this_machine()
    there = msgspec.structs.replace(here, cores=64.0, cpu="another", switch_interval_s=1.0)
    assert here.differences(here) == []
    assert here.differences(there) == [
        f"CPU: {here.cpu} there, another here",
        f"usable cores: {here.cores} there, 64.0 here",
    ]
