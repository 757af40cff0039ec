"""What can be trusted here: a self-test of the sampler on known work, the load of others, cores, hand-offs.

Everything together takes less than a second. The self-test decides whether the sampler is used at all: a loop
must come out as holding the GIL, a hash of a large buffer as not holding it, a sleep as blocked.
"""

from __future__ import annotations

import hashlib
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from makespan_optimizer.measure.load import LOAD_LIMIT, ForeignLoad
from makespan_optimizer.measure.meter import Meter
from makespan_optimizer.measure.sampling.sampler import NoSampler, next_sampler, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from makespan_optimizer.measure.sampling.sampler import Sampler, SamplerName

__all__ = [
    "LIMITS",
    "LOAD_LIMIT",
    "ForeignLoad",
    "Tested",
    "cores_measured",
    "fault_of",
    "hand_off_s",
    "judge",
    "self_test",
    "settle",
]

SNIPPET_S = 0.06
_BLOCK = bytes(1 << 20)  # made before: to fill it would hold the GIL
_TRIES = 3
# What the self-test's figures must reach: (at least, at most).
LIMITS = {"loop_gil": (0.9, 1.0), "hash_gil": (0.0, 0.1), "sleep_blocked": (0.9, 1.0)}
# Before a measured run other threads may be at work already, and hold the GIL when the sleep is over.
_BESIDE_OTHERS = {"sleep_blocked": (0.5, 1.0)}
CANARY_LIMITS = {"loop_gil": (0.7, 1.0), "hash_gil": (0.0, 0.3), "sleep_blocked": (0.8, 1.0)}


class Tested(NamedTuple):
    """The self-test's figures, and why the sampler cannot be trusted (None: it can)."""

    figures: dict[str, float]
    fault: str | None


def self_test(meter: Meter, limits: Mapping[str, tuple[float, float]] | None = None) -> Tested:
    """Measure the three snippets; a disturbed one is measured again.

    Parameters
    ----------
    meter : Meter
    limits : mapping, optional
        What the figures must reach, instead of what is usual for the meter's sampler.
    """
    figures: dict[str, float] = {}
    if limits is None:
        limits = CANARY_LIMITS if meter.sampler.name == "canary" else LIMITS
    for name, snippet in (("loop_gil", _loop), ("hash_gil", _hash), ("sleep_blocked", _sleep)):
        low, high = limits[name]
        for _ in range(_TRIES):
            meter.call("", snippet)
            call = meter.last
            assert call is not None
            if call.gil_retakes is None:  # not sampled at all
                continue
            share: float | None = call.gil_share
            if snippet is _sleep:
                kind = "other" if meter.sampler.name == "canary" else "sleep"
                share = call.blocked_s.get(kind, 0.0) / call.wall_s
            if share is not None:
                figures[name] = share
                if low <= share <= high:
                    break
    return Tested(figures, judge(figures, limits))


_trusted: set[str] = set()


def fault_of(sampler: Sampler) -> str | None:
    """Return why a sampler is not to be believed; one of each kind is tested, once in this process.

    Only what passed is remembered: a busy machine may have disturbed what failed.
    """
    if sampler.name == "clocks" or sampler.name in _trusted:
        return None
    limits = CANARY_LIMITS if sampler.name == "canary" else LIMITS
    with Meter(sampler) as meter:
        fault = self_test(meter, limits | _BESIDE_OTHERS).fault
    if fault is None:
        _trusted.add(sampler.name)
    return fault


def judge(figures: Mapping[str, float], limits: Mapping[str, tuple[float, float]] = LIMITS) -> str | None:
    """Return what is wrong with the self-test's figures, or None.

    >>> judge({"loop_gil": 1.0, "hash_gil": 0.5, "sleep_blocked": 1.0})
    'its self-test gave hash_gil 0.50 instead of 0.0 to 0.1'
    """
    for name, (low, high) in limits.items():
        if name not in figures:
            return f"its self-test gave no samples for {name}"
        if not low <= figures[name] <= high:
            return f"its self-test gave {name} {figures[name]:.2f} instead of {low} to {high}"
    return None


def settle(meter: Meter, wanted: SamplerName) -> tuple[dict[str, float], tuple[str, ...]]:
    """Test the meter's sampler, and put the next one in its place as long as the test fails.

    Returns
    -------
    figures : dict
        Of the sampler that remains.
    notes : tuple of str
        Why it is not a better one.

    Raises
    ------
    OptionError
        The sampler was asked for by name, and fails.
    """
    notes: tuple[str, ...] = ()
    while not isinstance(meter.sampler, NoSampler):
        tested = self_test(meter)
        if tested.fault is None:
            return tested.figures, notes
        if wanted != "auto":
            raise unavailable(tested.fault)
        failed = meter.sampler
        meter.sampler, more = next_sampler(failed.name, f"{failed.name}: {tested.fault}")
        failed.close()
        notes += more
    return {}, notes


def cores_measured() -> float:
    """Return how many cores two threads of native work get: 2 on a machine that has them free, else less."""
    hash_s = min(_seconds(lambda: hashlib.sha256(_BLOCK).digest()) for _ in range(3))
    rounds = max(1, round(SNIPPET_S / hash_s))

    def work() -> None:
        for _ in range(rounds):
            hashlib.sha256(_BLOCK).digest()

    alone_s = _seconds(work)

    def together() -> None:
        other = threading.Thread(target=work, name="makespan-calibration")
        other.start()
        work()
        other.join()

    return max(1.0, min(2.0, 2 * alone_s / _seconds(together)))


def hand_off_s(rounds: int = 100) -> float:
    """Return the seconds it takes to wake another thread that waits for a lock (median of `rounds`)."""
    there, back = threading.Lock(), threading.Lock()
    there.acquire()
    back.acquire()

    def answer() -> None:
        for _ in range(rounds):
            there.acquire()
            back.release()

    other = threading.Thread(target=answer, name="makespan-calibration", daemon=True)
    other.start()
    passed = []
    for _ in range(rounds):
        began = time.perf_counter()
        there.release()
        back.acquire()
        passed.append(time.perf_counter() - began)
    other.join()
    return sorted(passed)[rounds // 2] / 2


def _loop() -> None:
    until = time.perf_counter() + SNIPPET_S
    count = 0
    while time.perf_counter() < until:
        for _ in range(200):
            count += 1


def _hash() -> None:
    until = time.perf_counter() + SNIPPET_S
    while time.perf_counter() < until:
        hashlib.sha256(_BLOCK).digest()


def _sleep() -> None:
    time.sleep(SNIPPET_S)


def _seconds(fn: Callable[[], object]) -> float:
    began = time.perf_counter()
    fn()
    return time.perf_counter() - began
