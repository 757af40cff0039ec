"""How often to look: random intervals, longer ones when looking takes more than its share of a core.

The intervals are random because a node that works in step with the sampler would otherwise be seen in one
phase only. A quarter of them are short, to see changes that the others miss. Standard library alone: this is
part of the process that samples.
"""

from __future__ import annotations

import random
import time

# Of one core, at most.
CPU_SHARE = 0.05
_AIM = 0.045  # the last few samples before it notices count too
_REVIEW_NS = 50_000_000
_SLOWEST_S = 0.05


class Pace:
    """When the next sample is due; slower when sampling takes more than its share of a core.

    Only time with a call under way counts: between calls a sample costs next to nothing.
    """

    def __init__(self, period_s: float) -> None:
        self._wanted_s = self._period_s = period_s
        self._draw = random.Random(1).random  # noqa: S311 (intervals, not secrets)
        self._due_s = time.monotonic()
        self._at_ns, self._cpu_ns = time.monotonic_ns(), time.process_time_ns()
        self._busy_ns = self._busy_cpu_ns = 0

    @property
    def period_us(self) -> int:
        """The mean interval at present."""
        return round(self._period_s * 1e6)

    @property
    def cpu_us(self) -> int:
        """CPU time of this process when the last interval began."""
        return self._cpu_ns // 1000

    def left_s(self, *, idle: bool) -> float:
        """Return the seconds until the next sample; `idle`: no call was under way in the last one."""
        now_ns = time.monotonic_ns()
        self._review(now_ns, idle=idle)
        drawn = self._draw()
        # A quarter short (0.2 periods on average), the others 1.27 periods on average: one period in all.
        share = 0.1 + 0.8 * drawn if drawn < 0.25 else 0.767 + (drawn - 0.25) / 0.75
        self._due_s += self._period_s * share
        self._due_s = max(self._due_s, now_ns / 1e9)
        return self._due_s - now_ns / 1e9

    def _review(self, now_ns: int, *, idle: bool) -> None:
        cpu_ns = time.process_time_ns()
        if not idle:
            self._busy_ns += now_ns - self._at_ns
            self._busy_cpu_ns += cpu_ns - self._cpu_ns
        self._at_ns, self._cpu_ns = now_ns, cpu_ns
        if self._busy_ns < _REVIEW_NS:
            return
        self._period_s = paced(self._period_s, self._wanted_s, self._busy_cpu_ns / self._busy_ns)
        self._busy_ns = self._busy_cpu_ns = 0


def paced(period_s: float, wanted_s: float, cpu_share: float) -> float:
    """Return the period at which sampling takes its share of a core at most.

    >>> round(paced(0.001, 0.001, cpu_share=0.09), 4), paced(0.002, 0.001, cpu_share=0.01)
    (0.002, 0.001)
    """
    return min(_SLOWEST_S, max(wanted_s, period_s * cpu_share / _AIM))
