"""Threads that take and free the GIL all the time, beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from makespan_optimizer.contention.phases import Rules, Thread

_ROUNDS = 6


def chat_speeds(chatters: Sequence[Thread], rules: Rules) -> Iterator[float]:
    """Return the speeds of threads that take and free the GIL all the time.

    At each take a thread collides with probability D, the others' duties at their present speeds, and then
    sleeps for collide / (1 - D): speed = 1 / (1 + D / cycle · collide / (1 - D)).
    """
    speeds = [1.0] * len(chatters)
    if len(chatters) > 1:
        for _ in range(_ROUNDS):
            held = sum(speed * thread.duty for speed, thread in zip(speeds, chatters, strict=True))
            before = speeds
            speeds = []
            for speed, thread in zip(before, chatters, strict=True):
                others = min(0.99, held - speed * thread.duty)
                found = 1 / (1 + others / thread.cycle_s * rules.collide_s / (1 - others))
                speeds.append((speed + found) / 2)
    return iter(speeds)
