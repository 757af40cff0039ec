"""What machine and Python build a file was made on, so that a profile from elsewhere is flagged."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    from collections.abc import Iterator

# Variables that set how many threads native libraries start.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "OMP_THREAD_LIMIT",
    "RAYON_NUM_THREADS",
)


UNKNOWN = "unknown"
"""What is not told of a machine: it differs from no other."""


class Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A machine and its Python: what durations depend on."""

    python: str
    gil: bool
    platform: str
    cpu: str
    cores: Annotated[float, Meta(gt=0)]
    """Usable by one process: its affinity, cut by the quota of its container."""
    switch_interval_s: Annotated[float, Meta(ge=0)]
    thread_variables: dict[str, str] = {}

    def differences(self, other: Machine) -> list[str]:
        """Say in words what differs from another machine in a way that changes durations."""
        found = []
        for field, word in (("cpu", "CPU"), ("cores", "usable cores"), ("python", "Python"), ("gil", "GIL")):
            mine, theirs = getattr(self, field), getattr(other, field)
            if mine != theirs and UNKNOWN not in {mine, theirs}:
                found.append(f"{word}: {mine} there, {theirs} here")
        return found

    def settings_differences(self, other: Machine) -> list[str]:
        """Say in words which settings differ that change measurements, though the machine is the same.

        A plan may be used under other settings; two measurements under different ones have no common median.
        """
        if UNKNOWN in {self.python, other.python}:
            return []
        found = []
        for name in sorted({*self.thread_variables, *other.thread_variables}):
            mine, theirs = (its.thread_variables.get(name, "not set") for its in (self, other))
            if mine != theirs:
                found.append(f"{name}: {mine} there, {theirs} here")
        if self.switch_interval_s != other.switch_interval_s:
            there_s, here_s = self.switch_interval_s, other.switch_interval_s
            found.append(f"switch interval: {there_s:g} s there, {here_s:g} s here")
        return found


def this_machine() -> Machine:
    """Describe the machine that runs this process."""
    import platform

    return Machine(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        gil=gil_enabled(),
        platform=sys.platform,
        cpu=_cpu_model(),
        cores=usable_cores(),
        switch_interval_s=sys.getswitchinterval(),
        thread_variables={name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
    )


def gil_enabled() -> bool:
    """Say whether this interpreter runs with a global interpreter lock."""
    probe = getattr(sys, "_is_gil_enabled", None)
    return True if probe is None else bool(probe())


def usable_cores(root: str = "") -> float:
    """Return how many cores this process may use: its affinity, cut by quotas of its cgroups."""
    return min(core_limits(root).values())


def core_limits(root: str = "") -> dict[str, float]:
    """Return what limits the cores of this process, with the number that each allows.

    Source: ``sched_getaffinity(2)``; ``cpu.max`` (cgroup v2) and ``cpu.cfs_quota_us / cpu.cfs_period_us``
    (v1), the tightest of the process's own cgroup and its ancestors; Python's own ``-X cpu_count``.

    Parameters
    ----------
    root : str
        Where ``/proc`` and ``/sys`` are.
    """
    try:
        limits = {"affinity": float(len(os.sched_getaffinity(0)))}
    except AttributeError:  # not Linux
        limits = {"machine": float(os.cpu_count() or 1)}
    quotas = [quota for files in _quota_files(root) if (quota := _quota(files)) is not None]
    if quotas:
        limits["cgroup quota"] = max(0.1, round(min(quotas), 2))
    said = sys._xoptions.get("cpu_count") or os.environ.get("PYTHON_CPU_COUNT") or ""  # noqa: SLF001
    count = getattr(os, "process_cpu_count", lambda: None)()  # 3.13
    if said not in ("", True, "default") and count:
        limits["PYTHON_CPU_COUNT"] = float(count)
    return limits


def _quota_files(root: str) -> Iterator[list[str]]:
    """Yield the files that may hold a quota: of this process's cgroups, and of each one's ancestors.

    In a container the path is the host's, or ``/``: then only the last folder, the mount itself, exists.
    """
    try:
        with open(f"{root}/proc/self/cgroup", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            lines = file.read().splitlines()
    except OSError:
        lines = ["0::/"]
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            mounts, names = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"], ["cpu.max"]
        elif "cpu" in controllers.split(","):
            mounts = list(dict.fromkeys((f"/sys/fs/cgroup/{controllers}", "/sys/fs/cgroup/cpu")))
            names = ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for mount in mounts:
            for depth in range(len(parts), -1, -1):
                folder = "/".join([root + mount, *parts[:depth]])
                yield [f"{folder}/{name}" for name in names]


def _quota(files: list[str]) -> float | None:
    """Return the cores that a cgroup allows; None: as many as there are."""
    words: list[str] = []
    try:
        for name in files:
            with open(name, encoding="ascii") as file:  # noqa: PTH123 (half the cost of Path)
                words += file.read().split()
        quota, period = words
        if quota != "max" and int(quota) > 0 and int(period) > 0:  # v1 says -1
            return int(quota) / int(period)
    except (OSError, ValueError):
        pass
    return None


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            for line in file:
                if line.startswith(("model name", "Model")):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return os.uname().machine or UNKNOWN
