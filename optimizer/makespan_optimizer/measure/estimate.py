"""From the calls of a node to what it does with its time. Pure.

The GIL share `p` of the CPU time (see `calls`) is pooled over the calls, so that a node too short to be
sampled in one call is judged by all; the figures are medians over the calls, net of run delay. They add up
(seconds)::

    wall_net  = cpu + gil_wait + sum(blocked)
    gil + native = cpu + other_cpu

How often the GIL was taken (takes a call) is estimated from changes between looks (see `takes`). A call that
comes back from sleep or IO takes it each time, so such a node takes it as often as it switched voluntarily,
at the least.

Interval of `p`: Wilson (1927), "Probable inference, the law of succession, and statistical inference",
widened by what repeated measurements of known workloads were off by: that part no number of samples mends.
"""

from __future__ import annotations

import math
from statistics import fmean, median, pstdev
from typing import TYPE_CHECKING

from makespan.profile import Call, NodeProfile, Quality, Spread
from makespan_optimizer.measure.calls import wall_net_s
from makespan_optimizer.measure.classes import Shares, classify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from makespan.measurement import SamplerSource

ENOUGH_CALLS = 3  # without those spoiled calls in whose place others speak: then these are left out
# Error of the GIL share that more samples do not mend, by sampler: the canary takes whoever holds the GIL for
# the thread that is measured, and sees each hold up to a pause longer or shorter.
SYSTEMATIC: dict[SamplerSource, float] = {"gil": 0.005, "canary": 0.1, "clocks": 0.005}
_Z = 1.96  # of the 95 % interval
_LONG_S = 0.001  # shorter calls say nothing about cores


def summarize(
    name: str,
    calls: Sequence[Call],
    *,
    first_s: float | None = None,
    out_bytes: int | None = None,
    gil: bool = True,
    switch_interval_s: float = 0.005,
    samplers: Mapping[str, SamplerSource] | None = None,
) -> NodeProfile:
    """Return a node's figures from its calls.

    Parameters
    ----------
    name : str
    calls : sequence of Call
        At least one.
    first_s : float, optional
        Wall of the call that warmed up, seconds.
    out_bytes : int, optional
        Size of the result.
    gil : bool
        Whether the interpreter has a GIL.
    switch_interval_s : float
        Seconds.
    samplers : mapping of run to sampler, optional
        How each run was sampled; by default all by ``gil``.

    Raises
    ------
    ValueError
        There are no calls.
    """
    if not calls:
        raise ValueError(f"node {name!r} has no calls")
    unspoiled = [call for call in calls if not call.spoiled]
    told = {call.inputs for call in unspoiled}  # sets of inputs that unspoiled calls tell of; the others stay
    good = [call for call in calls if not call.spoiled or call.inputs not in told]
    used = good if len(good) >= ENOUGH_CALLS else list(calls)

    def typical(figure: Callable[[Call], float]) -> float:
        return median(map(figure, used))

    walls = [wall_net_s(call) for call in used]
    wall_s = median(walls)
    cpu_s = min(typical(lambda call: call.cpu_s), wall_s)
    other_s = typical(lambda call: call.other_cpu_s)
    share, unsure = gil_share(used, gil=gil, samplers=samplers)
    # Of the wall: a node that sleeps holds the GIL for no time, however little its CPU time was sampled.
    half_width = None if unsure is None else min(1.0, unsure * cpu_s / wall_s) if wall_s > 0 else unsure
    other_gil_s = min(other_s, typical(lambda call: call.other_gil_s))
    gil_s = cpu_s * share + other_gil_s
    native_s = max(0.0, cpu_s * (1 - share) + other_s - other_gil_s)
    gil_wait_s, blocked_s = _split(used, wall_s - cpu_s)
    retakes = _takes(used, blocked_s)
    burst_s = max((call.gil_burst_max_s for call in calls if call.gil_burst_max_s is not None), default=None)
    samples = sum(call.gil_samples for call in used)
    kind, confidence = classify(
        Shares(
            wall_s=wall_s,
            cpu_s=cpu_s,
            gil_s=gil_s,
            other_cpu_s=other_s,
            blocked_s=blocked_s,
            gil_wait_s=gil_wait_s,
            sampled=half_width is not None,
            half_width=half_width or 0.0,
            retakes=retakes or 0.0,
            burst_s=burst_s or 0.0,
            switch_interval_s=switch_interval_s,
            calls=len(used),
        )
    )
    total_s = sum(call.wall_s for call in used)
    return NodeProfile(
        name=name,
        runs=len(calls),
        wall_net_s=Spread(wall_s, quantile(walls, 0.1), quantile(walls, 0.9), tuple(walls)),
        cpu_s=cpu_s,
        gil_s=gil_s,
        native_s=native_s,
        blocked_s=blocked_s,
        first_s=first_s,
        other_cpu_s=other_s,
        cores_peak=_cores(used),
        gil_wait_s=gil_wait_s,
        run_delay_s=typical(lambda call: call.run_delay_s),
        gil_retakes=None if retakes is None else round(retakes),
        gil_burst_max_s=burst_s,
        nvcsw=round(typical(lambda call: call.nvcsw)),
        nivcsw=round(typical(lambda call: call.nivcsw)),
        gc_s=typical(lambda call: call.gc_s),
        minflt=round(typical(lambda call: call.minflt)),
        out_bytes=out_bytes,
        threads_used=max((n for call in calls if (n := call.threads_used) is not None), default=None),
        kind=kind,
        class_confidence=confidence,
        quality=Quality(
            run_delay_share=min(1.0, sum(call.run_delay_s for call in used) / total_s) if total_s else 0.0,
            cv=pstdev(walls) / fmean(walls) if len(walls) > 1 and fmean(walls) > 0 else 0.0,
            samples=samples,
            gil_share_half_width=half_width,
            spoiled=len(calls) - len(unspoiled),
        ),
        calls=tuple(calls),
    )


