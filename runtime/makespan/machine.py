"""What machine and Python build a file was made on, so that a profile from elsewhere is flagged."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import msgspec
from msgspec import Meta

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
            if mine != theirs:
                found.append(f"{word}: {mine} there, {theirs} here")
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


def usable_cores() -> float:
    """Return how many cores this process may use: its affinity, cut by the cgroup's quota.

    Source: ``sched_getaffinity(2)``, and ``cpu.max`` of cgroup v2 (quota / period).
    """
    try:
        cores = float(len(os.sched_getaffinity(0)))
    except AttributeError:  # not Linux
        cores = float(os.cpu_count() or 1)
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:  # noqa: PTH123 (half the cost of Path)
            quota, period = file.read().split()
        if quota != "max":
            cores = min(cores, max(0.1, round(int(quota) / int(period), 2)))
    except (OSError, ValueError):
        pass
    return cores


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            for line in file:
                if line.startswith(("model name", "Model")):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return os.uname().machine or "unknown"
