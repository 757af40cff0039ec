"""What kind of node it is, in one word for people. Pure; the optimizer goes by the seconds, not by the word.

==========  ==========================================================================
python      holds the GIL for more than 70 % of its wall
holds       so, and one call of C code keeps it for more than two switch intervals
native      on a core without the GIL for more than 70 %
parallel    so, on more than 1.2 cores
io          blocked for more than 70 %
chatty      takes the GIL anew more than 100 times a second (beside a Python node, each time waits its turn)
mixed       none of these
==========  ==========================================================================

So that a node has the same class each time it is profiled, a class by the GIL share is said only where the
share is above the border by its own standard error (half of its half-width, at most .1): a node at the border
is mixed. With fewer than three calls, chatty takes twice the rate.

With clocks alone the GIL share is not known: ``python`` then means no more than CPU of the calling thread.
Where other threads do most of the work, ``parallel`` is said of more than 1.2 cores (only one thread at a
time can hold the GIL); of fewer they may be Python threads or native ones, and the class is ``unknown``.

Confidence grows with the distance from the nearest rule's border, measured against the uncertainty of the
share; it is a judgement between 0 and 1, not a probability.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from makespan.profile import Kind

MOST = 0.7
PARALLEL_CORES = 1.2
CHATTY_PER_S = 100.0
_INCESSANT = 10.0  # times as often: chatty, however little of its time it holds the GIL
_CHATTY_AT_LEAST = 5  # a short call that reads once is not chatty
BURST_INTERVALS = 2.0
_CLOCKS_TRUST = 0.5
_MOST_MARGIN = 0.1
_FEW_CALLS = 3


class Shares(NamedTuple):
    """A node's seconds, and how they were had."""

    wall_s: float
    cpu_s: float
    gil_s: float
    other_cpu_s: float = 0.0
    blocked_s: dict[str, float] = {}  # noqa: RUF012 (never changed)
    gil_wait_s: float = 0.0
    sampled: bool = True
    """The GIL was sampled; else `gil_s` is an upper bound for the calling thread, without the others."""
    half_width: float = 0.0
    """Of gil_s / wall_s."""
    retakes: float = 0.0
    """How often a call took the GIL anew, as far as seen."""
    burst_s: float = 0.0
    switch_interval_s: float = 0.005
    calls: int = 5


def classify(shares: Shares) -> tuple[Kind, float]:
    """Return the class and the confidence in it.

    >>> classify(Shares(wall_s=1.0, cpu_s=1.0, gil_s=1.0))[0]
    'python'
    >>> classify(Shares(wall_s=1.0, cpu_s=0.0, gil_s=0.0, blocked_s={"io": 1.0}))[0]
    'io'
    """
    if shares.wall_s <= 0:
        return "unknown", 0.0
    waits = _waits_s(shares) / shares.wall_s
    trust = 1.0 if shares.calls >= _FEW_CALLS else 0.8
    if not shares.sampled:
        return _by_clocks(shares, waits, trust * _CLOCKS_TRUST)
    held = min(1.0, shares.gil_s / shares.wall_s)
    native = max(0.0, 1 - held - waits)
    rate = shares.retakes / shares.wall_s
    border = CHATTY_PER_S * (1 if shares.calls >= _FEW_CALLS else 2)
    native_first = native > MOST and rate <= _INCESSANT * border
    if rate > border and shares.retakes >= _CHATTY_AT_LEAST and not native_first:
        return "chatty", trust * _margin(rate / border - 1, 1.0)
    most = MOST + min(_MOST_MARGIN, shares.half_width / 2)
    unsure = 0.1 + shares.half_width
    if held > most:
        holds = shares.burst_s > BURST_INTERVALS * shares.switch_interval_s
        return ("holds" if holds else "python"), trust * _margin(held - most, unsure)
    if native > most:
        parallel = _cores(shares) > PARALLEL_CORES
        return ("parallel" if parallel else "native"), trust * _margin(native - most, unsure)
    if waits > MOST:
        return "io", trust * _margin(waits - MOST, unsure)
    return "mixed", trust * _margin(min(most - held, most - native, MOST - waits), unsure)


def _by_clocks(shares: Shares, waits: float, trust: float) -> tuple[Kind, float]:
    cpu = shares.cpu_s / shares.wall_s
    if shares.other_cpu_s > shares.cpu_s and 1 - waits > MOST:
        parallel = _cores(shares) > PARALLEL_CORES
        return ("parallel", trust * _margin(1 - waits - MOST, 0.1)) if parallel else ("unknown", 0.0)
    if waits > MOST:
        return "io", trust * 2 * _margin(waits - MOST, 0.1)  # being blocked needs no sampler to be seen
    if cpu > MOST:
        return "python", trust * _margin(cpu - MOST, 0.1)
    return "mixed", trust * _margin(MOST - max(cpu, waits), 0.1)


def _waits_s(shares: Shares) -> float:
    """Return the seconds in which nothing of the node was on a core.

    A thread that waits for its own native pool or child process is blocked, but the node is not idle.
    """
    blocked = shares.blocked_s
    covered = sum(blocked.get(kind, 0.0) for kind in ("lock", "child", "other"))
    return max(0.0, sum(blocked.values()) + shares.gil_wait_s - min(covered, shares.other_cpu_s))


def _cores(shares: Shares) -> float:
    return (shares.cpu_s + shares.other_cpu_s) / shares.wall_s


def _margin(distance: float, unsure: float) -> float:
    return 0.5 + 0.5 * max(0.0, min(1.0, distance / unsure))
