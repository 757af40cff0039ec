"""What other processes, and the hypervisor, take of this process's cores while something is measured.

Its cores are those that it may run on; a quota does not count here. Child processes and theirs are its own,
as far as their parents are still there.

Two sources, each of which sees less than there is; so the larger one counts:

- the CPU clock of every process that can be seen (nanoseconds; one that begins or ends meanwhile is missed,
  and so are those outside of this container);
- the idle time of each core in ``/proc/stat`` (what is neither idle nor ours; its unit is 10 ms, and one unit
  a core is taken off).
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LOAD_LIMIT = 0.05
_CPUCLOCK_SCHED = 2  # a process's CPU clock is ~pid << 3 | 2 (clock_getcpuclockid(3))


class Reading(NamedTuple):
    """Seconds, at one moment."""

    wall_s: float
    own_s: float
    """CPU of this process, of its children and theirs, and of what else belongs to the measurement."""
    claimed_s: float
    """Of it, what other processes that are still there used."""
    idle_s: float | None
    """Of all cores together."""
    others_s: Mapping[int, float]
    """CPU of processes that are neither this one nor descend from it, by id."""


class ForeignLoad:
    """The load since this object was made.

    Parameters
    ----------
    own_cpu_s : callable
        CPU seconds of processes that belong to the measurement and do not descend from this one.
    """

    def __init__(self, own_cpu_s: Callable[[], float] = lambda: 0.0) -> None:
        self._own_cpu_s = own_cpu_s
        self._cores = _affinity()
        self._began = self._read()

    def share(self) -> float | None:
        """Return the share of the cores that this process may run on; None where the system does not say."""
        return foreign_share(self._began, self._read(), len(self._cores))

    def _read(self) -> Reading:
        others_s, descendants_s = _processes_s()
        times, claimed_s = os.times(), self._own_cpu_s()
        waited_s = times.children_user + times.children_system
        own_s = time.process_time() + waited_s + descendants_s + claimed_s
        return Reading(time.perf_counter(), own_s, claimed_s, _idle_s(self._cores), others_s)


def foreign_share(began: Reading, ended: Reading, cores: int, unit_s: float = 0.01) -> float | None:
    """Return the share of the cores that was neither idle nor used by the measurement.

    >>> began, ended = Reading(0.0, 0.0, 0.0, 0.0, {7: 1.0}), Reading(1.0, 0.5, 0.0, 1.0, {7: 1.1, 8: 3.0})
    >>> round(foreign_share(began, ended, 2), 2)  # 0.5 of 2 seconds were neither idle nor ours
    0.24
    """
    capacity_s = (ended.wall_s - began.wall_s) * cores
    if capacity_s <= 0:
        return None
    found = []
    if began.idle_s is not None and ended.idle_s is not None:
        used_s = capacity_s - (ended.idle_s - began.idle_s) - (ended.own_s - began.own_s)
        found.append(used_s - unit_s * cores)
    if ended.others_s:
        grown_s = sum(
            max(0.0, s - began.others_s[pid]) for pid, s in ended.others_s.items() if pid in began.others_s
        )
        found.append(grown_s - (ended.claimed_s - began.claimed_s))
    return max(0.0, min(1.0, max(found) / capacity_s)) if found else None


def _idle_s(cores: set[int]) -> float | None:
    try:
        idle = 0
        with open("/proc/stat", encoding="ascii") as file:  # noqa: PTH123
            for line in file:
                name, *fields = line.split()
                if name[:3] == "cpu" and name[3:].isdigit() and int(name[3:]) in cores:
                    idle += int(fields[3]) + int(fields[4])  # idle, and idle with IO under way
        return idle / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def _processes_s() -> tuple[dict[int, float], float]:
    """Return the CPU seconds of foreign processes by id, and those of this one's descendants together."""
    found, parents = {}, {}
    here = os.getpid()
    try:
        for name in os.listdir("/proc"):  # noqa: PTH208
            if name.isdigit() and (pid := int(name)) != here:
                try:
                    found[pid] = time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
                    with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                        parents[pid] = int(file.read().rpartition(b")")[2].split()[1])
                except (OSError, ValueError, IndexError):
                    continue  # it ended meanwhile
    except (OSError, AttributeError):
        pass
    own = descendants(here, parents)
    return {pid: s for pid, s in found.items() if pid not in own}, sum(found.get(pid, 0.0) for pid in own)


def descendants(pid: int, parents: Mapping[int, int]) -> set[int]:
    """Return a process's children, and theirs.

    >>> sorted(descendants(1, {2: 1, 3: 2, 4: 9, 9: 0}))
    [2, 3]
    """
    children: dict[int, list[int]] = {}
    for child, parent in parents.items():
        children.setdefault(parent, []).append(child)
    found: set[int] = set()
    left = [pid]
    while left:
        new = [child for child in children.get(left.pop(), ()) if child not in found]
        found.update(new)
        left += new
    return found


def _affinity() -> set[int]:
    try:
        return os.sched_getaffinity(0)
    except AttributeError:  # not Linux
        return set()
