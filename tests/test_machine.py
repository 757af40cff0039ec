"""What a machine says of itself, and what of it differs from another."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from makespan.machine import Machine, core_limits, gil_enabled, this_machine, usable_cores

if TYPE_CHECKING:
    from pathlib import Path


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


def tree(root: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return str(root)


V2, V1 = "sys/fs/cgroup", "sys/fs/cgroup/cpu,cpuacct"
V1_LINES = "9:memory:/a\n3:cpu,cpuacct:/a/b\n0::/\n"


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(os, "process_cpu_count", lambda: 4, raising=False)
    monkeypatch.delenv("PYTHON_CPU_COUNT", raising=False)


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", 4),
        ("150000 100000", 1.5),
        ("50000 100000", 0.5),
        ("900000 100000", 4),
        ("1 100000", 0.1),
        ("1 0", 4),
    ]
    + [(text, 4) for text in ("", "broken", "1 2 3", "1 0x")],
)
def test_cores_are_the_affinity_cut_by_the_quota(four_cores, tmp_path, quota, expected):
    root = tree(tmp_path, {f"{V2}/cpu.max": quota})
    assert usable_cores(root) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # v2: the own group, and every ancestor
        ({"proc/self/cgroup": "0::/a/b\n", f"{V2}/a/b/cpu.max": "200000 100000"}, 2),
        ({"proc/self/cgroup": "0::/a/b\n", f"{V2}/a/cpu.max": "300000 100000"}, 3),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                f"{V2}/a/b/cpu.max": "max 100000",
                f"{V2}/a/cpu.max": "100000 100000",
                f"{V2}/cpu.max": "200000 100000",
            },
            1,
        ),
        # a sibling's quota is not ours
        ({"proc/self/cgroup": "0::/a/b\n", f"{V2}/a/c/cpu.max": "100000 100000"}, 4),
        # in a container: the path is the host's
        ({"proc/self/cgroup": "0::/docker/1234\n", f"{V2}/cpu.max": "250000 100000"}, 2.5),
        ({"proc/self/cgroup": "0::/../../other\n", f"{V2}/cpu.max": "250000 100000"}, 2.5),
        # v1: quota and period in two files, -1 means none
        (
            {
                "proc/self/cgroup": V1_LINES,
                f"{V1}/a/b/cpu.cfs_quota_us": "150000\n",
                f"{V1}/a/b/cpu.cfs_period_us": "100000\n",
            },
            1.5,
        ),
        (
            {
                "proc/self/cgroup": V1_LINES,
                f"{V1}/a/b/cpu.cfs_quota_us": "-1\n",
                f"{V1}/a/b/cpu.cfs_period_us": "100000\n",
                f"{V1}/a/cpu.cfs_quota_us": "50000\n",
                f"{V1}/a/cpu.cfs_period_us": "100000\n",
            },
            0.5,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu:/docker/12\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        ({"proc/self/cgroup": V1_LINES, f"{V1}/a/b/cpu.cfs_quota_us": "150000\n"}, 4),  # no period
        # cpuset is another controller
        ({"proc/self/cgroup": "3:cpuset:/a\n", "sys/fs/cgroup/cpuset/a/cpu.cfs_quota_us": "1"}, 4),
        ({"proc/self/cgroup": "nonsense\n\n::::\n"}, 4),
        ({}, 4),
    ],
)
def test_quotas_of_cgroups(four_cores, tmp_path, files, expected):
    assert usable_cores(tree(tmp_path, files)) == expected


def test_what_limits_the_cores_is_named(four_cores, tmp_path):
    root = tree(tmp_path, {f"{V2}/cpu.max": "150000 100000"})
    assert core_limits(root) == {"affinity": 4, "cgroup quota": 1.5}
    assert core_limits(str(tmp_path / "nothing")) == {"affinity": 4}


def test_pythons_own_limit_counts_where_it_was_set(four_cores, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "process_cpu_count", lambda: 2, raising=False)
    assert usable_cores(str(tmp_path)) == 4
    monkeypatch.setenv("PYTHON_CPU_COUNT", "2")
    assert core_limits(str(tmp_path)) == {"affinity": 4, "PYTHON_CPU_COUNT": 2}
    monkeypatch.setenv("PYTHON_CPU_COUNT", "default")
    assert usable_cores(str(tmp_path)) == 4


def test_cores_without_affinity_and_quota(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert core_limits(str(tmp_path)) == {"machine": 1}


def test_differences_in_words():
    here = this_machine()
    there = msgspec.structs.replace(here, cores=64.0, cpu="another", switch_interval_s=1.0)
    assert here.differences(here) == []
    assert here.differences(there) == [
        f"CPU: {here.cpu} there, another here",
        f"usable cores: {here.cores} there, 64.0 here",
    ]


def test_settings_that_change_measurements_in_words():
    here = msgspec.structs.replace(this_machine(), switch_interval_s=0.005, thread_variables={})
    there = msgspec.structs.replace(here, switch_interval_s=0.001, thread_variables={"OMP_NUM_THREADS": "1"})
    assert here.settings_differences(here) == []
    assert here.differences(there) == []  # of a plan it is the same machine
    assert there.settings_differences(here) == [
        "OMP_NUM_THREADS: 1 there, not set here",
        "switch interval: 0.001 s there, 0.005 s here",
    ]
    assert msgspec.structs.replace(there, python="unknown").settings_differences(here) == []
