"""How often a thread took the GIL anew during a call, from looks at who holds it. Pure.

A thread holds the GIL (share ``p`` of the time) or does not, and changes between the two::

    holds  ▄▄▄   ▄▄    ▄▄▄▄▄▄  ▄▄          takes: 4 (each rise)
             └───┘ └────┘     └─┘
    looks   ··  ·       ·     · ·          pairs of looks: near (some µs apart) to far (ms)

When both states end at random, a pair of looks that are ``g`` apart shows a rise with the probability
``p (1 - p) (1 - exp(-λ g))``, and takes come at the rate ``p (1 - p) λ``. Near pairs see high rates, but few
rises when the rate is low; far pairs see those, and miss most when the rate is high. So the rate is read off
the sort of pairs that tells it most exactly, and that does not contradict a nearer one. Rises between
neighbouring samples are counted one by one, and are a lower bound whatever the thread does.

Source: the transition probabilities of a two-state Markov process in continuous time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from makespan_optimizer.measure.sampling.watch import Seen

_MOST = 0.97  # of the rises that pairs can show at all: beyond it a rate cannot be told
_FEW = 3  # rises within pairs that are µs apart: fewer are chance, and would stand for thousands


def takes_of(seen: Seen, wall_s: float) -> float | None:
    """Return about how often the GIL was taken during a call of `wall_s` seconds; None: not looked at.

    >>> from makespan_optimizer.measure.sampling.watch import Seen
    >>> takes_of(Seen(hold=100), 0.1)
    0.0
    >>> round(takes_of(Seen(hold=500, sleep=500, retakes=10), 1.0), 1)  # a low rate: each rise is seen
    10.2
    """
    n = seen.samples
    if not n or wall_s <= 0:
        return None
    share = seen.hold / n
    far = seen.retakes - seen.short_up, n - 1 - seen.short_pairs, wall_s - seen.short_gap_ns / 1e9
    sorts = (
        (seen.near_up, seen.near_pairs, seen.near_gap_ns / 1e9),
        (seen.pairs_up, seen.pairs, seen.pair_gap_ns / 1e9),
        (seen.short_up, seen.short_pairs, seen.short_gap_ns / 1e9),
        far,
    )
    best, best_error, at_least = 0.0, math.inf, 0.0
    for (rises, pairs, gaps_s), few in zip(sorts, (_FEW, _FEW, 1, 1), strict=True):
        if rises < few or pairs <= 0 or gaps_s <= 0:
            continue
        rate, error = _rate(rises, pairs, gaps_s / pairs, share)
        if rate >= at_least and error <= best_error:
            best, best_error = rate, error
        low, _ = _rate(rises - 2 * math.sqrt(rises), pairs, gaps_s / pairs, share)
        at_least = max(at_least, low)
    return max(float(seen.retakes), best * wall_s)


def _rate(rises: float, pairs: int, gap_s: float, share: float) -> tuple[float, float]:
    """Return the takes a second that pairs tell, and how far they may be off, as a share."""
    possible = share * (1 - share)
    if rises <= 0 or not possible:
        return 0.0, math.inf
    part = min(_MOST, rises / (pairs * possible))
    decay = -math.log1p(-part)
    chance = part / (1 - part) / decay / math.sqrt(rises)
    model = (decay / part - 1) / 2  # states need not end at random: the correction may be too large
    return possible * decay / gap_s, math.hypot(chance, model)