def gil_share(
    calls: Sequence[Call], *, gil: bool = True, samplers: Mapping[str, SamplerSource] | None = None
) -> tuple[float, float | None]:
    """Return the pooled GIL share of the CPU time and the half-width of its 95 % interval.

    (1, None) when nothing was sampled: the CPU share is an upper bound. (1, 1) when samples fell into the
    calls, but none on their CPU time: it may be anything.
    """
    if not gil:
        return 0.0, 0.0
    sampled = [call for call in calls if call.gil_share is not None and call.gil_samples]
    n = sum(call.gil_samples for call in sampled)
    if not n:
        return 1.0, 1.0 if any(call.gil_retakes is not None for call in calls) else None
    share = min(1.0, sum((call.gil_share or 0.0) * call.gil_samples for call in sampled) / n)
    systematic = max(SYSTEMATIC[(samplers or {}).get(call.run, "gil")] for call in sampled)
    return share, min(1.0, wilson_half_width(share, n) + systematic)


def wilson_half_width(share: float, n: int) -> float:
    """Return the larger distance from a share of `n` samples to the ends of its 95 % Wilson interval.

    >>> round(wilson_half_width(0.5, 100), 3), round(wilson_half_width(1.0, 100), 3)
    (0.096, 0.037)
    """
    z2 = _Z * _Z / n
    centre = (share + z2 / 2) / (1 + z2)
    reach = math.sqrt(share * (1 - share) / n * _Z * _Z + z2 * z2 / 4) / (1 + z2)
    return max(centre + reach - share, share - (centre - reach))


def quantile(values: Sequence[float], q: float) -> float:
    """Return a quantile, linear between the order statistics.

    >>> quantile([3.0, 1.0, 2.0], 0.25)
    1.5
    """
    ordered = sorted(values)
    at = q * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def _split(calls: Sequence[Call], off_s: float) -> tuple[float, dict[str, float]]:
    """Divide the time off the core as the calls divided it, taken together.

    Calls that were not sampled count only when none was.
    """
    sampled = [call for call in calls if call.gil_retakes is not None] or list(calls)
    sums: dict[str, float] = {}
    for call in sampled:
        for kind, seconds in (("", call.gil_wait_s), *call.blocked_s.items()):
            sums[kind] = sums.get(kind, 0.0) + seconds
    total = sum(sums.values())
    if off_s <= 0:
        return 0.0, {}
    if total <= 0:
        return 0.0, {"other": off_s}
    waits = off_s * sums.pop("", 0.0) / total
    return waits, {kind: off_s * seconds / total for kind, seconds in sums.items() if seconds > 0}


def _takes(calls: Sequence[Call], blocked_s: Mapping[str, float]) -> float | None:
    """Return how often a call took the GIL; None when that was not looked at."""
    looked_at = [call for call in calls if call.gil_retakes is not None]
    counted = [call for call in looked_at if call.takes_counted] or looked_at
    known = [call.gil_retakes or 0 for call in counted]
    if not known:
        return None
    idle = ("io", "sleep") if blocked_s.keys() - {"other"} else ("other",)  # samplers that tell no kinds
    idle_s = sum(blocked_s.get(kind, 0.0) for kind in idle)
    wakes = median(call.nvcsw for call in calls) if idle_s > 0.5 * sum(blocked_s.values()) else 0.0
    return max(median(known), wakes)


def _cores(calls: Sequence[Call]) -> float:
    """Return the most cores that a call kept busy on average; calls too short to tell are taken together."""
    busy = [(call.cpu_s + call.other_cpu_s, wall_net_s(call)) for call in calls]
    ratios = [cpu / wall for cpu, wall in busy if wall >= _LONG_S]
    if ratios:
        return max(ratios)
    wall_s = sum(wall for _, wall in busy)
    return sum(cpu for cpu, _ in busy) / wall_s if wall_s > 0 else 0.0
