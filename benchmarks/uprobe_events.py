"""From the text of a trace to where the wall of a call went: exact seconds. Pure; see `benchmarks.uprobes`.

Each thread is a small machine: on a core or not, runnable or not, holding the interpreter's lock or not,
inside take_gil or not. Events move it, and the time between two of them goes to the state it was in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BEGIN, END = "makespan begin", "makespan end"


class Exact(NamedTuple):
    """Where the wall of the traced calls went, in seconds; of the calling thread, unless another is said."""

    wall_s: float
    held_s: float
    """On a core with the lock."""
    native_s: float
    """On a core without the lock."""
    taking_s: float
    """On a core inside take_gil, which is the price of the probe at its return, above all."""
    gil_wait_s: float
    blocked_s: float
    run_delay_s: float
    takes: int
    """How often the calling thread took the lock."""
    others_held_s: float = 0.0
    """On a core with the lock, other threads of the process."""
    others_takes: int = 0
    others_stalled_s: float = 0.0
    """They had the lock and were runnable, but not on a core."""
    longest_s: float = 0.0
    """The longest time a thread had it, on a core or not."""

    @property
    def cpu_s(self) -> float:
        """On a core."""
        return self.held_s + self.native_s + self.taking_s

    @property
    def net_s(self) -> float:
        """Wall net of run delay."""
        return max(1e-9, self.wall_s - self.run_delay_s)


def total(some: Sequence[Exact]) -> Exact:
    """Return the sums over several traces."""
    sums = Exact(*map(sum, zip(*some, strict=True)))
    return sums._replace(longest_s=max(each.longest_s for each in some))


class Shares(NamedTuple):
    """Truth: shares of the wall net of run delay."""

    gil: float
    """Held by the calling thread or others of its process."""
    blocked: float
    gil_wait: float
    cpu: float
    takes_per_s: float
    longest_s: float
    corrected: float
    """What was taken off the GIL share for the probes."""


def shares(undisturbed: Exact, probed: Exact, probe_s: float) -> Shares:
    """Return the truth from calls without and with probes; half of a hand-over's probes take `probe_s`.

    >>> plain = Exact(2.0, 0, 1.0, 0, 0, 0.5, 0.5, 0)
    >>> shares(plain, Exact(3.0, 0.5, 1.5, 0, 0.25, 0.25, 0.5, 100), probe_s=0.001)[:4]  # doctest: +ELLIPSIS
    (0.148..., 0.166..., 0.166..., 0.666...)
    """
    off = probed.takes * probe_s
    held_s, native_s = max(0.0, probed.held_s - off), max(0.0, probed.native_s - off)
    on_s = held_s + native_s
    waits = probed.gil_wait_s + probed.blocked_s
    # While its other threads have the lock but no core, the node as a whole is delayed.
    stalled = min(probed.others_stalled_s, waits) / probed.net_s
    others_s = max(0.0, probed.others_held_s - probed.others_takes * probe_s)
    others = others_s / (probed.net_s * (1 - stalled))
    away = (undisturbed.gil_wait_s + undisturbed.blocked_s) / undisturbed.net_s - stalled
    away = max(0.0, away) / (1 - stalled)
    cpu = min(1.0, undisturbed.cpu_s / undisturbed.net_s / (1 - stalled))
    gil_wait = away * probed.gil_wait_s / waits if waits else 0.0
    gil = cpu * held_s / on_s if on_s else 0.0
    raw_s = probed.held_s + probed.native_s
    return Shares(
        gil=min(1.0, gil + others),
        blocked=away - gil_wait,
        gil_wait=gil_wait,
        cpu=cpu,
        takes_per_s=(probed.takes + probed.others_takes) / undisturbed.net_s,
        longest_s=probed.longest_s,
        corrected=abs(cpu * probed.held_s / raw_s - gil) if raw_s else 0.0,
    )


class _Thread:
    """One thread while its events are gone through."""

    def __init__(self, at: float, *, on: bool) -> None:
        self.at, self.on, self.runnable = at, on, False
        self.holding = self.waiting = False
        self.held_since = 0.0
        self.sums = dict.fromkeys(
            ("held", "native", "taking", "gil_wait", "blocked", "run_delay", "stalled"), 0.0
        )
        self.takes = 0

    def until(self, at: float) -> None:
        """Account for the time since the event before."""
        if self.on:
            kind = "held" if self.holding else "taking" if self.waiting else "native"
        elif self.runnable:
            kind = "run_delay"
            self.sums["stalled"] += at - self.at if self.holding else 0.0
        else:
            kind = "gil_wait" if self.waiting else "blocked"
        self.sums[kind] += at - self.at
        self.at = at


_LINE = re.compile(r"-(\d+)\s+\(\s*(\d+|-+)\)\s+\[(\d+)\]\s+\S+\s+([\d.]+): (\w+): (.*)")
_SWITCH = re.compile(r"prev_pid=(\d+) prev_prio=\d+ prev_state=(\S+) ==> .*next_pid=(\d+)")
_WAKE = re.compile(r"pid=(\d+) prio=\d+ target_cpu=(\d+)")


def exact(lines: Iterable[str], tid: int, pid: int) -> Exact:
    """Go through the text of a trace, and return where the wall of thread `tid` of process `pid` went.

    Raises
    ------
    ValueError
        The trace has no begin or no end, or the lock's events do not alternate.
    """
    threads: dict[int, _Thread] = {}
    ours: set[int] = {tid}
    on_core: dict[int, int] = {}
    began = ended = 0.0
    longest_s = 0.0
    for line in lines:
        if (found := _LINE.search(line)) is None:
            continue
        current, core, at = int(found[1]), int(found[3]), float(found[4])
        group, event, rest = found.group(2, 5, 6)
        on_core[core] = current
        if event == "tracing_mark_write":
            if BEGIN in rest:
                began = at
                threads = {tid: _Thread(at, on=True)}
            elif END in rest and began:
                ended = at
                break
            continue
        if not began:
            continue
        if event == "sched_switch" and (switch := _SWITCH.search(rest)):
            leaves, enters = int(switch[1]), int(switch[3])
            on_core[core] = enters
            if leaves in threads:
                threads[leaves].on |= threads[leaves].runnable  # that it entered was lost
                threads[leaves].until(at)
                threads[leaves].on, threads[leaves].runnable = False, switch[2].startswith("R")
            if enters:
                thread = threads.setdefault(enters, _Thread(at, on=False))
                thread.until(at)
                thread.on, thread.runnable = True, False
        elif event in ("sched_wakeup", "sched_wakeup_new") and (woken := _WAKE.search(rest)):
            if (thread := threads.setdefault(int(woken[1]), _Thread(at, on=False))) and not thread.on:
                thread.until(at)
                # On an idle core the way in counts as CPU time, as it does in the kernel's own clocks.
                thread.on = on_core.get(int(woken[2])) == 0
                thread.runnable = not thread.on
        elif event in ("take_in", "take_out", "drop_in"):
            if group != str(pid) and current not in ours:
                continue
            ours.add(current)
            thread = threads.setdefault(current, _Thread(at, on=True))
            thread.on |= thread.runnable
            thread.until(at)
            if event == "drop_in":
                if not thread.holding:
                    raise ValueError(f"thread {current} gives back the lock without having taken it")
                thread.holding = False
                longest_s = max(longest_s, at - thread.held_since)
                continue
            if thread.holding:
                raise ValueError(f"thread {current} takes the lock twice")
            thread.waiting = event == "take_in"
            if event == "take_out":
                thread.holding, thread.held_since = True, at
                thread.takes += 1
    if not ended:
        raise ValueError("the trace has no begin and end: events were lost")
    for each in threads.values():
        each.until(ended)
    mine = threads.pop(tid)
    others = [threads[i] for i in ours if i in threads]
    return Exact(
        wall_s=ended - began,
        held_s=mine.sums["held"],
        native_s=mine.sums["native"],
        taking_s=mine.sums["taking"],
        gil_wait_s=mine.sums["gil_wait"],
        blocked_s=mine.sums["blocked"],
        run_delay_s=mine.sums["run_delay"],
        takes=mine.takes,
        others_held_s=sum(other.sums["held"] for other in others),
        others_takes=sum(other.takes for other in others),
        others_stalled_s=sum(other.sums["stalled"] for other in others),
        longest_s=longest_s,
    )
